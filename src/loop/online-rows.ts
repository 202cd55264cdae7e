/**
 * Rows to learn from, as the log completes them: an answer's features with what really happened, each once, in the order of the log.
 *
 * A row is complete when its outcome has come, or, where the outcome came first, its prediction. Answers older than `waitMsMax` against the newest block are given up; of
 * several outcomes of one answer the first counts. An outcome that the model cannot learn from (a class that is neither 0 nor 1) is counted and passed over.
 */
import { type OutcomeBlock, type PredictionBlock, unloggedOf } from '../core/log-blocks.ts'
import type { ModelTask } from '../core/records.ts'
import { Waiting } from '../core/waiting.ts'
import { type FittedFeatures, featureRowFn } from '../expr/features.ts'
import type { LogCursor, RecordPlace } from './read-logs.ts'

export interface CompleteRow {
  x: Float64Array
  y: number
  /** When the block came that completed it. */
  at: number
}

interface Half<V> {
  value: V
  at: number
  /** Where its block lies in its stream. */
  place: RecordPlace
}

export interface OnlineRowsOptions {
  model: string
  task: ModelTask
  features: FittedFeatures
  /** Answers from before are not learned from. */
  fromAt: number
  waitMsMax: number
  /** Answers that wait at most; the oldest are given up. */
  waitingMax: number
}

export class OnlineRows {
  readonly #options: OnlineRowsOptions
  readonly #columns: ReadonlySet<string>
  readonly #fill: ReturnType<typeof featureRowFn>
  readonly #answers = new Waiting<Half<Float64Array>>()
  readonly #early = new Waiting<Half<number>>()
  #newestAt = Number.NEGATIVE_INFINITY
  /** Answers and outcomes that were passed over since reading began. */
  unusable = 0

  constructor(options: OnlineRowsOptions) {
    this.#options = options
    this.#fill = featureRowFn(options.features)
    this.#columns = new Set(options.features.columns.map(({ name }) => name))
  }

  /** Rows that a block completes. `cursor` is where the block lies. */
  predictions(block: PredictionBlock, { predictions: place }: LogCursor): CompleteRow[] {
    const { at } = block
    if (!this.#takes(block) || at < this.#options.fromAt) return []
    const columns = Object.keys(block.inputs)
    const isWhole = unloggedOf(block).every((column) => !this.#columns.has(column))
    const complete: CompleteRow[] = []
    block.ids.forEach((id, i) => {
      if (block.routes[i] === 'shadow') return
      const x = isWhole ? this.#featuresOf(block, columns, i) : undefined
      const early = this.#early.get(id)
      if (!x) this.unusable++
      else if (early) {
        this.#early.delete(id)
        complete.push({ x, y: early.value, at })
      } else this.#answers.set(id, { value: x, at, place })
    })
    while (this.#answers.size > this.#options.waitingMax) this.#answers.dropOldest()
    return complete
  }

  outcomes(block: OutcomeBlock, { outcomes: place }: LogCursor): CompleteRow[] {
    const { at } = block
    if (!this.#takes(block)) return []
    const complete: CompleteRow[] = []
    block.ids.forEach((id, i) => {
      const y = block.values[i]
      const answer = this.#answers.get(id)
      if (!this.#isTarget(y)) this.unusable++
      else if (answer) {
        this.#answers.delete(id)
        complete.push({ x: answer.value, y, at })
      } else if (!this.#early.has(id)) this.#early.set(id, { value: y, at, place })
    })
    while (this.#early.size > this.#options.waitingMax) this.#early.dropOldest()
    return complete
  }

  /** Where reading must begin so that everything that waits is met again; absent on a side where nothing waits. */
  waitsSince(): { predictions?: RecordPlace; outcomes?: RecordPlace } {
    return { predictions: this.#answers.oldest()?.place, outcomes: this.#early.oldest()?.place }
  }

  #takes({ model, at }: { model: string; at: number }): boolean {
    this.#advance(at)
    return model === this.#options.model
  }

  #isTarget(y: number | string): y is number {
    return this.#options.task === 'binary' ? y === 0 || y === 1 : Number.isFinite(y)
  }

  /** Undefined where the inputs are of other types than the features take, as an earlier version may have had. */
  #featuresOf(block: PredictionBlock, columns: string[], i: number): Float64Array | undefined {
    const row = Object.fromEntries(columns.map((column) => [column, block.inputs[column][i]]))
    const x = new Float64Array(this.#options.features.features.length)
    try {
      this.#fill(row, x, 0)
      return x
    } catch {
      return undefined
    }
  }

  /** What waits stands in the order of time: what is too old is at the front. */
  #advance(at: number): void {
    this.#newestAt = Math.max(this.#newestAt, at)
    const oldest = this.#newestAt - this.#options.waitMsMax
    dropBefore(this.#answers, oldest)
    dropBefore(this.#early, oldest)
  }
}

function dropBefore(waiting: Waiting<{ at: number }>, oldest: number): void {
  for (let first = waiting.oldest(); first && first.at < oldest; first = waiting.oldest())
    waiting.dropOldest()
}
