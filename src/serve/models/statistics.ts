/** What a version has answered, as the statistics extension of the protocol has it. */
import type { ModelStatistics, Spent } from '../oip/backend.ts'

/** Batch sizes that are kept apart; the rest go unsaid. */
const SIZES_MAX = 64
const NS_PER_MS = 1e6

const none = (): Spent => ({ count: 0, ns: 0 })

export class Statistics {
  readonly #success = none()
  readonly #fail = none()
  readonly #queue = none()
  readonly #input = none()
  readonly #compute = none()
  readonly #output = none()
  readonly #cacheHit = none()
  readonly #cacheMiss = none()
  readonly #batches = new Map<number, Spent>()
  #rows = 0
  #executions = 0
  #lastAt = 0

  batch(rows: number, ms: number): void {
    this.#executions++
    const spent = this.#batches.get(rows) ?? none()
    if (this.#batches.size < SIZES_MAX || spent.count > 0) this.#batches.set(rows, add(spent, ms))
  }

  answered(
    rows: number,
    ms: { input: number; queue: number; compute: number; output: number },
    at: number,
  ): void {
    this.#rows += rows
    this.#lastAt = at
    add(this.#input, ms.input)
    add(this.#queue, ms.queue)
    add(this.#compute, ms.compute)
    add(this.#output, ms.output)
    add(this.#success, ms.input + ms.queue + ms.compute + ms.output)
  }

  /** A look into the response cache. */
  looked(isHit: boolean, ms: number): void {
    add(isHit ? this.#cacheHit : this.#cacheMiss, ms)
  }

  failed(ms: number): void {
    add(this.#fail, ms)
  }

  of(name: string, version: string): ModelStatistics {
    return {
      name,
      version,
      lastInferenceMs: this.#lastAt,
      inferences: this.#rows,
      executions: this.#executions,
      success: this.#success,
      fail: this.#fail,
      queue: this.#queue,
      input: this.#input,
      compute: this.#compute,
      output: this.#output,
      cacheHit: this.#cacheHit,
      cacheMiss: this.#cacheMiss,
      batches: [...this.#batches].sort(([a], [b]) => a - b).map(([size, compute]) => ({ size, compute })),
    }
  }
}

function add(spent: Spent, ms: number): Spent {
  spent.count++
  spent.ns += ms * NS_PER_MS
  return spent
}
