/**
 * Spans on their way to a collector: they wait in a bounded queue, go in batches, and are dropped and counted rather than held when the collector is away. Nothing here delays or fails a request.
 *
 * The exporter is `idle`, `waiting` (spans are there, a timer runs), or `sending` (a batch is under way, or waits to be tried again). One batch is under way at a time. A batch is tried again after
 * an answer that asks for it (429, 502, 503, 504) and after none, with twice the pause each time; after `triesMax`, or any other answer, it is dropped.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { toError } from '../../core/errors.ts'
import type { Gauge } from '../metrics.ts'
import { otlpJson, type Resource } from './otlp-json.ts'
import type { SpanData } from './span.ts'

export interface ExporterOptions {
  url: string
  headers: Record<string, string>
  resource: Resource
  compression: 'none' | 'gzip'
  /** Pause between batches, spans that wait, spans of a batch, and time that a collector may take. */
  delayMs: number
  queueMax: number
  batchMax: number
  timeoutMs: number
  /** What is told when a collector does not take spans, once until it does again. */
  onFault: (error: Error) => void
  /** Pause before a batch is tried again. Default 1,000. */
  retryMs?: number
}

const TRIES_MAX = 5
const RETRY_MS = 1_000
const RETRYABLE = new Set([429, 502, 503, 504])
const packed = promisify(gzip)

export class SpanExporter {
  readonly #options: ExporterOptions
  readonly #closing = new AbortController()
  #queue: SpanData[] = []
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #isFaulty = false
  exported = 0
  dropped = 0

  constructor(options: ExporterOptions) {
    this.#options = options
  }

  add(spans: readonly SpanData[]): void {
    const { queueMax, batchMax, delayMs } = this.#options
    const room = Math.max(0, queueMax - this.#queue.length)
    this.#queue.push(...spans.slice(0, room))
    this.dropped += Math.max(0, spans.length - room)
    if (this.#queue.length >= batchMax) this.#send()
    else if (this.#timer === undefined && this.#sending === undefined) {
      this.#timer = setTimeout(() => this.#send(), delayMs)
      this.#timer.unref()
    }
  }

  /** Sends what waits, each batch once, and ends. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#closing.abort()
    await this.#sending
    while (this.#queue.length > 0) await this.#sendBatch(this.#take())
  }

  gauges(): Gauge[] {
    return [
      {
        name: 'millrace_spans_exported_total',
        type: 'counter',
        help: 'Spans that the collector took.',
        value: () => this.exported,
      },
      {
        name: 'millrace_spans_dropped_total',
        type: 'counter',
        help: 'Spans given up: the queue was full, or the collector did not take them.',
        value: () => this.dropped,
      },
    ]
  }

  #take(): SpanData[] {
    return this.#queue.splice(0, this.#options.batchMax)
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#sending) return
    this.#sending = this.#sendBatch(this.#take()).finally(() => {
      this.#sending = undefined
      if (this.#queue.length > 0 && !this.#closing.signal.aborted) this.add([])
    })
  }

  async #sendBatch(batch: SpanData[]): Promise<void> {
    const { retryMs = RETRY_MS } = this.#options
    for (let tries = 1; ; tries++) {
      const result = await this.#post(batch)
      if (result.kind === 'taken') {
        this.exported += batch.length - result.rejected
        this.dropped += result.rejected
        this.#isFaulty = false
        return
      }
      const again = result.isRetryable && tries < TRIES_MAX && !this.#closing.signal.aborted
      if (!this.#isFaulty) this.#options.onFault(result.error)
      this.#isFaulty = true
      if (!again) break
      const { signal } = this.#closing
      await sleep(retryMs * 2 ** (tries - 1), undefined, { signal, ref: false }).catch(() => undefined)
    }
    this.dropped += batch.length
  }

  async #post(batch: readonly SpanData[]): Promise<Posted> {
    const { url, headers, resource, compression, timeoutMs } = this.#options
    const text = otlpJson(batch, resource)
    const isPacked = compression === 'gzip'
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(isPacked && { 'content-encoding': 'gzip' }),
          ...headers,
        },
        body: isPacked ? new Uint8Array(await packed(text)) : text,
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      })
      const said = await answer.text()
      if (answer.ok) return { kind: 'taken', rejected: rejectedOf(said, batch.length) }
      const error = new Error(`${url} answered ${answer.status} to spans: ${said.slice(0, 200)}`)
      return { kind: 'refused', isRetryable: RETRYABLE.has(answer.status), error }
    } catch (thrown) {
      const { message, cause } = toError(thrown)
      const why = cause instanceof Error ? cause.message : message
      return { kind: 'refused', isRetryable: true, error: new Error(`${url} does not take spans: ${why}`) }
    }
  }
}

type Posted = { kind: 'taken'; rejected: number } | { kind: 'refused'; isRetryable: boolean; error: Error }

/** Spans that a collector says it did not take, of a batch that it took. */
function rejectedOf(said: string, max: number): number {
  try {
    const { partialSuccess } = JSON.parse(said) as { partialSuccess?: { rejectedSpans?: string | number } }
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0)
    return Number.isInteger(rejected) ? Math.min(max, Math.max(0, rejected)) : 0
  } catch {
    return 0
  }
}
