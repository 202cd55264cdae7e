/** Scoring of tree ensembles: in WebAssembly where it pays, else by the plain loops. Both give the same bits. */
import type { Kernel } from '../form.ts'
import { type CompiledTrees, compileTrees, rawOfRow, rawOfRows } from '../tree-walk.ts'
import type { SourceRules, TreeEnsemble } from '../trees.ts'
import { type PackedTrees, placeTrees, readTrees, type TreeBlock, unpackTrees } from './block.ts'
import { maskKernel, planMasks } from './masks.ts'

/** Nodes below which a block of memory is not worth its lease. */
export const BLOCK_NODES_MIN = 64
/** Rows that a model has scored before it is worth the memory of masks. */
export const MASK_ROWS_MIN = 1000

export interface TreeKernelOptions {
  /** `wasm` (default) leaves small models, and what has no room, to the plain loops. */
  kernels?: 'wasm' | 'js'
  /** Nodes below which a model stays in the plain loops. Default 64. */
  nodesMin?: number
}

/** The kernel of an ensemble. Its block of memory is given back when the kernel is closed, or when nobody holds it any more. Cost: O(nodes). */
export function treeKernel(model: TreeEnsemble, options: TreeKernelOptions = {}): Kernel {
  const trees = compileTrees(model)
  return placedKernel(trees, options) ?? plainKernel(trees)
}

/**
 * A kernel in WebAssembly; nothing where the model is small, or there is no room. It walks, and goes over to masks where they are faster, once it has scored
 * `MASK_ROWS_MIN` rows. `sum`: the numbers in which leaves are added (doubles).
 */
export function placedKernel(
  trees: CompiledTrees,
  { kernels = 'wasm', nodesMin = BLOCK_NODES_MIN }: TreeKernelOptions,
  sum: SourceRules['sum'] = 'f64',
): Kernel | null {
  const block = kernels === 'wasm' && trees.kid.length >= nodesMin ? placeTrees(trees, sum) : null
  return block && placed(block, { base: trees.baseScores[0], sum })
}

/** The kernel of trees that another thread packed; `null` where there is no room for them. `base`: of the first output, from which leaves are added. */
export function unpackedKernel(
  packed: PackedTrees,
  { base, sum }: { base: number; sum: SourceRules['sum'] },
): Kernel | null {
  const block = unpackTrees(packed)
  return block && placed(block, { base, sum })
}

function placed(block: TreeBlock, { base, sum }: { base: number; sum: SourceRules['sum'] }): Kernel {
  return thenFaster(blockKernel(block), () => {
    const known = readTrees(block)
    const plan = known && planMasks(known)
    return plan && maskKernel(plan, { base, sum })
  })
}

type OpenKernel = Required<Kernel>

/** Scores by `first` until `MASK_ROWS_MIN` rows are scored, then by what `faster` gives, if it gives anything. */
function thenFaster(first: OpenKernel, faster: () => OpenKernel | null): OpenKernel {
  let now = first
  let rowsToGo = MASK_ROWS_MIN
  const scored = (n: number) => {
    rowsToGo -= n
    if (rowsToGo > 0) return
    rowsToGo = Number.POSITIVE_INFINITY
    const next = faster()
    if (next === null) return
    now.close()
    now = next
  }
  return {
    row: (x) => {
      scored(1)
      return now.row(x)
    },
    rows: (rows, n, out) => {
      scored(n)
      now.rows(rows, n, out)
    },
    get bytes() {
      return now.bytes
    },
    close: () => now.close(),
  }
}

function plainKernel(trees: CompiledTrees): Kernel {
  return {
    row: (x) => rawOfRow(trees, x),
    rows: (rows, n, out) => rawOfRows(trees, rows, n, out),
    bytes: compiledBytes(trees),
  }
}

/** Bytes of all arrays of compiled trees. */
export function compiledBytes(trees: CompiledTrees): number {
  const arrays = Object.values(trees).flat().filter(ArrayBuffer.isView)
  return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)
}

function blockKernel(block: TreeBlock): OpenKernel {
  return {
    row: (x) => rowOnBlock(block, x),
    rows: (rows, n, out) => rowsOnBlock(block, rows, n, out),
    bytes: block.lease.bytes,
    close: () => block.lease.close(),
  }
}

function rowOnBlock(
  { lease, nFeatures, rowsAt, zAt, leavesAt, outAt }: TreeBlock,
  x: Float64Array,
  from = 0,
): number {
  const { kernels, f64 } = lease.shelf
  const first = rowsAt >> 3
  for (let j = 0; j < nFeatures; j++) f64[first + j] = x[from + j]
  return kernels.scoreRow(lease.at, rowsAt, zAt, leavesAt, outAt)
}

/** Rows of an unfinished eight that cost less one by one than as an eight. */
const SINGLE_ROWS_MAX = 6

function rowsOnBlock(block: TreeBlock, rows: Float64Array, n: number, out: Float64Array): void {
  const { lease, nFeatures, nOutputs, blockRows, rowsAt, zAt, outAt } = block
  const { kernels, f64 } = lease.shelf
  const first = outAt >> 3
  const nTogether = n % 8 <= SINGLE_ROWS_MAX ? n - (n % 8) : n
  for (let from = 0; from < nTogether; from += blockRows) {
    const size = Math.min(blockRows, nTogether - from)
    f64.set(rows.subarray(from * nFeatures, (from + size) * nFeatures), rowsAt >> 3)
    kernels.scoreRows(lease.at, rowsAt, size, zAt, outAt)
    out.set(f64.subarray(first, first + size * nOutputs), from * nOutputs)
  }
  for (let i = nTogether; i < n; i++) {
    rowOnBlock(block, rows, i * nFeatures)
    for (let k = 0; k < nOutputs; k++) out[i * nOutputs + k] = f64[first + k]
  }
}
