/** What each training row is worth to a classifier by nearest neighbours: exact Shapley values, without training anything. */
import { checkPoints, DistanceOrder, eachDistances, type PointRows } from './distance-blocks.ts'
import { type Numbers, refuseNotFinite, requireLength, requireRange, requireRows } from './inputs.ts'

export interface LabelledPoints extends PointRows {
  /** Code of each row's class, `[nRows]`. */
  labels: Numbers
}

export interface KnnShapleyOptions {
  /** Neighbours that vote. Default: 10. */
  k?: number
  /** What another value of a category adds to the squared distance. Default: 2, as two standardised numbers differ on average. */
  mismatch?: number
  /** Called after every test row with how many are done. */
  onRow?: (nDone: number) => void
}

export const KNN_SHAPLEY_K = 10

/**
 * Exact Shapley value of each row of `train` in the game whose players are the training rows and whose utility is the mean, over the rows of `test`, of the share
 * of a row's K nearest players that have its class, counted out of K also when there are fewer players. Without `test` every training row is tested by the others,
 * and is worth nothing to itself.
 *
 * Shapes: points `[nRows * width]`, returns `[train.nRows]`; the sum is the utility of all rows (`knnUtility`) to 1e-9. Rows at the same distance are
 * neighbours in their order. Units: share of a test row's vote. Missing: NaN is refused; impute before. Accuracy: 1e-12 against all subsets counted,
 * test/reference/worth. Cost: O(test * train * width) for distances and O(test * train) for ordering them; memory O(train), four distances a row.
 * Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Source: Jia et al., Efficient task-specific data valuation for nearest neighbor algorithms, VLDB 2019, theorem 1. Convention: shares are out of K also where there are
 * fewer players, so the last term is `min(K, N) / (N K)`, and the worth of the empty set is 0.
 */
export function knnShapley(
  train: LabelledPoints,
  test?: LabelledPoints,
  options: KnnShapleyOptions = {},
): Float64Array {
  const { k = KNN_SHAPLEY_K } = options
  const worth = new Float64Array(train.nRows)
  const tests = test ?? train
  eachOrder(train, test, options, (iTest, order) =>
    addWorth(order, train.labels, tests.labels[iTest], k, worth),
  )
  for (let i = 0; i < worth.length; i++) worth[i] /= tests.nRows
  return worth
}

/**
 * Gives each test row the training rows from the nearest to the farthest, of equal ones the earlier first; without `test` each training row has the others. The order is
 * overwritten after `visit` returns. Cost, memory and errors as `knnShapley`.
 */
export function eachOrder(
  train: LabelledPoints,
  test: LabelledPoints | undefined,
  { k = KNN_SHAPLEY_K, mismatch = 2, onRow }: KnnShapleyOptions,
  visit: (iTest: number, order: Uint32Array) => void,
): void {
  check(train, test, k, mismatch)
  const order = new DistanceOrder(train.nRows)
  eachDistances(train, test ?? train, mismatch, (iTest, squares) => {
    if (!test) squares[iTest] = Number.POSITIVE_INFINITY
    const sorted = order.sort(squares)
    visit(iTest, test ? sorted : withoutSelf(sorted, iTest))
    onRow?.(iTest + 1)
  })
}

/** Adds what each row of `order` is worth to one test row of class `wanted`: from the farthest to the nearest, each by how it differs from the one behind it. Cost: O(rows). */
export function addWorth(
  order: Uint32Array,
  labels: Numbers,
  wanted: number,
  k: number,
  worth: Float64Array,
): void {
  const n = order.length
  let match = Number(labels[order[n - 1]] === wanted)
  let value = (match * Math.min(k, n)) / (n * k)
  worth[order[n - 1]] += value
  for (let i = n - 1; i > 0; i--) {
    const row = order[i - 1]
    const own = Number(labels[row] === wanted)
    if (own !== match) {
      value += ((own - match) / k) * (k < i ? k / i : 1)
      match = own
    }
    worth[row] += value
  }
}

/** Share of the `k` nearest rows, of those that `counts` takes, that have the class `wanted`; out of k also when there are fewer. */
export function votesFor(
  order: Uint32Array,
  labels: Numbers,
  wanted: number,
  k: number,
  counts: (row: number) => boolean = () => true,
): number {
  let asked = 0
  let votes = 0
  for (let i = 0; i < order.length && asked < k; i++) {
    if (!counts(order[i])) continue
    asked++
    if (labels[order[i]] === wanted) votes++
  }
  return votes / k
}

/** The order but for the row itself, which lies among the infinitely far ones. */
function withoutSelf(order: Uint32Array, self: number): Uint32Array {
  const at = order.lastIndexOf(self)
  order.copyWithin(at, at + 1)
  return order.subarray(0, order.length - 1)
}

/**
 * Utility that `knnShapley` divides among the rows: mean over test rows of the share of the K nearest training rows that have its class. Shapes, ties and errors as there.
 * Cost: O(test * train * width).
 */
export function knnUtility(
  train: LabelledPoints,
  test: LabelledPoints,
  options: KnnShapleyOptions = {},
): number {
  const { k = KNN_SHAPLEY_K } = options
  let votes = 0
  eachOrder(train, test, options, (iTest, order) => {
    votes += votesFor(order, train.labels, test.labels[iTest], k)
  })
  return votes / test.nRows
}

function check(train: LabelledPoints, test: LabelledPoints | undefined, k: number, mismatch: number): void {
  requireRows('training rows', train.nRows, test ? 1 : 2)
  requireRange(Number.isInteger(k) && k >= 1, 'k', 'a whole number of at least 1', k)
  requireRange(mismatch >= 0 && Number.isFinite(mismatch), 'mismatch', 'a number of at least 0', mismatch)
  for (const [what, rows] of [
    ['training rows', train],
    ...(test ? [['test rows', test] as const] : []),
  ] as const) {
    checkPoints(what, rows)
    refuseNotFinite(`points of ${what}`, rows.points)
    requireLength(`labels of ${what}`, rows.labels, rows.nRows)
    refuseNotFinite(`labels of ${what}`, rows.labels)
  }
  if (!test) return
  requireRows('test rows', test.nRows)
  requireRange(
    test.width === train.width,
    'width of test rows',
    `${train.width}, as of the training rows`,
    test.width,
  )
  requireRange(
    test.nNumbers === train.nNumbers,
    'nNumbers of test rows',
    `${train.nNumbers}, as of the training rows`,
    test.nNumbers,
  )
}
