import { sortNumbers } from '../../stats/radix-sort.ts'
import { type FeatureColumn, isSparse, type SparseColumn } from './sparse.ts'

/** Values of a feature that its bin edges are drawn from. */
const SAMPLE_VALUES = 200_000

/** Value bins of a number: bin `b` holds `edges[b - 1] < x <= edges[b]`; the last bin is open above. */
export interface NumberBins {
  kind: 'number'
  nBins: number
  /** `nBins - 1` rising thresholds. */
  edges: Float64Array
  /** A bin of most rows, which is not stored: rows list the others. Absent where each row holds its bin. */
  common?: number
}

/** The bin with most of the sampled rows, and its share of them. */
export interface Common {
  bin: number
  share: number
}

/** Bins of about equal counts, and the one that most rows share. */
export function numberBins(
  column: FeatureColumn,
  sample: Uint32Array,
  bins: number,
): Common & { bins: NumberBins } {
  const { values, counts } = isSparse(column) ? sparseValues(column, sample) : denseValues(column, sample)
  const nSeen = counts.reduce((sum, n) => sum + n, 0)
  const ends = values.length <= bins ? allEnds(values.length) : quantileEnds(counts, nSeen, bins)
  const edges = Float64Array.from(ends, (end) => midpoint(values[end], values[end + 1]))
  const nBins = edges.length + 1
  return { bins: { kind: 'number', nBins, edges }, ...mostCommon(counts, ends, sample.length - nSeen) }
}

/** The bin with most of the sampled rows; `nBins` where that is the one of missing values. */
function mostCommon(counts: Int32Array, ends: readonly number[], nMissing: number): Common {
  let [most, bin, begin, total] = [nMissing, ends.length + 1, 0, nMissing]
  for (let b = 0; b <= ends.length; b++) {
    const end = b < ends.length ? ends[b] + 1 : counts.length
    let n = 0
    for (; begin < end; begin++) n += counts[begin]
    total += n
    if (n > most) [most, bin] = [n, b]
  }
  return { bin, share: total > 0 ? most / total : 0 }
}

/** Rows that bins are drawn from: evenly spaced. */
export function sampledRows(nRows: number): Uint32Array {
  const step = Math.max(1, nRows / SAMPLE_VALUES)
  const sample = new Uint32Array(Math.ceil(nRows / step))
  let n = 0
  for (let at = 0; Math.floor(at) < nRows && n < sample.length; at += step) sample[n++] = Math.floor(at)
  return sample.subarray(0, n)
}

/** Values with how often they were seen, rising. */
interface Values {
  values: Float64Array
  counts: Int32Array
}

function denseValues(column: Float64Array, sample: Uint32Array): Values {
  const seen = new Float64Array(sample.length)
  let n = 0
  for (let k = 0; k < sample.length; k++) {
    const x = column[sample[k]]
    if (!Number.isNaN(x)) seen[n++] = x
  }
  return distinctValues(sortNumbers(seen.subarray(0, n)))
}

function distinctValues(sorted: Float64Array): Values {
  const values = new Float64Array(sorted.length)
  const counts = new Int32Array(sorted.length)
  let n = 0
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) values[n++] = sorted[i]
    counts[n - 1]++
  }
  return { values: values.subarray(0, n), counts: counts.subarray(0, n) }
}

/** The same of a sparse column: listed values are sorted, and what fills it is counted. */
function sparseValues({ rows, values, fill, nRows }: SparseColumn, sample: Uint32Array): Values {
  const seen = new Float64Array(values.length)
  let n = 0
  let listed = 0
  for (let k = 0, at = 0; k < rows.length; k++) {
    if (sample.length === nRows) at = rows[k]
    else while (at < sample.length && sample[at] < rows[k]) at++
    if (at >= sample.length || sample[at] !== rows[k]) continue
    listed++
    if (!Number.isNaN(values[k])) seen[n++] = values[k]
  }
  const distinct = distinctValues(sortNumbers(seen.subarray(0, n)))
  return Number.isNaN(fill) ? distinct : addValue(distinct, fill, sample.length - listed)
}

function addValue({ values, counts }: Values, value: number, count: number): Values {
  if (count === 0) return { values, counts }
  let at = 0
  while (at < values.length && values[at] < value) at++
  if (values[at] === value) {
    counts[at] += count
    return { values, counts }
  }
  const more = { values: new Float64Array(values.length + 1), counts: new Int32Array(values.length + 1) }
  more.values.set(values.subarray(0, at))
  more.values[at] = value
  more.values.set(values.subarray(at), at + 1)
  more.counts.set(counts.subarray(0, at))
  more.counts[at] = count
  more.counts.set(counts.subarray(at), at + 1)
  return more
}

/** Last value of each bin but the last, when each value has its own bin. */
function allEnds(nValues: number): number[] {
  return Array.from({ length: Math.max(0, nValues - 1) }, (_, i) => i)
}

/**
 * Last value of each bin but the last, for bins of about equal counts. A value as frequent as a whole bin stands alone;
 * what remains is shared evenly among the bins that remain.
 */
function quantileEnds(counts: Int32Array, total: number, bins: number): number[] {
  const heavy = (i: number) => counts[i] * bins >= total
  let rowsLeft = total
  let binsLeft = bins
  for (let i = 0; i < counts.length; i++) {
    if (heavy(i)) {
      rowsLeft -= counts[i]
      binsLeft--
    }
  }
  const ends: number[] = []
  let inBin = 0
  for (let i = 0; i < counts.length - 1 && ends.length < bins - 1; i++) {
    inBin += counts[i]
    const target = rowsLeft / Math.max(1, binsLeft)
    if (!heavy(i) && !heavy(i + 1) && inBin + counts[i + 1] / 2 < target) continue
    ends.push(i)
    if (!heavy(i)) {
      rowsLeft -= inBin
      binsLeft--
    }
    inBin = 0
  }
  return ends
}

/** A double `t` with `low <= t < high`, half way where doubles allow it. */
function midpoint(low: number, high: number): number {
  const middle = low / 2 + high / 2
  return (middle >= low && middle < high ? middle : low) + 0
}
