/**
 * The settings of tracing from the environment variables that OpenTelemetry defines, so that what is set for other services holds here too.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ and …/protocol/exporter/
 */
import { MillraceError } from '../../core/errors.ts'
import type { ExporterOptions } from './exporter.ts'

export interface TraceSettings extends Omit<ExporterOptions, 'onFault' | 'retryMs'> {
  /** Whether a request that came with a trace is traced as whoever asks wants it. */
  heedsParent: boolean
  /** Share of the others. */
  share: number
}

type Env = Readonly<Record<string, string | undefined>>

/** OpenTelemetry's own default is all; a server of predictions would trace more than it answers. */
const SHARE = 0.01

const SAMPLERS: Record<string, { heedsParent: boolean; share?: number }> = {
  always_on: { heedsParent: false, share: 1 },
  always_off: { heedsParent: false, share: 0 },
  traceidratio: { heedsParent: false },
  parentbased_always_on: { heedsParent: true, share: 1 },
  parentbased_always_off: { heedsParent: true, share: 0 },
  parentbased_traceidratio: { heedsParent: true },
}

/**
 * Undefined where nothing says where spans go (neither `url` nor the environment), or where tracing is switched off. `url` is a collector, such as http://127.0.0.1:4318. Errors: MR_TRACE_SETTING.
 */
export function traceSettings(env: Env, url: string | undefined, version: string): TraceSettings | undefined {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } = env
  if (OTEL_SDK_DISABLED?.toLowerCase() === 'true' || OTEL_TRACES_EXPORTER === 'none') return undefined
  const target = targetOf(env, url)
  if (target === undefined) return undefined
  checkProtocol(env)
  const queueMax = numberOf(env, 'OTEL_BSP_MAX_QUEUE_SIZE', 2048, 1)
  return {
    ...samplerOf(env),
    url: target,
    headers: {
      ...pairsOf(env, 'OTEL_EXPORTER_OTLP_HEADERS'),
      ...pairsOf(env, 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'),
    },
    resource: resourceOf(env, version),
    compression: compressionOf(env),
    delayMs: numberOf(env, 'OTEL_BSP_SCHEDULE_DELAY', 5_000, 0),
    queueMax,
    batchMax: Math.min(queueMax, numberOf(env, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512, 1)),
    timeoutMs: numberOf(
      env,
      'OTEL_EXPORTER_OTLP_TRACES_TIMEOUT',
      numberOf(env, 'OTEL_EXPORTER_OTLP_TIMEOUT', 10_000, 1),
      1,
    ),
  }
}

/** A general endpoint gets the path of traces; one of traces is taken as it is. */
function targetOf(env: Env, url: string | undefined): string | undefined {
  const own = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
  if (url === undefined && own) return checkUrl('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', own).href
  const general = url ?? env.OTEL_EXPORTER_OTLP_ENDPOINT
  if (!general) return undefined
  const at = checkUrl(url === undefined ? 'OTEL_EXPORTER_OTLP_ENDPOINT' : '--otlp', general)
  if (!at.pathname.endsWith('/v1/traces')) at.pathname = `${at.pathname.replace(/\/$/, '')}/v1/traces`
  return at.href
}

function checkUrl(name: string, text: string): URL {
  const url = URL.parse?.(text) ?? parsed(text)
  if (url && /^https?:$/.test(url.protocol)) return url
  throw settingError(name, 'an address that begins with http:// or https://', text)
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}

/** JSON goes where protobuf goes over HTTP, to the same port; gRPC is another port. */
function checkProtocol(env: Env): void {
  const name = 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'
  const got = env[name] ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? 'http/json'
  if (got === 'grpc') throw settingError(name, 'http/json, to the port of OTLP over HTTP (4318)', got)
}

function samplerOf(env: Env): { heedsParent: boolean; share: number } {
  const name = env.OTEL_TRACES_SAMPLER || 'parentbased_traceidratio'
  const sampler = SAMPLERS[name]
  if (!sampler) throw settingError('OTEL_TRACES_SAMPLER', `one of ${Object.keys(SAMPLERS).join(', ')}`, name)
  const text = env.OTEL_TRACES_SAMPLER_ARG
  const share = text === undefined || text === '' ? SHARE : Number(text)
  if (!(share >= 0 && share <= 1)) throw settingError('OTEL_TRACES_SAMPLER_ARG', 'a share from 0 to 1', text)
  return { heedsParent: sampler.heedsParent, share: sampler.share ?? share }
}

function resourceOf(env: Env, version: string): TraceSettings['resource'] {
  const given = pairsOf(env, 'OTEL_RESOURCE_ATTRIBUTES')
  const name = env.OTEL_SERVICE_NAME || given['service.name'] || 'millrace'
  return {
    attributes: {
      'telemetry.sdk.name': 'millrace',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': version,
      'service.version': version,
      ...given,
      'service.name': name,
    },
    scope: { name: 'millrace', version },
  }
}

function compressionOf(env: Env): 'none' | 'gzip' {
  const got = env.OTEL_EXPORTER_OTLP_TRACES_COMPRESSION || env.OTEL_EXPORTER_OTLP_COMPRESSION || 'none'
  if (got === 'none' || got === 'gzip') return got
  throw settingError('OTEL_EXPORTER_OTLP_COMPRESSION', 'none or gzip', got)
}

/** `a=1,b=2`, values in percent-encoding. */
function pairsOf(env: Env, name: string): Record<string, string> {
  const text = env[name]?.trim() ?? ''
  const pieces = text === '' ? [] : text.split(',').filter((piece) => piece.trim() !== '')
  return Object.fromEntries(
    pieces.map((piece) => {
      const at = piece.indexOf('=')
      if (at < 1) throw settingError(name, 'pairs such as a=1,b=2', piece)
      return [piece.slice(0, at).trim(), decoded(name, piece.slice(at + 1).trim())]
    }),
  )
}

function decoded(name: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw settingError(name, 'values in percent-encoding', text)
  }
}

function numberOf(env: Env, name: string, fallback: number, min: number): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (Number.isInteger(value) && value >= min) return value
  throw settingError(name, `a whole number from ${min}`, text)
}

function settingError(name: string, need: string, got: string | undefined): MillraceError {
  return new MillraceError('MR_TRACE_SETTING', { name, need, got: String(got).slice(0, 64) })
}
