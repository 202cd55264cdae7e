/** Rows that lie too near to one another, and rows that lie near to none. */
import { seededRng } from '../core/rng.ts'
import { checkPoints, eachDistances, type PointRows } from './distance-blocks.ts'
import { requireLength, requireRange, requireRows } from './inputs.ts'
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
 * With a radius a row, two rows are near when they are by both; with `accept`, which is asked of those alone, when it says so too.
 *
 * Exact: rows are sorted along one direction, on which no two are farther apart than they are in space, and only those within the radius there are compared.
 * Shapes: as `PointRows`; numbers standardised, since one radius is used for all. Missing: NaN is not looked for; impute before.
 * Cost: O(n log n), and the pairs of distinct rows that are near along the direction. Errors: MR_STATS_RANGE, MR_STATS_LENGTH.
 */
export function nearRows(
  rows: PointRows,
  radius: number | Float64Array,
  accept: (a: number, b: number) => boolean = () => true,
): RowGroups {
  checkPoints('rows', rows)
  const { nRows, nNumbers } = rows
  const mosts = squaresOf(radius, nRows, nNumbers)
  const sets = new Sets(nRows)
  const distinct = joinCopies(keysOf(rows, 0), sets)
  const along = alongDirection(rows)
  // What rounding of the projections may move them apart.
  const slack = 1e-9 * (1 + spanOf(along))
  const categories = keysOf(rows, nNumbers)
  const order = distinct.sort((a, b) => categories[a] - categories[b] || along[a] - along[b] || a - b)
  for (let i = 0; i < order.length; i++) {
    const a = order[i]
    if (mosts[a] === 0) continue
    const end = along[a] + Math.sqrt(mosts[a]) + slack
    for (let j = i + 1; j < order.length; j++) {
      const b = order[j]
      if (categories[a] !== categories[b] || along[b] > end) break
      if (isWithin(rows, a, b, Math.min(mosts[a], mosts[b])) && accept(a, b)) sets.join(a, b)
    }
  }
  return sets.groups()
}

/** Largest squared distance at which each row is near to another. */
function squaresOf(radius: number | Float64Array, nRows: number, nNumbers: number): Float64Array {
  const radii = typeof radius === 'number' ? new Float64Array(nRows).fill(radius) : radius
  requireLength('radii', radii, nRows)
  const wrong = radii.find((r) => !(r >= 0 && Number.isFinite(r)))
  requireRange(wrong === undefined, 'radius', 'a number of at least 0', wrong ?? 0)
  return radii.map((r) => r * r * nNumbers)
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

/** A number for each combination of values from a column on, in the order of their first rows. Equal values are equal numbers: 0 and -0 are one. */
export function keysOf({ nRows, width, points }: PointRows, from: number): Int32Array {
  let slots = 16
  while (slots < 2 * nRows) slots *= 2
  const firsts = new Int32Array(slots).fill(-1)
  const keys = new Int32Array(nRows)
  let known = 0
  for (let i = 0; i < nRows; i++) {
    let slot = hashOf(points, i * width + from, (i + 1) * width) & (slots - 1)
    while (firsts[slot] >= 0 && !isSame(points, width, from, firsts[slot], i)) slot = (slot + 1) & (slots - 1)
    if (firsts[slot] < 0) {
      firsts[slot] = i
      keys[i] = known++
    } else keys[i] = keys[firsts[slot]]
  }
  return keys
}

const WORD = new Float64Array(1)
const HALVES = new Uint32Array(WORD.buffer)

function hashOf(points: Float64Array, from: number, to: number): number {
  let hash = 0
  for (let at = from; at < to; at++) {
    WORD[0] = points[at] + 0
    hash = Math.imul(hash ^ HALVES[0], 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ HALVES[1], 0x85ebca77)
  }
  return (hash ^ (hash >>> 13)) >>> 0
}

function isSame(points: Float64Array, width: number, from: number, a: number, b: number): boolean {
  for (let c = from; c < width; c++) if (points[a * width + c] !== points[b * width + c]) return false
  return true
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
  /** Dimensions that the rows fill where they lie, by how their neighbours' distances grow; NaN where all rows are copies. */
  dimension: number
  /** Rows that distances were taken to. */
  reference: number
}

export interface OutlierOptions {
  /** Neighbours whose distances are averaged. Default: 10. */
  k?: number
  /** Rows that distances are taken to; of more, so many spread evenly. Default: 5,000. */
  referenceMax?: number
  /** What another value of a category adds to the squared distance. Default: 2. */
  mismatch?: number
  /** Called after every row with how many are done. */
  onRow?: (nDone: number) => void
}

/** Quartile ranges above the upper quartile, of logarithms, from which a row is far out. */
const FAR_OUT = 3

/**
 * Rows that lie far from all others: mean distance to their k nearest above the upper quartile by three quartile ranges, on a logarithmic scale (Tukey's far out values).
 *
 * Shapes: as `PointRows`, standardised. At most `referenceMax` rows are looked at as neighbours, so that the cost is linear in the rows.
 * Cost: O(n * referenceMax * width). Errors: MR_STATS_EMPTY below 3 rows, MR_STATS_RANGE, MR_STATS_LENGTH. Source: Ramaswamy, Rastogi and Shim, 2000, with the mean for
 * the k-th; the dimension by Levina and Bickel, 2004, with inverses averaged as MacKay and Ghahramani advise.
 */
export function outlierRows(rows: PointRows, options: OutlierOptions = {}): Outliers {
  const { k = 10, referenceMax = 5_000, mismatch = 2, onRow } = options
  requireRows('rows', rows.nRows, 3)
  checkPoints('rows', rows)
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number of at least 1', k)
  const picked = spread(rows.nRows, referenceMax)
  const reference = takePoints(rows, picked)
  const distances = new Float64Array(rows.nRows)
  const nearest = new Float64Array(Math.min(k, reference.nRows - 1))
  const growth = new Growth()
  eachDistances(reference, rows, mismatch, (i, squares) => {
    leastOf(squares, picked, i, nearest)
    distances[i] = nearest.reduce((sum, square) => sum + Math.sqrt(square), 0) / nearest.length
    growth.add(nearest)
    onRow?.(i + 1)
  })
  return { distances, dimension: growth.dimension(), reference: reference.nRows, ...farOut(distances) }
}

/** Mean logarithm of how much farther the last of the nearest rows is than those before it: 1 / dimension. */
class Growth {
  #sum = 0
  #n = 0

  /** Squared distances, ascending; rows at no distance say nothing. */
  add(nearest: Float64Array): void {
    const last = nearest[nearest.length - 1]
    for (let j = 0; j < nearest.length - 1; j++) {
      if (!(nearest[j] > 0)) continue
      this.#sum += 0.5 * Math.log(last / nearest[j])
      this.#n++
    }
  }

  dimension(): number {
    return this.#n === 0 ? Number.NaN : this.#n / this.#sum
  }
}

export interface SurprisingOptions {
  /** Pairs of rows that may be near by chance, expected over all rows. Default: 0.05. */
  pairs?: number
  /** Neighbours that `outlierRows` averaged. Default: 10. */
  k?: number
}

/**
 * Radius below which another row is nearer than chance allows: in rows that lie as densely as those around it, fewer than `pairs` pairs of all rows would be so near. For `nearRows`.
 *
 * Around a row with a mean distance d to its k nearest of R reference rows, rows of m dimensions that lie evenly are expected within r in the number k n / R (r / d)^m.
 * Shapes: returns `[n]`, in root mean square of `nNumbers` numbers; 0 where nothing is known (no numbers, no distance). Cost: O(n).
 * Convention: d is taken for the distance of the k-th, so that radii are a little small; the dimension is one for all rows and at least 1.
 */
export function surprisingRadius(
  { nRows, nNumbers }: PointRows,
  { distances, dimension, reference }: Pick<Outliers, 'distances' | 'dimension' | 'reference'>,
  { pairs = 0.05, k = 10 }: SurprisingOptions = {},
): Float64Array {
  if (nNumbers === 0 || !(dimension > 0)) return new Float64Array(nRows)
  const m = Math.max(1, dimension)
  const near = Math.min(k, reference - 1)
  const share = Math.min(1, ((2 * pairs) / nRows) * (reference / (near * nRows))) ** (1 / m)
  return distances.map((d) => (Number.isFinite(d) ? (share * d) / Math.sqrt(nNumbers) : 0))
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
