/** Programs of trees run over blocks of rows: in WebAssembly, or in plain loops of the same bits. */
import {
  compileWasm,
  type GrowingMemory,
  instantiateWasm,
  openGrowingMemory,
  PAGE_BYTES,
} from '../../core/wasm.ts'
import { SHAP_KERNELS } from './kernels-wasm.ts'
import {
  addPairsPlainly,
  addPathsPlainly,
  pathBytes,
  pathScratchBytes,
  placePairs,
  writePairs,
  writePaths,
} from './path-machine.ts'
import type { PairPlan, PathPlan } from './paths.ts'
import type { TreePlan } from './plan.ts'
import type { RankedRows } from './ranks.ts'

/** Rows of a block: their masks and patterns stay in cache. A multiple of eight. */
export const BLOCK_ROWS = 256
/** Nodes on a path at most, that masks are kept for. */
const SLOTS_MAX = 520

/** What runs programs. `sums` lie by block, then output and feature, then row of the block. */
export interface ShapMachine {
  readonly kernels: 'wasm' | 'js'
  /** Rows to be ranked into; asking again drops those of before. */
  openRows(nColumns: number, n: number): RankedRows
  openBackground(nColumns: number, n: number): RankedRows
  /** Space for a plan's tables, all zero, until the next is asked for. */
  openTables(plan: TreePlan): Float64Array
  /** Background rows by pattern, cluster after cluster. */
  count(plan: TreePlan): Uint32Array
  /** Adds what the tables hold to the sums of `output`. */
  apply(plan: TreePlan, output: number): void
  /** Adds what leaves without tables give, path dependent, and against the background rows. */
  addPaths(plan: PathPlan, output: number): void
  addPairs(plan: PairPlan, output: number): void
  /** Sums of all blocks of the rows, and zeroes them for the next rows. */
  takeSums(): Float64Array
  close(): void
}

export interface MachineShape {
  nFeatures: number
  nOutputs: number
  nRows: number
}

/** Memory for the largest of all. */
const MEMORY_BYTES_MAX = 2 ** 31

export function openShapMachine(shape: MachineShape, kernels: 'wasm' | 'js' = 'wasm'): ShapMachine {
  return (kernels === 'wasm' ? openWasm(shape) : null) ?? openPlain(shape)
}

const blocksOf = (n: number) => Math.ceil(n / BLOCK_ROWS)
const sumsOf = ({ nFeatures, nOutputs, nRows }: MachineShape) =>
  blocksOf(nRows) * nOutputs * nFeatures * BLOCK_ROWS

function countsOf({ clusters }: TreePlan): number {
  return clusters.reduce((sum, { k, nTests }) => sum + 2 ** (k + nTests), 0)
}

function padded(n: number): number {
  return Math.ceil(n / 8) * 8
}

// ---------------------------------------------------------------- WebAssembly

export interface ShapKernels {
  addPaths(program: number, ranks: number, n: number, sums: number, sumBytes: number): void
  addPairs(
    root: number,
    ranks: number,
    n: number,
    others: number,
    nOthers: number,
    sides: number,
    weights: number,
    weightBytes: number,
    sums: number,
    sumBytes: number,
  ): void
  apply(
    program: number,
    end: number,
    ranks: number,
    n: number,
    masks: number,
    patterns: number,
    slotBytes: number,
    sums: number,
    sumBytes: number,
  ): void
  count(
    program: number,
    end: number,
    ranks: number,
    n: number,
    nCounted: number,
    masks: number,
    patterns: number,
    slotBytes: number,
    counts: number,
  ): void
}

let compiled: object | null | undefined

interface Kept {
  memory: GrowingMemory
  kernels: ShapKernels
}

/** Memory that is kept for the next explanation when it is small. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024
let kept: Kept | null = null

/** The compiled kernels; `null` where the platform refuses them. */
export function shapModule(): object | null {
  if (compiled === undefined) compiled = compileWasm(SHAP_KERNELS)
  return compiled
}

function borrow(): Kept | null {
  const module = shapModule()
  if (kept) {
    const given = kept
    kept = null
    return given
  }
  const memory = module && openGrowingMemory(PAGE_BYTES, MEMORY_BYTES_MAX)
  return memory ? { memory, kernels: instantiateWasm<ShapKernels>(module, memory) } : null
}

const SLOT_BYTES = BLOCK_ROWS * 2
const SUM_BYTES = BLOCK_ROWS * 8
const PATTERNS_AT = 64
const MASKS_AT = PATTERNS_AT + SLOT_BYTES
const SUMS_AT = MASKS_AT + SLOTS_MAX * SLOT_BYTES

function openWasm(shape: MachineShape): ShapMachine | null {
  const shop = borrow()
  if (!shop) return null
  const { memory, kernels } = shop
  const sumsLength = sumsOf(shape)
  const rowsAt = SUMS_AT + sumsLength * 8
  let backgroundAt = rowsAt
  let treeAt = rowsAt
  let rows = { at: rowsAt, stride: 0, n: 0 }
  let background = { at: rowsAt, stride: 0, n: 0 }
  const need = (bytes: number) => {
    const missing = bytes - memory.buffer.byteLength
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES))
  }
  const ranksAt = (at: number, nColumns: number, n: number) => {
    const stride = padded(n)
    const end = Math.ceil((at + nColumns * stride * 2) / 16) * 16
    need(end)
    return { end, place: { at, stride, n }, ranks: new Uint16Array(memory.buffer, at, nColumns * stride) }
  }
  const tablesAt = (plan: TreePlan) => treeAt + Math.ceil((plan.program.length * 4) / 16) * 16
  const writeProgram = (plan: TreePlan, stride: number) => {
    const words = plan.program.slice()
    for (const at of plan.tableWords) words[at] = tablesAt(plan) + words[at] * 8
    for (const at of plan.columnWords) words[at] *= stride * 2
    new Int32Array(memory.buffer, treeAt, words.length).set(words)
    return treeAt + words.length * 4
  }
  const eachBlock = (run: (ranks: number, n: number, block: number) => void) => {
    for (let block = 0; block * BLOCK_ROWS < rows.n; block++)
      run(rows.at + block * BLOCK_ROWS * 2, Math.min(BLOCK_ROWS, rows.n - block * BLOCK_ROWS), block)
  }
  const sumsAt = (block: number, output: number) =>
    SUMS_AT + (block * shape.nOutputs + output) * shape.nFeatures * SUM_BYTES
  need(rowsAt)
  new Uint8Array(memory.buffer, MASKS_AT, SLOT_BYTES).fill(0)
  new Float64Array(memory.buffer, SUMS_AT, sumsLength).fill(0)
  return {
    kernels: 'wasm',
    openRows: (nColumns, n) => {
      const { end, place, ranks } = ranksAt(rowsAt, nColumns, n)
      rows = place
      backgroundAt = end
      treeAt = end
      return { ranks, stride: place.stride, n }
    },
    openBackground: (nColumns, n) => {
      const { end, place, ranks } = ranksAt(backgroundAt, nColumns, n)
      background = place
      treeAt = end
      return { ranks, stride: place.stride, n }
    },
    openTables: (plan) => {
      const at = tablesAt(plan)
      need(at + Math.max(plan.tableEntries * 8, countsOf(plan) * 4))
      return new Float64Array(memory.buffer, at, plan.tableEntries).fill(0)
    },
    count: (plan) => {
      const at = tablesAt(plan)
      const length = countsOf(plan)
      need(at + length * 4)
      const counts = new Uint32Array(memory.buffer, at, length).fill(0)
      const end = writeProgram(plan, background.stride)
      for (let from = 0; from < background.n; from += BLOCK_ROWS) {
        const n = Math.min(BLOCK_ROWS, background.n - from)
        const ranks = background.at + from * 2
        kernels.count(treeAt, end, ranks, padded(n), n, MASKS_AT, PATTERNS_AT, SLOT_BYTES, at)
      }
      return counts.slice()
    },
    apply: (plan, output) => {
      const end = writeProgram(plan, rows.stride)
      eachBlock((ranks, n, block) => {
        const sums = sumsAt(block, output)
        kernels.apply(treeAt, end, ranks, padded(n), MASKS_AT, PATTERNS_AT, SLOT_BYTES, sums, SUM_BYTES)
      })
    },
    addPaths: (plan, output) => {
      const scratchAt = treeAt + pathBytes(plan)
      need(scratchAt + pathScratchBytes(plan))
      writePaths(memory.buffer, treeAt, plan, { columnBytes: rows.stride * 2, scratchAt })
      eachBlock((ranks, n, block) => {
        kernels.addPaths(treeAt, ranks, n, sumsAt(block, output), SUM_BYTES)
      })
    },
    addPairs: (plan, output) => {
      const placed = placePairs(plan, treeAt, shape.nFeatures)
      need(placed.end)
      writePairs(memory.buffer, placed, plan, {
        columnBytes: rows.stride * 2,
        otherBytes: background.stride * 2,
      })
      const { root, sides, weights, weightBytes } = placed
      eachBlock((ranks, n, block) => {
        const sums = sumsAt(block, output)
        kernels.addPairs(
          root,
          ranks,
          n,
          background.at,
          background.n,
          sides,
          weights,
          weightBytes,
          sums,
          SUM_BYTES,
        )
      })
    },
    takeSums: () => {
      const sums = new Float64Array(memory.buffer, SUMS_AT, sumsLength)
      const taken = sums.slice()
      sums.fill(0)
      return taken
    },
    close: () => {
      if (memory.buffer.byteLength <= KEPT_BYTES_MAX) kept = shop
    },
  }
}

// ---------------------------------------------------------------- plain loops

function openPlain(shape: MachineShape): ShapMachine {
  let sums = new Float64Array(sumsOf(shape))
  const masks = new Uint16Array(SLOTS_MAX * BLOCK_ROWS)
  const patterns = new Uint16Array(BLOCK_ROWS)
  let rows: RankedRows = { ranks: new Uint16Array(0), stride: 0, n: 0 }
  let background = rows
  let tables = new Float64Array(0)
  const eachBlock = (output: number, act: (from: number, n: number, first: number) => void) => {
    for (let block = 0; block * BLOCK_ROWS < rows.n; block++) {
      const from = block * BLOCK_ROWS
      const first = (block * shape.nOutputs + output) * shape.nFeatures * BLOCK_ROWS
      act(from, Math.min(BLOCK_ROWS, rows.n - from), first)
    }
  }
  const open = (nColumns: number, n: number) => ({
    ranks: new Uint16Array(nColumns * padded(n)),
    stride: padded(n),
    n,
  })
  return {
    kernels: 'js',
    openRows: (nColumns, n) => {
      rows = open(nColumns, n)
      return rows
    },
    openBackground: (nColumns, n) => {
      background = open(nColumns, n)
      return background
    },
    openTables: (plan) => {
      tables = new Float64Array(plan.tableEntries)
      return tables
    },
    count: (plan) => {
      const counts = new Uint32Array(countsOf(plan))
      for (let from = 0; from < background.n; from += BLOCK_ROWS) {
        const n = Math.min(BLOCK_ROWS, background.n - from)
        let at = 0
        run(plan, background, from, n, masks, patterns, (_op, _features, bits) => {
          for (let i = 0; i < n; i++) counts[at + patterns[i]]++
          at += 2 ** bits
        })
      }
      return counts
    },
    addPaths: (plan, output) => {
      eachBlock(output, (from, n, first) => {
        addPathsPlainly(plan, rows, from, n, { sums, first, step: BLOCK_ROWS })
      })
    },
    addPairs: (plan, output) => {
      eachBlock(output, (from, n, first) => {
        addPairsPlainly(plan, rows, background, from, n, { sums, first, step: BLOCK_ROWS })
      })
    },
    apply: (plan, output) => {
      eachBlock(output, (from, n, first) => {
        run(plan, rows, from, n, masks, patterns, (tableAt, features, bits) => {
          features.forEach((feature, column) => {
            const table = tableAt + column * 2 ** bits
            const at = first + feature * BLOCK_ROWS
            for (let i = 0; i < n; i++) sums[at + i] += tables[table + patterns[i]]
          })
        })
      })
    },
    takeSums: () => {
      const taken = sums
      sums = new Float64Array(taken.length)
      return taken
    },
    close: () => {},
  }
}

function run(
  { program }: TreePlan,
  { ranks, stride }: RankedRows,
  from: number,
  n: number,
  masks: Uint16Array,
  patterns: Uint16Array,
  onCluster: (tableAt: number, features: Int32Array, bits: number) => void,
): void {
  let op = 0
  while (op < program.length) {
    if (program[op] === 0) {
      passMasks(program, op, ranks, stride, from, n, masks)
      op += 8
      continue
    }
    const [, slot, nTests, nColumns, tableAt, bits] = program.subarray(op, op + 6)
    patterns.set(masks.subarray(slot * BLOCK_ROWS, slot * BLOCK_ROWS + n))
    for (let t = 0; t < nTests; t++) {
      const [column, rank, bit] = program.subarray(op + 6 + 3 * t, op + 9 + 3 * t)
      const at = column * stride + from
      for (let i = 0; i < n; i++) if (ranks[at + i] <= rank) patterns[i] |= bit
    }
    op += 6 + 3 * nTests
    onCluster(tableAt, program.subarray(op, op + nColumns), bits)
    op += nColumns
  }
}

function passMasks(
  program: Int32Array,
  op: number,
  ranks: Uint16Array,
  stride: number,
  from: number,
  n: number,
  masks: Uint16Array,
): void {
  const [, fromSlot, toSlot, column, rank, flip, bit, isNew] = program.subarray(op, op + 8)
  const at = column * stride + from
  for (let i = 0; i < n; i++) {
    const met = ranks[at + i] <= rank !== (flip !== 0)
    const mask = masks[fromSlot * BLOCK_ROWS + i]
    if (isNew) masks[toSlot * BLOCK_ROWS + i] = met ? mask | bit : mask
    else masks[toSlot * BLOCK_ROWS + i] = met ? mask : mask & ~bit
  }
}
