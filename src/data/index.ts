/** The data station: files become checked, content-addressed versions that training reads. */

export { columnsOfPart, numberedPartRows, partFiles, partRows } from '../engine/parts.ts'
export { relationOf as relation } from '../engine/relation.ts'
export { isCroissant, isUrl, shownSource, sourceToKeep } from './addresses.ts'
export {
  type CheckedFinding,
  type CheckedRow,
  type CheckReport,
  type CheckRequest,
  type CheckTarget,
  checkData,
} from './check-data.ts'
export { checkoutTable, type TableCheckout, type TableCheckoutRequest } from './checkout.ts'
export { checksOf, rowChecksOf } from './checks.ts'
export {
  CROISSANT_FILE,
  CROISSANT_SPECS,
  type CroissantInput,
  type CroissantSpec,
  croissantOf,
} from './croissant/write.ts'
export { type ChangedRow, type DatasetDiff, type DiffOptions, diff } from './diff.ts'
export {
  brokenRows,
  countDraft,
  type DraftCell,
  type DraftCounts,
  type DraftFilter,
  type DraftPreview,
  type DraftRow,
  type DraftRows,
  type DraftState,
  previewOf,
  readDraftRows,
  schemaConflicts,
} from './draft-page.ts'
export {
  bringTo,
  checkTake,
  closeDraft,
  type DraftTables,
  openDraft,
  standing,
  writeDecisions,
} from './draft-tables.ts'
export type { DraftAct, DraftChoice, DraftTake, MergeDraft } from './draft-types.ts'
export { EDIT_EVENTS, planEdit, rowSelection } from './edit.ts'
export { createEditTask, editTask } from './edit-task.ts'
export type { ColumnFix, DatasetEdit, EditAct, EditOutcome, RowSelection } from './edit-types.ts'
export { EXPORT_FORMATS, type ExportFormat, exportRows } from './export.ts'
export { findFiles } from './find-files.ts'
export {
  appendRows,
  type ImportPorts,
  type ImportRequest,
  importData,
  importSources,
  othersOf,
  takeRows,
} from './import-data.ts'
export { createImportTask, importTask } from './import-task.ts'
export { type InspectOptions, inspect } from './inspect.ts'
export {
  changesNothing,
  conflictSentence,
  type MergeInputs,
  type MergeRecording,
  mergeBase,
  nothingSentence,
  openError,
  openSentence,
  planMerge,
  recordMerge,
  takenSentence,
  verdictsOf,
} from './merge.ts'
export { judgeTaken } from './merge-checks.ts'
export { REMOVED } from './merge-schema.ts'
export {
  type ConflictKind,
  type DatasetMerge,
  hasOpen,
  MERGE_SIDES,
  type MergeConflict,
  type MergePick,
  type MergeRules,
  type MergeSide,
} from './merge-types.ts'
export { type BrokenCheck, brokenError, brokenSentence } from './merge-verdicts.ts'
export { mergeStats, psiBetween } from './merged-stats.ts'
export {
  type Acceptance,
  acceptUnusual,
  type Delivery,
  deliveries,
  errorOf,
  findUnusual,
  judgedSeries,
  type MetricPoint,
  optionsFor,
  type PointState,
  partsSeries,
  seriesOf,
} from './metric-history.ts'
export {
  type DatasetPage,
  type DatasetRow,
  type DatasetVersionPage,
  datasetPage,
  datasetRows,
  plainCell,
  type QuarantineRows,
  show,
  shownCell,
} from './pages.ts'
export { deliveryOf, IMPORT_TASK, type ImportOptions, importParams, planImport } from './plan-import.ts'
export { chooseQuarantined, type QuarantineAsk, type QuarantineFilter, readQuarantine } from './quarantine.ts'
export {
  type EditEventData,
  type EditRecording,
  moved,
  type RecordedEdit,
  recordEdit,
  sentenceOf,
} from './record-edit.ts'
export {
  findDelivery,
  type ImportRecording,
  importEvents,
  type RecordedImport,
  recordImport,
  recordRefusal,
} from './record-import.ts'
export { remakeParts } from './remake.ts'
export type { Remark, RemarkKind } from './remarks/index.ts'
export { REPORT_ROWS_MAX, type VersionReport, versionReport } from './report/report-data.ts'
export { reportHtml } from './report/report-html.ts'
export {
  type HeldRows,
  ROWS_LIMITS,
  ROWS_TYPES,
  RowIntake,
  RowStreams,
  type RowsStatus,
  type RowsTaken,
  retryHeld,
  type SealOutcome,
  sealRows,
} from './rows/index.ts'
export { createSketchTask, planSketch, sketchTask } from './sketch-task.ts'
export { findSources, takeSource, takeSources } from './sources.ts'
export { type SuggestOptions, suggestChecks, suggestForVersion } from './suggest/suggest.ts'
export type { Dropped, Judged, Suggestion, SuggestionKind, SuggestReport } from './suggest/types.ts'
export type {
  DatasetImport,
  FileFormat,
  ImportParams,
  InspectedColumn,
  Inspection,
  SourceFile,
} from './types.ts'
export { DELIVERY_MODES, type DeliveryMode } from './types.ts'
export {
  type ColumnProfile,
  type FrequentValue,
  PROFILE_RANKS,
  profileVersion,
  type VersionProfile,
} from './version-profile.ts'
export {
  branchNames,
  datasetNames,
  getVersion,
  headOf,
  type LogRow,
  log,
  type NamedVersion,
  resolveVersion,
  tagsOf,
} from './versions.ts'
