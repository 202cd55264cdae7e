/** Models of others behind the inference protocol. */
import type { Clock } from '../../core/clock.ts'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import { cacheText } from '../http/plain-routes.ts'
import type { CacheLimits } from '../kept-answers.ts'
import { SERVE_LIMITS } from '../limits.ts'
import type { Gauge, ServeMetrics } from '../metrics.ts'
import { labels } from '../metrics-text.ts'
import {
  type AnswerTensor,
  EXPLANATION_OUTPUT,
  type Explained,
  type InferAnswer,
  type InferAsk,
  type ModelDescription,
  type ModelMetadata,
  type ModelStatistics,
  type OipBackend,
  type Repository,
} from '../oip/backend.ts'
import { tensorError } from '../oip/request.ts'
import { rowsIn, sliceRows, withTexts } from '../oip/split-rows.ts'
import { checkTensors } from '../oip/tensor-limits.ts'
import type { CacheTally } from '../response-cache.ts'
import { answerAttributes, type RequestSpan } from '../trace/span.ts'
import type { BatchControl } from './batch-control.ts'
import { sizeOf } from './batch-report.ts'
import { FairFlight } from './fair-flight.ts'
import { answerTensors, checkWanted, feedsOf } from './feeds.ts'
import type { LoaderNumbers } from './model-loader.ts'
import { ModelShelf, type Ready, type ShelfOptions, type Slot } from './model-shelf.ts'
import type { Siblings } from './siblings.ts'
import type { BatchAnswer } from './tensor-batcher.ts'
import { TensorCache } from './tensor-cache.ts'
import type { Tensors } from './tensor-model.ts'

export interface ModelsOptions extends ShelfOptions {
  metrics: ServeMetrics
  clock: Clock
  newId: () => string
  /** Answers are kept within these limits. Default: none are. */
  responseCache?: Partial<CacheLimits>
  siblings?: Siblings
}

interface Answered {
  outputs: AnswerTensor[]
  cached?: CacheTally
}

type Run = BatchAnswer & { cached?: CacheTally }

export class ModelsBackend implements OipBackend {
  readonly extensions = ['binary_tensor_data', 'explain', 'model_repository', 'statistics']
  readonly isByRow = false
  readonly #options: ModelsOptions
  readonly shelf: ModelShelf
  readonly #cache: TensorCache | undefined
  readonly #flight = new FairFlight(SERVE_LIMITS.requestsInFlightMax)

  /** Errors: those of the shelf. */
  constructor(options: ModelsOptions) {
    this.#options = options
    this.shelf = new ModelShelf(options)
    this.#cache = options.responseCache && new TensorCache(options.responseCache)
    this.#addGauges()
  }

  get repository(): Repository {
    const { siblings } = this.#options
    if (!siblings) return this.shelf
    const { load, unload } = siblings
    return { index: (onlyReady) => this.shelf.index(onlyReady), load, unload }
  }

  async modelReady(model: string, version?: string): Promise<void> {
    await this.shelf.ready(this.shelf.slot(model, version))
  }

  async metadata(name: string, version?: string): Promise<ModelMetadata> {
    const { model } = await this.shelf.ready(this.shelf.slot(name, version))
    const versions = this.shelf.slots(name).map((slot) => slot.version.version)
    const { platform, inputs, outputs } = model
    return { name, versions, platform, inputs, outputs }
  }

  async describe(name: string, version?: string): Promise<ModelDescription> {
    const { model } = await this.shelf.ready(this.shelf.slot(name, version))
    return { metadata: await this.metadata(name, version), isExplained: model.explain !== undefined }
  }

  async infer(ask: InferAsk): Promise<InferAnswer> {
    const beganMs = performance.now()
    const { metrics } = this.#options
    let ready: Ready | undefined
    let ended: (() => void) | undefined
    metrics.requestsInFlight++
    try {
      checkInFlight(metrics.requestsInFlight)
      checkTensors(ask.inputs, this.#options.limits)
      ended = this.#flight.enter(this.shelf.tenantOf(ask))
      const held = await this.shelf.hold(ask)
      const { slot } = held
      ready = held.ready
      const answering = this.#answer(held.ready, ask, slot, beganMs)
      const { outputs, cached } = await (ask.explain
        ? this.#withExplanations(held.ready, ask, answering)
        : answering
      ).finally(() => this.shelf.answered(held.ready))
      return {
        model: ask.model,
        version: slot.version.version,
        id: ask.id ?? ask.requestId ?? this.#options.newId(),
        loadMs: held.loadMs,
        ...(cached && { parameters: { cache: cacheText(cached) } }),
        outputs,
      }
    } catch (error) {
      ready?.statistics.failed(performance.now() - beganMs)
      this.failed(ask.model, error, (performance.now() - beganMs) / 1000)
      throw error
    } finally {
      ended?.()
      metrics.requestsInFlight--
    }
  }

  async *stream(ask: InferAsk): AsyncGenerator<InferAnswer> {
    const { model } = await this.shelf.ready(this.shelf.slot(ask.model, ask.version))
    const rows = model.hasRows ? rowsIn(ask.inputs) : undefined
    if (rows === undefined || rows <= 1) {
      yield await this.infer(ask)
      return
    }
    const inputs = withTexts(ask.inputs)
    const rowsEach = Math.min(SERVE_LIMITS.streamRows, model.rowsMax ?? Number.POSITIVE_INFINITY)
    let { version, id } = ask
    for (let begin = 0; begin < rows && !ask.signal?.aborted; begin += rowsEach) {
      const piece = sliceRows(inputs, begin, Math.min(rows, begin + rowsEach))
      const answer = await this.infer({ ...ask, version, id, inputs: piece })
      ;({ version, id } = answer)
      yield answer
    }
  }

  async explain(ask: InferAsk): Promise<Explained> {
    try {
      const held = await this.shelf.hold(ask)
      const { slot, ready } = held
      return await this.#explain(ready, ask)
        .then((explanations) => ({
          model: ask.model,
          version: slot.version.version,
          id: ask.id ?? ask.requestId ?? this.#options.newId(),
          explanations,
        }))
        .finally(() => this.shelf.answered(ready))
    } catch (error) {
      this.failed(ask.model, error)
      throw error
    }
  }

  names(): string[] {
    return this.shelf.found.map(({ name }) => name)
  }

  #addGauges(): void {
    const { metrics } = this.#options
    const add = (
      name: string,
      type: 'gauge' | 'counter',
      help: string,
      value: (numbers: LoaderNumbers) => number,
    ) =>
      metrics.addGauge({
        name: `millrace_models_${name}`,
        type,
        help,
        value: () => value(this.shelf.numbers()),
      })
    for (const gauge of this.#cache?.kept.gauges('Requests') ?? []) metrics.addGauge(gauge)
    add('loaded', 'gauge', 'Models held ready.', ({ held }) => held)
    add(
      'memory_bytes',
      'gauge',
      'Memory of models held ready or being loaded, as measured.',
      ({ bytes }) => bytes,
    )
    add('memory_bytes_max', 'gauge', 'Memory that models may take.', ({ bytesMax }) => bytesMax)
    add('loads_total', 'counter', 'Loads of models.', ({ loads }) => loads)
    add('evictions_total', 'counter', 'Models let go for others.', ({ evictions }) => evictions)
    add('hits_total', 'counter', 'Requests that found their model ready.', ({ hits }) => hits)
    add('misses_total', 'counter', 'Requests that waited for their model.', ({ misses }) => misses)
    this.#addBatchGauges()
    metrics.addGauge({
      ...{ name: 'millrace_models_unused', type: 'gauge', value: () => this.shelf.unused().length },
      help: 'Models that nobody asked for in 30 days of this process: they could be retired.',
    })
    add('loads_waiting', 'gauge', 'Models that wait for their turn to be loaded.', ({ waiting }) => waiting)
  }

  /** Of models that were asked, as far as there may be series. */
  #addBatchGauges(): void {
    const { metrics } = this.#options
    const add = (name: string, type: Gauge['type'], help: string, value: (control: BatchControl) => number) =>
      metrics.addGauge({
        name: `millrace_batch_${name}`,
        type,
        help,
        value: () => Object.fromEntries(this.#asked().map(([label, control]) => [label, value(control)])),
      })
    const rate = (of: 'offered' | 'answered') => (control: BatchControl) =>
      control[of].perSecond(performance.now())
    add('rows', 'gauge', 'Rows that a batch may have now.', (control) => control.batchRows())
    add('offered_rows_per_second', 'gauge', 'Rows asked for a second, lately.', rate('offered'))
    add('answered_rows_per_second', 'gauge', 'Rows answered a second, lately.', rate('answered'))
    add(
      'capacity_rows_per_second',
      'gauge',
      'Rows a second that calls of such batches could answer.',
      capacityOf,
    )
    add(
      'over_total',
      'counter',
      'Answers that took longer than the stated latency.',
      ({ requests }) => requests.over,
    )
    add(
      'refused_total',
      'counter',
      'Requests refused at once, for the stated latency or a full queue.',
      ({ requests }) => requests.refused,
    )
  }

  #asked(): [labels: string, control: BatchControl][] {
    const asked = this.shelf
      .all()
      .flatMap(({ found, version, ready }): [string, BatchControl][] =>
        ready?.batcher.control.cost.isKnown
          ? [[labels({ model: found.name, version: version.version }), ready.batcher.control]]
          : [],
      )
    return asked.slice(0, SERVE_LIMITS.metricSeriesMax)
  }

  admit(model: string, version?: string): void {
    try {
      this.shelf.slot(model, version).ready?.batcher.checkAny()
    } catch (error) {
      this.failed(model, error)
      throw error
    }
  }

  async batching(name: string, version?: string): Promise<object> {
    const slot = this.shelf.slot(name, version)
    const { batcher } = await this.shelf.ready(slot)
    return { model: name, version: slot.version.version, ...batcher.report() }
  }

  failed(model: string, error: unknown, seconds?: number): void {
    const code = isMillraceError(error) ? error.code : 'MR_SERVE_INTERNAL'
    this.#options.metrics.failed(this.shelf.has(model) ? model : '', code, seconds)
  }

  statistics(name?: string, version?: string): ModelStatistics[] {
    const all = () => (name === undefined ? this.shelf.all() : this.shelf.slots(name))
    const slots = name !== undefined && version ? [this.shelf.slot(name, version)] : all()
    return slots.flatMap(({ found, version: { version: own }, ready }) =>
      ready ? [ready.statistics.of(found.name, own)] : [],
    )
  }

  rowsMax(name: string, version?: string): number {
    const { ready } = this.shelf.slot(name, version)
    return ready?.model.hasRows ? (ready.model.rowsMax ?? ready.batcher.rowsMax) : 0
  }

  /** Outputs, and one more with the explanation of each row as JSON. */
  async #withExplanations(ready: Ready, ask: InferAsk, answering: Promise<Answered>): Promise<Answered> {
    const [{ outputs, cached }, explained] = await Promise.all([answering, this.#explain(ready, ask)])
    const data = explained.map(({ explanation }) => JSON.stringify(explanation))
    const explanation = { name: EXPLANATION_OUTPUT, datatype: 'BYTES', shape: [data.length], data }
    return { outputs: [...outputs, explanation], cached }
  }

  async #explain({ model }: Ready, ask: InferAsk): Promise<readonly { explanation: unknown }[]> {
    const { model: name, explainClass, signal } = ask
    const begunMs = performance.now()
    if (!model.explain) throw new MillraceError('MR_SERVE_EXPLAIN_GRAPH', { model: name })
    const { feeds, rows } = feedsOf(model, ask.inputs)
    const max = SERVE_LIMITS.explainedRowsMax
    if (rows > max)
      throw new MillraceError('MR_LIMIT', { limit: 'explainedRowsMax', max, got: rows, unit: 'rows' })
    const explained = await model.explain(feeds, { model: name, explainClass, signal })
    ask.span?.part('explain', begunMs, performance.now())
    return explained
  }

  async #answer(ready: Ready, ask: InferAsk, slot: Slot, beganMs: number): Promise<Answered> {
    const { model, statistics } = ready
    checkWanted(model, ask.outputs)
    const { feeds, rows } = feedsOf(model, ask.inputs)
    const { requestRowsMax } = this.#options.limits
    if (rows > requestRowsMax)
      throw new MillraceError('MR_LIMIT', {
        limit: 'requestRowsMax',
        max: requestRowsMax,
        got: rows,
        unit: 'rows',
      })
    if (model.rowsMax !== undefined && rows > model.rowsMax)
      throw tensorError(
        model.inputs[0].name,
        `at most ${model.rowsMax} rows, as its configuration says`,
        `${rows}`,
      )
    const inputMs = performance.now() - beganMs
    const { outputs, queueMs, runMs, cached } = await this.#outputs(ready, ask, feeds, rows)
    const answer = answerTensors(model, outputs, ask.outputs)
    const begunMs = beganMs + inputMs + queueMs
    ask.span?.part('queue', beganMs + inputMs, begunMs)
    ask.span?.part('compute', begunMs, begunMs + runMs)
    const totalMs = performance.now() - beganMs
    const spent = {
      input: inputMs,
      queue: queueMs,
      compute: runMs,
      output: Math.max(0, totalMs - inputMs - queueMs - runMs),
    }
    statistics.answered(rows, spent, this.#options.clock.now())
    this.#options.metrics.answered(ask.model, slot.version.version, 'live', rows, {
      requestS: totalMs / 1000,
      queueS: queueMs / 1000,
      computeS: runMs / 1000,
    })
    if (ask.span) this.#trace(ask.span, { model: ask.model, version: slot.version.version, rows, totalMs })
    return { outputs: answer, cached }
  }

  /** What is kept of the same request, or what the model gives. */
  async #outputs(ready: Ready, ask: InferAsk, feeds: Tensors, rows: number): Promise<Run> {
    const { batcher, model, statistics } = ready
    const { cameMs: sinceMs, deadlineMs, signal } = ask
    const run = () => batcher.infer({ feeds, rows, sinceMs, deadlineMs, signal })
    if (!this.#cache) return await run()
    const begunMs = performance.now()
    const key = this.#cache.keyOf(model, feeds)
    const outputs = this.#cache.find(key)
    statistics.looked(outputs !== undefined, performance.now() - begunMs)
    if (outputs) return { outputs, queueMs: 0, runMs: 0, cached: { hits: rows, misses: 0 } }
    const answer = await run()
    this.#cache.keep(key, answer.outputs)
    return { ...answer, cached: { hits: 0, misses: rows } }
  }

  #trace(
    { traceId, attributes }: RequestSpan,
    { model, version, rows, totalMs }: { model: string; version: string; rows: number; totalMs: number },
  ): void {
    Object.assign(attributes, answerAttributes({ model, version, route: 'live', rows }))
    this.#options.metrics.traced(model, version, 'live', { traceId, seconds: totalMs / 1000, at: Date.now() })
  }
}

function capacityOf(control: BatchControl): number {
  const rows = control.batchRows()
  return sizeOf(rows, control.cost.costMs(rows), control.settings.concurrency).rowsPerSecond
}

function checkInFlight(requests: number): void {
  const max = SERVE_LIMITS.requestsInFlightMax
  if (requests > max)
    throw new MillraceError('MR_SERVE_BUSY', { what: 'the server (requests)', max, retryAfterS: 1 })
}
