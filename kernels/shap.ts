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
