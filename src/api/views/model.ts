/** A model's page: how it is, what was made, what the gates said, how it holds. A member of a family has a page of its own. */
import { MillraceError } from '../../core/errors.ts'
import { refs, subjects } from '../../core/names.ts'
import type { Alert, Digest, Finding, ModelBundle, ModelVersion, Release } from '../../core/records.ts'
import { opens } from '../../core/verdicts.ts'
import { LEAD_OF, METRICS } from '../../model/measure.ts'
import { releaseHistory } from '../../release/record.ts'
import { arithmeticWords, batchSizes } from '../../serve/models/batch-report.ts'
import type { CostCurve } from '../../serve/models/cost-curve.ts'
import { benjaminiHochberg } from '../../stats/multiplicity.ts'
import type { Store } from '../../store/ports.ts'
import type { WindowReport, WindowSummary } from '../../watch/records.ts'
import type { ClassRow, DriftColumn, ModelPage, ScoringCost, VersionRow } from '../contract.ts'
import { alertsView, isAboutFamily, isAboutMember } from './alerts.ts'
import { fittedOf, namedHistogram } from './features.ts'
import { sortFindings } from './findings.ts'
import { factsOf } from './fleet.ts'
import { eventsView } from './journal.ts'
import { type LiveSource, trafficOf } from './live.ts'
import { memberBase } from './members.ts'
import {
  gatesOf,
  type ModelState,
  metricsOf,
  modelState,
  modelVersion,
  type Project,
  taskOf,
  trainedOn,
} from './model-state.ts'
import { bandOf, pointOf, seriesOf } from './quality.ts'
import { memberSentence, modelSentence } from './sentences.ts'

/** Releases and versions that a page lists. */
const RELEASES_MAX = 100
const VERSIONS_MAX = 100
const EVENTS_SHOWN = 50
/** Windows of a page's charts. */
const WINDOWS_MAX = 400

/** The page of a model (`late`) or of a member (`late/ATL`). Errors: MR_LOOP_UNKNOWN, MR_API_MEMBER_UNKNOWN. */
export async function modelView(rt: Project, name: string, live: LiveSource): Promise<ModelPage> {
  const state = await modelState(rt, name)
  const slash = name.indexOf('/')
  return slash < 0 ? await ownPage(rt, state, live) : await memberPage(rt, state, name.slice(slash + 1), live)
}

async function ownPage(rt: Project, state: ModelState, live: LiveSource): Promise<ModelPage> {
  const { def, parent, current, watch } = state
  const task = taskOf(state)
  const windows = watch?.state.windows.slice(-WINDOWS_MAX) ?? []
  const [alerts, releases, versions, gates, shared] = await Promise.all([
    alertsView(rt),
    releaseHistory(rt.store, def.name, RELEASES_MAX),
    versionRows(rt.store, state),
    newestGates(rt.store, state),
    sharedParts(rt, state, live),
  ])
  return {
    ...shared,
    model: def.name,
    sentence: modelSentence(await factsOf(rt, state, alerts), rt.clock.now()),
    parent: null,
    release: current?.release ?? null,
    releases: releases.map(({ release, digest }) => ({ release, digest, at: release.at })),
    versions,
    gates,
    quality: { metrics: state.card ? await seriesOf(rt.store, windows, state.card, task) : [] },
    drift: parent ? await driftColumns(rt.store, parent, windows) : [],
    importance: parent?.card.importance ?? [],
    calibration: await newestCalibration(rt.store, windows, parent),
    ...(parent?.card.classes && (await classesShown(rt.store, windows, parent.card))),
    alerts: alerts.filter((alert) => isAboutFamily(alert, def.name)),
  }
}

/** What a family's page and its members' pages have in common. */
async function sharedParts(rt: Project, state: ModelState, live: LiveSource) {
  const { def, parent } = state
  const { requestsPerSecond, rowsPerSecond, latencyMs } = trafficOf(live, def.name, state.liveVersion)
  const subject = subjects.model(def.name)
  return {
    task: taskOf(state),
    description: def.description,
    owner: def.watch.owner,
    signature: parent?.signature ?? { inputs: [], outputs: [] },
    speed: {
      latencyMs,
      requestsPerSecond,
      rowsPerSecond,
      modelBytes: await bundleBytes(rt.store, state),
      scoring: scoringCost(live.cost?.(def.name)),
    },
    events: await eventsView(rt, { subjectPrefix: subject, limit: EVENTS_SHOWN }),
    commands: commandsOf(def.name, state.current?.release),
  }
}

/** Rows of a request up to which its cost is shown. */
const SCORED_ROWS_MAX = 256

/** Sizes that were seen, or lie below the largest one: what was never asked is not drawn. */
function scoringCost(cost: CostCurve | undefined): ScoringCost | null {
  if (!cost?.isKnown) return null
  const seen = Math.max(...cost.points().map(({ rows }) => rows))
  const most = Math.max(1, Math.min(SCORED_ROWS_MAX, Math.round(seen)))
  const all = batchSizes(cost, 1, [most])
  const sizes = all.map(({ rows, callMs, rowsPerSecond }) => ({ rows, callMs, rowsPerSecond }))
  return { words: arithmeticWords(all[0], all[all.length - 1]), sizes }
}

function commandsOf(model: string, release: Release | undefined): ModelPage['commands'] {
  const moving = release && ['shadow', 'canary', 'paused'].includes(release.state)
  return {
    rollback: `millrace rollback ${model}`,
    promote: moving ? `millrace promote ${model}` : `millrace release ${model}`,
    train: `millrace train ${model}`,
  }
}

/** Bytes of the parent and of every member that answers. */
async function bundleBytes(store: Store, { shown, parent }: ModelState): Promise<number> {
  if (!shown || !parent) return 0
  const members = await memberBase(store, shown)
  return members.reduce((sum, member) => sum + member.bytes, parent.card.bytes)
}

/** Findings of the newest gate run, worst first, those that decide before those of slices. */
async function newestGates(store: Store, { def, latest }: ModelState): Promise<Finding[]> {
  const report = latest && (await gatesOf(store, def.name, latest.bundle.version))
  return sortFindings(report?.findings ?? [])
}

/** An entry of a record by a name from outside: what every object inherits is none. */
function entryOf<V>(entries: Record<string, V> | undefined, key: string): V | undefined {
  return entries && Object.hasOwn(entries, key) ? entries[key] : undefined
}

// ---------------------------------------------------------------- versions

/** Every bundle that was the newest once, newest first. */
async function bundlesOf(store: Store, model: string): Promise<{ digest: Digest; bundle: ModelBundle }[]> {
  const history = await store.meta.history(refs.latest(model), VERSIONS_MAX)
  const digests = [...new Set(history.flatMap(({ digest }) => digest ?? []))]
  return await Promise.all(
    digests.map(async (digest) => ({
      digest,
      bundle: await store.getRecord<ModelBundle>(digest, 'ModelBundle'),
    })),
  )
}

async function versionRows(
  store: Store,
  { def, current }: ModelState,
  member?: string,
): Promise<VersionRow[]> {
  const bundles = await bundlesOf(store, def.name)
  return await Promise.all(
    bundles.map(async ({ digest, bundle }) => {
      const own = (member !== undefined && entryOf(bundle.members, member)) || bundle.parent
      const held = member === undefined || own !== bundle.parent ? null : entryOf(bundle.held, member)
      const version = await modelVersion(store, own)
      return {
        version: bundle.version,
        bundle: digest,
        answersBy: own,
        heldReason: held === undefined ? 'its rows were not seen in training' : held,
        createdAt: bundle.createdAt,
        reason: bundle.reason,
        members: member === undefined ? Object.keys(bundle.members).length : 0,
        held: member === undefined ? Object.keys(bundle.held).length : 0,
        metrics: member === undefined ? await metricsOf(store, bundle, version) : version.card.metrics,
        trainedOn: trainedOn(version),
        state: await versionState(store, bundle, digest, current?.release),
      }
    }),
  )
}

export async function versionState(
  store: Store,
  bundle: Pick<ModelBundle, 'model' | 'version'>,
  digest: Digest,
  release: Release | undefined,
): Promise<VersionRow['state']> {
  const roles = new Set(release?.routes.filter((r) => r.bundle === digest).map((r) => r.role))
  for (const role of ['live', 'canary', 'shadow'] as const) if (roles.has(role)) return role
  const report = await gatesOf(store, bundle.model, bundle.version)
  return report && !opens(report.findings) ? 'refused' : 'past'
}

// ---------------------------------------------------------------- drift and calibration

async function reportAt(store: Store, window: WindowSummary | undefined): Promise<WindowReport | undefined> {
  return window && (await store.getRecord<WindowReport>(window.report, 'WindowReport'))
}

/** Columns of the newest window against the training rows, with adjusted p-values, worst first. */
async function driftColumns(
  store: Store,
  parent: ModelVersion,
  windows: readonly WindowSummary[],
): Promise<DriftColumn[]> {
  const report = await reportAt(store, windows.at(-1))
  if (!report) return []
  const fitted = await fittedOf(store, parent)
  const adjusted = benjaminiHochberg(report.drift.map((column) => column.pValue))
  const columns = report.drift.flatMap((drift, i): DriftColumn[] => {
    const info = parent.featureInfo.find((f) => f.name === drift.column)
    const feature = fitted.features.find((f) => f.name === drift.column)
    if (!info) return []
    return [
      {
        column: drift.column,
        psi: drift.psi,
        pAdjusted: adjusted[i],
        verdict: drift.verdict,
        n: drift.n,
        reference: namedHistogram(info.reference, feature),
        current: namedHistogram(drift.current, feature),
        history: historyOf(drift.column, windows),
      },
    ]
  })
  return columns.sort((a, b) => b.psi - a.psi)
}

function historyOf(column: string, windows: readonly WindowSummary[]): DriftColumn['history'] {
  return windows.flatMap(({ window, drift }) => {
    const at = drift.find((d) => d.column === column)
    return at ? [{ fromAt: window.fromAt, psi: at.psi, verdict: at.verdict }] : []
  })
}

/** The classes of a card beside those of the newest window that has outcomes; classes that came true and are not known come last. */
async function classesShown(
  store: Store,
  windows: readonly WindowSummary[],
  { classes = [], confusion }: ModelVersion['card'],
): Promise<Pick<ModelPage, 'classes' | 'confusion'>> {
  const report = await reportAt(
    store,
    windows.findLast((w) => w.joined > 0),
  )
  const seen = new Map((report?.classes ?? []).map((row) => [row.label, row]))
  const known = classes.map(({ label, trainRows, recall, precision }): ClassRow => {
    const window = seen.get(label)
    return {
      label,
      trainRows,
      recall: recall.n > 0 ? recall : null,
      precision: precision.n > 0 ? precision : null,
      said: window?.said ?? null,
      happened: window?.happened ?? null,
    }
  })
  const labels = new Set(classes.map(({ label }) => label))
  const unknown = [...seen.values()]
    .filter((row) => !labels.has(row.label))
    .map(
      ({ label, said, happened }): ClassRow => ({
        label,
        trainRows: null,
        recall: null,
        precision: null,
        said,
        happened,
      }),
    )
  return { classes: [...known, ...unknown], confusion: confusion ?? [] }
}

/** Reliability on the newest window that has outcomes; before the first, on the test split. */
async function newestCalibration(
  store: Store,
  windows: readonly WindowSummary[],
  parent: ModelVersion | undefined,
): Promise<ModelPage['calibration']> {
  const report = await reportAt(
    store,
    windows.findLast((w) => w.joined > 0),
  )
  return report && report.calibration.length > 0 ? report.calibration : (parent?.card.calibration ?? [])
}

// ---------------------------------------------------------------- members

async function memberPage(rt: Project, state: ModelState, key: string, live: LiveSource): Promise<ModelPage> {
  const { def, shown, parent } = state
  const digest = entryOf(shown?.bundle.members, key)
  const held = entryOf(shown?.bundle.held, key)
  if (!shown || !parent || (digest === undefined && held === undefined))
    throw new MillraceError('MR_API_MEMBER_UNKNOWN', { model: def.name, member: key })
  const name = `${def.name}/${key}`
  const version = digest ? await modelVersion(rt.store, digest) : parent
  const windows = state.watch?.state.windows.slice(-WINDOWS_MAX) ?? []
  const points = await memberPoints(rt.store, windows, key)
  const task = taskOf(state)
  const newest = points.findLast((point) => point.value !== null)
  const expected = bandOf(
    version.card,
    task,
    LEAD_OF[task],
    newest?.n ?? version.card.metrics[LEAD_OF[task]]?.n ?? 0,
  )
  const alerts = (await alertsView(rt)).filter((alert: Alert) => isAboutMember(alert, name))
  const shared = await sharedParts(rt, state, live)
  return {
    ...shared,
    model: name,
    sentence: memberSentence({
      name,
      family: def.name,
      task,
      heldReason: held ?? null,
      rows: version.trainedOn.rows,
      quality: points,
      expected,
      alerts,
    }),
    parent: def.name,
    release: state.current?.release ?? null,
    releases: [],
    versions: await versionRows(rt.store, state, key),
    gates: (await newestGates(rt.store, state)).filter((f) => concerns(f, key)),
    quality: {
      metrics: [
        {
          name: LEAD_OF[task],
          points,
          expected,
          higherIsBetter: METRICS.get(LEAD_OF[task])?.higherIsBetter ?? true,
        },
      ],
    },
    drift: [],
    importance: version.card.importance.length > 0 ? version.card.importance : parent.card.importance,
    calibration: version.card.calibration,
    ...(version.card.classes && (await classesShown(rt.store, [], version.card))),
    speed: { ...shared.speed, modelBytes: version.card.bytes },
    signature: version.signature,
    alerts,
  }
}

/** Whether a finding of the family speaks of a member: it has no slice, or the member's. */
function concerns({ slice }: Finding, key: string): boolean {
  return slice === undefined || slice === key || slice.endsWith(`=${key}`) || slice.endsWith(`= ${key}`)
}

/** Windows of one member. What is tested of a member is whether it still promises what happens, so that is its verdict. */
async function memberPoints(store: Store, windows: readonly WindowSummary[], key: string) {
  return await Promise.all(
    windows.map(async (w) => {
      const report = await store.getRecord<WindowReport>(w.report, 'WindowReport')
      const member = entryOf(report.members, key)
      const subject = `models/${report.model}/${key}`
      const verdict = report.findings.find((f) => f.subject === subject)?.verdict ?? 'inconclusive'
      return pointOf({ ...w, joined: member?.joined ?? 0 }, member?.lead ?? null, verdict)
    }),
  )
}
