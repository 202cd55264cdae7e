import type { BinnedData } from './binning.ts'
import type { GrownTree } from './grown-tree.ts'
import type { Packing } from './kernels.ts'
import type { Labels, Objective } from './objectives/objective.ts'
import type { GbdtParams } from './params.ts'
import type { Scan } from './search.ts'

/** Rows with labels of their own, and the raw scores they start from: `[nOutputs * nRows]`, output by output. */
export interface Rows {
  data: BinnedData
  labels: Labels
  score: Float64Array
}

/** How to read the histograms of one tree. */
export interface Scale {
  packing: Packing
  /** Real gradient of one quantised step; the same for the hessian. */
  gradStep: number
  hessStep: number
}

/** Rows of a leaf: for each thread a range of its own row indexes. */
export interface RowSet {
  begins: number[]
  ends: number[] // exclusive
  nRows: number
}

/** Kernels and threads of a training. */
export interface RanOn {
  kernels: 'wasm' | 'js'
  threads: number
}

/** Sums by leaf. */
export interface LeafSums {
  grad: Float64Array
  hess: Float64Array
  /** Zeros without weights. */
  weight: Float64Array
}

/** A machine's own sums of a leaf by slot: who has it, hands it back. */
export interface Histogram {
  readonly isHistogram: true
}

/** A leaf that is to be scanned. It has a hessian, and its gain follows from sums alone (`isPlain`). */
export interface ScanLeaf {
  histogram: Histogram | null
  /** Packed sum of its rows. */
  packed: number
  nRows: number
  /** Features for which `scannable` holds; when there are none, the leaf is left out. */
  scanned: Int32Array
}

/**
 * Everything that touches each row: the plain loops of `kernels.ts`, or their WebAssembly twin on one or more threads. All give the same bits, as
 * histograms are sums of integers and sums of doubles are taken in fixed blocks of rows.
 *
 * The machine holds the training rows, the validation rows and their scores from opening to closing. Not to be used after `close`.
 */
export interface Machine {
  /** What the rows are worked on by, after any fall-back. */
  readonly ranOn: RanOn
  /** Leaf of each training row after `markLeaves`; `NO_LEAF` for rows that no tree was grown on. */
  readonly leafOf: Uint16Array
  /** Raw scores so far, `[nOutputs * nRows]`, output by output. Views: not to be kept. */
  readonly score: Float64Array
  readonly validScore: Float64Array | null
  /** Weights of the training rows; a bag with replacement writes its own before gradients are taken. `null` without weights. */
  readonly weights: Float64Array | null
  /** Gradients of all outputs at the scores so far. */
  gradients(round: number): void
  /** Turns to one output, which all that follows is about until the next call; returns the largest absolute values of its gradients and hessians. */
  openOutput(output: number): { gradTop: number; hessTop: number }
  /** Rounds gradients to integers for the histograms, by a counter hash. `hessScale` 0: each hessian is one step. */
  quantise(gradScale: number, hessScale: number, packing: Packing, salt: number): void
  /** Draws a share of the rows by a hash of row and salt. */
  drawRows(share: number, salt: number): RowSet
  /** A histogram of the rows. It belongs to the caller until `dropHistogram`. */
  buildHistogram(rows: RowSet, packing: Packing): Histogram
  /** `from -= part`. */
  subtractHistogram(from: Histogram, part: Histogram): void
  dropHistogram(histogram: Histogram): void
  /** Packed sums over features (`ColumnPlan.featureSlots`), good until the next call. */
  readHistogram(histogram: Histogram): Float64Array
  /**
   * The best split by each feature of up to two leaves, good until the next call; absent where searches try splits themselves. `counts` are the rows of the
   * one leaf, where the estimate from the hessian has failed.
   */
  scanLeaves?(leaves: readonly ScanLeaf[], counts: Histogram | null, scale: Scale): readonly Scan[]
  /** A histogram that counts the rows. It belongs to the caller until `dropHistogram`. */
  countRows(rows: RowSet): Histogram
  /** Divides rows by their bins of a feature: `goesRight` is 1 or 0 by bin, and may be longer. Both sets lie where `rows` lay, so `rows` stays valid too. */
  divideRows(rows: RowSet, feature: number, goesRight: Uint8Array): [left: RowSet, right: RowSet]
  /** Notes the leaf of each row, by leaf number. */
  markLeaves(leaves: readonly RowSet[]): void
  sumLeaves(nLeaves: number): LeafSums
  /** Finds the leaf of rows that `drawRows` left out. */
  markOthers(tree: GrownTree): void
  /** Adds leaf values to the scores of training rows and, by walking, of validation rows. */
  addTree(tree: GrownTree, values: Float64Array): void
  /** Ends its threads and frees its memory. */
  close(): void
}

/** What a machine is opened with. */
export interface MachineSetup {
  rows: Rows
  valid: Rows | undefined
  params: GbdtParams
  objective: Objective
}

/** Rows whose leaf sums are taken together: about 256 blocks or fewer, by the number of rows alone. */
export function blockRowsOf(nRows: number): number {
  return Math.max(8192, Math.ceil(nRows / 256 / 64) * 64)
}

/** Adds up blocks of sums, each `nLeaves + 1` triples of gradient, hessian and weight, in the order of rows. */
export function addBlocks(sums: Float64Array, nBlocks: number, nLeaves: number): LeafSums {
  const total = new Float64Array((nLeaves + 1) * 3)
  for (let block = 0, at = 0; block < nBlocks; block++) {
    for (let i = 0; i < total.length; i++, at++) total[i] += sums[at]
  }
  const every = (first: number) =>
    Float64Array.from({ length: nLeaves }, (_, leaf) => total[leaf * 3 + first])
  return { grad: every(0), hess: every(1), weight: every(2) }
}
