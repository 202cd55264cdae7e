/**
 * One worker process as the primary sees it.
 *
 * It is `starting` until it can take connections, then `up`, and `gone` when its process has ended, which is told once. A connection that it was handed is kept open here until it
 * says that it has it, so that one that dies on the way can be handed to another.
 */
import { type ChildProcess, fork } from 'node:child_process'
import module from 'node:module'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { workerUrl } from '../../engine/worker-url.ts'
import type { RatePart, RateUse } from '../../serve/access/rate-bucket.ts'
import type { Host } from '../../serve/placement/rendezvous.ts'
import { answerOf, Calls } from './calls.ts'
import type { Ask, FromWorker, Health, SentError, ToWorker, Wire, WorkerOptions } from './messages.ts'

export interface Handed {
  socket: Socket
  wire: Wire
}

export interface WorkerEvents {
  onStarted(): void
  /** It could not start, or its process ended; with the connections that it had not taken yet. */
  onGone(why: string, handed: Handed[], error?: SentError): void
  onLoaded(model: string, error?: SentError): void
  /** What was asked of rates. */
  onRates(uses: RateUse[]): void
  /** What it asks of all. */
  onAsk(ask: Ask): Promise<unknown>
}

export class Worker {
  state: 'starting' | 'up' | 'gone' = 'starting'
  /** Whether its process has read what it needs; it has no models yet. */
  hasStarted = false
  /** Whether it has loaded what one that waits for a place loads. */
  isWarm = false
  /** Who is told; another when it is given a place. */
  events: WorkerEvents
  readonly calls: Calls
  /** When it was given its place. */
  startedMs = performance.now()
  /** When it began to take connections. */
  upMs: number | undefined
  health: Health = { models: {}, threads: [] }
  /** When it last said that it is well. */
  beatMs = performance.now()
  /** Its metrics when they were last read. */
  metrics = ''
  readonly #child: ChildProcess
  readonly #open: Record<Wire, number> = { http: 0, grpc: 0 }
  readonly #handed = new Map<number, Handed>()
  #seq = 0
  #error: SentError | undefined
  /** Why it was ended from here. */
  #why: string | undefined

  constructor(options: WorkerOptions, events: WorkerEvents) {
    const file = import.meta.url.endsWith('.ts') ? './worker-process.ts' : './worker-process.js'
    this.events = events
    this.#child = fork(fileURLToPath(workerUrl(new URL(file, import.meta.url))), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, ...compileCache() },
    })
    this.calls = new Calls((message) => this.#tell(message))
    this.#child.on('message', (message: FromWorker) => this.#on(message))
    this.#child.on('error', () => undefined)
    this.#child.once('exit', (code, signal) =>
      this.#end(
        signal === null ? `ended with ${code}${this.#error ? '' : ' by itself'}` : `was ended by ${signal}`,
      ),
    )
    this.#tell({ type: 'start', options })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Connections of a kind that it has or was handed. */
  connections(wire: Wire): number {
    let handed = 0
    for (const one of this.#handed.values()) if (one.wire === wire) handed++
    return this.#open[wire] + handed
  }

  /** Hands it a connection that nothing was read from. */
  hand(one: Handed): void {
    const id = ++this.#seq
    this.#handed.set(id, one)
    const { socket, wire } = one
    this.#child.send(
      { type: 'connection', id, wire } satisfies ToWorker,
      socket,
      { keepOpen: true },
      () => undefined,
    )
  }

  /** Its parts of rates from now on. */
  deal(parts: RatePart[]): void {
    this.#tell({ type: 'rates', parts })
  }

  /** What it places models on from now on. */
  placeOn(hosts: readonly Host[]): void {
    this.#tell({ type: 'hosts', hosts })
  }

  /** Tells it to answer what is under way and to end. */
  close(): void {
    this.#tell({ type: 'close' })
  }

  kill(why: string): void {
    this.#why = why
    this.#child.kill('SIGKILL')
  }

  #tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  #on(message: FromWorker): void {
    if (message.type === 'beat') this.#beat(message.health)
    else if (message.type === 'took') this.#took(message.id)
    else if (message.type === 'ended') this.#ended(message)
    else if (message.type === 'answer') this.calls.answered(message)
    else if (message.type === 'ask') void this.#answer(message.seq, message.ask)
    else if (message.type === 'rates') this.events.onRates(message.uses)
    else if (message.type === 'loaded') this.events.onLoaded(message.model, message.error)
    else if (message.type === 'failed') this.#fail(message.error)
    else this.#started()
  }

  #started(): void {
    this.hasStarted = true
    this.events.onStarted()
  }

  #beat(health: Health): void {
    this.health = health
    this.beatMs = performance.now()
  }

  /** The socket here is only another name of the connection that the worker has. */
  #took(id: number): void {
    const handed = this.#handed.get(id)
    if (!handed) return
    this.#handed.delete(id)
    this.#open[handed.wire]++
    handed.socket.destroy()
  }

  #ended({ http, grpc }: Record<Wire, number>): void {
    this.#open.http -= http
    this.#open.grpc -= grpc
  }

  async #answer(seq: number, ask: Ask): Promise<void> {
    this.#tell({ type: 'answer', seq, ...(await answerOf(() => this.events.onAsk(ask))) })
  }

  #fail(error: SentError): void {
    this.#error = error
    this.#child.kill('SIGKILL')
  }

  #end(how: string): void {
    this.state = 'gone'
    const why = this.#why ?? how
    const handed = [...this.#handed.values()]
    this.#handed.clear()
    this.calls.failAll(`worker ${this.pid} ${why}`)
    this.events.onGone(why, handed, this.#error)
  }
}

/** Where this process keeps compiled modules, if it does: children have their own otherwise, or none. */
function compileCache(): { NODE_COMPILE_CACHE?: string } {
  const { getCompileCacheDir } = module as { getCompileCacheDir?: () => string | undefined }
  const folder = getCompileCacheDir?.()
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder }
}
