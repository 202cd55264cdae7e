import { LIMITS } from '../core/limits.ts'
import type { DatasetVersion, Digest, Part, RunSpec } from '../core/records.ts'
import { partFiles } from '../engine/parts.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import type { Store } from '../store/ports.ts'
import { type ChildOptions, runChild } from './child.ts'
import { EDIT_CODE, EDIT_TASK, editParams } from './edit.ts'
import type { DatasetEdit, EditJob, EditResult, RowSelection } from './edit-types.ts'
import { type ImportLimits, lastQuarantine, othersOf, putParts, sumRows, windowOf } from './import-task.ts'
import { inJobFolder } from './job-folder.ts'

/** Carries out a job: in a child process, or in this one. */
export type EditParts = (job: EditJob, options: ChildOptions) => Promise<EditResult>

/**
 * The task `data.edit`: puts rows of a version aside, or releases, fixes or drops rows that were, in a child process. Its output `edit` is a DatasetEdit. The same spec
 * gives the same digests. Nothing that readers see moves before `recordEdit`.
 *
 * Errors: MR_DATA_FIX_VALUE, MR_DATA_MEMORY, MR_CANCELLED, and those of the store.
 */
export function createEditTask(limits: ImportLimits = LIMITS, edit: EditParts = runChild): Task {
  return { name: EDIT_TASK, code: EDIT_CODE, run: (context) => runTask(context, limits, edit) }
}

export const editTask: Task = createEditTask()

async function runTask(
  { store, spec, signal, progress }: TaskContext,
  limits: ImportLimits,
  edit: EditParts,
): Promise<{ outputs: Record<string, Digest> }> {
  return await inJobFolder({ name: 'edit', scratch: store.scratch }, async (folder) => {
    const version = await store.getRecord<DatasetVersion>(spec.inputs.version!, 'DatasetVersion')
    const job = await jobOf(store, spec, version, folder, limits.importMemoryMb)
    const result = await edit(job, { signal, stallMs: limits.importStallMs, onProgress: progress })
    return { outputs: { edit: await store.putRecord(await editOf(store, spec, version, result)) } }
  })
}

async function jobOf(
  store: Store,
  spec: RunSpec,
  version: DatasetVersion,
  folder: string,
  memoryMb: number,
): Promise<EditJob> {
  const selection = await store.getRecord<RowSelection>(spec.inputs.selection!, 'RowSelection')
  const { rows, reasons, reasonOf } = selection
  return {
    op: 'edit',
    files: [{ path: '', name: `dataset ${version.dataset}`, format: 'parquet', gzip: false }],
    params: editParams(spec),
    schema: version.schema,
    parts: await partFiles(store, version.parts),
    quarantine: await partFiles(store, version.quarantine),
    quarantineParts: lastQuarantine(version),
    others: await othersOf(store, spec),
    selection: { rows, reasons, reasonOf },
    folder,
    memoryMb,
  }
}

async function editOf(
  store: Store,
  spec: RunSpec,
  version: DatasetVersion,
  result: EditResult,
): Promise<DatasetEdit> {
  const { dataset, time } = editParams(spec)
  const parts = await replaced(store, version.parts, result.written, result.replaced)
  const quarantine = await replaced(store, version.quarantine, result.quarantine, result.quarantineReplaced)
  return {
    kind: 'DatasetEdit',
    dataset,
    parent: spec.inputs.version!,
    schema: result.schema,
    parts,
    quarantine,
    rows: sumRows(parts),
    rowsQuarantined: sumRows(quarantine),
    window: windowOf(parts, time),
    outcome: result.outcome,
  }
}

/** Parts without those of these keys, and with the written ones, by key. */
async function replaced(
  store: Store,
  parts: Part[],
  written: EditResult['written'],
  keys: readonly string[],
): Promise<Part[]> {
  const kept = parts.filter(({ key }) => !keys.includes(key))
  return [...kept, ...(await putParts(store, written))].sort((a, b) => (a.key < b.key ? -1 : 1))
}
