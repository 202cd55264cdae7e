/** Reading and moving what watching remembers: a closed window and the alerts it changes are one commit. */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { refs, subjects } from '../core/names.ts'
import type { Alert, Digest, JournalEvent, Verdict } from '../core/records.ts'
import { metricOf } from '../model/measure.ts'
import { openLord } from '../stats/multiplicity.ts'
import type { NewEvent, RefMove, Store } from '../store/ports.ts'
import type { AlertPlan } from './alerts.ts'
import type { WatchState, WindowReport, WindowSummary } from './records.ts'

/** Windows that a state keeps at hand; older reports stay in the store and in the journal. */
export const WINDOWS_KEPT = 400

export interface CurrentWatch {
  digest: Digest
  state: WatchState
}

export interface CurrentAlert {
  digest: Digest
  alert: Alert
}

/** The state of watching a model, or undefined before its first window. */
export async function readWatch(store: Store, model: string): Promise<CurrentWatch | undefined> {
  const ref = await store.meta.ref(refs.watch(model))
  return ref && { digest: ref.digest, state: await store.getRecord<WatchState>(ref.digest, 'WatchState') }
}

/** A state without windows, with the whole alarm budget unspent. */
export function emptyWatch(model: string, alpha: number): WatchState {
  return { kind: 'WatchState', model, windows: [], checkpoint: {}, fdr: openLord(alpha) }
}

export interface WindowRecord {
  /** What the window was judged on: the state, with its digest if it was read from the store. */
  before: { digest?: Digest; state: WatchState }
  report: WindowReport
  /** What `judgeWindow` left of the alarm budget. */
  fdr: WatchState['fdr']
  /** Where reading the logs begins when what comes after this window must be rebuilt. */
  checkpoint: WatchState['checkpoint']
  plan: AlertPlan
  /** The open alerts that the plan was made on. */
  open: CurrentAlert[]
  actor: string
}

/**
 * Records a closed window: the report, the model's state and every alert it raises, carries on or resolves, moved together by compare-and-set,
 * with the event `watch.window`; then one event for each alert that began or ended. The first event names those alerts too, so that a crash
 * between the two loses nothing. Undefined when somebody moved the state or an alert meanwhile: read again and plan again.
 */
export async function recordWindow(
  store: Store,
  record: WindowRecord,
): Promise<{ digest: Digest; state: WatchState; event: JournalEvent } | undefined> {
  const { before, report, plan } = record
  const reportDigest = await store.putRecord(report)
  const state = nextState(record, reportDigest)
  const digest = await store.putRecord(state)
  const result = await store.meta.commit({
    moves: [
      { name: refs.watch(report.model), from: before.digest ?? null, to: digest },
      ...(await alertMoves(store, record)),
    ],
    event: windowEvent(record, reportDigest),
  })
  if (!result.ok) return undefined
  for (const alert of plan.raise)
    await store.meta.commit({ event: alertEvent('alert.raised', alert, record) })
  for (const alert of plan.resolve)
    await store.meta.commit({ event: alertEvent('alert.resolved', alert, record) })
  return { digest, state, event: result.event }
}

function nextState(record: WindowRecord, report: Digest): WatchState {
  const { state } = record.before
  const windows = [...state.windows, summaryOf(record.report, report)].slice(-WINDOWS_KEPT)
  const { checkpoint, fdr } = record
  return { ...state, windows, checkpoint, fdr, openFromAt: record.report.window.toAt }
}

/** The one line of a window. */
export function summaryOf(report: WindowReport, digest: Digest): WindowSummary {
  return {
    window: report.window,
    report: digest,
    version: report.version,
    predictions: report.predictions,
    joined: report.joined,
    metrics: report.metrics,
    meanPredicted: report.meanPredicted,
    meanActual: report.meanActual,
    expected: report.expected,
    verdict: verdictOf(report),
    drift: report.drift.map(({ column, psi, verdict }) => ({ column, psi, verdict })),
  }
}

/** One word for a window: `fail` when anything failed, `inconclusive` when its quality could not be judged. */
function verdictOf(report: WindowReport): Verdict {
  const verdicts = report.findings.map((finding) => finding.verdict)
  return (['error', 'fail', 'inconclusive'] as const).find((v) => verdicts.includes(v)) ?? 'pass'
}

async function alertMoves(store: Store, { plan, open }: WindowRecord): Promise<RefMove[]> {
  const alerts = [...plan.raise, ...plan.update, ...plan.resolve]
  const digests = await store.putRecords(alerts)
  return alerts.map(({ id }, i) => ({
    name: refs.alert(id),
    from: open.find(({ alert }) => alert.id === id)?.digest ?? null,
    to: digests[i],
  }))
}

function windowEvent({ report, plan, actor }: WindowRecord, digest: Digest): NewEvent {
  const ids = (alerts: Alert[]) => alerts.map(({ id }) => id)
  return {
    type: 'watch.window',
    subject: subjects.model(report.model),
    actor,
    reason: sentenceOf(report),
    data: {
      report: digest,
      window: { ...report.window },
      version: report.version,
      predictions: report.predictions,
      joined: report.joined,
      verdict: verdictOf(report),
      raised: ids(plan.raise),
      updated: ids(plan.update),
      resolved: ids(plan.resolve),
      at: report.window.toAt,
    },
  }
}

function alertEvent(type: string, alert: Alert, { report, actor }: WindowRecord): NewEvent {
  const over = `${alert.dedupeKey}: back within its limits since ${day(report.window.fromAt)}`
  return {
    type,
    subject: subjects.model(report.model),
    actor,
    reason: type === 'alert.resolved' ? over : alert.finding.message,
    data: { alert: alert.id, owner: alert.owner, affected: alert.affected, at: report.window.toAt },
  }
}

/** A window in one sentence, with its numbers. */
export function sentenceOf(report: WindowReport): string {
  const { window, version, joined, predictions, expected } = report
  const parts = [
    `${day(window.fromAt)} to ${day(window.toAt - 1)}, v${version}: ${grouped(joined)} of ${grouped(predictions)} predictions have outcomes`,
  ]
  const lead = expected && report.metrics[expected.metric]
  if (lead)
    parts.push(
      `${metricOf(expected.metric).name} ${lead.value.toPrecision(3)} (${expected.value.toPrecision(3)} expected)`,
    )
  if (joined > 0)
    parts.push(
      report.classes
        ? `sure of ${report.meanPredicted.toPrecision(3)} on average, right in ${report.meanActual.toPrecision(3)}`
        : `predicted ${report.meanPredicted.toPrecision(3)} on average, ${report.meanActual.toPrecision(3)} happened`,
    )
  const failed = report.findings.filter((f) => f.verdict === 'fail').length
  parts.push(
    failed === 0 ? 'nothing failed' : `${failed} of ${grouped(report.findings.length)} findings failed`,
  )
  return parts.join('; ')
}

/** Alerts that are raised or acknowledged, newest first; of one model or of all. */
export async function openAlerts(store: Store, model?: string): Promise<CurrentAlert[]> {
  return (await allAlerts(store, model)).filter(({ alert }) => alert.state !== 'resolved')
}

/** Every alert that ever was, newest first. */
export async function allAlerts(store: Store, model?: string): Promise<CurrentAlert[]> {
  const alerts: CurrentAlert[] = []
  for (const { digest } of await store.meta.refs(refs.alert(''))) {
    const alert = await store.getRecord<Alert>(digest, 'Alert')
    if (model === undefined || alert.finding.subject.split('/')[1] === model) alerts.push({ digest, alert })
  }
  return alerts.sort((a, b) => b.alert.raisedAt - a.alert.raisedAt || (a.alert.id < b.alert.id ? -1 : 1))
}

/**
 * Notes that somebody has seen an alert. One that is acknowledged or resolved already is returned as it is.
 * Errors: MR_WATCH_ALERT_UNKNOWN.
 */
export async function acknowledgeAlert(store: Store, id: string, actor: string): Promise<Alert> {
  for (;;) {
    const ref = await store.meta.ref(refs.alert(id))
    if (!ref) throw new MillraceError('MR_WATCH_ALERT_UNKNOWN', { id })
    const alert = await store.getRecord<Alert>(ref.digest, 'Alert')
    if (alert.state !== 'raised') return alert
    const seen: Alert = { ...alert, state: 'acknowledged' }
    const result = await store.meta.commit({
      moves: [{ name: refs.alert(id), from: ref.digest, to: await store.putRecord(seen) }],
      event: {
        type: 'alert.acknowledged',
        subject: subjects.model(alert.finding.subject.split('/')[1]),
        actor,
        reason: `${actor} has seen it: ${alert.finding.message}`,
        data: { alert: id },
      },
    })
    if (result.ok) return seen
  }
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
