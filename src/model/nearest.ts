/** Distances between rows, and the nearest of them. */

/** Rows where distances are plain: numbers divided by their scale, categories as codes. */
export interface NeighbourSpace {
  nRows: number
  width: number
  /** Columns below are numbers, the others categories. */
  nNumbers: number
  points: Float64Array
  mismatch: number
  place(x: Float64Array, at: number, out: Float64Array): void
}

/** Squared distance of a point to a row, or any number above `most` once it is sure to be larger. */
export function squareTo(
  { width, nNumbers, points, mismatch }: NeighbourSpace,
  query: Float64Array,
  row: number,
  most: number,
): number {
  let sum = 0
  const at = row * width
  for (let c = 0; c < nNumbers; c++) {
    const d = query[c] - points[at + c]
    sum += d * d
    if (sum > most) return sum
  }
  for (let c = nNumbers; c < width; c++) if (query[c] !== points[at + c]) sum += mismatch
  return sum
}

/** The nearest rows so far, in order. Insertion is enough for the few that are kept. */
export class Nearest {
  readonly indexes: Int32Array
  readonly squares: Float64Array
  #n = 0

  constructor(k: number) {
    this.indexes = new Int32Array(k)
    this.squares = new Float64Array(k)
  }

  clear(): void {
    this.#n = 0
    this.squares.fill(Number.POSITIVE_INFINITY)
    this.indexes.fill(-1)
  }

  /** What a row must not exceed to be among them. */
  get worst(): number {
    return this.#n < this.squares.length ? Number.POSITIVE_INFINITY : this.squares[this.#n - 1]
  }

  /** Of equal distances the earlier row is nearer. */
  offer(row: number, square: number): void {
    const { indexes, squares } = this
    const last = squares.length - 1
    if (!isNearer(square, row, squares[last], indexes[last])) return
    if (this.#n <= last) this.#n++
    let to = this.#n - 1
    while (to > 0 && isNearer(square, row, squares[to - 1], indexes[to - 1])) {
      squares[to] = squares[to - 1]
      indexes[to] = indexes[to - 1]
      to--
    }
    squares[to] = square
    indexes[to] = row
  }
}

function isNearer(square: number, row: number, other: number, otherRow: number): boolean {
  return square < other || (square === other && (otherRow < 0 || row < otherRow))
}
