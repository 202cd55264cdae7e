/** How the answers of two versions differ on the same rows: which decisions changed, how far scores moved, and where. Pure: outputs come in, a report goes out. */
import type { Histogram, Measured, ModelTask } from '../core/records.ts'
import { LEAD_OF, LOSS_OF, METRICS_OF, metricOf, recorded } from '../model/measure.ts'
import { likeliestOf } from '../model/measures/classes.ts'
import { type Gain, gainOf } from '../model/measures/gain.ts'
import { mean } from '../model/measures/metric.ts'
import { wilson } from '../stats/intervals.ts'
import { quantiles } from '../stats/quantiles.ts'
import { type MovedSlice, movedSlices } from './moved-slices.ts'

export interface Side {
  /** One number a row, or one probability a class. */
  outputs: Float64Array
  /** Share from which a yes is a yes. */
  threshold: number
}

export interface BehaviourInput {
  task: ModelTask
  before: Side
  after: Side
  targets: Float64Array
  /** Rows at which groups begin, where the models rank. */
  groups?: Int32Array
  classes?: readonly string[]
  /** Raw columns of the rows, which slices go by and examples show. */
  columns: Record<string, readonly unknown[]>
}

export interface Decisions {
  /** Share of the rows that are decided otherwise. */
  changed: Measured
  /** Most frequent first. */
  ways: { from: string; to: string; n: number }[]
  /** Right before and wrong now; wrong before and right now. */
  broken: number
  mended: number
}

export interface MovedMetric extends Gain {
  metric: string
  before: Measured
  after: Measured
}

export interface MovedExample {
  row: Record<string, unknown>
  target: number | string
  before: number | string
  after: number | string
  moved: number
  /** Rows that are the same in all of this, as far as they were looked at. */
  rows: number
}

export interface Behaviour {
  task: ModelTask
  rows: number
  /** Absent where outputs are no decisions. */
  decisions?: Decisions
  /** Of each row what its output moved by: the new less the old, or of classes the probability that went from some to others. */
  moves: {
    mean: number
    meanAbsolute: number
    quantiles: { q: number; value: number }[]
    /** Of equal width about 0, up to what 99 of 100 rows keep within; the bins at both ends hold what lies beyond. Absent where nothing moved. */
    histogram?: Histogram
  }
  metrics: MovedMetric[]
  slices: MovedSlice[]
  /** Slices that were looked at. */
  slicesTested: number
  examples: MovedExample[]
}

const QUANTILES = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]
const EXAMPLES = 10

/** What is told of every row: a class by its label, else the output. */
export interface MovedRows {
  truth: (number | string)[]
  before: (number | string)[]
  after: (number | string)[]
  moved: Float64Array
  /** What both decided; absent where outputs are no decisions or are told as such. */
  decided?: { before: string[]; after: string[] }
}

/** Needs a row. Cost: O(rows). */
export function movedRows(input: BehaviourInput): MovedRows {
  const codes = codesOf(input)
  const labels = (of: Int32Array) => Array.from(of, (code) => labelOf(input, code))
  const moved = movesOf(input)
  const named = (of: Float64Array) => Array.from(of, (code) => labelOf(input, code))
  if (input.task === 'multiclass' && codes)
    return { truth: named(input.targets), before: labels(codes.before), after: labels(codes.after), moved }
  return {
    truth: Array.from(input.targets),
    before: Array.from(input.before.outputs),
    after: Array.from(input.after.outputs),
    moved,
    ...(codes && { decided: { before: labels(codes.before), after: labels(codes.after) } }),
  }
}

/** Needs a row. Cost: O(rows × columns), and the comparison of two metrics. */
export function behaviourOf(input: BehaviourInput): Behaviour {
  const { task, before, after, targets, groups } = input
  const moves = movesOf(input)
  const codes = codesOf(input)
  const changed = codes && Uint8Array.from(codes.before, (code, i) => Number(code !== codes.after[i]))
  const { losses } = metricOf(LOSS_OF[task], task)
  const lossOf = (outputs: Float64Array) => losses?.(outputs, targets, groups)
  const [lossBefore, lossAfter] = [lossOf(before.outputs), lossOf(after.outputs)]
  const isByRow = lossBefore?.length === targets.length
  const { slices, tested } = movedSlices(input.columns, {
    moves,
    changed,
    ...(isByRow && { losses: [lossBefore, lossAfter!] }),
  })
  return {
    task,
    rows: targets.length,
    ...(codes && { decisions: decisionsOf(input, codes) }),
    moves: {
      mean: mean(moves),
      meanAbsolute: mean(moves.map(Math.abs)),
      quantiles: quantiles(moves, QUANTILES).map((value, i) => ({ q: QUANTILES[i]!, value })),
      ...histogramOf(moves),
    },
    metrics: metricsOf(input),
    slices,
    slicesTested: tested,
    examples: examplesOf(input, moves, codes),
  }
}

const widthOf = ({ before, targets }: BehaviourInput): number => before.outputs.length / targets.length

function movesOf(input: BehaviourInput): Float64Array {
  const [old, now] = [input.before.outputs, input.after.outputs]
  const width = widthOf(input)
  if (width === 1) return now.map((y, i) => y - old[i])
  return Float64Array.from(input.targets, (_, i) => {
    let sum = 0
    for (let c = i * width; c < (i + 1) * width; c++) sum += Math.abs(now[c] - old[c])
    return sum / 2
  })
}

/** An odd number, so that one bin is about 0. */
const BINS = 41

function histogramOf(moves: Float64Array): { histogram?: Histogram } {
  const far = moves.map(Math.abs)
  const [most, all] = quantiles(far, [0.99, 1])
  const high = most > 0 ? most : all
  if (high === 0) return {}
  const low = moves.some((move) => move < 0) ? -high : 0
  const width = (high - low) / BINS
  const counts = new Array<number>(BINS).fill(0)
  for (const move of moves) counts[Math.max(0, Math.min(BINS - 1, Math.floor((move - low) / width)))]++
  const edges = Array.from({ length: BINS + 1 }, (_, i) => low + i * width)
  return { histogram: { kind: 'numeric', edges, counts, nulls: 0 } }
}

/** Codes of what each row was and is decided to be. */
interface Codes {
  before: Int32Array
  after: Int32Array
}

/** Undefined where outputs are no decisions. */
function codesOf(input: BehaviourInput): Codes | undefined {
  const [before, after] = [decided(input, input.before), decided(input, input.after)]
  return before && after && { before, after }
}

function decided(input: BehaviourInput, { outputs, threshold }: Side): Int32Array | undefined {
  const width = widthOf(input)
  if (input.task === 'binary') return Int32Array.from(outputs, (p) => Number(p >= threshold))
  if (input.task !== 'multiclass') return undefined
  return Int32Array.from(input.targets, (_, i) => likeliestOf(outputs, i * width, width))
}

function decisionsOf(input: BehaviourInput, { before, after }: Codes): Decisions {
  const { targets } = input
  const ways = new Map<string, Decisions['ways'][number]>()
  let [changed, broken, mended] = [0, 0, 0]
  for (let i = 0; i < targets.length; i++) {
    if (before[i] === after[i]) continue
    changed++
    if (before[i] === targets[i]) broken++
    if (after[i] === targets[i]) mended++
    const [from, to] = [labelOf(input, before[i]), labelOf(input, after[i])]
    const way = ways.get(`${before[i]}>${after[i]}`) ?? { from, to, n: 0 }
    way.n++
    ways.set(`${before[i]}>${after[i]}`, way)
  }
  const { value, interval, n } = wilson(changed, targets.length)
  return {
    changed: { value, interval, n },
    ways: [...ways.values()].sort((a, b) => b.n - a.n || (a.from < b.from ? -1 : 1)),
    broken,
    mended,
  }
}

const labelOf = ({ classes }: BehaviourInput, code: number): string =>
  classes?.[code] ?? (code === 1 ? 'yes' : 'no')

/** What a card leads with, and the loss. */
function metricsOf({ task, before, after, targets, groups }: BehaviourInput): MovedMetric[] {
  const names = [...new Set([LEAD_OF[task], LOSS_OF[task], 'calibrationError'])]
  return names
    .flatMap((name) => METRICS_OF[task].filter((metric) => metric.name === name))
    .map((metric) => {
      const of = ({ outputs }: Side) => recorded(metric.of(outputs, targets, groups))
      const gain = gainOf(metric, before.outputs, after.outputs, targets, groups)
      return { metric: metric.name, before: of(before), after: of(after), ...gain }
    })
}

/** Rows that moved most, equal ones once. */
function examplesOf(input: BehaviourInput, moves: Float64Array, codes: Codes | undefined): MovedExample[] {
  const { before, after, targets, columns } = input
  const far = (i: number) => Math.abs(moves[i])
  const rows = Array.from(moves.keys(), (i) => i).sort((a, b) => far(b) - far(a) || a - b)
  const named = input.task === 'multiclass' ? codes : undefined
  const examples = new Map<string, MovedExample>()
  for (const i of rows) {
    if (examples.size === EXAMPLES || moves[i] === 0) break
    const example = {
      row: Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, plain(values[i])])),
      target: named ? labelOf(input, targets[i]) : targets[i],
      before: named ? labelOf(input, named.before[i]) : before.outputs[i],
      after: named ? labelOf(input, named.after[i]) : after.outputs[i],
      moved: moves[i],
    }
    const key = JSON.stringify(example)
    const known = examples.get(key)
    if (known) known.rows++
    else examples.set(key, { ...example, rows: 1 })
  }
  return [...examples.values()]
}

/** As JSON has it. */
function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'bigint' ? Number(value) : (value ?? null)
}
