/**
 * The hot loops of gradient boosting over plain typed arrays. `kernels/gbdt.ts` is their WebAssembly twin, bit for bit.
 *
 * A histogram has 256 slots a column of one byte; a slot holds `G * unit + H` in one double, where G and H are sums of quantised gradients and
 * hessians. While `rows * max(H) < unit` and `rows * max(|G|) * unit < 2^52` the sum is an exact integer, so the order of rows, threads
 * or subtraction cannot change it. Prior art: quantised training of LightGBM 4 (Shi et al., 2022).
 */
import { mix32 } from '../../core/rng.ts'
import type { BinnedData } from './binning.ts'
import type { Column, ColumnPlan } from './columns.ts'
import { NO_LEAF, SLOTS } from './sizes.ts'
import type { SparseLists, SparseRows } from './sparse.ts'

/**
 * A row as the histogram loop reads it: one word of quantised gradient and hessian, then the codes of its columns, four bytes to a word. One place in
 * memory, so a row deep in a tree costs one cache miss.
 */
export interface Records {
  plan: ColumnPlan
  /** 32-bit words a row: 1 and the words of codes. */
  stride: number
  words: Int32Array
  sparse: SparseRows | null
}

/** Lays out binned rows as records, gradients still 0. */
export function openRecords({ words, plan, nRows, sparse }: BinnedData): Records {
  const { rowWords } = plan
  const stride = rowWords + 1
  const out = new Int32Array(nRows * stride)
  for (let i = 0; i < nRows; i++) {
    for (let w = 0; w < rowWords; w++) out[i * stride + 1 + w] = words[i * rowWords + w]
  }
  return { plan, stride, words: out, sparse }
}

/** How gradients and hessians share one word of a record and one double of a histogram. */
export interface Packing {
  /** Power of two above every sum of quantised hessians. */
  unit: number
  gradMax: number
  hessMax: number
  /** Low bits of a record's word that hold the hessian. */
  hessShift: number
}

/**
 * Splits the 52 exact bits of a double between gradient and hessian sums over at most `nRows` rows.
 * A constant hessian needs one step only, so the gradients get its bits.
 */
export function packing(nRows: number, constantHessian: boolean): Packing {
  const rowBits = Math.ceil(Math.log2(nRows + 1))
  const freeBits = 52 - 2 * rowBits
  const hessBits = constantHessian ? 0 : Math.min(12, Math.floor(freeBits / 2))
  const gradBits = Math.min(29 - hessBits, freeBits - hessBits)
  return {
    unit: 2 ** (rowBits + hessBits),
    gradMax: 2 ** gradBits,
    hessMax: 2 ** hessBits,
    hessShift: hessBits + 1,
  }
}

/**
 * Quantises gradients and hessians into the records, rounding at random by a counter hash of (row, `salt`): unbiased, and the same for
 * any order of rows. `hessScale` 0 means a constant hessian of one step.
 */
export function quantise(
  grad: Float64Array,
  hess: Float64Array,
  gradScale: number,
  hessScale: number,
  hessShift: number,
  salt: number,
  { words, stride }: Records,
): void {
  for (let i = 0, at = 0; i < grad.length; i++, at += stride) {
    const bits = mix32(i ^ salt)
    const g = Math.floor(grad[i] * gradScale + (bits & 0xffff) / 65536)
    const h = hessScale === 0 ? 1 : Math.floor(hess[i] * hessScale + (bits >>> 16) / 65536)
    words[at] = (g << hessShift) | h
  }
}

/** Codes of one column. */
export type Codes = Uint8Array | Uint16Array

/** Codes by column, for partitions: a column of single bytes stays in cache where whole rows would not. */
export function codesByColumn({ bytes, words, plan, nRows }: BinnedData): Codes[] {
  const halves = new Uint16Array(words.buffer, words.byteOffset, words.length * 2)
  const out = plan.columns.map(({ isWide }) => (isWide ? new Uint16Array(nRows) : new Uint8Array(nRows)))
  const blockRows = 4096
  for (let from = 0; from < nRows; from += blockRows) {
    const end = Math.min(nRows, from + blockRows)
    plan.columns.forEach(({ at, isWide }, c) => {
      if (isWide) copyEvery(halves, from, end, plan.rowWords * 2, at / 2, out[c])
      else copyEvery(bytes, from, end, plan.rowWords * 4, at, out[c])
    })
  }
  return out
}

function copyEvery(rows: Codes, from: number, end: number, step: number, at: number, out: Codes): void {
  for (let i = from, k = from * step + at; i < end; i++, k += step) out[i] = rows[k]
}

// ---------------------------------------------------------------- histograms

/** Adds the records of `rows[begin, end)` to `hist`, bins from word `wordAt` on. */
type HistogramKernel = (
  hist: Float64Array,
  words: Int32Array,
  stride: number,
  wordAt: number,
  unit: number,
  hessShift: number,
  rows: Int32Array,
  begin: number,
  end: number,
) => void

/** Rows a kernel takes at one call: few enough that touched records stay in the first-level cache until all passes have read them. */
const BLOCK_ROWS = 256

/** Columns one pass over the rows takes. More would spill registers. */
const PASS_COLUMNS = 32

/** Where the loads of `touchRecords` end, so that they are not optimised away. */
const touched = new Int32Array(1)

/**
 * Loads the records of a block into cache. A loop of loads alone has dozens of cache misses under way at once; the histogram loop has
 * five, as additions fill the processor's window. On 1.4 million rows this halves the time of small leaves.
 */
function touchRecords(words: Int32Array, stride: number, rows: Int32Array, from: number, to: number): number {
  let sum = 0
  for (let i = from; i < to; i++) sum ^= words[rows[i] * stride]
  return sum
}

/** Clears `hist`, over columns, and fills it from the rows. `everyRow` says that `rows` is not needed: all from `begin` to `end`. */
export function buildHistogram(
  hist: Float64Array,
  records: Records,
  packing: Packing,
  rows: Int32Array,
  begin: number,
  end: number,
  everyRow: boolean,
): void {
  const { plan, words, stride } = records
  hist.fill(0)
  for (let from = begin; from < end; from += BLOCK_ROWS) {
    const to = Math.min(end, from + BLOCK_ROWS)
    if (!everyRow) touched[0] ^= touchRecords(words, stride, rows, from, to)
    for (let j = 0; j < plan.nByteColumns; j += PASS_COLUMNS) {
      const kernel = histogramKernel(Math.min(PASS_COLUMNS, plan.nByteColumns - j), everyRow)
      kernel(hist, words, stride, j / 4, packing.unit, packing.hessShift, rows, from, to)
    }
    for (let c = plan.nByteColumns; c < plan.columns.length; c++) {
      addWideColumn(hist, records, plan.columns[c], packing, rows, from, to, everyRow)
    }
    if (records.sparse) addSparse(hist, records, records.sparse, packing, everyRow ? null : rows, from, to)
  }
}

function addWideColumn(
  hist: Float64Array,
  { words, stride }: Records,
  { at, slot }: Column,
  { unit, hessShift }: Packing,
  rows: Int32Array,
  begin: number,
  end: number,
  everyRow: boolean,
): void {
  const mask = (1 << hessShift) - 1
  const wordAt = 1 + (at >> 2)
  const shift = (at & 2) * 8
  for (let i = begin; i < end; i++) {
    const row = (everyRow ? i : rows[i]) * stride
    hist[slot + ((words[row + wordAt] >>> shift) & 0xffff)] +=
      (words[row] >> hessShift) * unit + (words[row] & mask)
  }
}

/** Adds rows to the slots of their entries, and to the total. `rows` is `null` for all from `begin` to `end`. */
function addSparse(
  hist: Float64Array,
  { words, stride, plan }: Records,
  { starts, slots }: SparseRows,
  { unit, hessShift }: Packing,
  rows: Int32Array | null,
  begin: number,
  end: number,
): void {
  const mask = (1 << hessShift) - 1
  for (let i = begin; i < end; i++) {
    const row = rows ? rows[i] : i
    const word = words[row * stride]
    const packed = (word >> hessShift) * unit + (word & mask)
    hist[plan.totalSlot] += packed
    for (let k = starts[row]; k < starts[row + 1]; k++) hist[slots[k]] += packed
  }
}

const kernels = new Map<number, HistogramKernel>()

function histogramKernel(nColumns: number, everyRow: boolean): HistogramKernel {
  const key = nColumns * 2 + Number(everyRow)
  let kernel = kernels.get(key)
  if (!kernel) {
    kernel = generatedKernel(nColumns, everyRow)
    kernels.set(key, kernel)
  }
  return kernel
}

/** Unrolls the loop over columns. Where code generation is forbidden the plain loop does the same work, slower. */
function generatedKernel(nColumns: number, everyRow: boolean): HistogramKernel {
  try {
    return new Function(
      'hist',
      'words',
      'stride',
      'wordAt',
      'unit',
      'hessShift',
      'rows',
      'begin',
      'end',
      unrolledBody(nColumns, everyRow),
    ) as HistogramKernel
  } catch {
    return plainHistogram(nColumns, everyRow)
  }
}

function unrolledBody(nColumns: number, everyRow: boolean): string {
  const adds: string[] = []
  for (let j = 0; j < nColumns; j++) {
    if (j % 4 === 0) adds.push(`w = words[at + ${j / 4 + 1}]`)
    const shift = (j % 4) * 8
    const byte = shift === 24 ? 'w >>> 24' : shift === 0 ? 'w & 255' : `(w >>> ${shift}) & 255`
    adds.push(`hist[base + ${j * SLOTS} + (${byte})] += p`)
  }
  return `'use strict'
    const base = wordAt * ${4 * SLOTS}
    const mask = (1 << hessShift) - 1
    for (let i = begin; i < end; i++) {
      const row = ${everyRow ? 'i' : 'rows[i]'}
      let w = words[row * stride]
      const p = (w >> hessShift) * unit + (w & mask)
      const at = row * stride + wordAt
      ${adds.join('\n      ')}
    }`
}

/** The same as the generated kernel, as a plain loop: fallback and oracle. */
export function plainHistogram(nColumns: number, everyRow: boolean): HistogramKernel {
  return (hist, words, stride, wordAt, unit, hessShift, rows, begin, end) => {
    const mask = (1 << hessShift) - 1
    for (let i = begin; i < end; i++) {
      const at = (everyRow ? i : rows[i]) * stride
      const packed = (words[at] >> hessShift) * unit + (words[at] & mask)
      for (let j = 0; j < nColumns; j++) {
        const byte = (words[at + 1 + wordAt + (j >> 2)] >>> ((j & 3) * 8)) & 255
        hist[(wordAt * 4 + j) * SLOTS + byte] += packed
      }
    }
  }
}

/** `from -= part`, slot by slot: the larger child's histogram is its parent's less its sibling's. */
export function subtractHistogram(from: Float64Array, part: Float64Array): void {
  for (let i = 0; i < from.length; i++) from[i] -= part[i]
}

/** Rows by slot, over columns: exact counts for leaves where the hessian's estimate has failed. */
export function countHistogram(
  counts: Float64Array,
  { columns, totalSlot }: ColumnPlan,
  codes: readonly Codes[],
  sparse: SparseRows | null,
  rows: Int32Array,
  begin: number,
  end: number,
): void {
  counts.fill(0)
  if (sparse) {
    counts[totalSlot] = end - begin
    for (let i = begin; i < end; i++) {
      for (let k = sparse.starts[rows[i]]; k < sparse.starts[rows[i] + 1]; k++) counts[sparse.slots[k]]++
    }
  }
  codes.forEach((column, c) => {
    const { slot } = columns[c]
    for (let i = begin; i < end; i++) counts[slot + column[rows[i]]]++
  })
}

// ---------------------------------------------------------------- rows

/**
 * Divides `rows[begin, end)` in place, keeping order: rows whose code has `goesRight[code] === 0` come first. Returns where the right side
 * begins. Both sides are written for every row and only the cursors differ, so there is no branch to mispredict.
 */
export function partitionRows(
  rows: Int32Array,
  begin: number,
  end: number,
  column: Codes,
  goesRight: Uint8Array,
  spare: Int32Array,
): number {
  let left = begin
  for (let from = begin; from < end; from += BLOCK_ROWS) {
    left = partitionBlock(
      rows,
      from,
      Math.min(end, from + BLOCK_ROWS),
      column,
      goesRight,
      spare,
      left,
      from - left,
    )
  }
  rows.set(spare.subarray(0, end - left), left)
  return left
}

/**
 * Lists the rows that take part in a tree, in order, each by a hash of row and `salt`; a share of 1 is all. The others get no leaf. Returns how many
 * take part.
 */
export function drawRows(rows: Int32Array, leafOf: Uint16Array, share: number, salt: number): number {
  const limit = share * 2 ** 32
  let n = 0
  for (let i = 0; i < rows.length; i++) {
    if (share === 1 || mix32(Math.imul(i + 1, 0x85ebca6b) ^ ~salt) < limit) rows[n++] = i
    else leafOf[i] = NO_LEAF
  }
  return n
}

/** Sides of one block's rows: looked up before any row moves, so that the look-ups overlap. */
const sides = new Uint8Array(BLOCK_ROWS)

function partitionBlock(
  rows: Int32Array,
  from: number,
  to: number,
  column: Codes,
  goesRight: Uint8Array,
  spare: Int32Array,
  left: number,
  nRight: number,
): number {
  for (let i = from; i < to; i++) sides[i - from] = goesRight[column[rows[i]]]
  for (let i = from; i < to; i++) {
    const row = rows[i]
    const right = sides[i - from]
    rows[left] = row
    spare[nRight] = row
    nRight += right
    left += 1 - right
  }
  return left
}

/** Calls `divide` with a column of a sparse feature's codes, 0 where its common bin is. `column` is all 0 and is left so. Cost: O(entries). */
export function withListed<T>(
  { starts, rows, codes }: SparseLists,
  feature: number,
  column: Uint8Array,
  divide: () => T,
): T {
  for (let k = starts[feature]; k < starts[feature + 1]; k++) column[rows[k]] = codes[k]
  const result = divide()
  for (let k = starts[feature]; k < starts[feature + 1]; k++) column[rows[k]] = 0
  return result
}

/** Notes for each row of a range which leaf it is in. */
export function markLeaf(
  leafOf: Uint16Array,
  rows: Int32Array,
  begin: number,
  end: number,
  leaf: number,
): void {
  for (let i = begin; i < end; i++) leafOf[rows[i]] = leaf
}

/**
 * Sums of gradient, hessian and weight by leaf within each block of `blockRows` rows, in row order. A block's sums are `nLeaves + 1` triples,
 * the last for rows without a leaf.
 */
export function sumBlocksByLeaf(
  leafOf: Uint16Array,
  grad: Float64Array,
  hess: Float64Array,
  weights: Float64Array | null,
  nLeaves: number,
  blockRows: number,
): Float64Array {
  const width = (nLeaves + 1) * 3
  const sums = new Float64Array(Math.ceil(leafOf.length / blockRows) * width)
  for (let begin = 0, base = 0; begin < leafOf.length; begin += blockRows, base += width) {
    const end = Math.min(leafOf.length, begin + blockRows)
    for (let i = begin; i < end; i++) {
      const at = base + Math.min(leafOf[i], nLeaves) * 3
      sums[at] += grad[i]
      sums[at + 1] += hess[i]
      if (weights) sums[at + 2] += weights[i]
    }
  }
  return sums
}

/** Adds each row's leaf value to its raw score. */
export function addLeafValues(score: Float64Array, leafOf: Uint16Array, values: Float64Array): void {
  for (let i = 0; i < score.length; i++) score[i] += values[leafOf[i]]
}

/** Largest absolute value. */
export function maxAbs(values: Float64Array): number {
  let max = 0
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]))
  return max
}
