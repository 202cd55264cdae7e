/** What a call costs by its rows, learned from the calls that were made: `fixed + perRow × rows`, newer calls counting more. */

/** What a call's weight is multiplied by with each one after it: the last fifty or so are what counts. */
const KEPT = 0.98

export class CostCurve {
  #weight = 0
  #rows = 0
  #ms = 0
  #rowsRows = 0
  #rowsMs = 0

  add(rows: number, ms: number): void {
    this.#weight = this.#weight * KEPT + 1
    this.#rows = this.#rows * KEPT + rows
    this.#ms = this.#ms * KEPT + ms
    this.#rowsRows = this.#rowsRows * KEPT + rows * rows
    this.#rowsMs = this.#rowsMs * KEPT + rows * ms
  }

  /** Whether any call was seen. */
  get isKnown(): boolean {
    return this.#weight > 0
  }

  /** Milliseconds of a call: of its fixed part, and of each row. Calls of one size alone tell no slope: half of their cost is taken to be by row. */
  line(): { fixedMs: number; perRowMs: number } {
    if (!this.isKnown) return { fixedMs: 0, perRowMs: 0 }
    const [rows, ms] = [this.#rows / this.#weight, this.#ms / this.#weight]
    const spread = this.#rowsRows / this.#weight - rows * rows
    const slope =
      spread > 1e-6 * rows * rows ? (this.#rowsMs / this.#weight - rows * ms) / spread : ms / 2 / rows
    const perRowMs = Math.min(Math.max(slope, 0), ms / rows)
    return { fixedMs: ms - perRowMs * rows, perRowMs }
  }

  costMs(rows: number): number {
    const { fixedMs, perRowMs } = this.line()
    return fixedMs + perRowMs * rows
  }

  /** Rows of the largest call that ends within a time; unbounded while nothing is known. */
  rowsWithin(ms: number): number {
    if (!this.isKnown) return Number.POSITIVE_INFINITY
    const { fixedMs, perRowMs } = this.line()
    if (perRowMs === 0) return fixedMs <= ms ? Number.POSITIVE_INFINITY : 0
    return Math.max(0, Math.floor((ms - fixedMs) / perRowMs))
  }
}
