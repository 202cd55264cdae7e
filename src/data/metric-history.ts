/** The history of a dataset's numbers, delivery by delivery, as the journal tells it, and what it lets expect of the next. */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import { subjects } from '../core/names.ts'
import type { Digest, Finding, Part } from '../core/records.ts'
import { type TableMetric, tableMetricText } from '../define/table-metrics.ts'
import type { CheckDef } from '../define/types.ts'
import { type HistoryOptions, type Judgement, MetricHistory } from '../stats/metric-history.ts'
import type { Store } from '../store/ports.ts'
import type { DeliveryValues } from './delivery-metrics.ts'
import { figure, finding } from './findings.ts'
import { importEvents } from './import-events.ts'
import type { Measurement } from './table-metrics.ts'

/** The numbers of one delivery, whether it was taken or refused: an object that its event names. */
export interface DeliveryMetrics {
  kind: 'DeliveryMetrics'
  dataset: string
  /** First instant of its rows; where the dataset has no time, when it came. */
  at: number
  values: DeliveryValues
}

/**
 * `usual` and `accepted` points are what later ones are judged by. An `unusual` one is not until a person accepts it; a `refused` one belongs to a delivery that
 * some other check stopped.
 */
export type PointState = 'usual' | 'unusual' | 'accepted' | 'refused'

export interface MetricPoint {
  at: number
  value: number
  /** Rows that counted. */
  n: number
  state: PointState
  /** Delivery that it is of. */
  event: number
}

export interface Delivery {
  event: number
  at: number
  values: DeliveryValues
  /** Texts of the metrics that were judged unusual. */
  unusual: string[]
  accepted: string[]
  wasRefused: boolean
}

interface DeliveryEvent {
  metrics?: Digest
  unusual?: string[]
}

interface AcceptedEvent {
  metric: string
  event: number
}

/** All deliveries of a dataset whose numbers were kept, oldest rows first. Cost: one read a delivery. What accepts one is newer, so it is met before. */
export async function deliveries(store: Store, dataset: string): Promise<Delivery[]> {
  const accepted = new Map<number, string[]>()
  const found: Delivery[] = []
  for await (const event of importEvents(store, dataset, [
    'data.imported',
    'data.refused',
    'data.accepted',
  ])) {
    if (event.type === 'data.accepted') {
      const { metric, event: seq } = event.data as unknown as AcceptedEvent
      accepted.set(seq, [...(accepted.get(seq) ?? []), metric])
      continue
    }
    const { metrics, unusual = [] } = event.data as unknown as DeliveryEvent
    if (metrics === undefined) continue
    const { at, values } = await store.getRecord<DeliveryMetrics>(metrics, 'DeliveryMetrics')
    const wasRefused = event.type === 'data.refused'
    found.push({ event: event.seq, at, values, unusual, accepted: accepted.get(event.seq) ?? [], wasRefused })
  }
  return found.sort((a, b) => a.at - b.at || a.event - b.event)
}

/** Points of one metric; of deliveries of the same instant the last. */
export function seriesOf(all: readonly Delivery[], metric: string): MetricPoint[] {
  const points = new Map<number, MetricPoint>()
  for (const delivery of all) {
    const measured = delivery.values[metric]
    if (measured === undefined || measured.value === null || !Number.isFinite(measured.value)) continue
    const { at, event } = delivery
    points.set(at, { at, event, value: measured.value, n: measured.n, state: stateOf(delivery, metric) })
  }
  return [...points.values()]
}

function stateOf({ unusual, accepted, wasRefused }: Delivery, metric: string): PointState {
  if (accepted.includes(metric)) return 'accepted'
  if (unusual.includes(metric)) return 'unusual'
  return wasRefused ? 'refused' : 'usual'
}

const SHARE: HistoryOptions = { absoluteMin: 0.001, least: 0, most: 1 }

/** How numbers of a kind are judged: counts by ratios, shares from a thousandth on. */
const SCALES: Record<string, HistoryOptions> = {
  rows: { scale: 'count' },
  distinct: { scale: 'count' },
  distinctApprox: { scale: 'count', relativeMin: 0.1 },
  missing: SHARE,
  distinctShare: SHARE,
  uniqueShare: SHARE,
  std: { least: 0 },
  entropy: { least: 0 },
}

const kindOf = (metric: string): string => metric.split('(')[0]!

/** Options for a metric by its text. */
export const optionsFor = (metric: string, given: HistoryOptions = {}): HistoryOptions => ({
  ...SCALES[kindOf(metric)],
  ...given,
})

/** Standard error that a number has by its rows alone. `values` are those it was measured with. */
export function errorOf(metric: string, { value, n }: Measurement, values: DeliveryValues): number {
  if (value === null || n === 0) return 0
  const kind = kindOf(metric)
  if (kind === 'rows') return Math.sqrt(value)
  if (kind === 'missing' || kind === 'distinctShare' || kind === 'uniqueShare') {
    const smooth = (value * n + 1) / (n + 2)
    return Math.sqrt((smooth * (1 - smooth)) / n)
  }
  if (kind !== 'mean') return 0
  return (values[metric.replace('mean', 'std')]?.value ?? 0) / Math.sqrt(n)
}

/** What is unusual, or of a refused delivery, is not learned. */
function learnPoint(history: MetricHistory, { at, value, state }: MetricPoint): void {
  if (state === 'usual' || state === 'accepted')
    history.learn({ at, value }, { accepted: state === 'accepted' })
}

/** Judges a number by the points before it. Pure. */
function judgeByHistory(
  series: readonly MetricPoint[],
  next: { at: number; value: number; error?: number },
  options: HistoryOptions,
): Judgement {
  const history = new MetricHistory(options)
  for (const point of series) {
    if (point.at >= next.at) break
    learnPoint(history, point)
  }
  return history.judge(next)
}

type UsualCheck = CheckDef & { rule: { kind: 'usual'; metric: TableMetric } }

/** Findings of the checks that ask for what is usual. `measured` are the numbers of this delivery, of rows from `at` on. */
export function usualFindings(
  dataset: string,
  checks: readonly CheckDef[],
  all: readonly Delivery[],
  { at, values }: Pick<DeliveryMetrics, 'at' | 'values'>,
): { findings: Finding[]; unusual: string[] } {
  const asked = checks.filter((check): check is UsualCheck => check.rule.kind === 'usual')
  const judged = asked.map((check) => {
    const metric = tableMetricText(check.rule.metric)
    const measured = values[metric] ?? { value: null, n: 0 }
    if (measured.value === null || !Number.isFinite(measured.value))
      return { metric, finding: valueless(dataset, check, metric) }
    const { alpha, season, pointsMin } = check.rule
    const given = Object.fromEntries(
      Object.entries({ alpha, season, pointsMin }).filter(([, v]) => v !== undefined),
    )
    const options = optionsFor(metric, given)
    const next = { at, value: measured.value, error: errorOf(metric, measured, values) }
    const judgement = judgeByHistory(seriesOf(all, metric), next, options)
    return {
      metric,
      finding: usualFinding(dataset, check, { metric, value: next.value, n: measured.n, options }, judgement),
    }
  })
  return {
    findings: judged.map((j) => j.finding),
    unusual: judged.filter((j) => j.finding.verdict === 'fail').map((j) => j.metric),
  }
}

const LIMIT = 'as its history lets expect'

function valueless(dataset: string, check: CheckDef, metric: string): Finding {
  return finding(dataset, check, null, LIMIT, 0, 'inconclusive', `${check.name}: ${metric} has no value`)
}

const VERDICTS = { usual: 'pass', unusual: 'fail', unknown: 'inconclusive' } as const

function usualFinding(
  dataset: string,
  check: CheckDef,
  { metric, value, n, options }: { metric: string; value: number; n: number; options: HistoryOptions },
  judgement: Judgement,
): Finding {
  const { verdict, interval, points } = judgement
  const found = finding(dataset, check, value, LIMIT, n, VERDICTS[verdict], '')
  const is = `${check.name}: ${metric} is ${figure(value)}`
  if (interval === null) {
    const needed = options.pointsMin ?? 8
    return {
      ...found,
      message: `${is}; ${points} of the ${needed} earlier deliveries that are needed are known`,
    }
  }
  const by = judgement.season === null ? '' : `, by the season of a ${judgement.season}`
  const text = `${verdict === 'usual' ? 'as usual' : 'which is unusual'}: ${figure(interval[0])} to ${figure(interval[1])} is expected of ${grouped(points)} earlier ones${by}`
  return { ...found, interval, message: `${is}, ${text}` }
}

/** Instants are named by the minute that tables show. */
const MINUTE = 60_000

export interface Acceptance {
  metric: string
  /** Instant of the delivery; the newest unusual one by default. */
  at?: number
  actor: string
  reason: string
}

/** The point that an acceptance is of. Errors: MR_DATA_NOT_UNUSUAL. */
export async function findUnusual(
  store: Store,
  dataset: string,
  { metric, at }: Pick<Acceptance, 'metric' | 'at'>,
): Promise<MetricPoint> {
  const series = seriesOf(await deliveries(store, dataset), metric)
  const open = series.filter(({ state }) => state === 'unusual' || state === 'refused')
  const found =
    at === undefined
      ? open.filter(({ state }) => state === 'unusual').at(-1)
      : open.find((point) => Math.abs(point.at - at) < MINUTE)
  if (found) return found
  throw new MillraceError('MR_DATA_NOT_UNUSUAL', {
    dataset,
    metric,
    times: open.map((point) => new Date(point.at).toISOString()),
  })
}

/** A person says that an unusual value was right: from now on others are judged by it too. One event `data.accepted`; no ref moves. */
export async function acceptUnusual(
  store: Store,
  dataset: string,
  acceptance: Acceptance,
): Promise<MetricPoint> {
  const point = await findUnusual(store, dataset, acceptance)
  const { metric, actor, reason } = acceptance
  await store.meta.commit({
    event: {
      type: 'data.accepted',
      subject: subjects.dataset(dataset),
      actor,
      reason,
      data: { metric, event: point.event, at: point.at, value: point.value },
    },
  })
  return { ...point, state: 'accepted' }
}

/** Every point with what its predecessors let expect of it. Pure. */
export function judgedSeries(
  series: readonly MetricPoint[],
  options: HistoryOptions,
  errorAt: (point: MetricPoint) => number = () => 0,
): (MetricPoint & { judgement: Judgement })[] {
  const history = new MetricHistory(options)
  return series.map((point) => {
    const { at, value } = point
    const judgement = history.judge({ at, value, error: errorAt(point) })
    learnPoint(history, point)
    return { ...point, judgement }
  })
}

/** The parts of a version as points of a metric: of `rows`, `missing(c)`, `mean(c)`, `std(c)` and `distinctApprox(c)`. Parts without it are left out; those without a time are numbered from 0. Pure. */
export function partsSeries(parts: readonly Part[], metric: string): MetricPoint[] {
  return parts.flatMap((part, i) => {
    const value = partValue(part, metric)
    if (value === undefined) return []
    const { key, keyRange } = part
    // A part without a time has its key for a range; engines read numbers of some, such as rows-000001, as dates.
    const at = keyRange.min === key ? i : Date.parse(keyRange.min)
    return [{ at, value, n: part.rows, state: 'usual' as const, event: i }]
  })
}

function partValue({ rows, stats }: Part, metric: string): number | undefined {
  if (metric === 'rows') return rows
  const [, kind, column] = /^(\w+)\((.*)\)$/.exec(metric) ?? []
  const found = stats[column ?? '']
  if (found === undefined) return undefined
  if (kind === 'missing') return rows === 0 ? undefined : found.nulls / rows
  if (kind === 'distinctApprox') return found.distinctApprox
  return kind === 'mean' || kind === 'std' ? found[kind] : undefined
}
