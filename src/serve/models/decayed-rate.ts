/** How many a second, newer ones counting more. */

/** Time after which what came counts a third. */
const MEMORY_MS = 1_000

export class DecayedRate {
  #sum = 0
  #atMs = Number.NEGATIVE_INFINITY
  #begunMs = Number.NEGATIVE_INFINITY

  /** `nowMs` is a clock that only goes forward. */
  add(count: number, nowMs: number): void {
    if (this.#sum === 0) this.#begunMs = nowMs
    this.#sum = this.#left(nowMs) + count
    this.#atMs = nowMs
  }

  /** Right also while less than the memory has passed since the first. */
  perSecond(nowMs: number): number {
    if (this.#sum === 0) return 0
    const seen = 1 - Math.exp(-Math.max(1, nowMs - this.#begunMs) / MEMORY_MS)
    return (this.#left(nowMs) / (MEMORY_MS * seen)) * 1000
  }

  #left(nowMs: number): number {
    return this.#sum === 0 ? 0 : this.#sum * Math.exp(-Math.max(0, nowMs - this.#atMs) / MEMORY_MS)
  }
}
