/** Rows turned to the directions in which they vary most, each of variance 1. */
import { seededRng } from '../core/rng.ts'
import { refuseNotFinite, requireLength, requireRange, requireRows } from './inputs.ts'

/** Row-major numbers `[nRows * width]`. */
export interface DenseRows {
  nRows: number
  width: number
  points: Float64Array
}

export interface Whitened extends DenseRows {
  /** Variance of the rows along each direction before, largest first. */
  variances: Float64Array
  /** Directions `[width * widthBefore]`, each of length 1. */
  axes: Float64Array
  mean: Float64Array
}

/** Directions that are carried along so that those asked for settle sooner. */
const SPARE = 8
const ROUNDS_MAX = 40
const SETTLED = 1e-8
/** Directions with a smaller share of the first one's variance are rounding. */
const VARIANCE_MIN = 1e-8

/**
 * Principal components divided by their deviations: at most `dims` columns of mean 0 and variance 1 that do not go together, by falling variance before. Fewer where the
 * rows vary in fewer directions, none where all rows are the same.
 *
 * Method: orthogonal iteration on the rows themselves with a Rayleigh-Ritz step, so that no matrix of width by width is made. Only additions, products and square roots
 * of doubles: the same bits on every machine. Missing: NaN and infinities are refused (MR_STATS_NAN). Accuracy: the sum of variances settles to 1e-8 of itself, single
 * directions of nearly equal variance less. Cost: O(nRows * width * dims) a round, 40 at most.
 * Errors: MR_STATS_EMPTY below 2 rows, MR_STATS_LENGTH, MR_STATS_RANGE. Source: Golub and Van Loan 2013, sections 7.3.2 and 8.1.
 */
export function whitenRows(rows: DenseRows, dims: number, roundsMax = ROUNDS_MAX): Whitened {
  const { nRows, width, points } = rows
  requireRows('rows', nRows, 2)
  requireRange(Number.isInteger(dims) && dims >= 1, 'dims', 'a whole number of at least 1', dims)
  requireLength('points', points, nRows * width)
  refuseNotFinite('points', points)
  const mean = meanOf(rows)
  const m = Math.min(width, dims + SPARE)
  let basis = firstBasis(m, width)
  let along = project(rows, mean, basis, m)
  let before = 0
  for (let round = 0; round < roundsMax && m < width; round++) {
    basis = orthonormal(gather(rows, mean, along, m), m, width)
    along = project(rows, mean, basis, m)
    const total = along.reduce((sum, x) => sum + x * x, 0)
    if (Math.abs(total - before) <= SETTLED * total) break
    before = total
  }
  return scaled(along, basis, mean, { nRows, width, m, dims })
}

function meanOf({ nRows, width, points }: DenseRows): Float64Array {
  const mean = new Float64Array(width)
  for (let i = 0; i < nRows; i++)
    for (let j = 0; j < width; j++) mean[j] += (points[i * width + j] - mean[j]) / (i + 1)
  return mean
}

function firstBasis(m: number, width: number): Float64Array {
  if (m === width) return Float64Array.from({ length: m * m }, (_, at) => Number(at % (m + 1) === 0))
  const rng = seededRng(1)
  const drawn = Float64Array.from({ length: m * width }, () => rng.next() - 0.5)
  return orthonormal(drawn, m, width)
}

/** Vectors `[m * width]` made orthonormal in order, twice as rounding wants it; one that depends on those before becomes 0. */
function orthonormal(vectors: Float64Array, m: number, width: number): Float64Array {
  for (let a = 0; a < m; a++) {
    const v = vectors.subarray(a * width, (a + 1) * width)
    const begun = Math.sqrt(dot(v, v))
    for (let twice = 0; twice < 2; twice++)
      for (let b = 0; b < a; b++) {
        const u = vectors.subarray(b * width, (b + 1) * width)
        addScaled(v, u, -dot(u, v))
      }
    const length = Math.sqrt(dot(v, v))
    const scale = length > 1e-12 * begun && length > 0 ? 1 / length : 0
    for (let j = 0; j < width; j++) v[j] *= scale
  }
  return vectors
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let j = 0; j < a.length; j++) sum += a[j] * b[j]
  return sum
}

export function addScaled(into: Float64Array, from: Float64Array, scale: number): void {
  for (let j = 0; j < into.length; j++) into[j] += scale * from[j]
}

/** Centred rows on the basis: `[nRows * m]`. */
function project(
  { nRows, width, points }: DenseRows,
  mean: Float64Array,
  basis: Float64Array,
  m: number,
): Float64Array {
  const along = new Float64Array(nRows * m)
  const row = new Float64Array(width)
  for (let i = 0; i < nRows; i++) {
    for (let j = 0; j < width; j++) row[j] = points[i * width + j] - mean[j]
    let a = 0
    // Four vectors at a time: the row is read once for them.
    for (; a + 4 <= m; a += 4) {
      const [f, g, h, k] = [a * width, (a + 1) * width, (a + 2) * width, (a + 3) * width]
      let [s, t, u, v] = [0, 0, 0, 0]
      for (let j = 0; j < width; j++) {
        const x = row[j]
        s += x * basis[f + j]
        t += x * basis[g + j]
        u += x * basis[h + j]
        v += x * basis[k + j]
      }
      const at = i * m + a
      along[at] = s
      along[at + 1] = t
      along[at + 2] = u
      along[at + 3] = v
    }
    for (; a < m; a++) {
      let sum = 0
      const from = a * width
      for (let j = 0; j < width; j++) sum += row[j] * basis[from + j]
      along[i * m + a] = sum
    }
  }
  return along
}

/** Sums of the centred rows, weighted by where they lie along each vector: `[m * width]`. */
function gather(
  { nRows, width, points }: DenseRows,
  mean: Float64Array,
  along: Float64Array,
  m: number,
): Float64Array {
  const out = new Float64Array(m * width)
  const row = new Float64Array(width)
  for (let i = 0; i < nRows; i++) {
    for (let j = 0; j < width; j++) row[j] = points[i * width + j] - mean[j]
    for (let a = 0; a < m; a++) {
      const weight = along[i * m + a]
      const from = a * width
      for (let j = 0; j < width; j++) out[from + j] += weight * row[j]
    }
  }
  return out
}

function scaled(
  along: Float64Array,
  basis: Float64Array,
  mean: Float64Array,
  { nRows, width, m, dims }: { nRows: number; width: number; m: number; dims: number },
): Whitened {
  const products = new Float64Array(m * m)
  for (let i = 0; i < nRows; i++)
    for (let a = 0; a < m; a++)
      for (let b = 0; b <= a; b++) products[a * m + b] += along[i * m + a] * along[i * m + b]
  for (let a = 0; a < m; a++)
    for (let b = 0; b <= a; b++) {
      products[a * m + b] /= nRows
      products[b * m + a] = products[a * m + b]
    }
  const { values, vectors } = symmetricEigen(products, m)
  const k = Math.min(dims, values.filter((v) => v > VARIANCE_MIN * values[0]).length)
  const points = new Float64Array(nRows * k)
  const axes = new Float64Array(k * width)
  for (let c = 0; c < k; c++) {
    const turn = vectors.subarray(c * m, (c + 1) * m)
    const scale = 1 / Math.sqrt(values[c])
    for (let i = 0; i < nRows; i++) points[i * k + c] = scale * dot(turn, along.subarray(i * m, (i + 1) * m))
    for (let a = 0; a < m; a++)
      addScaled(
        axes.subarray(c * width, (c + 1) * width),
        basis.subarray(a * width, (a + 1) * width),
        turn[a],
      )
  }
  return { nRows, width: k, points, variances: values.slice(0, k), axes, mean }
}

/** Other rows turned and scaled as those that were whitened: `[nRows * width]`. Cost: O(nRows * width * widthBefore). */
export function whitenAs(white: Whitened, rows: DenseRows): DenseRows {
  const { width, axes, mean, variances } = white
  const points = project(rows, mean, axes, width)
  for (let at = 0; at < points.length; at++) points[at] /= Math.sqrt(variances[at % width])
  return { nRows: rows.nRows, width, points }
}

const SWEEPS_MAX = 60

/**
 * Values of a symmetric matrix `[m * m]`, falling, and its vectors as rows. Cyclic Jacobi; the matrix is overwritten. Cost: O(m³) a sweep, some six to ten of them.
 * Source: Golub and Van Loan 2013, section 8.5.
 */
export function symmetricEigen(a: Float64Array, m: number): { values: Float64Array; vectors: Float64Array } {
  const v = Float64Array.from({ length: m * m }, (_, at) => Number(at % (m + 1) === 0))
  for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
    let off = 0
    let on = 0
    for (let p = 0; p < m; p++)
      for (let q = 0; q < m; q++)
        if (p === q) on += a[p * m + p] ** 2
        else off += a[p * m + q] ** 2
    if (off <= 1e-30 * on) break
    for (let p = 0; p < m; p++) for (let q = p + 1; q < m; q++) rotate(a, v, m, p, q)
  }
  const order = Array.from({ length: m }, (_, i) => i).sort((p, q) => a[q * m + q] - a[p * m + p] || p - q)
  const vectors = new Float64Array(m * m)
  order.forEach((p, i) => {
    vectors.set(v.subarray(p * m, (p + 1) * m), i * m)
  })
  return { values: Float64Array.from(order, (p) => Math.max(0, a[p * m + p])), vectors }
}

function rotate(a: Float64Array, v: Float64Array, m: number, p: number, q: number): void {
  const apq = a[p * m + q]
  if (apq === 0) return
  const theta = (a[q * m + q] - a[p * m + p]) / (2 * apq)
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  for (let k = 0; k < m; k++) {
    const [x, y] = [a[k * m + p], a[k * m + q]]
    a[k * m + p] = c * x - s * y
    a[k * m + q] = s * x + c * y
  }
  for (let k = 0; k < m; k++) {
    const [x, y] = [a[p * m + k], a[q * m + k]]
    a[p * m + k] = c * x - s * y
    a[q * m + k] = s * x + c * y
  }
  for (let k = 0; k < m; k++) {
    const [x, y] = [v[p * m + k], v[q * m + k]]
    v[p * m + k] = c * x - s * y
    v[q * m + k] = s * x + c * y
  }
}
