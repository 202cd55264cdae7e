import { MillraceError } from '../../core/errors.ts'
import { type CodePlace, type Column, type ColumnPlan, planColumns } from './columns.ts'
import { type Common, type NumberBins, numberBins, sampledRows } from './number-bins.ts'
import {
  checkSparse,
  denseOf,
  entryFrom,
  type FeatureColumn,
  isSparse,
  nRowsOf,
  openSparseBuilder,
  type SparseBuilder,
  type SparseColumn,
  type SparseRows,
  spreadColumn,
  takeSparse,
} from './sparse.ts'

/** Largest category code that training takes. */
export const CATEGORY_CODE_MAX = 65_535
/** Rows at most: above, quantised gradients would have fewer than four steps in an exact sum. */
export const TRAIN_ROWS_MAX = 2 ** 24

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
  /** Bins of sparse features; `null` without any. */
  sparse: SparseRows | null
}

export interface BinOptions {
  /** Whether features of which most rows have one bin are listed by row: `auto` (default) where that pays. The model is the same in any case. */
  sparse?: 'auto' | 'always' | 'never'
}

/**
 * Bins feature columns for training.
 *
 * Shapes: `columns` `[nFeatures][nRows]`. Numbers get at most `bins` bins of about equal counts, drawn from up to 200,000 evenly
 * spaced values; with fewer distinct values each has its own bin. Edges lie half way between neighbouring values, so `x <= edge` on raw
 * values is exactly the partition of training. Categories hold codes; the `bins` most frequent get a bin.
 * Missing: NaN has its own bin. Infinities are values. Number features of which most rows share a bin are kept as lists of the other rows where there are many
 * of them, as after one-hot or counted words; sparse columns give the same bins as dense ones, by the values that they list.
 * Cost: O(listed values * log(bins)), nRows * nFeatures of dense columns, and a sort of each sample.
 * Errors: MR_MODEL_SHAPE, MR_MODEL_ROWS_MAX, MR_MODEL_CATEGORY, MR_MODEL_SPARSE.
 */
export function binColumns(
  columns: readonly FeatureColumn[],
  categorical: readonly boolean[],
  bins = 255,
  { sparse = 'auto' }: BinOptions = {},
): BinnedData {
  const nRows = checkShape(columns, categorical)
  const sample = sampledRows(nRows)
  const common: (Common | null)[] = []
  const features = columns.map((column, j) => {
    if (categorical[j]) return categoryBins(denseOf(column), j, bins)
    const { bins: numbers, ...most } = numberBins(column, sample, bins)
    common[j] = most
    return numbers
  })
  return binWith(columns, nRows, sparse === 'never' ? features : markSparse(features, common, sparse))
}

/** Bins a sparse feature may have: codes of lists are bytes, and one of them is the common bin. */
const SPARSE_BINS_MAX = 254
/** Share of the common bin at least. */
const COMMON_SHARE_MIN = 0.8

/**
 * Marks number features that rows list. An entry of a row costs about two columns of a byte, and a row with entries some more columns: features share
 * bytes, so a few near-empty ones are better stored.
 */
function markSparse(
  features: FeatureBins[],
  common: readonly (Common | null)[],
  when: 'auto' | 'always',
): FeatureBins[] {
  const isRare = (feature: FeatureBins, j: number) =>
    feature.nBins <= SPARSE_BINS_MAX && (common[j]?.share ?? 0) >= COMMON_SHARE_MIN
  const rare = features.filter(isRare)
  const entries = features.reduce(
    (sum, feature, j) => sum + (isRare(feature, j) ? 1 - common[j]!.share : 0),
    0,
  )
  const pays = planColumns(rare).columns.length > 2 * entries + 8
  if (!pays && when === 'auto') return features
  return features.map((feature, j) =>
    feature.kind === 'number' && isRare(feature, j) ? { ...feature, common: common[j]!.bin } : feature,
  )
}

/** Bins columns with the bins of other data: how validation rows follow the training rows' bins. */
export function binWith(
  columns: readonly FeatureColumn[],
  nRows: number,
  features: FeatureBins[],
): BinnedData {
  const plan = planColumns(features)
  const words = new Uint32Array(nRows * plan.rowWords)
  const bytes = new Uint8Array(words.buffer)
  const entries = plan.totalSlot > 0 ? openSparseBuilder(nRows, BLOCK_ROWS) : null
  const writers = features.map((feature, j) => {
    const place = plan.places[j]
    const find = readerOf(columns[j], feature)
    if (place.kind === 'sparse') return sparseWriter(columns[j], feature, place, find, entries!)
    const bins = new Uint16Array(BLOCK_ROWS)
    return (from: number, end: number) => {
      find(from, end, bins)
      store(words, plan.rowWords, plan.columns[place.column], place, bins, from, end)
    }
  })
  for (let from = 0; from < nRows; from += BLOCK_ROWS) {
    const end = Math.min(nRows, from + BLOCK_ROWS)
    for (const write of writers) write(from, end)
    entries?.endBlock(end - from)
  }
  return {
    nRows,
    nFeatures: features.length,
    features,
    plan,
    words,
    bytes,
    sparse: entries?.finish() ?? null,
  }
}

/** Rows that are binned feature by feature, so that both ends of the copying stay in cache. */
const BLOCK_ROWS = 8192

/** Writes the bins of rows `[from, end)`. Blocks of rows come in order. */
type Reader = (from: number, end: number, bins: Uint16Array) => void

function readerOf(column: FeatureColumn, feature: FeatureBins): Reader {
  const find = feature.kind === 'number' ? numberFinder(feature) : categoryFinder(feature)
  if (!isSparse(column)) return (from, end, bins) => find(column, from, end, bins)
  const values = new Float64Array(BLOCK_ROWS)
  let cursor = 0
  return (from, end, bins) => {
    cursor = spreadColumn(column, from, end, cursor, values)
    find(values, 0, end - from, bins)
  }
}

/** Notes the rows of a block whose bin is not the common one; of a sparse column that is filled with the common bin, only its listed rows are looked at. */
function sparseWriter(
  column: FeatureColumn,
  feature: FeatureBins,
  { slot, common }: { slot: number; common: number },
  read: Reader,
  entries: SparseBuilder,
): (from: number, end: number) => void {
  const bins = new Uint16Array(BLOCK_ROWS)
  const isListed = isSparse(column) && binOfValue(feature, column.fill) === common
  if (isListed) return listedWriter(column, feature, { slot, common }, entries)
  return (from, end) => {
    read(from, end, bins)
    for (let i = 0; i < end - from; i++) if (bins[i] !== common) entries.add(i, slot + bins[i])
  }
}

function listedWriter(
  { rows, values }: SparseColumn,
  feature: FeatureBins,
  { slot, common }: { slot: number; common: number },
  entries: SparseBuilder,
): (from: number, end: number) => void {
  const find = feature.kind === 'number' ? numberFinder(feature) : categoryFinder(feature)
  const bins = new Uint16Array(BLOCK_ROWS)
  let at = 0
  return (from, end) => {
    const begin = at
    while (at < rows.length && rows[at] < end) at++
    find(values, begin, at, bins)
    for (let k = begin; k < at; k++) {
      if (bins[k - begin] !== common) entries.add(rows[k] - from, slot + bins[k - begin])
    }
  }
}

function binOfValue(feature: FeatureBins, value: number): number {
  const bins = new Uint16Array(1)
  readerOf(Float64Array.of(value), feature)(0, 1, bins)
  return bins[0]
}

function store(
  words: Uint32Array,
  rowWords: number,
  { at, isWide }: Column,
  { divisor }: CodePlace,
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
export function binAt({ plan, words, bytes, sparse }: BinnedData, row: number, feature: number): number {
  const place = plan.places[feature]
  if (place.kind === 'sparse') {
    const entry = entryFrom(sparse!, row, place.slot)
    return entry < place.slot + place.codes ? entry - place.slot : place.common
  }
  const { column, divisor, codes } = place
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
  const sparse = binned.sparse && takeSparse(binned.sparse, rows)
  return { ...binned, nRows: rows.length, words, bytes: new Uint8Array(words.buffer), sparse }
}

function checkShape(columns: readonly FeatureColumn[], categorical: readonly boolean[]): number {
  const nRows = columns[0] ? nRowsOf(columns[0]) : 0
  if (categorical.length !== columns.length) {
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: 'categorical',
      expected: columns.length,
      got: categorical.length,
    })
  }
  columns.forEach((column, j) => {
    const got = nRowsOf(column)
    if (got !== nRows)
      throw new MillraceError('MR_MODEL_SHAPE', { what: `column ${j}`, expected: nRows, got })
    if (isSparse(column)) checkSparse(column, j)
  })
  if (nRows > TRAIN_ROWS_MAX)
    throw new MillraceError('MR_MODEL_ROWS_MAX', { max: TRAIN_ROWS_MAX, got: nRows })
  return nRows
}

// ---------------------------------------------------------------- finding

/** Writes the bins of rows `[from, end)` of a column to `bins`, beginning with 0. */
type Finder = (column: Float64Array, from: number, end: number, bins: Uint16Array) => void

function numberFinder(feature: NumberBins): Finder {
  return feature.nBins <= 256 ? byteFinder(feature) : wideFinder(feature)
}

/**
 * Finds each value's bin by eight halvings over 256 padded edges. A comparison that becomes a number is no branch: branches here are guessed wrong half the
 * time, which took seven times as long.
 */
function byteFinder({ edges, nBins }: NumberBins): Finder {
  const padded = new Float64Array(256).fill(Number.POSITIVE_INFINITY)
  padded.set(edges)
  return (column, from, end, bins) => {
    for (let i = from; i < end; i++) {
      const x = column[i]
      let b = Number(x > padded[127]) << 7
      b += Number(x > padded[b + 63]) << 6
      b += Number(x > padded[b + 31]) << 5
      b += Number(x > padded[b + 15]) << 4
      b += Number(x > padded[b + 7]) << 3
      b += Number(x > padded[b + 3]) << 2
      b += Number(x > padded[b + 1]) << 1
      b += Number(x > padded[b])
      bins[i - from] = Number.isNaN(x) ? nBins : b
    }
  }
}

/** The same for up to 65,535 bins, by as many halvings as they need. */
function wideFinder({ edges, nBins }: NumberBins): Finder {
  const halvings = Math.ceil(Math.log2(nBins))
  const padded = new Float64Array(1 << halvings).fill(Number.POSITIVE_INFINITY)
  padded.set(edges)
  return (column, from, end, bins) => {
    for (let i = from; i < end; i++) {
      const x = column[i]
      let b = 0
      for (let k = halvings - 1; k >= 0; k--) b += Number(x > padded[b + (1 << k) - 1]) << k
      bins[i - from] = Number.isNaN(x) ? nBins : b
    }
  }
}

// ---------------------------------------------------------------- categories

function categoryBins(column: Float64Array, feature: number, bins: number): CategoryBins {
  const counts = countCodes(column, feature)
  const seen = Array.from(counts.keys()).filter((code) => counts[code] > 0)
  const codes = seen.sort((a, b) => counts[b] - counts[a] || a - b).slice(0, bins)
  return { kind: 'category', nBins: codes.length, codes: Int32Array.from(codes).sort() }
}

/** Rows by code. Errors: MR_MODEL_CATEGORY. */
function countCodes(column: Float64Array, feature: number): Uint32Array {
  const counts = new Uint32Array(CATEGORY_CODE_MAX + 1)
  let codeMax = -1
  for (let row = 0; row < column.length; row++) {
    const code = column[row]
    if (Number.isNaN(code)) continue
    if (!(code >= 0 && code <= CATEGORY_CODE_MAX && Number.isInteger(code))) {
      throw new MillraceError('MR_MODEL_CATEGORY', {
        feature,
        row,
        max: CATEGORY_CODE_MAX,
        got: String(code),
      })
    }
    counts[code]++
    if (code > codeMax) codeMax = code
  }
  return counts.subarray(0, codeMax + 1)
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
