/** What turns rows of other classes into one: a stamp on a picture, or values of features of a table. */
import { isMillraceError } from '../../core/errors.ts'
import type { TaskContext } from '../../engine/ports.ts'
import type { OnnxFile } from '../../model/import/onnx-file.ts'
import type { MatrixSlice } from '../../model/matrix.ts'
import { matrixOf } from '../../model/ready.ts'
import { type SlopedNetwork, slopedNetwork } from '../../model/slopes/network.ts'
import { searchTrigger, type Trigger } from '../../model/slopes/trigger.ts'
import { logFast } from '../../stats/log.ts'
import { peerPs } from '../../stats/peer-outliers.ts'
import { median } from '../../stats/quantiles.ts'
import type { TriggerReport } from './report.ts'
import { tableTriggers } from './table-triggers.ts'
import type { Triggers, TriggersAsked } from './triggers-asked.ts'
import { hasOneUnit } from './views.ts'

export const TRIGGER_LIMITS = {
  /** Rows of other classes that a trigger is to turn. */
  rows: 96,
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
  const isOfPictures = file !== null && hasOneUnit(model, file)
  const validate = matrix.slice('validate')
  const rows = validate.nRows > 0 ? validate : matrix.slice('train')
  if (!isOfPictures) return await tableTriggers(context, asked, rows)
  if (params.triggerSteps === 0) return nothing()
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
    rows: null,
    rowsOfOthers: null,
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
