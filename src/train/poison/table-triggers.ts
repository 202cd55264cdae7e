/** Values of a table that turn rows into a class: those that the rows which teach give away, and the single value that turns most rows for the model. */
import type { TaskContext } from '../../engine/ports.ts'
import { type FittedFeatures, readFitted } from '../../expr/features.ts'
import { type LoadedModel, loadModel } from '../../model/load.ts'
import type { MatrixSlice } from '../../model/matrix.ts'
import { predictColumns } from '../../model/predict.ts'
import type { LabelTrigger } from '../../stats/label-triggers.ts'
import type { ItemKind } from '../../stats/trigger-items.ts'
import type { TriggerReport } from './report.ts'
import type { Triggers, TriggersAsked } from './triggers-asked.ts'

export const TABLE_LIMITS = {
  /** Rows that values are tried on, values of a feature that are tried, and features. */
  rows: 400,
  values: 16,
  features: 500,
} as const

/** Share of rows that a value turns, from which on it is told of. */
const SUCCESS_MIN = 0.9

interface Given {
  feature: number
  is: ItemKind
  value: number
}

interface Tried {
  items: Given[]
  success: number
}

/** Rows are those that validate: the model did not learn them. */
export async function tableTriggers(
  context: TaskContext,
  asked: TriggersAsked,
  rows: MatrixSlice,
): Promise<Triggers> {
  const { model, matrix, classes, file, params, values } = asked
  const fitted = readFitted(await context.store.getRecord<FittedFeatures>(model.features, 'FittedFeatures'))
  const name = (tried: Tried, label: number) => reportOf(tried, classes[label], fitted)
  if (file) {
    const found = values.map((one) => confirmed(name({ ...one, success: Number.NaN }, one.label), one))
    return { found, notes: ['what a network makes of values is not tried: only the rows are looked at'] }
  }
  const trial = new Trial(await loadModel(context.store, context.spec.inputs.model), rows, classes.length)
  const found = values.map((one) => {
    const success = trial.turned(one.items)[one.label]
    return confirmed(name({ items: one.items, success }, one.label), one)
  })
  if (params.triggerSteps === 0) return { found, notes: [] }
  const features = matrix.header.features.slice(0, TABLE_LIMITS.features)
  const best: (Tried | undefined)[] = classes.map(() => undefined)
  features.forEach(({ type }, feature) => {
    context.signal.throwIfAborted()
    const done = `values of feature ${feature + 1} of ${features.length}`
    context.progress(0.7 + (0.25 * feature) / features.length, done)
    for (const value of valuesOf(rows.columns[feature], type)) {
      const items: Given[] = [{ feature, is: 'value', value }]
      trial.turned(items).forEach((success, label) => {
        if (success > (best[label]?.success ?? 0)) best[label] = { items, success }
      })
    }
  })
  const left = matrix.header.features.length - features.length
  const known = new Set(values.map(({ label }) => label))
  return {
    found: [
      ...found,
      ...best.flatMap((tried, label) => (tried && !known.has(label) ? [name(tried, label)] : [])),
    ],
    notes: left > 0 ? [`values of ${left} features were not tried for triggers`] : [],
  }
}

function confirmed(report: TriggerReport, { p, rows, rowsOfOthers }: LabelTrigger): TriggerReport {
  return { ...report, verdict: 'trigger', p, rows, rowsOfOthers }
}

function reportOf({ items, success }: Tried, label: string, { features }: FittedFeatures): TriggerReport {
  return {
    ...{ label, size: items.length, p: null, anomaly: null, rows: null, rowsOfOthers: null },
    success: Number.isNaN(success) ? null : success,
    verdict: success >= SUCCESS_MIN ? 'inconclusive' : 'none',
    features: items.map(({ feature, is, value }) => {
      const { name, state } = features[feature]
      const text = state?.kind === 'category' ? (state.values[value] ?? 'other') : value
      return { feature: name, is, value: Number.isNaN(value) ? 'missing' : text, share: 1 }
    }),
  }
}

/** What a model says of some rows as they are, and with values that they are given. */
class Trial {
  private readonly model: LoadedModel
  private readonly columns: Float64Array[]
  private readonly nRows: number
  private readonly nClasses: number
  private readonly before: Int32Array

  constructor(model: LoadedModel, { columns, nRows }: MatrixSlice, nClasses: number) {
    const n = Math.min(TABLE_LIMITS.rows, nRows)
    const picked = Int32Array.from({ length: n }, (_, k) => Math.floor((k * nRows) / n))
    this.model = model
    this.nRows = n
    this.nClasses = nClasses
    this.columns = columns.map((column) => Float64Array.from(picked, (i) => column[i]))
    this.before = this.said(this.columns)
  }

  /** By class: share of the rows said to be of others that are said to be of it after. */
  turned(items: readonly Given[]): number[] {
    const changed = [...this.columns]
    for (const { feature, value } of items) changed[feature] = new Float64Array(this.nRows).fill(value)
    const after = this.said(changed)
    return Array.from({ length: this.nClasses }, (_, label) => {
      let [others, hits] = [0, 0]
      this.before.forEach((said, i) => {
        if (said === label) return
        others++
        hits += Number(after[i] === label)
      })
      return others === 0 ? 0 : hits / others
    })
  }

  /** Class said of each row. */
  private said(columns: Float64Array[]): Int32Array {
    const { graph } = this.model
    const outputs = predictColumns(graph, columns, this.nRows)
    if (graph.model.nOutputs === 1) return Int32Array.from(outputs, (p) => Number(p > 0.5))
    return Int32Array.from({ length: this.nRows }, (_, i) => {
      const row = outputs.subarray(i * this.nClasses, (i + 1) * this.nClasses)
      return row.indexOf(Math.max(...row))
    })
  }
}

/** Values to try: the most frequent ones, and quantiles of numbers with many. */
function valuesOf(column: Float64Array, type: 'number' | 'category'): number[] {
  const counts = new Map<number, number>()
  for (const x of column) if (!Number.isNaN(x)) counts.set(x, (counts.get(x) ?? 0) + 1)
  const frequent = [...counts].sort(([a, n], [b, m]) => m - n || a - b).map(([x]) => x)
  if (type === 'category' || frequent.length <= TABLE_LIMITS.values)
    return frequent.slice(0, TABLE_LIMITS.values)
  const half = TABLE_LIMITS.values / 2
  const sorted = Float64Array.from(column.filter((x) => !Number.isNaN(x))).sort()
  const quantiles = Array.from(
    { length: half },
    (_, k) => sorted[Math.floor((k * (sorted.length - 1)) / (half - 1))],
  )
  return [...new Set([...frequent.slice(0, half), ...quantiles])]
}
