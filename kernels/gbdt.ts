/**
 * Hot loops of gradient boosting in AssemblyScript: the twin of src/train/gbdt/kernels.ts, bit for bit.
 *
 * Threads share one memory; each has an instance of its own. Rows belong to threads by block: thread `t` of `nThreads` owns the blocks
 * `t`, `t + nThreads`, …, and its rows stay in its own region of the index array, so that only histograms and sums of blocks meet.
 * Where everything lies is in a header of 32-bit words that src/train/gbdt/layout.ts writes.
 */

const SLOT_BYTES = 2048 // 256 slots of 8 bytes: one column of a histogram
const BATCH: u32 = 128 // rows whose records are loaded before they are used
const ENTRY: u32 = 16 // bytes of a row in a batch: where its record lies, and what it adds
const HEAD: u32 = 4 // bytes of gradient and hessian in front of the bins of a record
const NOWHERE: u32 = 65535 // leaf of rows that no tree was grown on
const STEP: f64 = 0.010830424696249145 // ln 2 / 64
const WHOLE: f64 = 6755399441055744 // 1.5 * 2^52: added to a whole number, it leaves that number in the low bits

let nThreads: u32 = 1
let nRows: u32 = 0
let nFeatures: u32 = 0
let nColumns: u32 = 0
let nByteColumns: u32 = 0
let stride: u32 = 0
let blockRows: u32 = 0
let nBlocks: u32 = 0
let records: usize = 0
let rows: usize = 0
let spare: usize = 0
let leafOf: usize = 0
let score: usize = 0
let target: usize = 0
let weights: usize = 0
let grad: usize = 0
let hess: usize = 0
let ranges: usize = 0
let results: usize = 0
let sides: usize = 0
let fractions: usize = 0
let batches: usize = 0
let partials: usize = 0
let histBytes: u32 = 0
let sums: usize = 0
let leafRanges: usize = 0
let leafValues: usize = 0
let nodes: usize = 0
let nOutputs: u32 = 1
let scores: usize = 0 // of all outputs; `score`, `grad` and `hess` are those of the output that is worked on
let grads: usize = 0
let hesses: usize = 0
let columnTable: usize = 0
let featureTable: usize = 0
let scanRules: usize = 0
let scanTable: usize = 0
let scanOut: usize = 0
let scratches: usize = 0
let sparseStarts: usize = 0
let sparseSlots: usize = 0
let listRows: usize = 0
let listCodes: usize = 0
let listed: usize = 0
let totalAt: u32 = 0 // slot of the sum of all rows in bytes; 0 without sparse features
let hessShift: i32 = 1
let unitBits: i32 = 0

/** Reads the header. */
export function configure(header: usize): void {
  nThreads = load<u32>(header)
  nRows = load<u32>(header, 4)
  nFeatures = load<u32>(header, 8)
  nColumns = load<u32>(header, 12)
  nByteColumns = load<u32>(header, 16)
  stride = load<u32>(header, 20)
  blockRows = load<u32>(header, 24)
  nBlocks = load<u32>(header, 28)
  records = load<u32>(header, 32)
  rows = load<u32>(header, 36)
  spare = load<u32>(header, 40)
  leafOf = load<u32>(header, 44)
  score = scores = load<u32>(header, 48)
  target = load<u32>(header, 52)
  weights = load<u32>(header, 56)
  grad = grads = load<u32>(header, 60)
  hess = hesses = load<u32>(header, 64)
  ranges = load<u32>(header, 68)
  results = load<u32>(header, 72)
  sides = load<u32>(header, 76)
  fractions = load<u32>(header, 80)
  batches = load<u32>(header, 84)
  partials = load<u32>(header, 88)
  histBytes = load<u32>(header, 92)
  sums = load<u32>(header, 96)
  leafRanges = load<u32>(header, 100)
  leafValues = load<u32>(header, 104)
  nodes = load<u32>(header, 108)
  nOutputs = load<u32>(header, 112)
  columnTable = load<u32>(header, 116)
  featureTable = load<u32>(header, 120)
  scanRules = load<u32>(header, 124)
  scanTable = load<u32>(header, 128)
  scanOut = load<u32>(header, 132)
  scratches = load<u32>(header, 136)
  sparseStarts = load<u32>(header, 140)
  sparseSlots = load<u32>(header, 144)
  listRows = load<u32>(header, 148)
  listCodes = load<u32>(header, 152)
  listed = load<u32>(header, 156)
  totalAt = load<u32>(header, 160)
}

// Words of a column in its table, and of a feature.
function codesAt(column: usize): usize {
  return load<u32>(column)
}
function byteOf(column: usize): u32 {
  return load<u32>(column, 4)
}
function isWide(column: usize): bool {
  return load<u32>(column, 8) !== 0
}
function slotOf(column: usize): usize {
  return load<u32>(column, 12)
}
function nCodesOf(column: usize): u32 {
  return load<u32>(column, 16)
}
function columnAt(c: u32): usize {
  return columnTable + c * 20
}

// Words of a feature in its table: those of a sparse one are -1, common bin, codes, slot over features, first slot in bytes; the last says whether it is a
// category.
function featureAt(f: u32): usize {
  return featureTable + f * 24
}
function isCategory(feature: usize): bool {
  return load<u32>(feature, 20) !== 0
}
function isListed(feature: usize): bool {
  return load<u32>(feature) === 0xffffffff
}

function blockEnd(block: u32): u32 {
  return min(nRows, (block + 1) * blockRows)
}

// ---------------------------------------------------------------- opening

/** Spreads the codes of rows `[begin, end)`, which lie row by row at `from`, to records and columns. */
export function spreadBins(from: usize, rowBytes: u32, begin: u32, end: u32): void {
  for (let i = begin, row = from; i < end; i++, row += rowBytes) {
    const record = records + i * stride
    store<u32>(record, 0)
    for (let b: u32 = 0; b < rowBytes; b += 4) store<u32>(record + b, load<u32>(row + b), HEAD)
  }
  for (let c: u32 = 0; c < nColumns; c++) {
    const column = columnAt(c)
    const codes = codesAt(column)
    let at = from + byteOf(column)
    if (isWide(column)) {
      for (let i = begin; i < end; i++, at += rowBytes) store<u16>(codes + (i << 1), load<u16>(at))
    } else {
      for (let i = begin; i < end; i++, at += rowBytes) store<u8>(codes + i, load<u8>(at))
    }
  }
}

// ---------------------------------------------------------------- gradients

function expPair(x: v128): v128 {
  const n = f64x2.floor(f64x2.add(f64x2.div(x, f64x2.splat(STEP)), f64x2.splat(0.5)))
  const r = f64x2.sub(x, f64x2.mul(n, f64x2.splat(STEP)))
  let poly = f64x2.add(f64x2.splat(1.0 / 24.0), f64x2.mul(r, f64x2.splat(1.0 / 120.0)))
  poly = f64x2.add(f64x2.splat(1.0 / 6.0), f64x2.mul(r, poly))
  poly = f64x2.add(f64x2.splat(0.5), f64x2.mul(r, poly))
  poly = f64x2.add(f64x2.splat(1.0), f64x2.mul(r, poly))
  poly = f64x2.add(f64x2.splat(1.0), f64x2.mul(r, poly))
  const steps = f64x2.add(n, f64x2.splat(WHOLE))
  const a = fractions + ((i32x4.extract_lane(steps, 0) & 63) << 3)
  const b = fractions + ((i32x4.extract_lane(steps, 2) & 63) << 3)
  const table = v128.load64_lane(b, v128.load64_zero(a), 1)
  const power = i64x2.shl(i64x2.add(i64x2.shr_u(steps, 6), i64x2.splat(1023)), 52)
  return f64x2.mul(f64x2.mul(poly, table), power)
}

function logLossChance(s: v128): v128 {
  const x = f64x2.max(f64x2.splat(-60), f64x2.min(f64x2.splat(60), f64x2.neg(s)))
  return f64x2.div(f64x2.splat(1), f64x2.add(f64x2.splat(1), expPair(x)))
}

function signOf(g: v128): v128 {
  const above = v128.and(f64x2.gt(g, f64x2.splat(0)), f64x2.splat(1))
  return v128.or(above, v128.and(f64x2.lt(g, f64x2.splat(0)), f64x2.splat(-1)))
}

/** Two rows from an array, or at the end of a block one row twice. */
function loadPair(at: usize, two: bool): v128 {
  return two ? v128.load(at) : v128.load64_splat(at)
}

function storePair(at: usize, pair: v128, two: bool): void {
  if (two) v128.store(at, pair)
  else store<f64>(at, f64x2.extract_lane(pair, 0))
}

let topG: v128 = f64x2.splat(0)
let topH: v128 = f64x2.splat(0)

/**
 * Fills gradients and hessians of the thread's rows; leaves the largest absolute values in `results`. Kinds: 0 log loss, 1 squared error,
 * 2 absolute error.
 */
export function gradients(thread: u32, kind: i32): void {
  topG = topH = f64x2.splat(0)
  for (let block = thread; block < nBlocks; block += nThreads) {
    const from = (block * blockRows) << 3
    const end = blockEnd(block) << 3
    pairGradients(kind === 0 ? logLossGradients(from, end) : from, end, kind)
  }
  storeTops(thread, topG, topH)
}

/** Pairs of rows by log loss; returns the end of the last whole pair. Its numbers are finite, so a maximum need not look for others. */
function logLossGradients(from: usize, end: usize): usize {
  const one = f64x2.splat(1)
  let maxG = topG
  let maxH = topH
  let at = from
  for (; at + 16 <= end; at += 16) {
    const x = f64x2.pmax(f64x2.splat(-60), f64x2.pmin(f64x2.splat(60), f64x2.neg(v128.load(score + at))))
    const p = f64x2.div(one, f64x2.add(one, expPair(x)))
    let g = f64x2.sub(p, v128.load(target + at))
    let h = f64x2.mul(p, f64x2.sub(one, p))
    if (weights) {
      const w = v128.load(weights + at)
      g = f64x2.mul(g, w)
      h = f64x2.mul(h, w)
    }
    v128.store(grad + at, g)
    v128.store(hess + at, h)
    maxG = f64x2.pmax(maxG, f64x2.abs(g))
    maxH = f64x2.pmax(maxH, f64x2.abs(h))
  }
  topG = maxG
  topH = maxH
  return at
}

function pairGradients(from: usize, end: usize, kind: i32): void {
  for (let at = from; at < end; at += 16) {
    const two = at + 16 <= end
    const s = loadPair(score + at, two)
    const y = loadPair(target + at, two)
    let g: v128
    let h = f64x2.splat(1)
    if (kind === 0) {
      const p = logLossChance(s)
      g = f64x2.sub(p, y)
      h = f64x2.mul(p, f64x2.sub(f64x2.splat(1), p))
    } else {
      g = f64x2.sub(s, y)
      if (kind === 2) g = signOf(g)
    }
    if (weights) {
      const w = loadPair(weights + at, two)
      g = f64x2.mul(g, w)
      h = f64x2.mul(h, w)
    }
    storePair(grad + at, g, two)
    storePair(hess + at, h, two)
    topG = f64x2.max(topG, f64x2.abs(g))
    topH = f64x2.max(topH, f64x2.abs(h))
  }
}

function storeTops(thread: u32, topG: v128, topH: v128): void {
  const out = results + thread * 64
  store<f64>(out, max(f64x2.extract_lane(topG, 0), f64x2.extract_lane(topG, 1)))
  store<f64>(out, max(f64x2.extract_lane(topH, 0), f64x2.extract_lane(topH, 1)), 8)
}

/**
 * Fills gradients and hessians of all outputs for the thread's rows: p - t and `factor` p (1 - p), where the right class has the target `high` and others
 * `low`.
 */
export function softmaxGradients(thread: u32, low: f64, high: f64, factor: f64): void {
  const width: usize = (<usize>nRows) << 3
  const span = width * nOutputs
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block) << 3
    for (let at = (block * blockRows) << 3; at < end; at += 16) {
      const two = at + 16 <= end
      let top = loadPair(scores + at, two)
      for (let k = width; k < span; k += width) top = f64x2.max(top, loadPair(scores + k + at, two))
      let sum = f64x2.splat(0)
      for (let k: usize = 0; k < span; k += width) {
        const e = expPair(f64x2.max(f64x2.splat(-60), f64x2.sub(loadPair(scores + k + at, two), top)))
        storePair(grads + k + at, e, two)
        sum = f64x2.add(sum, e)
      }
      softmaxShares(at, two, sum, low, high, factor)
    }
  }
}

/** Turns the exponentials of a pair of rows into gradients and hessians. */
function softmaxShares(at: usize, two: bool, sum: v128, low: f64, high: f64, factor: f64): void {
  const width: usize = (<usize>nRows) << 3
  const y = loadPair(target + at, two)
  const w = weights ? loadPair(weights + at, two) : f64x2.splat(1)
  let k: usize = at
  for (let output: u32 = 0; output < nOutputs; output++, k += width) {
    const p = f64x2.div(loadPair(grads + k, two), sum)
    const t = v128.bitselect(f64x2.splat(high), f64x2.splat(low), f64x2.eq(y, f64x2.splat(output)))
    const h = f64x2.mul(f64x2.splat(factor), f64x2.mul(p, f64x2.sub(f64x2.splat(1), p)))
    storePair(grads + k, f64x2.mul(f64x2.sub(p, t), w), two)
    storePair(hesses + k, f64x2.mul(h, w), two)
  }
}

/** Turns to one output, and leaves the largest absolute values of its gradients and hessians of the thread's rows in `results`. */
export function openOutput(thread: u32, output: u32): void {
  const from = <usize>output * ((<usize>nRows) << 3)
  score = scores + from
  grad = grads + from
  hess = hesses + from
  let topG = f64x2.splat(0)
  let topH = f64x2.splat(0)
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block) << 3
    for (let at = (block * blockRows) << 3; at < end; at += 16) {
      const two = at + 16 <= end
      topG = f64x2.max(topG, f64x2.abs(loadPair(grad + at, two)))
      topH = f64x2.max(topH, f64x2.abs(loadPair(hess + at, two)))
    }
  }
  storeTops(thread, topG, topH)
}

function mixFour(x: v128): v128 {
  let h = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), i32x4.splat(0x85ebca6b))
  h = i32x4.mul(v128.xor(h, i32x4.shr_u(h, 13)), i32x4.splat(0xc2b2ae35))
  return v128.xor(h, i32x4.shr_u(h, 16))
}

function mixOne(x: u32): u32 {
  let h = (x ^ (x >> 16)) * 0x85ebca6b
  h = (h ^ (h >> 13)) * 0xc2b2ae35
  return h ^ (h >> 16)
}

/** Two rows as words `g << hessShift | h`: gradients and hessians rounded up with the chance that `low` and `high` bits give. */
function packPair(at: usize, low: v128, high: v128, gradScale: f64, hessScale: f64): v128 {
  const part = f64x2.splat(1.0 / 65536.0)
  const g = f64x2.floor(
    f64x2.add(
      f64x2.mul(v128.load(grad + at), f64x2.splat(gradScale)),
      f64x2.mul(f64x2.convert_low_i32x4_u(low), part),
    ),
  )
  const packed = i32x4.shl(i32x4.trunc_sat_f64x2_s_zero(g), hessShift)
  if (hessScale === 0) return v128.or(packed, i32x4.splat(1))
  const h = f64x2.floor(
    f64x2.add(
      f64x2.mul(v128.load(hess + at), f64x2.splat(hessScale)),
      f64x2.mul(f64x2.convert_low_i32x4_u(high), part),
    ),
  )
  return v128.or(packed, i32x4.trunc_sat_f64x2_s_zero(h))
}

/**
 * Quantises the gradients of the thread's rows into their records and keeps how words are packed. Arrays are padded, so four rows at a time never leave
 * them.
 */
export function quantise(
  thread: u32,
  gradScale: f64,
  hessScale: f64,
  wordShift: i32,
  sumShift: i32,
  salt: i32,
): void {
  hessShift = wordShift
  unitBits = sumShift
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block)
    let record = records + block * blockRows * stride
    for (let i = block * blockRows; i < end; i += 4) {
      const index = i32x4.add(i32x4.splat(i), i32x4(0, 1, 2, 3))
      const bits = mixFour(v128.xor(index, i32x4.splat(salt)))
      const low = v128.and(bits, i32x4.splat(0xffff))
      const high = i32x4.shr_u(bits, 16)
      const a = packPair(i << 3, low, high, gradScale, hessScale)
      const b = packPair(
        (i + 2) << 3,
        v128.shuffle<i32>(low, low, 2, 3, 2, 3),
        v128.shuffle<i32>(high, high, 2, 3, 2, 3),
        gradScale,
        hessScale,
      )
      store<i32>(record, i32x4.extract_lane(a, 0))
      if (i + 1 < end) store<i32>(record + stride, i32x4.extract_lane(a, 1))
      if (i + 2 < end) store<i32>(record + 2 * stride, i32x4.extract_lane(b, 0))
      if (i + 3 < end) store<i32>(record + 3 * stride, i32x4.extract_lane(b, 1))
      record += 4 * stride
    }
  }
}

// ---------------------------------------------------------------- rows

/** First index of a thread's region: all blocks of the threads before it. */
function regionBegin(thread: u32): u32 {
  let begin: u32 = 0
  for (let block: u32 = 0; block < nBlocks; block++) {
    if (block % nThreads < thread) begin += blockEnd(block) - block * blockRows
  }
  return begin
}

/** Notes the thread's rows that take part in a tree; the others get no leaf. A share of one is all. */
export function drawRows(thread: u32, share: f64, salt: i32): void {
  const limit = share * 4294967296.0
  const begin = rows + (regionBegin(thread) << 2)
  let at = begin
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block)
    if (share === 1) {
      for (let i = block * blockRows; i < end; i++, at += 4) store<u32>(at, i)
    } else {
      for (let i = block * blockRows; i < end; i++) {
        const isIn = u32(f64(mixOne(((i + 1) * 0x85ebca6b) ^ ~salt)) < limit)
        store<u32>(at, i)
        store<u16>(leafOf + (i << 1), NOWHERE)
        at += isIn << 2
      }
    }
  }
  const range = ranges + (thread << 3)
  store<u32>(range, (begin - rows) >> 2)
  store<u32>(range, (at - rows) >> 2, 4)
}

/**
 * Divides the thread's rows of a leaf in place, keeping order; `sides` holds 4 for each code that goes right, else 0. Both sides are
 * written for every row and only the cursors differ. Leaves where the right side begins in `results`.
 */
export function partition(thread: u32, c: u32): void {
  const column = columnAt(c)
  divide(thread, codesAt(column), isWide(column))
}

/** The same by a sparse feature whose list is `[from, to)`: its codes are written to a column of zeros, and taken away again. */
export function partitionListed(thread: u32, from: u32, to: u32): void {
  putListed(thread, from, to, true)
  divide(thread, listed, false)
  putListed(thread, from, to, false)
}

/** Rows of other threads are left to them. */
function putListed(thread: u32, from: u32, to: u32, on: bool): void {
  let end: u32 = 0
  let isOwn = false
  for (let k = from; k < to; k++) {
    const row = load<u32>(listRows + (k << 2))
    if (row >= end) {
      const block = row / blockRows
      end = blockEnd(block)
      isOwn = block % nThreads === thread
    }
    if (isOwn) store<u8>(listed + row, on ? load<u8>(listCodes + k) : 0)
  }
}

function divide(thread: u32, codes: usize, wide: bool): void {
  const range = ranges + (thread << 3)
  const begin = rows + (load<u32>(range) << 2)
  const end = rows + (load<u32>(range, 4) << 2)
  const spareBegin = spare + (begin - rows)
  const left = wide
    ? partitionWide(codes, begin, end, spareBegin)
    : partitionBytes(codes, begin, end, spareBegin)
  memory.copy(left, spareBegin, end - left)
  store<u32>(results + thread * 64, (left - rows) >> 2)
}

function partitionBytes(codes: usize, begin: usize, end: usize, right: usize): usize {
  let left = begin
  for (let at = begin; at < end; at += 4) {
    const row = load<u32>(at)
    const side = <usize>load<u8>(sides + load<u8>(codes + row))
    store<u32>(left, row)
    store<u32>(right, row)
    right += side
    left += 4 - side
  }
  return left
}

function partitionWide(codes: usize, begin: usize, end: usize, right: usize): usize {
  let left = begin
  for (let at = begin; at < end; at += 4) {
    const row = load<u32>(at)
    const side = <usize>load<u8>(sides + load<u16>(codes + (row << 1)))
    store<u32>(left, row)
    store<u32>(right, row)
    right += side
    left += 4 - side
  }
  return left
}

// ---------------------------------------------------------------- histograms

// Each of these adds a row to its slot of one column; offsets are part of the instruction.
function add0(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins)) << 3)
  store<i64>(at, load<i64>(at) + p)
}
function add1(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 1)) << 3)
  store<i64>(at, load<i64>(at, 2048) + p, 2048)
}
function add2(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 2)) << 3)
  store<i64>(at, load<i64>(at, 4096) + p, 4096)
}
function add3(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 3)) << 3)
  store<i64>(at, load<i64>(at, 6144) + p, 6144)
}
function add4(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 4)) << 3)
  store<i64>(at, load<i64>(at, 8192) + p, 8192)
}
function add5(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 5)) << 3)
  store<i64>(at, load<i64>(at, 10240) + p, 10240)
}
function add6(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 6)) << 3)
  store<i64>(at, load<i64>(at, 12288) + p, 12288)
}
function add7(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 7)) << 3)
  store<i64>(at, load<i64>(at, 14336) + p, 14336)
}
function add8(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 8)) << 3)
  store<i64>(at, load<i64>(at, 16384) + p, 16384)
}
function add9(h: usize, bins: usize, p: i64): void {
  const at = h + ((<usize>load<u8>(bins, 9)) << 3)
  store<i64>(at, load<i64>(at, 18432) + p, 18432)
}

function pass1(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
  }
}
function pass2(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
  }
}
function pass3(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
  }
}
function pass4(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
  }
}
function pass5(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
  }
}
function pass6(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
    add5(h, bins, p)
  }
}
function pass7(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
    add5(h, bins, p)
    add6(h, bins, p)
  }
}
function pass8(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
    add5(h, bins, p)
    add6(h, bins, p)
    add7(h, bins, p)
  }
}

function pass9(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
    add5(h, bins, p)
    add6(h, bins, p)
    add7(h, bins, p)
    add8(h, bins, p)
  }
}
function pass10(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const bins = <usize>load<u32>(from) + at
    const p = load<i64>(from, 8)
    add0(h, bins, p)
    add1(h, bins, p)
    add2(h, bins, p)
    add3(h, bins, p)
    add4(h, bins, p)
    add5(h, bins, p)
    add6(h, bins, p)
    add7(h, bins, p)
    add8(h, bins, p)
    add9(h, bins, p)
  }
}

/** Adds rows to `n` columns, 1 to 10. */
function pass(n: u32, h: usize, from: usize, to: usize, at: usize): void {
  if (n > 8) passMany(n, h, from, to, at)
  else if (n === 8) pass8(h, from, to, at)
  else if (n === 7) pass7(h, from, to, at)
  else if (n === 6) pass6(h, from, to, at)
  else if (n === 5) pass5(h, from, to, at)
  else if (n === 4) pass4(h, from, to, at)
  else if (n === 3) pass3(h, from, to, at)
  else if (n === 2) pass2(h, from, to, at)
  else pass1(h, from, to, at)
}

function passMany(n: u32, h: usize, from: usize, to: usize, at: usize): void {
  if (n === 9) pass9(h, from, to, at)
  else if (n === 10) pass10(h, from, to, at)
}

/** Notes where the records of `n` rows lie and what they add: a loop of loads alone, where dozens of cache misses are under way at once. */
function fillBatch(at: usize, n: u32, batch: usize): void {
  const mask: i64 = (1 << hessShift) - 1
  const shift = <i64>unitBits
  for (let k: u32 = 0; k < n; k++, at += 4, batch += ENTRY) {
    const record = records + load<u32>(at) * stride
    const word = load<i32>(record)
    store<u32>(batch, <u32>record)
    store<i64>(batch, ((<i64>(word >> hessShift)) << shift) + (<i64>word & mask), 8)
  }
}

/** The same where each row adds one. */
function fillCounts(at: usize, n: u32, batch: usize): void {
  for (let k: u32 = 0; k < n; k++, at += 4, batch += ENTRY) {
    store<u32>(batch, <u32>(records + load<u32>(at) * stride))
    store<i64>(batch, 1, 8)
  }
}

function passWide(h: usize, from: usize, to: usize, at: usize): void {
  for (; from < to; from += ENTRY) {
    const slot = h + ((<usize>load<u16>(<usize>load<u32>(from) + at)) << 3)
    store<i64>(slot, load<i64>(slot) + load<i64>(from, 8))
  }
}

/** Adds rows to the slots of their entries, and to the sum of all. `at` is where the numbers of the rows of the batch lie. */
function passListed(hist: usize, at: usize, n: u32, batch: usize): void {
  let sum: i64 = 0
  for (let k: u32 = 0; k < n; k++, at += 4, batch += ENTRY) {
    const starts = sparseStarts + (load<u32>(at) << 2)
    const p = load<i64>(batch, 8)
    sum += p
    const end = sparseSlots + (load<u32>(starts, 4) << 2)
    for (let entry = sparseSlots + (load<u32>(starts) << 2); entry < end; entry += 4) {
      const slot = hist + (load<u32>(entry) << 3)
      store<i64>(slot, load<i64>(slot) + p)
    }
  }
  store<i64>(hist + totalAt, load<i64>(hist + totalAt) + sum)
}

function batchOf(thread: u32): usize {
  return batches + thread * (BATCH * ENTRY + 64)
}

/**
 * Sums the records of the thread's rows of a leaf over columns, into `alone` or, when it is 0, the thread's own partial histogram; or counts those rows.
 *
 * Bound: a row and column cost five instructions (load a code, make its address, load a slot, add, store), a row one cache line of 64 bytes: 28 columns
 * of 1.5 million rows a tree are 0.6 ns each where records lie in cache, and 100 MB from memory where they do not.
 */
export function histogram(thread: u32, alone: usize, counting: bool): void {
  const hist = alone ? alone : partials + thread * histBytes
  const batch = batchOf(thread)
  memory.fill(hist, 0, histBytes)
  const range = ranges + (thread << 3)
  let at = rows + (load<u32>(range) << 2)
  const end = rows + (load<u32>(range, 4) << 2)
  while (at < end) {
    const size = min(BATCH, <u32>(end - at) >> 2)
    if (counting) fillCounts(at, size, batch)
    else fillBatch(at, size, batch)
    const batchEnd = batch + size * ENTRY
    let h = hist
    let bins: usize = HEAD
    let left = nByteColumns
    for (let passes = (left + 9) / 10; passes > 0; passes--) {
      const n = (left + passes - 1) / passes
      pass(n, h, batch, batchEnd, bins)
      h += n * SLOT_BYTES
      bins += n
      left -= n
    }
    for (let c = nByteColumns; c < nColumns; c++) {
      passWide(hist + slotOf(columnAt(c)), batch, batchEnd, HEAD + byteOf(columnAt(c)))
    }
    if (totalAt) passListed(hist, at, size, batch)
    at += size << 2
  }
}

/** Slots of a column in bytes, rounded up to a pair. */
function columnBytes(c: u32): usize {
  const column = columnAt(c)
  return ((nCodesOf(column) + 1) >> 1) << 4
}

/** Adds up the partial histograms of all threads, for one column. */
function mergeColumn(to: usize, c: u32): void {
  const begin = slotOf(columnAt(c))
  const end = begin + columnBytes(c)
  for (let at = begin; at < end; at += 16) {
    let sum = v128.load(partials + at)
    for (let t: u32 = 1; t < nThreads; t++) sum = i64x2.add(sum, v128.load(partials + t * histBytes + at))
    v128.store(to + at, sum)
  }
}

function subtractColumn(from: usize, part: usize, c: u32): void {
  const begin = slotOf(columnAt(c))
  const end = begin + columnBytes(c)
  for (let at = begin; at < end; at += 16) {
    v128.store(from + at, i64x2.sub(v128.load(from + at), v128.load(part + at)))
  }
}

/** Adds up or subtracts the slots of the sparse features of a thread; the first thread also sees to the sum of all rows. */
function settleListed(thread: u32, merged: usize, rest: usize, part: usize): void {
  for (let f: u32 = thread; f < nFeatures; f += nThreads) {
    const feature = featureAt(f)
    if (!isListed(feature)) continue
    const begin = load<u32>(feature, 16)
    settleSlots(begin, begin + (load<u32>(feature, 8) << 3), merged, rest, part)
  }
  if (thread === 0) settleSlots(totalAt, totalAt + 8, merged, rest, part)
}

function settleSlots(begin: usize, end: usize, merged: usize, rest: usize, part: usize): void {
  for (let at = begin; at < end; at += 8) {
    if (merged) {
      let sum = load<i64>(partials + at)
      for (let t: u32 = 1; t < nThreads; t++) sum += load<i64>(partials + t * histBytes + at)
      store<i64>(merged + at, sum)
    }
    if (rest) store<i64>(rest + at, load<i64>(rest + at) - load<i64>(part + at))
  }
}

/** Copies the slots of a sparse feature; the common bin has what the others leave of all. */
function copyListed(feature: usize, hist: usize, total: i64, to: usize): void {
  const from = hist + load<u32>(feature, 16)
  const end = load<u32>(feature, 8) << 3
  const common = load<u32>(feature, 4) << 3
  let rest = total
  for (let at: u32 = 0; at < end; at += 8) {
    if (at === common) continue
    const slot = load<i64>(from + at)
    store<i64>(to + at, slot)
    rest -= slot
  }
  store<i64>(to + common, rest)
}

/** Sums over the features of shared columns, packed sums as doubles, to `to`. */
export function readHistogram(hist: usize, to: usize): void {
  for (let f: u32 = 0; f < nFeatures; f++) {
    const feature = featureAt(f)
    const codes = load<u32>(feature, 8)
    const at = to + (load<u32>(feature, 12) << 3)
    let from = at
    if (isListed(feature)) {
      copyListed(feature, hist, load<i64>(hist + totalAt), at)
    } else {
      const column = columnAt(load<u32>(feature))
      if (codes === nCodesOf(column)) from = hist + slotOf(column)
      else copyShared(hist + slotOf(column), nCodesOf(column), load<u32>(feature, 4), codes, at)
    }
    for (let b: u32 = 0; b < codes << 3; b += 8) store<f64>(at + b, <f64>load<i64>(from + b))
  }
}

/** The slots of a feature that shares a column: runs of `divisor` codes have one bin, and the bins come round again. */
function copyShared(from: usize, columnCodes: u32, divisor: u32, codes: u32, to: usize): void {
  if (divisor === 1) addRounds(from, from + (columnCodes << 3), to, codes << 3)
  else addRuns(from, from + (columnCodes << 3), to, to + (codes << 3), divisor << 3)
}

/** Adds up rounds of `width` bytes. */
function addRounds(from: usize, end: usize, to: usize, width: usize): void {
  memory.copy(to, from, width)
  const pairs = width & ~15
  for (let round = from + width; round < end; round += width) {
    for (let at: usize = 0; at < pairs; at += 16) {
      v128.store(to + at, i64x2.add(v128.load(to + at), v128.load(round + at)))
    }
    if (pairs < width) store<i64>(to + pairs, load<i64>(to + pairs) + load<i64>(round + pairs))
  }
}

/** Adds up the runs of each bin, `run` bytes long; the bins come round again after `last`. */
function addRuns(from: usize, end: usize, to: usize, last: usize, run: usize): void {
  memory.fill(to, 0, last - to)
  const pairs = run & ~15
  for (let slot = to; from < end; from += run) {
    let sum = i64x2.splat(0)
    for (let at: usize = 0; at < pairs; at += 16) sum = i64x2.add(sum, v128.load(from + at))
    const rest: i64 = pairs < run ? load<i64>(from + pairs) : 0
    store<i64>(slot, load<i64>(slot) + i64x2.extract_lane(sum, 0) + i64x2.extract_lane(sum, 1) + rest)
    slot += 8
    if (slot === last) slot = to
  }
}

/**
 * What is left to do before leaves can be searched: partial histograms are added up to `merged`, `part` is taken off `rest` (0: nothing to do), and the
 * best split by each feature is found in `nLeaves` leaves of the scan table. Threads share the columns.
 */
export function settle(thread: u32, merged: usize, rest: usize, part: usize, nLeaves: u32): void {
  for (let c = thread; c < nColumns; c += nThreads) {
    if (merged) mergeColumn(merged, c)
    if (rest) subtractColumn(rest, part, c)
  }
  if (totalAt && (merged || rest)) settleListed(thread, merged, rest, part)
  for (let leaf: u32 = 0; leaf < nLeaves; leaf++) {
    const asked = scanTable + leaf * (SCAN_BYTES + nFeatures)
    if (load<u32>(asked) !== 0) scanLeaf(thread, asked, scanOut + leaf * nFeatures * SCAN_OUT_BYTES)
  }
}

// ---------------------------------------------------------------- searching

const SCAN_BYTES: u32 = 24 // of what is asked of a leaf: histogram, counts, packed sum, rows; then a byte a feature
const SCAN_OUT_BYTES: u32 = 56 // of what is found for a feature
const SCRATCH_BYTES: u32 = 17_408 // of a thread

// Rules of a search, as doubles.
const GRAD_STEP = 0
const HESS_STEP = 8
const MIN_ROWS = 16
const MIN_HESSIAN = 24
const L2 = 32
const MIN_GAIN = 40
const SMOOTH = 48
const SET_L2 = 56
const SET_MAX = 64
const GROUP_ROWS = 72
const ONE_HOT_MAX = 80

// Of a thread's scratch: slots and counts of a feature, then by category its sums, what it is ordered by, its place in the order, and its bin.
const COUNTS = 2048
const PACKED = 4096
const GRAD = 6144
const HESS = 8192
const ROWS = 10_240
const RATIO = 12_288
const ORDER = 14_336
const MERGED = 15_360
const BIN = 16_384

/** The leaf that is searched: its sums, and what a split must exceed. */
let leafHist: usize = 0
let leafCounts: usize = 0
let leafPacked: i64 = 0
let leafGrad: f64 = 0
let leafHess: f64 = 0
let leafRows: f64 = 0
let rowsPerHess: f64 = 0
let minRows: f64 = 0
let floorTotal: f64 = 0

/** The best split of the feature that is searched; `bestEnd` categories of the order go left, from its end where `bestBack`. */
let bestTotal: f64 = 0
let bestPacked: i64 = 0
let bestBin: i32 = -1
let bestSide: i32 = -1
let bestEnd: i32 = 0
let bestBack: bool = false

function scanLeaf(thread: u32, asked: usize, out: usize): void {
  leafHist = load<u32>(asked)
  leafCounts = load<u32>(asked, 4)
  leafPacked = <i64>load<f64>(asked, 8)
  leafRows = load<f64>(asked, 16)
  const l2 = load<f64>(scanRules, L2)
  leafGrad = <f64>(leafPacked >> unitBits) * load<f64>(scanRules, GRAD_STEP)
  leafHess = <f64>(leafPacked & (((<i64>1) << unitBits) - 1)) * load<f64>(scanRules, HESS_STEP)
  rowsPerHess = leafRows / leafHess
  minRows = load<f64>(scanRules, MIN_ROWS) - (leafCounts ? 0 : 0.5)
  floorTotal = (leafGrad * leafGrad) / (leafHess + l2) + load<f64>(scanRules, MIN_GAIN)
  for (let f: u32 = 0; f < nFeatures; f++, out += SCAN_OUT_BYTES) {
    if (!load<u8>(asked + f, SCAN_BYTES)) continue
    const feature = featureAt(f)
    const owner = isListed(feature) ? f : load<u32>(feature)
    if (owner % nThreads === thread) scanFeature(thread, feature, out)
  }
}

function scanFeature(thread: u32, feature: usize, out: usize): void {
  const codes = load<u32>(feature, 8)
  const scratch = scratches + thread * SCRATCH_BYTES
  const slots = featureSlots(leafHist, feature, codes, leafPacked, scratch)
  const counts = leafCounts
    ? featureSlots(leafCounts, feature, codes, <i64>leafRows, scratch + COUNTS)
    : <usize>0
  bestTotal = floorTotal
  bestBin = -1
  if (isCategory(feature)) scanCategory(slots, counts, codes, scratch, out)
  else scanNumber(slots, counts, codes)
  store<f64>(out, bestTotal)
  store<f64>(out, <f64>bestPacked, 8)
  store<i32>(out, bestBin, 16)
  store<i32>(out, bestSide, 20)
}

/** The slots of a feature: those of its column, or read off a shared column or the entries of rows to `to`. */
function featureSlots(hist: usize, feature: usize, codes: u32, total: i64, to: usize): usize {
  if (isListed(feature)) {
    copyListed(feature, hist, total, to)
    return to
  }
  const column = columnAt(load<u32>(feature))
  const from = hist + slotOf(column)
  const columnCodes = nCodesOf(column)
  if (codes === columnCodes) return from
  copyShared(from, columnCodes, load<u32>(feature, 4), codes, to)
  return to
}

function isSeen(slots: usize, counts: usize, at: usize): bool {
  return load<i64>(slots + at) !== 0 || (counts !== 0 && load<i64>(counts + at) !== 0)
}

function scanNumber(slots: usize, counts: usize, codes: u32): void {
  const at = (<usize>codes - 1) << 3
  if (!isSeen(slots, counts, at)) {
    scanBorders(slots, counts, codes - 2, 0, 0, -1)
    return
  }
  scanBorders(slots, counts, codes - 1, 0, 0, 0)
  const missingRows = counts ? <f64>load<i64>(counts + at) : 0
  scanBorders(slots, counts, codes - 2, load<i64>(slots + at), missingRows, 1)
}

/**
 * Tries each border behind bins `[0, end)` as `scanNumber` of split.ts does; both sides' gains are one division of two lanes. Rows are told by the hessian
 * unless there are `counts`.
 */
function scanBorders(slots: usize, counts: usize, end: u32, start: i64, startRows: f64, side: i32): void {
  const grad = leafGrad
  const hess = leafHess
  const perHess = rowsPerHess
  const nLeafRows = leafRows
  const least = minRows
  const gradStep = load<f64>(scanRules, GRAD_STEP)
  const hessStep = load<f64>(scanRules, HESS_STEP)
  const minHessian = load<f64>(scanRules, MIN_HESSIAN)
  const l2 = f64x2.splat(load<f64>(scanRules, L2))
  const shift = <i64>unitBits
  const mask: i64 = ((<i64>1) << shift) - 1
  let packed = start
  let counted = startRows
  for (let b: u32 = 0; b < end; b++) {
    const slot = load<i64>(slots + (b << 3))
    if (counts) counted += <f64>load<i64>(counts + (b << 3))
    else if (slot === 0) continue
    packed += slot
    const leftHess = <f64>(packed & mask) * hessStep
    const leftRows = counts ? counted : leftHess * perHess
    const rightHess = hess - leftHess
    if (leftRows < least || leftHess < minHessian) continue
    if (nLeafRows - leftRows < least || rightHess < minHessian) break
    const leftGrad = <f64>(packed >> shift) * gradStep
    const g = f64x2.replace_lane(f64x2.splat(leftGrad), 1, grad - leftGrad)
    const h = f64x2.replace_lane(f64x2.splat(leftHess), 1, rightHess)
    const gains = f64x2.div(f64x2.mul(g, g), f64x2.add(h, l2))
    const total = f64x2.extract_lane(gains, 0) + f64x2.extract_lane(gains, 1)
    if (total > bestTotal) {
      bestTotal = total
      bestPacked = packed
      bestBin = b
      bestSide = side
    }
  }
}

/** As `searchCategory` of split-categories.ts: few categories each alone, many in order of gradient over hessian, from either end. */
function scanCategory(slots: usize, counts: usize, codes: u32, scratch: usize, out: usize): void {
  const n = sumCategories(slots, counts, codes, scratch)
  bestEnd = 0
  bestBack = false
  let placed = n
  if (<f64>n <= load<f64>(scanRules, ONE_HOT_MAX)) {
    scanEach(n, scratch)
  } else {
    placed = orderCategories(n, scratch)
    scanOrder(placed, false, scratch)
    scanOrder(placed, true, scratch)
  }
  if (bestEnd === 0) return
  const missing = codes - 1
  bestBin = 0
  bestSide = isSeen(slots, counts, (<usize>missing) << 3) ? 0 : -1
  memory.fill(out + 24, 0, 32)
  for (let i: i32 = 0; i < bestEnd; i++) {
    const k = load<u32>(scratch + ((bestBack ? placed - 1 - i : i) << 2), ORDER)
    const bin = load<u32>(scratch + (k << 2), BIN)
    const at = out + (bin >> 3)
    store<u8>(at, load<u8>(at, 24) | ((<u8>1) << (<u8>bin & 7)), 24)
    if (bin === missing) bestSide = 1
  }
}

/** Notes the sums of the categories that the leaf has; returns how many there are. */
function sumCategories(slots: usize, counts: usize, codes: u32, scratch: usize): i32 {
  const gradStep = load<f64>(scanRules, GRAD_STEP)
  const hessStep = load<f64>(scanRules, HESS_STEP)
  const perHess = rowsPerHess
  const shift = <i64>unitBits
  const mask: i64 = ((<i64>1) << shift) - 1
  let at = scratch
  let n: i32 = 0
  for (let bin: u32 = 0; bin < codes; bin++) {
    if (!isSeen(slots, counts, bin << 3)) continue
    const packed = load<i64>(slots + (bin << 3))
    const hess = <f64>(packed & mask) * hessStep
    store<i64>(at, packed, PACKED)
    store<f64>(at, <f64>(packed >> shift) * gradStep, GRAD)
    store<f64>(at, hess, HESS)
    store<f64>(at, counts ? <f64>load<i64>(counts + (bin << 3)) : hess * perHess, ROWS)
    store<u32>(scratch + (n << 2), bin, BIN)
    at += 8
    n++
  }
  return n
}

/** Gain of both sides; less than any where one is too small. */
function categoryTotal(grad: f64, hess: f64, rows: f64, l2: f64): f64 {
  const otherGrad = leafGrad - grad
  const otherHess = leafHess - hess
  const minHessian = load<f64>(scanRules, MIN_HESSIAN)
  if (min(rows, leafRows - rows) < minRows || min(hess, otherHess) < minHessian) return -Infinity
  return (grad * grad) / (hess + l2) + (otherGrad * otherGrad) / (otherHess + l2)
}

function scanEach(n: i32, scratch: usize): void {
  const l2 = load<f64>(scanRules, L2)
  for (let k: i32 = 0; k < n; k++) {
    const at = scratch + (k << 3)
    const total = categoryTotal(load<f64>(at, GRAD), load<f64>(at, HESS), load<f64>(at, ROWS), l2)
    if (!(total > bestTotal)) continue
    bestTotal = total
    bestPacked = load<i64>(at, PACKED)
    bestEnd = 1
    store<u32>(scratch, k, ORDER)
  }
}

/** Tries the first 1, 2, … categories of the order, or of its reverse, against the rest. */
function scanOrder(n: i32, back: bool, scratch: usize): void {
  const l2 = load<f64>(scanRules, SET_L2)
  const end = min(load<f64>(scanRules, SET_MAX), <f64>((n + 1) >> 1))
  const groupMin = min(load<f64>(scanRules, GROUP_ROWS), leafRows / 4)
  let packed: i64 = 0
  let grad: f64 = 0
  let hess: f64 = 0
  let rows: f64 = 0
  let groupBegan: f64 = 0
  for (let i: i32 = 0; <f64>i < end; i++) {
    const at = scratch + (load<u32>(scratch + ((back ? n - 1 - i : i) << 2), ORDER) << 3)
    packed += load<i64>(at, PACKED)
    grad += load<f64>(at, GRAD)
    hess += load<f64>(at, HESS)
    rows += load<f64>(at, ROWS)
    if (rows - groupBegan < groupMin) continue
    groupBegan = rows
    const total = categoryTotal(grad, hess, rows, l2)
    if (!(total > bestTotal)) continue
    bestTotal = total
    bestPacked = packed
    bestEnd = i + 1
    bestBack = back
  }
}

/** Puts the numbers of the categories with enough rows in order by ratio, equal ones by bin; returns how many they are. */
function orderCategories(n: i32, scratch: usize): i32 {
  const smooth = load<f64>(scanRules, SMOOTH)
  let placed: i32 = 0
  for (let k: i32 = 0; k < n; k++) {
    const at = scratch + (k << 3)
    if (load<f64>(at, ROWS) < smooth) continue
    store<f64>(at, load<f64>(at, GRAD) / (load<f64>(at, HESS) + smooth), RATIO)
    store<u32>(scratch + (placed << 2), k, ORDER)
    placed++
  }
  for (let from: i32 = 0; from < placed; from += RUN) sortRun(scratch, from, min(placed, from + RUN))
  for (let size = RUN; size < placed; size <<= 1) mergeRuns(scratch, placed, size)
  return placed
}

const RUN: i32 = 16 // categories that are ordered by insertion, before such runs are merged

function ratioOf(scratch: usize, k: u32): f64 {
  return load<f64>(scratch + (k << 3), RATIO)
}

function sortRun(scratch: usize, from: i32, end: i32): void {
  const order = scratch + ORDER
  for (let i = from + 1; i < end; i++) {
    const item = load<u32>(order + (i << 2))
    const value = ratioOf(scratch, item)
    let at = i
    for (; at > from; at--) {
      const before = load<u32>(order + (at << 2) - 4)
      if (!(ratioOf(scratch, before) > value)) break
      store<u32>(order + (at << 2), before)
    }
    store<u32>(order + (at << 2), item)
  }
}

/** Merges neighbouring runs of `size`; of equal ones that of the first run comes first. */
function mergeRuns(scratch: usize, n: i32, size: i32): void {
  const order = scratch + ORDER
  const merged = scratch + MERGED
  for (let from: i32 = 0; from < n; from += 2 * size) {
    const middle = min(n, from + size)
    const end = min(n, middle + size)
    let a = from
    let b = middle
    for (let to = from; to < end; to++) {
      const takesFirst =
        b >= end ||
        (a < middle &&
          !(ratioOf(scratch, load<u32>(order + (a << 2))) > ratioOf(scratch, load<u32>(order + (b << 2)))))
      store<u32>(merged + (to << 2), load<u32>(order + ((takesFirst ? a : b) << 2)))
      if (takesFirst) a++
      else b++
    }
  }
  memory.copy(order, merged, n << 2)
}

// ---------------------------------------------------------------- leaves

/** Notes the leaf of each row of the thread; ranges lie by leaf, then thread. */
export function markLeaves(thread: u32, nLeaves: u32): void {
  for (let leaf: u32 = 0; leaf < nLeaves; leaf++) {
    const range = leafRanges + ((leaf * nThreads + thread) << 3)
    const end = rows + (load<u32>(range, 4) << 2)
    for (let at = rows + (load<u32>(range) << 2); at < end; at += 4) {
      store<u16>(leafOf + (load<u32>(at) << 1), leaf)
    }
  }
}

/**
 * Sums gradients, hessians and weights by leaf within each block of rows of the thread. A block's sums are `nLeaves + 1` triples, the last for
 * rows without a leaf.
 */
export function sumLeaves(thread: u32, nLeaves: u32): void {
  for (let block = thread; block < nBlocks; block += nThreads) {
    const out = sums + block * (nLeaves + 1) * 24
    memory.fill(out, 0, (nLeaves + 1) * 24)
    const end = blockEnd(block)
    for (let i = block * blockRows; i < end; i++) {
      const at = out + min(<u32>load<u16>(leafOf + (i << 1)), nLeaves) * 24
      store<f64>(at, load<f64>(at) + load<f64>(grad + (i << 3)))
      store<f64>(at, load<f64>(at, 8) + load<f64>(hess + (i << 3)), 8)
      if (weights) store<f64>(at, load<f64>(at, 16) + load<f64>(weights + (i << 3)), 16)
    }
  }
}

/** Adds each row's leaf value to its score. */
export function addLeafValues(thread: u32): void {
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block)
    for (let i = block * blockRows; i < end; i++) {
      const at = score + (i << 3)
      const value = load<f64>(leafValues + ((<usize>load<u16>(leafOf + (i << 1))) << 3))
      store<f64>(at, load<f64>(at) + value)
    }
  }
}

// ---------------------------------------------------------------- walking

const NODE_BYTES = 48

/** A node: byte of its code, first child, a bit for each code that goes on to the second child, leaf number, bits of wide codes. Leaves go on to themselves. */
function step(node: u32, bins: usize): u32 {
  const at = nodes + node * NODE_BYTES
  const wide = load<u32>(at, 44)
  if (wide) {
    const code = <u32>load<u16>(bins + load<u32>(at))
    return load<u32>(at, 4) + ((load<u32>(wide + ((code >> 5) << 2)) >> (code & 31)) & 1)
  }
  const code = <u32>load<u8>(bins + load<u32>(at))
  return load<u32>(at, 4) + ((load<u32>(at + ((code >> 5) << 2), 8) >> (code & 31)) & 1)
}

/** The same for trees that may have sparse features: the row's entries are `[from, to)`, and a node says how many bins such a feature has. */
function stepListed(node: u32, bins: usize, from: usize, to: usize): u32 {
  const at = nodes + node * NODE_BYTES
  const codes = load<u32>(at, 44)
  if (codes === 0 || codes > 255) return step(node, bins)
  const first = load<u32>(at)
  let low = from
  let high = to
  while (low < high) {
    const middle = low + (((high - low) >> 3) << 2)
    if (load<u32>(middle) < first) low = middle + 4
    else high = middle
  }
  let code: u32 = 255
  if (low < to) {
    const bin = load<u32>(low) - first
    if (bin < codes) code = bin
  }
  return load<u32>(at, 4) + ((load<u32>(at + ((code >> 5) << 2), 8) >> (code & 31)) & 1)
}

function leafAt(node: u32): u32 {
  return load<u32>(nodes + node * NODE_BYTES, 40)
}

/** The leaf's node of row `i`; `starts` is 0 where no feature is sparse. */
function walkOne(bins: usize, i: u32, depth: u32, starts: usize, slots: usize): u32 {
  let node: u32 = 0
  if (starts === 0) {
    for (let d: u32 = 0; d < depth; d++) node = step(node, bins)
    return node
  }
  const from = slots + (load<u32>(starts + (i << 2)) << 2)
  const to = slots + (load<u32>(starts + (i << 2), 4) << 2)
  for (let d: u32 = 0; d < depth; d++) node = stepListed(node, bins, from, to)
  return node
}

/** Finds the leaf of the thread's rows that the tree was not grown on. */
export function markOthers(thread: u32, depth: u32): void {
  for (let block = thread; block < nBlocks; block += nThreads) {
    const end = blockEnd(block)
    for (let i = block * blockRows; i < end; i++) {
      if (load<u16>(leafOf + (i << 1)) !== NOWHERE) continue
      const bins = records + i * stride + HEAD
      store<u16>(leafOf + (i << 1), leafAt(walkOne(bins, i, depth, totalAt ? sparseStarts : 0, sparseSlots)))
    }
  }
}

/** Adds the tree's value to the scores of other binned rows, four at a time; rows are shared evenly among threads. */
export function walkRows(thread: u32, bins: usize, rowBytes: u32, n: u32, scores: usize, depth: u32): void {
  const end = <u32>((<u64>n * (thread + 1)) / nThreads)
  let i = <u32>((<u64>n * thread) / nThreads)
  for (; i + 4 <= end; i += 4) {
    const at = bins + i * rowBytes
    let a: u32 = 0
    let b: u32 = 0
    let c: u32 = 0
    let d: u32 = 0
    for (let k: u32 = 0; k < depth; k++) {
      a = step(a, at)
      b = step(b, at + rowBytes)
      c = step(c, at + 2 * rowBytes)
      d = step(d, at + 3 * rowBytes)
    }
    addValue(scores + (i << 3), a)
    addValue(scores + (i << 3) + 8, b)
    addValue(scores + (i << 3) + 16, c)
    addValue(scores + (i << 3) + 24, d)
  }
  for (; i < end; i++) {
    let a: u32 = 0
    for (let k: u32 = 0; k < depth; k++) a = step(a, bins + i * rowBytes)
    addValue(scores + (i << 3), a)
  }
}

/** `walkRows` of rows with entries of sparse features. */
export function walkListed(
  thread: u32,
  bins: usize,
  rowBytes: u32,
  n: u32,
  scores: usize,
  depth: u32,
  starts: usize,
  slots: usize,
): void {
  const end = <u32>((<u64>n * (thread + 1)) / nThreads)
  for (let i = <u32>((<u64>n * thread) / nThreads); i < end; i++) {
    addValue(scores + (i << 3), walkOne(bins + i * rowBytes, i, depth, starts, slots))
  }
}

function addValue(at: usize, node: u32): void {
  store<f64>(at, load<f64>(at) + load<f64>(leafValues + (leafAt(node) << 3)))
}
