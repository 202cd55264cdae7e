/** The fleet: every model of the project in one row, and how everything is in one sentence. */
import type { Alert } from '../../core/records.ts'
import { opens } from '../../core/verdicts.ts'
import { unusedDays } from '../../loop/unused.ts'
import { LEAD_OF } from '../../model/measure.ts'
import type { Fleet, FleetRow } from '../contract.ts'
import { alertsView, isAboutFamily, isOpen } from './alerts.ts'
import { datasetsView } from './datasets.ts'
import { eventsView } from './journal.ts'
import { type LiveSource, trafficOf } from './live.ts'
import { gatesOf, type ModelState, modelState, type Project, taskOf } from './model-state.ts'
import { leadBand, pointsOf, verdictsOf } from './quality.ts'
import { fleetSentence, healthOf, type ModelFacts } from './sentences.ts'

/** Newest events on the first screen, and those that are looked through for them: work that was done has a screen of its own. */
const EVENTS_SHOWN = 20
const EVENTS_READ = 400
/** Windows in a row's quality. */
export const WINDOWS_SHOWN = 60

export async function fleetView(rt: Project, live: LiveSource): Promise<Fleet> {
  const [alerts, datasets, events, states] = await Promise.all([
    alertsView(rt),
    datasetsView(rt),
    eventsView(rt, { limit: EVENTS_READ }),
    Promise.all(rt.project.models.map(({ name }) => modelState(rt, name))),
  ])
  const rows = await Promise.all(states.map((state) => fleetRow(rt, state, alerts, live)))
  const facts = await Promise.all(states.map((state) => factsOf(rt, state, alerts)))
  return {
    project: rt.project.name,
    sentence: fleetSentence(facts, alerts, rt.clock.now()),
    health: healthOf(facts, alerts),
    attention: alerts.filter(isOpen),
    models: rows,
    events: events
      .filter(({ type }) => !type.startsWith('run.') || type === 'run.failed')
      .slice(0, EVENTS_SHOWN),
    datasets,
  }
}

async function fleetRow(
  rt: Project,
  state: ModelState,
  alerts: Alert[],
  live: LiveSource,
): Promise<FleetRow> {
  const { def, shown, parent, current, watch } = state
  const task = taskOf(state)
  const windows = watch?.state.windows ?? []
  const traffic = trafficOf(live, def.name, state.liveVersion)
  return {
    model: def.name,
    task,
    description: def.description,
    members: Object.keys(shown?.bundle.members ?? {}).length,
    membersHeld: Object.keys(shown?.bundle.held ?? {}).length,
    liveVersion: state.liveVersion,
    release: current?.release ?? null,
    owner: def.watch.owner,
    quality: await pointsOf(rt.store, windows.slice(-WINDOWS_SHOWN), LEAD_OF[task], task),
    qualityMetric: LEAD_OF[task],
    expected: leadBand(windows, state.card, task),
    requestsPerSecond: traffic.requestsPerSecond,
    unusedDays: unusedDays({
      windows,
      liveSince: state.liveSince,
      requestsPerSecond: traffic.requestsPerSecond,
      now: rt.clock.now(),
    }),
    predictions: windows.reduce((sum, w) => sum + w.predictions, 0),
    latencyMsP99: traffic.latencyMs?.p99 ?? null,
    freshAt: parent?.trainedOn.window?.toAt ?? null,
    trainedAt: shown?.bundle.createdAt ?? null,
    alerts: alerts.filter((alert) => isOpen(alert) && isAboutFamily(alert, def.name)).length,
  }
}

/** What sentences about a model are made of. */
export async function factsOf(rt: Project, state: ModelState, alerts: readonly Alert[]): Promise<ModelFacts> {
  const { def, latest, current, shown, watch } = state
  const task = taskOf(state)
  const windows = watch?.state.windows ?? []
  const newest = windows.at(-1)
  const report = latest && (await gatesOf(rt.store, def.name, latest.bundle.version))
  const biased = newest !== undefined && (await verdictsOf(rt.store, newest)).calibration === 'fail'
  return {
    model: def.name,
    task,
    members: Object.keys(shown?.bundle.members ?? {}).length,
    release: current?.release ?? null,
    liveVersion: state.liveVersion,
    liveSince: state.liveSince,
    latestVersion: latest?.bundle.version ?? null,
    latestPassed: report !== undefined && opens(report.findings),
    quality: await pointsOf(rt.store, windows.slice(-WINDOWS_SHOWN), LEAD_OF[task], task),
    expected: leadBand(windows, state.card, task),
    miscalibrated: biased ? { meanPredicted: newest.meanPredicted, meanActual: newest.meanActual } : null,
    alerts: alerts.filter((alert) => isAboutFamily(alert, def.name)),
  }
}
