/** Tests of "both samples come from one distribution", and the drift test of two histograms that every monitor uses. */
import type { Histogram } from '../core/records.ts'
import { jensenShannon, psi } from './distances.ts'
import { chiSquareSf, fSf } from './distributions.ts'
import { alignHistograms, histogramRows, mergeHistograms } from './histogram.ts'
import {
  type Numbers,
  refuseNaN,
  refuseNotFinite,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { kolmogorovSmirnovSf, twoSampleKolmogorovSf } from './kolmogorov.ts'
import { runEnd, sortedCopy } from './order.ts'

/** A statistic with the chance of one as large or larger when nothing changed. */
export interface TestResult {
  statistic: number
  pValue: number
  df?: number
}

/** Up to this many pairs the two-sample Kolmogorov-Smirnov p is exact. */
export const KS_EXACT_PAIRS_MAX = 10_000

/**
 * Two-sample Kolmogorov-Smirnov test: D is the largest distance of the two empirical distribution functions.
 *
 * Shapes: `a: [n]`, `b: [m]`, not empty, NaN refused, infinities allowed. p is exact for n·m <= 10,000; above, that of one sample of
 * `round(nm / (n + m))` rows (SciPy's convention). Ties make both p too large, never too small. Cost: O(n log n + m log m), exact p O(nm).
 * Errors: MR_STATS_EMPTY, MR_STATS_NAN. Source: Smirnov, 1939; Hodges, 1958.
 */
export function kolmogorovSmirnov(a: Numbers, b: Numbers): TestResult {
  requireRows('kolmogorovSmirnov', Math.min(a.length, b.length))
  refuseNaN('reference values', a)
  refuseNaN('current values', b)
  const statistic = largestGap(sortedCopy(a), sortedCopy(b))
  const n = a.length
  const m = b.length
  const pairs = n * m
  if (pairs <= KS_EXACT_PAIRS_MAX) return { statistic, pValue: twoSampleKolmogorovSf(statistic, n, m) }
  return { statistic, pValue: kolmogorovSmirnovSf(statistic, Math.max(1, Math.round(pairs / (n + m)))) }
}

function largestGap(x: Float64Array, y: Float64Array): number {
  let i = 0
  let j = 0
  let widest = 0
  while (i < x.length && j < y.length) {
    const [left, right] = [x[i], y[j]]
    if (left <= right) i = runEnd(x, i)
    if (right <= left) j = runEnd(y, j)
    widest = Math.max(widest, Math.abs(i / x.length - j / y.length))
  }
  return widest
}

/** Least expected count of a cell that the chi-square approximation is trusted with (Cochran, 1954). */
export const EXPECTED_COUNT_MIN = 5

/**
 * Chi-square test of a contingency table: Σ(observed - expected)² / expected, no continuity correction.
 *
 * Shapes: rows of equal length, counts >= 0. Columns in which some expected count is below 5 are pooled, least first, until none is; rows without
 * counts and empty columns are left out. The pooling looks at the margins alone, so it costs no validity. df = (rows - 1)(columns - 1);
 * where nothing is left to compare df is 0 and p is 1. Cost: O(cells + columns log columns). Source: Pearson, 1900; Cochran, 1954.
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function chiSquareTest(table: readonly Numbers[]): Required<TestResult> {
  return tableTest(table, (observed, expected) => (observed - expected) ** 2 / expected)
}

/** G-test (likelihood ratio): 2Σ observed·ln(observed / expected). Otherwise as `chiSquareTest`. Source: Wilks, 1938. */
export function gTest(table: readonly Numbers[]): Required<TestResult> {
  return tableTest(table, (observed, expected) =>
    observed === 0 ? 0 : 2 * observed * Math.log(observed / expected),
  )
}

function tableTest(
  table: readonly Numbers[],
  term: (observed: number, expected: number) => number,
): Required<TestResult> {
  const pooled = poolColumns(checkedRows(table))
  const rowSums = pooled.map((row) => row.reduce((a, b) => a + b, 0))
  const total = rowSums.reduce((a, b) => a + b, 0)
  const columns = pooled[0]?.length ?? 0
  const df = Math.max(0, pooled.length - 1) * Math.max(0, columns - 1)
  if (df === 0) return { statistic: 0, pValue: 1, df: 0 }
  let statistic = 0
  for (let c = 0; c < columns; c++) {
    const columnSum = pooled.reduce((a, row) => a + row[c], 0)
    pooled.forEach((row, r) => {
      statistic += term(row[c], (rowSums[r] * columnSum) / total)
    })
  }
  statistic = Math.max(0, statistic)
  return { statistic, pValue: chiSquareSf(statistic, df), df }
}

function checkedRows(table: readonly Numbers[]): number[][] {
  requireRows('a contingency table', table.length, 2)
  for (const row of table) {
    requireLength('the counts of a row', row, table[0].length)
    refuseNotFinite('counts', row)
    for (let c = 0; c < row.length; c++) requireRange(row[c] >= 0, 'counts', '>= 0', row[c])
  }
  return table.map((row) => Array.from(row)).filter((row) => row.some((count) => count > 0))
}

/** Joins the smallest columns until each expects at least `EXPECTED_COUNT_MIN` in every row. */
function poolColumns(rows: number[][]): number[][] {
  if (rows.length === 0) return rows
  const rowSums = rows.map((row) => row.reduce((a, b) => a + b, 0))
  const total = rowSums.reduce((a, b) => a + b, 0)
  const need = (EXPECTED_COUNT_MIN * total) / Math.min(...rowSums)
  const columns = rows[0].map((_, c) => rows.map((row) => row[c]))
  const weigh = (column: number[]) => column.reduce((a, b) => a + b, 0)
  const ascending = columns.filter((column) => weigh(column) > 0).sort((a, b) => weigh(a) - weigh(b))
  const add = (a: number[], b: number[]) => a.map((count, r) => count + b[r])
  let pool: number[] | undefined
  while (ascending.length > 0 && (pool ? weigh(pool) : weigh(ascending[0])) < need) {
    const next = ascending.shift()!
    pool = pool ? add(pool, next) : next
  }
  const kept = pool ? [pool, ...ascending] : ascending
  return rows.map((_, r) => kept.map((column) => column[r]))
}

/** How much more two windows without drift differ than independent rows would: `value` >= 1, measured with `df` degrees of freedom. */
export interface Dispersion {
  value: number
  df: number
}

/**
 * Dispersion of windows that are known to be calm: chi-square of homogeneity over its degrees of freedom, at least 1.
 * Rows of real traffic move together (a storm delays a whole day), so a plain test cries wolf on large windows; dividing by this heals it.
 * Needs two histograms with rows (MR_STATS_EMPTY). Source: quasi-likelihood, McCullagh and Nelder, 1989, section 4.5.
 */
export function estimateDispersion(windows: readonly Histogram[]): Dispersion {
  const filled = windows.filter((h) => histogramRows(h) > 0)
  requireRows('estimateDispersion', filled.length, 2)
  const whole = filled.reduce(mergeHistograms)
  const { statistic, df } = chiSquareTest(filled.map((window) => alignHistograms(whole, window).b))
  if (df === 0) return { value: 1, df: Number.POSITIVE_INFINITY }
  return { value: Math.max(1, statistic / df), df }
}

/** What changed between two windows, how much, and whether chance explains it. */
export interface DriftResult extends Required<TestResult> {
  effect: {
    /** Population stability index with half a count a bin, nats. */
    psi: number
    /** Jensen-Shannon distance, base 2. */
    js: number
  }
  n: { reference: number; current: number }
}

/**
 * Drift of `current` against `reference`: effect sizes, and the chi-square test of two samples over the same bins with small cells pooled.
 *
 * Nulls and `other` are cells of their own, so a column that turns empty drifts. With `dispersion` (see `estimateDispersion`) the statistic is
 * divided by it and p is that of F. A window without rows has effect 0 and p 1. Large windows find trifles significant: alert on p and effect.
 * Cost: O(bins). Errors: MR_STATS_BINS when edges or kinds differ; MR_STATS_RANGE for dispersion below 1.
 */
export function driftTest(
  reference: Histogram,
  current: Histogram,
  options: { dispersion?: Dispersion } = {},
): DriftResult {
  const n = { reference: histogramRows(reference), current: histogramRows(current) }
  const { a, b } = alignHistograms(reference, current)
  if (n.reference === 0 || n.current === 0)
    return { effect: { psi: 0, js: 0 }, statistic: 0, pValue: 1, df: 0, n }
  const test = withDispersion(chiSquareTest([a, b]), options.dispersion)
  return { effect: { psi: psi(a, b), js: jensenShannon(a, b) }, ...test, n }
}

function withDispersion(test: Required<TestResult>, dispersion?: Dispersion): Required<TestResult> {
  if (dispersion === undefined || test.df === 0) return test
  requireRange(dispersion.value >= 1, 'dispersion', '>= 1', dispersion.value)
  const statistic = test.statistic / dispersion.value
  return { statistic, df: test.df, pValue: fSf(statistic / test.df, test.df, dispersion.df) }
}
