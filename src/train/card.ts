/** The card of a model: how good it is on rows it never saw, against the constant prediction on the same rows. */
import type { Histogram, ModelCard, ModelTask } from '../core/records.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { meanAbsContributions } from '../model/explain.ts'
import type { MatrixSlice } from '../model/matrix.ts'
import { measureAll } from '../model/measure.ts'
import { type Graph, predictColumns } from '../model/predict.ts'
import { countScores, reliability } from '../stats/counts.ts'
import { buildNumericHistogram, categoryHistogram, quantileEdges } from '../stats/histogram.ts'
import { auc } from '../stats/metrics.ts'

/** Rows that the global importance is averaged over. */
const IMPORTANCE_ROWS = 200
/** Bins of the references that drift is measured against. */
const REFERENCE_BINS = 20
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

export function cardOf({ graph, task, train, test, features, bytes, notes, explain }: CardInput): ModelCard {
  const baseRate = mean(train.target)
  const outputs = predictColumns(graph, test.columns, test.nRows)
  const constant = new Float64Array(test.nRows).fill(baseRate)
  return {
    metrics: measureAll(task, outputs, test.target),
    baseline: measureAll(task, constant, test.target),
    importance: explain ? importanceOf(graph, test, features) : [],
    featureAuc: task === 'binary' && explain ? featureAucOf(test, features) : {},
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

/** How well each feature alone ranks the target (0.5 to 1): near 1 means that it gives the target away. */
function featureAucOf(test: MatrixSlice, features: CardInput['features']): Record<string, number> {
  const out: Record<string, number> = {}
  features.forEach(({ name, type }, j) => {
    if (type === 'number') out[name] = aloneAuc(test.columns[j], test.target)
  })
  return out
}

function aloneAuc(values: Float64Array, target: Float64Array): number {
  const known = Array.from(values.keys()).filter((i) => !Number.isNaN(values[i]))
  const labels = known.map((i) => target[i])
  if (!labels.includes(0) || !labels.includes(1)) return 0.5
  const a = auc(
    known.map((i) => values[i]),
    labels,
  )
  return Math.max(a, 1 - a)
}

function scoreHistogram(task: ModelTask, outputs: Float64Array): Histogram {
  const edges =
    task === 'binary'
      ? Array.from({ length: REFERENCE_BINS + 1 }, (_, i) => i / REFERENCE_BINS)
      : quantileEdges(outputs, REFERENCE_BINS)
  return buildNumericHistogram(outputs, edges)
}

/** The reference of one feature's drift: its distribution over the training rows. */
export function referenceOf(fitted: FittedFeatures, name: string, values: Float64Array): Histogram {
  const feature = fitted.features.find((f) => f.name === name)
  if (feature?.type !== 'category')
    return buildNumericHistogram(values, quantileEdges(values, REFERENCE_BINS))
  return categoryHistogram(
    Array.from(values, (code) => (Number.isNaN(code) ? null : String(code))),
    { categoriesMax: REFERENCE_CATEGORIES },
  )
}
