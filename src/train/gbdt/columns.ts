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

/** Where the bin of a feature is: `floor(code / divisor) % codes`. Several features of few bins share the codes of one column. */
export interface Place {
  column: number
  divisor: number
  /** Bins and one for missing values. */
  codes: number
}

/**
 * How binned features are stored. Columns of one byte come first, then those of two.
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
  /** Slots of a machine's histogram, over columns. */
  nSlots: number
  /** First slot of each feature in a histogram over features, and their number at the end. */
  featureSlots: Int32Array
}

/** What a plan needs of the bins of a feature. */
interface BinCount {
  nBins: number
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
    places[j] = { column: columns.length, divisor: 1, codes }
    columns.push({ at, isWide: true, codes, slot })
    at += 2
    slot += Math.ceil(codes / 2) * 2
  })
  const featureSlots = new Int32Array(features.length + 1)
  places.forEach(({ codes }, j) => {
    featureSlots[j + 1] = featureSlots[j] + codes
  })
  return {
    columns,
    nByteColumns,
    places,
    rowWords: Math.max(1, Math.ceil(at / 4)),
    nSlots: slot,
    featureSlots,
  }
}

/** Gives features of up to 255 bins their places, the fewest bins first; returns the codes of each column. */
function shareBytes(features: readonly BinCount[], places: Place[]): number[] {
  const order = features.map((_, j) => j).filter((j) => features[j].nBins < BYTE_CODES)
  order.sort((a, b) => features[a].nBins - features[b].nBins || a - b)
  const columns: number[] = []
  for (const j of order) {
    const codes = features[j].nBins + 1
    const last = columns.length - 1
    const fits = last >= 0 && columns[last] * codes <= BYTE_CODES
    const divisor = fits ? columns[last] : 1
    places[j] = { column: fits ? last : columns.length, divisor, codes }
    columns[places[j].column] = divisor * codes
  }
  return columns
}

function binOfCode(code: number, { divisor, codes }: Place): number {
  return Math.floor(code / divisor) % codes
}

/** By code of a feature's column what a table says by bin. */
export function byCode({ divisor, codes }: Place, nCodes: number, table: Uint8Array): Uint8Array {
  if (nCodes === codes) return table
  const out = new Uint8Array(nCodes)
  for (let code = 0; code < nCodes; code++) out[code] = table[Math.floor(code / divisor) % codes]
  return out
}

/** A histogram over features from one over columns. */
export function spreadHistogram<A extends Float64Array | Int32Array>(
  { columns, places, featureSlots }: ColumnPlan,
  from: A,
  to: A,
): A {
  to.fill(0)
  places.forEach((place, j) => {
    const { slot, codes } = columns[place.column]
    const base = featureSlots[j]
    for (let code = 0; code < codes; code++) to[base + binOfCode(code, place)] += from[slot + code]
  })
  return to
}
