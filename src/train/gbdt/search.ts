/** What searches for the split of a leaf share. */
import type { FeatureBins } from './binning.ts'
import { gainAt, isPlain, type LeafLimits, leafValue, plainGain } from './leaf-value.ts'
import type { GbdtParams } from './params.ts'

/** How to read a packed histogram, and what a split must hold to. */
export interface SplitRules {
  unit: number
  /** Real gradient of one quantised step; the same for the hessian. */
  gradStep: number
  hessStep: number
  params: GbdtParams
}

/** A division of a leaf's rows by bin. */
export interface Split {
  gain: number
  feature: number
  /** Numbers: last bin that goes left. Categories: -1. */
  bin: number
  /** Categories: bins that go left, by bin, that of missing values at the end; `null` for numbers. */
  leftBins: Uint8Array | null
  /** Where missing values go; `null` when none was seen, so that the rows decide afterwards. */
  missingLeft: boolean | null
  /** Packed sum of the rows that go left. */
  leftPacked: number
}

/** What a scan finds by feature: seven doubles or fourteen words each. */
export interface Scan {
  /** Gain of both sides before that of the leaf is taken off; packed sum of the left side. */
  doubles: Float64Array
  /** From word 4: bin, -1 where nothing is better than no split; where missing values go, 1 left, 0 right, -1 none seen; 8 words with a bit for each category that goes left. */
  words: Int32Array
}

/** A leaf as a search sees it. */
export interface LeafView extends LeafLimits {
  /** Packed sum of its rows. */
  packed: number
  nRows: number
  /** For borders drawn at random. */
  salt: number
  /** The best splits by the features for which `scannable` holds, where a machine has found them. */
  scan: Scan | null
  /** Packed sums over features; `null` where all of them are scanned. */
  slots: Float64Array | null
  /** Beside `slots`, exact rows by slot, where the estimate from the hessian has failed; else `null`. */
  counts: Float64Array | null
}

/** Searches by the rules of one tree, of one leaf after another. */
export interface Search {
  readonly rules: SplitRules
  readonly features: readonly FeatureBins[]
  /** First slot of each feature. */
  readonly starts: Int32Array
  /** By feature, whether scans find its best split; `null` where none does. */
  readonly scans: Uint8Array | null
  leaf: LeafView
  /** Sums of the leaf in real units. */
  grad: number
  hess: number
  /** Rows per unit of real hessian: estimates counts, as LightGBM does. */
  rowsPerHess: number
  /** Gain of the undivided leaf. */
  parent: number
  /** Whether gains follow from sums alone, but for the order of features. */
  isPlain: boolean
  best: Split | null
  /** Feature of the best split when it is one that a machine has found; else -1, and it is `best`. */
  scanned: number
  /** Gain of both sides that the next split must exceed. */
  bestTotal: number
}

const NO_LEAF: LeafView = {
  value: 0,
  low: Number.NEGATIVE_INFINITY,
  high: Number.POSITIVE_INFINITY,
  packed: 0,
  nRows: 0,
  salt: 0,
  scan: null,
  slots: null,
  counts: null,
}

export function openSearch(given: Pick<Search, 'rules' | 'features' | 'starts' | 'scans'>): Search {
  return {
    ...given,
    leaf: NO_LEAF,
    grad: Number.NaN,
    hess: Number.NaN,
    rowsPerHess: Number.NaN,
    parent: Number.NaN,
    isPlain: false,
    best: null,
    scanned: -1,
    bestTotal: Number.NaN,
  }
}

/** Turns a search to a leaf; false for one without hessian, which has no split. */
export function turnTo(search: Search, leaf: LeafView): boolean {
  const { unit, gradStep, hessStep, params } = search.rules
  const gradSteps = Math.floor(leaf.packed / unit)
  const grad = gradSteps * gradStep
  const hess = (leaf.packed - gradSteps * unit) * hessStep
  search.leaf = leaf
  search.grad = grad
  search.hess = hess
  search.rowsPerHess = leaf.nRows / hess
  search.isPlain = isPlain(leaf, params)
  search.parent = search.isPlain
    ? plainGain(grad, hess, params.l2)
    : gainAt(grad, hess, leaf.value, params, params.l2)
  search.best = null
  search.scanned = -1
  search.bestTotal = search.parent + params.minGain
  return hess > 0
}

/** Gain of a division, both sides taken together; `-Infinity` where it is against the order that a feature must keep. */
export function totalGain(
  search: Search,
  feature: number,
  leftGrad: number,
  leftHess: number,
  leftRows: number,
  l2: number,
): number {
  const { grad, hess, leaf, rules } = search
  const { params } = rules
  const rightGrad = grad - leftGrad
  const rightHess = hess - leftHess
  const order = params.monotone?.[feature] ?? 0
  if (order === 0 && search.isPlain) {
    return plainGain(leftGrad, leftHess, l2) + plainGain(rightGrad, rightHess, l2)
  }
  const left = leafValue(leftGrad, leftHess, leftRows, leaf, params, l2)
  const right = leafValue(rightGrad, rightHess, leaf.nRows - leftRows, leaf, params, l2)
  if (order * (right - left) < 0) return Number.NEGATIVE_INFINITY
  return gainAt(leftGrad, leftHess, left, params, l2) + gainAt(rightGrad, rightHess, right, params, l2)
}

/** Rounding may leave a gain of a few bits where nothing is gained: such a split is no split. */
export function gainOf({ parent }: Search, total: number): number {
  const gain = total - parent
  return gain > 1e-12 * Math.max(1, parent) ? gain : 0
}

export function record(search: Search, total: number, split: Split): void {
  search.best = split
  search.scanned = -1
  search.bestTotal = total
}
