/** A trained model explained: over the rows that it was tested on, for one row, and what would have to change for another answer. */
import type { Digest, ModelVersion } from '../core/records.ts'
import {
  type Counterfactual,
  counterfactuals,
  type FeatureRule,
  intervalValues,
} from '../model/counterfactual.ts'
import { shuffledImportance, splitGains } from '../model/effects/importance.ts'
import { levelEffects, localEffects, orderLevels } from '../model/effects/local-effects.ts'
import { gridOf, partialDependence, type ScoreMany } from '../model/effects/partial-dependence.ts'
import { meanAbsContributions } from '../model/explain.ts'
import { explainRows, type RowsExplanation } from '../model/explain-rows.ts'
import { indexLeaves, LEAF_ENTRIES_MAX } from '../model/leaf-neighbours.ts'
import type { LoadedModel } from '../model/load.ts'
import type { MatrixSlice } from '../model/matrix.ts'
import { LOSS_OF, metricOf } from '../model/measure.ts'
import { predictColumns } from '../model/predict.ts'
import { matrixOf } from '../model/ready.ts'
import type { RawRow } from '../serve/predictor.ts'
import { explainGraphRow, type GraphWay, withGraph } from './explain-graph.ts'
import {
  type Described,
  EXPLAIN_LIMITS,
  type ExplainRequest,
  featureNamed,
  featuresOf,
  type Located,
  locate,
  type Opened,
  open,
  openVersion,
  outputOf,
  rawScore,
  type Shown,
  sampled,
  shownRow,
  shownValue,
  slicesOf,
} from './explain-opened.ts'
import type { Runtime } from './runtime.ts'

export interface ModelExplainRequest extends ExplainRequest {
  rows?: number
  feature?: string
  curves?: number
  onProgress?: (done: number, note: string) => void
}

export interface Curve {
  feature: string
  type: 'number' | 'category'
  at: Shown[]
  /** Accumulated local effect on the raw score, mean 0 over rows. */
  local: number[]
  /** Mean raw score with the feature at that value (partial dependence). */
  dependence: number[]
  /** Rows at the value, or in the interval that ends there. */
  rows: number[]
}

export interface ModelExplanation {
  kind: 'ModelExplanation'
  model: string
  modelVersion: Digest
  class: string | null
  rows: number
  /** Loss that shuffling raises. */
  loss: string
  features: {
    feature: string
    /** Mean absolute contribution to the raw score; of several classes, over all of them. */
    contribution: number
    /** Rise of the loss when the feature is shuffled, with its 95 % interval. */
    shuffled: { value: number; interval: [number, number] }
    /** Share of the squared error that splits on it take away; null where the model has no trees. */
    splits: number | null
  }[]
  curves: Curve[]
}

export interface RowExplanation {
  kind: 'RowExplanation'
  model: string
  modelVersion: Digest
  class: string | null
  output: number
  /** What contributions add up to: the raw score, or the output where a graph has no other. */
  scale: 'raw' | 'output'
  raw: number
  features: Record<string, Shown>
  /** What was learned from: the covers of training (`tree-path`) or the model's closed form, and against training rows. */
  explanations: (Pick<RowsExplanation, 'method' | 'exact' | 'background' | 'residual'> & {
    base: number
    contributions: { feature: string; contribution: number }[]
    /** What time did not allow, or why the figures are not to be leant on. */
    fallback?: string
  })[]
  /** Training rows that the trees treat alike, with what happened there: a number, or the label of a class. */
  alike: { similarity: number; target: number | string; features: Record<string, Shown> }[]
}

export interface ChangeExplanation {
  kind: 'ChangeExplanation'
  model: string
  modelVersion: Digest
  class: string | null
  output: number
  wanted: { above?: number; below?: number }
  /** Empty when no change of at most four features was found that gives it. */
  answers: {
    output: number
    plausibility: number
    distance: number
    changes: { feature: string; from: Shown; to: Shown }[]
  }[]
}

// ---------------------------------------------------------------- the whole model

/**
 * What a model leans on and how its score depends on its leading features, over test rows spread evenly. Errors: MR_LOOP_UNKNOWN,
 * MR_LOOP_NO_RELEASE, MR_LOOP_EXPLAIN.
 */
export async function explainModel(
  rt: Pick<Runtime, 'store' | 'project'>,
  request: ModelExplainRequest,
): Promise<ModelExplanation> {
  return explainOpened(await open(rt, request), request)
}

/** The same of a version that is known. */
export async function explainVersion(
  store: Runtime['store'],
  digest: Digest,
  request: ModelExplainRequest & { member?: string },
): Promise<ModelExplanation> {
  const version = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
  return explainOpened(
    await openVersion(store, { digest, version, member: request.member }, request),
    request,
  )
}

function explainOpened(opened: Opened, request: ModelExplainRequest): ModelExplanation {
  const { digest, loaded, className, names, test } = opened
  const { model } = loaded.graph
  const rows = sampled(test, request.rows ?? EXPLAIN_LIMITS.rowsDefault)
  const tell = request.onProgress ?? (() => {})
  tell(0, 'contributions')
  const contributions = meanAbsContributions(model, rows.columns, rows.nRows)
  tell(0.3, 'shuffling features')
  const metric = metricOf(LOSS_OF[loaded.version.task], loaded.version.task)
  const sign = metric.higherIsBetter ? -1 : 1
  const outputsOf: ScoreMany = (matrix, n) => predictColumns(loaded.graph, matrix, n)
  const shuffled = shuffledImportance(
    outputsOf,
    (outputs) => sign * metric.of(outputs, rows.target, rows.groups).value,
    rows.columns,
    rows.nRows,
    { nFeatures: model.nFeatures },
  )
  const gains = model.kind === 'TreeEnsemble' ? splitGains(model) : null
  const total = gains?.reduce((sum, gain) => sum + gain, 0) ?? 0
  const features = names.map((feature, j) => ({
    feature,
    contribution: contributions[j],
    shuffled: shuffled[j],
    splits: gains && total > 0 ? gains[j] / total : null,
  }))
  const ranked = [...features].sort((a, b) => b.contribution - a.contribution)
  const asked = request.feature
    ? [featureNamed(names, request.feature)]
    : ranked.slice(0, request.curves ?? 3).map(({ feature }) => names.indexOf(feature))
  const curves = asked.map((j, k) => {
    tell(0.6 + (0.4 * k) / asked.length, `effect of ${names[j]}`)
    return curveOf(opened, rows, j)
  })
  return {
    kind: 'ModelExplanation',
    model: request.model,
    modelVersion: digest,
    class: className,
    rows: rows.nRows,
    loss: metric.name,
    features: ranked,
    curves,
  }
}

function curveOf({ loaded, output, names }: Opened, rows: MatrixSlice, j: number): Curve {
  const { model } = loaded.graph
  const shape = { feature: j, nFeatures: names.length }
  const score = rawScore(loaded, output)
  const column = rows.columns[j]
  const isCategory = loaded.features.features[j].type === 'category'
  const categorical = loaded.features.features.map(({ type }) => type === 'category')
  const distinct = new Set(column.filter((x) => !Number.isNaN(x)))
  const found =
    isCategory || distinct.size <= 20
      ? levelEffects(score, rows.columns, rows.nRows, {
          ...shape,
          levels: isCategory ? orderLevels(rows.columns, rows.nRows, { ...shape, categorical }) : undefined,
        })
      : localEffects(score, rows.columns, rows.nRows, shape)
  const grid = found.at.length > 0 ? found.at : gridOf(column)
  const few = sampled(
    rows,
    Math.min(rows.nRows, Math.max(50, Math.floor(200_000 / (grid.length * model.nOutputs)))),
  )
  const { mean } = partialDependence(score, few.columns, few.nRows, { ...shape, grid })
  return {
    feature: names[j],
    type: isCategory ? 'category' : 'number',
    at: Array.from(grid, (value) => shownValue(loaded, j, value)),
    local: Array.from(found.effect),
    dependence: Array.from(mean),
    rows: Array.from(found.rows),
  }
}

// ---------------------------------------------------------------- one row

/** One row of raw columns explained. Errors: those of `explainModel`, MR_SERVE_FIELD. */
export async function explainOneRow(
  rt: Pick<Runtime, 'store' | 'project'>,
  request: ExplainRequest & { row: RawRow },
): Promise<RowExplanation> {
  const located = await locate(rt, request)
  if (located.version.format === 'onnx') return await explainRowOfGraph(rt, request, located)
  const opened = await openVersion(rt.store, located, request)
  const { digest, loaded, output, className, names, train } = opened
  const { model } = loaded.graph
  const x = featuresOf(loaded, request.row)
  const behind = sampled(train, EXPLAIN_LIMITS.backgroundRows)
  const ways = [explainRows(model, x, 1)]
  if (behind.nRows > 0) {
    const against = explainRows(model, x, 1, { rows: behind.columns, n: behind.nRows })
    if (against.method !== ways[0].method) ways.push(against)
  }
  return {
    kind: 'RowExplanation',
    model: request.model,
    modelVersion: digest,
    class: className,
    output: predictColumns(loaded.graph, x, 1)[output],
    scale: 'raw',
    raw: ways[0].raw[output],
    features: shownRow(loaded, names, x),
    explanations: ways.map(({ method, exact, background, residual, bases, contributions }) => ({
      method,
      exact,
      ...(background === undefined ? {} : { background }),
      residual,
      base: bases[output],
      contributions: leadingFirst(names, contributions.subarray(output * names.length)),
    })),
    alike: alikeRows(opened, x),
  }
}

function leadingFirst(names: readonly string[], contributions: Float64Array) {
  return names
    .map((feature, j) => ({ feature, contribution: contributions[j] }))
    .sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution))
}

/** A row of a graph that ONNX Runtime scores, by each way that applies. */
export interface GraphExplained {
  x: Float64Array
  output: number
  outputs: Float64Array
  names: string[]
  ways: GraphWay[]
}

/**
 * Explains one output of a graph for the row that `rowOf` makes of its features, against rows that it was trained on. Takes some three seconds.
 * Errors: MR_LOOP_EXPLAIN when those rows are not in the store, MR_ONNX_ABSENT, and those of `readyModel`.
 */
export async function explainByGraph(
  store: Runtime['store'],
  { digest, version, member }: Located,
  { model, output, rowOf }: { model: string; output: number; rowOf: (described: Described) => Float64Array },
): Promise<GraphExplained & { described: Described }> {
  const { train } = await slicesOf(store, version, model, member)
  const behind = sampled(train, EXPLAIN_LIMITS.backgroundRows)
  return await withGraph(store, digest, async (ready) => {
    const { features } = ready.features
    const names = features.map(({ name }) => name)
    const x = rowOf(ready)
    const outputs = await ready.outputs(x, 1)
    const ways = await explainGraphRow(ready, {
      x,
      output,
      background: { rows: matrixOf(behind.columns, 0, behind.nRows, names.length), n: behind.nRows },
      featureNames: names,
      numbers: features.every(({ type }) => type !== 'category'),
    })
    const described = { version: ready.version, features: ready.features }
    return { x, output, outputs, names, ways, described }
  })
}

async function explainRowOfGraph(
  { store }: Pick<Runtime, 'store'>,
  request: ExplainRequest & { row: RawRow },
  located: Located,
): Promise<RowExplanation> {
  const { digest, version } = located
  const output = outputOf(version, request)
  const rowOf = (described: Described) => featuresOf(described, request.row)
  const { x, outputs, names, ways, described } = await explainByGraph(store, located, {
    ...{ model: request.model, output, rowOf },
  })
  return {
    kind: 'RowExplanation',
    model: request.model,
    modelVersion: digest,
    class: version.classes?.[output] ?? null,
    output: outputs[output],
    scale: 'output',
    raw: outputs[output],
    features: shownRow(described, names, x),
    explanations: ways.map(({ contributions, ...way }) => ({
      ...way,
      contributions: leadingFirst(names, contributions),
    })),
    alike: [],
  }
}

const ALIKE = 5

function alikeRows({ loaded, names, train }: Opened, x: Float64Array): RowExplanation['alike'] {
  const { model } = loaded.graph
  if (model.kind !== 'TreeEnsemble' || model.roots.length === 0) return []
  const most = Math.min(EXPLAIN_LIMITS.neighbourRowsMax, Math.floor(LEAF_ENTRIES_MAX / model.roots.length))
  const rows = sampled(train, most)
  const found = indexLeaves(model, rows.columns, rows.nRows).nearest(x, ALIKE)
  return found.map(({ row, similarity }) => ({
    similarity,
    target: loaded.version.classes?.[rows.target[row]] ?? rows.target[row],
    features: shownRow(
      loaded,
      names,
      Float64Array.from(rows.columns, (column) => column[row]),
    ),
  }))
}

// ---------------------------------------------------------------- what would have to change

/**
 * The smallest changes of a row's features that bring the output above or below a value, among values that training rows have. Changes are of
 * features, so those that follow from one column (hour and weekday of one time) are not held together: name them in `fixed` where that matters.
 * Errors: those of `explainModel`, MR_SERVE_FIELD.
 */
export async function explainChange(
  rt: Pick<Runtime, 'store' | 'project'>,
  request: ExplainRequest & {
    row: RawRow
    wanted: { above?: number; below?: number }
    /** Features that stay, and those that may only rise or fall. */
    fixed?: readonly string[]
    up?: readonly string[]
    down?: readonly string[]
  },
): Promise<ChangeExplanation> {
  const { digest, loaded, output, className, names, train } = await open(rt, request)
  const { model } = loaded.graph
  const x = featuresOf(loaded, request.row)
  const rows = sampled(train, EXPLAIN_LIMITS.rowsDefault)
  const { above = Number.NEGATIVE_INFINITY, below = Number.POSITIVE_INFINITY } = request.wanted
  const outputs: ScoreMany = (matrix, n) => {
    const all = predictColumns(loaded.graph, matrix, n)
    return Float64Array.from({ length: n }, (_, i) => all[i * model.nOutputs + output])
  }
  const rules = rulesOf(loaded, names, request)
  const found = counterfactuals(outputs, x, {
    nFeatures: names.length,
    rows: rows.columns,
    n: rows.nRows,
    rules,
    gap: (score) => (score >= above && score <= below ? 0 : Math.max(above - score, score - below, 1e-12)),
    values: model.kind === 'TreeEnsemble' ? intervalValues(model, x, rows.columns, rows.nRows) : undefined,
  })
  const shown = (answer: Counterfactual) => ({
    output: answer.score,
    plausibility: answer.plausibility,
    distance: answer.distance,
    changes: answer.changed.map((j) => ({
      feature: names[j],
      from: shownValue(loaded, j, x[j]),
      to: shownValue(loaded, j, answer.x[j]),
    })),
  })
  return {
    kind: 'ChangeExplanation',
    model: request.model,
    modelVersion: digest,
    class: className,
    output: outputs(x, 1)[0],
    wanted: request.wanted,
    answers: found.map(shown),
  }
}

function rulesOf(
  loaded: LoadedModel,
  names: string[],
  {
    fixed = [],
    up = [],
    down = [],
  }: { fixed?: readonly string[]; up?: readonly string[]; down?: readonly string[] },
): FeatureRule[] {
  const rules: FeatureRule[] = loaded.features.features.map(({ type }) => ({ category: type === 'category' }))
  for (const [list, change] of [
    [fixed, 'fixed'],
    [up, 'up'],
    [down, 'down'],
  ] as const) {
    for (const name of list) rules[featureNamed(names, name)].change = change
  }
  return rules
}
