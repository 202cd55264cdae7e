/**
 * Spans as OTLP/HTTP sends them in JSON: the protobuf's JSON with names in lower camel case, ids in hex (not base64), 64-bit integers as decimal text and enums as numbers.
 * https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
import type { Attributes, SpanData } from './span.ts'
import { STATUS } from './span.ts'

export interface Resource {
  attributes: Attributes
  /** What made the spans. */
  scope: { name: string; version: string }
}

export function otlpJson(spans: readonly SpanData[], { attributes, scope }: Resource): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: keyValues(attributes) },
        scopeSpans: [{ scope, spans: spans.map(spanJson) }],
      },
    ],
  })
}

/** Bit 8 says that bit 9 is known: whether the parent is of another process. Bit 0: sampled. */
const FLAGS = { sampled: 0x01, hasRemote: 0x100, isRemote: 0x200 } as const
const SERVER_KIND = 2

function spanJson(span: SpanData): object {
  const { traceId, spanId, parentSpanId, traceState, name, kind, beginNs, endNs, attributes, isError } = span
  const isRemote = kind === SERVER_KIND && parentSpanId !== undefined
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    ...(traceState !== undefined && { traceState }),
    name,
    kind,
    startTimeUnixNano: String(beginNs),
    endTimeUnixNano: String(endNs),
    attributes: keyValues(attributes),
    status: { code: isError ? STATUS.error : STATUS.unset },
    flags: FLAGS.sampled | FLAGS.hasRemote | (isRemote ? FLAGS.isRemote : 0),
  }
}

function keyValues(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }))
}

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value }
}
