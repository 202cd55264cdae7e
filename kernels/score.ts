/**
 * Walking trees without branches: the twin of src/model/tree-walk.ts, bit for bit.
 *
 * Many models share one memory; each is a block that src/model/tree-arena.ts lays out and a header of 32-bit words describes. A node is 16
 * bytes: limit (a double), address of its first child, offset of what it tests in a row's `z`. It goes on to `child + (z > limit ? 16 : 0)`.
 * A leaf goes on to itself, as it tests an entry of `z` that is always NaN; its limit is its value. A node that tests a category has the
 * lowest bit of its child's address set, holds the address of its bit set in place of a limit, and finds the code of the row in `z`.
 *
 * Trees are walked eight at a time for one row, or one at a time for eight rows, so that eight loads are always under way. Within a chunk,
 * trees are walked in the order of their depth and summed in their own order.
 */

const STEPS: u32 = 2 // levels between two looks whether all eight have arrived

// header, in bytes
const N_FEATURES = 0
const WIDTH = 4 // bytes of a row's z, with the entry that is NaN
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

function step(node: usize, z: usize): usize {
  const more = <usize>(load<f64>(z + load<u32>(node, 12)) > load<f64>(node))
  return <usize>load<u32>(node, 8) + (more << 4)
}

/** Also where the node may test a category: both answers are computed, and one is chosen. */
function stepMixed(node: usize, z: usize): usize {
  const at = z + load<u32>(node, 12)
  const kid = load<u32>(node, 8)
  const code = load<u32>(at)
  const isSet = kid & 1
  const word = select<usize>(<usize>load<u32>(node) + <usize>((code >> 5) << 2), node, isSet)
  const more = select<u32>(
    (load<u32>(word) >> (code & 31)) & 1,
    <u32>(load<f64>(at) > load<f64>(node)),
    isSet,
  )
  return <usize>((kid ^ isSet) + (more << 4))
}

/** Spreads a row's features to `z`: features, negatives, presence, NaN; codes of categories as indexes of bits. */
function spread(header: usize, from: usize, z: usize): void {
  const n = load<u32>(header, N_FEATURES) << 3
  if (load<u32>(header, ROUNDS)) {
    for (let j: u32 = 0; j < n; j += 8) store<f64>(z + j, <f64>(<f32>load<f64>(from + j)))
  } else if (from !== z) memory.copy(z, from, n)
  if (load<u32>(header, HAS_NEGATIVES)) {
    for (let j: u32 = 0; j < n; j += 8) store<f64>(z + n + j, -load<f64>(z + j))
  }
  if (load<u32>(header, HAS_PRESENCE)) {
    for (let j: u32 = 0; j < n; j += 8) {
      const x = load<f64>(z + j)
      store<f64>(z + (n << 1) + j, Number.isNaN(x) ? 0 : 1)
    }
  }
  store<f64>(z + load<u32>(header, WIDTH) - 8, NaN)
  const codes = load<u32>(header, CODES)
  const end = codes + load<u32>(header, N_CODES) * 16
  for (let at: usize = codes; at < end; at += 16) {
    const x = load<f64>(z + load<u32>(at, 12))
    const bits = load<u32>(at, 4)
    const code = x >= 0 && x < <f64>bits && Math.floor(x) === x ? <u32>x : load<u32>(at, 8)
    store<u32>(z + load<u32>(at), code)
  }
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
      a = step(a, z)
      b = step(b, z)
      c = step(c, z)
      d = step(d, z)
      e = step(e, z)
      f = step(f, z)
      g = step(g, z)
      h = step(h, z)
    }
    const a1 = step(a, z)
    const b1 = step(b, z)
    const c1 = step(c, z)
    const d1 = step(d, z)
    const e1 = step(e, z)
    const f1 = step(f, z)
    const g1 = step(g, z)
    const h1 = step(h, z)
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
    const a1 = stepMixed(a, z)
    const b1 = stepMixed(b, z)
    const c1 = stepMixed(c, z)
    const d1 = stepMixed(d, z)
    const e1 = stepMixed(e, z)
    const f1 = stepMixed(f, z)
    const g1 = stepMixed(g, z)
    const h1 = stepMixed(h, z)
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

/** Raw scores of the row whose features stand at `z`: the first is returned, all are written to `out`. */
export function scoreRow(header: usize, z: usize, leaves: usize, out: usize): f64 {
  spread(header, z, z)
  const nOutputs = load<u32>(header, N_OUTPUTS)
  const mixed = load<u32>(header, HAS_SETS)
  memory.copy(out, load<u32>(header, BASES), nOutputs << 3)
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

/** One tree over eight rows. */
function treeOverEight(root: usize, z: usize, width: usize, out: usize, outStep: usize): void {
  const z1 = z + width
  const z2 = z1 + width
  const z3 = z2 + width
  const z4 = z3 + width
  const z5 = z4 + width
  const z6 = z5 + width
  const z7 = z6 + width
  let a = root
  let b = root
  let c = root
  let d = root
  let e = root
  let f = root
  let g = root
  let h = root
  for (;;) {
    for (let k: u32 = 1; k < STEPS; k++) {
      a = step(a, z)
      b = step(b, z1)
      c = step(c, z2)
      d = step(d, z3)
      e = step(e, z4)
      f = step(f, z5)
      g = step(g, z6)
      h = step(h, z7)
    }
    const a1 = step(a, z)
    const b1 = step(b, z1)
    const c1 = step(c, z2)
    const d1 = step(d, z3)
    const e1 = step(e, z4)
    const f1 = step(f, z5)
    const g1 = step(g, z6)
    const h1 = step(h, z7)
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

function treeOverEightMixed(root: usize, z: usize, width: usize, out: usize, outStep: usize): void {
  const z1 = z + width
  const z2 = z1 + width
  const z3 = z2 + width
  const z4 = z3 + width
  const z5 = z4 + width
  const z6 = z5 + width
  const z7 = z6 + width
  let a = root
  let b = root
  let c = root
  let d = root
  let e = root
  let f = root
  let g = root
  let h = root
  for (;;) {
    const a1 = stepMixed(a, z)
    const b1 = stepMixed(b, z1)
    const c1 = stepMixed(c, z2)
    const d1 = stepMixed(d, z3)
    const e1 = stepMixed(e, z4)
    const f1 = stepMixed(f, z5)
    const g1 = stepMixed(g, z6)
    const h1 = stepMixed(h, z7)
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

function roundEight(out: usize, outStep: usize): void {
  const end = out + (outStep << 3)
  for (; out < end; out += outStep) store<f64>(out, <f64>(<f32>load<f64>(out)))
}

/**
 * Raw scores of `n` rows at `rows`, which has room for a multiple of eight: `out[n * nOutputs]`. Rows beyond `n` are whatever stands there;
 * their outputs are to be ignored. Trees are passed in their own order, that of `places` in each chunk.
 */
export function scoreRows(header: usize, rows: usize, n: u32, z: usize, out: usize): void {
  const width: usize = load<u32>(header, WIDTH)
  const rowBytes: usize = load<u32>(header, N_FEATURES) << 3
  const outStep: usize = load<u32>(header, N_OUTPUTS) << 3
  const bases: usize = load<u32>(header, BASES)
  const mixed = load<u32>(header, HAS_SETS)
  const inFloats = load<u32>(header, SUMS_FLOATS)
  const nPadded = (n + 7) & ~7
  for (let i: u32 = 0; i < nPadded; i++) {
    spread(header, rows + <usize>i * rowBytes, z + <usize>i * width)
    memory.copy(out + <usize>i * outStep, bases, <u32>outStep)
  }
  let chunk: usize = load<u32>(header, CHUNKS)
  const chunksEnd = chunk + (load<u32>(header, N_CHUNKS) << 4)
  for (; chunk < chunksEnd; chunk += 16) {
    const nTrees = load<u32>(chunk, 12)
    const inOrder = load<u32>(chunk) + (load<u32>(chunk, 4) << 3)
    const outputs: usize = load<u32>(chunk, 8)
    for (let t: u32 = 0; t < nTrees; t++) {
      const root: usize = load<u32>(inOrder + (t << 2))
      let to = out + load<u32>(outputs + (t << 2))
      let row = z
      for (let i: u32 = 0; i < nPadded; i += 8) {
        if (mixed) treeOverEightMixed(root, row, width, to, outStep)
        else treeOverEight(root, row, width, to, outStep)
        if (inFloats) roundEight(to, outStep)
        row += width << 3
        to += outStep << 3
      }
    }
  }
}
