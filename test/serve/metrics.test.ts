import { describe, expect, test } from 'vitest'
import { ServeMetrics } from '../../src/serve/metrics.ts'
import { METRIC_ALIASES } from '../../src/serve/metrics-alias.ts'
import { BOUNDS_S, SeriesTable } from '../../src/serve/metrics-series.ts'
import { formatOf } from '../../src/serve/metrics-text.ts'

const TIMES = { requestS: 0.004, queueS: 0.001, computeS: 0.002 }

function counted(options: ConstructorParameters<typeof ServeMetrics>[0] = {}): ServeMetrics {
  const metrics = new ServeMetrics(options)
  metrics.answered('late', 3, 'live', 2, TIMES)
  metrics.answered('late', 3, 'canary', 1, { ...TIMES, requestS: 0.25 })
  metrics.answered('late', 4, 'shadow', 1, TIMES)
  metrics.failed('late', 'MR_SERVE_FIELD', 0.003)
  metrics.failed('', 'MR_SERVE_JSON')
  return metrics
}

/** Value of the sample that begins so. */
function sampleOf(text: string, sample: string): number {
  const lines = text.split('\n').filter((line) => line.startsWith(`${sample} `))
  expect(lines, sample).toHaveLength(1)
  return Number(lines[0].slice(sample.length + 1).split(' ')[0])
}

describe('histograms in seconds', () => {
  test('are of request, queue and compute, by model, version, route and code', () => {
    const text = counted().text()
    const live = 'model="late",version="3",route="live",code="OK"'
    for (const [part, sum] of [
      ['request', 0.004],
      ['queue', 0.001],
      ['compute', 0.002],
    ] as const) {
      const name = `millrace_${part}_duration_seconds`
      expect(sampleOf(text, `${name}_sum{${live}}`)).toBe(sum)
      expect(sampleOf(text, `${name}_count{${live}}`)).toBe(1)
      expect(sampleOf(text, `${name}_bucket{${live},le="+Inf"}`)).toBe(1)
    }
    const failed = 'model="late",version="",route="",code="MR_SERVE_FIELD"'
    expect(sampleOf(text, `millrace_request_duration_seconds_sum{${failed}}`)).toBe(0.003)
    expect(sampleOf(text, 'millrace_errors_total{model="",code="MR_SERVE_JSON"}')).toBe(1)
    expect(text).not.toContain(
      'millrace_request_duration_seconds_sum{model="",version="",route="",code="MR_SERVE_JSON"}',
    )
  })

  test('put a time that is a bucket’s end into that bucket, and count upwards', () => {
    const metrics = new ServeMetrics()
    const times = [0, ...BOUNDS_S, 99]
    for (const requestS of times) metrics.answered('m', 1, 'live', 1, { requestS, queueS: 0, computeS: 0 })
    const text = metrics.text()
    BOUNDS_S.forEach((end, b) => {
      const label = `model="m",version="1",route="live",code="OK",le="${end}"`
      expect(sampleOf(text, `millrace_request_duration_seconds_bucket{${label}}`)).toBe(b + 2)
    })
  })
})

describe('formats', () => {
  test('are what the scraper reads', () => {
    expect(formatOf('application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3')).toBe(
      'openmetrics',
    )
    expect(formatOf('text/plain')).toBe('prometheus')
    expect(formatOf(undefined)).toBe('prometheus')
  })

  test('OpenMetrics shows the trace of a request beside its bucket, and ends', () => {
    const metrics = counted()
    metrics.traced('late', 3, 'live', { traceId: 'ab'.repeat(16), seconds: 0.004, at: 1_700_000_000_123 })
    const text = metrics.text('openmetrics')
    expect(text).toContain(`le="0.005"} 1 # {trace_id="${'ab'.repeat(16)}"} 0.004 1700000000.123`)
    expect(text).toContain('# TYPE millrace_predictions counter')
    expect(text).toContain('le="1.0"')
    expect(text.endsWith('# EOF\n')).toBe(true)
    expect(metrics.text()).not.toContain('trace_id')
  })
})

describe('names of peers', () => {
  test('are there when they are asked for, with the units and labels that the peers have', () => {
    const executions = () => 7
    const text = counted({ aliases: METRIC_ALIASES, executions }).text()
    const version = '{model="late",version="3"}'
    const expected: [string, number][] = [
      [`nv_inference_request_success${version}`, 2],
      [`nv_inference_count${version}`, 3],
      [`nv_inference_exec_count${version}`, 7],
      [`nv_inference_request_duration_us${version}`, 254_000],
      [`nv_inference_queue_duration_us${version}`, 2_000],
      [`nv_inference_compute_infer_duration_us${version}`, 4_000],
      ['nv_inference_request_failure{model="late",version=""}', 1],
      [`model_infer_request_success_total${version}`, 2],
      [`model_infer_request_duration_sum${version}`, 0.254],
      [`model_infer_request_duration_count${version}`, 2],
      ['model_infer_request_failure_total{model="late",version=""}', 1],
      ['request_predict_seconds_count{model_name="late"}', 2],
      ['revision_app_request_count{response_code="200",response_code_class="2xx"}', 2],
      ['revision_app_request_latencies_sum{response_code="200",response_code_class="2xx"}', 254],
      ['revision_app_request_latencies_bucket{response_code="200",response_code_class="2xx",le="5"}', 1],
    ]
    for (const [sample, value] of expected) expect(sampleOf(text, sample), sample).toBeCloseTo(value, 9)
    expect(text).not.toContain('version="4"}')
  })

  test('are not there otherwise', () => {
    expect(counted().text()).not.toMatch(/^(nv_|model_infer|revision_|request_predict)/m)
  })
})

test('a table of series forgets what was used longest ago', () => {
  const table = new SeriesTable(3, () => ({ n: 0 }))
  const use = (a: string) => table.use(a, 1, 'live').n++
  for (const a of ['x', 'y', 'z', 'x', 'w', 'v']) use(a)
  expect([...table.entries()].map(([a, , , { n }]) => [a, n])).toEqual([
    ['x', 2],
    ['w', 1],
    ['v', 1],
  ])
})

test('pieces of the text are small and the text is all of them', () => {
  const metrics = new ServeMetrics()
  for (let i = 0; i < 500; i++)
    metrics.answered(`m${i}`, 1, 'live', 1, { requestS: 0.01, queueS: 0, computeS: 0.01 })
  const chunks = [...metrics.chunks()]
  expect(chunks.length).toBeGreaterThan(10)
  for (const chunk of chunks) expect(chunk.length).toBeLessThan(70_000)
  expect(chunks.join('')).toBe(metrics.text())
  expect(metrics.text().endsWith('\n')).toBe(true)
})
