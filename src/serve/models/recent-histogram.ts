/** A histogram of what was lately: what is older than so many values or so long counts no more, once as much has come again. */
import { LatencyHistogram } from '../latency-histogram.ts'

export class RecentHistogram {
  readonly #values: number
  readonly #ms: number
  #now = new LatencyHistogram()
  #before = new LatencyHistogram()
  #fromMs = Number.NEGATIVE_INFINITY

  /** Either end turns the page: so many values, or so many milliseconds. */
  constructor(values: number, ms: number) {
    this.#values = values
    this.#ms = ms
  }

  add(value: number): void {
    this.#now.add(value)
  }

  /** Quantiles of what counts, null where nothing does. `nowMs` is a clock that only goes forward. */
  quantiles(shares: readonly number[], nowMs: number): (number | null)[] {
    this.#turn(nowMs)
    const both = new LatencyHistogram()
    both.merge(this.#now)
    both.merge(this.#before)
    return shares.map((share) => both.quantileMs(share))
  }

  #turn(nowMs: number): void {
    const passedMs = nowMs - this.#fromMs
    if (this.#now.total < this.#values && passedMs <= this.#ms) return
    ;[this.#before, this.#now] = [this.#now, this.#before]
    this.#now.clear()
    // what was not looked at for long is all old
    if (passedMs > 2 * this.#ms) this.#before.clear()
    this.#fromMs = nowMs
  }
}
