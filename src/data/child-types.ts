/** What the child process is sent, and what it sends back. */
import type { CheckedResult, CheckJob } from './check-types.ts'
import type { EditJob, EditResult } from './edit-types.ts'
import type { SuggestJob, SuggestReport } from './suggest/types.ts'
import type { ImportJob, ImportResult, Inspection, InspectJob, SketchJob, SketchResult } from './types.ts'

export type ChildJob = ImportJob | InspectJob | SketchJob | EditJob | SuggestJob | CheckJob
export type ChildResult =
  | ImportResult
  | Inspection
  | SketchResult
  | EditResult
  | SuggestReport
  | CheckedResult

export type ChildMessage =
  | { kind: 'progress'; done: number; note: string }
  | { kind: 'done'; result: ChildResult }
  | { kind: 'failed'; error: { code?: string; data?: unknown; message: string; stack?: string } }
