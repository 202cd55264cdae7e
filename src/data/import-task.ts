import { LIMITS, type Limits } from '../core/limits.ts'
import type { DatasetVersion, Digest, Part, RunSpec, TimeWindow } from '../core/records.ts'
import { partFiles } from '../engine/parts.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import type { Store } from '../store/ports.ts'
import { type ChildOptions, runChild } from './child.ts'
import { inJobFolder } from './job-folder.ts'
import { IMPORT_CODE, IMPORT_TASK, importParams, otherInputs } from './plan-import.ts'
import type { DatasetImport, ImportJob, ImportResult, OtherRows, ReducedPart, WrittenPart } from './types.ts'

/**
 * The task `data.import`: reads the sources in a child process, checks rows, and puts parts into the store. Its output `import` is a
 * DatasetImport. The same spec gives the same digests. Nothing that readers see moves before `recordImport`.
 *
 * Errors: those of reading (MR_DATA_…), MR_CANCELLED, and those of the store.
 */
export function createImportTask(limits: ImportLimits = LIMITS, read: ReadFiles = runChild): Task {
  return { name: IMPORT_TASK, code: IMPORT_CODE, run: (context) => runTask(context, limits, read) }
}

export type ImportLimits = Pick<Limits, 'importMemoryMb' | 'importStallMs'>
/** Carries out a job: in a child process, or in this one where the files are known to be good. */
export type ReadFiles = (job: ImportJob, options: ChildOptions) => Promise<ImportResult>

export const importTask: Task = createImportTask()

async function runTask(
  context: TaskContext,
  limits: ImportLimits,
  read: ReadFiles,
): Promise<{ outputs: Record<string, Digest> }> {
  const { store, spec, signal, progress } = context
  return await inJobFolder({ name: 'import', scratch: store.scratch }, async (folder) => {
    const parent = spec.inputs.parent
      ? await store.getRecord<DatasetVersion>(spec.inputs.parent, 'DatasetVersion')
      : null
    const job = await jobOf(store, spec, parent, folder, limits.importMemoryMb)
    const result = await read(job, {
      signal,
      stallMs: limits.importStallMs,
      onProgress: (done, note) => progress(done, note),
    })
    const record = await importOf(store, spec, parent, result)
    return { outputs: { import: await store.putRecord(record) } }
  })
}

async function jobOf(
  store: Store,
  spec: RunSpec,
  parent: DatasetVersion | null,
  folder: string,
  memoryMb: number,
): Promise<ImportJob> {
  const params = importParams(spec)
  const files = await Promise.all(
    params.files.map(async ({ input, name, format, gzip, view }) => ({
      path: await store.objects.path(spec.inputs[input]!),
      name,
      format,
      gzip,
      ...(view && { view }),
    })),
  )
  const others = await othersOf(store, spec)
  return {
    op: 'import',
    files,
    params,
    parent: parent && (await parentOf(store, parent)),
    others,
    ...(spec.inputs.removals && { removals: await store.objects.path(spec.inputs.removals) }),
    folder,
    memoryMb,
  }
}

async function parentOf(store: Store, version: DatasetVersion): Promise<ImportJob['parent']> {
  return { ...(await rowsOf(store, version)), quarantineParts: lastQuarantine(version) }
}

async function rowsOf(store: Store, { schema, parts }: DatasetVersion): Promise<OtherRows> {
  return { schema, parts: await partFiles(store, parts) }
}

/** Rows of the versions that a spec names beside its own. */
export async function othersOf(store: Store, spec: RunSpec): Promise<Record<string, OtherRows>> {
  const others: Record<string, OtherRows> = {}
  for (const [name, digest] of Object.entries(otherInputs(spec)))
    others[name] = await rowsOf(store, await store.getRecord<DatasetVersion>(digest, 'DatasetVersion'))
  return others
}

/** Number of the newest quarantine part, which stands in its key; 0 without any. Earlier ones may have been emptied since. */
export function lastQuarantine({ quarantine }: Pick<DatasetVersion, 'quarantine'>): number {
  return Math.max(0, ...quarantine.map(({ key }) => Number(/\d+$/.exec(key)?.[0] ?? 0)))
}

/** What an import came to, with its parts in the store. */
export async function importOf(
  store: Store,
  spec: RunSpec,
  parent: DatasetVersion | null,
  result: ImportResult,
): Promise<DatasetImport> {
  const params = importParams(spec)
  const replaced = new Set(result.replaced)
  const reduced = await reducedParts(store, parent?.parts ?? [], result.reduced)
  const kept = parent?.parts.filter((part) => !replaced.has(part.key)) ?? []
  const parts = [
    ...kept.map((part) => reduced.get(part.key) ?? part),
    ...(await putParts(store, result.written)),
  ].sort((a, b) => (a.key < b.key ? -1 : 1))
  const aside = result.quarantine ? await putParts(store, [result.quarantine]) : []
  const quarantine = [...(parent?.quarantine ?? []), ...aside]
  return {
    kind: 'DatasetImport',
    dataset: params.dataset,
    parent: spec.inputs.parent ?? null,
    schema: result.schema,
    parts,
    quarantine,
    rows: sumRows(parts),
    rowsQuarantined: sumRows(quarantine),
    delivered: result.delivered,
    byCheck: result.byCheck,
    findings: result.findings,
    newest: result.newest,
    metrics: result.metrics,
    ...(result.deliveredStats && { deliveredStats: result.deliveredStats }),
    refusedBy: result.refusedBy,
    window: windowOf(parts, params.time),
    source: params.files.map((f) => f.name).join(', '),
    message: params.message,
    notes: result.notes,
    remarks: result.remarks,
  }
}

export const sumRows = (parts: Part[]): number => parts.reduce((n, part) => n + part.rows, 0)

/** Sketches are of all rows of a file, so those of what is left are made when they are asked for. */
async function reducedParts(
  store: Store,
  parts: readonly Part[],
  reduced: readonly ReducedPart[],
): Promise<Map<string, Part>> {
  const before = new Map(parts.map((part) => [part.key, part]))
  const after = new Map<string, Part>()
  for (const { key, gonePath, goneRows, rows, stats } of reduced) {
    const { sketches: _, ...part } = before.get(key)!
    const { digest } = await store.objects.putFile(gonePath)
    after.set(key, { ...part, rows, stats, gone: { digest, rows: goneRows } })
  }
  return after
}

/** Takes files that were written over into the store. */
export async function putParts(store: Store, written: WrittenPart[]): Promise<Part[]> {
  const parts: Part[] = []
  for (const { path, sketchPath, ...part } of written) {
    const file = await store.objects.putFile(path)
    const sketches = sketchPath && (await store.objects.putFile(sketchPath)).digest
    parts.push({ ...part, ...file, ...(sketches && { sketches }) })
  }
  return parts
}

/** From the oldest instant to just after the newest, to the millisecond. */
export function windowOf(parts: Part[], time: string | null): TimeWindow | null {
  if (time === null) return null
  const ends = parts.map((part) => part.stats[time]).filter((s) => typeof s?.min === 'number')
  if (ends.length === 0) return null
  return {
    fromAt: Math.min(...ends.map((s) => s!.min as number)),
    toAt: Math.max(...ends.map((s) => s!.max as number)) + 1,
  }
}
