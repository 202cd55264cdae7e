/** How neighbours answer in each task: what a row is worth to one test row, and how good the answer of some rows is. */
import type { ModelTask } from '../../core/records.ts'
import type { Numbers } from '../../stats/inputs.ts'
import { addWorth, votesFor } from '../../stats/knn-shapley.ts'
import { centredNumbers, NumberWorth, savedByNeighbours } from '../../stats/knn-shapley-numbers.ts'

export interface Voting {
  /** Targets as neighbours see them, of training and of test rows. */
  train: Numbers
  test: Numbers
  /** What worth and scores are divided by, so that all worth sums to the utility. */
  unit: number
  /** Adds what each row of `order` is worth to a test row that wants `wanted`. */
  add(order: Uint32Array, wanted: number, worth: Float64Array): void
  /** How good the answer of the nearest rows is, of those that `counts` takes: 1 at best, and 0 of no rows. */
  score(order: Uint32Array, wanted: number, counts?: (row: number) => boolean): number
}

type MakeVoting = (train: Numbers, test: Numbers, k: number) => Voting

/** Share of right votes. */
const byClass: MakeVoting = (train, test, k) => ({
  train,
  test,
  unit: 1,
  add: (order, wanted, worth) => addWorth(order, train, wanted, k, worth),
  score: (order, wanted, counts) => votesFor(order, train, wanted, k, counts),
})

/** Share of the squared error of the mean that neighbours save. */
const byNumber: MakeVoting = (given, asked, k) => {
  const { train, test } = centredNumbers(given, asked)
  const kernel = new NumberWorth(train.length, k)
  const unit = test.reduce((sum, y) => sum + y * y, 0) / test.length || 1
  return {
    train,
    test,
    unit,
    add: (order, wanted, worth) => kernel.add(order, train, wanted, worth),
    score: (order, wanted, counts) => savedByNeighbours(order, train, wanted, k, counts) / unit,
  }
}

export const VOTING: Record<ModelTask, MakeVoting | undefined> = {
  binary: byClass,
  multiclass: byClass,
  regression: byNumber,
  ranking: undefined,
}
