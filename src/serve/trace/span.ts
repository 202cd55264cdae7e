/** One request that is traced: a span with its parts, from times that are taken anyway. Requests that are not traced have none. */
import { randomBytes } from 'node:crypto'
import { type TraceParent, traceparentText } from './trace-context.ts'

export type Attributes = Record<string, string | number | boolean>

/** As the protocol numbers them. */
export const KIND = { internal: 1, server: 2 } as const
export const STATUS = { unset: 0, error: 2 } as const

export interface SpanData {
  traceId: string
  spanId: string
  parentSpanId?: string
  traceState?: string
  name: string
  kind: (typeof KIND)[keyof typeof KIND]
  /** Nanoseconds since 1970. */
  beginNs: bigint
  endNs: bigint
  attributes: Attributes
  isError: boolean
}

export interface SpanOptions {
  parent?: TraceParent
  state?: string
  /** Takes the spans when the request has ended. */
  onEnd: (spans: SpanData[]) => void
}

/** Parts of one request at most; what explains a thousand rows does not make a thousand spans. */
const PARTS_MAX = 64

const POOL_BYTES = 4_096
let pool = Buffer.alloc(0)
let used = 0

/** Bytes of the system's chance in hex, which is asked for by the kilobyte: eight bytes at a time would cost more than all else of a span. */
function chanceHex(bytes: number): string {
  if (used + bytes > pool.length) {
    pool = randomBytes(POOL_BYTES)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}

const newSpanId = (): string => chanceHex(8)

/** Times are of `performance.now()`, in milliseconds, as everything here that measures takes them. */
export class RequestSpan {
  readonly traceId: string
  readonly spanId = newSpanId()
  readonly attributes: Attributes = {}
  name = ''
  readonly #options: SpanOptions
  readonly #parts: SpanData[] = []
  readonly #beginMs = performance.now()
  /** From `performance.now()` to the wall clock, the same for all of the request. */
  readonly #offsetMs = Date.now() - this.#beginMs
  #isEnded = false

  constructor(options: SpanOptions) {
    this.#options = options
    this.traceId = options.parent?.traceId ?? chanceHex(16)
  }

  /** What is passed on: a trace goes on below this span. */
  get traceparent(): string {
    return traceparentText({ traceId: this.traceId, spanId: this.spanId, isSampled: true })
  }

  /** A part of the request, such as `queue` or `compute`. */
  part(name: string, beginMs: number, endMs: number, attributes: Attributes = {}): void {
    if (this.#parts.length >= PARTS_MAX) return
    const own = { name, kind: KIND.internal, attributes, isError: false }
    this.#parts.push({
      ...this.#placed(beginMs, Math.max(beginMs, endMs)),
      ...own,
      spanId: newSpanId(),
      parentSpanId: this.spanId,
    })
  }

  /** Ends it, once. */
  end({ isError, attributes }: { isError: boolean; attributes: Attributes }): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { parent, onEnd } = this.#options
    const whole: SpanData = {
      ...this.#placed(this.#beginMs, performance.now()),
      ...(parent && { parentSpanId: parent.spanId }),
      spanId: this.spanId,
      name: this.name,
      kind: KIND.server,
      attributes: { ...this.attributes, ...attributes },
      isError,
    }
    onEnd([whole, ...this.#parts])
  }

  #placed(beginMs: number, endMs: number) {
    const { state } = this.#options
    const [beginNs, endNs] = [beginMs, endMs].map((ms) => nanoseconds(this.#offsetMs + ms))
    return { traceId: this.traceId, beginNs, endNs, ...(state !== undefined && { traceState: state }) }
  }
}

/** Whole milliseconds and the rest apart: together they are more than a double holds. */
function nanoseconds(ms: number): bigint {
  const whole = Math.floor(ms)
  return BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6))
}

/** What an answer says of itself. */
export function answerAttributes(of: {
  model: string
  version: number | string
  route: string
  rows: number
}): Attributes {
  return {
    'millrace.model': of.model,
    'millrace.version': String(of.version),
    'millrace.route': of.route,
    'millrace.rows': of.rows,
  }
}
