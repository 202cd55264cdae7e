import type { BoostObjective, BoostObjectiveName } from '../../../define/boost-objectives.ts'
import type { TreeEnsemble } from '../../../model/trees.ts'

export type Weights = Float64Array | null

/** What is known of rows besides their features. All by row. */
export interface Labels {
  target: Float64Array
  weights: Weights
  /** Ranking: where the rows of each query begin, and behind them the number of rows; else `null`. */
  queries: Int32Array | null
}

/** Labels of the rows to learn from. */
export interface TrainingLabels extends Labels {
  /** Classes of a target of codes; 0 is one more than the largest code. */
  nClasses: number
}

/** A compiled kernel that fills gradients and hessians of all outputs, and its arguments. */
export interface GradientKernel {
  name: 'gradients' | 'softmaxGradients'
  args: readonly number[]
  /** Whether it leaves the largest absolute values behind, which saves a pass over the rows; only with one output. */
  leavesTops: boolean
}

/**
 * What boosting minimises, opened on the labels of one training.
 *
 * Scores, gradients and hessians of `nOutputs` outputs over `n` rows lie output by output: those of row `i` for output `k` at `k * n + i`.
 * Nothing here may depend on more than its arguments: no clock, no chance, no `Math.exp`.
 */
export interface Objective {
  readonly nOutputs: number
  /** From raw score to output. */
  readonly link: TreeEnsemble['link']
  /** Whether each row's hessian is 1 when there are no weights: gradients then get all bits of a histogram. */
  readonly constantHessian: boolean
  /** Raw scores of the best constant, one an output. */
  readonly baseScores: Float64Array
  /** Refuses labels, of training or validation rows, that the loss cannot take. Errors: MR_MODEL_TARGET, MR_MODEL_GROUPS. */
  check(labels: Labels): void
  /** Labels that gradients are taken at, when they are not those given: smoothed, or with class weights. */
  readonly training?: Labels
  /** Fills gradients and hessians, weights included. `round` counts from 0. */
  gradients(scores: Float64Array, labels: Labels, grad: Float64Array, hess: Float64Array, round: number): void
  /** The same from WebAssembly, bit for bit; without it the plain loop runs on the calling thread. */
  readonly kernel?: GradientKernel
  /** Weighted mean loss of rows, lower is better; NaN when there are none. */
  meanLoss(scores: Float64Array, labels: Labels): number
  /**
   * Value of a leaf from its rows' residuals (target less raw score), in place of a Newton step. May reorder what it is given.
   */
  leafValue?(residuals: Float64Array, weights: Weights): number
  /** Weights of the residuals where they are not those of the rows. */
  readonly residualWeights?: Float64Array
}

/** Opens an objective on training labels. Errors: MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_CLASSES, MR_MODEL_GROUPS, MR_MODEL_PARAM. */
export type OpenObjective<P = unknown> = (labels: TrainingLabels, params: P) => Objective

/** The parameters of an objective. */
export type ParamsOf<N extends BoostObjectiveName> = Extract<BoostObjective, { name: N }>

/** `gradient *= weight`, `hessian *= weight`. */
export function weigh(grad: Float64Array, hess: Float64Array, weights: Weights): void {
  if (!weights) return
  for (let at = 0; at < grad.length; at += weights.length) {
    for (let i = 0; i < weights.length; i++) {
      grad[at + i] *= weights[i]
      hess[at + i] *= weights[i]
    }
  }
}
