/** What a model leans on over many rows: by shuffling features, and by what the splits of trees tell apart. */
import { seededRng, shuffle } from '../../core/rng.ts'
import { type FeatureRows, readRow } from '../feature-rows.ts'
import { coverRatio } from '../shap/plan.ts'
import type { TreeEnsemble } from '../trees.ts'
import type { ScoreMany } from './partial-dependence.ts'

export interface ShuffledImportance {
  /** Mean over shuffles of how much the loss rises. */
  value: number
  /** 95 % interval of that mean, over shuffles. */
  interval: [number, number]
}

const Z95 = 1.959963984540054

/**
 * How much a loss rises when a feature is shuffled among rows: how much the model leans on it for its quality, whatever else could replace it.
 * `loss` is of all outputs against the targets. Convention: scikit-learn's `permutation_importance` with a loss. `repeats` at least 2.
 * Correlated features share importance, and each may look small. Cost: repeats * features * rows scores.
 */
export function shuffledImportance(
  score: ScoreMany,
  loss: (outputs: Float64Array) => number,
  rows: FeatureRows,
  n: number,
  { nFeatures, repeats = 5, seed = 1 }: { nFeatures: number; repeats?: number; seed?: number },
): ShuffledImportance[] {
  const all = new Float64Array(n * nFeatures)
  const x = new Float64Array(nFeatures)
  for (let i = 0; i < n; i++) {
    readRow(rows, i, x)
    all.set(x, i * nFeatures)
  }
  const before = loss(score(all, n))
  const rng = seededRng(seed)
  return Array.from({ length: nFeatures }, (_, j) => {
    const column = Float64Array.from({ length: n }, (_, i) => all[i * nFeatures + j])
    const rises = Array.from({ length: repeats }, () => {
      const mixed = shuffle(column.slice(), rng)
      for (let i = 0; i < n; i++) all[i * nFeatures + j] = mixed[i]
      return loss(score(all, n)) - before
    })
    for (let i = 0; i < n; i++) all[i * nFeatures + j] = column[i]
    return meanOf(rises)
  })
}

function meanOf(values: number[]): ShuffledImportance {
  const n = values.length
  const value = values.reduce((sum, v) => sum + v, 0) / n
  const variance = values.reduce((sum, v) => sum + (v - value) ** 2, 0) / (n - 1)
  const half = Z95 * Math.sqrt(variance / n)
  return { value, interval: [value - half, value + half] }
}

/**
 * What the splits on each feature tell apart: the variance of the raw score that they take away, weighted by cover (the gain of squared error). Read from
 * the trees alone; features of many values are favoured. `[nFeatures]`, summed over trees and outputs. Cost: O(nodes).
 */
export function splitGains(model: TreeEnsemble): Float64Array {
  const gains = new Float64Array(model.nFeatures)
  const means = new Float64Array(model.feature.length)
  for (let node = model.feature.length - 1; node >= 0; node--) {
    const [l, r] = [model.left[node], model.right[node]]
    if (l < 0) {
      means[node] = model.value[node]
      continue
    }
    const share = coverRatio(model, node, l)
    means[node] = share * means[l] + (1 - share) * means[r]
    gains[model.feature[node]] += model.cover[node] * share * (1 - share) * (means[l] - means[r]) ** 2
  }
  return gains
}
