/** Rows that lie too near to one another, and rows that lie near to none. */
import { seededRng } from '../core/rng.ts'
import { checkPoints, eachDistances, type PointRows } from './distance-blocks.ts'
import { requireRange, requireRows } from './inputs.ts'
import { quantiles } from './quantiles.ts'

/** Groups of rows: `groupOf: [nRows]` numbers from 0 in the order of their first rows, -1 for a row in none. */
export interface RowGroups {
  groupOf: Int32Array
  nGroups: number
  /** Rows that are in a group. */
  nRows: number
}

/**
 * Groups of rows whose numbers are at most `radius` apart in root mean square, and whose categories are the same; a chain of such rows is one group. `radius` 0 finds exact copies.
 *
 * Exact: rows are sorted along one direction, on which no two are farther apart than they are in space, and only those within the radius there are compared.
 * Shapes: as `PointRows`; numbers standardised, since one radius is used for all. Missing: NaN is not looked for; impute before.
 * Cost: O(n log n), and the pairs of distinct rows that are near along the direction. Errors: MR_STATS_RANGE, MR_STATS_LENGTH.
 */
export function nearRows(rows: PointRows, radius: number): RowGroups {
  checkPoints('rows', rows)
  requireRange(radius >= 0 && Number.isFinite(radius), 'radius', 'a number of at least 0', radius)
  const most = radius * radius * rows.nNumbers
  const sets = new Sets(rows.nRows)
  const distinct = joinCopies(keysOf(rows, 0), sets)
  const along = alongDirection(rows)
  // What rounding of the projections may move them apart.
  const reach = Math.sqrt(most) + 1e-9 * (1 + spanOf(along))
  const categories = keysOf(rows, rows.nNumbers)
  const order = distinct.sort((a, b) => categories[a] - categories[b] || along[a] - along[b] || a - b)
  for (let i = 0; i < order.length && most > 0; i++) {
    for (let j = i + 1; j < order.length; j++) {
      const [a, b] = [order[i], order[j]]
      if (categories[a] !== categories[b] || along[b] - along[a] > reach) break
      if (isWithin(rows, a, b, most)) sets.join(a, b)
    }
  }
  return sets.groups()
}

/** The first row of each key; the others are joined to it. */
function joinCopies(keys: Int32Array, sets: Sets): Uint32Array {
  const first: number[] = []
  for (let i = 0; i < keys.length; i++) {
    if (keys[i] === first.length) first.push(i)
    else sets.join(first[keys[i]], i)
  }
  return Uint32Array.from(first)
}

function spanOf(values: Float64Array): number {
  let most = 0
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}

/** Place of each row on a direction of length 1, drawn once for all. */
function alongDirection({ nRows, width, nNumbers, points }: PointRows): Float64Array {
  const rng = seededRng(nNumbers)
  const direction = Float64Array.from({ length: nNumbers }, () => rng.next() + 0.5)
  const length = Math.sqrt(direction.reduce((sum, x) => sum + x * x, 0))
  return Float64Array.from({ length: nRows }, (_, i) => {
    let sum = 0
    for (let c = 0; c < nNumbers; c++) sum += (points[i * width + c] * direction[c]) / length
    return sum
  })
}

/** A number for each combination of values from a column on, in the order of their first rows. */
function keysOf({ nRows, width, points }: PointRows, from: number): Int32Array {
  const known = new Map<string, number>()
  return Int32Array.from({ length: nRows }, (_, i) => {
    const key = points.subarray(i * width + from, (i + 1) * width).join()
    const number = known.get(key) ?? known.size
    known.set(key, number)
    return number
  })
}

function isWithin({ width, nNumbers, points }: PointRows, a: number, b: number, most: number): boolean {
  let sum = 0
  for (let c = 0; c < nNumbers; c++) {
    const d = points[a * width + c] - points[b * width + c]
    sum += d * d
    if (sum > most) return false
  }
  return true
}

/** Rows joined to sets; the first row stands for its set. */
class Sets {
  readonly #parent: Int32Array

  constructor(nRows: number) {
    this.#parent = Int32Array.from({ length: nRows }, (_, i) => i)
  }

  #rootOf(row: number): number {
    const parent = this.#parent
    let at = row
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]]
      at = parent[at]
    }
    return at
  }

  join(a: number, b: number): void {
    const [x, y] = [this.#rootOf(a), this.#rootOf(b)]
    this.#parent[Math.max(x, y)] = Math.min(x, y)
  }

  groups(): RowGroups {
    const n = this.#parent.length
    const sizes = new Int32Array(n)
    for (let i = 0; i < n; i++) sizes[this.#rootOf(i)]++
    const numbers = new Int32Array(n)
    let nGroups = 0
    for (let i = 0; i < n; i++) if (sizes[i] > 1) numbers[i] = nGroups++
    const groupOf = Int32Array.from({ length: n }, (_, i) => {
      const root = this.#rootOf(i)
      return sizes[root] > 1 ? numbers[root] : -1
    })
    return { groupOf, nGroups, nRows: groupOf.reduce((sum, group) => sum + Number(group >= 0), 0) }
  }
}

export interface Outliers {
  /** Mean distance of each row to its nearest others, `[nRows]`. */
  distances: Float64Array
  /** Distance above which a row is far from all others. */
  limit: number
  flags: Uint8Array
  nOutliers: number
}

export interface OutlierOptions {
  /** Neighbours whose distances are averaged. Default: 10. */
  k?: number
  /** Rows that distances are taken to; of more, so many spread evenly. Default: 5,000. */
  referenceMax?: number
  /** What another value of a category adds to the squared distance. Default: 2. */
  mismatch?: number
}

/** Quartile ranges above the upper quartile, of logarithms, from which a row is far out. */
const FAR_OUT = 3

/**
 * Rows that lie far from all others: mean distance to their k nearest above the upper quartile by three quartile ranges, on a logarithmic scale (Tukey's far out values).
 *
 * Shapes: as `PointRows`, standardised. At most `referenceMax` rows are looked at as neighbours, so that the cost is linear in the rows.
 * Cost: O(n * referenceMax * width). Errors: MR_STATS_EMPTY below 3 rows, MR_STATS_RANGE, MR_STATS_LENGTH. Source: Ramaswamy, Rastogi and Shim, 2000, with the mean for the k-th.
 */
export function outlierRows(rows: PointRows, options: OutlierOptions = {}): Outliers {
  const { k = 10, referenceMax = 5_000, mismatch = 2 } = options
  requireRows('rows', rows.nRows, 3)
  checkPoints('rows', rows)
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number of at least 1', k)
  const picked = spread(rows.nRows, referenceMax)
  const reference = takePoints(rows, picked)
  const distances = new Float64Array(rows.nRows)
  const nearest = new Float64Array(Math.min(k, reference.nRows - 1))
  eachDistances(reference, rows, mismatch, (i, squares) => {
    leastOf(squares, picked, i, nearest)
    distances[i] = nearest.reduce((sum, square) => sum + Math.sqrt(square), 0) / nearest.length
  })
  return { distances, ...farOut(distances) }
}

function spread(nRows: number, most: number): Uint32Array {
  const n = Math.min(nRows, most)
  return Uint32Array.from({ length: n }, (_, i) => Math.floor((i * nRows) / n))
}

/** Some rows, copied. */
export function takePoints(rows: PointRows, indexes: ArrayLike<number>): PointRows {
  const { width } = rows
  const points = new Float64Array(indexes.length * width)
  for (let i = 0; i < indexes.length; i++)
    points.set(rows.points.subarray(indexes[i] * width, (indexes[i] + 1) * width), i * width)
  return { ...rows, nRows: indexes.length, points }
}

/** The least squares, ascending, without that of the row itself. */
function leastOf(squares: Float64Array, rows: Uint32Array, self: number, least: Float64Array): void {
  least.fill(Number.POSITIVE_INFINITY)
  const last = least.length - 1
  for (let i = 0; i < squares.length; i++) {
    if (squares[i] >= least[last] || rows[i] === self) continue
    let at = last
    for (; at > 0 && least[at - 1] > squares[i]; at--) least[at] = least[at - 1]
    least[at] = squares[i]
  }
}

/** Rows with copies have no distance, and say nothing of what is usual. */
function farOut(distances: Float64Array): Pick<Outliers, 'limit' | 'flags' | 'nOutliers'> {
  const positive = distances.filter((d) => d > 0)
  if (positive.length === 0)
    return { limit: Number.POSITIVE_INFINITY, flags: new Uint8Array(distances.length), nOutliers: 0 }
  const [low, high] = quantiles(positive, [0.25, 0.75])
  const limit = high * (high / low) ** FAR_OUT
  const flags = Uint8Array.from(distances, (d) => Number(d > limit))
  return { limit, flags, nOutliers: flags.reduce((sum, flag) => sum + flag, 0) }
}
