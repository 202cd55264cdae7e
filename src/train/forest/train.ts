import { meanOfRows } from '../../stats/row-mean.ts'
import { binColumns } from '../gbdt/binning.ts'
import { type Labels, type Objective, weigh } from '../gbdt/objectives/objective.ts'
import { checkFinite, checkShares, weightedMean } from '../gbdt/objectives/targets.ts'
import type { GivenParams } from '../gbdt/params.ts'
import type { TrainData } from '../gbdt/train.ts'
import { type GbdtOptions, trainOnBins } from '../gbdt/train.ts'
import { FOREST_DEFAULTS, type ForestParams, type ForestResult } from './params.ts'
import { trainClassForest } from './train-classes.ts'

/** Drawn towards the mean by so much, rounding cannot take a mean of chances out of [0, 1]. */
const INWARD = 1 - 1e-12

/**
 * Forests of trees that are grown independently and averaged: random forests (Breiman, 2001) and extremely randomised trees (Geurts, Ernst and Wehenkel, 2006).
 *
 * Targets are numbers, or 0 and 1 (or chances): then the score is a chance, the mean of the shares in the leaves, as splits by squared error are those by
 * Gini impurity. Codes of classes grow trees by Gini impurity over all of them, whose leaves hold the share of each. Bootstraps are Poisson counts. Missing values go the way that gains more, as in boosting. The same bytes on any number of threads.
 * Errors: those of `trainGbdt`. Cost: about 1.5 ns a row, feature and level of a tree.
 */
export function trainForest(
  data: Omit<TrainData, 'init' | 'valid' | 'groups'>,
  given: Partial<ForestParams> & { isChance?: boolean; nClasses?: number } = {},
  options: Pick<GbdtOptions, 'threads' | 'threadRowsMin' | 'kernels' | 'onProgress' | 'signal'> = {},
): ForestResult {
  const { isChance = false, nClasses = 1, ...rest } = given
  const params = { ...FOREST_DEFAULTS, ...rest }
  const binned = binColumns(data.columns, data.categorical, params.bins)
  const nRows = { ...binned, nRows: data.nRows }
  if (nClasses > 1)
    return trainClassForest(
      { ...data, binned: nRows },
      { ...params, nClasses, featureShare: shareOf(params.features, data.columns.length) },
      options,
    )
  const result = trainOnBins(
    { binned: nRows, target: data.target, weights: data.weights },
    engineParams(params, data.columns.length),
    { ...options, outOfBag: true, objective: (labels) => meanObjective(labels, isChance) },
  )
  const { model, trees, gains, ranOn } = result
  const [base] = model.baseScores
  const { sum, trees: seen } = result.outOfBag!
  const outOfBag = sum.map((total, row) =>
    seen[row] > 0 ? base + (total * params.trees) / seen[row] : Number.NaN,
  )
  return { model, trees, gains, ranOn, outOfBag }
}

function engineParams(params: ForestParams, nFeatures: number): GivenParams {
  const { features, bootstrap, ...rest } = params
  return {
    ...rest,
    learningRate: INWARD / params.trees,
    replacement: bootstrap,
    featureFractionByNode: shareOf(features, nFeatures),
  }
}

function shareOf(features: ForestParams['features'], nFeatures: number): number {
  if (typeof features === 'number') return features
  const n = Math.max(1, nFeatures)
  return features === 'sqrt' ? Math.sqrt(n) / n : Math.min(1, Math.max(1, n / 3) / n)
}

/** Squared error from the mean of all rows, whatever trees were grown before: trees of a forest know nothing of one another. */
function meanObjective(labels: Labels, isChance: boolean): Objective {
  const check = isChance ? checkShares : checkFinite
  check(labels)
  const base = weightedMean(labels.target, labels.weights)
  return {
    nOutputs: 1,
    link: 'identity',
    constantHessian: true,
    baseScores: Float64Array.of(base),
    check,
    gradients: (_, { target, weights }, grad, hess) => {
      for (let i = 0; i < target.length; i++) grad[i] = base - target[i]
      hess.fill(1)
      weigh(grad, hess, weights)
    },
    meanLoss: (score, { target, weights }) =>
      meanOfRows(target.length, weights, (i) => (score[i] - target[i]) ** 2),
  }
}
