/** Everything in one process: serving, the API and the console, the follower of the logs and the policy that trains again. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { toError } from '../core/errors.ts'
import { RowStreams, type SealOutcome } from '../data/index.ts'
import type { ResponseCacheDef } from '../define/types.ts'
import { every } from '../engine/every.ts'
import { type Onnx, openOnnx } from '../engine/infer/onnx.ts'
import { explainOnWorker } from '../loop/explain-task.ts'
import { Follower, type Happening } from '../loop/follow.ts'
import { type LineageOptions, LineageSender } from '../loop/lineage/sender.ts'
import { type Checkpoint, type OnlineLearner, onlineLearners } from '../loop/online.ts'
import type { ProgressFeed } from '../loop/progress.ts'
import { type Retrained, retrainIfDue } from '../loop/retrain.ts'
import type { Runtime } from '../loop/runtime.ts'
import { proposeRetiring } from '../loop/unused.ts'
import { Access } from '../serve/access/access.ts'
import { followTokens, readTokens } from '../serve/access/store-tokens.ts'
import type { CacheLimits } from '../serve/kept-answers.ts'
import { onnxGraphs } from '../serve/load-predictor.ts'
import type { MetricAlias } from '../serve/metrics-alias.ts'
import { createServer, type Server } from '../serve/server.ts'
import { TlsFiles, type TlsPaths } from '../serve/tls.ts'
import type { TraceSettings } from '../serve/trace/otel-env.ts'
import { Tracer } from '../serve/trace/tracer.ts'
import { openAlerts, readWatch } from '../watch/record.ts'
import type { WatchState } from '../watch/records.ts'
import { type Actions, loopActions } from './actions.ts'
import { CompareDesk } from './compare-desk.ts'
import { consoleFiles } from './console-files.ts'
import { MergeDesk } from './merge-desk.ts'
import { apiRoutes } from './routes.ts'
import { rowsRoutes } from './rows-routes.ts'
import { TriageDesk } from './triage-desk.ts'

export interface UpOptions {
  host?: string
  port?: number
  /** Port for gRPC, 0 for any free one. Default: the config, else no gRPC. */
  grpcPort?: number
  /** Answers are kept within these limits. Default: the config, else none are. */
  cache?: ResponseCacheDef
  /** Needed off loopback. */
  token?: string
  /** Peers under whose names `/metrics` shows its numbers too. */
  metricAliases?: readonly MetricAlias[]
  /** Where spans of requests go, and of which; see `traceSettings`. Default: nowhere. */
  trace?: TraceSettings
  /** Where lineage goes, by a timer of its own; see `lineageSettings`. Default: nowhere. */
  lineage?: Omit<LineageOptions, 'onFault'>
  /** Certificate, key and authority of clients: paths of PEM files. */
  tls?: TlsPaths
  /** Where the console's progress banner comes from. */
  progress?: ProgressFeed
  /** `timer` polls the logs and retrains by itself; `by-hand` leaves both to the caller (a replay). */
  follow?: 'timer' | 'by-hand'
  /** Whether models that learn online do so by a timer of their own, or when `learn` is called. Default: as `follow`. */
  learn?: 'timer' | 'by-hand'
  /** Whether rows that came one by one become versions by a timer, or when `seal` is called. Default: as `follow`. */
  seal?: 'timer' | 'by-hand'
  onHappening?: (happening: Happening) => void
  onRetrained?: (model: string, result: Retrained) => void
  onLearned?: (checkpoint: Checkpoint) => void
  /** Rows that came one by one have become a version, or were refused. */
  onSealed?: (outcome: SealOutcome) => void
  onFault?: (error: Error) => void
}

export interface Running {
  address: string
  /** `host:port`, where gRPC was asked for. */
  grpcAddress?: string
  server: Server
  /** Follows the logs once; see `Follower.poll`. */
  poll(): Promise<Happening[]>
  /** Lets models that learn online learn from what is new in the logs; see `OnlineLearner.step`. */
  learn(): Promise<Checkpoint[]>
  /** Makes versions of the rows that came one by one and wait. */
  seal(): Promise<SealOutcome[]>
  /** Makes serving look at the releases now. */
  refresh(): Promise<void>
  alertsOpen(): number
  watchState(model: string): Promise<WatchState | undefined>
  close(): Promise<void>
}

const MB = 1024 * 1024

const cacheLimits = ({ mb, entries, ttlMs }: ResponseCacheDef): Partial<CacheLimits> => ({
  ...(mb !== undefined && { bytesMax: mb * MB }),
  ...(entries !== undefined && { entriesMax: entries }),
  ...(ttlMs !== undefined && { ttlMs }),
})

/** How often the logs are followed. */
const POLL_MS = 500
/** How often lineage is sent, and how long a close may wait for what is left of it. */
const LINEAGE_MS = 5_000
const LINEAGE_CLOSE_MS = 2_000
/** How often models that nobody asks are looked for. */
const UNUSED_EVERY_MS = 3_600_000

/** Starts serving what is released in a project's store. Errors: MR_PORT_TAKEN, MR_SERVE_TOKEN_NEEDED, and the store's. */
export async function up(rt: Runtime, options: UpOptions = {}): Promise<Running> {
  const { host = rt.project.serve.host, port = rt.project.serve.port, token } = options
  const { grpcPort = rt.project.serve.grpc, cache = rt.project.serve.cache } = options
  const onFault = (error: Error) => tellFault(options, error)
  const access = new Access({ token, grants: await readTokens(rt.store) })
  const tokens = followTokens(rt.store, access, { onFault })
  const tls = options.tls && new TlsFiles(options.tls, { onFault })
  const tracer = options.trace && new Tracer({ ...options.trace, onFault })
  const policies = new Map(rt.project.models.map(({ name, serve }) => [name, serve?.log]))
  const files = consoleFiles()
  const graphs = servedGraphs()
  const server = createServer({
    store: rt.store,
    onnx: onnxGraphs(graphs.infer),
    clock: rt.clock,
    host,
    port,
    grpcPort,
    access,
    tls,
    tracer,
    metricAliases: options.metricAliases,
    limits: rt.project.limits,
    responseCache: cache && cacheLimits(cache),
    logPolicy: (model) => policies.get(model) ?? {},
    logHashKey: await logHashKey(rt),
    declared: () => rt.project.models.map((m) => m.name),
    isPublic: files.isPublic,
  })
  const { stats } = server.station
  const live = {
    total: () => stats.total(),
    versions: (model: string) => stats.versions(model),
    cost: (model: string) => stats.cost(model),
    workers: () => rt.jobs.workers(),
    startedAt: Date.now(),
    address: '',
    engines: {
      query: 'DuckDB',
      meta: 'SQLite',
      objects: 'files',
      log: 'files',
      infer: 'trees, linear, networks; ONNX Runtime for other graphs',
    },
  }
  apiRoutes(server.fastify, {
    ...{ rt, live, actions: actionsOf(rt, server), progress: options.progress },
    triage: new TriageDesk(rt),
    merges: new MergeDesk(rt),
    compare: new CompareDesk(rt),
    effects: (ask) => explainOnWorker(rt, { ...ask, rows: EFFECT_ROWS, curves: 1 }),
  })
  const streams = new RowStreams(rt, rt.project.datasets, { onFault, onSealed: options.onSealed })
  rowsRoutes(server.fastify, streams, rt.project.limits.bodyBytesMax)
  server.onNotFound((request, reply) => files.handle(request, reply))
  live.address = await server.listen()
  const follower = await Follower.open(rt)
  let alerts = (await openAlerts(rt.store)).length
  const poll = async () => {
    const happenings = await follower.poll()
    if (happenings.some((h) => h.kind === 'release')) await server.refresh()
    if (happenings.some((h) => h.kind === 'window')) alerts = (await openAlerts(rt.store)).length
    for (const happening of happenings) options.onHappening?.(happening)
    return happenings
  }
  const learning = new Learning(rt, server, options)
  const { follow = 'timer', learn = follow } = options
  if (learn === 'timer') learning.start()
  const timer = follow === 'by-hand' ? undefined : new PolicyTimer(rt, poll, server, options)
  if ((options.seal ?? follow) !== 'by-hand') streams.start()
  const stopLineage = startLineage(rt, options)
  return {
    address: live.address,
    grpcAddress: server.grpcAddress(),
    server,
    poll,
    learn: () => learning.turn(),
    seal: () => streams.sealDue({ all: true }),
    refresh: () => server.refresh(),
    alertsOpen: () => alerts,
    watchState: async (model) => (await readWatch(rt.store, model))?.state,
    async close() {
      tokens()
      tls?.stop()
      await Promise.all([timer?.stop(), learning.stop(), streams.close()])
      await stopLineage()
      await server.close()
      await tracer?.close()
      await graphs.close()
    },
  }
}

/** Key of hashed inputs, where a model hashes some: MILLRACE_LOG_KEY, else one that is made once and kept beside the store, for this user alone. */
async function logHashKey({ project, stateDir }: Runtime): Promise<Uint8Array | undefined> {
  if (!project.models.some(({ serve }) => serve && serve.log.hash.length > 0)) return undefined
  const given = process.env.MILLRACE_LOG_KEY
  if (given) return Buffer.from(given)
  const file = join(stateDir, 'log.key')
  try {
    await writeFile(file, randomBytes(32), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return await readFile(file)
}

/** Test rows that the console asks about. */
const EFFECT_ROWS = 500

/** Threads that score ONNX graphs, which begin with the first of them. */
function servedGraphs(): { infer(): Promise<Onnx>; close(): Promise<void> } {
  let pool: Promise<Onnx> | undefined
  return {
    infer: () => {
      pool ??= openOnnx({ workers: Math.max(1, Math.min(4, availableParallelism() - 1)) })
      pool.catch(() => {
        pool = undefined
      })
      return pool
    },
    close: async () => await (await pool?.catch(() => undefined))?.close(),
  }
}

/** The loop's actions, after which serving looks at the releases at once. */
function actionsOf(rt: Runtime, server: Server): Actions {
  const { rollback, promote, acknowledge } = loopActions(rt)
  const then = async <T>(result: Promise<T>): Promise<T> => {
    const done = await result
    await server.refresh()
    return done
  }
  return {
    acknowledge,
    rollback: (model, ask) => then(rollback(model, ask)),
    promote: (model, ask) => then(promote(model, ask)),
  }
}

function tellFault({ onFault }: UpOptions, error: Error): void {
  if (onFault) onFault(error)
  else process.stderr.write(`${error.stack}\n`)
}

/** Lets the models that learn online learn, one turn at a time, apart from the policy: a long training of another model must not hold a stream up. */
class Learning {
  readonly #learners: OnlineLearner[]
  readonly #server: Server
  readonly #options: UpOptions
  readonly #abort = new AbortController()
  #turn: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  constructor(rt: Runtime, server: Server, options: UpOptions) {
    this.#learners = onlineLearners(rt)
    this.#server = server
    this.#options = options
  }

  start(): void {
    if (this.#learners.length === 0) return
    this.#timer = every(POLL_MS, () => this.turn().catch((thrown) => this.#fault(toError(thrown))))
  }

  turn(): Promise<Checkpoint[]> {
    const turn = this.#turn.then(() => this.#once())
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#turn
  }

  async #once(): Promise<Checkpoint[]> {
    const made: Checkpoint[] = []
    for (const learner of this.#learners) made.push(...(await learner.step(this.#abort.signal)))
    if (made.length > 0) await this.#server.refresh()
    for (const checkpoint of made) this.#options.onLearned?.(checkpoint)
    return made
  }

  #fault(error: Error): void {
    if (!this.#abort.signal.aborted) tellFault(this.#options, error)
  }
}

/** Sends lineage by a timer. What is given back sends what is left, for a short while, and stops. */
function startLineage(rt: Runtime, options: UpOptions): () => Promise<void> {
  if (options.lineage === undefined) return async () => {}
  const onFault = (error: Error) => tellFault(options, error)
  const sender = new LineageSender(rt, { ...options.lineage, onFault })
  const stopped = new AbortController()
  const turn = (signal: AbortSignal) => sender.poll(signal).catch((thrown) => onFault(toError(thrown)))
  const timer = every(LINEAGE_MS, () => turn(stopped.signal))
  return async () => {
    clearInterval(timer)
    const deadline = AbortSignal.timeout(LINEAGE_CLOSE_MS)
    stopped.abort()
    await turn(deadline)
  }
}

/** Polls, and trains again when the policy says so, one thing at a time. */
class PolicyTimer {
  readonly #rt: Runtime
  readonly #poll: () => Promise<unknown>
  readonly #server: Server
  readonly #options: UpOptions
  readonly #abort = new AbortController()
  #round: Promise<void> = Promise.resolve()
  #unusedMs = Number.NEGATIVE_INFINITY
  readonly #timer: NodeJS.Timeout

  constructor(rt: Runtime, poll: () => Promise<unknown>, server: Server, options: UpOptions) {
    this.#rt = rt
    this.#poll = poll
    this.#server = server
    this.#options = options
    this.#timer = every(POLL_MS, () => {
      this.#round = this.#once()
      return this.#round
    })
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#abort.abort()
    await this.#round
  }

  async #proposeRetiring(): Promise<void> {
    if (performance.now() - this.#unusedMs < UNUSED_EVERY_MS) return
    this.#unusedMs = performance.now()
    const { stats } = this.#server.station
    for (const { name } of this.#rt.project.models) {
      const asked = [...stats.versions(name).values()].reduce((sum, one) => sum + one.requestsPerSecond, 0)
      await proposeRetiring(this.#rt, name, asked)
    }
  }

  async #once(): Promise<void> {
    try {
      await this.#poll()
      await this.#proposeRetiring()
      for (const model of this.#rt.project.models) {
        const result = await retrainIfDue(this.#rt, model.name, { signal: this.#abort.signal })
        if (!result) continue
        await this.#server.refresh()
        this.#options.onRetrained?.(model.name, result)
      }
    } catch (thrown) {
      if (this.#abort.signal.aborted) return
      tellFault(this.#options, toError(thrown))
    }
  }
}
