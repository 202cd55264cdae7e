/** What turns rows of other classes into one: a stamp on a picture, or one value of one feature of a table. */
import { isMillraceError } from '../../core/errors.ts'
import type { ModelVersion } from '../../core/records.ts'
import type { TaskContext } from '../../engine/ports.ts'
import { type FittedFeatures, readFitted } from '../../expr/features.ts'
import type { OnnxFile } from '../../model/import/onnx-file.ts'
import { type LoadedModel, loadModel } from '../../model/load.ts'
import type { MatrixFile, MatrixSlice } from '../../model/matrix.ts'
import { predictColumns } from '../../model/predict.ts'
import { matrixOf } from '../../model/ready.ts'
import { type SlopedNetwork, slopedNetwork } from '../../model/slopes/network.ts'
import { searchTrigger, type Trigger } from '../../model/slopes/trigger.ts'
import { logFast } from '../../stats/log.ts'
import { peerPs } from '../../stats/peer-outliers.ts'
import { median } from '../../stats/quantiles.ts'
import type { TriggerReport } from './report.ts'
import type { PoisonParams } from './specs.ts'
import { hasOneUnit } from './views.ts'

export interface TriggersAsked {
  params: PoisonParams
  model: ModelVersion
  matrix: MatrixFile
  classes: readonly string[]
  /** The network, of models that are one. */
  file: OnnxFile | null
}

export interface Triggers {
  found: TriggerReport[]
  notes: string[]
}

export const TRIGGER_LIMITS = {
  /** Rows of other classes that a trigger is to turn. */
  rows: 96,
  /** Rows of a table that values are tried on, values of a feature that are tried, and features. */
  tableRows: 400,
  values: 16,
  features: 500,
  /** Classes that a stamp is looked for. */
  classes: 100,
} as const

/** Share of rows that a trigger turns, at least. */
const SUCCESS_MIN = 0.9
/** Classes needed to say that one of them is unlike the others. */
const PEERS_MIN = 5
const FEATURES_SHOWN = 8

/** Looks for triggers where there is a way to. Rows are those that validate: the model did not learn them. */
export async function findTriggers(context: TaskContext, asked: TriggersAsked): Promise<Triggers> {
  const { params, matrix, model, file } = asked
  const nothing = (...notes: string[]): Triggers => ({ found: [], notes })
  if (params.triggerSteps === 0) return nothing()
  const validate = matrix.slice('validate')
  const rows = validate.nRows > 0 ? validate : matrix.slice('train')
  if (!file) return await ofTable(context, asked, rows)
  if (!hasOneUnit(model, file)) return nothing('triggers are looked for in pictures and in models of tables')
  if (asked.classes.length > TRIGGER_LIMITS.classes)
    return nothing(`triggers are looked for in at most ${TRIGGER_LIMITS.classes} classes`)
  try {
    return ofPictures(context, asked, rows, slopedNetwork(file, model.reading?.output ?? lastOutput(file)))
  } catch (error) {
    if (!isMillraceError(error, 'MR_MODEL_SLOPES')) throw error
    return nothing(`no trigger was looked for: ${error.message.split('\n')[0]}`)
  }
}

function lastOutput({ graph }: OnnxFile): string {
  return graph.outputs[graph.outputs.length - 1].name
}

/** Rows of other classes, spread evenly. */
function rowsOfOthers({ target, nRows }: MatrixSlice, label: number, most: number): number[] {
  const others = Array.from({ length: nRows }, (_, i) => i).filter((i) => target[i] !== label)
  const n = Math.min(most, others.length)
  return Array.from({ length: n }, (_, k) => others[Math.floor((k * others.length) / n)])
}

// ---------------------------------------------------------------- pictures

function ofPictures(
  context: TaskContext,
  { params, model, classes, matrix }: TriggersAsked,
  rows: MatrixSlice,
  network: SlopedNetwork,
): Triggers {
  const { columns } = model.reading ?? { columns: classes.map((_, k) => k) }
  const places = columns.length === classes.length ? columns : classes.map((_, k) => k)
  if (network.nOutputs < 2)
    return { found: [], notes: ['triggers are looked for in networks with an output a class'] }
  const order = model.reading?.inputs[0].features ?? rows.columns.map((_, j) => j)
  const pictures = matrixOf(
    order.map((j) => rows.columns[j]),
    0,
    rows.nRows,
    order.length,
  )
  const range = rangeOf(pictures)
  const names = order.map((j) => matrix.header.features[j].name)
  const stamps = classes.map((label, k) => {
    const picked = rowsOfOthers(rows, k, TRIGGER_LIMITS.rows)
    const stamp = searchTrigger(network, {
      target: places[k],
      pictures: taken(pictures, picked, order.length),
      nPictures: picked.length,
      range,
      steps: params.triggerSteps,
      onStep: (step) => {
        if (step % 10 > 0) return
        context.signal.throwIfAborted()
        const done = (k + step / params.triggerSteps) / classes.length
        context.progress(0.7 + 0.25 * done, `trigger of class ${k + 1} of ${classes.length}, step ${step}`)
      },
    })
    return { label, ...stamp }
  })
  return { found: judged(stamps, names, params.alpha), notes: [] }
}

function rangeOf(values: Float64Array): [number, number] {
  const [low, high] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [0, 0])
  return high > low ? [low, high] : [low, low + 1]
}

function taken(points: Float64Array, at: number[], width: number): Float64Array {
  const out = new Float64Array(at.length * width)
  at.forEach((i, k) => {
    out.set(points.subarray(i * width, (i + 1) * width), k * width)
  })
  return out
}

/** A stamp is a trigger where it works and is far smaller than those of the other classes. */
function judged(stamps: (Trigger & { label: string })[], names: string[], alpha: number): TriggerReport[] {
  const smallness = Float64Array.from(stamps, ({ size }) => -logFast(Math.max(1e-9, size)))
  const ps = stamps.length >= PEERS_MIN ? peerPs(smallness) : undefined
  const sizes = Float64Array.from(stamps, ({ size }) => size)
  return stamps.map(({ label, size, success, mask, pattern }, k) => ({
    label,
    size,
    p: ps?.[k] ?? null,
    anomaly: anomalyOf(sizes, k),
    verdict: verdictOf(success, ps?.[k], alpha / stamps.length),
    success,
    features: largest(mask, names, pattern),
  }))
}

function verdictOf(success: number, p: number | undefined, alpha: number): TriggerReport['verdict'] {
  if (success < SUCCESS_MIN) return 'none'
  if (p === undefined) return 'inconclusive'
  return p <= alpha ? 'trigger' : 'none'
}

/** Deviations below the median, as Wang et al. 2019 count them; null where classes are few or half of the sizes are the same. */
function anomalyOf(sizes: Float64Array, k: number): number | null {
  const middle = median(sizes)
  const deviation = 1.4826 * median(sizes.map((size) => Math.abs(size - middle)))
  return sizes.length < PEERS_MIN || deviation === 0 ? null : (middle - sizes[k]) / deviation
}

function largest(mask: Float64Array, names: string[], pattern: Float64Array): TriggerReport['features'] {
  return Array.from(mask.keys())
    .sort((a, b) => mask[b] - mask[a] || a - b)
    .slice(0, FEATURES_SHOWN)
    .map((cell) => ({ feature: names[cell], value: pattern[cell], share: mask[cell] }))
}

// ---------------------------------------------------------------- tables

interface Tried {
  feature: number
  value: number
  success: number
}

/** The value of one feature that turns most rows into each class. */
async function ofTable(
  context: TaskContext,
  { model, matrix, classes }: TriggersAsked,
  rows: MatrixSlice,
): Promise<Triggers> {
  const loaded = await loadModel(context.store, context.spec.inputs.model)
  const picked = rowsOfOthers(rows, -1, TRIGGER_LIMITS.tableRows)
  const columns = rows.columns.map((column) => Float64Array.from(picked, (i) => column[i]))
  const before = saidOf(loaded, columns, picked.length, classes.length)
  const best: (Tried | undefined)[] = classes.map(() => undefined)
  const features = matrix.header.features.slice(0, TRIGGER_LIMITS.features)
  features.forEach(({ type }, feature) => {
    context.signal.throwIfAborted()
    context.progress(
      0.7 + (0.25 * feature) / features.length,
      `values of feature ${feature + 1} of ${features.length}`,
    )
    for (const value of valuesOf(rows.columns[feature], type)) {
      const changed = columns.map((column, j) =>
        j === feature ? new Float64Array(column.length).fill(value) : column,
      )
      const after = saidOf(loaded, changed, picked.length, classes.length)
      classes.forEach((_, k) => {
        const success = turned(before, after, k)
        if (success > (best[k]?.success ?? 0)) best[k] = { feature, value, success }
      })
    }
  })
  const fitted = readFitted(await context.store.getRecord<FittedFeatures>(model.features, 'FittedFeatures'))
  const left = matrix.header.features.length - features.length
  return {
    found: best.flatMap((tried, k) => (tried ? [tableReport(tried, classes[k], fitted)] : [])),
    notes: left > 0 ? [`values of ${left} features were not tried for triggers`] : [],
  }
}

function tableReport(
  { feature, value, success }: Tried,
  label: string,
  fitted: FittedFeatures,
): TriggerReport {
  const { name, state } = fitted.features[feature]
  const shown = state?.kind === 'category' ? (state.values[value] ?? 'other') : value
  return {
    ...{ label, size: 1, p: null, anomaly: null, success },
    verdict: success >= SUCCESS_MIN ? 'trigger' : 'none',
    features: [{ feature: name, value: shown, share: 1 }],
  }
}

/** Class said of each row. */
function saidOf({ graph }: LoadedModel, columns: Float64Array[], n: number, nClasses: number): Int32Array {
  const outputs = predictColumns(graph, columns, n)
  if (graph.model.nOutputs === 1) return Int32Array.from(outputs, (p) => Number(p > 0.5))
  return Int32Array.from({ length: n }, (_, i) => {
    const row = outputs.subarray(i * nClasses, (i + 1) * nClasses)
    return row.indexOf(Math.max(...row))
  })
}

/** Share of the rows said to be of other classes that are said to be of this one after. */
function turned(before: Int32Array, after: Int32Array, label: number): number {
  const others = before.reduce((n, said) => n + Number(said !== label), 0)
  const hits = after.reduce((n, said, i) => n + Number(said === label && before[i] !== label), 0)
  return others === 0 ? 0 : hits / others
}

/** Values to try: the most frequent ones, and quantiles of numbers with many. */
function valuesOf(column: Float64Array, type: 'number' | 'category'): number[] {
  const counts = new Map<number, number>()
  for (const x of column) if (!Number.isNaN(x)) counts.set(x, (counts.get(x) ?? 0) + 1)
  const frequent = [...counts].sort(([a, n], [b, m]) => m - n || a - b).map(([x]) => x)
  if (type === 'category' || frequent.length <= TRIGGER_LIMITS.values)
    return frequent.slice(0, TRIGGER_LIMITS.values)
  const half = TRIGGER_LIMITS.values / 2
  const sorted = Float64Array.from(column.filter((x) => !Number.isNaN(x))).sort()
  const quantiles = Array.from(
    { length: half },
    (_, k) => sorted[Math.floor((k * (sorted.length - 1)) / (half - 1))],
  )
  return [...new Set([...frequent.slice(0, half), ...quantiles])]
}
