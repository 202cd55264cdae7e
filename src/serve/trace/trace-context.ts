/** W3C Trace Context, level 1: the header fields `traceparent` and `tracestate`. https://www.w3.org/TR/trace-context-1/ */

export interface TraceParent {
  /** 32 hex digits. */
  traceId: string
  /** 16 hex digits: the span of whoever asks. */
  spanId: string
  isSampled: boolean
}

const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)
/** Characters of `tracestate` that are passed on; a longer one is left out whole, as a part of it would lie. */
const STATE_CHARS_MAX = 512

/**
 * Reads `traceparent`. Undefined where it is not one: wrong length or digits, ids of zeros, version ff. Versions that are not known yet are read by what version 00 has, as the recommendation
 * asks for (section 4.3).
 */
export function readTraceparent(header: string | string[] | undefined): TraceParent | undefined {
  if (typeof header !== 'string') return undefined
  const [, version, traceId, spanId, flags, more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header.trim()) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function traceparentText({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** `tracestate` as it is passed on: several fields as one, in their order. */
export function readTracestate(header: string | string[] | undefined): string | undefined {
  const text = [header ?? []].flat().join(',').trim()
  return text === '' || text.length > STATE_CHARS_MAX ? undefined : text
}
