/** Statistics of a part after rows have gone, from those of the part and of the rows. */
import type { ColumnStats, Histogram } from '../core/records.ts'

/**
 * One column: `all` of `rows` rows, less `gone` of `rowsGone` of them on the same bins. `min` and `max` are those of all, and `distinctApprox` is at most the rows that are
 * left. Undefined where what is left of the spread is lost in rounding: then it has to be measured.
 */
export function lessStats(
  all: ColumnStats,
  gone: ColumnStats,
  rows: number,
  rowsGone: number,
): ColumnStats | undefined {
  const nulls = all.nulls - gone.nulls
  const filled = rows - rowsGone - nulls
  const histogram = all.histogram && gone.histogram ? lessHistogram(all.histogram, gone.histogram) : undefined
  const less: ColumnStats = {
    nulls,
    distinctApprox: Math.min(all.distinctApprox, filled),
    ...(histogram && { histogram }),
  }
  if (filled === 0) return less
  if (all.min !== undefined) less.min = all.min
  if (all.max !== undefined) less.max = all.max
  const moments = lessMoments(all, gone, rows - all.nulls, rowsGone - gone.nulls)
  return moments && { ...less, ...moments }
}

/** Share of the sum of squares that has to be left. */
const SPREAD_MIN = 1e-6

function lessMoments(
  all: ColumnStats,
  gone: ColumnStats,
  n: number,
  nGone: number,
): Pick<ColumnStats, 'mean' | 'std'> | undefined {
  if (all.mean === undefined) return {}
  if (gone.mean === undefined) return nGone === 0 ? momentsIn(all) : undefined
  const left = n - nGone
  const mean = (n * all.mean - nGone * gone.mean) / left
  if (left === 1) return { mean }
  const sum = (all.std ?? 0) ** 2 * (n - 1)
  const apart = gone.mean - mean
  const m2 = sum - (gone.std ?? 0) ** 2 * (nGone - 1) - (apart * apart * left * nGone) / n
  if (!(sum === 0 ? m2 === 0 : m2 >= SPREAD_MIN * sum)) return undefined
  return { mean, std: Math.sqrt(m2 / (left - 1)) }
}

const momentsIn = ({ mean, std }: ColumnStats): Pick<ColumnStats, 'mean' | 'std'> => ({
  ...(mean !== undefined && { mean }),
  ...(std !== undefined && { std }),
})

/** Both are on the same bins: those that the dataset's first version fixed. */
function lessHistogram(all: Histogram, gone: Histogram): Histogram {
  const nulls = all.nulls - gone.nulls
  const counts = all.counts.map((n, i) => n - gone.counts[i]!)
  return all.kind === 'category' && gone.kind === 'category'
    ? { ...all, counts, other: all.other - gone.other, nulls }
    : { ...all, counts, nulls }
}
