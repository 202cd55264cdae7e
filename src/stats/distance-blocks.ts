/** Distances of a few rows to all others at a time, and their order: what neighbours, worth and duplicates are found by. */
import { requireLength, requireRange } from './inputs.ts'

/** Rows as points: row-major `[nRows * width]`, no missing values. Columns below `nNumbers` are numbers on one scale, the others codes of categories. */
export interface PointRows {
  nRows: number
  width: number
  nNumbers: number
  points: Float64Array
}

/** Rows whose distances are taken in one pass over the others: one load serves all of them. */
const BLOCK = 4

export function checkPoints(what: string, { nRows, width, nNumbers, points }: PointRows): void {
  requireRange(
    Number.isInteger(width) && width >= 1,
    `width of ${what}`,
    'a whole number of at least 1',
    width,
  )
  requireRange(nNumbers >= 0 && nNumbers <= width, `nNumbers of ${what}`, `from 0 to ${width}`, nNumbers)
  requireLength(`points of ${what}`, points, nRows * width)
}

/**
 * Squared distances of each row of `queries` to all `rows`, given to `visit` one query at a time and in order; the buffer is overwritten after it returns.
 * A category that differs adds `mismatch`. Sums run over the columns in order, so that the bits do not depend on blocks.
 *
 * Cost: O(queries * rows * width) time, memory of four distances a row.
 */
export function eachDistances(
  rows: PointRows,
  queries: PointRows,
  mismatch: number,
  visit: (iQuery: number, squares: Float64Array) => void,
): void {
  const squares = Array.from({ length: BLOCK }, () => new Float64Array(rows.nRows))
  const block = new Float64Array(BLOCK * rows.width)
  for (let first = 0; first < queries.nRows; first += BLOCK) {
    const n = Math.min(BLOCK, queries.nRows - first)
    for (let b = 0; b < BLOCK; b++) placeQuery(queries, first + Math.min(b, n - 1), b, block)
    measureBlock(rows, block, mismatch, squares)
    for (let b = 0; b < n; b++) visit(first + b, squares[b])
  }
}

/** One query after another in each column. */
function placeQuery({ width, points }: PointRows, row: number, to: number, block: Float64Array): void {
  for (let c = 0; c < width; c++) block[c * BLOCK + to] = points[row * width + c]
}

function measureBlock(rows: PointRows, block: Float64Array, mismatch: number, squares: Float64Array[]): void {
  const { nRows, width, nNumbers, points } = rows
  const [s0, s1, s2, s3] = squares
  for (let i = 0, at = 0; i < nRows; i++) {
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    let j = 0
    const numbersEnd = nNumbers * BLOCK
    for (; j < numbersEnd; j += BLOCK) {
      const x = points[at++]
      const da = x - block[j]
      const db = x - block[j + 1]
      const dc = x - block[j + 2]
      const dd = x - block[j + 3]
      a += da * da
      b += db * db
      c += dc * dc
      d += dd * dd
    }
    const end = width * BLOCK
    for (; j < end; j += BLOCK) {
      const x = points[at++]
      if (x !== block[j]) a += mismatch
      if (x !== block[j + 1]) b += mismatch
      if (x !== block[j + 2]) c += mismatch
      if (x !== block[j + 3]) d += mismatch
    }
    s0[i] = a
    s1[i] = b
    s2[i] = c
    s3[i] = d
  }
}

const DIGIT_BITS = 11
const BUCKETS = 1 << DIGIT_BITS
/** Equal upper halves up to which insertion puts the lower halves in order; of more, the lower halves are sorted first. */
const RUN_MAX = 32

/**
 * Orders rows by distance, of equal ones the earlier row first. Owns the memory of one order of `nRows`.
 *
 * Non-negative doubles are ordered as their bits are, so that digits are counted instead of numbers compared: three passes over the upper 32 bits, then the few
 * equal ones by what is left; six passes when many are equal above and differ below. Cost: O(nRows).
 */
export class DistanceOrder {
  readonly order: Uint32Array
  readonly #other: Uint32Array
  readonly #counts = new Uint32Array(3 * BUCKETS)
  #runs = 0

  constructor(nRows: number) {
    this.order = new Uint32Array(nRows)
    this.#other = new Uint32Array(nRows)
  }

  /** Fills `order` with the rows by `squares` `[nRows]`, each >= 0. */
  sort(squares: Float64Array): Uint32Array {
    const words = new Uint32Array(squares.buffer, squares.byteOffset, squares.length * 2)
    const { order } = this
    for (let i = 0; i < order.length; i++) order[i] = i
    this.#byWord(words, HIGH_WORD)
    if (this.#longRuns(words)) {
      for (let i = 0; i < order.length; i++) order[i] = i
      this.#byWord(words, 1 - HIGH_WORD)
      this.#byWord(words, HIGH_WORD)
    } else if (this.#runs > 0) this.#insertRuns(squares)
    return order
  }

  #byWord(words: Uint32Array, half: number): void {
    const counts = this.#counts.fill(0)
    const n = this.order.length
    for (let i = 0; i < n; i++) {
      const word = words[2 * i + half]
      counts[word & (BUCKETS - 1)]++
      counts[BUCKETS + ((word >>> DIGIT_BITS) & (BUCKETS - 1))]++
      counts[2 * BUCKETS + (word >>> (2 * DIGIT_BITS))]++
    }
    let from = this.order
    let to = this.#other
    for (let digit = 0; digit < 3; digit++) {
      this.#scatter(words, half, digit, from, to)
      const swapped = from
      from = to
      to = swapped
    }
    this.order.set(this.#other)
  }

  #scatter(words: Uint32Array, half: number, digit: number, from: Uint32Array, to: Uint32Array): void {
    const counts = this.#counts
    const base = digit * BUCKETS
    const shift = digit * DIGIT_BITS
    for (let b = 0, at = 0; b < BUCKETS; b++) {
      const n = counts[base + b]
      counts[base + b] = at
      at += n
    }
    for (let i = 0; i < from.length; i++) {
      const row = from[i]
      const bucket = base + ((words[2 * row + half] >>> shift) & (BUCKETS - 1))
      to[counts[bucket]++] = row
    }
  }

  /** Whether more than a few neighbours in the order have equal upper halves and are not in order below. */
  #longRuns(words: Uint32Array): boolean {
    this.#runs = 0
    let run = 0
    for (let i = 1; i < this.order.length; i++) {
      const row = this.order[i]
      const before = this.order[i - 1]
      const same = words[2 * row + HIGH_WORD] === words[2 * before + HIGH_WORD]
      run = same ? run + 1 : 0
      if (!same || words[2 * row + 1 - HIGH_WORD] === words[2 * before + 1 - HIGH_WORD]) continue
      this.#runs++
      if (run > RUN_MAX) return true
    }
    return false
  }

  #insertRuns(squares: Float64Array): void {
    const { order } = this
    for (let i = 1; i < order.length; i++) {
      const row = order[i]
      let to = i
      while (to > 0 && squares[order[to - 1]] > squares[row]) {
        order[to] = order[to - 1]
        to--
      }
      order[to] = row
    }
  }
}

/** Where the upper half of a double lies on this machine. */
const HIGH_WORD = new Uint32Array(Float64Array.of(1).buffer)[1] === 0 ? 0 : 1
