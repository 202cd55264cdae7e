import { describe, expect, test } from 'vitest'
import { traceSettings } from '../../../src/serve/trace/otel-env.ts'

const of = (env: Record<string, string>, url?: string) => traceSettings(env, url, '1.2.3')

describe('where spans go', () => {
  test('is nowhere unless it is said, or where it is switched off', () => {
    expect(of({})).toBeUndefined()
    expect(of({ OTEL_SDK_DISABLED: 'true' }, 'http://c:4318')).toBeUndefined()
    expect(of({ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' })).toBeUndefined()
  })

  test.each([
    ['a collector', {}, 'http://c:4318', 'http://c:4318/v1/traces'],
    ['with a path', {}, 'http://c:4318/otlp/', 'http://c:4318/otlp/v1/traces'],
    ['with the path of traces', {}, 'https://c/v1/traces', 'https://c/v1/traces'],
    [
      'the environment',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://e:4318' },
      undefined,
      'http://e:4318/v1/traces',
    ],
    [
      'of traces alone, as it is',
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://e/mine' },
      undefined,
      'http://e/mine',
    ],
    [
      'the option before the environment',
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://e/mine' },
      'http://c',
      'http://c/v1/traces',
    ],
  ])('%s', (_, env, url, target) => expect(of(env as Record<string, string>, url)?.url).toBe(target))
})

test('settings without a variable are as documented: one request in a hundred, whoever asks decides first', () => {
  expect(of({}, 'http://c')).toMatchObject({
    heedsParent: true,
    share: 0.01,
    compression: 'none',
    delayMs: 5_000,
    queueMax: 2048,
    batchMax: 512,
    timeoutMs: 10_000,
    resource: { attributes: { 'service.name': 'millrace', 'service.version': '1.2.3' } },
  })
})

test('settings are read from the variables of OpenTelemetry', () => {
  const settings = of({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318',
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20b, x=1',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x=2',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TIMEOUT: '250',
    OTEL_SERVICE_NAME: 'flights',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=prod,service.name=other',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.5',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_SCHEDULE_DELAY: '10',
  })
  expect(settings).toMatchObject({
    heedsParent: false,
    share: 0.5,
    headers: { 'api-key': 'a b', x: '2' },
    compression: 'gzip',
    timeoutMs: 250,
    queueMax: 100,
    batchMax: 100,
    delayMs: 10,
    resource: { attributes: { 'service.name': 'flights', 'deployment.environment': 'prod' } },
  })
})

test.each([
  ['OTEL_TRACES_SAMPLER', 'sometimes'],
  ['OTEL_TRACES_SAMPLER_ARG', '2'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
  ['OTEL_EXPORTER_OTLP_HEADERS', 'no pairs'],
  ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zip'],
  ['OTEL_BSP_SCHEDULE_DELAY', 'soon'],
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
])('%s=%s is refused by its name', (name, value) => {
  const url = name.endsWith('ENDPOINT') ? undefined : 'http://c'
  expect(() => of({ [name]: value }, url)).toThrow('MR_TRACE_SETTING')
})
