/** Rows that are as good as equal, and not by chance. */
import type { PointRows } from './distance-blocks.ts'
import {
  keysOf,
  nearRows,
  type Outliers,
  outlierRows,
  type RowGroups,
  type SurprisingOptions,
  surprisingRadius,
} from './near-rows.ts'
import { lowerBound, sortedCopy, upperBound } from './order.ts'
import { median } from './quantiles.ts'

export interface NearCopies {
  near: RowGroups
  /** Median of what is near by density alone, in root mean square of the numbers. */
  radius: number
}

/** Chance that two rows have the same number from which the column is counted and not measured: only equal values are near. */
const COUNTED = 1e-3
/** Values of a column that stand for all. */
const SAMPLE = 2_000
/** Rows whose neighbours tell how many dimensions the measured columns fill. */
const DIMENSION_ROWS = 1_000

/**
 * Groups of rows that are nearer than chance allows, by two tests that must agree.
 *
 * By density: in rows that lie as densely as those around, fewer than `pairs` pairs of all rows would be so near (`surprisingRadius`). By coincidence: rows that share all
 * categories and all counted numbers (ages, hours) differ in measured ones alone; of the pairs that share them, fewer than `pairs` would have measured numbers as near in the worst
 * of them by chance. The first knows clumps, the second knows that a thousand pupils of 17 years and 20 hours need no copy to look alike.
 *
 * Shapes: as `PointRows`, standardised; `outliers` of the same rows. Exact copies are in a group too. Without a measured column only exact copies are found. Cost: as `nearRows`, and
 * 2,000 values for each pair that passes the first. Errors: as `nearRows`.
 */
export function nearCopies(rows: PointRows, outliers: Outliers, options: SurprisingOptions = {}): NearCopies {
  const { pairs = 0.05 } = options
  const radii = surprisingRadius(rows, outliers, options)
  const samples = Array.from({ length: rows.nNumbers }, (_, c) => sampleOf(rows, c))
  const isCounted = samples.map((sample) => tiesIn(sample) >= COUNTED)
  const measured = [...isCounted.keys()].filter((c) => !isCounted[c])
  if (measured.length === 0) return { near: nearRows(rows, 0), radius: 0 }
  const cells = cellsOf(rows, isCounted)
  const dimension = Math.max(1, Math.min(measured.length, dimensionOf(rows, measured)))
  const chanceMax = Math.min(1, pairs / Math.max(1, pairsWithin(cells))) ** (1 / dimension)
  const accept = (a: number, b: number) =>
    cells[a] === cells[b] &&
    measured.every((c) => {
      const apart = Math.abs(rows.points[a * rows.width + c] - rows.points[b * rows.width + c])
      return within(samples[c], apart) <= chanceMax
    })
  return { near: nearRows(rows, radii, accept), radius: median(radii) }
}

function sampleOf({ nRows, width, points }: PointRows, column: number): Float64Array {
  const n = Math.min(SAMPLE, nRows)
  return sortedCopy(
    Float64Array.from({ length: n }, (_, i) => points[Math.floor((i * nRows) / n) * width + column]),
  )
}

/** Share of the pairs of a sorted sample that are equal. */
function tiesIn(sorted: Float64Array): number {
  let ties = 0
  for (let i = 0, start = 0; i < sorted.length; i++) {
    if (sorted[i] !== sorted[start]) start = i
    ties += i - start
  }
  return sorted.length < 2 ? 0 : ties / ((sorted.length * (sorted.length - 1)) / 2)
}

/** Share of the pairs of a sorted sample that lie at most `apart` from one another. */
function within(sorted: Float64Array, apart: number): number {
  const n = sorted.length
  let near = 0
  for (let i = 0; i < n; i++)
    near += upperBound(sorted, sorted[i] + apart) - lowerBound(sorted, sorted[i]) - 1
  return Math.max(0, near) / ((n * (n - 1)) / 2)
}

/** A number for each combination of categories and counted numbers. */
function cellsOf(rows: PointRows, isCounted: readonly boolean[]): Int32Array {
  const { nRows, width, nNumbers, points } = rows
  const kept = Array.from({ length: width }, (_, c) => c).filter((c) => c >= nNumbers || isCounted[c])
  const cells = new Float64Array(nRows * kept.length)
  for (let i = 0; i < nRows; i++)
    kept.forEach((c, at) => {
      cells[i * kept.length + at] = points[i * width + c]
    })
  return keysOf({ nRows, width: kept.length, nNumbers: 0, points: cells }, 0)
}

function pairsWithin(cells: Int32Array): number {
  const counts = new Map<number, number>()
  let pairs = 0
  for (const cell of cells) {
    const before = counts.get(cell) ?? 0
    pairs += before
    counts.set(cell, before + 1)
  }
  return pairs
}

/** Dimensions that the measured columns fill: correlated ones count once. */
function dimensionOf({ nRows, width, points }: PointRows, measured: readonly number[]): number {
  const n = Math.min(DIMENSION_ROWS, nRows)
  const few = new Float64Array(n * measured.length)
  for (let i = 0; i < n; i++) {
    const row = Math.floor((i * nRows) / n)
    measured.forEach((c, at) => {
      few[i * measured.length + at] = points[row * width + c]
    })
  }
  if (n < 3) return 1
  const { dimension } = outlierRows({
    nRows: n,
    width: measured.length,
    nNumbers: measured.length,
    points: few,
  })
  return Number.isFinite(dimension) ? dimension : 1
}
