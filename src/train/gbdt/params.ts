import { MillraceError } from '../../core/errors.ts'
import {
  type BoostObjective,
  boostObjective,
  type GivenBoostObjective,
  STOP_BY,
  type StopBy,
} from '../../define/boost-objectives.ts'
import { gbdt } from '../../define/trainers.ts'
import type { FeatureBins } from './binning.ts'

/** How category features are split. Names and defaults follow LightGBM's `cat_*` parameters. */
export interface CategoricalParams {
  /** Added to the hessian when categories are ordered by gradient; also the fewest rows a category needs to be placed. Default 10. */
  smooth: number
  /** Extra L2 on splits of many against many. Default 10. */
  l2: number
  /** Most categories on the smaller side of a split. Default 32. */
  setMax: number
  /** Fewest rows between two tried borders of the ordering. Default 100. */
  groupRows: number
  /** Up to so many categories, each is tried alone against the rest. Default 4. */
  oneHotMax: number
}

export interface GbdtParams {
  /** Trees at most. Default 200. */
  trees: number
  /** Shrinkage of each tree. Default 0.1. */
  learningRate: number
  /** Leaves of a tree at most. Default 31. */
  leaves: number
  /** Rows in a leaf at least; exact. Default 20. */
  minRowsInLeaf: number
  /** Sum of hessians in a leaf at least. Default 0.001. */
  minHessian: number
  /** Value bins per feature at most, 2 to 65,535; missing values have a bin of their own. Default 255. */
  bins: number
  /** L2 on leaf values. Default 0. */
  l2: number
  /** L1 on leaf values. Default 0. */
  l1: number
  /** Gain a split must exceed. Default 0. */
  minGain: number
  /** Share of features each tree may use. Default 1. */
  featureFraction: number
  /** Of those, share each node may use; further ones are tried where none of the share divides it. Default 1. */
  featureFractionByNode: number
  /** Share of rows each tree is grown on. Default 1. */
  bagging: number
  /** Rows are drawn with replacement, each as often as a Poisson count of mean `bagging` says. Default false. */
  replacement: boolean
  /** Levels below the root at most. Default 64. */
  maxDepth: number
  /** Largest value of a leaf before the learning rate; 0 is any. Default 0. */
  maxDeltaStep: number
  /** Rows with which the value of the leaf above pulls at that of a leaf. Default 0. */
  pathSmooth: number
  /** One border a feature and node, drawn at random, instead of the best: extremely randomised trees. Default false. */
  randomBorders: boolean
  /** By feature: 1 where scores must not fall as it rises, -1 where they must not rise, 0 either. Not for categories. Default: none. */
  monotone?: readonly number[]
  /** Groups of features; those on one path of a tree must all be in one group. Features in no group are not used. Default: all together. */
  interactions?: readonly (readonly number[])[]
  /** What is minimised. Default `logloss`. */
  objective: BoostObjective
  /** Classes of a target of codes; 0 is one more than the largest code. Default 0. */
  classes: number
  /** Trees without a better validation loss before training ends; 0 is never. Default 0. */
  earlyStoppingRounds: number
  /** What the best round is the best by. Default `objective`. */
  stopBy: StopBy
  seed: number
  categorical: CategoricalParams
}

const { trees, learningRate, leaves, minRowsInLeaf, bins } = gbdt()
/** Those of a config that says nothing; but leaf values have no penalty, and nothing ends training early. */
export const GBDT_DEFAULTS: GbdtParams = {
  ...{ trees, learningRate, leaves, minRowsInLeaf, bins },
  minHessian: 1e-3,
  l2: 0,
  l1: 0,
  minGain: 0,
  featureFraction: 1,
  featureFractionByNode: 1,
  bagging: 1,
  replacement: false,
  maxDepth: 64,
  maxDeltaStep: 0,
  pathSmooth: 0,
  randomBorders: false,
  objective: boostObjective('logloss'),
  classes: 0,
  earlyStoppingRounds: 0,
  stopBy: 'objective',
  seed: 1,
  categorical: { smooth: 10, l2: 10, setMax: 32, groupRows: 100, oneHotMax: 4 },
}

interface Range {
  min: number
  max: number
  integer?: boolean
  /** Whether `min` itself is refused. */
  open?: boolean
}

const RANGES: Record<string, Range> = {
  trees: { min: 1, max: 10_000, integer: true },
  learningRate: { min: 0, max: 1, open: true },
  leaves: { min: 2, max: 4096, integer: true },
  minRowsInLeaf: { min: 1, max: 2 ** 31 - 1, integer: true },
  minHessian: { min: 0, max: Number.MAX_VALUE },
  bins: { min: 2, max: 65_535, integer: true },
  l2: { min: 0, max: Number.MAX_VALUE },
  l1: { min: 0, max: Number.MAX_VALUE },
  minGain: { min: 0, max: Number.MAX_VALUE },
  featureFraction: { min: 0, max: 1, open: true },
  featureFractionByNode: { min: 0, max: 1, open: true },
  bagging: { min: 0, max: 1, open: true },
  maxDeltaStep: { min: 0, max: Number.MAX_VALUE },
  pathSmooth: { min: 0, max: Number.MAX_VALUE },
  maxDepth: { min: 1, max: 512, integer: true },
  earlyStoppingRounds: { min: 0, max: 10_000, integer: true },
  classes: { min: 0, max: 2 ** 31 - 1, integer: true },
  seed: { min: -(2 ** 31), max: 2 ** 32 - 1, integer: true },
}

const CATEGORICAL_RANGES: Record<string, Range> = {
  smooth: { min: 0, max: Number.MAX_VALUE },
  l2: { min: 0, max: Number.MAX_VALUE },
  setMax: { min: 1, max: 65_535, integer: true },
  groupRows: { min: 1, max: 2 ** 31 - 1, integer: true },
  oneHotMax: { min: 0, max: 65_535, integer: true },
}

/** Parameters as they are given: what is left out has its default, and an objective may be its name alone. */
export type GivenParams = Partial<Omit<GbdtParams, 'categorical' | 'objective'>> & {
  categorical?: Partial<CategoricalParams>
  objective?: GivenBoostObjective
}

/** Fills in defaults and refuses values out of range. Errors: MR_MODEL_PARAM; MR_DEFINE_OBJECTIVE, MR_DEFINE_UNKNOWN, MR_DEFINE_VALUE of the objective. */
export function gbdtParams(given: GivenParams = {}): GbdtParams {
  const params = {
    ...GBDT_DEFAULTS,
    ...given,
    categorical: { ...GBDT_DEFAULTS.categorical, ...given.categorical },
    stopBy: given.stopBy ?? GBDT_DEFAULTS.stopBy,
    objective: boostObjective(given.objective ?? GBDT_DEFAULTS.objective),
  }
  checkRanges(params as unknown as Record<string, unknown>, RANGES, '')
  checkRanges(params.categorical as unknown as Record<string, unknown>, CATEGORICAL_RANGES, 'categorical.')
  if (!STOP_BY.includes(params.stopBy)) refuse('stopBy', `one of ${STOP_BY.join(', ')}`, params.stopBy)
  return params
}

/** Refuses parameters that name features which the data do not have. Errors: MR_MODEL_PARAM. */
export function checkFeatureParams(
  { monotone, interactions }: GbdtParams,
  features: readonly FeatureBins[],
): void {
  const end = features.length
  if (monotone && monotone.length !== end)
    refuse('monotone', `one order for each of ${end} features`, monotone.length)
  monotone?.forEach((order, j) => {
    if (![-1, 0, 1].includes(order)) refuse(`monotone.${j}`, '-1, 0 or 1', order)
    if (order !== 0 && features[j].kind === 'category')
      refuse(`monotone.${j}`, '0, as categories have no order', order)
  })
  interactions?.flat().forEach((j) => {
    if (!(Number.isInteger(j) && j >= 0 && j < end))
      refuse('interactions', `features from 0 to ${end - 1}`, j)
  })
}

function checkRanges(params: Record<string, unknown>, ranges: Record<string, Range>, prefix: string): void {
  for (const [name, range] of Object.entries(ranges)) {
    if (!inRange(params[name], range)) refuse(prefix + name, rangeText(range), params[name])
  }
}

function inRange(value: unknown, range: Range): boolean {
  if (typeof value !== 'number' || !(value >= range.min && value <= range.max)) return false
  return !(range.integer && !Number.isInteger(value)) && !(range.open && value === range.min)
}

function rangeText({ min, max, integer, open }: Range): string {
  const kind = integer ? 'an integer' : 'a number'
  if (max === Number.MAX_VALUE) return `${kind} of at least ${min}`
  return open ? `${kind} above ${min} and at most ${max}` : `${kind} from ${min} to ${max}`
}

function refuse(param: string, expected: string, got: unknown): never {
  throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
}
