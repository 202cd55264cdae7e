/** Counters and histograms of serving. Labels are bounded: families, never members; series, never without end. */
import { SERVE_LIMITS } from './limits.ts'
import { aliasLines, type MetricAlias } from './metrics-alias.ts'
import { Answered, type Exemplar, Failed, SeriesTable, type Timing } from './metrics-series.ts'
import { head, histogramLines, labels, type MetricsFormat } from './metrics-text.ts'

export interface Gauge {
  name: string
  help: string
  type: 'gauge' | 'counter'
  /** One number, or several by what stands in the braces of their labels: `why="rate"`. */
  value: () => number | Record<string, number>
}

export interface ServeMetricsOptions {
  seriesMax?: number
  /** Peers under whose names numbers are shown too. */
  aliases?: readonly MetricAlias[]
  /** Calls of a model, where several requests may share one. */
  executions?: (model: string, version: string) => number | undefined
}

/** Code of a request that was answered. */
const OK = 'OK'
/** Letters of one piece of the text. */
const CHUNK_LENGTH = 64 * 1024

export class ServeMetrics {
  readonly #answered: SeriesTable<Answered>
  readonly #failed: SeriesTable<Failed>
  readonly #gauges: Gauge[] = []
  readonly #options: ServeMetricsOptions
  requestsInFlight = 0
  shadowRowsDropped = 0
  shadowErrors = 0
  outcomesKnown = 0
  outcomesUnknown = 0
  ignoredFields = 0

  constructor(options: ServeMetricsOptions = {}) {
    const { seriesMax = SERVE_LIMITS.metricSeriesMax } = options
    this.#options = options
    this.#answered = new SeriesTable(seriesMax, () => new Answered())
    this.#failed = new SeriesTable(seriesMax, () => new Failed())
    this.#addOwnGauges()
  }

  answered(model: string, version: number | string, route: string, rows: number, timing: Timing): void {
    this.#answered.use(model, version, route).add(rows, timing)
  }

  /** The trace of a request that was just counted, as the example of its bucket. */
  traced(model: string, version: number | string, route: string, exemplar: Exemplar): void {
    this.#answered.use(model, version, route).request.show(exemplar)
  }

  /** `model` is '' when the name was not one of ours: what a client invents must not become a label. `seconds` where it is known. */
  failed(model: string, code: string, seconds = Number.NaN): void {
    const series = this.#failed.use(model, code, '')
    series.count++
    series.request.add(seconds)
  }

  addGauge(gauge: Gauge): void {
    this.#gauges.push(gauge)
  }

  text(format: MetricsFormat = 'prometheus'): string {
    return [...this.chunks(format)].join('')
  }

  /** The same in pieces of some dozens of kilobytes, each made when it is wanted: of thousands of models all of it is tens of megabytes. */
  *chunks(format: MetricsFormat = 'prometheus'): Generator<string> {
    let lines: string[] = []
    let length = 0
    for (const line of this.#lines(format)) {
      lines.push(line)
      length += line.length
      if (length < CHUNK_LENGTH) continue
      yield `${lines.join('\n')}\n`
      lines = []
      length = 0
    }
    if (lines.length > 0) yield `${lines.join('\n')}\n`
  }

  *#lines(format: MetricsFormat): Generator<string> {
    const answered = [...this.#answered.entries()]
    const failed = [...this.#failed.entries()].map(
      ([model, code, , series]) => [model, code, series] as [string, string, Failed],
    )
    const { aliases = [], executions } = this.#options
    const counted = { answered, failed, executions, inFlight: this.requestsInFlight }
    yield* requestLines(answered, failed, format)
    yield* partLines('queue', 'Time of waiting for a batch.', answered, format)
    yield* partLines('compute', 'Time of computing, of the whole batch.', answered, format)
    yield* head('millrace_predictions_total', 'counter', 'Rows answered.', format)
    for (const [model, version, route, { rows }] of answered)
      yield `millrace_predictions_total{${labels({ model, version, route })}} ${rows}`
    yield* head('millrace_errors_total', 'counter', 'Requests refused or failed, by code.', format)
    for (const [model, code, { count }] of failed)
      yield `millrace_errors_total{${labels({ model, code })}} ${count}`
    for (const gauge of this.#gauges) {
      yield* head(gauge.name, gauge.type, gauge.help, format)
      yield* gaugeLines(gauge)
    }
    yield* aliasLines(aliases, counted, format)
    if (format === 'openmetrics') yield '# EOF'
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

type Series = [model: string, version: string, route: string, series: Answered][]

function* requestLines(
  answered: Series,
  failed: [string, string, Failed][],
  format: MetricsFormat,
): Generator<string> {
  const name = 'millrace_request_duration_seconds'
  yield* head(name, 'histogram', 'Time from the parsed request to its answer.', format)
  for (const [model, version, route, { request }] of answered)
    yield* histogramLines(request, { name, label: labels({ model, version, route, code: OK }), format })
  for (const [model, code, { request }] of failed)
    if (request.total > 0)
      yield* histogramLines(request, { name, label: labels({ model, version: '', route: '', code }), format })
}

function* partLines(
  part: 'queue' | 'compute',
  help: string,
  answered: Series,
  format: MetricsFormat,
): Generator<string> {
  const name = `millrace_${part}_duration_seconds`
  yield* head(name, 'histogram', help, format)
  for (const [model, version, route, series] of answered)
    yield* histogramLines(series[part], { name, label: labels({ model, version, route, code: OK }), format })
}

function gaugeLines({ name, value }: Gauge): string[] {
  const now = value()
  if (typeof now === 'number') return [`${name} ${now}`]
  return Object.entries(now).map(([label, n]) => `${name}{${label}} ${n}`)
}
