/** Accumulated local effects: how the score depends on a feature among rows that there are. */
import { lowerBound } from '../../stats/order.ts'
import { type FeatureRows, readRow } from '../feature-rows.ts'
import type { ScoreMany } from './partial-dependence.ts'

export interface LocalEffects {
  /** Bounds of the intervals, or the levels of the feature, in the order of the curve. */
  at: Float64Array
  /** Effect at each, its mean over rows 0. */
  effect: Float64Array
  /** Rows of the interval that ends there, or of the level. */
  rows: Float64Array
}

interface Feature {
  feature: number
  nFeatures: number
}

/**
 * Accumulated local effects of a number: within each interval of about equally many rows, the mean difference of the score between its ends;
 * summed up, and centred so that the mean over rows is 0. Rows without a value take no part. Bounds are values that occur (quantiles by the lower value).
 * Source: Apley and Zhu 2020, equations 15 and 16; convention of PyALE. Cost: 2 scores a row.
 */
export function localEffects(
  score: ScoreMany,
  rows: FeatureRows,
  n: number,
  { feature, nFeatures, intervals = 20 }: Feature & { intervals?: number },
): LocalEffects {
  const known = knownRows(rows, n, nFeatures, feature)
  const values = known.map((row) => row[feature])
  const at = boundsOf(values, intervals)
  if (at.length < 2)
    return { at, effect: new Float64Array(at.length), rows: Float64Array.from(at, () => values.length) }
  const intervalOf = values.map((x) => Math.max(1, lowerBound(at, x)))
  const gains = difference(score, known, feature, (i) => [at[intervalOf[i] - 1], at[intervalOf[i]]])
  const sums = new Float64Array(at.length)
  const counts = new Float64Array(at.length)
  gains.forEach((gain, i) => {
    sums[intervalOf[i]] += gain
    counts[intervalOf[i]]++
  })
  const effect = new Float64Array(at.length)
  for (let k = 1; k < at.length; k++) effect[k] = effect[k - 1] + (counts[k] > 0 ? sums[k] / counts[k] : 0)
  let centre = 0
  for (let k = 1; k < at.length; k++) centre += ((effect[k] + effect[k - 1]) / 2) * counts[k]
  return { at, effect: effect.map((e) => e - centre / known.length), rows: counts }
}

/**
 * Accumulated local effects of levels in an order: the mean difference of the score from each level to the next, over the rows of both; summed
 * up and centred over rows. For categories the order is one in which neighbours are alike: see `orderLevels`.
 * Source: Apley and Zhu 2020, appendix E. Convention: PyALE's `discrete`. Cost: 3 scores a row.
 */
export function levelEffects(
  score: ScoreMany,
  rows: FeatureRows,
  n: number,
  { feature, nFeatures, levels }: Feature & { levels?: Float64Array },
): LocalEffects {
  const known = knownRows(rows, n, nFeatures, feature)
  const at = levels ?? Float64Array.from(new Set(known.map((row) => row[feature]))).sort()
  const placeOf = new Map([...at].map((level, k) => [level, k]))
  const place = known.map((row) => placeOf.get(row[feature]) ?? -1)
  const sums = new Float64Array(at.length)
  const moves = new Float64Array(at.length)
  const counts = new Float64Array(at.length)
  for (const k of place) if (k >= 0) counts[k]++
  for (const step of [0, 1]) {
    const some = known.filter((_, i) => place[i] >= 0 && place[i] + step >= 1 && place[i] + step < at.length)
    const upper = some.map((row) => placeOf.get(row[feature])! + step)
    const gains = difference(score, some, feature, (i) => [at[upper[i] - 1], at[upper[i]]])
    gains.forEach((gain, i) => {
      sums[upper[i]] += gain
      moves[upper[i]]++
    })
  }
  const effect = new Float64Array(at.length)
  for (let k = 1; k < at.length; k++) effect[k] = effect[k - 1] + (moves[k] > 0 ? sums[k] / moves[k] : 0)
  const total = counts.reduce((sum, c) => sum + c, 0)
  const centre = effect.reduce((sum, e, k) => sum + e * counts[k], 0) / Math.max(1, total)
  return { at, effect: effect.map((e) => e - centre), rows: counts }
}

function knownRows(rows: FeatureRows, n: number, nFeatures: number, feature: number): Float64Array[] {
  const found: Float64Array[] = []
  for (let i = 0; i < n; i++) {
    const x = new Float64Array(nFeatures)
    readRow(rows, i, x)
    if (!Number.isNaN(x[feature])) found.push(x)
  }
  return found
}

/** Score with the feature at the second value less that at the first. */
function difference(
  score: ScoreMany,
  rows: readonly Float64Array[],
  feature: number,
  ends: (i: number) => [number, number],
): Float64Array {
  if (rows.length === 0) return new Float64Array(0)
  const width = rows[0].length
  const both = [0, 1].map((side) => {
    const all = new Float64Array(rows.length * width)
    rows.forEach((row, i) => {
      all.set(row, i * width)
      all[i * width + feature] = ends(i)[side]
    })
    return score(all, rows.length)
  })
  return both[1].map((high, i) => high - both[0][i])
}

/** Quantiles by the lower of two values, without repetitions. */
function boundsOf(values: readonly number[], intervals: number): Float64Array {
  const sorted = Float64Array.from(values).sort()
  if (sorted.length === 0) return sorted
  const picked = Array.from(
    { length: intervals + 1 },
    (_, k) => sorted[Math.floor(((sorted.length - 1) * k) / intervals + 1e-9)],
  )
  return Float64Array.from(new Set(picked))
}

/**
 * Levels of a category in an order in which neighbours are alike in their other features: the first axis of a classical scaling of distances between
 * levels, each the sum over the other features of the largest difference of their distribution functions.
 * Source: Apley and Zhu 2020, appendix E. Returns the levels that occur. Cost: rows log rows * features + levels^2 (features + 100).
 */
export function orderLevels(
  rows: FeatureRows,
  n: number,
  { feature, nFeatures, categorical }: Feature & { categorical: readonly boolean[] },
): Float64Array {
  const known = knownRows(rows, n, nFeatures, feature)
  const levels = [...new Set(known.map((row) => row[feature]))].sort((a, b) => a - b)
  const members = levels.map((level) => known.filter((row) => row[feature] === level))
  const distances = levels.map(() => new Float64Array(levels.length))
  for (let j = 0; j < nFeatures; j++) {
    if (j === feature) continue
    const shares = members.map((own) =>
      own
        .map((row) => row[j])
        .filter((v) => !Number.isNaN(v))
        .sort((a, b) => a - b),
    )
    for (let a = 0; a < levels.length; a++) {
      for (let b = 0; b < a; b++) {
        const d = categorical[j] ? halfVariation(shares[a], shares[b]) : largestGap(shares[a], shares[b])
        distances[a][b] += d
        distances[b][a] += d
      }
    }
  }
  const axis = firstAxis(distances)
  return Float64Array.from(
    levels.map((_, k) => k).sort((a, b) => axis[a] - axis[b] || a - b),
    (k) => levels[k],
  )
}

/** Kolmogorov's distance of two sorted samples. */
function largestGap(a: number[], b: number[]): number {
  if (a.length === 0 || b.length === 0) return a.length === b.length ? 0 : 1
  let [i, j, worst] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    const x = Math.min(a[i], b[j])
    while (a[i] === x) i++
    while (b[j] === x) j++
    worst = Math.max(worst, Math.abs(i / a.length - j / b.length))
  }
  return worst
}

function halfVariation(a: number[], b: number[]): number {
  const shares = new Map<number, number>()
  for (const x of a) shares.set(x, (shares.get(x) ?? 0) + 1 / a.length)
  for (const x of b) shares.set(x, (shares.get(x) ?? 0) - 1 / b.length)
  return [...shares.values()].reduce((sum, d) => sum + Math.abs(d), 0) / 2
}

/** Leading axis of classical scaling, by power iteration; its sign makes the first level's place not above the last's. */
function firstAxis(distances: Float64Array[]): Float64Array {
  const n = distances.length
  const squares = distances.map((row) => row.map((d) => -(d * d) / 2))
  const means = squares.map((row) => row.reduce((sum, s) => sum + s, 0) / n)
  const all = means.reduce((sum, m) => sum + m, 0) / n
  const centred = squares.map((row, a) => row.map((s, b) => s - means[a] - means[b] + all))
  let axis = Float64Array.from({ length: n }, (_, k) => k + 1 - (n + 1) / 2 + 1e-3 * (k % 3))
  for (let step = 0; step < 100; step++) {
    const next = Float64Array.from(centred, (row) => row.reduce((sum, c, b) => sum + c * axis[b], 0))
    const size = Math.sqrt(next.reduce((sum, v) => sum + v * v, 0))
    if (!(size > 0)) break
    axis = next.map((v) => v / size)
  }
  return axis[0] <= axis[n - 1] ? axis : axis.map((v) => -v)
}
