/**
 * Several processes that serve the same models on one port.
 *
 * The primary accepts connections and hands each to the worker that has the fewest of its kind, so that clients that keep theirs are spread evenly. It reads none of their bytes.
 * A worker that ends is replaced by a spare that waits for it with its models loaded, as far as they take little; where there is none, at once the first time and with growing pauses
 * where it ends again soon. The connections that it had not taken yet go to another. What is asked of one worker about all (metrics, readiness, loading by name) is answered by the primary.
 */
import { assert, MillraceError } from '../../core/errors.ts'
import { findModels } from '../../model/repository/find.ts'
import type { Found } from '../../model/repository/found.ts'
import { Access } from '../../serve/access/access.ts'
import { checkBinding } from '../../serve/http/guard.ts'
import { SERVE_LIMITS } from '../../serve/limits.ts'
import type { ModelMetadata } from '../../serve/oip/backend.ts'
import { HOSTS_HELP } from '../../serve/placement/placement.ts'
import type { Host } from '../../serve/placement/rendezvous.ts'
import { selfOf } from '../join-hosts.ts'
import { type Door, openDoor } from './door.ts'
import { MergedMetrics } from './merge-metrics.ts'
import {
  type Ask,
  type Readiness,
  raisedError,
  type SentError,
  type Wire,
  type WorkerOptions,
} from './messages.ts'
import { RateDealer } from './rate-dealer.ts'
import type { Share } from './shares.ts'
import { type Handed, Worker, type WorkerEvents } from './worker.ts'

export interface PrimaryOptions extends Omit<WorkerOptions, 'found'> {
  workers: number
  /** Of each worker. */
  share: (worker: number) => Share
}

/** How often workers are looked at. */
const LOOK_MS = 200
/** A worker that says nothing for so long gets no connections, and readiness says so. */
const SILENT_MS = 800
/** A worker that says nothing for so long is ended and replaced. */
const HUNG_MS = 5_000
/** First pause before a worker that ended soon is replaced; each after it is twice as long, up to the last: a short one where it had taken connections, a long one where it cannot start. */
const PAUSE_MS = 100
const PAUSE_MS_MAX = { wasUp: 800, never: 30_000 }
/** A worker that lived so long ended for a reason of its own. */
const SOON_MS = 10_000
/** How long one that is asked may take for its metrics. */
const ASK_MS = 1_000
/** A replacement takes connections when it has loaded what was loaded, or after so long. */
const WARM_MS = 1_500
/** Time from one spare to the next at least: as fast processes are made where they end again and again. */
const SPARE_MS = 1_000
/** What models of the spare may take beside the shares of those that answer: what is left it loads when it is given a place. */
const SPARE_BYTES_MAX = 64 * 1024 * 1024
/** Spares, and for so long after one was needed: where processes end one soon after the other, the next is not waited for. */
const SPARES = { calm: 1, needed: 2 } as const
const SPARES_NEEDED_MS = 60_000
/** Time from one deal of rates to the next. */
const DEAL_MS = 100
/** Connections that wait for a worker where there is none, and how long. */
const WAITING_MAX = 1_024
const WAITING_MS = 10_000

const WIRES = ['http', 'grpc'] as const

interface Place {
  worker?: Worker
  /** Times in a row that it ended soon. */
  soon: number
  /** Why there is none now, or why the one that there is does not take connections yet. */
  why: string
  timer?: NodeJS.Timeout
}

interface Act {
  what: 'load' | 'unload'
  model: string
}

interface Waiting extends Handed {
  sinceMs: number
}

export class Primary {
  readonly #options: PrimaryOptions
  readonly #places: Place[]
  readonly #merged = new MergedMetrics()
  readonly #dealer = new RateDealer()
  readonly #doors: Partial<Record<Wire, Door>> = {}
  #found: Found
  /** Hosts that models are placed on, where this is one of several that come and go. */
  #hosts: readonly Host[] | undefined
  /** This host's address among several. */
  #self: string | undefined
  /** What was done last by name to a model, and as the how-manieth: a worker that starts meanwhile, or after an unload, does it too. */
  readonly #acts = new Map<string, Act & { seq: number }>()
  #actSeq = 0
  #turn: Promise<unknown> = Promise.resolve()
  readonly #waiting: Waiting[] = []
  /** How many acts by name had been done when a worker was made. */
  readonly #since = new WeakMap<Worker, number>()
  /** Oldest first. */
  readonly #spares: Worker[] = []
  #spareMs = Number.NEGATIVE_INFINITY
  /** When a process last ended by itself. */
  #goneMs = Number.NEGATIVE_INFINITY
  #replaced = 0
  #next = 0
  #isWarm = false
  #closing: Promise<void> | undefined
  #looking: NodeJS.Timeout | undefined
  #dealing: NodeJS.Timeout | undefined
  #lookedMs = performance.now()
  #onLoaded: ((model: string, error?: SentError) => void) | undefined

  /** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME. */
  constructor(options: PrimaryOptions) {
    this.#options = options
    this.#self = options.self
    this.#found = findModels(options.path)
    this.#places = Array.from({ length: options.workers }, () => ({ soon: 0, why: 'is being started' }))
  }

  get found(): Found {
    return this.#found
  }

  /** Starts the workers, then takes connections. Gives the addresses. Errors: MR_PORT_TAKEN, MR_SERVE_TOKEN_NEEDED, what keeps a worker from starting. */
  async listen(): Promise<{ address: string; grpcAddress?: string }> {
    const { host = '127.0.0.1', port = 8080, grpcPort, token, tokensFile } = this.#options
    checkBinding(host, new Access({ token, isClosed: tokensFile !== undefined }))
    this.#doors.http = await openDoor(host, port, (socket) => this.#place({ socket, wire: 'http' }))
    if (grpcPort !== undefined)
      this.#doors.grpc = await openDoor(host, grpcPort, (socket) => this.#place({ socket, wire: 'grpc' }))
    if (this.#options.join !== undefined) this.#self = selfOf(this.#options, this.#doors.http.address)
    await Promise.all(this.#places.map((_, place) => this.#firstStart(place)))
    this.#looking = setInterval(() => this.#look(), LOOK_MS)
    this.#dealing = setInterval(() => this.#deal(), DEAL_MS)
    const { http, grpc } = this.#doors
    assert(http, 'it listens')
    return {
      address: `${this.#options.tls ? 'https' : 'http'}://${http.address}`,
      grpcAddress: grpc?.address,
    }
  }

  /** Loads what there is in all workers. `onLoaded` is told of a model when all of them have it, or one cannot. */
  async load(onLoaded?: (model: string, error?: MillraceError) => void): Promise<void> {
    this.#isWarm = true
    const left = new Map<string, number>()
    this.#onLoaded = (model, sent) => {
      const n = (left.get(model) ?? this.#up().length) - 1
      if (n < 0) return
      left.set(model, sent ? -1 : n)
      if (sent) onLoaded?.(model, raisedError(sent))
      else if (n === 0) onLoaded?.(model)
    }
    await this.#all({ what: 'load-all' }).catch(() => undefined)
    this.#onLoaded = undefined
  }

  async metadata(model: string): Promise<ModelMetadata> {
    const [worker] = this.#up()
    if (!worker) throw new MillraceError('MR_SERVE_WORKER', { why: 'there is none' })
    return await worker.calls.ask({ what: 'metadata', model })
  }

  readiness(): Readiness {
    const up = this.#places.flatMap(({ worker }) => (worker && isWell(worker) ? [worker] : []))
    const problems = this.#places.flatMap((place, i) => {
      const why = problemOf(place)
      return why === undefined ? [] : [`worker ${i} ${why}`]
    })
    const models = Object.assign({}, ...up.map(({ health }) => health.models)) as Record<string, string>
    const threads = this.#places.flatMap(({ worker }, i) =>
      (worker?.health.threads ?? []).map((why) => `worker ${i}: ${why}`),
    )
    const isReady = problems.length + threads.length + Object.keys(models).length === 0
    return {
      ready: this.#closing === undefined && isReady,
      models,
      threads,
      workers: { alive: up.length, wanted: this.#places.length, problems },
    }
  }

  /** Takes no new connections, lets the workers answer what is under way, and ends them. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** This host's address among several, where it is one of them; by what it listens on once it does. */
  get self(): string | undefined {
    return this.#self
  }

  /** The hosts that there are from now on. The workers are told, as those that come later are: none needs to ask by itself. */
  replaceHosts(hosts: readonly Host[]): void {
    this.#hosts = hosts
    for (const worker of this.#workers()) worker.placeOn(hosts)
  }

  /** Process ids of the workers that there are. */
  pids(): number[] {
    return this.#places.flatMap(({ worker }) => worker?.pid ?? [])
  }

  // ------------------------------------------------------------ connections

  /** Gives a connection to the worker with the fewest; it waits where there is none. */
  #place(handed: Handed, sinceMs = performance.now()): void {
    const worker = this.#fewest(handed.wire)
    if (worker) worker.hand(handed)
    else if (this.#closing || this.#waiting.length >= WAITING_MAX) handed.socket.destroy()
    else this.#waiting.push({ ...handed, sinceMs })
  }

  /** Of several that have as few, the one whose turn it is. */
  #fewest(wire: Wire): Worker | undefined {
    let best: Worker | undefined
    const { length } = this.#places
    for (let i = 0; i < length; i++) {
      const { worker } = this.#places[(this.#next + i) % length]
      if (!worker || !isWell(worker)) continue
      if (!best || worker.connections(wire) < best.connections(wire)) best = worker
    }
    this.#next = (this.#next + 1) % length
    return best
  }

  #placeWaiting(): void {
    const nowMs = performance.now()
    for (const { sinceMs, ...handed } of this.#waiting.splice(0)) {
      if (nowMs - sinceMs > WAITING_MS) handed.socket.destroy()
      else this.#place(handed, sinceMs)
    }
  }

  // ------------------------------------------------------------ workers

  /** With those that wait for a place. */
  #workers(): Worker[] {
    return [...this.#places.flatMap(({ worker }) => worker ?? []), ...this.#spares]
  }

  #up(): Worker[] {
    return this.#places.flatMap(({ worker }) => (worker?.state === 'up' ? [worker] : []))
  }

  /** Errors: what keeps it from starting. */
  #firstStart(place: number): Promise<void> {
    return new Promise((resolve, reject) => this.#start(place, resolve, reject))
  }

  /** By the spare, where there is one. */
  #start(i: number, onUp?: () => void, onFailed?: (error: Error) => void): void {
    const place = this.#places[i]
    const welcome = (worker: Worker) => void this.#welcome(place, worker).then(onUp)
    const events = (worker: Worker): WorkerEvents => ({
      onStarted: () => welcome(worker),
      onGone: (why, handed, error) => {
        onFailed?.(error ? raisedError(error) : goneError(why))
        this.#gone(i, why)
        for (const one of handed) this.#place(one)
      },
      onLoaded: (model, error) => this.#onLoaded?.(model, error),
      onRates: (uses) => this.#dealer.heard(worker.pid ?? 0, uses, this.pids(), performance.now()),
      onAsk: (ask) => this.#answer(ask),
    })
    const worker = this.#takeSpare() ?? this.#fork(i)
    place.worker = worker
    worker.events = events(worker)
    worker.startedMs = performance.now()
    if (worker.hasStarted) welcome(worker)
  }

  #fork(i: number): Worker {
    const { workers: _, share, ...options } = this.#options
    const nobody = {
      onStarted: nothing,
      onGone: nothing,
      onLoaded: nothing,
      onRates: nothing,
      onAsk: (ask: Ask) => this.#answer(ask),
    }
    const self = this.#self
    const worker = new Worker({ ...options, ...share(i), self, found: this.#found }, nobody)
    this.#since.set(worker, this.#actSeq)
    if (this.#hosts) worker.placeOn(this.#hosts)
    return worker
  }

  /** The spare that has come furthest. */
  #takeSpare(): Worker | undefined {
    const spares = this.#spares
    const best =
      spares.find(({ isWarm }) => isWarm) ?? spares.find(({ hasStarted }) => hasStarted) ?? spares[0]
    if (best) spares.splice(spares.indexOf(best), 1)
    return best
  }

  /** Processes that have read everything, and small models, so that one that ends is replaced without waiting for that. */
  #keepSpares(): void {
    const nowMs = performance.now()
    const wanted = nowMs - this.#goneMs < SPARES_NEEDED_MS ? SPARES.needed : SPARES.calm
    if (this.#spares.length > wanted) this.#spares.shift()?.close()
    if (this.#spares.length >= wanted || this.#closing || nowMs - this.#spareMs < SPARE_MS) return
    if (this.#places.some(({ worker }) => worker?.state !== 'up')) return
    const spare = this.#fork(0)
    this.#spares.push(spare)
    this.#spareMs = nowMs
    const bytesMax = SPARE_BYTES_MAX
    spare.events = {
      ...spare.events,
      onStarted: () => {
        const loaded = this.#isWarm ? spare.calls.ask({ what: 'load-all', bytesMax }) : Promise.resolve()
        loaded.then(() => {
          spare.isWarm = true
        }, nothing)
      },
      onGone: () => {
        const at = this.#spares.indexOf(spare)
        if (at >= 0) this.#spares.splice(at, 1)
      },
    }
  }

  /** What they found is not what is served any more. Others are made a while after the last change. */
  #dropSpares(): void {
    for (const spare of this.#spares.splice(0)) spare.kill('was made before models were loaded')
    this.#spareMs = performance.now()
  }

  /** A worker that has started does what was done by name since, and loads what the others have, before it takes connections. */
  async #welcome(place: Place, worker: Worker): Promise<void> {
    const since = this.#since.get(worker) ?? 0
    for (const { what, model, seq } of [...this.#acts.values()])
      if (seq > since || what === 'unload') await worker.calls.ask({ what, model }).catch(() => undefined)
    if (this.#isWarm) {
      const loaded = worker.calls.ask({ what: 'load-all' }).catch(() => undefined)
      await Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, WARM_MS).unref())])
    }
    if (worker.state !== 'starting') return
    worker.state = 'up'
    worker.upMs = performance.now()
    place.why = ''
    if (this.#closing) return worker.close()
    this.#placeWaiting()
    if (this.#isWarm) this.#keepSpares()
  }

  #gone(i: number, why: string): void {
    const place = this.#places[i]
    const { worker } = place
    place.worker = undefined
    if (worker) this.#merged.retire(worker.metrics)
    if (this.#closing || !worker) return
    this.#replaced++
    this.#goneMs = performance.now()
    place.soon = performance.now() - worker.startedMs < SOON_MS ? place.soon + 1 : 0
    const mostMs = PAUSE_MS_MAX[worker.upMs === undefined ? 'never' : 'wasUp']
    const isAtHand = place.soon < 2 || this.#spares.some(({ hasStarted }) => hasStarted)
    const pauseMs = isAtHand ? 0 : Math.min(mostMs, PAUSE_MS * 2 ** (place.soon - 2))
    place.why = `${why} and is being replaced`
    place.timer = setTimeout(() => {
      if (!this.#closing) this.#start(i)
    }, pauseMs)
  }

  /** Ends workers that hang, unless it was this process that stood still. */
  #look(): void {
    const nowMs = performance.now()
    const isLate = nowMs - this.#lookedMs > SILENT_MS
    this.#lookedMs = nowMs
    this.#placeWaiting()
    if (isLate) return
    this.#keepSpares()
    for (const { worker } of this.#places)
      if (worker && nowMs - worker.beatMs > HUNG_MS && worker.state === 'up')
        worker.kill(`said nothing for ${HUNG_MS} ms`)
  }

  /** Rates of tokens hold for all workers together: each gets the part that it was asked for. */
  #deal(): void {
    const dealt = this.#dealer.deal(this.pids(), performance.now())
    for (const { worker } of this.#places) {
      const parts = worker?.pid === undefined ? undefined : dealt.get(worker.pid)
      if (parts) worker?.deal(parts)
    }
  }

  // ------------------------------------------------------------ of all

  async #answer(ask: Ask): Promise<unknown> {
    if (ask.what === 'metrics') return await this.#metrics()
    if (ask.what === 'readiness') return this.readiness()
    assert(ask.what === 'load' || ask.what === 'unload', 'nothing else is asked of all')
    const act = { what: ask.what, model: ask.model }
    const done = this.#turn.then(() => this.#act(act))
    this.#turn = done.catch(() => undefined)
    return await done
  }

  async #metrics(): Promise<string> {
    const workers = this.#up()
    await Promise.all(
      workers.map(async (worker) => {
        worker.metrics = await worker.calls.ask({ what: 'metrics' }, ASK_MS).catch(() => worker.metrics)
      }),
    )
    const own = [
      '# HELP millrace_workers Processes that answer.',
      '# TYPE millrace_workers gauge',
      `millrace_workers ${workers.length}`,
      '# HELP millrace_workers_spare Processes that wait for one to end, with small models loaded.',
      '# TYPE millrace_workers_spare gauge',
      `millrace_workers_spare ${this.#spares.filter(({ isWarm }) => isWarm).length}`,
      '# HELP millrace_workers_replaced_total Processes that ended and were replaced.',
      '# TYPE millrace_workers_replaced_total counter',
      `millrace_workers_replaced_total ${this.#replaced}`,
      ...(this.#hosts
        ? [
            `# HELP millrace_hosts ${HOSTS_HELP}`,
            '# TYPE millrace_hosts gauge',
            `millrace_hosts ${this.#hosts.length}`,
          ]
        : []),
      '# HELP millrace_worker_info Process of a worker.',
      '# TYPE millrace_worker_info gauge',
      ...this.#places.flatMap(({ worker }, i) =>
        worker?.pid === undefined ? [] : [`millrace_worker_info{worker="${i}",pid="${worker.pid}"} 1`],
      ),
      '# HELP millrace_worker_connections Connections that a process has.',
      '# TYPE millrace_worker_connections gauge',
      ...this.#places.flatMap(({ worker }, i) =>
        WIRES.map(
          (wire) =>
            `millrace_worker_connections{worker="${i}",wire="${wire}"} ${worker?.connections(wire) ?? 0}`,
        ),
      ),
    ]
    return this.#merged.text([...workers.map(({ metrics }) => metrics), own.join('\n')])
  }

  /** Loads in two steps, so that all change over at once, or none where one cannot. Errors: those of the worker that could not. */
  async #act(act: Act): Promise<void> {
    const { what, model } = act
    if (what === 'load') {
      try {
        await this.#all({ what: 'prepare', model })
      } catch (thrown) {
        await this.#all({ what: 'abort', model }).catch(() => undefined)
        throw thrown
      }
    }
    await this.#all(what === 'load' ? { what: 'commit', model } : act)
    this.#acts.set(act.model, { ...act, seq: ++this.#actSeq })
    if (act.what === 'unload') return
    this.#found = mergeFound(this.#found, findModels(this.#options.path), act.model)
    this.#dropSpares()
  }

  /** Asks all workers. Errors: the first one's, once all have answered. One that ends meanwhile is replaced, and its replacement has it. */
  async #all(ask: Ask): Promise<void> {
    const settled = await Promise.allSettled(this.#up().map((worker) => worker.calls.ask(ask)))
    const errors = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as MillraceError] : []))
    const own = errors.filter((error) => error.code !== 'MR_SERVE_WORKER')
    if (own.length > 0 || errors.length === settled.length)
      throw own[0] ?? errors[0] ?? goneError('is not there')
  }

  async #close(): Promise<void> {
    clearInterval(this.#looking)
    clearInterval(this.#dealing)
    for (const { timer } of this.#places) clearTimeout(timer)
    const shut = Object.values(this.#doors).map((door) => door.close())
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
    const workers = this.#workers()
    for (const worker of workers) worker.close()
    const late = setTimeout(() => {
      for (const worker of workers) if (worker.state !== 'gone') worker.kill('did not end in time')
    }, SERVE_LIMITS.drainMsMax * 3)
    while (workers.some(({ state }) => state !== 'gone'))
      await new Promise((resolve) => setTimeout(resolve, 10))
    clearTimeout(late)
    await Promise.all(shut)
  }
}

const isWell = (worker: Worker): boolean =>
  worker.state === 'up' && performance.now() - worker.beatMs <= SILENT_MS

function problemOf({ worker, why }: Place): string | undefined {
  if (worker?.state !== 'up') return why
  const silentMs = performance.now() - worker.beatMs
  return silentMs > SILENT_MS ? `says nothing for ${Math.round(silentMs)} ms` : undefined
}

const nothing = (): void => undefined

const goneError = (why: string): MillraceError => new MillraceError('MR_SERVE_WORKER', { why })

/** What was found before, with what is there now of one model, and with models that are new. */
function mergeFound(before: Found, now: Found, model: string): Found {
  const known = new Set(before.models.map(({ name }) => name))
  const isTaken = ({ name }: { name: string }) => name === model || !known.has(name)
  const models = [...before.models.filter(({ name }) => name !== model), ...now.models.filter(isTaken)]
  const names = new Set(models.map(({ name }) => name))
  return { models, refused: now.refused.filter(({ name }) => !names.has(name)) }
}
