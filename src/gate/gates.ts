/** Verdicts on a candidate, from its outputs on the test rows. Pure: what was measured comes in, findings come out. */
import type { Finding, Measured, ModelCard, ModelTask, Verdict } from '../core/records.ts'
import { autoMetric } from '../define/gates.ts'
import type { GateDef } from '../define/types.ts'
import { LOSS_OF, metricOf } from '../model/measure.ts'
import { normalQuantile } from '../stats/distributions.ts'
import { pairedDelta } from '../stats/paired.ts'

/** Everything the gates may look at. All arrays run along the test rows. */
export interface GateInput {
  subject: string
  task: ModelTask
  outputs: Float64Array
  targets: Float64Array
  /** Prediction of someone who knows only the mean of the training rows. */
  baseRate: number
  /** Outputs of the live bundle on the same rows; absent when nothing is live. */
  live?: { version: number; outputs: Float64Array }
  /** Values of the columns that slices go by. */
  slices: Record<string, { codes: Int32Array; categories: string[] }>
  bytes: number
  /** 99th percentile of scoring one row, measured here, in milliseconds. */
  latencyMsP99: number
  featureAuc: ModelCard['featureAuc']
  at: number
}

const LEVEL_Z = 1.959963984540054

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
          value: input.latencyMsP99,
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
function beatsBaseline(_gate: Of<'beatsBaseline'>, input: GateInput): Finding {
  const constant = new Float64Array(input.outputs.length).fill(input.baseRate)
  const delta = lossDelta(input, constant)
  const name = LOSS_OF[input.task]
  const base = {
    check: 'gate.beats-baseline',
    value: delta.value,
    interval: delta.interval,
    limit: 'loss difference < 0',
    n: delta.n,
  }
  const verdict =
    delta.n < 2
      ? 'inconclusive'
      : delta.interval[1] < 0
        ? 'pass'
        : delta.interval[0] > 0
          ? 'fail'
          : 'inconclusive'
  return finding(
    input,
    base,
    verdict,
    `${words(name)} against the constant prediction ${range(delta)}: ${verdict === 'pass' ? 'better' : verdict === 'fail' ? 'worse' : 'not clearly better'}`,
  )
}

function noWorseThanLive(gate: Of<'noWorseThanLive'>, input: GateInput): Finding {
  const limit = `loss difference <= ${gate.tolerance}`
  if (!input.live) {
    return finding(
      input,
      { check: 'gate.no-worse-than-live', value: null, limit, n: 0 },
      'pass',
      'nothing is live yet, so there is nothing to be worse than',
    )
  }
  const delta = lossDelta(input, input.live.outputs)
  const verdict =
    delta.interval[1] <= gate.tolerance
      ? 'pass'
      : delta.interval[0] > gate.tolerance
        ? 'fail'
        : 'inconclusive'
  return finding(
    input,
    { check: 'gate.no-worse-than-live', value: delta.value, interval: delta.interval, limit, n: delta.n },
    verdict,
    `${words(LOSS_OF[input.task])} against live v${input.live.version} on the same rows ${range(delta)}`,
  )
}

function metricWithin(gate: Of<'metric'>, input: GateInput): Finding {
  const measured = metricOf(gate.metric).of(input.outputs, input.targets)
  const limits = [
    gate.min === undefined ? '' : `>= ${gate.min}`,
    gate.max === undefined ? '' : `<= ${gate.max}`,
  ]
    .filter(Boolean)
    .join(' and ')
  const base = { check: `gate.${gate.metric}`, ...measuredValue(measured), limit: limits, n: measured.n }
  if (!Number.isFinite(measured.value))
    return finding(
      input,
      base,
      'inconclusive',
      `${words(gate.metric)} is not defined on these ${measured.n} rows`,
    )
  return finding(
    input,
    base,
    within(measured, gate.min, gate.max),
    `${words(gate.metric)} ${shown(measured)}, asked ${limits}`,
  )
}

function calibrated(gate: Of<'calibration'>, input: GateInput): Finding {
  if (input.task !== 'binary') {
    return finding(
      input,
      { check: 'gate.calibration', value: null, limit: `<= ${gate.max}`, n: 0 },
      'pass',
      'a regression has no calibration error',
    )
  }
  const measured = metricOf('calibrationError').of(input.outputs, input.targets)
  const base = {
    check: 'gate.calibration',
    ...measuredValue(measured),
    limit: `<= ${gate.max}`,
    n: measured.n,
  }
  return finding(
    input,
    base,
    within(measured, undefined, gate.max),
    `expected calibration error ${shown(measured)}, asked <= ${gate.max}`,
  )
}

/**
 * The metric within each value of a column. The level of each slice's interval is divided by their number, so that one bad slice among many is not just
 * chance. The gate's own finding is the worst slice; slices that do not pass follow with `slice` set.
 */
function slices(declared: Of<'slices'>, input: GateInput): Finding[] {
  const gate = { ...declared, metric: namedMetric(declared, input.task) }
  const check = `gate.slices.${gate.column}`
  const limit = `${gate.metric} >= ${gate.floor} in each slice`
  const column = input.slices[gate.column]
  if (!column)
    return [
      finding(
        input,
        { check, value: null, limit, n: 0 },
        'error',
        `the test rows have no column "${gate.column}"`,
      ),
    ]
  const groups = groupsOf(column, gate.rowsMin)
  const widen = normalQuantile(1 - 0.025 / Math.max(1, groups.length)) / LEVEL_Z
  const found = groups.map(({ value, rows }) =>
    sliceFinding(gate, input, { check, limit, value, rows, widen }),
  )
  const judged = found.filter((f) => f.value !== null)
  if (judged.length === 0) {
    return [
      finding(
        input,
        { check, value: null, limit, n: input.outputs.length },
        'pass',
        `no value of "${gate.column}" has ${gate.rowsMin} rows and both outcomes, so no slice can be judged`,
      ),
    ]
  }
  const worst = judged.reduce((a, b) => ((b.value as number) < (a.value as number) ? b : a))
  const failed = judged.filter((f) => f.verdict === 'fail')
  const summary = finding(
    input,
    { check, value: worst.value, interval: worst.interval, limit, n: input.outputs.length },
    failed.length > 0 ? 'fail' : 'pass',
    `${judged.length} slices of "${gate.column}": ${failed.length} surely below ${gate.floor}; lowest is ${worst.slice} with ${(worst.value as number).toFixed(3)}`,
  )
  return [summary, ...judged.filter((f) => f.verdict !== 'pass').slice(0, 50)]
}

function sliceFinding(
  gate: Of<'slices'>,
  input: GateInput,
  s: { check: string; limit: string; value: string; rows: number[]; widen: number },
): Finding {
  const measured = metricOf(gate.metric).of(
    Float64Array.from(s.rows, (i) => input.outputs[i]),
    Float64Array.from(s.rows, (i) => input.targets[i]),
  )
  const base = { check: s.check, slice: s.value, limit: s.limit, n: s.rows.length }
  if (!Number.isFinite(measured.value))
    return finding(
      input,
      { ...base, value: null },
      'inconclusive',
      `${s.value}: only one outcome in ${s.rows.length} rows`,
    )
  const [low, high] = measured.interval ?? [measured.value, measured.value]
  const wide: Measured = {
    ...measured,
    interval: [
      measured.value - (measured.value - low) * s.widen,
      measured.value + (high - measured.value) * s.widen,
    ],
  }
  return finding(
    input,
    { ...base, ...measuredValue(wide) },
    within(wide, gate.floor, undefined),
    `${s.value}: ${words(gate.metric)} ${shown(wide)}`,
  )
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
    n: input.outputs.length,
  }
  if (entries.length === 0) return finding(input, base, 'pass', 'no numeric feature to look at')
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

/** The metric a gate names, or the one that `auto` stands for. */
function namedMetric(gate: { kind: GateDef['kind']; metric: string }, task: ModelTask): string {
  return gate.metric === 'auto' ? autoMetric(gate.kind, task) : gate.metric
}

function lossDelta(
  input: GateInput,
  other: Float64Array,
): { value: number; interval: [number, number]; n: number } {
  const loss = metricOf(LOSS_OF[input.task]).rowLoss as (o: number, t: number) => number
  const losses = (outputs: Float64Array) => Float64Array.from(outputs, (o, i) => loss(o, input.targets[i]))
  if (input.outputs.length < 2)
    return {
      value: 0,
      interval: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
      n: input.outputs.length,
    }
  const { value, interval, n } = pairedDelta(losses(other), losses(input.outputs))
  return { value, interval: interval ?? [value, value], n }
}

/** Pass when the value holds the limit, fail when its whole interval breaks it, else inconclusive. */
function within(measured: Measured, min: number | undefined, max: number | undefined): Verdict {
  const [low, high] = measured.interval ?? [measured.value, measured.value]
  if ((min !== undefined && high < min) || (max !== undefined && low > max)) return 'fail'
  if ((min !== undefined && measured.value < min) || (max !== undefined && measured.value > max))
    return 'inconclusive'
  return 'pass'
}

function measuredValue(measured: Measured): { value: number | null; interval?: [number, number] } {
  return Number.isFinite(measured.value)
    ? { value: measured.value, interval: measured.interval }
    : { value: null }
}

function shown(measured: Measured): string {
  const digits = (x: number) => x.toFixed(Math.abs(x) < 10 ? 4 : 1)
  return measured.interval
    ? `${digits(measured.value)} [${digits(measured.interval[0])}, ${digits(measured.interval[1])}]`
    : digits(measured.value)
}

function range(delta: { value: number; interval: [number, number]; n: number }): string {
  const signed = (x: number) => `${x >= 0 ? '+' : '−'}${Math.abs(x).toFixed(5)}`
  return `${signed(delta.value)} [${signed(delta.interval[0])}, ${signed(delta.interval[1])}] on ${delta.n.toLocaleString('en')} rows`
}

const WORDS: Record<string, string> = {
  auc: 'AUC',
  logLoss: 'log loss',
  brier: 'Brier score',
  rmse: 'squared error',
  mae: 'absolute error',
  calibrationError: 'calibration error',
  r2: 'R²',
}

function words(metric: string): string {
  return WORDS[metric] ?? metric
}
