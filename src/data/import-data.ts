/** The three verbs of an import in a row, for callers that want a dataset to hold what was delivered. */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError, MillraceError } from '../core/errors.ts'
import { checkName, refs } from '../core/names.ts'
import type { Digest, RunSpec } from '../core/records.ts'
import type { DatasetDef } from '../define/types.ts'
import { objectsOfPart } from '../engine/parts.ts'
import type { Jobs } from '../engine/ports.ts'
import { faulted } from '../store/disk/fault.ts'
import type { RefMove, Store } from '../store/ports.ts'
import { contentOf } from './partition-names.ts'
import { type ImportOptions, importParams, planImport, referredDatasets, selectionOf } from './plan-import.ts'
import {
  findDelivery,
  type ImportEventData,
  importEvents,
  type RecordedImport,
  recordImport,
  recordRefusal,
} from './record-import.ts'
import { takeSource, takeSources } from './sources.ts'
import type { SourceFile } from './types.ts'
import { getVersion, headOf, lineageOf } from './versions.ts'

export interface ImportPorts {
  store: Store
  jobs: Pick<Jobs, 'run'>
}

export interface ImportRequest extends ImportOptions {
  actor: string
  now: number
  reason?: string
  /** Branch that takes the rows, begun at `main` where it is not there yet. Default: `main`. */
  branch?: string
  /** Imports a delivery that was imported before once more. */
  again?: boolean
  /** Refs that move with the dataset, in one commit or not at all. */
  also?: readonly RefMove[]
  signal?: AbortSignal
  onProgress?: (done: number, note: string) => void
}

const TRIES = 3

/**
 * Imports the dataset's source files (or those named in `files`): plan, run, record. A delivery that was recorded before is not imported again. When
 * another import came first, it is planned anew on that one. What is refused is journalled and thrown, and the ref stays.
 */
export async function importData(
  ports: ImportPorts,
  def: DatasetDef,
  folder: string,
  request: ImportRequest & { files?: string[] },
): Promise<RecordedImport> {
  checkName('dataset', def.name)
  const sources = await takeSources(ports.store, def, folder, {
    files: request.files,
    signal: request.signal,
    onProgress: request.onProgress,
  })
  return await importSources(ports, def, sources, request)
}

/** Imports rows that are in memory, such as outcomes: they go the way of a file. Times may be `Date` or epoch milliseconds in the time column. */
export async function appendRows(
  ports: ImportPorts,
  def: DatasetDef,
  rows: readonly Record<string, unknown>[],
  request: ImportRequest,
): Promise<RecordedImport> {
  checkName('dataset', def.name)
  return await importSources(ports, def, [await takeRows(ports.store, def, rows)], request)
}

/** Imports files that are in the store. */
export async function importSources(
  ports: ImportPorts,
  def: DatasetDef,
  sources: SourceFile[],
  request: ImportRequest,
): Promise<RecordedImport> {
  for (let tries = 1; ; tries++) {
    const head = await ports.store.meta.ref(refs.dataset(def.name, request.branch))
    const state = { parent: head?.digest, others: await othersOf(ports.store, def) }
    const whole = planImport(def, sources, state, request)
    const isAdded = importParams(whole).mode === undefined
    const before = request.again ? undefined : await findDelivery(ports.store, whole)
    // Rows that were changed since may be delivered as they were: only what nothing came after is known.
    const isKnown = isAdded
      ? isAncestor(ports.store, def.name, before?.version, request.branch)
      : before?.version === state.parent
    if (before && (await isKnown))
      return { ...before, version: await kept(ports.store, before.version, head?.digest), known: true }
    const held =
      request.again || !isAdded
        ? undefined
        : await filesIn(ports.store, def.name, request.branch, selectionOf(whole))
    const fresh = sources.filter((source) => !held?.files.has(contentOf(source)))
    if (fresh.length === 0 && held?.newest) return held.newest
    try {
      const spec = planImport(def, fresh, state, request)
      const dropped = importParams(spec).mode === 'replace' ? fresh.filter((source) => source.isNew) : []
      return await runAndRecord(
        ports,
        spec,
        request,
        dropped.map(({ digest }) => digest),
      )
    } catch (thrown) {
      if (!isMillraceError(thrown, 'MR_DATA_MOVED') || tries === TRIES) throw thrown
    }
  }
}

/** Current versions of the datasets that checks refer to; one that has none is left out, and its check says so. */
export async function othersOf(store: Store, def: DatasetDef): Promise<Record<string, Digest>> {
  const heads = referredDatasets(def).map(
    async (name) => [name, (await store.meta.ref(refs.dataset(name)))?.digest] as const,
  )
  return Object.fromEntries(
    (await Promise.all(heads)).filter((head): head is [string, Digest] => head[1] !== undefined),
  )
}

/** Files that the dataset holds already, taken with the same selection: a folder that grows delivers only what is new in it. */
async function filesIn(
  store: Store,
  dataset: string,
  branch: string | undefined,
  selection: Digest,
): Promise<{ files: Set<Digest>; newest?: RecordedImport }> {
  const head = await headOf(store, dataset, branch)
  const versions = await lineageOf(store, head)
  const files = new Set<Digest>()
  let newest: RecordedImport | undefined
  for await (const event of importEvents(store, dataset, 'data.imported')) {
    const data = event.data as unknown as ImportEventData
    if (!versions.has(data.version) || data.selection !== selection) continue
    newest ??= { version: await kept(store, data.version, head?.digest), event, known: true }
    for (const content of data.contents ?? data.files) files.add(content)
  }
  return { files, newest }
}

/** A version that is the whole table has all that its sources had. A source may be a part too: a writer like ours makes the same bytes of the same rows. */
async function dropSources(store: Store, sources: readonly Digest[], version: Digest): Promise<void> {
  if (sources.length === 0) return
  const { parts, quarantine } = await getVersion(store, version)
  const kept = new Set([...parts, ...quarantine].flatMap(objectsOfPart))
  for (const digest of sources) if (!kept.has(digest)) await store.objects.remove(digest)
}

/** False when the dataset was taken back to a version before that delivery. */
async function isAncestor(
  store: Store,
  dataset: string,
  digest: Digest | undefined,
  branch: string | undefined,
): Promise<boolean> {
  return digest !== undefined && (await lineageOf(store, await headOf(store, dataset, branch))).has(digest)
}

/** A version that an event names, or the head where history was cut before that version: its rows are part of what came after. */
async function kept(store: Store, version: Digest, head: Digest | undefined): Promise<Digest> {
  return head === undefined || (await store.objects.has(version)) ? version : head
}

async function runAndRecord(
  { store, jobs }: ImportPorts,
  spec: RunSpec,
  request: ImportRequest,
  dropped: Digest[],
): Promise<RecordedImport> {
  const { signal, onProgress, actor, now, reason, branch, also } = request
  const [outcome] = await run().catch(async (thrown) => {
    if (isRefusal(thrown)) await recordRefusal(store, spec, thrown, actor)
    throw thrown
  })
  const { outputs } = outcome!.record
  const recorded = await recordImport(store, { spec, outputs, branch, actor, now, reason, also, dropped })
  await dropSources(store, dropped, recorded.version)
  return recorded

  function run() {
    return jobs.run([spec], { signal, onProgress: onProgress && ((p) => onProgress(p.done, p.note)) })
  }
}

/** The delivery is at fault, not the machine or the moment. */
const isRefusal = (thrown: unknown): boolean =>
  isMillraceError(thrown) && thrown.code.startsWith('MR_DATA_') && !thrown.retryable

const CHUNK_CHARS = 1 << 20

/** Puts rows into the store as newline-delimited JSON. Errors: MR_DATA_NO_ROWS. */
export async function takeRows(
  store: Store,
  def: Pick<DatasetDef, 'name' | 'time'>,
  rows: readonly Record<string, unknown>[],
): Promise<SourceFile> {
  if (rows.length === 0)
    throw new MillraceError('MR_DATA_NO_ROWS', {
      dataset: def.name,
      files: ['rows in memory'],
      why: 'there are no rows',
    })
  const path = join(store.scratch, `rows-${randomUUID()}.ndjson`)
  try {
    await writeLines(path, rows, def.time)
    return await takeSource(store, path, `${rows.length} rows in memory`, 'json')
  } finally {
    await rm(path, { force: true })
  }
}

async function writeLines(
  path: string,
  rows: readonly Record<string, unknown>[],
  time: string | undefined,
): Promise<void> {
  const file = await open(path, 'wx')
  const write = (text: string) => faulted(path, 'write', () => file.writeFile(text))
  try {
    let text = ''
    for (const row of rows) {
      text += `${lineOf(row, time)}\n`
      if (text.length < CHUNK_CHARS) continue
      await write(text)
      text = ''
    }
    await write(text)
  } finally {
    await file.close()
  }
}

function lineOf(row: Record<string, unknown>, time: string | undefined): string {
  const at = time === undefined ? undefined : row[time]
  const dated = typeof at === 'number' ? { ...row, [time!]: new Date(at).toISOString() } : row
  return JSON.stringify(dated, (_, value) => (typeof value === 'bigint' ? Number(value) : value))
}
