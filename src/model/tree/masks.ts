/**
 * Trees of few leaves as masks of leaves, which kernels/score.ts scores without walking: nodes by feature in the order of their limits, and for every 16th
 * of them the masks of all trees (a line). They take about three times the memory of nodes, and less time where features are few beside trees.
 */
import type { Kernel } from '../form.ts'
import { type CompiledTrees, doubleBelow } from '../tree-walk.ts'
import type { SourceRules } from '../trees.ts'
import { ARENA_LIMITS, lendSpare, type Shelf } from './arena.ts'

export const MASK_LIMITS = {
  /** Bits of a mask. */
  leavesMax: 64,
  /** Of a model: larger tables leave the cache, and walking is as fast. */
  bytesMax: 2 * 1024 * 1024,
} as const

const HEADER_BYTES = 64
const COLUMN_BYTES = 32
const NODE_BYTES = 16
const LIMIT_BYTES = 8
/** Nodes between two lines. */
const GROUP = 16
/** Trees whose masks are met at a time. */
const BLOCK_TREES = 16
const ROWS_TOGETHER_MAX = 64

/** Nanoseconds of the parts of a row, as measured on one machine: their ratios foresee which way is the faster. */
const COST = { column: 17, cell: 0.2, tree: 1.2, level: 2.2 }

/** A node that goes right above `limit`, and then clears the leaves `[from, to)` of its tree. */
interface Split {
  tree: number
  limit: number
  missingLeft: boolean
  from: number
  to: number
}

/** What masks are made of. */
export interface MaskPlan {
  columns: { feature: number; splits: Split[] }[]
  /** Values of leaves from left to right, by tree. */
  leaves: number[][]
  roundsToF32: boolean
  nFeatures: number
  /** Memory outside the JavaScript heap. */
  bytes: number
}

/** What compiled trees have that masks are made of. */
export type WalkedTrees = Pick<
  CompiledTrees,
  'nFeatures' | 'nOutputs' | 'roundsToF32' | 'slot' | 'limit' | 'kid' | 'value' | 'roots' | 'setOf'
>

/**
 * Masks of compiled trees; `null` where there can be none (several outputs, categories, more than 64 leaves in a tree, no split, too large) or, unless
 * `evenIfSlower`, where walking is foreseen to be as fast. Cost: O(nodes).
 */
export function planMasks(trees: WalkedTrees, { evenIfSlower = false } = {}): MaskPlan | null {
  if (trees.nOutputs !== 1 || trees.setOf !== null) return null
  const byFeature = new Map<number, Split[]>()
  const leaves: number[][] = []
  for (const root of trees.roots) {
    const own = readTree(trees, root, leaves.length, byFeature)
    if (own === null) return null
    leaves.push(own)
  }
  const columns = [...byFeature].map(([feature, splits]) => ({ feature, splits }))
  if (columns.length === 0 || !(evenIfSlower || isFaster(leaves, columns.length))) return null
  const { roundsToF32, nFeatures } = trees
  const shape = { columns: columns.sort((a, b) => a.feature - b.feature), leaves, roundsToF32, nFeatures }
  const { bytes } = layOut(shape)
  return bytes > MASK_LIMITS.bytesMax || scratchOf(shape) === null ? null : { ...shape, bytes }
}

/** Adds the splits of a tree by feature and returns its leaves; `null` where masks cannot hold it. */
function readTree(
  trees: WalkedTrees,
  root: number,
  tree: number,
  byFeature: Map<number, Split[]>,
): number[] | null {
  const { kid, value } = trees
  const leaves: number[] = []
  const read = (node: number, level: number): boolean => {
    if (level >= MASK_LIMITS.leavesMax) return false
    if (kid[node] === node) return leaves.push(value[node]) <= MASK_LIMITS.leavesMax
    const { limit, missingLeft, feature } = testOf(trees, node)
    if (Number.isNaN(limit)) return false
    const split = { tree, limit, missingLeft, from: leaves.length, to: 0 }
    if (!byFeature.has(feature)) byFeature.set(feature, [])
    byFeature.get(feature)!.push(split)
    const [left, right] = missingLeft ? [kid[node], kid[node] + 1] : [kid[node] + 1, kid[node]]
    if (!read(left, level + 1)) return false
    split.to = leaves.length
    return read(right, level + 1)
  }
  return read(root, 0) ? leaves : null
}

/** What a node tests: above `limit` a row goes right; NaN where no double says it. Missing values go to the first child. */
function testOf({ slot, limit, nFeatures, roundsToF32 }: WalkedTrees, node: number) {
  const block = Math.floor(slot[node] / nFeatures)
  const feature = slot[node] % nFeatures
  if (block === 0) return { feature, missingLeft: true, limit: limit[node] }
  if (block === 1) return { feature, missingLeft: false, limit: doubleBelow(-limit[node]) }
  return { feature, missingLeft: false, limit: roundsToF32 ? Number.NaN : Number.POSITIVE_INFINITY }
}

function isFaster(leaves: number[][], nColumns: number): boolean {
  const levels = leaves.reduce((sum, { length }) => sum + Math.log2(length), 0)
  const masks = nColumns * (COST.column + COST.cell * leaves.length) + COST.tree * leaves.length
  return masks < COST.level * levels
}

// ---------------------------------------------------------------- layout

type Shape = Omit<MaskPlan, 'bytes'>

const linesOf = (splits: Split[]) => Math.floor(splits.length / GROUP) + 1
const lineBytesOf = ({ leaves }: Shape) => Math.ceil(leaves.length / BLOCK_TREES) * BLOCK_TREES * 8

/** Offsets from a place whose address is a multiple of 64. */
function layOut(shape: Shape) {
  const { columns, leaves } = shape
  const lineBytes = lineBytesOf(shape)
  const nLeavesMax = Math.max(...leaves.map(({ length }) => length))
  let at = 0
  const take = (bytes: number) => {
    const here = at
    at += Math.ceil(bytes / 64) * 64
    return here
  }
  const header = take(HEADER_BYTES)
  const noNode = take(NODE_BYTES)
  const heads = take(columns.length * COLUMN_BYTES)
  const values = take(leaves.length * nLeavesMax * 8)
  const parts = columns.map(({ splits }) => ({
    checks: take((linesOf(splits) - 1 + GROUP) * LIMIT_BYTES),
    limits: take(linesOf(splits) * GROUP * LIMIT_BYTES),
    nodes: take(linesOf(splits) * GROUP * NODE_BYTES),
    lines: take((linesOf(splits) + 1) * lineBytes) + lineBytes,
  }))
  // A lease begins at a multiple of 16.
  return { header, noNode, heads, values, parts, lineBytes, nLeavesMax, bytes: at + 48 }
}

/** Addresses in the scratch space of a shelf; `null` where a row does not fit. */
function scratchOf(shape: Shape) {
  const nColumns = shape.columns.length
  const masks = 64
  const found = masks + lineBytesOf(shape)
  const taken = found + Math.ceil(nColumns / 4) * 16
  const out = taken + nColumns * GROUP * 4 + 16
  const rows = out + ROWS_TOGETHER_MAX * 8
  const nRows = Math.floor((ARENA_LIMITS.scratchBytes - rows) / (shape.nFeatures * 8))
  return nRows < 1 ? null : { masks, found, taken, out, rows, nRows: Math.min(nRows, ROWS_TOGETHER_MAX) }
}

// ---------------------------------------------------------------- writing

export interface MaskSums {
  /** What sums begin with. */
  base: number
  /** The numbers in which leaves are added. */
  sum: SourceRules['sum']
}

/** Lays masks on a shelf: the bits of the plain loops. `null` where there is no spare room. Cost: O(lines * trees). */
export function maskKernel(plan: MaskPlan, sums: MaskSums): Required<Kernel> | null {
  const lease = lendSpare(plan.bytes)
  if (lease === null) return null
  const scratch = scratchOf(plan)!
  const at = Math.ceil(lease.at / 64) * 64
  write(plan, sums, lease.shelf, at)
  const { nFeatures } = plan
  const firstRow = scratch.rows / 8
  const firstOut = scratch.out / 8
  return {
    row: (x) => {
      const { kernels, f64 } = lease.shelf
      for (let j = 0; j < nFeatures; j++) f64[firstRow + j] = x[j]
      return kernels.maskRow(at, scratch.rows)
    },
    rows: (rows, n, out) => {
      const { kernels, f64 } = lease.shelf
      for (let from = 0; from < n; from += scratch.nRows) {
        const size = Math.min(scratch.nRows, n - from)
        f64.set(rows.subarray(from * nFeatures, (from + size) * nFeatures), firstRow)
        kernels.maskRows(at, scratch.rows, size, scratch.out)
        out.set(f64.subarray(firstOut, firstOut + size), from)
      }
    },
    bytes: plan.bytes,
    close: () => lease.close(),
  }
}

function write(plan: MaskPlan, { base, sum }: MaskSums, { u32, f64 }: Shelf, at: number): void {
  const layout = layOut(plan)
  const scratch = scratchOf(plan)!
  const { lineBytes, nLeavesMax } = layout
  const head = [
    Number(plan.roundsToF32),
    plan.columns.length,
    at + layout.heads,
    lineBytes,
    at + layout.values,
    nLeavesMax * 8,
    plan.leaves.length * 8,
    at + layout.noNode,
    Number(sum === 'f32'),
    plan.nFeatures * 8,
  ]
  u32.set(head, at / 4)
  f64[at / 8 + 5] = base
  u32.set([scratch.found, scratch.taken, scratch.masks], at / 4 + 12)
  u32.set([0xffffffff, 0xffffffff, 0, 0], (at + layout.noNode) / 4)
  plan.leaves.forEach((values, t) => {
    f64.set(values, (at + layout.values) / 8 + t * nLeavesMax)
  })
  plan.columns.forEach(({ feature, splits }, c) => {
    const part = layout.parts[c]
    const addresses = [part.checks, part.limits, part.lines, part.nodes].map((offset) => at + offset)
    u32.set([feature * 8, linesOf(splits) - 1, ...addresses], (at + layout.heads) / 4 + c * 8)
    writeColumn(
      splits.toSorted((a, b) => a.limit - b.limit),
      addresses,
      lineBytes,
      { u32, f64 },
    )
  })
}

function writeColumn(
  splits: Split[],
  [checks, limits, lines, nodes]: number[],
  lineBytes: number,
  { u32, f64 }: Pick<Shelf, 'u32' | 'f64'>,
): void {
  const nLines = linesOf(splits)
  const words = lineBytes / 4
  f64.fill(Number.POSITIVE_INFINITY, checks / 8, checks / 8 + nLines - 1 + GROUP)
  f64.fill(Number.POSITIVE_INFINITY, limits / 8, limits / 8 + nLines * GROUP)
  u32.fill(0, nodes / 4, (nodes + nLines * GROUP * NODE_BYTES) / 4)
  const missing = u32.subarray(lines / 4 - words, lines / 4).fill(0xffffffff)
  const line = new Uint32Array(words).fill(0xffffffff)
  splits.forEach(({ tree, limit, missingLeft, from, to }, i) => {
    if (i % GROUP === 0) u32.set(line, lines / 4 + (i / GROUP) * words)
    if (i % GROUP === GROUP - 1) f64[checks / 8 + (i + 1) / GROUP - 1] = limit
    f64[limits / 8 + i] = limit
    const mask = maskWithout(from, to)
    u32.set([mask[0], mask[1], tree * 8], nodes / 4 + i * 4)
    for (const half of [0, 1]) {
      line[tree * 2 + half] &= mask[half]
      if (!missingLeft) missing[tree * 2 + half] &= mask[half]
    }
  })
  if (splits.length % GROUP === 0) u32.set(line, lines / 4 + (nLines - 1) * words)
}

/** The lower and the upper half of a mask without the bits `[from, to)`. */
function maskWithout(from: number, to: number): [number, number] {
  return [~bitsBelow(to) | bitsBelow(from), ~bitsBelow(to - 32) | bitsBelow(from - 32)]
}

/** The lowest `n` bits of 32. */
function bitsBelow(n: number): number {
  if (n <= 0) return 0
  return n >= 32 ? -1 : (1 << n) - 1
}
