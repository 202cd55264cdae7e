import { MEMORY_BYTES_MAX } from '../../core/wasm.ts'
import { CONTROL_BYTES } from './crew.ts'
import { keepsHistograms } from './grow.ts'
import { NODE_WORDS, WIDE_WORDS } from './grown-tree.ts'
import { blockRowsOf, type MachineSetup } from './machine.ts'

/** Rows whose bins are copied in at a time. */
export const STAGED_ROWS = 16_384
/** Bytes between the results of two threads: a cache line, so that they do not fight for it. */
export const RESULT_BYTES = 64
/** Bytes of a thread's batch of rows. */
const BATCH_BYTES = 256 * 16 + 64

/** 32-bit words of a column in its table: where its codes begin, byte of a row, whether it is wide, first slot in bytes, codes. */
export const COLUMN_WORDS = 5
/**
 * Of a feature: column, divisor, codes, first slot in a histogram over features, 0; of a sparse one: -1, common bin, codes, that slot, first slot in bytes;
 * last, whether it is a category.
 */
export const FEATURE_WORDS = 6
/** Leaves that are scanned together. */
export const SCAN_LEAVES = 2
/** Doubles of the rules of scans. */
export const SCAN_RULES = 11
/** Bytes of what is asked of a scan: places of a histogram and of counts, packed sum, rows; then a byte a feature that takes part. */
export const SCAN_BYTES = 24
/** Bytes a feature of what a scan finds: two doubles, two words, and a bit for each category that goes left. */
export const SCAN_OUT_BYTES = 56
/** Bytes in which a thread works out the scan of a feature. */
const SCRATCH_BYTES = 17_408

/** Where everything lies in the memory of a training, in bytes, and the sizes that follow from the data. */
export interface Layout {
  nThreads: number
  nRows: number
  nOutputs: number
  nFeatures: number
  nColumns: number
  nByteColumns: number
  stride: number
  blockRows: number
  nBlocks: number
  rowBytes: number
  histBytes: number
  records: number
  /** Codes by column, `columnAt` says where each begins. */
  columns: number
  columnAt: number[]
  rows: number
  spare: number
  leafOf: number
  score: number
  target: number
  /** 0 when there are none. */
  weights: number
  grad: number
  hess: number
  ranges: number
  results: number
  sides: number
  fractions: number
  batches: number
  partials: number
  sums: number
  leafRanges: number
  leafValues: number
  nodes: number
  wideBits: number
  /** Tables that the kernels read: columns, features, and what is asked of a scan. */
  columnTable: number
  featureTable: number
  scanRules: number
  scanTable: number
  scanOut: number
  scratches: number
  seen: number
  /** Entries of sparse features by row, and by feature; `totalAt` is the slot of the sum of all rows, in bytes, or 0 without such features. */
  sparseStarts: number
  sparseSlots: number
  listRows: number
  listCodes: number
  listed: number
  totalAt: number
  validStarts: number
  validSlots: number
  staging: number
  validBins: number
  validScore: number
  nValid: number
  header: number
  histograms: number
  nHistograms: number
  /** Bytes in all. */
  end: number
}

/** Words of the header, in the order in which `configure` of the kernels reads them. */
const HEADER = [
  'nThreads',
  'nRows',
  'nFeatures',
  'nColumns',
  'nByteColumns',
  'stride',
  'blockRows',
  'nBlocks',
  'records',
  'rows',
  'spare',
  'leafOf',
  'score',
  'target',
  'weights',
  'grad',
  'hess',
  'ranges',
  'results',
  'sides',
  'fractions',
  'batches',
  'partials',
  'histBytes',
  'sums',
  'leafRanges',
  'leafValues',
  'nodes',
  'nOutputs',
  'columnTable',
  'featureTable',
  'scanRules',
  'scanTable',
  'scanOut',
  'scratches',
  'sparseStarts',
  'sparseSlots',
  'listRows',
  'listCodes',
  'listed',
  'totalAt',
] as const satisfies readonly (keyof Layout)[]

type HeaderWord = (typeof HEADER)[number]

export function headerWords(layout: Pick<Layout, HeaderWord>): Uint32Array {
  return Uint32Array.from(HEADER, (name) => layout[name])
}

/** Lays out the memory of a training; `null` when it would not fit in 32-bit addresses. Cost: O(1). */
export function layOut({ rows, valid, params, objective }: MachineSetup, nThreads: number): Layout | null {
  const { nRows, nFeatures, plan } = rows.data
  const { nOutputs } = objective
  const rowBytes = plan.rowWords * 4
  const stride = recordBytes(rowBytes)
  const blockRows = blockRowsOf(nRows)
  const nBlocks = Math.ceil(nRows / blockRows)
  const histBytes = plan.nSlots * 8
  const nHistograms = keepsHistograms(plan, params) ? params.leaves + 3 : 5
  const nValid = valid?.data.nRows ?? 0
  const { leaves } = params
  const nEntries = rows.data.sparse?.slots.length ?? 0
  const validSparse = valid?.data.sparse
  const listedRows = plan.totalSlot > 0 ? nRows : 0
  const hasWide = plan.columns.some(({ isWide }) => isWide)
  let end = CONTROL_BYTES
  /** Reserves bytes from a cache line on; kernels may read a line beyond. */
  const take = (bytes: number) => {
    const at = end
    end += Math.ceil(bytes / 64) * 64 + 64
    return at
  }
  const layout: Layout = {
    nThreads,
    nRows,
    nOutputs,
    nFeatures,
    nColumns: plan.columns.length,
    nByteColumns: plan.nByteColumns,
    stride,
    blockRows,
    nBlocks,
    rowBytes,
    histBytes,
    nHistograms,
    nValid,
    header: take(HEADER.length * 4),
    ranges: take(nThreads * 8),
    results: take(nThreads * RESULT_BYTES),
    sides: take(hasWide ? 65_536 : 256),
    fractions: take(64 * 8),
    batches: take(nThreads * BATCH_BYTES),
    partials: take(nThreads * histBytes),
    sums: take(nBlocks * (leaves + 1) * 24),
    leafRanges: take(leaves * nThreads * 8),
    leafValues: take(leaves * 8),
    nodes: take(2 * leaves * NODE_WORDS * 4),
    wideBits: take(hasWide ? leaves * WIDE_WORDS * 4 : 0),
    columnTable: take(plan.columns.length * COLUMN_WORDS * 4),
    featureTable: take(nFeatures * FEATURE_WORDS * 4),
    scanRules: take(SCAN_RULES * 8),
    scanTable: take(SCAN_LEAVES * (SCAN_BYTES + nFeatures)),
    scanOut: take(SCAN_LEAVES * nFeatures * SCAN_OUT_BYTES),
    scratches: take(nThreads * SCRATCH_BYTES),
    seen: take(plan.featureSlots[nFeatures] * 8),
    records: take(nRows * stride),
    columns: end,
    columnAt: plan.columns.map(({ isWide }) => take(isWide ? nRows * 2 : nRows)),
    rows: take(nRows * 4),
    spare: take(nRows * 4),
    leafOf: take(nRows * 2),
    score: take(nRows * nOutputs * 8),
    target: take(nRows * 8),
    weights: rows.labels.weights ? take(nRows * 8) : 0,
    grad: take(nRows * nOutputs * 8),
    hess: take(nRows * nOutputs * 8),
    sparseStarts: take(listedRows * 4 + 4),
    sparseSlots: take(nEntries * 4),
    listRows: take(nEntries * 4),
    listCodes: take(nEntries),
    listed: take(listedRows),
    totalAt: plan.totalSlot * 8,
    validStarts: take(validSparse ? (nValid + 1) * 4 : 0),
    validSlots: take(validSparse ? validSparse.slots.length * 4 : 0),
    staging: take(Math.min(nRows, STAGED_ROWS) * rowBytes),
    validBins: take(nValid * rowBytes),
    validScore: take(nValid * nOutputs * 8),
    histograms: take(nHistograms * histBytes),
    end: 0,
  }
  layout.end = end
  return end <= MEMORY_BYTES_MAX ? layout : null
}

/** Bytes of a record: 4 of gradient and hessian, then the bins; rounded up where that keeps a record within one cache line. */
function recordBytes(rowBytes: number): number {
  const bytes = 4 + rowBytes
  if (bytes <= 16) return 16
  if (bytes <= 32) return 32
  return bytes > 48 && bytes <= 64 ? 64 : bytes
}
