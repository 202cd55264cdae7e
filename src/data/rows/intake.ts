/** Takes rows of one dataset as they happen: checked against its columns, once a batch, durable before they are acknowledged. */
import { createHash } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import { excerpt, MillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { DatasetVersion, Digest } from '../../core/records.ts'
import type { DatasetDef } from '../../define/types.ts'
import type { LogPosition, Store } from '../../store/ports.ts'
import { Backlog } from './backlog.ts'
import { type RowsFormat, rowsOf } from './body.ts'
import { ROWS_LIMITS } from './limits.ts'
import { batchesIn, rowStream } from './log-batches.ts'
import { newestSeal, sealedBatches } from './seals.ts'
import { RowShape } from './shape.ts'
import type { RowSeal, RowsStatus, RowsTaken } from './types.ts'

export interface RowsSent {
  body: Uint8Array
  format: RowsFormat
  /** Name of the batch: a repetition of it adds nothing. */
  batch?: string
}

interface KnownBatch {
  digest: string
  rows: number
  at: number
  /** Settled when it is durable, one way or the other. */
  done: Promise<unknown>
}

export interface IntakePorts {
  store: Store
  clock: Clock
}

type StreamedDataset = Pick<DatasetDef, 'name' | 'time' | 'stream'>

export class RowIntake {
  readonly #ports: IntakePorts
  readonly #def: StreamedDataset
  readonly #stream: string
  readonly #backlog = new Backlog()
  readonly #batches = new Map<string, KnownBatch>()
  #seal: { digest: Digest | null; record: RowSeal | null } = { digest: null, record: null }
  #shape: { version: Digest | null; shape: RowShape } | undefined

  private constructor(ports: IntakePorts, def: StreamedDataset) {
    this.#ports = ports
    this.#def = def
    this.#stream = rowStream(def.name)
  }

  /** Reads what waits, and which batches are known. Errors: those of the log and the store. */
  static async open(ports: IntakePorts, def: StreamedDataset): Promise<RowIntake> {
    const intake = new RowIntake(ports, def)
    await intake.#remember()
    await intake.refresh()
    return intake
  }

  /**
   * Takes all rows of a request or none. When it resolves they are on the disk. Errors: MR_ROWS_BODY, MR_ROWS_FIELD, MR_ROWS_UNKNOWN_FIELD, MR_ROWS_BATCH, MR_ROWS_BATCH_REUSED, MR_ROWS_BACKLOG,
   * MR_LIMIT, and those of the log.
   */
  async take({ body, format, batch }: RowsSent): Promise<RowsTaken> {
    if (batch !== undefined) checkBatch(batch)
    const digest = batch === undefined ? '' : createHash('sha256').update(body).digest('hex')
    const before = this.#repetition(batch, digest)
    if (before) return await before
    this.#checkRoom()
    const rows = await rowsOf(body, format)
    const shape = await this.#shapeNow()
    const again = this.#repetition(batch, digest)
    if (again) return await again
    const lines = shape.lines(rows)
    await this.#append(lines, batch, digest)
    return {
      dataset: this.#def.name,
      rows: lines.length,
      ...(batch !== undefined && { batch }),
      repeated: false,
    }
  }

  get waiting(): RowsStatus['waiting'] {
    return { rows: this.#backlog.rows, bytes: this.#backlog.bytes, since: this.#backlog.since }
  }

  /** Whether what waits is enough, or has waited long enough, to become a version. */
  isDue(now: number): boolean {
    const { rows, since } = this.#backlog
    const stream = this.#def.stream!
    return rows >= stream.sealRows || (since !== null && now - since >= stream.sealEveryMs)
  }

  /** Looks how far the stream is sealed, by whomever. */
  async refresh(): Promise<void> {
    const seal = await newestSeal(this.#ports.store, this.#def.name)
    this.#seal = seal
    await this.#backlog.recount(this.#ports.store, this.#stream, seal.record?.to ?? null)
    this.#forget()
  }

  status(): RowsStatus {
    const { record } = this.#seal
    return {
      dataset: this.#def.name,
      waiting: this.waiting,
      sealed: { rows: record?.rowsTotal ?? 0, at: record?.at ?? null },
      held: record?.held ?? [],
    }
  }

  /** The answer of a batch that is known; undefined for one that is not. */
  #repetition(batch: string | undefined, digest: string): Promise<RowsTaken> | undefined {
    const known = batch === undefined ? undefined : this.#batches.get(batch)
    if (batch === undefined || !known) return undefined
    if (known.digest !== digest) throw new MillraceError('MR_ROWS_BATCH_REUSED', { batch: excerpt(batch) })
    return known.done.then(() => ({ dataset: this.#def.name, rows: known.rows, batch, repeated: true }))
  }

  async #append(lines: string[], batch: string | undefined, digest: string): Promise<void> {
    if (lines.length === 0) return
    const at = this.#ports.clock.now()
    const head = JSON.stringify({ at, rows: lines.length, ...(batch !== undefined && { batch, digest }) })
    const done = this.#ports.store.log.append(this.#stream, [head, ...lines])
    if (batch !== undefined) this.#batches.set(batch, { digest, rows: lines.length, at, done })
    let end: LogPosition
    try {
      end = await done
    } catch (thrown) {
      if (batch !== undefined) this.#batches.delete(batch)
      throw thrown
    }
    this.#backlog.add({ end, rows: lines.length, bytes: lines.reduce((n, line) => n + line.length, 0), at })
  }

  #checkRoom(): void {
    const { rows, bytes } = this.#backlog
    const { backlogRowsMax, backlogBytesMax, retryAfterS } = ROWS_LIMITS
    const dataset = this.#def.name
    if (rows >= backlogRowsMax)
      throw new MillraceError('MR_ROWS_BACKLOG', {
        dataset,
        waiting: rows,
        max: backlogRowsMax,
        unit: 'rows',
        retryAfterS,
      })
    if (bytes >= backlogBytesMax)
      throw new MillraceError('MR_ROWS_BACKLOG', {
        dataset,
        waiting: bytes,
        max: backlogBytesMax,
        unit: 'bytes',
        retryAfterS,
      })
  }

  /** The columns of the newest version. Before there is one, those of the rows that wait. */
  async #shapeNow(): Promise<RowShape> {
    const { store } = this.#ports
    const version = (await store.meta.ref(refs.dataset(this.#def.name)))?.digest ?? null
    if (this.#shape?.version === version) return this.#shape.shape
    const { name: dataset, time, stream } = this.#def
    const columns = version
      ? (await store.getRecord<DatasetVersion>(version, 'DatasetVersion')).schema.columns
      : []
    const shape = new RowShape({ dataset, columns, time, newColumns: stream!.newColumns })
    if (version === null) await this.#settle(shape)
    this.#shape = { version, shape }
    return shape
  }

  async #settle(shape: RowShape): Promise<void> {
    const sealed = this.#seal.record?.to ?? null
    for await (const { batches } of batchesIn(this.#ports.store, this.#stream, sealed))
      for (const { lines } of batches) shape.lines(lines.map((line) => JSON.parse(line) as unknown))
  }

  /** Batches of the seals of the last day, and of what waits. */
  async #remember(): Promise<void> {
    const { store, clock } = this.#ports
    const since = clock.now() - ROWS_LIMITS.batchKeptMs
    const seal = await newestSeal(store, this.#def.name)
    const done = Promise.resolve()
    for (const [batch, digest, rows, at] of await sealedBatches(store, seal.digest, since))
      this.#batches.set(batch, { digest, rows, at, done })
    for await (const { batches } of batchesIn(store, this.#stream, seal.record?.to ?? null))
      for (const { head } of batches)
        if (head.batch !== undefined)
          this.#batches.set(head.batch, { digest: head.digest!, rows: head.rows, at: head.at, done })
  }

  #forget(): void {
    const since = this.#ports.clock.now() - ROWS_LIMITS.batchKeptMs
    for (const [batch, { at }] of this.#batches) {
      if (at >= since && this.#batches.size <= ROWS_LIMITS.batchesMax) return
      this.#batches.delete(batch)
    }
  }
}

function checkBatch(batch: string): void {
  if (/^[\x21-\x7e]{1,200}$/.test(batch)) return
  throw new MillraceError('MR_ROWS_BATCH', { got: batch === '' ? 'nothing' : `${batch.length} characters` })
}
