/** Statistics of a version from those of its parts: no row is read. */
import type { ColumnStats, Histogram, Part } from '../core/records.ts'
import { hasColumn } from '../engine/parts.ts'
import { psi } from '../stats/distances.ts'
import { alignHistograms, mergeHistograms } from '../stats/histogram.ts'
import { type Moments, mergeMoments } from '../stats/moments.ts'

/**
 * One column over all parts that have it; rows of parts without it count as missing. `distinctApprox` is that of the part with the most, a lower bound.
 * Undefined when no part has the column.
 */
export function mergeStats(parts: readonly Part[], column: string): ColumnStats | undefined {
  const having = parts.filter((part) => hasColumn(part, column))
  if (having.length === 0) return undefined
  const all = having.map((part) => part.stats[column]!)
  const absent = parts.filter((part) => !hasColumn(part, column)).reduce((n, part) => n + part.rows, 0)
  const merged: ColumnStats = {
    nulls: all.reduce((n, s) => n + s.nulls, absent),
    distinctApprox: Math.max(...all.map((s) => s.distinctApprox)),
  }
  const min = all.map((s) => s.min).filter((v) => v !== undefined)
  const max = all.map((s) => s.max).filter((v) => v !== undefined)
  if (min.length > 0)
    Object.assign(merged, {
      min: min.reduce((a, b) => (b < a ? b : a)),
      max: max.reduce((a, b) => (b > a ? b : a)),
    })
  return { ...merged, ...moments(having, column), ...histogram(all, absent) }
}

function moments(parts: readonly Part[], column: string): Pick<ColumnStats, 'mean' | 'std'> {
  const each = parts.map((part) => momentsOf(part, column)).filter((m) => m !== undefined)
  if (each.length === 0) return {}
  const { n, mean, m2 } = each.reduce(mergeMoments)
  return n > 1 ? { mean, std: Math.sqrt(m2 / (n - 1)) } : { mean }
}

function momentsOf(part: Part, column: string): Moments | undefined {
  const { mean, std, nulls, min, max } = part.stats[column]!
  const n = part.rows - nulls
  if (mean === undefined || n === 0) return undefined
  return { n, mean, m2: (std ?? 0) ** 2 * (n - 1), m3: 0, min: Number(min), max: Number(max) }
}

function histogram(all: ColumnStats[], absent: number): { histogram?: Histogram } {
  const each = all.map((s) => s.histogram).filter((h) => h !== undefined)
  if (each.length === 0) return {}
  const merged = each.reduce(mergeHistograms)
  const without = all.filter((s) => !s.histogram).reduce((n, s) => n + s.nulls, absent)
  return { histogram: { ...merged, nulls: merged.nulls + without } }
}

/** Population stability index between two versions of a column; null when either has no histogram or they have other bins. */
export function psiBetween(from: ColumnStats | undefined, to: ColumnStats | undefined): number | null {
  if (!from?.histogram || !to?.histogram || from.histogram.kind !== to.histogram.kind) return null
  if (!sameEdges(from.histogram, to.histogram)) return null
  const { a, b } = alignHistograms(from.histogram, to.histogram)
  const filled = (counts: number[]) => counts.some((n) => n > 0)
  return filled(a) && filled(b) ? psi(a, b) : null
}

function sameEdges(a: Histogram, b: Histogram): boolean {
  return (
    a.kind !== 'numeric' ||
    b.kind !== 'numeric' ||
    (a.edges.length === b.edges.length && a.edges.every((edge, i) => edge === b.edges[i]))
  )
}
