/** Everything the command line does, as functions: `import { openRuntime, importData, trainModel, up } from 'millrace/runtime'`. */

export { type ServedModels, type ServeModelsOptions, serveModels } from './api/serve-models.ts'
export { type Running, type UpOptions, up } from './api/up.ts'
export { isMillraceError, MillraceError } from './core/errors.ts'
export { refs } from './core/names.ts'
export type * from './core/records.ts'
export {
  type Dropped,
  reportHtml,
  type Suggestion,
  type SuggestionKind,
  type SuggestOptions,
  type SuggestReport,
  suggestChecks,
  suggestForVersion,
  type VersionReport,
  versionReport,
} from './data/index.ts'
export { checkText, importsOf } from './define/check-text.ts'
export { importChecks } from './define/imports/import-checks.ts'
export type { ImportedChecks } from './define/imports/imported.ts'
export { type RowSchema, rowSchema } from './define/json-schema.ts'
export { loadProject } from './define/load.ts'
export type { DatasetDef, ModelDef, ProjectDef } from './define/types.ts'
export { parseExpr } from './expr/parse.ts'
export { raw, type Sql, sql } from './expr/sql.ts'
export { type BacktestReport, type BacktestRequest, backtest } from './loop/backtest.ts'
export { type BacktestPlan, planAges, planRolling } from './loop/backtest-plan.ts'
export {
  type BranchPage,
  type BranchRequest,
  type BranchResult,
  branchesOf,
  type ChosenRow,
  dropBranch,
  mergeBranch,
  type PutAsideRequest,
  putAsideOnBranch,
} from './loop/branches.ts'
export { collectGarbage, planGc } from './loop/collect.ts'
export { appendRows, type ImportRequest, type ImportResult, importData } from './loop/data.ts'
export { createBranch, createTag, dropTag, type RefRequest, type RefResult } from './loop/dataset-refs.ts'
export {
  type ChangeExplanation,
  explainChange,
  explainModel,
  explainOneRow,
  type ModelExplanation,
  type RowExplanation,
} from './loop/explain.ts'
export type { ExplainRequest } from './loop/explain-opened.ts'
export { Follower, type Happening } from './loop/follow.ts'
export { likenessOfRows } from './loop/likeness.ts'
export { type LineageOptions, LineageSender, type LineageTurn } from './loop/lineage/sender.ts'
export { type LineageSettings, type LineageTransport, lineageSettings } from './loop/lineage/transport.ts'
export {
  checkoutLock,
  type LockCheckout,
  type LockCheckoutRequest,
  type LockedRef,
} from './loop/lock-checkout.ts'
export {
  type Lock,
  type LockChange,
  type LockPlace,
  lockedVersion,
  lockText,
  lockVersions,
  parseLock,
  readLock,
} from './loop/lock-file.ts'
export { type MergeRequest, type MergeResult, mergeInto } from './loop/merge.ts'
export { type Checkpoint, OnlineLearner } from './loop/online.ts'
export {
  lookForPoison,
  type PoisonOutcome,
  type PoisonPlan,
  type PoisonProgress,
  type PoisonRequest,
  poisonPlanOf,
  recordPoison,
  runPoison,
} from './loop/poison.ts'
export { planRetrain } from './loop/policy.ts'
export { type Progress, ProgressFeed } from './loop/progress.ts'
export {
  editQuarantine,
  parseFix,
  type QuarantineRequest,
  type QuarantineResult,
} from './loop/quarantine.ts'
export {
  promoteModel,
  type ReleaseRequest,
  type ReleaseResult,
  releaseLatest,
  rollBackModel,
} from './loop/release.ts'
export {
  type Held,
  type HoldRequest,
  holdVersion,
  openProjectRemote,
  type RemoteChoice,
  unholdVersion,
} from './loop/remotes.ts'
export { type Retrained, retrainIfDue, retrainState } from './loop/retrain.ts'
export { openRuntime, type Runtime, type RuntimeOptions, steppedClock, wallClock } from './loop/runtime.ts'
export {
  type SearchProgress,
  type SearchReport,
  type SearchRequest,
  searchModel,
  type TrialRow,
} from './loop/search.ts'
export { type Trained, type TrainProgress, type TrainRequest, trainModel } from './loop/train.ts'
export {
  chooseTriage,
  readTriage,
  type Triage,
  type TriageFilter,
  type TriagePage,
  triageOf,
} from './loop/triage.ts'
export { type TryReport, type TryRequest, tryBranch } from './loop/try-branch.ts'
export { type VerifyReport, type VerifyRequest, verify } from './loop/verify.ts'
export {
  planWorth,
  recordWorth,
  runWorth,
  type WorthPlan,
  type WorthProgress,
  type WorthRequest,
  worthOfRows,
} from './loop/worth.ts'
export { treeDependence } from './model/effects/partial-dependence.ts'
export { decodeModel, encodeModel } from './model/format.ts'
export { treeInteractions } from './model/shap/interactions.ts'
export { editTable, type Shape, type ShapeSlot, shapesOf } from './model/tables/shapes.ts'
export type { AdditiveTables } from './model/tables/tables.ts'
export { currentRelease, releaseHistory } from './release/record.ts'
export type { GcOptions, GcOutcome, GcPlan } from './store/gc/collect.ts'
export type { HistoryPolicy } from './store/gc/cut.ts'
export { openRemote, type RemoteOptions } from './store/remote/open.ts'
export type { Remote, RemoteMove, RemoteRef, TransferOptions } from './store/remote/ports.ts'
export { type PullOptions, type PullOutcome, planPull, pull, type RefPull } from './store/remote/pull.ts'
export {
  type PushOptions,
  type PushOutcome,
  type PushPlan,
  planPush,
  push,
  type RefPush,
} from './store/remote/push.ts'
export { continueGbdt } from './train/gbdt/continue.ts'
export type { Labels, Objective, OpenObjective, TrainingLabels } from './train/gbdt/objectives/objective.ts'
export { type GbdtOptions, type GbdtResult, type TrainData, trainGbdt } from './train/gbdt/train.ts'
export type { LikenessReport } from './train/likeness/task.ts'
export type { PoisonReport } from './train/poison/report.ts'
export type { WorthReport } from './train/worth/report.ts'
