/**
 * Contributions of rows by tables: the twin of src/model/shap/apply.ts, bit for bit.
 *
 * A program walks one tree for a block of rows. Rows are ranks, 16 bits each, column by column; a test is true where a rank is at most the
 * node's. Mask operations pass on, eight rows at a time, which features of a path are satisfied; a cluster adds the bits of the tests inside
 * it, and the table of each of its features is looked up by the pattern that results.
 */

const MASK = 0
const MASK_WORDS: usize = 8 * 4
const CLUSTER_WORDS: usize = 6 * 4
const TEST_WORDS: usize = 3 * 4

/** All ones where the test of a column by a rank holds. */
function tested(ranks: usize, rank: v128): v128 {
  return i16x8.le_u(v128.load(ranks), rank)
}

function passMasks(op: usize, ranks: usize, n: u32, masks: usize, slotBytes: usize): void {
  const from = masks + <usize>load<u32>(op, 4) * slotBytes
  const to = masks + <usize>load<u32>(op, 8) * slotBytes
  const column = ranks + load<u32>(op, 12)
  const rank = i16x8.splat(<i16>load<u32>(op, 16))
  const flip = i16x8.splat(<i16>load<u32>(op, 20))
  const bit = i16x8.splat(<i16>load<u32>(op, 24))
  if (load<u32>(op, 28)) {
    for (let i: usize = 0; i < n << 1; i += 16) {
      const met = v128.xor(tested(column + i, rank), flip)
      v128.store(to + i, v128.or(v128.load(from + i), v128.and(met, bit)))
    }
    return
  }
  const others = v128.not(bit)
  for (let i: usize = 0; i < n << 1; i += 16) {
    const met = v128.xor(tested(column + i, rank), flip)
    v128.store(to + i, v128.and(v128.load(from + i), v128.or(met, others)))
  }
}

/** Patterns of a cluster, one a row. */
function findPatterns(
  op: usize,
  ranks: usize,
  n: u32,
  masks: usize,
  slotBytes: usize,
  patterns: usize,
): void {
  memory.copy(patterns, masks + <usize>load<u32>(op, 4) * slotBytes, n << 1)
  let test = op + CLUSTER_WORDS
  for (let t = load<u32>(op, 8); t > 0; t--, test += TEST_WORDS) {
    const column = ranks + load<u32>(test)
    const rank = i16x8.splat(<i16>load<u32>(test, 4))
    const bit = i16x8.splat(<i16>load<u32>(test, 8))
    for (let i: usize = 0; i < n << 1; i += 16) {
      v128.store(patterns + i, v128.or(v128.load(patterns + i), v128.and(tested(column + i, rank), bit)))
    }
  }
}

function sumOne(patterns: usize, n: u32, table: usize, sums: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const at = sums + (i << 3)
    store<f64>(at, load<f64>(at) + load<f64>(table + ((<usize>load<u16>(patterns + (i << 1))) << 3)))
  }
}

function sumTwo(patterns: usize, n: u32, a: usize, b: usize, sumsA: usize, sumsB: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const offset = (<usize>load<u16>(patterns + (i << 1))) << 3
    const at = sumsA + (i << 3)
    const bt = sumsB + (i << 3)
    store<f64>(at, load<f64>(at) + load<f64>(a + offset))
    store<f64>(bt, load<f64>(bt) + load<f64>(b + offset))
  }
}

/** Runs a program for `n` rows, a multiple of eight: sums lie by feature, `sumBytes` apart. */
export function apply(
  program: usize,
  end: usize,
  ranks: usize,
  n: u32,
  masks: usize,
  patterns: usize,
  slotBytes: usize,
  sums: usize,
  sumBytes: usize,
): void {
  let op = program
  while (op < end) {
    if (load<u32>(op) === MASK) {
      passMasks(op, ranks, n, masks, slotBytes)
      op += MASK_WORDS
      continue
    }
    findPatterns(op, ranks, n, masks, slotBytes, patterns)
    const nColumns = load<u32>(op, 12)
    let table: usize = load<u32>(op, 16)
    const columnBytes: usize = (<usize>8) << load<u32>(op, 20)
    let feature = op + CLUSTER_WORDS + <usize>load<u32>(op, 8) * TEST_WORDS
    op = feature + ((<usize>nColumns) << 2)
    for (; feature + 8 <= op; feature += 8) {
      const a = sums + <usize>load<u32>(feature) * sumBytes
      const b = sums + <usize>load<u32>(feature, 4) * sumBytes
      sumTwo(patterns, n, table, table + columnBytes, a, b)
      table += columnBytes << 1
    }
    if (feature < op) sumOne(patterns, n, table, sums + <usize>load<u32>(feature) * sumBytes)
  }
}

/** Runs a program and counts, for each cluster in turn, the rows of each pattern: 32-bit counts, one after another. */
export function count(
  program: usize,
  end: usize,
  ranks: usize,
  n: u32,
  nCounted: u32,
  masks: usize,
  patterns: usize,
  slotBytes: usize,
  counts: usize,
): void {
  let op = program
  let at = counts
  while (op < end) {
    if (load<u32>(op) === MASK) {
      passMasks(op, ranks, n, masks, slotBytes)
      op += MASK_WORDS
      continue
    }
    findPatterns(op, ranks, n, masks, slotBytes, patterns)
    for (let i: u32 = 0; i < nCounted; i++) {
      const slot = at + ((<usize>load<u16>(patterns + (i << 1))) << 2)
      store<u32>(slot, load<u32>(slot) + 1)
    }
    at += (<usize>4) << load<u32>(op, 20)
    op += CLUSTER_WORDS + <usize>load<u32>(op, 8) * TEST_WORDS + ((<usize>load<u32>(op, 12)) << 2)
  }
}

// ---------------------------------------------------------------- paths

/**
 * Leaves without tables, path dependent: down a tree the products of its factors at each point of a quadrature, up the sums over leaves.
 *
 * A program, laid out by src/model/shap/path-machine.ts: a header, a test a node, operations, coefficients. A node has a state by row: 0 where the row
 * meets all splits of the feature on the way to it, 1 where it fails at this one, 2 where it failed before. A state chooses the factors by
 * which products change, and what a sum below is worth to the feature. Nodes are numbered from 1, parents first; node 0 is met by all.
 */
const ENTER: u32 = 0
const LEAF: u32 = 1
const FIRST: u32 = 4 // of the children of a node: sums begin
const LANES: usize = 8

// header, in bytes
const N_NODES = 0
const N_OPS = 4
const POINT_BYTES = 8 // of a node's products, a multiple of 16
const TESTS = 12
const OPS = 16
const COEFFICIENTS = 20
const SATISFIED = 24
const PRODUCTS = 28
const SUMS = 32

/** Ranks of eight rows to a state a row and node, 16 bits each. */
function findStates(program: usize, ranks: usize): void {
  let test: usize = load<u32>(program, TESTS)
  const end = test + ((<usize>load<u32>(program, N_NODES)) << 4)
  const satisfied: usize = load<u32>(program, SATISFIED)
  v128.store(satisfied, i16x8.splat(-1))
  const two = i16x8.splat(2)
  for (let at = satisfied + 32; test < end; test += 16, at += 32) {
    const rank = i16x8.splat(<i16>load<u32>(test, 4))
    const flip = i16x8.splat(<i16>load<u32>(test, 8))
    const before = v128.load(satisfied + load<u32>(test, 12))
    const met = v128.and(v128.xor(tested(ranks + load<u32>(test), rank), flip), before)
    v128.store(at, met)
    v128.store(at, i16x8.add(two, i16x8.add(met, before)), 16)
  }
}

function sumOfLanes(x: v128): f64 {
  return f64x2.extract_lane(x, 0) + f64x2.extract_lane(x, 1)
}

/** Products of a node from those of its parent. */
function passDown(from: usize, to: usize, factors: usize, state: u32, bytes: usize): void {
  if (state === 2) {
    const ratio = v128.load64_splat(factors + (bytes << 2))
    for (let q: usize = 0; q < bytes; q += 16) v128.store(to + q, f64x2.mul(v128.load(from + q), ratio))
    return
  }
  const own = factors + <usize>state * bytes
  for (let q: usize = 0; q < bytes; q += 16) {
    v128.store(to + q, f64x2.mul(v128.load(from + q), v128.load(own + q)))
  }
}

/** Adds sums of a node to those of its parent; what they are worth to the node's feature. */
function passUp(from: usize, to: usize, factors: usize, state: u32, bytes: usize, first: u32): f64 {
  if (state === 2) {
    if (first) memory.copy(to, from, bytes)
    else {
      for (let q: usize = 0; q < bytes; q += 16) {
        v128.store(to + q, f64x2.add(v128.load(to + q), v128.load(from + q)))
      }
    }
    return 0
  }
  const worth = factors + (<usize>state + 2) * bytes
  let gain = f64x2.splat(0)
  if (first) {
    for (let q: usize = 0; q < bytes; q += 16) {
      const sum = v128.load(from + q)
      gain = f64x2.add(gain, f64x2.mul(sum, v128.load(worth + q)))
      v128.store(to + q, sum)
    }
    return sumOfLanes(gain)
  }
  for (let q: usize = 0; q < bytes; q += 16) {
    const sum = v128.load(from + q)
    gain = f64x2.add(gain, f64x2.mul(sum, v128.load(worth + q)))
    v128.store(to + q, f64x2.add(v128.load(to + q), sum))
  }
  return sumOfLanes(gain)
}

/** A leaf's way down and up in one: its value is in its factors. */
function passLeaf(from: usize, to: usize, factors: usize, state: u32, bytes: usize, first: u32): f64 {
  if (state === 2) {
    const ratio = v128.load64_splat(factors + (bytes << 2))
    if (first) {
      for (let q: usize = 0; q < bytes; q += 16) v128.store(to + q, f64x2.mul(v128.load(from + q), ratio))
    } else {
      for (let q: usize = 0; q < bytes; q += 16) {
        v128.store(to + q, f64x2.add(v128.load(to + q), f64x2.mul(v128.load(from + q), ratio)))
      }
    }
    return 0
  }
  const own = factors + <usize>state * bytes
  const worth = own + (bytes << 1)
  let gain = f64x2.splat(0)
  if (first) {
    for (let q: usize = 0; q < bytes; q += 16) {
      const sum = f64x2.mul(v128.load(from + q), v128.load(own + q))
      gain = f64x2.add(gain, f64x2.mul(sum, v128.load(worth + q)))
      v128.store(to + q, sum)
    }
    return sumOfLanes(gain)
  }
  for (let q: usize = 0; q < bytes; q += 16) {
    const sum = f64x2.mul(v128.load(from + q), v128.load(own + q))
    gain = f64x2.add(gain, f64x2.mul(sum, v128.load(worth + q)))
    v128.store(to + q, f64x2.add(v128.load(to + q), sum))
  }
  return sumOfLanes(gain)
}

/** Adds contributions of `n` rows, whose ranks are padded to eights: sums lie by feature, `sumBytes` apart. */
export function addPaths(program: usize, ranks: usize, n: u32, sums: usize, sumBytes: usize): void {
  for (let i: u32 = 0; i < n; i += 8) {
    findStates(program, ranks + (i << 1))
    walkPaths(program, min<u32>(8, n - i), sums + (i << 3), sumBytes)
  }
}

function walkPaths(program: usize, n: u32, out: usize, outBytes: usize): void {
  const bytes: usize = load<u32>(program, POINT_BYTES)
  const levelBytes = bytes * LANES
  const coefficients: usize = load<u32>(program, COEFFICIENTS)
  const nodeBytes = (bytes << 2) + 16
  const states: usize = load<u32>(program, SATISFIED) + 16
  const products: usize = load<u32>(program, PRODUCTS)
  const sums: usize = load<u32>(program, SUMS)
  for (let r: usize = 0; r < n; r++) memory.copy(products + r * bytes, coefficients, bytes)
  let op: usize = load<u32>(program, OPS)
  const end = op + ((<usize>load<u32>(program, N_OPS)) << 4)
  for (; op < end; op += 16) {
    const kind = load<u32>(op)
    const node: usize = load<u32>(op, 4)
    const level = <usize>load<u32>(op, 8) * levelBytes
    const factors = coefficients + node * nodeBytes
    let state = states + (node << 5)
    if (kind === ENTER) {
      const to = products + level
      for (let r: usize = 0; r < n; r++, state += 2) {
        passDown(to - levelBytes + r * bytes, to + r * bytes, factors, load<u16>(state), bytes)
      }
      continue
    }
    const isLeaf = kind & LEAF
    const first = kind & FIRST
    const to = sums + level - levelBytes
    const from = isLeaf ? products + level - levelBytes : sums + level
    let gain = out + <usize>load<u32>(op, 12) * outBytes
    for (let r: usize = 0; r < n; r++, state += 2, gain += 8) {
      const at = r * bytes
      const s = <u32>load<u16>(state)
      const worth = isLeaf
        ? passLeaf(from + at, to + at, factors, s, bytes, first)
        : passUp(from + at, to + at, factors, s, bytes, first)
      store<f64>(gain, load<f64>(gain) + worth)
    }
  }
}

// ---------------------------------------------------------------- pairs

/**
 * Leaves without tables, against background rows: down a tree, the ways of all hybrids of a row and a background row. Nodes are 32 bytes: column among
 * the rows' ranks, the same among the background's, rank, feature, first and second child (0 where nothing is asked below), a leaf's value.
 * A leaf has no first and no second child; weights by features from the row, then by features from the background row.
 */
let lost: f64 = 0 // what leaves below a node take from each feature of the background row's side

function walkPair(
  node: usize,
  row: usize,
  other: usize,
  sides: usize,
  weights: usize,
  weightBytes: usize,
  nRow: u32,
  nOther: u32,
  out: usize,
  outBytes: usize,
): f64 {
  while (node !== 0) {
    const first: usize = load<u32>(node, 16)
    const second: usize = load<u32>(node, 20)
    if ((first | second) === 0) {
      const value = load<f64>(node, 24)
      const at = weights + <usize>nRow * weightBytes + (nOther << 3)
      lost = nOther > 0 ? value * load<f64>(at - 8) : 0
      return nRow > 0 ? value * load<f64>(at - weightBytes) : 0
    }
    const rank = load<u32>(node, 8)
    const a = <u32>load<u16>(row + load<u32>(node)) <= rank ? first : second
    const b = <u32>load<u16>(other + load<u32>(node, 4)) <= rank ? first : second
    const feature: usize = load<u32>(node, 12)
    const side = load<u8>(sides + feature)
    if (a === b) node = a
    else if (side !== 0) node = side === 1 ? a : b
    else {
      const to = out + feature * outBytes
      store<u8>(sides + feature, 1)
      const gained = walkPair(a, row, other, sides, weights, weightBytes, nRow + 1, nOther, out, outBytes)
      const lostThere = lost
      store<f64>(to, load<f64>(to) + gained)
      store<u8>(sides + feature, 2)
      const more = walkPair(b, row, other, sides, weights, weightBytes, nRow, nOther + 1, out, outBytes)
      store<f64>(to, load<f64>(to) - lost)
      store<u8>(sides + feature, 0)
      lost += lostThere
      return gained + more
    }
  }
  lost = 0
  return 0
}

/** Adds contributions of `n` rows against each of `nOthers` background rows: sums lie by feature, `sumBytes` apart. */
export function addPairs(
  root: usize,
  ranks: usize,
  n: u32,
  others: usize,
  nOthers: u32,
  sides: usize,
  weights: usize,
  weightBytes: usize,
  sums: usize,
  sumBytes: usize,
): void {
  for (let i: u32 = 0; i < n; i++) {
    for (let z: u32 = 0; z < nOthers; z++) {
      walkPair(
        root,
        ranks + (i << 1),
        others + (z << 1),
        sides,
        weights,
        weightBytes,
        0,
        0,
        sums + (i << 3),
        sumBytes,
      )
    }
  }
}
