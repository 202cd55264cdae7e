/** Spans of requests as a collector gets them, over HTTP and gRPC. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type TraceSettings, traceSettings } from '../../../src/serve/trace/otel-env.ts'
import { Tracer } from '../../../src/serve/trace/tracer.ts'
import { logged, putBundle, putConstant, release, route, serving } from '../fixture.ts'
import { serveModels } from '../models/fixture.ts'
import { attributesOf, openCollector, type SentSpan } from './collector.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = `00-${TRACE}-00f067aa0ba902b7`
const ROW = { hour: 9, distance: 500, origin: 'BOS' }

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function tracing(over: Partial<TraceSettings> = {}) {
  const collector = await openCollector()
  const settings = traceSettings({ OTEL_BSP_SCHEDULE_DELAY: '1' }, collector.url, '0')!
  const tracer = new Tracer({ ...settings, ...over, onFault: () => undefined })
  closing.push(collector.close, () => tracer.close())
  return { collector, tracer }
}

async function late(over: Partial<TraceSettings> = {}) {
  const traced = await tracing(over)
  const f = await serving(
    async (store) => {
      const parent = await putConstant(store, 'late', 0.25)
      await release(store, 'late', [route(await putBundle(store, 'late', 1, parent), 1)])
    },
    { tracer: traced.tracer },
  )
  closing.push(f.close)
  return { f, ...traced }
}

/** Spans with their parts, once so many are there. */
async function spansOf({ spans }: { spans: () => SentSpan[] }, count: number): Promise<SentSpan[]> {
  await vi.waitFor(() => expect(spans().length).toBeGreaterThanOrEqual(count), { timeout: 5_000 })
  return spans()
}

describe('a released model', () => {
  test('a request that came with a sampled trace is a span below it, with its parts, its trace in the log and in the metrics', async () => {
    const { f, collector } = await late({ share: 0 })
    const state = 'rojo=1'
    const answer = await f.post('/predict/late', ROW, { traceparent: `${PARENT}-01`, tracestate: state })
    expect(answer.status).toBe(200)
    const spans = await spansOf(collector, 3)
    const whole = spans.find(({ kind }) => kind === 2)!
    expect(whole).toMatchObject({
      traceId: TRACE,
      parentSpanId: '00f067aa0ba902b7',
      traceState: state,
      name: 'POST /predict/:model',
      status: { code: 0 },
      flags: 0x301,
    })
    expect(attributesOf(whole)).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/predict/:model',
      'http.response.status_code': '200',
      'url.path': '/predict/late',
      'millrace.model': 'late',
      'millrace.version': '1',
      'millrace.route': 'live',
      'millrace.rows': '1',
    })
    const parts = spans.filter(({ kind }) => kind === 1)
    expect(parts.map(({ name }) => name).sort()).toEqual(['compute', 'log'])
    for (const part of parts) {
      expect(part.parentSpanId).toBe(whole.spanId)
      expect(BigInt(part.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(whole.startTimeUnixNano))
      expect(BigInt(part.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(whole.endTimeUnixNano))
    }
    for (const { traceId, spanId, startTimeUnixNano } of spans) {
      expect(traceId).toMatch(/^[0-9a-f]{32}$/)
      expect(spanId).toMatch(/^[0-9a-f]{16}$/)
      expect(Math.abs(Number(startTimeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000)
    }
    const [block] = await logged<{ trace: string }>(f.store, 'predictions')
    expect(block.trace).toBe(`00-${TRACE}-${whole.spanId}-01`)
    const metrics = await f.get('/metrics', { accept: 'application/openmetrics-text' })
    expect(metrics.body).toContain(`# {trace_id="${TRACE}"}`)
  })

  test('whoever asks decides; else a share of the requests is traced', async () => {
    const { f, collector } = await late({ share: 0 })
    await f.post('/predict/late', ROW, { traceparent: `${PARENT}-00` })
    await f.post('/predict/late', ROW)
    await f.post('/predict/late', ROW, { traceparent: 'rubbish' })
    const { f: all, collector: everything } = await late({ share: 1 })
    await all.post('/predict/late', ROW, { traceparent: `${PARENT}-00` })
    await all.post('/predict/late', ROW)
    const spans = await spansOf(everything, 3)
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1)
    expect(spans[0].traceId).not.toBe(TRACE)
    expect(collector.got).toEqual([])
    const blocks = await logged<{ trace?: string }>(f.store, 'predictions')
    expect(blocks.map(({ trace }) => trace)).toEqual([`${PARENT}-00`, undefined, undefined])
  })

  test('a request that fails says with which code, and only a fault of the server is an error of its span', async () => {
    const { f, collector } = await late({ share: 1 })
    await f.post('/predict/none', ROW)
    await f.get('/livez')
    await f.get('/metrics')
    const [span, ...more] = await spansOf(collector, 1)
    expect(more).toEqual([])
    expect(span.status).toEqual({ code: 0 })
    expect(attributesOf(span)).toMatchObject({
      'http.response.status_code': '404',
      'error.type': 'MR_SERVE_MODEL_UNKNOWN',
    })
  })
})

test('models of others: waiting and computing are parts, over HTTP and gRPC', async () => {
  const { collector, tracer } = await tracing({ share: 1 })
  const f = await serveModels({ tracer })
  closing.push(f.close)
  const inputs = [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }]
  expect((await f.post('/v2/models/late/infer', { inputs })).status).toBe(200)
  const spans = await spansOf(collector, 3)
  expect(spans.map(({ name }) => name).sort()).toEqual(['POST /v2/models/:model/infer', 'compute', 'queue'])
  const rows = [{ name: 'input', shape: [1, 6], datatype: 'FP64', data: [0, 0, 0, 0, 0, 0] }]
  expect((await f.post('/v2/models/trees/explain', { inputs: rows })).status).toBe(200)
  expect((await spansOf(collector, 5)).map((span) => span.name)).toContain('explain')
  const name = Buffer.concat([Buffer.of(0x0a, 4), Buffer.from('late')])
  await f.call('ModelMetadata', name, { traceparent: `${PARENT}-01` })
  await f.call('ModelMetadata', Buffer.concat([Buffer.of(0x0a, 4), Buffer.from('none')]))
  const all = await spansOf(collector, 7)
  const [fine, failed] = all.filter((span) => span.name.startsWith('inference.'))
  expect(fine).toMatchObject({
    name: 'inference.GRPCInferenceService/ModelMetadata',
    traceId: TRACE,
    kind: 2,
  })
  expect(attributesOf(fine)).toMatchObject({
    'rpc.system': 'grpc',
    'rpc.method': 'ModelMetadata',
    'rpc.grpc.status_code': '0',
  })
  expect(attributesOf(failed)).toMatchObject({
    'rpc.grpc.status_code': '5',
    'error.type': 'MR_SERVE_MODEL_UNKNOWN',
  })
})
