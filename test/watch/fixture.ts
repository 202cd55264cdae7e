/** A reference with 12 columns and a card, blocks of traffic, and windows whose counts are drawn from what is true. */
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import type { JoinedRow } from '../../src/core/log-join.ts'
import type { FeatureInfo, ModelCard, ModelTask } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { scoreHistogram } from '../../src/model/measure.ts'
import { buildNumericHistogram, categoryHistogram, quantileEdges } from '../../src/stats/histogram.ts'
import type { Reference } from '../../src/watch/accumulator.ts'

export type Rng = ReturnType<typeof seededRng>
export const WEEK = { fromAt: 345_600_000, toAt: 345_600_000 + 7 * 86_400_000 }
export const COLUMNS = 12

/** Row of traffic: ten numbers, two categories, and the model's probability. */
export interface TrafficRow {
  id: string
  inputs: number[]
  output: number
}

export function trafficRow(rng: Rng, id: string, shift = 0): TrafficRow {
  const inputs = Array.from({ length: COLUMNS }, (_, j) =>
    j < 10 ? rng.normal() + (j === 0 ? shift : 0) : rng.nextInt(8),
  )
  return { id, inputs, output: 1 / (1 + Math.exp(-(-1.5 + 0.6 * inputs[1]))) }
}

/** Reference of a model trained on `n` rows of that traffic. */
export function referenceOf(n = 20_000, task: ModelTask = 'binary'): Reference {
  const rng = seededRng(99)
  const rows = Array.from({ length: n }, (_, i) => trafficRow(rng, String(i)))
  const columnOf = (j: number) => Float64Array.from(rows, (row) => row.inputs[j])
  const featureInfo: FeatureInfo[] = Array.from({ length: COLUMNS }, (_, j) =>
    j < 10
      ? {
          name: `x${j}`,
          type: 'number',
          reference: buildNumericHistogram(columnOf(j), quantileEdges(columnOf(j), 20)),
        }
      : { name: `x${j}`, type: 'category', reference: categoryHistogram(Array.from(columnOf(j), String)) },
  )
  return {
    version: 1,
    task,
    features: {
      kind: 'FittedFeatures',
      version: 1,
      columns: featureInfo.map(({ name }) => ({ name, type: 'float', nullable: true })),
      features: featureInfo.map(({ name }) => ({ name, type: 'number', expr: { op: 'col', name } })),
    },
    featureInfo,
    scores: scoreHistogram(
      task,
      Float64Array.from(rows, (row) => row.output),
    ),
  }
}

export function cardOf(overrides: Partial<ModelCard> = {}): ModelCard {
  return {
    metrics: {
      auc: { value: 0.66, interval: [0.655, 0.665], n: 90_000 },
      logLoss: { value: 0.48, interval: [0.478, 0.482], n: 90_000 },
      rmse: { value: 10, interval: [9.8, 10.2], n: 20_000 },
    },
    baseline: {},
    importance: [],
    featureAuc: {},
    scores: { kind: 'numeric', edges: [0, 1], counts: [0], nulls: 0 },
    calibration: [],
    baseRate: 0.21,
    bytes: 1,
    notes: [],
    ...overrides,
  }
}

export function blockOf(rows: TrafficRow[], overrides: Partial<PredictionBlock> = {}): PredictionBlock {
  return {
    kind: 'predictions',
    model: 'late',
    at: WEEK.fromAt + 1,
    ids: rows.map((row) => row.id),
    members: rows.map(() => ''),
    versions: rows.map(() => 1),
    modelVersions: [],
    modelVersion: rows.map(() => 0),
    routes: rows.map(() => 'live'),
    inputs: Object.fromEntries(
      Array.from({ length: COLUMNS }, (_, j) => [`x${j}`, rows.map((row) => row.inputs[j])]),
    ),
    outputs: rows.map((row) => row.output),
    ...overrides,
  }
}

export function joinedRow(overrides: Partial<JoinedRow> = {}): JoinedRow {
  return {
    id: 'a',
    member: '',
    at: WEEK.fromAt + 1,
    version: 1,
    output: 0.2,
    route: 'live',
    shadows: [],
    outcome: 0,
    ...overrides,
  }
}
