/** Counters of serving in the Prometheus text format 0.0.4. Labels are bounded: families, never members; series, never without end. */
import { SERVE_LIMITS } from './limits.ts'

/** Upper ends of the duration histogram, in seconds. */
const DURATION_BOUNDS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

interface Durations {
  buckets: Float64Array
  sumS: number
  predictions: number
}

/** A map that forgets the entry used longest ago beyond `max`. */
class RecentMap<V> {
  readonly entries = new Map<string, V>()
  readonly #max: number
  readonly #make: () => V

  constructor(max: number, make: () => V) {
    this.#max = max
    this.#make = make
  }

  use(key: string): V {
    const value = this.entries.get(key) ?? this.#make()
    this.entries.delete(key)
    this.entries.set(key, value)
    if (this.entries.size > this.#max) this.entries.delete(this.entries.keys().next().value as string)
    return value
  }
}

export interface Gauge {
  name: string
  help: string
  type: 'gauge' | 'counter'
  /** One number, or several by what stands in the braces of their labels: `why="rate"`. */
  value: () => number | Record<string, number>
}

export class ServeMetrics {
  readonly #durations: RecentMap<Durations>
  readonly #errors: RecentMap<{ count: number }>
  readonly #gauges: Gauge[] = []
  #last: { model: string; version: string; route: string; series: Durations } | undefined
  requestsInFlight = 0
  shadowRowsDropped = 0
  shadowErrors = 0
  outcomesKnown = 0
  outcomesUnknown = 0
  ignoredFields = 0

  constructor(seriesMax: number = SERVE_LIMITS.metricSeriesMax) {
    this.#durations = new RecentMap(seriesMax, () => ({
      buckets: new Float64Array(DURATION_BOUNDS_S.length + 1),
      sumS: 0,
      predictions: 0,
    }))
    this.#errors = new RecentMap(seriesMax, () => ({ count: 0 }))
    this.#addOwnGauges()
  }

  answered(model: string, version: number | string, route: string, rows: number, seconds: number): void {
    const series = this.#seriesOf(model, String(version), route)
    const bound = DURATION_BOUNDS_S.findIndex((end) => seconds <= end)
    series.buckets[bound < 0 ? DURATION_BOUNDS_S.length : bound]++
    series.sumS += seconds
    series.predictions += rows
  }

  /** What answered last is what answers next, mostly: it need not be looked for, and has been used last already. */
  #seriesOf(model: string, version: string, route: string): Durations {
    const last = this.#last
    if (last?.model === model && last.version === version && last.route === route) return last.series
    const series = this.#durations.use(labels({ model, version, route }))
    this.#last = { model, version, route, series }
    return series
  }

  /** `model` is '' when the name was not one of ours: what a client invents must not become a label. */
  failed(model: string, code: string): void {
    this.#errors.use(labels({ model, code })).count++
  }

  addGauge(gauge: Gauge): void {
    this.#gauges.push(gauge)
  }

  text(): string {
    return [
      ...this.#durationLines(),
      ...head('millrace_predictions_total', 'counter', 'Rows answered.'),
      ...[...this.#durations.entries].map(([l, s]) => `millrace_predictions_total{${l}} ${s.predictions}`),
      ...head('millrace_errors_total', 'counter', 'Requests refused or failed, by code.'),
      ...[...this.#errors.entries].map(([l, e]) => `millrace_errors_total{${l}} ${e.count}`),
      ...this.#gauges.flatMap((g) => [...head(g.name, g.type, g.help), ...gaugeLines(g)]),
      '',
    ].join('\n')
  }

  #durationLines(): string[] {
    const name = 'millrace_request_duration_seconds'
    const lines = head(name, 'histogram', 'Time from the parsed request to its answer.')
    for (const [label, series] of this.#durations.entries) {
      let cumulative = 0
      DURATION_BOUNDS_S.forEach((end, b) => {
        cumulative += series.buckets[b]
        lines.push(`${name}_bucket{${label},le="${end}"} ${cumulative}`)
      })
      cumulative += series.buckets[DURATION_BOUNDS_S.length]
      lines.push(`${name}_bucket{${label},le="+Inf"} ${cumulative}`)
      lines.push(`${name}_sum{${label}} ${series.sumS}`, `${name}_count{${label}} ${cumulative}`)
    }
    return lines
  }

  #addOwnGauges(): void {
    const add = (name: string, type: Gauge['type'], help: string, value: () => number) =>
      this.addGauge({ name, type, help, value })
    add('millrace_requests_in_flight', 'gauge', 'Requests being answered.', () => this.requestsInFlight)
    add(
      'millrace_shadow_rows_dropped_total',
      'counter',
      'Shadow rows given up under load.',
      () => this.shadowRowsDropped,
    )
    add('millrace_shadow_errors_total', 'counter', 'Shadow batches that failed.', () => this.shadowErrors)
    add(
      'millrace_outcomes_known_total',
      'counter',
      'Outcomes of predictions this process remembers.',
      () => this.outcomesKnown,
    )
    add(
      'millrace_outcomes_unknown_total',
      'counter',
      'Outcomes of ids this process does not remember.',
      () => this.outcomesUnknown,
    )
    add(
      'millrace_ignored_fields_total',
      'counter',
      'Fields of rows that no signature names.',
      () => this.ignoredFields,
    )
  }
}

function gaugeLines({ name, value }: Gauge): string[] {
  const now = value()
  if (typeof now === 'number') return [`${name} ${now}`]
  return Object.entries(now).map(([label, n]) => `${name}{${label}} ${n}`)
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

/** What stands in the braces of a series. */
export function labels(pairs: Record<string, string>): string {
  return Object.entries(pairs)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))
}
