/** The card of a model: how good it is on rows it never saw, against the constant prediction on the same rows. */
import type { Histogram, ModelCard, ModelTask } from '../core/records.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { meanAbsContributions } from '../model/explain.ts'
import type { MatrixSlice } from '../model/matrix.ts'
import { measureAll, REFERENCE_BINS, scoreHistogram } from '../model/measure.ts'
import { type Graph, predictColumns } from '../model/predict.ts'
import { countScores, reliability } from '../stats/counts.ts'
import { buildNumericHistogram, categoryHistogram, quantileEdges } from '../stats/histogram.ts'
import { auc } from '../stats/metrics.ts'
import { upperBound } from '../stats/order.ts'

/** Rows that the global importance is averaged over. */
const IMPORTANCE_ROWS = 200
/** Values or bins of a feature whose target shares are compared. */
const RATE_BINS = 64
/** Rows of which all pairs are compared. */
const CONCORDANCE_ROWS = 1_000
/** Bins of a feature that has no value in any row. */
const NO_EDGES = [0, 1]
const REFERENCE_CATEGORIES = 50

export interface CardInput {
  graph: Graph
  task: ModelTask
  train: MatrixSlice
  test: MatrixSlice
  features: { name: string; type: 'number' | 'category' }[]
  bytes: number
  notes: string[]
  /** Whether the global importance is computed; members leave it to their parent. */
  explain: boolean
}

export function cardOf(input: CardInput): ModelCard {
  const { graph, task, train, test, features, bytes, notes, explain } = input
  const baseRate = mean(train.target)
  const outputs = predictColumns(graph, test.columns, test.nRows)
  const constant = new Float64Array(test.nRows).fill(baseRate)
  return {
    metrics: measureAll(task, outputs, test.target),
    baseline: measureAll(task, constant, test.target),
    importance: explain ? importanceOf(graph, test, features) : [],
    featureAuc: explain ? featureAucOf(input) : {},
    scores: scoreHistogram(task, outputs),
    calibration:
      task === 'binary' && test.nRows > 0
        ? reliability(countScores(outputs, test.target)).map(({ meanPredicted, meanActual, n }) => ({
            meanPredicted,
            meanActual,
            n,
          }))
        : [],
    baseRate,
    bytes,
    notes,
  }
}

function mean(values: Float64Array): number {
  let sum = 0
  for (const value of values) sum += value
  return values.length === 0 ? 0 : sum / values.length
}

/** Mean absolute contribution to the raw score over rows spread evenly through the test split. */
function importanceOf(
  graph: Graph,
  test: MatrixSlice,
  features: CardInput['features'],
): ModelCard['importance'] {
  const n = Math.min(IMPORTANCE_ROWS, test.nRows)
  if (n === 0) return []
  const spread = Int32Array.from({ length: n }, (_, k) => Math.floor((k * test.nRows) / n))
  const means = meanAbsContributions(
    graph.model,
    test.columns.map((column) => Float64Array.from(spread, (i) => column[i])),
    n,
  )
  return features
    .map(({ name }, j) => ({ feature: name, meanAbs: means[j] }))
    .sort((a, b) => b.meanAbs - a.meanAbs)
}

/**
 * How well each feature alone ranks the target (0.5 to 1): near 1 means that it gives the target away. For a classifier the better of two rankings: by the
 * feature's own values, and by the share of the target that the training rows of its value (or bin of values, or no value) have, which sees a leak
 * through a category or through missing values too. For a regression the chance that two rows are ordered alike, on rows spread evenly.
 */
function featureAucOf({ task, train, test, features }: CardInput): Record<string, number> {
  const alone = (j: number) =>
    task === 'binary'
      ? classAuc(train, test, j, features[j].type === 'category')
      : concordance(test.columns[j], test.target)
  return Object.fromEntries(
    features.flatMap(({ name, type }, j) =>
      task === 'regression' && type === 'category' ? [] : [[name, alone(j)]],
    ),
  )
}

function classAuc(train: MatrixSlice, test: MatrixSlice, j: number, isCategory: boolean): number {
  const rates = binRates(train.columns[j], train.target, isCategory)
  return Math.max(rankAuc(test.columns[j], test.target), rankAuc(test.columns[j].map(rates), test.target))
}

/** AUC either way of the rows that have a value. */
function rankAuc(values: Float64Array, target: Float64Array): number {
  const known = Array.from(values.keys()).filter((i) => !Number.isNaN(values[i]))
  const labels = known.map((i) => target[i])
  if (!labels.includes(0) || !labels.includes(1)) return 0.5
  const found = auc(
    known.map((i) => values[i]),
    labels,
  )
  return Math.max(found, 1 - found)
}

/** Mean target by value where values are few, else by bin of about equal counts; smoothed to the whole by one row. Missing is a value. */
function binRates(
  values: Float64Array,
  target: Float64Array,
  isCategory: boolean,
): (value: number) => number {
  const edges =
    !isCategory && new Set(values).size > RATE_BINS
      ? quantileEdges(values, RATE_BINS).slice(1, -1)
      : undefined
  const keyOf = (value: number) =>
    edges === undefined || Number.isNaN(value) ? value : upperBound(edges, value)
  const overall = mean(target)
  const sums = new Map<number, { n: number; sum: number }>()
  values.forEach((value, i) => {
    const key = keyOf(value)
    const bin = sums.get(key)
    if (bin) {
      bin.n++
      bin.sum += target[i]
    } else sums.set(key, { n: 2, sum: overall + target[i] })
  })
  return (value) => {
    const found = sums.get(keyOf(value))
    return found ? found.sum / found.n : overall
  }
}

/** Share of pairs with different targets that the values order alike (or all the other way), ties half. Source: Harrell's C, 1982. */
function concordance(values: Float64Array, target: Float64Array): number {
  const step = Math.max(1, Math.ceil(values.length / CONCORDANCE_ROWS))
  const rows = Array.from(values.keys()).filter((i) => i % step === 0 && !Number.isNaN(values[i]))
  let pairs = 0
  let alike = 0
  for (let a = 0; a < rows.length; a++) {
    for (let b = a + 1; b < rows.length; b++) {
      const order = Math.sign(target[rows[a]] - target[rows[b]])
      if (order === 0) continue
      pairs++
      alike += (1 + order * Math.sign(values[rows[a]] - values[rows[b]])) / 2
    }
  }
  return pairs === 0 ? 0.5 : Math.max(alike / pairs, 1 - alike / pairs)
}

/**
 * The reference of one feature's drift: its distribution over the training rows, as serving computes it. Training rows carry cross-fitted rates, which spread
 * wider than those that serving looks up, so a rate's reference are the rows after training.
 */
export function referenceOf(
  fitted: FittedFeatures,
  name: string,
  rows: { train: Float64Array; later: Float64Array },
): Histogram {
  const feature = fitted.features.find((f) => f.name === name)
  if (feature?.type === 'category') {
    return categoryHistogram(
      Array.from(rows.train, (code) => (Number.isNaN(code) ? null : String(code))),
      { categoriesMax: REFERENCE_CATEGORIES },
    )
  }
  const values = feature?.state?.kind === 'rate' && rows.later.some(Number.isFinite) ? rows.later : rows.train
  return buildNumericHistogram(values, values.some(Number.isFinite) ? edgesFor(values) : NO_EDGES)
}

/** One bin a value where values are few, so that a 0/1 column can be seen to drift; else bins of about equal counts. */
function edgesFor(values: Float64Array): number[] {
  const distinct = new Set<number>()
  for (const value of values) {
    if (Number.isFinite(value)) distinct.add(value)
    if (distinct.size > REFERENCE_BINS) return quantileEdges(values, REFERENCE_BINS)
  }
  if (distinct.size === 1) return quantileEdges(values, REFERENCE_BINS)
  const sorted = [...distinct].sort((a, b) => a - b)
  return [sorted[0], ...sorted.slice(1).map((value, i) => (sorted[i] + value) / 2), sorted[sorted.length - 1]]
}
