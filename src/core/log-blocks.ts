/**
 * What the log holds: predictions and outcomes as columnar blocks, one a request batch, so that a day of traffic is few records.
 *
 * Stream `predictions` holds `PredictionBlock`s, stream `outcomes` holds `OutcomeBlock`s, each as one line of JSON.
 * Outcomes join predictions by id, whichever came first; of several outcomes with one id the last counts.
 */
import type { Json } from './canonical.ts'
import { decodeVectors, encodeVectors, type Said } from './class-vectors.ts'
import type { Digest, Observation, Outcome } from './records.ts'

export const PREDICTIONS_STREAM = 'predictions'
export const OUTCOMES_STREAM = 'outcomes'

/**
 * Rows of one request that one model answered. Arrays run along `ids`; `modelVersions` is a dictionary that `modelVersion` indexes.
 * Rows of a shadow are in a block of their own with the same ids and no inputs: those are in the block of the answer.
 */
export interface PredictionBlock {
  kind: 'predictions'
  /** Family name, never a member's. */
  model: string
  at: number
  /** W3C `traceparent` of the request, when it had one. */
  trace?: string
  ids: string[]
  /** Member key, '' where the parent answered. */
  members: string[]
  /** Version number of the bundle. */
  versions: number[]
  modelVersions: Digest[]
  modelVersion: number[]
  routes: Observation['route'][]
  /** Share of answers that the log keeps, where it is not all of them; see `isKept`. */
  sample?: number
  /** Inputs that are left out of the log, and those that are in it as a keyed hash. */
  redacted?: string[]
  hashed?: string[]
  /** Raw inputs by column of the signature, as `coerceRow` gives them (times as epoch milliseconds); absent values are null. */
  inputs: Record<string, Json[]>
  /** Calibrated probability, or the predicted value; of several classes, the probability of the likeliest one. */
  outputs: number[]
  /** Where the model tells several classes apart: their labels, the index of the one said of each row, and all probabilities (`encodeVectors`). */
  classes?: string[]
  labels?: number[]
  vectors?: string
  /** Group of each row, where the model ranks. */
  groups?: string[]
}

export interface OutcomeBlock {
  kind: 'outcomes'
  model: string
  /** When the block was taken in. */
  at: number
  ids: string[]
  /** Numbers, or labels of classes. */
  values: (number | string)[]
  /** When each outcome became known, where it differs from `at`. */
  ats?: number[]
}

export type LogBlock = PredictionBlock | OutcomeBlock

/**
 * Reads blocks back from the log's records. Records of other kinds are skipped, so that a stream can carry more one day.
 *
 * Errors: throws `SyntaxError` on a record that is not JSON; the log itself never yields one.
 */
export function decodeBlocks(records: readonly string[]): LogBlock[] {
  const blocks: LogBlock[] = []
  for (const record of records) {
    const block = JSON.parse(record) as LogBlock
    if (block.kind === 'predictions' || block.kind === 'outcomes') blocks.push(block)
  }
  return blocks
}

/** What a block says of the classes of its rows, by row; nothing where it is of a model of another kind. */
export function saidOf({ classes, labels, vectors }: PredictionBlock): ((row: number) => Said) | undefined {
  if (!classes || !labels || vectors === undefined) return undefined
  const all = decodeVectors(vectors)
  const width = classes.length
  return (row) => ({
    classes,
    label: classes[labels[row]],
    probabilities: all.subarray(row * width, (row + 1) * width),
  })
}

/** Inputs whose values the log does not have. */
export function unloggedOf({
  redacted = [],
  hashed = [],
}: Pick<PredictionBlock, 'redacted' | 'hashed'>): string[] {
  return [...redacted, ...hashed]
}

/** The rows of a block one by one. Cost: one object a row. */
export function observationsOf(block: PredictionBlock): Observation[] {
  const columns = Object.keys(block.inputs)
  const said = saidOf(block)
  const unlogged = unloggedOf(block)
  return block.ids.map((id, i) => ({
    id,
    model: block.model,
    member: block.members[i],
    version: block.versions[i],
    modelVersion: block.modelVersions[block.modelVersion[i]],
    route: block.routes[i],
    inputs: Object.fromEntries(columns.map((column) => [column, block.inputs[column][i]])),
    output: block.outputs[i],
    ...(said && classesSaid(said(i))),
    ...(unlogged.length > 0 && { unlogged }),
    at: block.at,
  }))
}

function classesSaid({ classes, label, probabilities }: Said): Pick<Observation, 'label' | 'probabilities'> {
  return { label, probabilities: Object.fromEntries(classes.map((name, k) => [name, probabilities[k]])) }
}

export function outcomesOf(block: OutcomeBlock): Outcome[] {
  return block.ids.map((id, i) => ({
    id,
    model: block.model,
    value: block.values[i],
    at: block.ats?.[i] ?? block.at,
  }))
}

/** Rows `[rowBegin, rowEnd)` of a block as a block of their own. */
export function slicePredictions(block: PredictionBlock, rowBegin: number, rowEnd: number): PredictionBlock {
  return pickPredictions(block, range(rowBegin, rowEnd))
}

/** Some rows of a block, in the order given, as a block of their own. */
export function pickPredictions(block: PredictionBlock, rows: readonly number[]): PredictionBlock {
  const pick = <T>(values: readonly T[]): T[] => rows.map((row) => values[row])
  const inputs: Record<string, Json[]> = {}
  for (const column of Object.keys(block.inputs)) inputs[column] = pick(block.inputs[column])
  return {
    ...block,
    ids: pick(block.ids),
    members: pick(block.members),
    versions: pick(block.versions),
    modelVersion: pick(block.modelVersion),
    routes: pick(block.routes),
    inputs,
    outputs: pick(block.outputs),
    ...(block.labels && { labels: pick(block.labels) }),
    ...pickVectors(block, rows),
    ...(block.groups && { groups: pick(block.groups) }),
  }
}

function pickVectors({ classes, vectors }: PredictionBlock, rows: readonly number[]) {
  if (!classes || vectors === undefined) return {}
  const width = classes.length
  const all = decodeVectors(vectors)
  const picked = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    picked.set(all.subarray(row * width, (row + 1) * width), i * width)
  })
  return { vectors: encodeVectors(picked) }
}

/** Rows `[rowBegin, rowEnd)` of a block as a block of their own. */
export function sliceOutcomes(block: OutcomeBlock, rowBegin: number, rowEnd: number): OutcomeBlock {
  return pickOutcomes(block, range(rowBegin, rowEnd))
}

/** Some rows of a block, in the order given, as a block of their own. */
export function pickOutcomes(block: OutcomeBlock, rows: readonly number[]): OutcomeBlock {
  const pick = <T>(values: readonly T[]): T[] => rows.map((row) => values[row])
  return {
    ...block,
    ids: pick(block.ids),
    values: pick(block.values),
    ...(block.ats ? { ats: pick(block.ats) } : {}),
  }
}

const range = (begin: number, end: number): number[] =>
  Array.from({ length: Math.max(0, end - begin) }, (_, i) => begin + i)
