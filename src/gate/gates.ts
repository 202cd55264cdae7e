/** Verdicts on a candidate, from its outputs on the test rows. Pure: what was measured comes in, findings come out. */
import { grouped } from '../core/grouped.ts'
import type { Finding, Measured, ModelCard, ModelTask, Verdict } from '../core/records.ts'
import { autoMetric } from '../define/gates.ts'
import { METRICS as DECLARED } from '../define/metrics.ts'
import type { GateDef } from '../define/types.ts'
import { METRICS, METRICS_OF, type Metric, recordable, type Worsening, worsening } from '../model/measure.ts'
import { normalQuantile } from '../stats/distributions.ts'
import { upperBound } from '../stats/order.ts'

/** Everything the gates may look at. All arrays run along the test rows; outputs are one number a row, or one probability a class. */
export interface GateInput {
  subject: string
  task: ModelTask
  outputs: Float64Array
  targets: Float64Array
  /** Rows at which groups begin, where the model ranks. */
  groups?: Int32Array
  /** Prediction of someone who knows only the mean of the training rows. */
  baseRate: number
  /** The same where there are classes: the share of each among the training rows. */
  classShares?: readonly number[]
  /** Outputs of the live bundle on the same rows; absent when nothing is live. */
  live?: { version: number; outputs: Float64Array }
  /** Values of the columns that slices go by. */
  slices: Record<string, { codes: Int32Array; categories: string[] }>
  bytes: number
  /** Percentiles of scoring one row, measured here, in milliseconds. */
  latencyMs: { p50: number; p99: number }
  featureAuc: ModelCard['featureAuc']
  at: number
}

const LEVEL_Z = 1.959963984540054
/** Slices that are listed beside the gate's own finding. */
const SLICES_SHOWN = 50

export function judgeGate(gate: GateDef, input: GateInput): Finding[] {
  switch (gate.kind) {
    case 'beatsBaseline':
      return [beatsBaseline(gate, input)]
    case 'noWorseThanLive':
      return [noWorseThanLive(gate, input)]
    case 'metric':
      return [metricWithin(gate, input)]
    case 'calibration':
      return [calibrated(gate, input)]
    case 'slices':
      return slices(gate, input)
    case 'size':
      return [
        below('size', input, {
          value: input.bytes,
          max: gate.bytesMax,
          unit: 'bytes',
          what: 'the model takes',
        }),
      ]
    case 'latency':
      return [
        below('latency', input, {
          value: input.latencyMs.p99,
          max: gate.msMax,
          unit: 'ms',
          what: 'scoring one row takes, at the 99th percentile,',
        }),
      ]
    case 'noLeak':
      return [noLeak(gate, input)]
  }
}

type Of<K extends GateDef['kind']> = Extract<GateDef, { kind: K }>
type Verdictless = Omit<Finding, 'kind' | 'subject' | 'at' | 'verdict' | 'message'>

function finding(input: GateInput, base: Verdictless, verdict: Verdict, message: string): Finding {
  return { kind: 'Finding', subject: input.subject, at: input.at, verdict, message, ...base }
}

/** Paired with the constant prediction on the same rows: the gain must be larger than noise. */
function beatsBaseline(gate: Of<'beatsBaseline'>, input: GateInput): Finding {
  const metric = metricFor(gate, input.task)
  const check = 'gate.beats-baseline'
  const limit = `${metric.name} better than that of the constant prediction`
  const found = worsening(metric, constantOf(input), input.outputs, input.targets, input.groups)
  if (!found)
    return finding(
      input,
      { check, value: null, limit, n: input.targets.length },
      'inconclusive',
      notComparable(metric, input),
    )
  const [low, high] = found.interval
  const verdict = high < 0 ? 'pass' : low > 0 ? 'fail' : 'inconclusive'
  const words = { pass: 'better', fail: 'worse', inconclusive: 'not clearly better' }[verdict]
  return finding(
    input,
    { check, ...found, limit },
    verdict,
    `${describe(metric)} against the constant prediction ${range(found)}: ${words}`,
  )
}

/** The constant prediction of every test row. */
function constantOf({ outputs, baseRate, classShares }: GateInput): Float64Array {
  if (!classShares) return new Float64Array(outputs.length).fill(baseRate)
  return Float64Array.from(outputs, (_, i) => classShares[i % classShares.length])
}

function noWorseThanLive(gate: Of<'noWorseThanLive'>, input: GateInput): Finding {
  const metric = metricFor(gate, input.task)
  const check = 'gate.no-worse-than-live'
  const limit = `${metric.name} worse by at most ${gate.tolerance}${isShare(metric) ? ' of the live error' : ''}`
  if (!input.live) {
    return finding(
      input,
      { check, value: null, limit, n: 0 },
      'pass',
      'nothing is live yet, so there is nothing to be worse than',
    )
  }
  const found = worsening(metric, input.live.outputs, input.outputs, input.targets, input.groups)
  if (!found)
    return finding(
      input,
      { check, value: null, limit, n: input.targets.length },
      'inconclusive',
      notComparable(metric, input),
    )
  const [low, high] = found.interval
  const verdict = high <= gate.tolerance ? 'pass' : low > gate.tolerance ? 'fail' : 'inconclusive'
  return finding(
    input,
    { check, ...found, limit },
    verdict,
    `${describe(metric)} against live v${input.live.version} on the same rows ${range(found)}`,
  )
}

/** Errors in the unit of the target are compared as shares of the other model's error. */
function isShare(metric: Metric): boolean {
  return metric.name === 'rmse' || metric.name === 'mae'
}

function describe(metric: Metric): string {
  return `worsening of ${words(metric.name)}${isShare(metric) ? ' as a share' : ''}`
}

function notComparable(metric: Metric, input: GateInput): string {
  return `${words(metric.name)} cannot be compared on these ${input.targets.length} rows`
}

function metricWithin(gate: Of<'metric'>, input: GateInput): Finding {
  const check = `gate.${gate.metric}`
  const cost = costOf(gate.metric, input)
  const measured = cost ?? metricFor(gate, input.task).of(input.outputs, input.targets, input.groups)
  return bounded(input, check, words(gate.metric), measured, gate)
}

/** What a model costs, where the gate names that. */
function costOf(metric: string, input: GateInput): Measured | undefined {
  if (metric === 'modelBytes') return { value: input.bytes, n: 1 }
  if (metric === 'latencyP50') return { value: input.latencyMs.p50, n: 1 }
  return metric === 'latencyP99' ? { value: input.latencyMs.p99, n: 1 } : undefined
}

function calibrated(gate: Of<'calibration'>, input: GateInput): Finding {
  const metric = METRICS_OF[input.task].find(({ name }) => name === 'calibrationError')
  if (!metric) {
    return finding(
      input,
      { check: 'gate.calibration', value: null, limit: `<= ${gate.max}`, n: 0 },
      'pass',
      `a ${input.task} has no calibration error`,
    )
  }
  const measured = metric.of(input.outputs, input.targets)
  return bounded(input, 'gate.calibration', 'expected calibration error', measured, gate)
}

/** A measured value against its bounds. */
function bounded(
  input: GateInput,
  check: string,
  name: string,
  measured: Measured,
  bounds: { min?: number; max?: number },
): Finding {
  const { min, max } = bounds
  const limit = [min === undefined ? '' : `>= ${min}`, max === undefined ? '' : `<= ${max}`]
    .filter(Boolean)
    .join(' and ')
  const known = recordable(measured)
  if (!known) {
    return finding(
      input,
      { check, value: null, limit, n: measured.n },
      'inconclusive',
      `${name} is not defined on these ${measured.n} rows`,
    )
  }
  return finding(
    input,
    { check, ...known, limit },
    within(known, min, max),
    `${name} ${shown(known)}, asked ${limit}`,
  )
}

/**
 * The metric within each value of a column: at least the floor, or at most it where lower is better. The level of each slice's interval is divided by
 * their number, so that one bad slice among many is not just chance. The gate's own finding is the worst slice; slices that do not pass follow with
 * `slice` set. Values with too few rows, or rows that do not define the metric, do not block.
 */
function slices(gate: Of<'slices'>, input: GateInput): Finding[] {
  const metric = metricFor(gate, input.task)
  const check = `gate.slices.${gate.column}`
  const limit = `${metric.name} ${metric.higherIsBetter ? '>=' : '<='} ${gate.floor} in each slice`
  const n = input.targets.length
  const column = input.slices[gate.column]
  if (!column)
    return [
      finding(
        input,
        { check, value: null, limit, n },
        'error',
        `the test rows have no column "${gate.column}"`,
      ),
    ]
  const groups = groupsOf(column, gate.rowsMin)
  const widen = normalQuantile(1 - 0.025 / Math.max(1, groups.length)) / LEVEL_Z
  const judged = groups.flatMap(
    (group) => sliceFinding(metric, gate, input, { check, limit, widen, ...group }) ?? [],
  )
  if (judged.length === 0) {
    return [
      finding(
        input,
        { check, value: null, limit, n },
        'pass',
        `no value of "${gate.column}" has ${gate.rowsMin} rows on which ${words(metric.name)} is defined, so no slice can be judged`,
      ),
    ]
  }
  const sign = metric.higherIsBetter ? 1 : -1
  const worst = judged.reduce((a, b) => (sign * ((b.value as number) - (a.value as number)) < 0 ? b : a))
  const failed = judged.filter((f) => f.verdict === 'fail')
  const summary = finding(
    input,
    { check, value: worst.value, interval: worst.interval, limit, n },
    failed.length > 0 ? 'fail' : 'pass',
    `${judged.length} slices of "${gate.column}": ${failed.length} surely ${metric.higherIsBetter ? 'below' : 'above'} ${gate.floor}; worst is ${worst.slice} with ${(worst.value as number).toFixed(3)}`,
  )
  return [summary, ...judged.filter((f) => f.verdict !== 'pass').slice(0, SLICES_SHOWN)]
}

/** The finding of one slice, or undefined when its rows do not define the metric. */
function sliceFinding(
  metric: Metric,
  gate: Of<'slices'>,
  input: GateInput,
  s: { check: string; limit: string; value: string; rows: number[]; widen: number },
): Finding | undefined {
  const measured = recordable(metric.of(...rowsOf(input, s.rows)))
  if (!measured) return undefined
  const wide = widened(measured, s.widen)
  const [min, max] = metric.higherIsBetter ? [gate.floor, undefined] : [undefined, gate.floor]
  return finding(
    input,
    { check: s.check, slice: s.value, limit: s.limit, ...wide },
    within(wide, min, max),
    `${s.value}: ${words(metric.name)} ${shown(wide)}`,
  )
}

/** What a metric takes of some rows, ascending: whole rows of outputs, and where the groups begin that are left. */
function rowsOf(
  { outputs, targets, groups }: GateInput,
  rows: readonly number[],
): [Float64Array, Float64Array, Int32Array | undefined] {
  const width = outputs.length / targets.length
  const taken = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    taken.set(outputs.subarray(row * width, (row + 1) * width), i * width)
  })
  return [taken, Float64Array.from(rows, (i) => targets[i]), groups && startsOf(groups, rows)]
}

function startsOf(groups: Int32Array, rows: readonly number[]): Int32Array {
  const groupOf = rows.map((row) => upperBound(groups, row))
  return Int32Array.from([...groupOf.keys()].filter((i) => i === 0 || groupOf[i] !== groupOf[i - 1]))
}

function widened(measured: Measured, factor: number): Measured {
  const { value, interval } = measured
  if (!interval) return measured
  return {
    ...measured,
    interval: [value - (value - interval[0]) * factor, value + (interval[1] - value) * factor],
  }
}

function groupsOf(
  { codes, categories }: { codes: Int32Array; categories: string[] },
  rowsMin: number,
): { value: string; rows: number[] }[] {
  const rows = new Map<number, number[]>()
  for (let i = 0; i < codes.length; i++) {
    const group = rows.get(codes[i])
    if (group) group.push(i)
    else rows.set(codes[i], [i])
  }
  return [...rows]
    .filter(([code, members]) => code >= 0 && members.length >= rowsMin)
    .map(([code, members]) => ({ value: categories[code], rows: members }))
}

function noLeak(gate: Of<'noLeak'>, input: GateInput): Finding {
  const entries = Object.entries(input.featureAuc).sort((a, b) => b[1] - a[1])
  const base = {
    check: 'gate.no-leak',
    value: entries[0]?.[1] ?? null,
    limit: `each feature alone ranks the target at most ${gate.aucMax}`,
    n: input.targets.length,
  }
  if (entries.length === 0) return finding(input, base, 'pass', 'the card ranks no feature alone')
  const leaks = entries.filter(([, value]) => value > gate.aucMax).map(([name]) => name)
  if (leaks.length === 0)
    return finding(
      input,
      base,
      'pass',
      `the strongest feature alone is ${entries[0][0]} with AUC ${entries[0][1].toFixed(3)}`,
    )
  return finding(
    input,
    base,
    'fail',
    `${leaks.map((l) => `"${l}"`).join(', ')} alone ${leaks.length > 1 ? 'give' : 'gives'} the target away (AUC ${entries[0][1].toFixed(4)}): is it known when the prediction is asked for?`,
  )
}

function below(
  check: string,
  input: GateInput,
  m: { value: number; max: number; unit: string; what: string },
): Finding {
  const base = { check: `gate.${check}`, value: m.value, limit: `<= ${m.max} ${m.unit}`, n: 1 }
  return finding(
    input,
    base,
    m.value <= m.max ? 'pass' : 'fail',
    `${m.what} ${+m.value.toPrecision(4)} ${m.unit}, asked <= ${m.max}`,
  )
}

/** The metric a gate names, or the one that `auto` stands for. One that does not fit the task is a fault of the config, told as an `error`. */
function metricFor(gate: { kind: GateDef['kind']; metric: string }, task: ModelTask): Metric {
  const name = gate.metric === 'auto' ? autoMetric(gate.kind, task) : gate.metric
  const metric = METRICS_OF[task].find((m) => m.name === name)
  if (metric) return metric
  if (!METRICS.has(name)) throw new Error(`${words(name)} cannot be measured on rows`)
  throw new Error(
    `${words(name)} is a measure of ${DECLARED[name].tasks.join(' and ')} models, this one is ${task}`,
  )
}

/** Pass when the value holds the limit, fail when its whole interval breaks it, else inconclusive. */
function within(measured: Measured, min: number | undefined, max: number | undefined): Verdict {
  const [low, high] = measured.interval ?? [measured.value, measured.value]
  if ((min !== undefined && high < min) || (max !== undefined && low > max)) return 'fail'
  if ((min !== undefined && measured.value < min) || (max !== undefined && measured.value > max))
    return 'inconclusive'
  return 'pass'
}

function shown(measured: Measured): string {
  const digits = (x: number) => x.toFixed(Math.abs(x) < 10 ? 4 : 1)
  return measured.interval
    ? `${digits(measured.value)} [${digits(measured.interval[0])}, ${digits(measured.interval[1])}]`
    : digits(measured.value)
}

function range(delta: Worsening): string {
  const signed = (x: number) => `${x >= 0 ? '+' : '−'}${Math.abs(x).toFixed(5)}`
  return `${signed(delta.value)} [${signed(delta.interval[0])}, ${signed(delta.interval[1])}] on ${grouped(delta.n)} rows`
}

function words(metric: string): string {
  return DECLARED[metric]?.label ?? metric
}
