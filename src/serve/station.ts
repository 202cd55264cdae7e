/**
 * The life of a request, without the socket: release → route → member → features → score → log → answer.
 *
 * A request asks for its release once and holds it to the end. Its rows are scored before anything is written; a bad row fails the whole
 * request and leaves no trace in the log. The answer leaves after its block is durable (or at once, where the model's log is relaxed). Shadows
 * are asked afterwards: they can neither delay nor fail an answer, and under load their rows are dropped and counted.
 */
import type { Clock } from '../core/clock.ts'
import { excerpt, isMillraceError, MillraceError } from '../core/errors.ts'
import type { Limits } from '../core/limits.ts'
import type { Digest, ModelTask, Observation } from '../core/records.ts'
import type { Store } from '../store/ports.ts'
import { answerKind, type Outputs } from './answers.ts'
import { IdMaker } from './ids.ts'
import { SERVE_LIMITS } from './limits.ts'
import type { LogPolicy } from './log-policy.ts'
import { groupByMember } from './member-groups.ts'
import { ServeMetrics } from './metrics.ts'
import { ModelCache } from './model-cache.ts'
import { PredictionLog } from './prediction-log.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'
import { RecentIds } from './recent-ids.ts'
import { modelsOf, tryRelease } from './release-trial.ts'
import type { CacheTally, ResponseCache } from './response-cache.ts'
import { Retries } from './retries.ts'
import { type LiveRelease, parseAddress, type RoutedBundle, Router, routeFor, shadowsOf } from './router.ts'
import { blockOf, groupsOf, membersOf, type Scored, scoreRows } from './scoring.ts'
import { ServeStats } from './serve-stats.ts'
import { ShadowQueue } from './shadow-queue.ts'
import { answerAttributes, type RequestSpan } from './trace/span.ts'

export interface PredictRequest {
  /** `late`, or `late/ATL` for one member. */
  model: string
  /** Version of the bundle to ask; by default the split decides. */
  version?: string
  rows: readonly RawRow[]
  /** One a row, unique; made when absent. */
  ids?: readonly string[]
  /** What keeps a caller on one route; by default the request's id. */
  key?: string
  requestId?: string
  /** How often the request was asked before under its id, by a client whose answer did not arrive. */
  attempt?: number
  trace?: string
  /** Whose share of the memory the request counts to. */
  tenant?: string
  /** Of a request that is traced. */
  span?: RequestSpan
  explain?: boolean
  /** Class that is explained; by default the likeliest of each row. */
  explainClass?: string
  /** Share from which a yes or no is a yes; by default what the version states, else half. */
  threshold?: number
}

/** Answers of one request: arrays run along its rows, outputs along rows and classes. */
export interface Answers extends Outputs {
  model: string
  version: number
  route: Observation['route']
  requestId: string
  ids: readonly string[]
  members: string[]
  explanations?: Explanation[]
  /** What the response cache had of the rows, where there is one. */
  cached?: CacheTally
}

export interface OutcomeIn {
  id: string
  /** A number, a yes or no, or the label of a class. */
  value: number | boolean | string
  at?: number
}

export interface StationOptions {
  store: Store
  clock: Clock
  limits: Limits
  /** Makes a model ready; runs once a digest, however many ask. */
  load: (digest: Digest) => Promise<Predictor>
  logPolicy?: (model: string) => Partial<LogPolicy>
  /** Key of hashed inputs. */
  logHashKey?: Uint8Array
  /** What was answered before is not computed again. Default: no cache. */
  responses?: ResponseCache
  stats?: ServeStats
  metrics?: ServeMetrics
}

export class Station {
  readonly router: Router
  readonly cache: ModelCache<Predictor>
  readonly log: PredictionLog
  readonly stats: ServeStats
  readonly metrics: ServeMetrics
  readonly limits: Limits
  readonly ids: IdMaker
  readonly #clock: Clock
  readonly #responses: ResponseCache | undefined
  readonly #retries: Retries
  readonly #recent = new RecentIds(SERVE_LIMITS.recentIdsMax)
  readonly #shadows: ShadowQueue

  constructor(options: StationOptions) {
    this.limits = options.limits
    this.#clock = options.clock
    this.#retries = new Retries(options.store.log)
    this.#responses = options.responses
    this.cache = new ModelCache(options.load, options.limits.modelCacheBytesMax)
    this.router = new Router(options.store, {
      prepare: (next, before) => tryRelease(this.cache, next, before),
      onMoved: (next, before) => this.cache.keep(next.release.model, modelsOf(before)),
    })
    this.log = new PredictionLog(options.store.log, {
      recordBytesMax: options.limits.logRecordBytesMax,
      policyOf: options.logPolicy,
      hashKey: options.logHashKey,
    })
    this.stats = options.stats ?? new ServeStats()
    this.metrics = options.metrics ?? new ServeMetrics()
    this.ids = new IdMaker(options.clock)
    this.#shadows = this.#newShadows()
    this.#addGauges()
  }

  /** Reads the refs and follows them from now on. */
  async start(): Promise<void> {
    await this.router.start()
  }

  /** Ends the poll, waits for shadows and the log, and lets models go. */
  async close(): Promise<void> {
    this.router.stop()
    await this.settled()
    this.cache.clear()
  }

  /** Resolves when shadows asked so far are scored and every block is written. */
  async settled(): Promise<void> {
    await this.#shadows.settled()
    await this.log.drained()
  }

  /**
   * Answers a request, each row exactly once, all by one release and one route.
   * Errors: MR_LIMIT (rows), MR_SERVE_BUSY, MR_SERVE_MODEL_UNKNOWN, MR_SERVE_MEMBER_UNKNOWN, MR_SERVE_VERSION_UNKNOWN, MR_SERVE_NO_ROUTE,
   * MR_SERVE_FIELD, MR_SERVE_OUTPUT, MR_SERVE_EXPLAIN, and the store's own for a model that cannot be read or a block that cannot be written.
   */
  async predict(request: PredictRequest): Promise<Answers> {
    return await this.#counted(request.model, async (family, member) => {
      this.#checkRows(request.rows.length)
      const live = await this.router.release(family)
      const answer = () => this.#answer(live, { family, member }, request)
      if (request.requestId === undefined) return await answer()
      return await this.#retries.inTurn(request.requestId, isAgain(request), answer)
    })
  }

  /**
   * Answers the rows of a request in pieces, in their order, all by one release and one route. Each piece is in the log before it is given; what nobody asks for any more is not computed. Rows that
   * are ranked among each other are one piece. Errors: as `predict`, with the first piece that has one.
   */
  async *pieces(request: PredictRequest, rowsEach: number): AsyncGenerator<Answers> {
    const { family, member } = parseAddress(request.model)
    const requestId = request.requestId ?? this.ids.next()
    const live = await this.#counted(request.model, async () => {
      this.#checkRows(request.rows.length)
      return await this.router.release(family)
    })
    const ids = request.ids ?? this.#rowIds(requestId, { ...request, requestId })
    const isWhole = (await this.#taskOf(family)) === 'ranking'
    const each = isWhole ? request.rows.length : rowsEach
    for (let begin = 0; begin < request.rows.length; begin += each) {
      const [rows, own] = [request.rows, ids].map((list) => list.slice(begin, begin + each))
      const piece = { ...request, requestId, rows: rows as RawRow[], ids: own as string[] }
      yield await this.#counted(
        request.model,
        async () => await this.#answer(live, { family, member: member ?? undefined }, piece, begin),
      )
    }
  }

  async #answer(
    live: LiveRelease,
    { family, member }: { family: string; member?: string },
    request: PredictRequest,
    rowBegin = 0,
  ): Promise<Answers> {
    const begunMs = performance.now()
    const requestId = request.requestId ?? this.ids.next()
    const route = routeFor(live, family, request.key ?? requestId, request.version)
    const computeBegunMs = performance.now()
    const scored = await scoreRows(this.cache, {
      route,
      rows: request.rows,
      explain: request.explain,
      explainClass: request.explainClass,
      responses: this.#responses,
      member,
      rowBegin,
    })
    const computeMs = performance.now() - computeBegunMs
    const part = request.explain ? 'explain' : 'compute'
    request.span?.part(part, computeBegunMs, computeBegunMs + computeMs)
    // what was explained or found in a cache says nothing of scoring
    if (!request.explain && !scored.cached?.hits) this.stats.scored(family, request.rows.length, computeMs)
    const ids = request.ids ?? this.#rowIds(requestId, request)
    const { trace } = request
    const groups = groupsOf(scored, requestId)
    const at = this.#clock.now()
    const block = blockOf(scored, { model: family, at, ids, groups, trace, withInputs: true })
    const isLogged = isAgain(request) && (await this.#retries.areLogged(family, ids, route.version))
    if (!isLogged) {
      const logBegunMs = performance.now()
      await this.log.predictions([block])
      request.span?.part('log', logBegunMs, performance.now())
      this.#shadow(family, member, request, ids, shadowsOf(live, route))
    }
    for (const id of ids) this.#recent.add(id)
    if (request.requestId !== undefined) this.#retries.logged(family, ids, route.version)
    this.metrics.ignoredFields += scored.ignored
    const requestMs = performance.now() - begunMs
    this.#answered(family, route, ids.length, { requestMs, computeMs })
    if (request.span) this.#trace(request.span, family, route, { rows: ids.length, requestMs })
    return answersOf(scored, { ...request, model: family, requestId, ids, groups })
  }

  /** Explains rows as the route of the key would answer them. Nothing is logged: it is a question about the model, not a prediction. */
  async explain(request: PredictRequest): Promise<Answers> {
    return await this.#counted(request.model, async (family, member) => {
      this.#checkRows(request.rows.length)
      const live = await this.router.release(family)
      const requestId = request.requestId ?? this.ids.next()
      const route = routeFor(live, family, request.key ?? requestId, request.version)
      const { rows, explainClass } = request
      const responses = this.#responses
      const begunMs = performance.now()
      const scored = await scoreRows(this.cache, {
        route,
        rows,
        explain: true,
        explainClass,
        responses,
        member,
      })
      request.span?.part('explain', begunMs, performance.now())
      const ids = request.ids ?? this.#rowIds(requestId, request)
      return answersOf(scored, {
        ...request,
        model: family,
        requestId,
        ids,
        groups: groupsOf(scored, requestId),
      })
    })
  }

  /**
   * Takes outcomes in, durably. Unknown ids are welcome (the prediction may be of another process or before a restart) and counted;
   * repeated ones too: the join is by id. Shadows of answers given before are written first, so that a pair is whole when its outcome comes.
   */
  async feedback(
    model: string,
    outcomes: readonly OutcomeIn[],
  ): Promise<{ accepted: number; unknown: number }> {
    return await this.#counted(model, async (family) => {
      this.#checkRows(outcomes.length)
      if (!this.router.has(family)) await this.router.release(family)
      const values = outcomeValues(await this.#taskOf(family), outcomes)
      await this.#shadows.settled()
      const at = this.#clock.now()
      const ids = outcomes.map((outcome) => outcome.id)
      const dated = outcomes.some((outcome) => outcome.at !== undefined)
      const ats = dated ? { ats: outcomes.map((outcome) => outcome.at ?? at) } : {}
      await this.log.outcomes({ kind: 'outcomes', model: family, at, ids, values, ...ats })
      const known = ids.reduce((n, id) => n + (this.#recent.has(id) ? 1 : 0), 0)
      this.metrics.outcomesKnown += known
      this.metrics.outcomesUnknown += ids.length - known
      return { accepted: ids.length, unknown: ids.length - known }
    })
  }

  /** The task of what answers; undefined where no model can be read now: outcomes are taken in nevertheless. */
  async #taskOf(family: string): Promise<ModelTask | undefined> {
    return await this.describe(family, ({ task }) => task).catch(() => undefined)
  }

  /** The parent model of the heaviest route: what a model's signature and metadata are read from. */
  async describe<R>(model: string, read: (predictor: Predictor, route: RoutedBundle) => R): Promise<R> {
    const { family, member } = parseAddress(model)
    const live = await this.router.release(family)
    const heaviest = [...live.routes].sort((a, b) => b.weight - a.weight)[0]
    if (!heaviest) throw new MillraceError('MR_SERVE_NO_ROUTE', { model: family, state: live.release.state })
    const [group] = groupByMember(heaviest.record, [], member ?? undefined)
    return await this.cache.with(group?.digest ?? heaviest.record.parent, (predictor) =>
      read(predictor, heaviest),
    )
  }

  async #counted<R>(model: string, work: (family: string, member?: string) => Promise<R>): Promise<R> {
    const { family, member } = parseAddress(model)
    const max = SERVE_LIMITS.requestsInFlightMax
    const begunMs = performance.now()
    try {
      if (this.metrics.requestsInFlight >= max) {
        throw new MillraceError('MR_SERVE_BUSY', { what: 'requests in flight', max, retryAfterS: 1 })
      }
      this.metrics.requestsInFlight++
      try {
        return await work(family, member)
      } finally {
        this.metrics.requestsInFlight--
      }
    } catch (error) {
      this.countError(family, error, (performance.now() - begunMs) / 1000)
      throw error
    }
  }

  /** Counts a failed request by code, under the model's name when it is one of ours; with the seconds that it took, where they are known. */
  countError(family: string, error: unknown, seconds?: number): void {
    const code = isMillraceError(error) ? error.code : 'MR_SERVE_INTERNAL'
    this.metrics.failed(this.router.has(family) ? family : '', code, seconds)
  }

  #checkRows(rows: number): void {
    if (rows === 0)
      throw new MillraceError('MR_SERVE_BODY', {
        where: 'the request',
        need: 'at least one row',
        got: 'none',
      })
    const max = this.limits.requestRowsMax
    if (rows > max)
      throw new MillraceError('MR_LIMIT', { limit: 'requestRowsMax', max, got: rows, unit: 'rows' })
  }

  /** A request of one row is its row; rows of a named request are numbered; others get ids of their own. */
  #rowIds(requestId: string, request: PredictRequest): readonly string[] {
    const nRows = request.rows.length
    if (nRows === 1) return [requestId]
    if (request.requestId === undefined) return this.ids.many(nRows)
    return request.rows.map((_, i) => `${requestId}:${i}`)
  }

  #answered(
    model: string,
    { version, role }: RoutedBundle,
    rows: number,
    { requestMs, computeMs }: { requestMs: number; computeMs: number },
  ): void {
    this.stats.record(model, version, rows, requestMs)
    const timing = { requestS: requestMs / 1000, queueS: 0, computeS: computeMs / 1000 }
    this.metrics.answered(model, version, role, rows, timing)
  }

  #trace(
    { traceId, attributes }: RequestSpan,
    model: string,
    { version, role }: RoutedBundle,
    { rows, requestMs }: { rows: number; requestMs: number },
  ): void {
    Object.assign(attributes, answerAttributes({ model, version, route: role, rows }))
    const exemplar = { traceId, seconds: requestMs / 1000, at: Date.now() }
    this.metrics.traced(model, version, role, exemplar)
  }

  #newShadows(): ShadowQueue {
    return new ShadowQueue({
      write: (block) => this.log.predictions([block]),
      answered: (work, route, seconds) =>
        this.metrics.answered(work.model, route.version, route.role, work.rows, {
          requestS: seconds,
          queueS: 0,
          computeS: seconds,
        }),
      failed: (work, error) => {
        this.metrics.shadowErrors++
        this.countError(work.model, error)
      },
      dropped: (rows) => {
        this.metrics.shadowRowsDropped += rows
      },
    })
  }

  #shadow(
    family: string,
    member: string | undefined,
    request: PredictRequest,
    ids: readonly string[],
    routes: RoutedBundle[],
  ): void {
    const { rows, trace } = request
    const score = async (route: RoutedBundle) => {
      const scored = await scoreRows(this.cache, { route, rows, member })
      return blockOf(scored, { model: family, at: this.#clock.now(), ids, trace, withInputs: false })
    }
    this.#shadows.add({ model: family, routes, rows: rows.length, score })
  }

  #addGauges(): void {
    const add = (name: string, type: 'gauge' | 'counter', help: string, value: () => number) =>
      this.metrics.addGauge({ name: `millrace_${name}`, type, help, value })
    add('model_cache_bytes', 'gauge', 'Bytes of models held ready.', () => this.cache.numbers().bytes)
    add('model_cache_models', 'gauge', 'Models held ready.', () => this.cache.numbers().held)
    add('model_cache_loads_total', 'counter', 'Loads of models.', () => this.cache.numbers().loads)
    add(
      'model_cache_evictions_total',
      'counter',
      'Models let go for room.',
      () => this.cache.numbers().evictions,
    )
    for (const gauge of this.#responses?.kept.gauges('Rows') ?? []) this.metrics.addGauge(gauge)
  }
}

/** Whether what is asked was asked before, under a name of its own. */
const isAgain = ({ attempt = 0, requestId }: PredictRequest): boolean =>
  attempt > 0 && requestId !== undefined

function answersOf(
  scored: Scored,
  {
    model,
    requestId,
    ids,
    groups,
    threshold = scored.threshold,
  }: Pick<Answers, 'model' | 'requestId' | 'ids' | 'groups' | 'threshold'>,
): Answers {
  const { task, classes, outputs, explanations, route, cached } = scored
  const members = membersOf(scored.groups, ids.length)
  const { version, role } = route
  const said = {
    task,
    outputs,
    ...(classes && { classes }),
    ...(groups && { groups }),
    ...(threshold !== undefined && { threshold }),
    ...(cached && { cached }),
  }
  return { model, version, route: role, requestId, ids, members, explanations, ...said }
}

/** Outcomes as the log keeps them. Errors: MR_SERVE_BODY for one that the model cannot take. */
function outcomeValues(task: ModelTask | undefined, outcomes: readonly OutcomeIn[]): (number | string)[] {
  const kind = task && answerKind(task)
  return outcomes.map(({ value }, i) => {
    const taken = kind ? kind.outcome(value) : typeof value === 'boolean' ? Number(value) : value
    if (taken !== undefined) return taken
    const got = typeof value === 'string' ? `string ${excerpt(JSON.stringify(value), 40)}` : `${value}`
    throw new MillraceError('MR_SERVE_BODY', {
      where: `value of outcome ${i}`,
      need: kind?.outcomeNeed ?? 'a number or a label',
      got,
    })
  })
}
