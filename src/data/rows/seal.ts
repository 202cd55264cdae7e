/** Rows that wait in the log become a version, by the same import as files: checks, quarantine, parts. The seal and the version move in one commit, so that no row is sealed twice or never. */
import { randomUUID } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { refs, subjects } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { DatasetDef } from '../../define/types.ts'
import { faulted } from '../../store/disk/fault.ts'
import type { LogPosition, RefMove, Store } from '../../store/ports.ts'
import { type ImportPorts, type ImportRequest, importSources } from '../import-data.ts'
import { REPEATS } from '../repeated-rows.ts'
import { takeSource } from '../sources.ts'
import type { SourceFile } from '../types.ts'
import { ROWS_LIMITS } from './limits.ts'
import { batchesIn, rowStream } from './log-batches.ts'
import { newestSeal, putBatches, type SealedBatch } from './seals.ts'
import type { HeldRows, RowSeal } from './types.ts'

export interface SealOutcome {
  dataset: string
  rows: number
  /** The version that has them; absent when the import refused them, or when the dataset had all of them. */
  version?: Digest
  held?: HeldRows
}

export type SealRequest = Pick<ImportRequest, 'actor' | 'now' | 'signal' | 'onProgress'>

/**
 * Seals what waits, `sealRowsMax` rows at most; undefined when nothing does, or when another did it meanwhile. What the import refuses is held: it stays in the store with the reason, and the stream goes
 * on. Errors: those of the store and of an import that are not the rows' fault.
 */
export async function sealRows(
  ports: ImportPorts,
  def: DatasetDef,
  request: SealRequest,
): Promise<SealOutcome | undefined> {
  const { store } = ports
  const before = await newestSeal(store, def.name)
  const window = await collect(store, def.name, before.record, request)
  if (!window) return undefined
  const { file, rows, to, batches } = window
  const next: RowSeal = {
    kind: 'RowSeal',
    dataset: def.name,
    previous: before.digest,
    to,
    rows,
    rowsTotal: (before.record?.rowsTotal ?? 0) + rows,
    batches: await putBatches(store, batches),
    held: before.record?.held ?? [],
    at: request.now,
  }
  const outcome = await addRows(ports, def, { file, rows, from: before.digest, next }, request)
  if (outcome) await dropSealed(store, def.name, to)
  return outcome
}

/** Tries the rows that were held once more, oldest first, after the dataset's checks or the data were put right. Those that are refused again stay held. */
export async function retryHeld(
  ports: ImportPorts,
  def: DatasetDef,
  request: SealRequest,
): Promise<SealOutcome[]> {
  const outcomes: SealOutcome[] = []
  const { record } = await newestSeal(ports.store, def.name)
  for (const held of record?.held ?? []) {
    const { digest, record: now } = await newestSeal(ports.store, def.name)
    const rest = now!.held.filter(({ file }) => file.digest !== held.file.digest)
    const next: RowSeal = { ...now!, previous: digest, batches: null, rows: 0, held: rest, at: request.now }
    const outcome = await addRows(
      ports,
      def,
      { file: held.file, rows: held.rows, from: digest, next },
      request,
    )
    if (outcome) outcomes.push(outcome)
  }
  return outcomes
}

interface Sealing {
  file: SourceFile
  rows: number
  from: Digest | null
  next: RowSeal
}

async function addRows(
  ports: ImportPorts,
  def: DatasetDef,
  sealing: Sealing,
  request: SealRequest,
): Promise<SealOutcome | undefined> {
  const { store } = ports
  const { file, rows, next, from } = sealing
  const move: RefMove = { name: refs.rows(def.name), from, to: await store.putRecord(next) }
  try {
    const { version, known } = await importSources(ports, def, [file], {
      ...request,
      again: true,
      dropRepeats: true,
      // A few rows are never the whole table, whatever deliveries of files are.
      mode: def.mode === 'upsert' ? 'upsert' : 'append',
      also: [move],
    })
    // Another process sealed the same rows at the same moment.
    return known ? undefined : { dataset: def.name, rows, version }
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_DATA_MOVED') && (await newestSeal(store, def.name)).digest !== from)
      return undefined
    if (isMillraceError(thrown, 'MR_DATA_NO_ROWS') && thrown.data.why === REPEATS)
      return await note(store, sealing, move, request, 'data.rows.repeated')
    if (!isFault(thrown)) throw thrown
    return await hold(store, sealing, thrown, request)
  }
}

/** The rows are at fault, not the machine or the moment. */
const isFault = (thrown: unknown): thrown is MillraceError =>
  isMillraceError(thrown) && thrown.code.startsWith('MR_DATA_') && !thrown.retryable

async function hold(
  store: Store,
  sealing: Sealing,
  error: MillraceError,
  request: SealRequest,
): Promise<SealOutcome | undefined> {
  const { file, rows, next } = sealing
  const held: HeldRows = { file, rows, code: error.code, why: error.message, at: request.now }
  const record: RowSeal = { ...next, held: [...next.held, held] }
  const move = { name: refs.rows(next.dataset), from: sealing.from, to: await store.putRecord(record) }
  const outcome = await note(store, sealing, move, request, 'data.rows.held', error)
  return outcome && { ...outcome, held }
}

async function note(
  store: Store,
  { file, rows, next }: Sealing,
  move: RefMove,
  { actor }: SealRequest,
  type: string,
  error?: MillraceError,
): Promise<SealOutcome | undefined> {
  const { dataset } = next
  const data = { file: file.digest, rows, ...(error && { code: error.code, fix: error.fix }) }
  const reason = error?.message ?? `all ${rows} rows are in the dataset already`
  const done = await store.meta.commit({
    moves: [move],
    event: { type, subject: subjects.dataset(dataset), actor, reason, data },
  })
  return done.ok ? { dataset, rows } : undefined
}

interface Window {
  file: SourceFile
  rows: number
  to: LogPosition
  batches: SealedBatch[]
}

/** Writes what waits into a file of the store. */
async function collect(
  store: Store,
  dataset: string,
  before: RowSeal | null,
  { signal }: SealRequest,
): Promise<Window | undefined> {
  const path = join(store.scratch, `rows-${randomUUID()}.ndjson`)
  const file = await open(path, 'wx')
  const write = (text: string) => faulted(path, 'write', () => file.writeFile(text))
  try {
    const batches: SealedBatch[] = []
    let rows = 0
    let to: LogPosition | undefined
    for await (const chunk of batchesIn(store, rowStream(dataset), before?.to ?? null)) {
      if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: `sealing rows of ${dataset}` })
      const lines = chunk.batches.flatMap((one) => one.lines)
      await write(lines.map((line) => `${line}\n`).join(''))
      for (const { head } of chunk.batches)
        if (head.batch !== undefined) batches.push([head.batch, head.digest!, head.rows, head.at])
      rows += lines.length
      to = chunk.next
      if (rows >= ROWS_LIMITS.sealRowsMax) break
    }
    await file.close()
    if (to === undefined || rows === 0) return undefined
    const first = (before?.rowsTotal ?? 0) + 1
    return {
      file: await takeSource(store, path, `rows ${first} to ${first + rows - 1}`, 'json'),
      rows,
      to,
      batches,
    }
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
}

/** Closed segments of the log before a place have all their rows in versions. */
async function dropSealed(store: Store, dataset: string, to: LogPosition): Promise<void> {
  const stream = rowStream(dataset)
  for (const { segment, sealed } of await store.log.segments(stream))
    if (sealed && segment < to.segment) await store.log.drop(stream, segment)
}
