/** The card of a model: how good it is on rows it never saw, against the constant prediction on the same rows. */

import type { ClassCard, Histogram, Measured, ModelCard, ModelTask } from '../core/records.ts'
import type { FittedFeatures } from '../expr/features.ts'
import type { MatrixSlice } from '../model/matrix.ts'
import { measureAll, REFERENCE_BINS, scoreHistogram } from '../model/measure.ts'
import { type Confusion, classTotals, confusionOf, likeliest } from '../model/measures/classes.ts'
import { countScores, reliability } from '../stats/counts.ts'
import { buildNumericHistogram, categoryHistogram, quantileEdges } from '../stats/histogram.ts'
import { wilson } from '../stats/intervals.ts'
import { auc } from '../stats/metrics.ts'
import { upperBound } from '../stats/order.ts'
import { meanOrZero } from './columns.ts'

/** Values or bins of a feature whose target shares are compared. */
const RATE_BINS = 64
/** Rows of which all pairs are compared. */
const CONCORDANCE_ROWS = 1_000
/** Bins of a feature that has no value in any row. */
const NO_EDGES = [0, 1]
const REFERENCE_CATEGORIES = 50

export interface CardInput {
  /** Calibrated outputs of the test rows, `[n * nOutputs]`. */
  outputs: Float64Array
  /** Mean absolute contribution of each feature over some test rows; empty where it was not measured. */
  importance: ModelCard['importance']
  task: ModelTask
  /** Labels in the order of the outputs, where there are classes. */
  classes?: readonly string[]
  train: MatrixSlice
  test: MatrixSlice
  features: { name: string; type: 'number' | 'category' }[]
  bytes: number
  notes: string[]
  /** Whether features are tried alone; members leave it to their parent. */
  explain: boolean
}

export function cardOf(input: CardInput): ModelCard {
  const { outputs, importance, task, classes, train, test, bytes, notes, explain } = input
  const shares = classes && classShares(train.target, classes.length)
  const constant = shares ? repeated(shares, test.nRows) : repeated([meanOrZero(train.target)], test.nRows)
  return {
    metrics: measureAll(task, outputs, test.target, test.groups),
    baseline: measureAll(task, constant, test.target, test.groups),
    importance,
    featureAuc: explain ? featureAucOf(input) : {},
    scores: scoreHistogram(task, outputs, classes?.length),
    calibration: reliabilityOf(task, outputs, test.target),
    baseRate: shares ? Math.max(...shares) : meanOrZero(train.target),
    ...(classes && classesOf(classes, train.target, confusionOf(outputs, test.target))),
    bytes,
    notes,
  }
}

/** Probabilities and whether what they are of happened, by task; nothing where an answer is no probability. */
const PROBABILITIES: Record<
  ModelTask,
  ((outputs: Float64Array, targets: Float64Array) => [Float64Array, Float64Array]) | undefined
> = {
  binary: (outputs, targets) => [outputs, targets],
  regression: undefined,
  multiclass: likeliest,
  ranking: undefined,
}

function reliabilityOf(
  task: ModelTask,
  outputs: Float64Array,
  targets: Float64Array,
): ModelCard['calibration'] {
  const probabilities = PROBABILITIES[task]
  if (!probabilities || targets.length === 0) return []
  return reliability(countScores(...probabilities(outputs, targets))).map(
    ({ meanPredicted, meanActual, n }) => ({ meanPredicted, meanActual, n }),
  )
}

function repeated(row: readonly number[], n: number): Float64Array {
  return Float64Array.from({ length: n * row.length }, (_, i) => row[i % row.length])
}

function classCounts(codes: Float64Array, nClasses: number): number[] {
  const counts = new Array<number>(nClasses).fill(0)
  for (const code of codes) counts[code]++
  return counts
}

function classShares(codes: Float64Array, nClasses: number): number[] {
  return classCounts(codes, nClasses).map((n) => n / Math.max(1, codes.length))
}

/** Entries of a confusion that a card keeps. */
const CONFUSION_MAX = 2_500

function classesOf(
  labels: readonly string[],
  trained: Float64Array,
  confusion: Confusion,
): Pick<ModelCard, 'classes' | 'confusion'> {
  const counts = classCounts(trained, labels.length)
  const totals = confusion.width === 0 ? [] : classTotals(confusion)
  const classes = labels.map((label, k): ClassCard => {
    const { actual, said, right } = totals[k] ?? { actual: 0, said: 0, right: 0 }
    return {
      label,
      trainRows: counts[k],
      recall: shareOf(right, actual),
      precision: shareOf(right, said),
    }
  })
  const entries: [number, number, number][] = []
  confusion.counts.forEach((n, at) => {
    if (n > 0) entries.push([Math.floor(at / confusion.width), at % confusion.width, n])
  })
  return { classes, confusion: entries.sort((a, b) => b[2] - a[2]).slice(0, CONFUSION_MAX) }
}

/** A share with Wilson's interval; 0 of 0 rows where there are none. */
function shareOf(hits: number, n: number): Measured {
  if (n === 0) return { value: 0, n }
  const { value, interval } = wilson(hits, n)
  return { value, interval, n }
}

/**
 * How well each feature alone ranks the target (0.5 to 1): near 1 means that it gives the target away. For a classifier the better of two rankings: by the
 * feature's own values, and by the share of the target that the training rows of its value (or bin of values, or no value) have, which sees a leak
 * through a category or through missing values too; of several classes the mean of that. For a regression the chance that two rows are ordered alike, on rows spread evenly.
 */
function featureAucOf(input: CardInput): Record<string, number> {
  const alone = ALONE[input.task]
  return Object.fromEntries(
    input.features.flatMap(({ name, type }, j) => {
      const value = alone(input, j, type === 'category')
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

type Alone = (input: CardInput, j: number, isCategory: boolean) => number | undefined

const orders: Alone = ({ test }, j, isCategory) =>
  isCategory ? undefined : concordance(test.columns[j], test.target)

/** How well a feature alone tells the target, by task; undefined where its values have no order that could. */
const ALONE: Record<ModelTask, Alone> = {
  binary: ({ train, test }, j, isCategory) =>
    classAuc(train.columns[j], train.target, test.columns[j], test.target, isCategory),
  regression: orders,
  multiclass: meanClassAuc,
  ranking: orders,
}

function classAuc(
  trainValues: Float64Array,
  trainLabels: Float64Array,
  values: Float64Array,
  labels: Float64Array,
  isCategory: boolean,
): number {
  const rates = binRates(trainValues, trainLabels, isCategory)
  return Math.max(rankAuc(values, labels), rankAuc(values.map(rates), labels))
}

/** Classes that a feature alone is tried on: the most frequent ones. */
const CLASSES_ALONE = 20

/** Mean over the classes of how well the feature tells each from the rest: a feature that knows one class of many gives nothing away yet. */
function meanClassAuc({ train, test, classes = [] }: CardInput, j: number, isCategory: boolean): number {
  const counts = classCounts(train.target, classes.length)
  const codes = [...counts.keys()].sort((a, b) => counts[b] - counts[a]).slice(0, CLASSES_ALONE)
  const is = (code: number) => (target: number) => (target === code ? 1 : 0)
  const found = codes
    .filter((code) => test.target.includes(code))
    .map((code) =>
      classAuc(
        train.columns[j],
        train.target.map(is(code)),
        test.columns[j],
        test.target.map(is(code)),
        isCategory,
      ),
    )
  return found.length === 0 ? 0.5 : meanOrZero(Float64Array.from(found))
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
  const overall = meanOrZero(target)
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
