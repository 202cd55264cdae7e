import { MillraceError } from '../../core/errors.ts'
import { type Column, type ColumnPlan, type Place, planColumns } from './columns.ts'

/** Largest category code that training takes. */
export const CATEGORY_CODE_MAX = 65_535
/** Rows at most: above, quantised gradients would have fewer than four steps in an exact sum. */
export const TRAIN_ROWS_MAX = 2 ** 24
/** Values of a feature that its bin edges are drawn from. */
const SAMPLE_VALUES = 200_000

/** Value bins of a number: bin `b` holds `edges[b - 1] < x <= edges[b]`; the last bin is open above. */
export interface NumberBins {
  kind: 'number'
  nBins: number
  /** `nBins - 1` rising thresholds. */
  edges: Float64Array
}

/** Value bins of a category: bin `b` holds the code `codes[b]`; rarer codes share the bin of missing values. */
export interface CategoryBins {
  kind: 'category'
  nBins: number
  codes: Int32Array
}

/** Bins of one feature. Missing values are in bin `nBins`, behind the value bins. */
export type FeatureBins = NumberBins | CategoryBins

/** Binned rows: bin once, train many. Rows lie one behind another, padded to whole 32-bit words; `plan` says where in a row a feature's bin is. */
export interface BinnedData {
  nRows: number
  nFeatures: number
  features: FeatureBins[]
  plan: ColumnPlan
  /** `[nRows * plan.rowWords]` */
  words: Uint32Array
  /** The same memory by bytes. */
  bytes: Uint8Array
}

/**
 * Bins feature columns for training.
 *
 * Shapes: `columns` `[nFeatures][nRows]`. Numbers get at most `bins` bins of about equal counts, drawn from up to 200,000 evenly
 * spaced values; with fewer distinct values each has its own bin. Edges lie half way between neighbouring values, so `x <= edge` on raw
 * values is exactly the partition of training. Categories hold codes; the `bins` most frequent get a bin.
 * Missing: NaN has its own bin. Infinities are values. Cost: O(nRows * nFeatures * log(bins)) and a sort of each sample.
 * Errors: MR_MODEL_SHAPE, MR_MODEL_ROWS_MAX, MR_MODEL_CATEGORY.
 */
export function binColumns(
  columns: readonly Float64Array[],
  categorical: readonly boolean[],
  bins = 255,
): BinnedData {
  const nRows = checkShape(columns, categorical)
  const features = columns.map((column, j) =>
    categorical[j] ? categoryBins(column, j, bins) : numberBins(column, bins),
  )
  return binWith(columns, nRows, features)
}

/** Bins columns with the bins of other data: how validation rows follow the training rows' bins. */
export function binWith(
  columns: readonly Float64Array[],
  nRows: number,
  features: FeatureBins[],
): BinnedData {
  const plan = planColumns(features)
  const words = new Uint32Array(nRows * plan.rowWords)
  const bytes = new Uint8Array(words.buffer)
  const finders = features.map((feature) =>
    feature.kind === 'number' ? numberFinder(feature) : categoryFinder(feature),
  )
  const bins = new Uint16Array(BLOCK_ROWS)
  for (let from = 0; from < nRows; from += BLOCK_ROWS) {
    const end = Math.min(nRows, from + BLOCK_ROWS)
    finders.forEach((find, j) => {
      find(columns[j], from, end, bins)
      const place = plan.places[j]
      store(words, plan.rowWords, plan.columns[place.column], place, bins, from, end)
    })
  }
  return { nRows, nFeatures: features.length, features, plan, words, bytes }
}

/** Rows that are binned feature by feature, so that both ends of the copying stay in cache. */
const BLOCK_ROWS = 8192

function store(
  words: Uint32Array,
  rowWords: number,
  { at, isWide }: Column,
  { divisor }: Place,
  bins: Uint16Array,
  from: number,
  end: number,
): void {
  if (isWide) {
    const halves = new Uint16Array(words.buffer)
    for (let i = from, to = from * rowWords * 2 + at / 2; i < end; i++, to += rowWords * 2) {
      halves[to] = bins[i - from]
    }
    return
  }
  const bytes = new Uint8Array(words.buffer)
  for (let i = from, to = from * rowWords * 4 + at; i < end; i++, to += rowWords * 4) {
    bytes[to] += bins[i - from] * divisor
  }
}

/** Bin of a feature in one row. */
export function binAt({ plan, words, bytes }: BinnedData, row: number, feature: number): number {
  const { column, divisor, codes } = plan.places[feature]
  const { at, isWide } = plan.columns[column]
  const byte = row * plan.rowWords * 4 + at
  if (isWide) return (words[byte >> 2] >>> ((byte & 2) * 8)) & 0xffff
  return Math.floor(bytes[byte] / divisor) % codes
}

/** Copies some binned rows, in the order given, to data of their own. Errors: MR_MODEL_SHAPE when an index is out of range. */
export function takeRows(binned: BinnedData, rows: ArrayLike<number>): BinnedData {
  const { words: from } = binned
  const { rowWords } = binned.plan
  const words = new Uint32Array(rows.length * rowWords)
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]
    if (!(row >= 0 && row < binned.nRows)) {
      throw new MillraceError('MR_MODEL_SHAPE', {
        what: `binned data that row index ${row} points into`,
        expected: row + 1,
        got: binned.nRows,
      })
    }
    for (let w = 0; w < rowWords; w++) words[i * rowWords + w] = from[row * rowWords + w]
  }
  return { ...binned, nRows: rows.length, words, bytes: new Uint8Array(words.buffer) }
}

function checkShape(columns: readonly Float64Array[], categorical: readonly boolean[]): number {
  const nRows = columns[0]?.length ?? 0
  if (categorical.length !== columns.length) {
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: 'categorical',
      expected: columns.length,
      got: categorical.length,
    })
  }
  columns.forEach((column, j) => {
    if (column.length !== nRows) {
      throw new MillraceError('MR_MODEL_SHAPE', { what: `column ${j}`, expected: nRows, got: column.length })
    }
  })
  if (nRows > TRAIN_ROWS_MAX)
    throw new MillraceError('MR_MODEL_ROWS_MAX', { max: TRAIN_ROWS_MAX, got: nRows })
  return nRows
}

// ---------------------------------------------------------------- numbers

function numberBins(column: Float64Array, bins: number): NumberBins {
  const sorted = sortedSample(column)
  const { values, counts } = distinctValues(sorted)
  const ends = values.length <= bins ? allEnds(values.length) : quantileEnds(counts, sorted.length, bins)
  const edges = Float64Array.from(ends, (end) => midpoint(values[end], values[end + 1]))
  return { kind: 'number', nBins: edges.length + 1, edges }
}

/** Evenly spaced values of a column without the missing ones, sorted. */
function sortedSample(column: Float64Array): Float64Array {
  const step = Math.max(1, column.length / SAMPLE_VALUES)
  const sample = new Float64Array(Math.ceil(column.length / step))
  let n = 0
  for (let at = 0; Math.floor(at) < column.length && n < sample.length; at += step) {
    const x = column[Math.floor(at)]
    if (!Number.isNaN(x)) sample[n++] = x
  }
  return sample.subarray(0, n).sort()
}

function distinctValues(sorted: Float64Array): { values: Float64Array; counts: Int32Array } {
  const values = new Float64Array(sorted.length)
  const counts = new Int32Array(sorted.length)
  let n = 0
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) values[n++] = sorted[i]
    counts[n - 1]++
  }
  return { values: values.subarray(0, n), counts: counts.subarray(0, n) }
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

/** Writes the bins of rows `[from, end)` of a column to `bins`, beginning with 0. */
type Finder = (column: Float64Array, from: number, end: number, bins: Uint16Array) => void

function numberFinder(feature: NumberBins): Finder {
  return feature.nBins <= 256 ? byteFinder(feature) : wideFinder(feature)
}

/** Finds each value's bin by eight branch-free halvings over 256 padded edges. */
function byteFinder({ edges, nBins }: NumberBins): Finder {
  const padded = new Float64Array(256).fill(Number.POSITIVE_INFINITY)
  padded.set(edges)
  return (column, from, end, bins) => {
    for (let i = from; i < end; i++) {
      const x = column[i]
      let b = x > padded[127] ? 128 : 0
      b += x > padded[b + 63] ? 64 : 0
      b += x > padded[b + 31] ? 32 : 0
      b += x > padded[b + 15] ? 16 : 0
      b += x > padded[b + 7] ? 8 : 0
      b += x > padded[b + 3] ? 4 : 0
      b += x > padded[b + 1] ? 2 : 0
      b += x > padded[b] ? 1 : 0
      bins[i - from] = Number.isNaN(x) ? nBins : b
    }
  }
}

/** The same for up to 65,535 bins, by as many halvings as they need. */
function wideFinder({ edges, nBins }: NumberBins): Finder {
  const size = 2 ** Math.ceil(Math.log2(nBins))
  const padded = new Float64Array(size).fill(Number.POSITIVE_INFINITY)
  padded.set(edges)
  return (column, from, end, bins) => {
    for (let i = from; i < end; i++) {
      const x = column[i]
      let b = 0
      for (let half = size / 2; half >= 1; half /= 2) b += x > padded[b + half - 1] ? half : 0
      bins[i - from] = Number.isNaN(x) ? nBins : b
    }
  }
}

// ---------------------------------------------------------------- categories

function categoryBins(column: Float64Array, feature: number, bins: number): CategoryBins {
  const counts = new Map<number, number>()
  for (let i = 0; i < column.length; i++) {
    const code = column[i]
    if (Number.isNaN(code)) continue
    if (!(code >= 0 && code <= CATEGORY_CODE_MAX && Number.isInteger(code))) {
      throw new MillraceError('MR_MODEL_CATEGORY', {
        feature,
        row: i,
        max: CATEGORY_CODE_MAX,
        got: String(code),
      })
    }
    counts.set(code, (counts.get(code) ?? 0) + 1)
  }
  const byCount = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, bins)
  const codes = Int32Array.from(byCount, ([code]) => code).sort()
  return { kind: 'category', nBins: codes.length, codes }
}

function categoryFinder({ codes, nBins }: CategoryBins): Finder {
  const binOf = new Uint16Array((codes.length ? codes[codes.length - 1] : 0) + 1).fill(nBins)
  codes.forEach((code, b) => {
    binOf[code] = b
  })
  return (column, from, end, bins) => {
    for (let i = from; i < end; i++) {
      const code = column[i]
      bins[i - from] = code >= 0 && code < binOf.length && Number.isInteger(code) ? binOf[code] : nBins
    }
  }
}
