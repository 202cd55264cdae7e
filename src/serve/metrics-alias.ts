/**
 * Numbers of Millrace under the names that peers gave to theirs, so that dashboards and alerts made for them go on. Names, labels and units as the peers document them:
 *
 * - Triton: docs/user_guide/metrics.md of triton-inference-server/server. Counters by model and version, times in microseconds.
 * - MLServer: its user guide's page "Metrics" and mlserver/handlers/dataplane.py. A Python counter is shown with `_total`.
 * - KServe: python/kserve/kserve/metrics.py, by model_name; and those of Knative's queue-proxy, "Service metrics" of its documentation, in milliseconds. Labels that name pods and revisions of a
 *   cluster are its own to add and are left out.
 */
import { Answered, type Failed, SecondsHistogram } from './metrics-series.ts'
import { head, histogramLines, labels, type MetricsFormat } from './metrics-text.ts'

export const METRIC_ALIASES = ['triton', 'mlserver', 'kserve'] as const

export type MetricAlias = (typeof METRIC_ALIASES)[number]

export interface Counted {
  answered: [model: string, version: string, route: string, series: Answered][]
  failed: [model: string, code: string, series: Failed][]
  inFlight: number
  /** Calls of a model, where several requests may share one; undefined where each is a call. */
  executions?: (model: string, version: string) => number | undefined
}

const LINES: Record<MetricAlias, (counted: Counted, format: MetricsFormat) => string[]> = {
  triton: tritonLines,
  mlserver: mlserverLines,
  kserve: kserveLines,
}

export function aliasLines(
  aliases: readonly MetricAlias[],
  counted: Counted,
  format: MetricsFormat,
): string[] {
  return aliases.flatMap((alias) => LINES[alias](counted, format))
}

interface OfVersion {
  model: string
  version: string
  label: string
  series: Answered
}

/** All routes of a version that answered somebody together; shadows answer nobody. */
function byVersion({ answered }: Counted): OfVersion[] {
  const found = new Map<string, OfVersion>()
  for (const [model, version, route, series] of answered) {
    if (route === 'shadow') continue
    const label = labels({ model, version })
    const sum = found.get(label) ?? { model, version, label, series: new Answered() }
    found.set(label, sum)
    sum.series.rows += series.rows
    for (const part of ['request', 'queue', 'compute'] as const) merge(sum.series[part], series[part])
  }
  return [...found.values()]
}

function merge(into: SecondsHistogram, from: SecondsHistogram): void {
  from.counts.forEach((count, b) => {
    into.counts[b] += count
  })
  into.sumS += from.sumS
  into.total += from.total
}

/** Failures by model, of those that are ours. */
function failuresByModel({ failed }: Counted): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [model, , { count }] of failed) counts.set(model, (counts.get(model) ?? 0) + count)
  counts.delete('')
  return counts
}

/** OpenMetrics knows no counter without `_total`; there such a one is of unknown type. */
const counterType = (format: MetricsFormat): string => (format === 'openmetrics' ? 'unknown' : 'counter')

const MICRO = 1e6

function tritonLines(counted: Counted, format: MetricsFormat): string[] {
  const versions = byVersion(counted)
  const family = (name: string, help: string, value: (of: OfVersion) => number) => [
    ...head(name, counterType(format), help, format),
    ...versions.map((of) => `${name}{${of.label}} ${value(of)}`),
  ]
  const failures = [...failuresByModel(counted)].map(
    ([model, count]) => `nv_inference_request_failure{${labels({ model, version: '' })}} ${count}`,
  )
  return [
    ...family('nv_inference_request_success', 'Successful requests.', ({ series }) => series.request.total),
    ...head('nv_inference_request_failure', counterType(format), 'Failed requests.', format),
    ...failures,
    ...family('nv_inference_count', 'Rows answered.', ({ series }) => series.rows),
    ...family(
      'nv_inference_exec_count',
      'Calls of the model.',
      ({ model, version, series }) => counted.executions?.(model, version) ?? series.request.total,
    ),
    ...family('nv_inference_request_duration_us', 'Time of requests.', ({ series }) =>
      Math.round(series.request.sumS * MICRO),
    ),
    ...family('nv_inference_queue_duration_us', 'Time of waiting for a batch.', ({ series }) =>
      Math.round(series.queue.sumS * MICRO),
    ),
    ...family('nv_inference_compute_infer_duration_us', 'Time of computing.', ({ series }) =>
      Math.round(series.compute.sumS * MICRO),
    ),
  ]
}

function mlserverLines(counted: Counted, format: MetricsFormat): string[] {
  const versions = byVersion(counted)
  const duration = 'model_infer_request_duration'
  return [
    ...head('model_infer_request_success_total', 'counter', 'Successful requests.', format),
    ...versions.map(
      ({ label, series }) => `model_infer_request_success_total{${label}} ${series.request.total}`,
    ),
    ...head('model_infer_request_failure_total', 'counter', 'Failed requests.', format),
    ...[...failuresByModel(counted)].map(
      ([model, count]) => `model_infer_request_failure_total{${labels({ model, version: '' })}} ${count}`,
    ),
    ...head(duration, 'summary', 'Time of requests.', format),
    ...versions.flatMap(({ label, series }) => [
      `${duration}_count{${label}} ${series.request.total}`,
      `${duration}_sum{${label}} ${series.request.sumS}`,
    ]),
  ]
}

function kserveLines(counted: Counted, format: MetricsFormat): string[] {
  const byModel = new Map<string, SecondsHistogram>()
  const all = new SecondsHistogram()
  for (const { model, series } of byVersion(counted)) {
    const sum = byModel.get(model) ?? new SecondsHistogram()
    byModel.set(model, sum)
    merge(sum, series.compute)
    merge(all, series.request)
  }
  const predict = 'request_predict_seconds'
  const [count, latencies] = ['revision_app_request_count', 'revision_app_request_latencies']
  const ok = labels({ response_code: '200', response_code_class: '2xx' })
  return [
    ...head(predict, 'histogram', 'Time of computing.', format),
    ...[...byModel].flatMap(([model, histogram]) =>
      histogramLines(histogram, { name: predict, label: labels({ model_name: model }), format }),
    ),
    ...head(count, counterType(format), 'Answered requests.', format),
    `${count}{${ok}} ${all.total}`,
    ...head(latencies, 'histogram', 'Time of answered requests, in milliseconds.', format),
    ...histogramLines(all, { name: latencies, label: ok, format, scale: 1000 }),
  ]
}
