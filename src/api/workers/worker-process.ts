/** One of several processes that serve the same models: takes connections that the primary accepted, and answers what it asks. */
import type { Socket } from 'node:net'
import { assert, type MillraceError } from '../../core/errors.ts'
import { settleCollector } from '../../serve/collector-settings.ts'
import type { Prepared } from '../../serve/models/model-shelf.ts'
import type { Siblings } from '../../serve/models/siblings.ts'
import { type BuiltModels, buildModels } from '../build-models.ts'
import { answerOf, Calls } from './calls.ts'
import {
  type Ask,
  type FromWorker,
  sentError,
  type ToWorker,
  type Wire,
  type WorkerOptions,
} from './messages.ts'

/** How often it says that it is well. */
const BEAT_MS = 200
/** How often it says what was asked of rates. */
const RATES_MS = 100
/** How long it waits for what the others say. */
const SIBLINGS_MS = 1_000

assert(process.send, 'this module runs in a process that was forked')

const tell = (message: FromWorker): void => {
  if (process.connected) process.send?.(message)
}
const calls = new Calls(tell)
const siblings: Siblings = {
  metrics: () => calls.ask({ what: 'metrics' }, SIBLINGS_MS),
  readiness: () => calls.ask({ what: 'readiness' }, SIBLINGS_MS),
  load: async (model) => void (await calls.ask({ what: 'load', model })),
  unload: async (model) => void (await calls.ask({ what: 'unload', model })),
}

let built: BuiltModels | undefined
let take: Partial<Record<Wire, (socket: Socket) => void>> = {}
let closing = false
/** Loads that are half done. */
const prepared = new Map<string, Prepared>()
const ended = { http: 0, grpc: 0 }

// A terminal sends its interrupt to every process of the group: the primary is the one that says when to stop.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', () => void close())
process.on('disconnect', () => void close())
process.on('message', (message: ToWorker, socket?: Socket) => {
  if (message.type === 'start') void start(message.options)
  else if (message.type === 'connection') takeConnection(message, socket)
  else if (message.type === 'ask') void answer(message.seq, message.ask)
  else if (message.type === 'answer') calls.answered(message)
  else if (message.type === 'rates') built?.access.dealRates(message.parts)
  else if (message.type === 'hosts') built?.placement?.replace(message.hosts)
  else void close()
})

async function start(options: WorkerOptions): Promise<void> {
  settleCollector()
  try {
    built = buildModels(options, siblings)
    take = await built.adopt()
  } catch (thrown) {
    tell({ type: 'failed', error: sentError(thrown) })
    return
  }
  tell({ type: 'started' })
  setInterval(beat, BEAT_MS).unref()
  setInterval(tellRates, RATES_MS).unref()
  beat()
}

function beat(): void {
  if (built) tell({ type: 'beat', health: built.server.health() })
}

function tellRates(): void {
  const uses = built?.access.rateUses() ?? []
  if (uses.length > 0) tell({ type: 'rates', uses })
}

/** What was closed before it came here has no socket. */
function takeConnection({ id, wire }: { id: number; wire: Wire }, socket: Socket | undefined): void {
  tell({ type: 'took', id })
  if (socket) socket.once('close', () => endedOne(wire))
  else endedOne(wire)
  if (socket) take[wire]?.(socket)
}

/** Connections that end in one turn of the event loop are told of together. */
function endedOne(wire: Wire): void {
  if (ended.http + ended.grpc === 0) setImmediate(tellEnded)
  ended[wire]++
}

function tellEnded(): void {
  tell({ type: 'ended', ...ended })
  ended.http = 0
  ended.grpc = 0
}

async function answer(seq: number, ask: Ask): Promise<void> {
  tell({ type: 'answer', seq, ...(await answerOf(() => answered(ask))) })
}

async function answered(ask: Ask): Promise<unknown> {
  assert(built, 'a worker is asked once it has started')
  const { backend, metrics } = built.server
  if (ask.what === 'metrics') return metrics.text()
  if (ask.what === 'metadata') return await backend.metadata(ask.model)
  if (ask.what === 'readiness') return built.server.health()
  if (ask.what === 'prepare') return void prepared.set(ask.model, await backend.shelf.prepare(ask.model))
  if (ask.what === 'load') return await backend.shelf.load(ask.model)
  if (ask.what === 'unload') return await backend.shelf.unload(ask.model)
  if (ask.what === 'load-all') return await backend.shelf.loadAll(onLoaded, ask.bytesMax)
  return finish(ask.model, ask.what)
}

const onLoaded = (model: string, error?: MillraceError): void =>
  tell({ type: 'loaded', model, ...(error && { error: sentError(error) }) })

function finish(model: string, how: 'commit' | 'abort'): void {
  const one = prepared.get(model)
  prepared.delete(model)
  one?.[how]()
}

/** Answers what is under way, and ends. */
async function close(): Promise<void> {
  if (closing) return
  closing = true
  await built?.close().catch(() => undefined)
  process.exit(0)
}
