/** Two histograms of one column brought onto the same bins, as shares of their rows. */
import type { Histogram } from '../api/types.ts'
import { plain } from '../format/numbers.ts'

export interface PairedBins {
  labels: string[]
  reference: number[]
  current: number[]
  /** Whether bins are stretches of an axis (drawn touching) or names (drawn apart). */
  kind: Histogram['kind']
}

const CATEGORIES_MAX = 12
/** So few names keep the order the data give them: days of the week, yes and no. */
const NAMES_IN_ORDER_MAX = 8

export function totalOf(histogram: Histogram): number {
  const inBins = histogram.counts.reduce((sum, n) => sum + n, 0)
  return inBins + histogram.nulls + (histogram.kind === 'category' ? histogram.other : 0)
}

/** Shares by bin of one histogram; missing values are a bin of their own when there are any. */
export function paired(reference: Histogram, current: Histogram): PairedBins {
  return reference.kind === 'numeric' && current.kind === 'numeric'
    ? pairedNumbers(reference, current)
    : pairedNames(reference, current)
}

function pairedNumbers(
  reference: Extract<Histogram, { kind: 'numeric' }>,
  current: Extract<Histogram, { kind: 'numeric' }>,
): PairedBins {
  const labels = reference.counts.map(
    (_, i) => `${plain(reference.edges[i])} to ${plain(reference.edges[i + 1])}`,
  )
  const bins: PairedBins = {
    labels,
    reference: shares(reference.counts, totalOf(reference)),
    current: shares(
      labels.map((_, i) => current.counts[i] ?? 0),
      totalOf(current),
    ),
    kind: 'numeric',
  }
  return withMissing(bins, reference, current)
}

function pairedNames(reference: Histogram, current: Histogram): PairedBins {
  const before = byName(reference)
  const after = byName(current)
  const names = [...new Set([...before.keys(), ...after.keys()])]
  const size = (name: string) => Math.max(before.get(name) ?? 0, after.get(name) ?? 0)
  const labels =
    names.length <= NAMES_IN_ORDER_MAX
      ? names
      : names.sort((a, b) => size(b) - size(a)).slice(0, CATEGORIES_MAX)
  const bins: PairedBins = {
    labels,
    reference: labels.map((name) => before.get(name) ?? 0),
    current: labels.map((name) => after.get(name) ?? 0),
    kind: 'category',
  }
  return withMissing(bins, reference, current)
}

function byName(histogram: Histogram): Map<string, number> {
  const total = totalOf(histogram)
  const names =
    histogram.kind === 'category' ? histogram.categories : histogram.counts.map((_, i) => `bin ${i + 1}`)
  return new Map(names.map((name, i) => [name, total === 0 ? 0 : (histogram.counts[i] ?? 0) / total]))
}

function withMissing(bins: PairedBins, reference: Histogram, current: Histogram): PairedBins {
  if (reference.nulls === 0 && current.nulls === 0) return bins
  const missing = (of: Histogram) => (totalOf(of) === 0 ? 0 : of.nulls / totalOf(of))
  return {
    ...bins,
    labels: [...bins.labels, 'missing'],
    reference: [...bins.reference, missing(reference)],
    current: [...bins.current, missing(current)],
  }
}

function shares(counts: readonly number[], total: number): number[] {
  return counts.map((n) => (total === 0 ? 0 : n / total))
}

/** The bin in which `a` stands highest above `b`: where its name is best written. */
export function peakOver(a: readonly number[], b: readonly number[]): number {
  let best = 0
  a.forEach((value, i) => {
    if (value - (b[i] ?? 0) > (a[best] ?? 0) - (b[best] ?? 0)) best = i
  })
  return best
}
