/** Which requests are traced, and where their spans go. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Gauge } from '../metrics.ts'
import { SpanExporter } from './exporter.ts'
import type { TraceSettings } from './otel-env.ts'
import { RequestSpan, type SpanData } from './span.ts'
import { readTraceparent, readTracestate } from './trace-context.ts'

export interface TracerOptions extends TraceSettings {
  onFault: (error: Error) => void
  retryMs?: number
}

export class Tracer {
  readonly #exporter: SpanExporter
  readonly #options: TracerOptions

  constructor(options: TracerOptions) {
    this.#options = options
    this.#exporter = new SpanExporter(options)
  }

  /**
   * The span of a request that is to be traced. Whoever asks decides where a `traceparent` came with the request and the sampler heeds it; else a share of the requests is, by
   * chance. Undefined for the others, which cost a look at one header.
   */
  begin(headers: IncomingHttpHeaders): RequestSpan | undefined {
    const { heedsParent, share } = this.#options
    const parent = headers.traceparent === undefined ? undefined : readTraceparent(headers.traceparent)
    const isTraced = parent && heedsParent ? parent.isSampled : Math.random() < share
    if (!isTraced) return undefined
    const state = parent && readTracestate(headers.tracestate)
    return new RequestSpan({ parent, state, onEnd: this.#onEnd })
  }

  gauges(): Gauge[] {
    return this.#exporter.gauges()
  }

  async close(): Promise<void> {
    await this.#exporter.close()
  }

  readonly #onEnd = (spans: SpanData[]): void => this.#exporter.add(spans)
}
