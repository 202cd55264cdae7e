import { ebm } from '../../define/trainers.ts'
import { checkParams, type ParamRule } from '../params.ts'

export interface EbmParams {
  /** `logloss` takes targets in [0, 1] (soft labels too), `softmax` codes of classes, `l2` any finite number. */
  loss: 'logloss' | 'l2' | 'softmax'
  /** Outputs of `softmax`; 1 for the others. */
  nClasses: number
  /** Rounds over all features at most; as many again over the pairs. Default 1000. */
  rounds: number
  /** Shrinkage of each step. Default 0.05. */
  learningRate: number
  /** Steps on the tables that gain most, after each round over all: so many times the tables. Default 4. */
  greed: number
  /** Leaves of the tree of a step. Default 3. */
  leaves: number
  /** Rows in a leaf at least. Default 5. */
  minRowsInLeaf: number
  /** Value slots of a feature at most, 2 to 255. Default 255. */
  bins: number
  /** Value slots of each feature of a pair at most. Default 32. */
  pairBins: number
  /** Pairs of features that get a table, the strongest. Default 10. */
  interactions: number
  /** Trainings on different parts of the rows whose tables are averaged. Default 8. */
  bags: number
  /** Share of the rows that each bag stops by. Default 0.15. */
  validShare: number
  /** Rounds without a better loss before a bag ends. Default 5. */
  patience: number
  seed: number
}

const { kind: _, monotone: __, ...WRITTEN } = ebm()
/** Those of a config that says nothing, and what a config does not say. */
export const EBM_DEFAULTS: EbmParams = {
  ...WRITTEN,
  loss: 'logloss',
  nClasses: 1,
  greed: 4,
  pairBins: 32,
  validShare: 0.15,
  patience: 5,
  seed: 1,
}

const RULES: Record<string, ParamRule> = {
  loss: { kind: 'oneOf', values: ['logloss', 'l2', 'softmax'] },
  nClasses: { kind: 'number', integer: true, min: 1, max: 1000 },
  rounds: { kind: 'number', integer: true, min: 1, max: 100_000 },
  learningRate: { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
  greed: { kind: 'number', min: 0, max: 100 },
  leaves: { kind: 'number', integer: true, min: 2, max: 16 },
  minRowsInLeaf: { kind: 'number', integer: true, min: 1 },
  bins: { kind: 'number', integer: true, min: 2, max: 255 },
  pairBins: { kind: 'number', integer: true, min: 2, max: 64 },
  interactions: { kind: 'number', integer: true, min: 0, max: 1000 },
  bags: { kind: 'number', integer: true, min: 1, max: 100 },
  validShare: { kind: 'number', min: 0, exclusiveMin: true, max: 0.5 },
  patience: { kind: 'number', integer: true, min: 1 },
  seed: { kind: 'number', integer: true, min: -(2 ** 31), max: 2 ** 32 - 1 },
}

/** Fills in defaults and refuses values out of range. Errors: MR_MODEL_PARAM. */
export function ebmParams(given: Partial<EbmParams> = {}): EbmParams {
  const params = { ...EBM_DEFAULTS, ...given }
  checkParams(params, RULES)
  return params
}
