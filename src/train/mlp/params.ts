import { mlp } from '../../define/trainers.ts'
import { TRAINED_ACTIVATIONS } from '../../model/network/activations.ts'
import { checkParams, type ParamRule, refuseParam } from '../params.ts'

export const OPTIMIZERS = ['adam', 'sgd'] as const

export interface MlpParams {
  /** `logloss` takes targets in [0, 1] (soft labels too), `softmax` codes of classes, `l2` any finite number. */
  loss: 'logloss' | 'l2' | 'softmax'
  /** Outputs of `softmax`; 1 for the others. */
  nClasses: number
  /** Units of the hidden layers. Default [64, 64]; empty: a linear model. */
  hidden: readonly number[]
  activation: (typeof TRAINED_ACTIVATIONS)[number]
  /** Passes over the rows at most. Default 40. */
  epochs: number
  /** Rows a step. Default 256. */
  batchRows: number
  optimizer: (typeof OPTIMIZERS)[number]
  /** Size of a step. Default 0.001. */
  learningRate: number
  /** Share of the last step that the next one keeps, for `sgd`. Default 0.9. */
  momentum: number
  /** Decoupled decay of all weights: each step takes `learningRate * weightDecay` of them. Default 0.01. */
  weightDecay: number
  /** Share of hidden units left out in each step. Default 0. */
  dropout: number
  /** Epochs without a better validation loss before training ends; 0 is never. Default 5. The best epoch's weights are kept. */
  patience: number
  /** Categories up to so many are one input each; more are embedded. Default 8. */
  oneHotMax: number
  /** Categories of a feature that are told apart at most, the most frequent; the rest share an input. Default 10,000. */
  categoriesMax: number
  seed: number
}

const { kind: _, ...WRITTEN } = mlp()
/** Those of a config that says nothing, and what a config does not say. */
export const MLP_DEFAULTS: MlpParams = {
  ...WRITTEN,
  loss: 'logloss',
  nClasses: 1,
  momentum: 0.9,
  oneHotMax: 8,
  categoriesMax: 10_000,
  seed: 1,
}

const RULES: Record<string, ParamRule> = {
  loss: { kind: 'oneOf', values: ['logloss', 'l2', 'softmax'] },
  nClasses: { kind: 'number', integer: true, min: 1, max: 10_000 },
  activation: { kind: 'oneOf', values: TRAINED_ACTIVATIONS },
  epochs: { kind: 'number', integer: true, min: 1, max: 100_000 },
  batchRows: { kind: 'number', integer: true, min: 1, max: 65_536 },
  optimizer: { kind: 'oneOf', values: OPTIMIZERS },
  learningRate: { kind: 'number', min: 0, exclusiveMin: true, max: 10 },
  momentum: { kind: 'number', min: 0, max: 1, exclusiveMax: true },
  weightDecay: { kind: 'number', min: 0, max: 10 },
  dropout: { kind: 'number', min: 0, max: 1, exclusiveMax: true },
  patience: { kind: 'number', integer: true, min: 0 },
  oneHotMax: { kind: 'number', integer: true, min: 0, max: 1024 },
  categoriesMax: { kind: 'number', integer: true, min: 1, max: 65_536 },
  seed: { kind: 'number', integer: true, min: -(2 ** 31), max: 2 ** 32 - 1 },
}

const UNITS_MAX = 16_384
const LAYERS_MAX = 31

/** Fills in defaults and refuses values out of range. Errors: MR_MODEL_PARAM. */
export function mlpParams(given: Partial<MlpParams> = {}): MlpParams {
  const params = { ...MLP_DEFAULTS, ...given }
  checkParams(params, RULES)
  const units = (n: number) => Number.isInteger(n) && n >= 1 && n <= UNITS_MAX
  if (!(params.hidden.length <= LAYERS_MAX && params.hidden.every(units)))
    refuseParam('hidden', `at most ${LAYERS_MAX} layers of 1 to ${UNITS_MAX} units`, params.hidden)
  return params
}
