/** What each training row is worth to the mean of nearest neighbours: exact Shapley values where targets are numbers, without training anything. */

import { type Numbers, refuseNotFinite } from './inputs.ts'
import { eachOrder, KNN_SHAPLEY_K, type KnnShapleyOptions, type LabelledPoints } from './knn-shapley.ts'

/**
 * Exact Shapley value of each row of `train` in the game whose players are the training rows and whose utility is the mean, over the rows of `test`, of the squared error
 * that the players save: `y² - (sum of the K nearest players' targets / K - y)²`. Targets count from their origin, which is what is answered without players and what fewer
 * than K pull towards: centre them on the mean of the training targets first (`centredNumbers`).
 *
 * Shapes: points `[nRows * width]`, `labels: [nRows]` the targets; returns `[train.nRows]`, summing to the utility of all rows (`savedByNeighbours`) to 1e-9 of the largest square.
 * Units: squared units of the target. Rows at the same distance are neighbours in their order. Missing: NaN is refused; impute before. Accuracy: 1e-12 relative against all
 * subsets counted, test/reference/worth. Cost and memory as `knnShapley`, with two passes over each order. Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Source: Jia et al., Efficient task-specific data valuation for nearest neighbor algorithms, VLDB 2019, theorem 6. Convention: sums are divided by K also where there are fewer
 * players, and the empty set saves nothing.
 */
export function knnShapleyNumbers(
  train: LabelledPoints,
  test: LabelledPoints,
  options: KnnShapleyOptions = {},
): Float64Array {
  const { k = KNN_SHAPLEY_K } = options
  refuseNotFinite('training targets', train.labels)
  refuseNotFinite('test targets', test.labels)
  const worth = new Float64Array(train.nRows)
  const kernel = new NumberWorth(train.nRows, k)
  eachOrder(train, test, options, (iTest, order) =>
    kernel.add(order, train.labels, test.labels[iTest], worth),
  )
  for (let i = 0; i < worth.length; i++) worth[i] /= test.nRows
  return worth
}

/** Targets less the mean of the training targets. */
export function centredNumbers(train: Numbers, test: Numbers): { train: Float64Array; test: Float64Array } {
  let mean = 0
  for (let i = 0; i < train.length; i++) mean += (train[i] - mean) / (i + 1)
  return { train: Float64Array.from(train, (y) => y - mean), test: Float64Array.from(test, (y) => y - mean) }
}

/** Squared error saved by the mean of the `k` nearest rows, of those that `counts` takes; out of k also when there are fewer. */
export function savedByNeighbours(
  order: Uint32Array,
  targets: Numbers,
  wanted: number,
  k: number,
  counts: (row: number) => boolean = () => true,
): number {
  let asked = 0
  let sum = 0
  for (let i = 0; i < order.length && asked < k; i++) {
    if (!counts(order[i])) continue
    asked++
    sum += targets[order[i]]
  }
  return wanted * wanted - (sum / k - wanted) ** 2
}

/**
 * Adds what rows are worth to one test row, from the farthest to the nearest. Of two neighbours in the order, one is worth more by what it changes in the sets where fewer than K
 * players lie before both: such a set has the one row at place l before them, or behind them among its K nearest, with chances that depend on l and the place alone.
 */
export class NumberWorth {
  readonly #k: number
  /** Chance, doubled, that the row at place l (from 1) is among the first K - 1 of a set that holds it and neither of the two before it. */
  readonly #behind: Float64Array

  constructor(nRows: number, k: number) {
    this.#k = k
    this.#behind = Float64Array.from({ length: nRows + 1 }, (_, l) => {
      const m = Math.min(k, l - 1)
      return l < 3 ? 0 : (m * (m - 1)) / ((l - 1) * (l - 2))
    })
  }

  /** Cost: O(rows). */
  add(order: Uint32Array, targets: Numbers, wanted: number, worth: Float64Array): void {
    const k = this.#k
    const n = order.length
    let before = 0
    for (let i = 0; i < n - 1; i++) before += targets[order[i]]
    const last = targets[order[n - 1]]
    const m = Math.min(k, n)
    const others = n > 1 ? (before * m * (m - 1)) / (n * (n - 1)) : 0
    let value = ((last * m) / n / k) * (2 * wanted - last / k) - (others * last) / (k * k)
    worth[order[n - 1]] += value
    let behind = 0
    for (let i = n - 1; i > 0; i--) {
      // Places from 1: the nearer row is at i, the farther at i + 1, and those behind from i + 2 on.
      const [near, far] = [targets[order[i - 1]], targets[order[i]]]
      before -= near
      if (i + 2 <= n) behind += targets[order[i + 1]] * this.#behind[i + 2]
      const few = Math.min(k, i)
      const share = few / i
      const ahead = i > 1 ? (before * few * (few - 1)) / (i * (i - 1)) : 0
      value += ((far - near) / k) * ((ahead + behind + share * (near + far)) / k - 2 * wanted * share)
      worth[order[i - 1]] += value
    }
  }
}
