/** The data station: files become checked, content-addressed versions that training reads. */

export { createImportTask, importTask } from './import-task.ts'
export { type InspectOptions, inspect } from './inspect.ts'
export { deliveryOf, IMPORT_TASK, type ImportOptions, importParams, planImport } from './plan-import.ts'
export {
  findDelivery,
  type ImportRecording,
  type RecordedImport,
  recordImport,
  recordRefusal,
} from './record-import.ts'
export { findFiles, takeSource, takeSources } from './sources.ts'
export type {
  DatasetImport,
  FileFormat,
  ImportParams,
  InspectedColumn,
  Inspection,
  SourceFile,
} from './types.ts'
