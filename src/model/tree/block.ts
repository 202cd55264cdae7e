/** Compiled trees as a block of a shelf: what kernels/score.ts reads. */

import type { CompiledTrees } from '../tree-walk.ts'
import type { SourceRules } from '../trees.ts'
import { ARENA_LIMITS, type Lease, lend } from './arena.ts'
import type { WalkedTrees } from './masks.ts'

/** Trees whose leaves are found before they are summed. */
export const CHUNK_TREES = 256
const HEADER_BYTES = 64
/** Words of the header that are addresses: of chunks, bases and codes. */
const HEADER_ADDRESSES = [8, 9, 11]
const NODE_BYTES = 16
/** An entry of `z`: a double for each of eight rows. */
const ENTRY_BYTES = 64
/** Sets of one feature get the length of its longest; more than this many times their own length, and they stay in the plain loops. */
const SET_GROWTH_MAX = 8
const SET_WORDS_FREE = 4096

/** A block, and where its rows go in the scratch space of its shelf. */
export interface TreeBlock {
  lease: Lease
  nFeatures: number
  nOutputs: number
  /** Addresses of the first node and of the first chunk. */
  nodesAt: number
  chunksAt: number
  nNodes: number
  nTrees: number
  /** Rows that fit in the scratch space together, a multiple of eight. */
  blockRows: number
  rowsAt: number
  zAt: number
  outAt: number
  leavesAt: number
}

/** Category features as the kernel sees them. */
interface SetPlan {
  features: { feature: number; bits: number }[]
  /** First word of each padded set, by set and by where missing goes. */
  placeOf: Map<string, number>
  words: Uint32Array
}

/**
 * Places compiled trees on a shelf. `null` where there is none, a row does not fit in its scratch space, or sets of categories would grow
 * too much: then the plain loops walk. `sum`: the numbers in which leaves are added. Cost: O(nodes).
 */
export function placeTrees(trees: CompiledTrees, sum: SourceRules['sum'] = 'f64'): TreeBlock | null {
  const planned = plan(trees)
  const lease = planned && lend(planned.layout.bytes)
  if (!lease) return null
  const { u32, f64 } = lease.shelf
  write(trees, planned, { u32, f64, at: lease.at }, sum)
  return { lease, ...planned.shape, ...addresses(planned.layout, lease.at) }
}

/** A block that lies nowhere yet, as one thread makes it for another. */
export interface PackedTrees {
  /** The block, with addresses from its own beginning on. */
  words: Uint32Array<ArrayBuffer>
  shape: BlockShape
  nodesAt: number
  chunksAt: number
}

/** The same into memory of its own, which can be handed to another thread. */
export function packTrees(trees: CompiledTrees, sum: SourceRules['sum'] = 'f64'): PackedTrees | null {
  const planned = plan(trees)
  if (!planned) return null
  const words = new Uint32Array(planned.layout.bytes / 4)
  write(trees, planned, { u32: words, f64: new Float64Array(words.buffer), at: 0 }, sum)
  return { words, shape: planned.shape, ...addresses(planned.layout, 0) }
}

/** Puts a packed block on a shelf; `null` where there is none. Cost: O(nodes), some nanoseconds each. */
export function unpackTrees({ words, shape, nodesAt, chunksAt }: PackedTrees): TreeBlock | null {
  const lease = lend(words.byteLength)
  if (!lease) return null
  const { at, shelf } = lease
  shelf.u32.set(words, at / 4)
  relocate(shelf.u32, at, { nodesAt, chunksAt, nNodes: shape.nNodes })
  return { lease, ...shape, nodesAt: at + nodesAt, chunksAt: at + chunksAt }
}

/** What a block and its rows take, wherever it lies. */
type BlockShape = Omit<TreeBlock, 'lease' | 'nodesAt' | 'chunksAt'>

const addresses = ({ nodes, chunks }: Layout, at: number) => ({ nodesAt: at + nodes, chunksAt: at + chunks })

interface Planned {
  sets: SetPlan
  layout: Layout
  shape: BlockShape
}

function plan(trees: CompiledTrees): Planned | null {
  const sets = planSets(trees)
  const layout = sets && layOut(trees, sets)
  const scratch = layout && scratchOf(trees, layout.width)
  if (!sets || !layout || !scratch) return null
  const { nFeatures, nOutputs, kid, roots } = trees
  return {
    sets,
    layout,
    shape: { nFeatures, nOutputs, nNodes: kid.length, nTrees: roots.length, ...scratch },
  }
}

/** Reads compiled trees back from their block, so that nobody keeps them beside it; `null` where nodes test categories. Cost: O(nodes). */
export function readTrees(block: TreeBlock): WalkedTrees | null {
  const { lease, nFeatures, nOutputs, nodesAt, chunksAt, nNodes, nTrees } = block
  const { u32, f64 } = lease.shelf
  const header = lease.at / 4
  if (u32[header + 3] !== 0) return null
  const nodeOf = (address: number) => (address - nodesAt) / NODE_BYTES
  const word = (node: number) => nodesAt / 4 + node * 4
  const limit = Float64Array.from({ length: nNodes }, (_, node) => f64[word(node) / 2])
  const rootWord = (t: number) => {
    const chunk = chunksAt / 4 + Math.floor(t / CHUNK_TREES) * 4
    return u32[chunk] / 4 + u32[chunk + 1] * 2 + (t % CHUNK_TREES)
  }
  return {
    nFeatures,
    nOutputs,
    roundsToF32: u32[header + 2] === 1,
    limit,
    value: limit,
    kid: Int32Array.from({ length: nNodes }, (_, node) => nodeOf(u32[word(node) + 2])),
    slot: Int32Array.from({ length: nNodes }, (_, node) => u32[word(node) + 3] / ENTRY_BYTES),
    roots: Int32Array.from({ length: nTrees }, (_, t) => nodeOf(u32[rootWord(t)])),
    setOf: null,
  }
}

/** Bytes that a model of so many nodes, trees and words of sets takes on a shelf, about. */
export function blockBytes(nNodes: number, nTrees: number, setWords: number): number {
  return HEADER_BYTES + (nNodes + 1) * NODE_BYTES + nTrees * 16 + setWords * 4 + 128
}

// ---------------------------------------------------------------- layout

type Layout = ReturnType<typeof layOut>

function layOut(trees: CompiledTrees, sets: SetPlan) {
  const nTrees = trees.roots.length
  const nChunks = Math.ceil(nTrees / CHUNK_TREES)
  let at = HEADER_BYTES
  const take = (bytes: number) => {
    const here = at
    at += Math.ceil(bytes / 16) * 16
    return here
  }
  const nodes = take((trees.kid.length + 1) * NODE_BYTES)
  const chunks = take(nChunks * 16)
  const padded = nTrees + nChunks * 8
  const inDepth = take(padded * 8 + nTrees * 4 + nChunks * 16)
  const outputs = take(nTrees * 4)
  const bases = take(trees.nOutputs * 8)
  const codes = take(sets.features.length * 16)
  const words = take(sets.words.length * 4)
  const width = (trees.width + sets.features.length + 1) * ENTRY_BYTES
  return { nodes, chunks, inDepth, outputs, bases, codes, words, width, nChunks, bytes: at }
}

function scratchOf({ nFeatures, nOutputs }: CompiledTrees, width: number) {
  const leavesBytes = (CHUNK_TREES + 1) * 8
  const rowBytes = nFeatures * 8 + width / 8 + nOutputs * 8
  const rows = Math.floor((ARENA_LIMITS.scratchBytes - leavesBytes - 2 * ENTRY_BYTES) / rowBytes) & ~7
  if (rows < 8) return null
  const blockRows = Math.min(64, rows)
  const leavesAt = 16
  const outAt = leavesAt + leavesBytes
  const zAt = Math.ceil((outAt + blockRows * nOutputs * 8) / ENTRY_BYTES) * ENTRY_BYTES
  return { blockRows, leavesAt, outAt, zAt, rowsAt: zAt + (blockRows / 8) * width }
}

// ---------------------------------------------------------------- writing

/** Words of a memory, and where in it a block begins, in bytes. */
interface Ground {
  u32: Uint32Array
  f64: Float64Array
  at: number
}

function write(
  trees: CompiledTrees,
  { sets, layout }: Planned,
  ground: Ground,
  sum: SourceRules['sum'],
): void {
  const { u32, f64, at } = ground
  const word = (offset: number) => (at + offset) >> 2
  const nFeatures = trees.nFeatures
  u32.set(
    [
      nFeatures,
      layout.width,
      Number(trees.roundsToF32),
      Number(sets.features.length > 0),
      Number(trees.width > nFeatures),
      Number(trees.width > 2 * nFeatures),
      trees.nOutputs,
      layout.nChunks,
      at + layout.chunks,
      at + layout.bases,
      sets.features.length,
      at + layout.codes,
      Number(sum === 'f32'),
    ],
    word(0),
  )
  f64.set(trees.baseScores, word(layout.bases) >> 1)
  sets.features.forEach(({ feature, bits }, k) => {
    u32.set([(trees.width + k) * ENTRY_BYTES, bits, bits, feature * ENTRY_BYTES], word(layout.codes) + 4 * k)
  })
  u32.set(sets.words, word(layout.words))
  writeNodes(trees, sets, layout, ground)
  writeChunks(trees, layout, u32, at)
}

function writeNodes(trees: CompiledTrees, sets: SetPlan, layout: Layout, { u32, f64, at }: Ground): void {
  const { slot, limit, kid, value, setOf, missingFirst } = trees
  const n = kid.length
  const base = at + layout.nodes
  const codeSlot = new Map(sets.features.map(({ feature }, k) => [feature, (trees.width + k) * ENTRY_BYTES]))
  for (let node = 0; node < n; node++) {
    const word = (base >> 2) + node * 4
    const isLeaf = kid[node] === node
    const set = setOf ? setOf[node] : -1
    u32[word + 2] = base + kid[node] * NODE_BYTES
    if (isLeaf) {
      f64[word >> 1] = value[node]
      u32[word + 3] = layout.width - ENTRY_BYTES
    } else if (set >= 0) {
      u32[word] = at + layout.words + sets.placeOf.get(setKey(set, slot[node], missingFirst[node]))! * 4
      u32[word + 1] = 0
      u32[word + 2]++
      u32[word + 3] = codeSlot.get(slot[node])!
    } else {
      f64[word >> 1] = limit[node]
      u32[word + 3] = slot[node] * ENTRY_BYTES
    }
  }
  const still = (base >> 2) + n * 4
  f64[still >> 1] = 0
  u32[still + 2] = base + n * NODE_BYTES
  u32[still + 3] = layout.width - ENTRY_BYTES
}

/** Trees of each chunk by depth in eights, the rest of the last eight a node that stays where it is; then their roots in order. */
function writeChunks(trees: CompiledTrees, layout: Layout, u32: Uint32Array, at: number): void {
  const { roots, depths, outputOf } = trees
  const address = (node: number) => at + layout.nodes + node * NODE_BYTES
  let tree = at + layout.inDepth
  for (let chunk = 0; chunk < layout.nChunks; chunk++) {
    const first = chunk * CHUNK_TREES
    const count = Math.min(CHUNK_TREES, roots.length - first)
    const padded = Math.ceil(count / 8) * 8
    const outputs = at + layout.outputs + first * 4
    u32.set([tree, padded, outputs, count], (at + layout.chunks + chunk * 16) >> 2)
    const byDepth = Array.from({ length: count }, (_, k) => first + k).sort((a, b) => depths[a] - depths[b])
    for (let k = 0; k < padded; k++) {
      const t = byDepth[k]
      const entry =
        k < count ? [address(roots[t]), (t - first) * 8] : [address(trees.kid.length), CHUNK_TREES * 8]
      u32.set(entry, (tree >> 2) + 2 * k)
    }
    for (let k = 0; k < count; k++) {
      u32[(tree >> 2) + 2 * padded + k] = address(roots[first + k])
      u32[(outputs >> 2) + k] = outputOf[first + k] * 8
    }
    tree += padded * 8 + Math.ceil(count / 4) * 16
  }
}

/** Makes the addresses of a block that was written at 0 those of where it lies now. */
function relocate(
  u32: Uint32Array,
  at: number,
  { nodesAt, chunksAt, nNodes }: { nodesAt: number; chunksAt: number; nNodes: number },
): void {
  const header = at / 4
  for (const word of HEADER_ADDRESSES) u32[header + word] += at
  const nodes = (at + nodesAt) / 4
  for (let word = nodes; word <= nodes + nNodes * 4; word += 4) {
    const kid = u32[word + 2]
    // a node that tests a category has the address of its set where others have a limit
    if (kid & 1) u32[word] += at
    u32[word + 2] = kid + at
  }
  const chunks = (at + chunksAt) / 4
  for (let chunk = chunks; chunk < chunks + u32[header + 7] * 4; chunk += 4) {
    u32[chunk] += at
    u32[chunk + 2] += at
    const tree = u32[chunk] / 4
    const [padded, count] = [u32[chunk + 1], u32[chunk + 3]]
    for (let k = 0; k < padded; k++) u32[tree + 2 * k] += at
    for (let k = 0; k < count; k++) u32[tree + 2 * padded + k] += at
  }
}

// ---------------------------------------------------------------- sets

function setKey(set: number, feature: number, missingFirst: number): string {
  return `${set} ${feature} ${missingFirst}`
}

/** Sets turned round, so that a bit says second child, and padded to one length a feature, with a last word for what is missing. */
function planSets({ setOf, slot, sets, missingFirst }: CompiledTrees): SetPlan | null {
  const lengths = new Map<number, number>()
  const uses = new Map<string, { set: number; feature: number; missingFirst: number }>()
  setOf?.forEach((set, node) => {
    if (set < 0) return
    const feature = slot[node]
    lengths.set(feature, Math.max(lengths.get(feature) ?? 0, sets[set].length))
    uses.set(setKey(set, feature, missingFirst[node]), { set, feature, missingFirst: missingFirst[node] })
  })
  const all = [...uses.entries()]
  const own = all.reduce((sum, [, { set }]) => sum + sets[set].length, 0)
  const total = all.reduce((sum, [, { feature }]) => sum + lengths.get(feature)! + 1, 0)
  if (total > own * SET_GROWTH_MAX + SET_WORDS_FREE) return null
  const words = new Uint32Array(total)
  const placeOf = new Map<string, number>()
  let at = 0
  for (const [key, use] of all) {
    const length = lengths.get(use.feature)! + 1
    placeOf.set(key, at)
    words.fill(use.missingFirst === 1 ? 0 : 0xffffffff, at, at + length)
    sets[use.set].forEach((bits, k) => {
      words[at + k] = ~bits
    })
    at += length
  }
  return {
    features: [...lengths].map(([feature, length]) => ({ feature, bits: length * 32 })),
    placeOf,
    words,
  }
}
