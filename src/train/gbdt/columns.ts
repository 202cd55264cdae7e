import { SLOTS } from './sizes.ts'

/** Codes that one byte holds. */
const BYTE_CODES = 256

/** What is stored of each row: a code of one byte or two. */
export interface Column {
  /** Byte of a row where the code begins. */
  at: number
  isWide: boolean
  /** Codes there may be. */
  codes: number
  /** First slot in a machine's histogram. */
  slot: number
}

/** A bin that is `floor(code / divisor) % codes` of a column. Several features of few bins share the codes of one column. */
export interface CodePlace {
  kind: 'code'
  column: number
  divisor: number
  /** Bins and one for missing values. */
  codes: number
}

/** A bin that rows hold only where it is not the common one. */
export interface SparsePlace {
  kind: 'sparse'
  /** First slot in a machine's histogram, where the slot of the common bin stays empty. */
  slot: number
  common: number
  codes: number
}

/** Where the bin of a feature is. */
export type Place = CodePlace | SparsePlace

/**
 * How binned features are stored. Columns of one byte come first, then those of two; sparse features have no column.
 *
 * Features of few bins share a column while the product of their bins fits a byte: a row then costs one addition for all of them, and the sums of each are
 * read off afterwards, exactly, as they are sums of integers.
 */
export interface ColumnPlan {
  columns: Column[]
  nByteColumns: number
  /** By feature. */
  places: Place[]
  /** 32-bit words a row. */
  rowWords: number
  /** Slots of a machine's histogram: over columns, then over sparse features. */
  nSlots: number
  /** Where rows are summed, when there are sparse features; else 0. */
  totalSlot: number
  /** First slot of each feature in a histogram over features, and their number at the end. */
  featureSlots: Int32Array
}

/** What a plan needs of the bins of a feature. */
interface BinCount {
  nBins: number
  /** Sparse features: the bin that rows do not hold. */
  common?: number
}

/** Plans the columns of features; the same for the same numbers of bins. */
export function planColumns(features: readonly BinCount[]): ColumnPlan {
  const places = new Array<Place>(features.length)
  const shared = shareBytes(features, places)
  const columns: Column[] = shared.map((codes, i) => ({ at: i, isWide: false, codes, slot: i * SLOTS }))
  const nByteColumns = columns.length
  let at = Math.ceil(nByteColumns / 2) * 2
  let slot = nByteColumns * SLOTS
  features.forEach(({ nBins }, j) => {
    const codes = nBins + 1
    if (codes <= BYTE_CODES) return
    places[j] = { kind: 'code', column: columns.length, divisor: 1, codes }
    columns.push({ at, isWide: true, codes, slot })
    at += 2
    slot += Math.ceil(codes / 2) * 2
  })
  const firstSparse = slot
  features.forEach(({ nBins, common }, j) => {
    if (common === undefined) return
    places[j] = { kind: 'sparse', slot, common, codes: nBins + 1 }
    slot += nBins + 1
  })
  const totalSlot = slot > firstSparse ? slot++ : 0
  const featureSlots = new Int32Array(features.length + 1)
  places.forEach(({ codes }, j) => {
    featureSlots[j + 1] = featureSlots[j] + codes
  })
  return {
    columns,
    nByteColumns,
    places,
    rowWords: Math.max(1, Math.ceil(at / 4)),
    nSlots: Math.ceil(slot / 2) * 2,
    totalSlot,
    featureSlots,
  }
}

/** Gives features of up to 255 bins their places, the fewest bins first; returns the codes of each column. */
function shareBytes(features: readonly BinCount[], places: Place[]): number[] {
  const isByte = ({ nBins, common }: BinCount) => nBins < BYTE_CODES && common === undefined
  const order = features.map((_, j) => j).filter((j) => isByte(features[j]))
  order.sort((a, b) => features[a].nBins - features[b].nBins || a - b)
  const columns: number[] = []
  for (const j of order) {
    const codes = features[j].nBins + 1
    const last = columns.length - 1
    const fits = last >= 0 && columns[last] * codes <= BYTE_CODES
    const divisor = fits ? columns[last] : 1
    const column = fits ? last : columns.length
    places[j] = { kind: 'code', column, divisor, codes }
    columns[column] = divisor * codes
  }
  return columns
}

function binOfCode(code: number, { divisor, codes }: CodePlace): number {
  return Math.floor(code / divisor) % codes
}

/** Codes of the sides of a split at most: those of a column, or of a list, whose codes are bytes. */
export function sideCodesMax({ columns }: Pick<ColumnPlan, 'columns'>): number {
  return Math.max(BYTE_CODES, ...columns.map(({ codes }) => codes))
}

/** Writes by code of a feature's column what a table says by bin. */
export function byCode(
  { divisor, codes }: CodePlace,
  nCodes: number,
  table: Uint8Array,
  to: Uint8Array,
): Uint8Array {
  for (let code = 0; code < nCodes; ) {
    for (let bin = 0; bin < codes; bin++) {
      for (const end = code + divisor; code < end; code++) to[code] = table[bin]
    }
  }
  return to
}

/** A histogram over features from one of a machine. */
export function spreadHistogram(
  { columns, places, featureSlots, totalSlot }: ColumnPlan,
  from: Float64Array,
  to: Float64Array,
): Float64Array {
  to.fill(0)
  places.forEach((place, j) => {
    const base = featureSlots[j]
    if (place.kind === 'sparse') {
      spreadSparse(place, from, from[totalSlot], to, base)
      return
    }
    const { slot, codes } = columns[place.column]
    for (let code = 0; code < codes; code++) to[base + binOfCode(code, place)] += from[slot + code]
  })
  return to
}

/** The common bin has what the others leave of all. */
function spreadSparse(
  { slot, common, codes }: SparsePlace,
  from: Float64Array,
  total: number,
  to: Float64Array,
  base: number,
): void {
  let rest = total
  for (let bin = 0; bin < codes; bin++) {
    if (bin === common) continue
    to[base + bin] = from[slot + bin]
    rest -= from[slot + bin]
  }
  to[base + common] = rest
}
