/** One read function an answer of the contract. They know nothing of HTTP: commands print the same views. */
export { ALERTS_MAX, alertsView } from './alerts.ts'
export { backtestView } from './backtest.ts'
export { bundleView, versionView } from './bundles.ts'
export {
  datasetDiffView,
  datasetsView,
  datasetVersionView,
  datasetView,
  QUARANTINE_MAX,
  quarantineView,
} from './datasets.ts'
export { fileSetsView, fileSetView, filesDiffView } from './files.ts'
export { fleetView } from './fleet.ts'
export { type EventsAsk, eventsView } from './journal.ts'
export { type LiveSource, notServing, type VersionNumbers } from './live.ts'
export { MEMBERS_PAGE_MAX, type MembersAsk, membersView } from './members.ts'
export { modelView } from './model.ts'
export type { Project } from './model-state.ts'
export { playgroundView } from './playground.ts'
export { RUNS_MAX, runsView } from './runs.ts'
export { searchView } from './search.ts'
export { shapesView } from './shapes.ts'
export { statusView, warmSize } from './status.ts'
export { whyView } from './why.ts'
