/** Building and merging the `Histogram` of the records: the reference of drift and of every profile strip. */
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Histogram } from '../core/records.ts'
import { type Numbers, refuseNotFinite, requireRange, requireRows } from './inputs.ts'
import { sortedCopy, upperBound } from './order.ts'
import { quantileOfSorted } from './quantiles.ts'

export type NumericHistogram = Extract<Histogram, { kind: 'numeric' }>
export type CategoryHistogram = Extract<Histogram, { kind: 'category' }>

/**
 * Counts over half-open bins `[edges[i], edges[i + 1])`, the last closed.
 *
 * `edges` strictly ascending and finite, two or more (MR_STATS_RANGE). Values beyond the ends, infinities too, count in the end bins, so a
 * window never loses rows against its reference. NaN counts as null. Cost: O(n log bins).
 */
export function buildNumericHistogram(values: Numbers, edges: readonly number[]): NumericHistogram {
  checkEdges(edges)
  const inner = edges.slice(1, -1)
  const counts = new Array<number>(edges.length - 1).fill(0)
  let nulls = 0
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) nulls++
    else counts[upperBound(inner, values[i])]++
  }
  return { kind: 'numeric', edges: [...edges], counts, nulls }
}

function checkEdges(edges: readonly number[]): void {
  requireRows('edges', edges.length, 2)
  refuseNotFinite('edges', edges)
  for (let i = 1; i < edges.length; i++) {
    requireRange(
      edges[i] > edges[i - 1],
      'edges',
      `strictly ascending, above ${edges[i - 1]} at ${i}`,
      edges[i],
    )
  }
}

/**
 * Edges of at most `k` bins with about equal counts: quantiles of type 7 at 0, 1/k, …, 1, repeated ones once.
 *
 * NaN and infinities are left out; at least one finite value (MR_STATS_EMPTY). A constant gets three bins (below, the value, above), so that
 * a later change shows. Cost: O(n log n).
 */
export function quantileEdges(values: Numbers, k: number): number[] {
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number >= 1', k)
  const sorted = sortedCopy(Array.from(values).filter(Number.isFinite))
  requireRows('quantileEdges', sorted.length)
  if (sorted[0] === sorted[sorted.length - 1]) return edgesAround(sorted[0])
  const edges = Array.from({ length: k + 1 }, (_, i) => quantileOfSorted(sorted, i / k))
  return edges.filter((edge, i) => i === 0 || edge > edges[i - 1])
}

/** `[below, value)`, `[value, next double)`, `[next double, above]`. */
function edgesAround(value: number): number[] {
  const width = Math.max(1, Math.abs(value))
  return [value - width, value, nextUp(value), value + width]
}

function nextUp(x: number): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x === 0 ? 0 : x)
  const bits = view.getBigInt64(0)
  view.setBigInt64(0, bits + (x >= 0 ? 1n : -1n))
  return view.getFloat64(0)
}

/** Edges of `k` bins of equal width from `min` to `max`, `min < max`, both finite. */
export function uniformEdges(min: number, max: number, k: number): number[] {
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number >= 1', k)
  requireRange(Number.isFinite(max - min) && max > min, 'max', `finite and above ${min}`, max)
  const edges = Array.from({ length: k + 1 }, (_, i) => min + ((max - min) * i) / k)
  edges[k] = max
  return edges.filter((edge, i) => i === 0 || edge > edges[i - 1])
}

/**
 * Counts by category. With `categories` (a reference's) the rest counts in `other`; without, the most frequent ones are kept, at most
 * `categoriesMax`, ties by name. null and undefined count as null; the empty string is a category. Cost: O(n).
 */
export function categoryHistogram(
  values: Iterable<string | null | undefined>,
  options: { categories?: readonly string[]; categoriesMax?: number } = {},
): CategoryHistogram {
  const seen = new Map<string, number>()
  let nulls = 0
  for (const value of values) {
    if (value === null || value === undefined) nulls++
    else seen.set(value, (seen.get(value) ?? 0) + 1)
  }
  const categories = options.categories ?? mostFrequent(seen, options.categoriesMax ?? LIMITS.categoriesMax)
  const counts = categories.map((name) => seen.get(name) ?? 0)
  let other = 0
  for (const count of seen.values()) other += count
  for (const count of counts) other -= count
  return { kind: 'category', categories: [...categories], counts, other, nulls }
}

function mostFrequent(seen: Map<string, number>, max: number): string[] {
  const byCount = [...seen].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return byCount.slice(0, max).map(([name]) => name)
}

/**
 * Sum of two histograms. Numeric: the same edges (MR_STATS_BINS). Categories: the union, in the first one's order; a category that only one side
 * knows keeps what that side counted, since the other has it in `other`. Neither is changed.
 */
export function mergeHistograms(a: Histogram, b: Histogram): Histogram {
  if (a.kind === 'numeric' && b.kind === 'numeric') return mergeNumeric(a, b)
  if (a.kind === 'category' && b.kind === 'category') return mergeCategories(a, b)
  throw new MillraceError('MR_STATS_BINS', {
    what: 'merging histograms',
    a: `${a.kind} bins`,
    b: `${b.kind} bins`,
  })
}

function mergeNumeric(a: NumericHistogram, b: NumericHistogram): NumericHistogram {
  requireSameEdges('merging histograms', a, b)
  return {
    kind: 'numeric',
    edges: [...a.edges],
    counts: a.counts.map((n, i) => n + b.counts[i]),
    nulls: a.nulls + b.nulls,
  }
}

function mergeCategories(a: CategoryHistogram, b: CategoryHistogram): CategoryHistogram {
  const inB = new Map(b.categories.map((name, i) => [name, b.counts[i]]))
  const known = new Set(a.categories)
  const added = b.categories.filter((name) => !known.has(name))
  const counts = a.categories.map((name, i) => a.counts[i] + (inB.get(name) ?? 0))
  for (const name of added) counts.push(inB.get(name) ?? 0)
  return {
    kind: 'category',
    categories: [...a.categories, ...added],
    counts,
    other: a.other + b.other,
    nulls: a.nulls + b.nulls,
  }
}

/** Throws MR_STATS_BINS unless the two have the same edges. */
export function requireSameEdges(what: string, a: NumericHistogram, b: NumericHistogram): void {
  const same = a.edges.length === b.edges.length && a.edges.every((edge, i) => edge === b.edges[i])
  if (same) return
  const describe = (h: NumericHistogram) =>
    `${h.counts.length} bins over ${h.edges[0]}…${h.edges[h.edges.length - 1]}`
  throw new MillraceError('MR_STATS_BINS', { what, a: describe(a), b: describe(b) })
}

/** Rows a histogram counted, nulls included. */
export function histogramRows(h: Histogram): number {
  return h.counts.reduce((n, c) => n + c, 0) + h.nulls + (h.kind === 'category' ? h.other : 0)
}

/**
 * Counts of two histograms cell by cell, for a test or a distance: bins or categories (by name, over the union), then `other`, then nulls;
 * cells that are empty on both sides are left out. Errors: MR_STATS_BINS for other edges or another kind.
 */
export function alignHistograms(a: Histogram, b: Histogram): { a: number[]; b: number[] } {
  const cells = a.kind === 'numeric' && b.kind === 'numeric' ? numericCells(a, b) : categoryCells(a, b)
  cells.push([a.nulls, b.nulls])
  const filled = cells.filter(([x, y]) => x > 0 || y > 0)
  return { a: filled.map(([x]) => x), b: filled.map(([, y]) => y) }
}

function numericCells(a: NumericHistogram, b: NumericHistogram): [number, number][] {
  requireSameEdges('comparing histograms', a, b)
  return a.counts.map((n, i) => [n, b.counts[i]])
}

function categoryCells(a: Histogram, b: Histogram): [number, number][] {
  if (a.kind !== 'category' || b.kind !== 'category')
    throw new MillraceError('MR_STATS_BINS', {
      what: 'comparing histograms',
      a: `${a.kind} bins`,
      b: `${b.kind} bins`,
    })
  const inB = new Map(b.categories.map((name, i) => [name, b.counts[i]]))
  const cells = a.categories.map((name, i): [number, number] => [a.counts[i], inB.get(name) ?? 0])
  const known = new Set(a.categories)
  b.categories.forEach((name, i) => {
    if (!known.has(name)) cells.push([0, b.counts[i]])
  })
  cells.push([a.other, b.other])
  return cells
}
