import type { BetaCalibration, PlattCalibration } from '../stats/sigmoid-calibration.ts'

/**
 * From raw scores to outputs: as they are, `1 / (1 + e^-x)`, `e^x`, each output by itself; `softmax` over all outputs of a row.
 */
export type Link = 'identity' | 'sigmoid' | 'exp' | 'softmax' | 'shares'

/**
 * The one form of a tree ensemble: what the trainer writes, importers fill, the scorer walks, explanations read and the edge runtime ships.
 *
 * All trees lie in flat arrays, one entry a node, children behind their parent. Node `i` is a leaf when `left[i] === -1`; then `value[i]` is
 * its contribution to the raw score. A split sends a row left when `x <= threshold[i]` (`compare: 'le'`, doubles) or `x < threshold[i]`
 * (`'lt-f32'`, both rounded to float32 first, as XGBoost does); NaN goes the way `missingLeft[i]` says. A categorical split
 * (`categorySet[i] >= 0`) sends a row left when its code is in that bit set; unseen and missing codes go as `missingLeft[i]` says: NaN, what
 * is not an integer of at least 0, and codes beyond the set's last word. Fields that a node does not use are at rest (0, or -1 for
 * `right` and `categorySet`), so equal ensembles have equal arrays; `validate.ts` holds models to this.
 */
export interface TreeEnsemble {
  kind: 'TreeEnsemble'
  nFeatures: number
  /** Raw scores a row has: 1, or one a class. */
  nOutputs: number
  /** Output that each tree adds to, `[nTrees]`. */
  outputOf: Int32Array
  /** Node index of each tree's root; a tree's nodes are `[roots[t], roots[t + 1])`, the last ends at `feature.length`. */
  roots: Int32Array
  /** Feature tested; 0 in leaves. */
  feature: Int32Array
  /** Any number; `+Infinity` under `le` divides the present (left) from the missing. */
  threshold: Float64Array
  /** Index of the left child, -1 in leaves. */
  left: Int32Array
  right: Int32Array
  missingLeft: Uint8Array
  value: Float64Array
  /** Training rows (or weight) that passed the node: what path-dependent explanations weigh by. */
  cover: Float64Array
  /** Index into `categorySets`, -1 for numeric splits and leaves. */
  categorySet: Int32Array
  /** Bit sets over category codes, 32 codes a word. */
  categorySets: Uint32Array[]
  compare: 'le' | 'lt-f32'
  /** Added to the sum of leaves of each output, `[nOutputs]`. */
  baseScores: Float64Array
  link: Link
  /** How the source of an imported ensemble reads and adds numbers, where that is not the way of this house. Absent: doubles, base first, sums. */
  rules?: SourceRules
}

/** What there is of each node. */
export type TreeNodes = Pick<
  TreeEnsemble,
  'feature' | 'threshold' | 'left' | 'right' | 'missingLeft' | 'value' | 'cover' | 'categorySet'
>

/** So many nodes at rest: leaves of nothing. */
export function nodesAtRest(length: number): TreeNodes {
  return {
    feature: new Int32Array(length),
    threshold: new Float64Array(length),
    left: new Int32Array(length).fill(-1),
    right: new Int32Array(length).fill(-1),
    missingLeft: new Uint8Array(length),
    value: new Float64Array(length),
    cover: new Float64Array(length),
    categorySet: new Int32Array(length).fill(-1),
  }
}

/** What a source does that our own trees do not. Scores with rules are the source's to the bit. */
export interface SourceRules {
  /** Numbers that leaves are added in; `f32` rounds after each addition. */
  sum: 'f64' | 'f32'
  /** Whether the base is what the sum begins with, or is added to it. */
  base: 'first' | 'last'
  /** What the sum of leaves is divided by, before a base that comes last: the number of rounds of a forest, else 1. */
  divisor: number
  /** Features of which 0 counts as missing, ascending. */
  zeroMissing: number[]
}

/** A generalised linear model: `link(intercept + weights · x)` of each output, where NaN counts as `missing[j]`. */
export interface LinearModel {
  kind: 'LinearModel'
  nFeatures: number
  nOutputs: number
  /** Row-major `[nOutputs * nFeatures]`. */
  weights: Float64Array
  /** `[nOutputs]`. */
  intercepts: Float64Array
  /** What a missing value of each feature is replaced by (the training mean). */
  missing: Float64Array
  link: Link
}

/**
 * From a model's output to a calibrated probability. `isotonic`: piece-wise linear, monotone, flat beyond its ends; of one output. `temperature`: the raw scores
 * of a softmax are divided by it; `vector`: those of each output are `slope * raw + intercept`; both of several outputs. `platt` and `beta`: maps with two and three parameters (`stats/sigmoid-calibration.ts`), of one output.
 */
export type Calibration =
  | { kind: 'isotonic'; x: number[]; y: number[] }
  | { kind: 'none'; x: number[]; y: number[] }
  | { kind: 'temperature'; temperature: number }
  | { kind: 'vector'; slopes: number[]; intercepts: number[] }
  | PlattCalibration
  | BetaCalibration
