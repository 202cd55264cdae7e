import type { DatasetVersion, Digest, TimeWindow } from '../core/records.ts'
import {
  appendRows as append,
  type DeliveryMode,
  importData as deliver,
  type RecordedImport,
  type Remark,
} from '../data/index.ts'
import { datasetDef, type Runtime } from './runtime.ts'

export interface ImportRequest {
  dataset: string
  /** Files instead of the config's source. */
  files?: string[]
  /** Rows of the source that are taken, by time; a missing end is open. */
  select?: Partial<TimeWindow>
  /** Period the delivery claims to hold. */
  period?: TimeWindow
  /** What the delivery is to the rows before. Default: as the dataset says. */
  mode?: DeliveryMode
  /** Branch that takes it. Default: `main`. */
  branch?: string
  message?: string
  actor: string
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

export interface ImportResult {
  digest: Digest
  version: DatasetVersion
  /** True when this delivery was imported before and nothing was done. */
  known: boolean
  /** Rows that an update changed; absent where rows were added. */
  changed?: { added: number; updated: number; deleted: number }
  /** What is odd about the rows that were delivered. */
  remarks: Remark[]
}

/** Earliest and latest instants that a window can name: years 0 and 9999. */
const ALL_TIME: TimeWindow = { fromAt: -62_167_219_200_000, toAt: 253_402_300_799_999 }

/** Imports what is new into a dataset of the project. The same delivery (bytes, selection, period) is never imported twice. */
export async function importData(rt: Runtime, request: ImportRequest): Promise<ImportResult> {
  const recorded = await deliver(rt, datasetDef(rt, request.dataset), rt.folder, optionsOf(rt, request))
  return await resultOf(rt, recorded)
}

async function resultOf(
  { store }: Pick<Runtime, 'store'>,
  { version, known, event }: RecordedImport,
): Promise<ImportResult> {
  const {
    remarks = [],
    added,
    updated,
    deleted,
  } = event.data as unknown as {
    remarks?: Remark[]
    added: number
    updated?: number
    deleted?: number
  }
  return {
    digest: version,
    known,
    version: await store.getRecord<DatasetVersion>(version, 'DatasetVersion'),
    ...(updated !== undefined && deleted !== undefined && { changed: { added, updated, deleted } }),
    remarks,
  }
}

/** Appends rows that are in memory to a dataset of the project. */
export async function appendRows(
  rt: Runtime,
  rows: readonly Record<string, unknown>[],
  request: Omit<ImportRequest, 'files'>,
): Promise<ImportResult> {
  return await resultOf(rt, await append(rt, datasetDef(rt, request.dataset), rows, optionsOf(rt, request)))
}

function optionsOf(
  rt: Runtime,
  { files, select, period, mode, branch, message, actor, signal, onProgress }: ImportRequest,
) {
  return {
    files,
    select: select && { ...ALL_TIME, ...withoutUndefined(select) },
    period,
    mode,
    branch,
    message,
    actor,
    now: rt.clock.now(),
    signal,
    onProgress,
  }
}

function withoutUndefined(select: Partial<TimeWindow>): Partial<TimeWindow> {
  return Object.fromEntries(Object.entries(select).filter(([, value]) => value !== undefined))
}
