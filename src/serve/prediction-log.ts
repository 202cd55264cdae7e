/** The log of serving: blocks in, durable before the answer where the model asks for it, and handed to whoever listens in this process. */

import { MillraceError, toError } from '../core/errors.ts'
import {
  type LogBlock,
  OUTCOMES_STREAM,
  type OutcomeBlock,
  PREDICTIONS_STREAM,
  type PredictionBlock,
  sliceOutcomes,
  slicePredictions,
} from '../core/log-blocks.ts'
import type { Log } from '../store/ports.ts'
import { SERVE_LIMITS } from './limits.ts'
import { KEEP_ALL, keptOutcomes, keptPredictions, type LogPolicy } from './log-policy.ts'

export interface PredictionLogOptions {
  recordBytesMax: number
  /** What is kept of a model's answers, where it is not everything. */
  policyOf?: (model: string) => Partial<LogPolicy>
  /** Key of hashed inputs; needed where a policy hashes. */
  hashKey?: Uint8Array
}

/** How long a relaxed record may wait before it is written. */
const RELAXED_MS = 10

interface Relaxed {
  records: string[]
  written: (() => void)[]
  chars: number
}

export class PredictionLog {
  readonly #log: Log
  readonly #options: PredictionLogOptions
  readonly #predictionListeners = new Set<(block: PredictionBlock) => void>()
  readonly #outcomeListeners = new Set<(block: OutcomeBlock) => void>()
  readonly #pending = new Set<Promise<void>>()
  #relaxed: Relaxed = { records: [], written: [], chars: 0 }
  #flushTimer: NodeJS.Timeout | undefined
  /** The last failure of an append that no request waited for; readiness tells it. */
  relaxedError: Error | undefined

  constructor(log: Log, options: PredictionLogOptions) {
    this.#log = log
    this.#options = options
  }

  /**
   * Writes the blocks of one request. Resolves when the answer may leave. Rejects with the store's error when a durable append failed:
   * then the request must fail, because its answer could not be found again.
   */
  async predictions(blocks: PredictionBlock[]): Promise<void> {
    const { recordBytesMax, hashKey } = this.#options
    const kept = blocks.flatMap((block) => keptPredictions(block, this.#policyOf(block.model), hashKey) ?? [])
    if (kept.length === 0) return
    const records = kept.flatMap((block) => encode(block, slicePredictions, recordBytesMax))
    await this.#append(this.#policyOf(kept[0].model), PREDICTIONS_STREAM, records, () =>
      this.#tell(this.#predictionListeners, kept),
    )
  }

  /** Writes outcomes of answers that are kept; always durable. */
  async outcomes(block: OutcomeBlock): Promise<void> {
    const kept = keptOutcomes(block, this.#policyOf(block.model))
    if (!kept) return
    const records = encode(kept, sliceOutcomes, this.#options.recordBytesMax)
    await this.#append(KEEP_ALL, OUTCOMES_STREAM, records, () => this.#tell(this.#outcomeListeners, [kept]))
  }

  /** Calls back for each block of predictions once it is written. Returns the way out. */
  onPredictions(listener: (block: PredictionBlock) => void): () => void {
    this.#predictionListeners.add(listener)
    return () => this.#predictionListeners.delete(listener)
  }

  onOutcomes(listener: (block: OutcomeBlock) => void): () => void {
    this.#outcomeListeners.add(listener)
    return () => this.#outcomeListeners.delete(listener)
  }

  /** Writes what relaxed models left to be written, and resolves when no append is under way. */
  async drained(): Promise<void> {
    this.#flush()
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending)
  }

  async #append(policy: LogPolicy, stream: string, records: string[], written: () => void): Promise<void> {
    if (!policy.durable && this.#pending.size < SERVE_LIMITS.relaxedAppendsMax)
      return this.#later(records, written)
    await this.#write(stream, records, written)
  }

  /** Relaxed records of a few milliseconds are one append: it costs the disk and this thread as much as one record does. */
  #later(records: string[], written: () => void): void {
    this.#relaxed.records.push(...records)
    this.#relaxed.written.push(written)
    for (const record of records) this.#relaxed.chars += record.length
    if (this.#relaxed.chars >= SERVE_LIMITS.relaxedCharsMax) this.#flush()
    else this.#flushTimer ??= setTimeout(() => this.#flush(), RELAXED_MS)
  }

  #flush(): void {
    clearTimeout(this.#flushTimer)
    this.#flushTimer = undefined
    const { records, written } = this.#relaxed
    if (records.length === 0) return
    this.#relaxed = { records: [], written: [], chars: 0 }
    this.#write(PREDICTIONS_STREAM, records, () => {
      for (const tell of written) tell()
    }).then(
      () => {
        this.relaxedError = undefined
      },
      (error) => {
        this.relaxedError = toError(error)
      },
    )
  }

  #write(stream: string, records: string[], written: () => void): Promise<void> {
    const append = this.#log.append(stream, records).then(written)
    this.#track(append)
    return append
  }

  #track(append: Promise<void>): void {
    const done = () => void this.#pending.delete(append)
    this.#pending.add(append)
    append.then(done, done)
  }

  #policyOf(model: string): LogPolicy {
    return { ...KEEP_ALL, ...this.#options.policyOf?.(model) }
  }

  /** A listener that throws must not fail an answer that is already written; its error surfaces as an uncaught one. */
  #tell<B extends LogBlock>(listeners: Set<(block: B) => void>, blocks: B[]): void {
    for (const listener of listeners) {
      for (const block of blocks) {
        try {
          listener(block)
        } catch (error) {
          queueMicrotask(() => {
            throw error
          })
        }
      }
    }
  }
}

/**
 * A block as records of at most `bytesMax`: halved until each fits. Errors: MR_LIMIT when one row alone does not.
 */
export function encode<B extends LogBlock>(
  block: B,
  slice: (block: B, rowBegin: number, rowEnd: number) => B,
  bytesMax: number,
): string[] {
  const text = JSON.stringify(block)
  const bytes = text.length * 3 <= bytesMax ? text.length : Buffer.byteLength(text)
  if (bytes <= bytesMax) return [text]
  const nRows = block.ids.length
  if (nRows === 1) {
    throw new MillraceError('MR_LIMIT', {
      limit: 'logRecordBytesMax',
      max: bytesMax,
      got: bytes,
      unit: 'bytes',
    })
  }
  const rowsEach = Math.ceil(nRows / Math.min(nRows, Math.ceil((bytes / bytesMax) * 1.1)))
  const records: string[] = []
  for (let begin = 0; begin < nRows; begin += rowsEach) {
    records.push(...encode(slice(block, begin, Math.min(nRows, begin + rowsEach)), slice, bytesMax))
  }
  return records
}
