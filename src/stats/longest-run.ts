/** The longest stretch of one value in a column, row after row: what a sensor that stands still leaves behind. */

export interface LongestRun {
  rows: number
  /** Stretches of equal values, the longest among them. */
  runs: number
  /** First row of the longest stretch; of equally long ones the first. */
  from: number
  length: number
}

/**
 * Takes a column as two 32-bit words a row, so that any value of 8 bytes will do. The same rows cut in other places give the same answer.
 * Cost: O(1) a row.
 */
export class RunFinder {
  #rows = 0
  #runs = 0
  #low = 0
  #high = 0
  #isMissing = false
  #begun = 0
  #from = 0
  #length = 0

  /** The next `n` rows; `missing` says for a row whether it has no value, which is a value like any other here. */
  add(words: Int32Array, n: number, missing: (row: number) => boolean): void {
    for (let i = 0; i < n; i++) {
      const isMissing = missing(i)
      const low = isMissing ? 0 : words[2 * i]
      const high = isMissing ? 0 : words[2 * i + 1]
      if (this.#runs > 0 && low === this.#low && high === this.#high && isMissing === this.#isMissing)
        continue
      this.#end(this.#rows + i)
      this.#runs++
      this.#low = low
      this.#high = high
      this.#isMissing = isMissing
    }
    this.#rows += n
  }

  #end(row: number): void {
    if (row - this.#begun > this.#length) {
      this.#from = this.#begun
      this.#length = row - this.#begun
    }
    this.#begun = row
  }

  finish(): LongestRun {
    this.#end(this.#rows)
    return { rows: this.#rows, runs: this.#runs, from: this.#from, length: this.#length }
  }
}

/** A stretch is remarked upon from so many rows on, and from this share of all. */
const STILL_ROWS_MIN = 100
const STILL_SHARE_MIN = 0.02
/** Other stretches there must be, so that the column is alive elsewhere. */
const OTHER_RUNS_MIN = 20
/**
 * How many times longer than the others a stretch is: of independent rows the longest of R is about 2·ln(R/2) times the mean (26 of a million), however rare the
 * other values are. Source: Schilling, 1990, "The longest run of heads", The College Mathematics Journal 21(3).
 */
const STILL_RATIO_MIN = 50

/** Whether a column that is alive elsewhere stands still for a stretch, longer than chance or steps of a calendar explain. */
export function standsStill({ rows, runs, length }: LongestRun): boolean {
  const others = runs - 1
  if (length < STILL_ROWS_MIN || length < STILL_SHARE_MIN * rows || others < OTHER_RUNS_MIN) return false
  return length >= STILL_RATIO_MIN * ((rows - length) / others)
}
