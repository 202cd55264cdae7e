/** A vantage-point tree: rows divided again and again by their distance to one of them. */
import { type Nearest, type NeighbourSpace, squareTo } from './nearest.ts'

/** Rows that are gone through one by one. */
const LEAF_ROWS = 16
/** What rounding may have done to a distance, as a share of it: bounds that are this near are not trusted. */
const SLACK = 1e-9

/**
 * Finds the same rows as going through all of them, ties included: what can only be further away is passed over, by the triangle inequality, which a sum of squares of
 * distances has whatever the single ones are. Deterministic: the vantage point is the first of its rows.
 * Cost: O(n log n) to build; to find, from O(log n) in few dimensions to O(n) in many. Source: Yianilos 1993.
 */
export class VantageTree {
  readonly #space: NeighbourSpace
  readonly #order: Int32Array
  /** Radius within which the near half of a node lies, by the place of its vantage point in the order. */
  readonly #radius: Float64Array

  constructor(space: NeighbourSpace) {
    this.#space = space
    this.#order = Int32Array.from({ length: space.nRows }, (_, i) => i)
    this.#radius = new Float64Array(space.nRows)
    const stack: [number, number][] = [[0, space.nRows]]
    for (let next = stack.pop(); next; next = stack.pop()) {
      const [from, to] = next
      if (to - from <= LEAF_ROWS) continue
      const middle = this.#divide(from, to)
      stack.push([from + 1, middle], [middle, to])
    }
  }

  /** Sorts the rows behind the vantage point by their distance to it; where the far half begins. */
  #divide(from: number, to: number): number {
    const { points, width } = this.#space
    const vantage = this.#order[from]
    const at = points.subarray(vantage * width, (vantage + 1) * width)
    const rest = Array.from(this.#order.subarray(from + 1, to), (row) => ({
      row,
      distance: Math.sqrt(squareTo(this.#space, at, row, Number.POSITIVE_INFINITY)),
    }))
    rest.sort((a, b) => a.distance - b.distance || a.row - b.row)
    rest.forEach(({ row }, i) => {
      this.#order[from + 1 + i] = row
    })
    const middle = from + 1 + (rest.length >> 1)
    this.#radius[from] = rest[middle - from - 1].distance
    return middle
  }

  find(query: Float64Array, nearest: Nearest): void {
    this.#visit(query, nearest, 0, this.#space.nRows)
  }

  #visit(query: Float64Array, nearest: Nearest, from: number, to: number): void {
    if (to - from <= LEAF_ROWS) {
      for (let i = from; i < to; i++) this.#offer(query, nearest, this.#order[i], nearest.worst)
      return
    }
    const distance = Math.sqrt(this.#offer(query, nearest, this.#order[from], Number.POSITIVE_INFINITY))
    const radius = this.#radius[from]
    const middle = from + 1 + ((to - from - 1) >> 1)
    const near = () => {
      if (canHold(distance - radius, nearest, distance)) this.#visit(query, nearest, from + 1, middle)
    }
    const far = () => {
      if (canHold(radius - distance, nearest, distance)) this.#visit(query, nearest, middle, to)
    }
    if (distance < radius) {
      near()
      far()
    } else {
      far()
      near()
    }
  }

  #offer(query: Float64Array, nearest: Nearest, row: number, most: number): number {
    const square = squareTo(this.#space, query, row, most)
    nearest.offer(row, square)
    return square
  }
}

/** Whether rows at least `gap` away may be among the nearest. */
function canHold(gap: number, nearest: Nearest, size: number): boolean {
  return !(gap - SLACK * size > Math.sqrt(nearest.worst))
}
