/**
 * Walking trees without branches: the twin of src/model/tree-walk.ts, bit for bit.
 *
 * Many models share one memory; each is a block that src/model/tree-arena.ts lays out and a header of 32-bit words describes. A node is 16
 * bytes: limit (a double), address of its first child, offset of what it tests in a row's `z`. It goes on to `child + (z > limit ? 16 : 0)`.
 * A leaf goes on to itself, as it tests an entry of `z` that is always NaN; its limit is its value. A node that tests a category has the
 * lowest bit of its child's address set, holds the address of its bit set in place of a limit, and finds the code of the row in `z`.
 *
 * The `z` of eight rows lie side by side, an entry of each after that of the one before; one row alone takes the first place of each eight.
 * Trees are walked eight at a time for one row, or one at a time for eight rows, so that eight loads are always under way. Within a chunk,
 * trees are walked in the order of their depth and summed in their own order.
 */

const STEPS: u32 = 2 // levels of one row between two looks whether all eight trees have arrived
const ENTRY: usize = 64 // bytes of an entry of z: a double for each of eight rows

// header, in bytes
const N_FEATURES = 0
const WIDTH = 4 // bytes of z for eight rows, with the entry that is NaN
const ROUNDS = 8
const HAS_SETS = 12
const HAS_NEGATIVES = 16
const HAS_PRESENCE = 20
const N_OUTPUTS = 24
const N_CHUNKS = 28
const CHUNKS = 32 // addresses of: first tree, trees (padded to eights), first output, trees to be summed
const BASES = 36
const N_CODES = 40
const CODES = 44 // by category feature: offset in z, codes of its sets, code that stands for missing
const SUMS_FLOATS = 48 // sums are rounded to floats after each tree

/** Offset in `z` of what a node tests. */
function place(node: usize): usize {
  return <usize>load<u32>(node, 12)
}

/** Where a row goes on from a node that tests `x`. */
function next(node: usize, x: f64): usize {
  const more = <usize>(x > load<f64>(node))
  return <usize>load<u32>(node, 8) + (more << 4)
}

/** Also where the node may test a category, whose code lies in the place of `x`: both answers are computed, and one is chosen. */
function nextMixed(node: usize, x: f64, code: u32): usize {
  const kid = load<u32>(node, 8)
  const isSet = kid & 1
  const word = select<usize>(<usize>load<u32>(node) + <usize>((code >> 5) << 2), node, isSet)
  const more = select<u32>((load<u32>(word) >> (code & 31)) & 1, <u32>(x > load<f64>(node)), isSet)
  return <usize>((kid ^ isSet) + (more << 4))
}

/** Spreads a row's features to its lane of `z`: features, negatives, presence, NaN; codes of categories as indexes of bits. */
function spread(header: usize, from: usize, z: usize): void {
  const bytes: usize = load<u32>(header, N_FEATURES) << 3
  const block = load<u32>(header, N_FEATURES) * <u32>ENTRY
  const rounds = load<u32>(header, ROUNDS)
  const hasNegatives = load<u32>(header, HAS_NEGATIVES)
  const hasPresence = load<u32>(header, HAS_PRESENCE)
  for (let at = from, to = z; at < from + bytes; at += 8, to += ENTRY) {
    let x = load<f64>(at)
    if (rounds) x = <f64>(<f32>x)
    store<f64>(to, x)
    if (hasNegatives) store<f64>(to + block, -x)
    if (hasPresence) store<f64>(to + (block << 1), Number.isNaN(x) ? 0 : 1)
  }
  store<f64>(z + load<u32>(header, WIDTH) - ENTRY, NaN)
  const codes = load<u32>(header, CODES)
  const end = codes + load<u32>(header, N_CODES) * 16
  for (let at: usize = codes; at < end; at += 16) {
    const x = load<f64>(z + load<u32>(at, 12))
    const bits = load<u32>(at, 4)
    const code = x >= 0 && x < <f64>bits && Math.floor(x) === x ? <u32>x : load<u32>(at, 8)
    store<u32>(z + load<u32>(at), code)
  }
}

function startSums(header: usize, out: usize): void {
  const bases: usize = load<u32>(header, BASES)
  const bytes: usize = load<u32>(header, N_OUTPUTS) << 3
  for (let at: usize = 0; at < bytes; at += 8) store<f64>(out + at, load<f64>(bases + at))
}

// ---------------------------------------------------------------- one row

function settle(tree: usize, node: usize, leaves: usize): void {
  store<f64>(leaves + load<u32>(tree, 4), load<f64>(node))
}

function walkEight(tree: usize, z: usize, leaves: usize): void {
  let a: usize = load<u32>(tree)
  let b: usize = load<u32>(tree, 8)
  let c: usize = load<u32>(tree, 16)
  let d: usize = load<u32>(tree, 24)
  let e: usize = load<u32>(tree, 32)
  let f: usize = load<u32>(tree, 40)
  let g: usize = load<u32>(tree, 48)
  let h: usize = load<u32>(tree, 56)
  for (;;) {
    for (let k: u32 = 1; k < STEPS; k++) {
      a = next(a, load<f64>(z + place(a)))
      b = next(b, load<f64>(z + place(b)))
      c = next(c, load<f64>(z + place(c)))
      d = next(d, load<f64>(z + place(d)))
      e = next(e, load<f64>(z + place(e)))
      f = next(f, load<f64>(z + place(f)))
      g = next(g, load<f64>(z + place(g)))
      h = next(h, load<f64>(z + place(h)))
    }
    const a1 = next(a, load<f64>(z + place(a)))
    const b1 = next(b, load<f64>(z + place(b)))
    const c1 = next(c, load<f64>(z + place(c)))
    const d1 = next(d, load<f64>(z + place(d)))
    const e1 = next(e, load<f64>(z + place(e)))
    const f1 = next(f, load<f64>(z + place(f)))
    const g1 = next(g, load<f64>(z + place(g)))
    const h1 = next(h, load<f64>(z + place(h)))
    const moved = (a1 ^ a) | (b1 ^ b) | (c1 ^ c) | (d1 ^ d) | (e1 ^ e) | (f1 ^ f) | (g1 ^ g) | (h1 ^ h)
    a = a1
    b = b1
    c = c1
    d = d1
    e = e1
    f = f1
    g = g1
    h = h1
    if (moved === 0) break
  }
  settle(tree, a, leaves)
  settle(tree + 8, b, leaves)
  settle(tree + 16, c, leaves)
  settle(tree + 24, d, leaves)
  settle(tree + 32, e, leaves)
  settle(tree + 40, f, leaves)
  settle(tree + 48, g, leaves)
  settle(tree + 56, h, leaves)
}

function walkEightMixed(tree: usize, z: usize, leaves: usize): void {
  let a: usize = load<u32>(tree)
  let b: usize = load<u32>(tree, 8)
  let c: usize = load<u32>(tree, 16)
  let d: usize = load<u32>(tree, 24)
  let e: usize = load<u32>(tree, 32)
  let f: usize = load<u32>(tree, 40)
  let g: usize = load<u32>(tree, 48)
  let h: usize = load<u32>(tree, 56)
  for (;;) {
    const a1 = nextMixed(a, load<f64>(z + place(a)), load<u32>(z + place(a)))
    const b1 = nextMixed(b, load<f64>(z + place(b)), load<u32>(z + place(b)))
    const c1 = nextMixed(c, load<f64>(z + place(c)), load<u32>(z + place(c)))
    const d1 = nextMixed(d, load<f64>(z + place(d)), load<u32>(z + place(d)))
    const e1 = nextMixed(e, load<f64>(z + place(e)), load<u32>(z + place(e)))
    const f1 = nextMixed(f, load<f64>(z + place(f)), load<u32>(z + place(f)))
    const g1 = nextMixed(g, load<f64>(z + place(g)), load<u32>(z + place(g)))
    const h1 = nextMixed(h, load<f64>(z + place(h)), load<u32>(z + place(h)))
    const moved = (a1 ^ a) | (b1 ^ b) | (c1 ^ c) | (d1 ^ d) | (e1 ^ e) | (f1 ^ f) | (g1 ^ g) | (h1 ^ h)
    a = a1
    b = b1
    c = c1
    d = d1
    e = e1
    f = f1
    g = g1
    h = h1
    if (moved === 0) break
  }
  settle(tree, a, leaves)
  settle(tree + 8, b, leaves)
  settle(tree + 16, c, leaves)
  settle(tree + 24, d, leaves)
  settle(tree + 32, e, leaves)
  settle(tree + 40, f, leaves)
  settle(tree + 48, g, leaves)
  settle(tree + 56, h, leaves)
}

/** Raw scores of the row whose features stand at `row`: the first is returned, all are written to `out`. */
export function scoreRow(header: usize, row: usize, z: usize, leaves: usize, out: usize): f64 {
  spread(header, row, z)
  const nOutputs = load<u32>(header, N_OUTPUTS)
  const mixed = load<u32>(header, HAS_SETS)
  startSums(header, out)
  let chunk: usize = load<u32>(header, CHUNKS)
  const chunksEnd = chunk + (load<u32>(header, N_CHUNKS) << 4)
  for (; chunk < chunksEnd; chunk += 16) {
    let tree: usize = load<u32>(chunk)
    const end = tree + (load<u32>(chunk, 4) << 3)
    if (mixed) for (; tree < end; tree += 64) walkEightMixed(tree, z, leaves)
    else for (; tree < end; tree += 64) walkEight(tree, z, leaves)
    if (load<u32>(header, SUMS_FLOATS)) sumChunkInFloats(chunk, leaves, out, nOutputs)
    else sumChunk(chunk, leaves, out, nOutputs)
  }
  return load<f64>(out)
}

function sumChunk(chunk: usize, leaves: usize, out: usize, nOutputs: u32): void {
  const end = leaves + (load<u32>(chunk, 12) << 3)
  if (nOutputs === 1) {
    let sum = load<f64>(out)
    for (let at = leaves; at < end; at += 8) sum += load<f64>(at)
    store<f64>(out, sum)
    return
  }
  let output: usize = load<u32>(chunk, 8)
  for (let at = leaves; at < end; at += 8, output += 4) {
    const to = out + load<u32>(output)
    store<f64>(to, load<f64>(to) + load<f64>(at))
  }
}

/** A sum of two floats in double, rounded to a float, is their sum in floats. */
function sumChunkInFloats(chunk: usize, leaves: usize, out: usize, nOutputs: u32): void {
  const end = leaves + (load<u32>(chunk, 12) << 3)
  if (nOutputs === 1) {
    let sum = load<f64>(out)
    for (let at = leaves; at < end; at += 8) sum = <f64>(<f32>(sum + load<f64>(at)))
    store<f64>(out, sum)
    return
  }
  let output: usize = load<u32>(chunk, 8)
  for (let at = leaves; at < end; at += 8, output += 4) {
    const to = out + load<u32>(output)
    store<f64>(to, <f64>(<f32>(load<f64>(to) + load<f64>(at))))
  }
}

// ---------------------------------------------------------------- rows

function gain(out: usize, node: usize): void {
  store<f64>(out, load<f64>(out) + load<f64>(node))
}

/** One tree over rows, eight at a time. `n` is a multiple of eight. */
function treeOverRows(root: usize, z: usize, width: usize, n: u32, out: usize, outStep: usize): void {
  for (let i: u32 = 0; i < n; i += 8, z += width, out += outStep << 3) {
    let a = root
    let b = root
    let c = root
    let d = root
    let e = root
    let f = root
    let g = root
    let h = root
    for (;;) {
      const a1 = next(a, load<f64>(z + place(a)))
      const b1 = next(b, load<f64>(z + place(b), 8))
      const c1 = next(c, load<f64>(z + place(c), 16))
      const d1 = next(d, load<f64>(z + place(d), 24))
      const e1 = next(e, load<f64>(z + place(e), 32))
      const f1 = next(f, load<f64>(z + place(f), 40))
      const g1 = next(g, load<f64>(z + place(g), 48))
      const h1 = next(h, load<f64>(z + place(h), 56))
      const moved = (a1 ^ a) | (b1 ^ b) | (c1 ^ c) | (d1 ^ d) | (e1 ^ e) | (f1 ^ f) | (g1 ^ g) | (h1 ^ h)
      a = a1
      b = b1
      c = c1
      d = d1
      e = e1
      f = f1
      g = g1
      h = h1
      if (moved === 0) break
    }
    gain(out, a)
    gain(out + outStep, b)
    gain(out + 2 * outStep, c)
    gain(out + 3 * outStep, d)
    gain(out + 4 * outStep, e)
    gain(out + 5 * outStep, f)
    gain(out + 6 * outStep, g)
    gain(out + 7 * outStep, h)
  }
}

function treeOverRowsMixed(root: usize, z: usize, width: usize, n: u32, out: usize, outStep: usize): void {
  for (let i: u32 = 0; i < n; i += 8, z += width, out += outStep << 3) {
    let a = root
    let b = root
    let c = root
    let d = root
    let e = root
    let f = root
    let g = root
    let h = root
    for (;;) {
      const a1 = nextMixed(a, load<f64>(z + place(a)), load<u32>(z + place(a)))
      const b1 = nextMixed(b, load<f64>(z + place(b), 8), load<u32>(z + place(b), 8))
      const c1 = nextMixed(c, load<f64>(z + place(c), 16), load<u32>(z + place(c), 16))
      const d1 = nextMixed(d, load<f64>(z + place(d), 24), load<u32>(z + place(d), 24))
      const e1 = nextMixed(e, load<f64>(z + place(e), 32), load<u32>(z + place(e), 32))
      const f1 = nextMixed(f, load<f64>(z + place(f), 40), load<u32>(z + place(f), 40))
      const g1 = nextMixed(g, load<f64>(z + place(g), 48), load<u32>(z + place(g), 48))
      const h1 = nextMixed(h, load<f64>(z + place(h), 56), load<u32>(z + place(h), 56))
      const moved = (a1 ^ a) | (b1 ^ b) | (c1 ^ c) | (d1 ^ d) | (e1 ^ e) | (f1 ^ f) | (g1 ^ g) | (h1 ^ h)
      a = a1
      b = b1
      c = c1
      d = d1
      e = e1
      f = f1
      g = g1
      h = h1
      if (moved === 0) break
    }
    gain(out, a)
    gain(out + outStep, b)
    gain(out + 2 * outStep, c)
    gain(out + 3 * outStep, d)
    gain(out + 4 * outStep, e)
    gain(out + 5 * outStep, f)
    gain(out + 6 * outStep, g)
    gain(out + 7 * outStep, h)
  }
}

function roundRows(out: usize, outStep: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++, out += outStep) store<f64>(out, <f64>(<f32>load<f64>(out)))
}

/**
 * Raw scores of `n` rows at `rows`, which has room for a multiple of eight: `out[n * nOutputs]`. Rows beyond `n` are whatever stands there;
 * their outputs are to be ignored. Trees are passed in their own order, that of `places` in each chunk.
 */
export function scoreRows(header: usize, rows: usize, n: u32, z: usize, out: usize): void {
  const width: usize = load<u32>(header, WIDTH)
  const rowBytes: usize = load<u32>(header, N_FEATURES) << 3
  const outStep: usize = load<u32>(header, N_OUTPUTS) << 3
  const mixed = load<u32>(header, HAS_SETS)
  const inFloats = load<u32>(header, SUMS_FLOATS)
  const nPadded = (n + 7) & ~7
  for (let i: u32 = 0; i < nPadded; i++) {
    spread(header, rows + <usize>i * rowBytes, z + <usize>(i >> 3) * width + <usize>((i & 7) << 3))
    startSums(header, out + <usize>i * outStep)
  }
  let chunk: usize = load<u32>(header, CHUNKS)
  const chunksEnd = chunk + (load<u32>(header, N_CHUNKS) << 4)
  for (; chunk < chunksEnd; chunk += 16) {
    const nTrees = load<u32>(chunk, 12)
    const inOrder = load<u32>(chunk) + (load<u32>(chunk, 4) << 3)
    const outputs: usize = load<u32>(chunk, 8)
    for (let t: u32 = 0; t < nTrees; t++) {
      const root: usize = load<u32>(inOrder + (t << 2))
      const to = out + load<u32>(outputs + (t << 2))
      if (mixed) treeOverRowsMixed(root, z, width, nPadded, to, outStep)
      else treeOverRows(root, z, width, nPadded, to, outStep)
      if (inFloats) roundRows(to, outStep, nPadded)
    }
  }
}

// ---------------------------------------------------------------- masks of leaves

/*
 * Trees of at most 64 leaves, without walking (after Lucchese et al. 2015, QuickScorer: SIGIR, pp. 73-82): a tree's mask has a bit a leaf, left to right, and a node
 * that a row leaves to the right clears the leaves on its left; of the leaves that stay, the lowest is the row's. Nodes of all trees that test one feature (a
 * column) lie in the order of their limits, so that those which a row leaves to the right are the first of them. Of every 16th of those prefixes, the masks
 * of all trees stand ready as a line; the nodes after it are taken one by one. Before the first line is one for a missing value.
 */

// header, in bytes
const ROUNDS_ROW = 0
const N_COLUMNS = 4
const COLUMNS = 8
const LINE_BYTES = 12 // masks of all trees, a multiple of 128
const LEAVES = 16 // values of leaves, of each tree at the same distance
const TREE_BYTES = 20
const MASK_BYTES = 24 // masks of the trees there are
const NO_NODE = 28 // a node that takes nothing away
const FLOATS = 32
const ROW_BYTES = 36
const BASE = 40
const FOUND = 48 // scratch: lines of the row by column, nodes to be taken, masks
const TAKEN = 52
const MASKS = 56

// a column, in bytes
const COLUMN_BYTES: usize = 32
const FEATURE = 0 // offset in the row
const N_CHECKS = 4 // limits of every 16th node, and 16 that are never passed
const CHECKS = 8
const LIMITS = 12 // of all nodes
const LINES = 16
const NODES = 20 // mask, place of the tree's mask

/** How many of 16 limits in order are below `x`. */
function below(at: usize, x: v128): u32 {
  let a = f64x2.gt(x, v128.load(at))
  let b = f64x2.gt(x, v128.load(at, 16))
  a = i64x2.add(a, f64x2.gt(x, v128.load(at, 32)))
  b = i64x2.add(b, f64x2.gt(x, v128.load(at, 48)))
  a = i64x2.add(a, f64x2.gt(x, v128.load(at, 64)))
  b = i64x2.add(b, f64x2.gt(x, v128.load(at, 80)))
  a = i64x2.add(a, f64x2.gt(x, v128.load(at, 96)))
  b = i64x2.add(b, f64x2.gt(x, v128.load(at, 112)))
  a = i64x2.add(a, b)
  return -(<i32>i64x2.extract_lane(a, 0) + <i32>i64x2.extract_lane(a, 1))
}

/** Checks below `x`: by halves while there are more than 16, whose followers are not below. */
function passed(column: usize, x: f64): u32 {
  const checks: usize = load<u32>(column, CHECKS)
  let at = checks
  let length = load<u32>(column, N_CHECKS)
  while (length > 16) {
    const half = length >> 1
    at += <usize>(-(<i32>(x > load<f64>(at + ((half - 1) << 3)))) & <i32>(half << 3))
    length -= half
  }
  return (<u32>(at - checks) >> 3) + below(at, f64x2.splat(x))
}

/** Finds the line of each column and lists the nodes after it; returns the end of the list. */
function search(header: usize, row: usize): usize {
  const rounds = load<u32>(header, ROUNDS_ROW)
  const lineBytes = load<u32>(header, LINE_BYTES)
  let column: usize = load<u32>(header, COLUMNS)
  const end = column + <usize>load<u32>(header, N_COLUMNS) * COLUMN_BYTES
  let found: usize = load<u32>(header, FOUND)
  let to: usize = load<u32>(header, TAKEN)
  for (; column < end; column += COLUMN_BYTES, found += 4) {
    let x = load<f64>(row + <usize>load<u32>(column, FEATURE))
    if (rounds) x = <f64>(<f32>x)
    const line = passed(column, x)
    const nAfter = below(<usize>load<u32>(column, LIMITS) + <usize>(line << 7), f64x2.splat(x))
    store<u32>(found, load<u32>(column, LINES) + (line - <u32>Number.isNaN(x)) * lineBytes)
    const nodes = i32x4.add(i32x4.splat(load<u32>(column, NODES) + (line << 8)), i32x4(0, 16, 32, 48))
    v128.store(to, nodes)
    v128.store(to, i32x4.add(nodes, i32x4.splat(64)), 16)
    v128.store(to, i32x4.add(nodes, i32x4.splat(128)), 32)
    v128.store(to, i32x4.add(nodes, i32x4.splat(192)), 48)
    to += <usize>(nAfter << 2)
  }
  return to
}

/** Masks of sixteen trees at a time: what the lines of all columns leave. */
function meet(header: usize): void {
  const found: usize = load<u32>(header, FOUND)
  const end = found + ((<usize>load<u32>(header, N_COLUMNS)) << 2)
  const masks: usize = load<u32>(header, MASKS)
  const lineBytes: usize = load<u32>(header, LINE_BYTES)
  for (let b: usize = 0; b < lineBytes; b += 128) {
    let at = <usize>load<u32>(found) + b
    let m0 = v128.load(at)
    let m1 = v128.load(at, 16)
    let m2 = v128.load(at, 32)
    let m3 = v128.load(at, 48)
    let m4 = v128.load(at, 64)
    let m5 = v128.load(at, 80)
    let m6 = v128.load(at, 96)
    let m7 = v128.load(at, 112)
    for (let f = found + 4; f < end; f += 4) {
      at = <usize>load<u32>(f) + b
      m0 = v128.and(m0, v128.load(at))
      m1 = v128.and(m1, v128.load(at, 16))
      m2 = v128.and(m2, v128.load(at, 32))
      m3 = v128.and(m3, v128.load(at, 48))
      m4 = v128.and(m4, v128.load(at, 64))
      m5 = v128.and(m5, v128.load(at, 80))
      m6 = v128.and(m6, v128.load(at, 96))
      m7 = v128.and(m7, v128.load(at, 112))
    }
    at = masks + b
    v128.store(at, m0)
    v128.store(at, m1, 16)
    v128.store(at, m2, 32)
    v128.store(at, m3, 48)
    v128.store(at, m4, 64)
    v128.store(at, m5, 80)
    v128.store(at, m6, 96)
    v128.store(at, m7, 112)
  }
}

function takeNode(node: usize, masks: usize): void {
  const mask = masks + <usize>load<u32>(node, 8)
  store<u64>(mask, load<u64>(mask) & load<u64>(node))
}

/** Takes the nodes of a list, four at a time: it is filled up with nodes that take nothing away. */
function takeNodes(header: usize, end: usize): void {
  const masks: usize = load<u32>(header, MASKS)
  v128.store(end, i32x4.splat(load<u32>(header, NO_NODE)))
  for (let at: usize = load<u32>(header, TAKEN); at < end; at += 16) {
    takeNode(load<u32>(at), masks)
    takeNode(load<u32>(at, 4), masks)
    takeNode(load<u32>(at, 8), masks)
    takeNode(load<u32>(at, 12), masks)
  }
}

function leafOf(mask: usize, leaves: usize): f64 {
  return load<f64>(leaves + ((<usize>ctz(load<u64>(mask))) << 3))
}

function sumLeaves(header: usize): f64 {
  let sum = load<f64>(header, BASE)
  let leaves: usize = load<u32>(header, LEAVES)
  const treeBytes: usize = load<u32>(header, TREE_BYTES)
  let mask: usize = load<u32>(header, MASKS)
  const end = mask + <usize>load<u32>(header, MASK_BYTES)
  if (load<u32>(header, FLOATS)) {
    for (; mask < end; mask += 8, leaves += treeBytes) sum = <f64>(<f32>(sum + leafOf(mask, leaves)))
    return sum
  }
  for (; mask < end; mask += 8, leaves += treeBytes) sum += leafOf(mask, leaves)
  return sum
}

/** Raw score of the row whose features stand at `row`. */
export function maskRow(header: usize, row: usize): f64 {
  const end = search(header, row)
  meet(header)
  takeNodes(header, end)
  return sumLeaves(header)
}

/** Raw scores of `n` rows at `rows`. */
export function maskRows(header: usize, rows: usize, n: u32, out: usize): void {
  const rowBytes: usize = load<u32>(header, ROW_BYTES)
  for (let i: u32 = 0; i < n; i++, rows += rowBytes, out += 8) store<f64>(out, maskRow(header, rows))
}
