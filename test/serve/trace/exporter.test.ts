import { afterEach, describe, expect, test, vi } from 'vitest'
import { SpanExporter } from '../../../src/serve/trace/exporter.ts'
import { RequestSpan, type SpanData } from '../../../src/serve/trace/span.ts'
import { openCollector } from './collector.ts'

const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
})

async function opened(over: Partial<ConstructorParameters<typeof SpanExporter>[0]> = {}) {
  const collector = await openCollector()
  open.push(collector.close)
  const faults: string[] = []
  const exporter = new SpanExporter({
    url: `${collector.url}/v1/traces`,
    headers: { 'api-key': 'k' },
    resource: { attributes: { 'service.name': 'test' }, scope: { name: 'millrace', version: '1' } },
    ...{ compression: 'none', delayMs: 5, queueMax: 100, batchMax: 10, timeoutMs: 1_000, retryMs: 5 },
    onFault: ({ message }) => faults.push(message),
    ...over,
  })
  return { collector, exporter, faults }
}

function spans(n: number): SpanData[] {
  const made: SpanData[] = []
  for (let i = 0; i < n; i++) {
    const span = new RequestSpan({ onEnd: (own) => made.push(...own) })
    span.name = `span ${i}`
    span.end({ isError: false, attributes: { i, half: i + 0.5, big: 2 ** 60, yes: true, text: 'ü' } })
  }
  return made
}

describe('spans on their way', () => {
  test('go in batches, in the JSON of the protocol', async () => {
    const { collector, exporter } = await opened()
    exporter.add(spans(25))
    await vi.waitFor(() => expect(exporter.exported).toBe(25))
    expect(collector.got.map(({ body }) => body.resourceSpans[0].scopeSpans[0].spans.length)).toEqual([
      10, 10, 5,
    ])
    const [{ path, headers, body }] = collector.got
    expect(path).toBe('/v1/traces')
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'api-key': 'k' })
    const [{ resource, scopeSpans }] = body.resourceSpans
    expect(resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'test' } }])
    expect(scopeSpans[0].scope).toEqual({ name: 'millrace', version: '1' })
    const [, span] = scopeSpans[0].spans
    expect(span.attributes).toEqual([
      { key: 'i', value: { intValue: '1' } },
      { key: 'half', value: { doubleValue: 1.5 } },
      { key: 'big', value: { doubleValue: 2 ** 60 } },
      { key: 'yes', value: { boolValue: true } },
      { key: 'text', value: { stringValue: 'ü' } },
    ])
  })

  test('are packed where that is asked for', async () => {
    const { collector, exporter } = await opened({ compression: 'gzip' })
    exporter.add(spans(1))
    await vi.waitFor(() => expect(collector.spans()).toHaveLength(1))
    expect(collector.got[0].headers['content-encoding']).toBe('gzip')
  })

  test('are tried again where the collector asks for it, and told once', async () => {
    const { collector, exporter, faults } = await opened()
    collector.answers.push({ status: 503 }, { status: 429 })
    exporter.add(spans(3))
    await vi.waitFor(() => expect(exporter.exported).toBe(3))
    expect(collector.got).toHaveLength(3)
    expect(faults).toHaveLength(1)
    expect(exporter.dropped).toBe(0)
  })

  test('are given up where the collector will not have them, and where it took a part', async () => {
    const { collector, exporter } = await opened()
    collector.answers.push(
      { status: 400, body: 'no' },
      { status: 200, body: '{"partialSuccess":{"rejectedSpans":"2"}}' },
    )
    exporter.add(spans(3))
    await vi.waitFor(() => expect(exporter.dropped).toBe(3))
    exporter.add(spans(5))
    await vi.waitFor(() => expect(exporter.exported).toBe(3))
    expect(exporter.dropped).toBe(5)
    expect(collector.got).toHaveLength(2)
  })

  test('are bounded while the collector is away: the rest is dropped and counted', async () => {
    const { collector, exporter, faults } = await opened({ retryMs: 50 })
    await collector.close()
    open.splice(0)
    for (let i = 0; i < 50; i++) exporter.add(spans(10))
    expect(exporter.dropped).toBeGreaterThanOrEqual(390)
    const begunMs = performance.now()
    await exporter.close()
    expect(performance.now() - begunMs).toBeLessThan(2_000)
    expect([exporter.exported, exporter.dropped]).toEqual([0, 500])
    expect(faults).toHaveLength(1)
  })

  test('leave before the exporter closes', async () => {
    const { collector, exporter } = await opened({ delayMs: 60_000 })
    exporter.add(spans(7))
    await exporter.close()
    expect(collector.spans()).toHaveLength(7)
  })
})
