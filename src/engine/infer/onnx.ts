/** Scoring of ONNX models on worker threads. The runtime is an optional peer and is looked for only here. */
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { assert, excerpt, MillraceError, toError } from '../../core/errors.ts'
import { SpareBuffers } from '../../core/spare-buffers.ts'
import { sessionBytes } from '../../core/tensors.ts'
import { CallPace, elementsOf } from './call-pace.ts'
import { checkFeeds, copyFeeds } from './feeds.ts'
import { InlineRuns } from './inline.ts'
import type { FromOnnx, OnnxSignature, OnnxSource, OnnxTensor } from './messages.ts'
import { OnnxThread } from './onnx-thread.ts'

export type { OnnxData, OnnxSignature, OnnxSource, OnnxTensor, OnnxValue } from './messages.ts'

export interface OnnxOptions {
  /** Threads; each scores one request at a time. */
  workers: number
  /** Memory that loaded models may take together, estimated from their size. Default 1024. */
  memoryMb?: number
  /**
   * How long a thread may work on one request before it counts as stuck and is replaced, at most. Default 10,000. Sooner, after 800 at least, where calls of the model were seen to take
   * far less.
   */
  stuckMs?: number
  /** Whether models that say so are run on this thread once they were measured to be cheap. Default: yes. */
  inline?: boolean
}

export interface LoadOptions {
  id: string
  /** Threads that hold it. Default 1. */
  replicas?: number
  /** Whether what a call costs is bounded by the size of what it is given, so that it may be made on this thread where it was measured to be cheap. Default: no. */
  isBounded?: boolean
}

export interface Onnx {
  /**
   * Loads a model under an id, on `replicas` threads (default 1), replacing what the id held. The caller keeps its bytes.
   * Errors: MR_ONNX_LOAD, MR_ONNX_MEMORY, MR_ONNX_ABSENT, MR_ONNX_WORKER.
   */
  load(source: OnnxSource, options: LoadOptions): Promise<OnnxSignature>
  /**
   * Scores one batch on the least busy thread that holds the model, or on this one where calls of its size are cheap. The caller keeps its arrays, and changes none before it is answered; outputs are the caller's.
   * Errors: MR_ONNX_UNKNOWN, MR_ONNX_INPUT, MR_ONNX_RUN, MR_ONNX_BUSY, MR_ONNX_WORKER, MR_ONNX_STUCK.
   */
  run(id: string, feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>
  /** Forgets a model; unknown is fine. */
  unload(id: string): Promise<void>
  /** Whether calls of a model are made on this thread, as far as they are cheap. */
  runsInline(id: string): boolean
  /** Threads that cannot score now, each with why: those that died or were stuck and are being replaced. Empty when all is well. */
  problems(): string[]
  /** Ends the threads; what they still owe fails with MR_ONNX_WORKER. Waits some seconds for what they compute. */
  close(): Promise<void>
}

const MEMORY_MB = 1024
const STUCK_MS = 10_000
const MB = 1024 * 1024
/** Threads that may be stuck at once, each on a core, before no more are started. */
const STUCK_MAX = 4
/** How long after a replacement that failed the next one is tried. */
const AGAIN_MS = 1_000
/** How long closing waits for threads that still compute. */
const CLOSE_MS = 5_000
/** Opens a pool. Threads start with the first model. Errors: MR_ONNX_ABSENT, MR_DIST_MISSING. */
export async function openOnnx(options: OnnxOptions): Promise<Onnx> {
  requireRuntime('onnxruntime-node')
  return new OnnxPool({ memoryMb: MEMORY_MB, stuckMs: STUCK_MS, inline: true, ...options })
}

/** Errors: MR_ONNX_ABSENT when the package is not installed. */
export function requireRuntime(name: string): void {
  try {
    createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new MillraceError('MR_ONNX_ABSENT', { reason: toError(cause).message }, { cause })
  }
}

interface Model {
  id: string
  /** Kept to load the model again where a thread was replaced. */
  source: Uint8Array | string
  needBytes: number
  /** Indexes of the threads that hold it. */
  places: number[]
  pace: CallPace
  signature: OnnxSignature
}

class OnnxPool implements Onnx {
  private readonly options: Required<OnnxOptions>
  private readonly threads: (OnnxThread | undefined)[]
  private readonly models = new Map<string, Model>()
  /** Threads that were let go and have not ended yet. */
  private readonly leaving = new Set<OnnxThread>()
  /** Why the thread of a place is being replaced, until its models are loaded again. */
  private readonly replacing = new Map<number, string>()
  private readonly inline = new InlineRuns()
  private readonly spare = new SpareBuffers()
  private closed = false
  private loads = 0
  private loadsUnderWay = 0
  private unloads = 0

  constructor(options: Required<OnnxOptions>) {
    this.options = options
    this.threads = new Array<undefined>(options.workers).fill(undefined)
  }

  async load(
    given: OnnxSource,
    { id, replicas = 1, isBounded = false }: LoadOptions,
  ): Promise<OnnxSignature> {
    assert(!this.closed, 'an ONNX pool is not used after close()')
    const places = this.leastLoaded(Math.min(replicas, this.threads.length))
    const isFile = !(given instanceof Uint8Array)
    const bytes = isFile ? given.bytes : given.length
    const needBytes = (isFile ? 0 : bytes) + places.length * sessionBytes(bytes)
    this.checkMemory(id, needBytes)
    await this.unload(id)
    const model: Model = {
      id,
      source: isFile ? given.path : new Uint8Array(given),
      needBytes,
      places,
      pace: new CallPace(),
      signature: { inputs: [], outputs: [] },
    }
    this.models.set(id, model)
    const isAlone = this.beginLoad()
    try {
      const signatures = await Promise.all(places.map((place) => this.loadAt(place, model)))
      const [{ inputs, outputs, grownBytes }] = signatures as [OnnxSignature]
      model.signature = { inputs, outputs }
      if (isBounded && this.options.inline) this.inline.add(id, bytes, model.signature)
      return isAlone() && places.length === 1 ? { inputs, outputs, grownBytes } : model.signature
    } catch (thrown) {
      isAlone()
      if (this.models.get(id) === model) await this.unload(id).catch(() => undefined)
      throw thrown
    }
  }

  async run(id: string, feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>> {
    const model = this.models.get(id)
    if (!model) throw new MillraceError('MR_ONNX_UNKNOWN', { id })
    checkFeeds(id, model.signature, feeds)
    const here = this.inline.run(id, feeds)
    if (here) return await here.catch((thrown) => Promise.reject(runError(id, toError(thrown).message)))
    const place = this.leastBusy(model.places)
    const thread = this.threadAt(place)
    const reloading = thread.loaded.has(id) ? undefined : this.loadAt(place, model)
    reloading?.catch(() => undefined)
    const { feeds: own, buffers: transfer } = copyFeeds(feeds, this.spare)
    const elements = elementsOf(own)
    const limitMs = model.pace.limitMs(elements, this.options.stuckMs)
    const onTook = (ms: number) => model.pace.add(elements, ms)
    const asked = thread.ask({ type: 'run', id, feeds: own }, { limitMs, onTook, transfer })
    const [, answer] = await Promise.all([reloading, asked])
    if ('spent' in answer) this.spare.give(answer.spent ?? [])
    if ('outputs' in answer) {
      this.inline.seen(id, elements, answer.ms, () => model.source)
      return answer.outputs
    }
    throw failure(id, answer)
  }

  /** Gives what tells whether no other load was under way until then, and no memory of one that left could be used again. */
  private beginLoad(): () => boolean {
    const load = ++this.loads
    const begunAlone = this.loadsUnderWay++ === 0
    return () => --this.loadsUnderWay === 0 && begunAlone && this.loads === load && this.unloads === 0
  }

  async unload(id: string): Promise<void> {
    const model = this.models.get(id)
    if (!model) return
    this.unloads++
    this.models.delete(id)
    this.inline.remove(id)
    const holders = model.places
      .flatMap((place) => this.threads[place] ?? [])
      .filter((one) => one.loaded.delete(id))
    await Promise.all(holders.map((thread) => thread.ask({ type: 'unload', id })))
  }

  async close(): Promise<void> {
    this.closed = true
    this.models.clear()
    this.inline.close()
    for (const thread of this.threads) thread?.close()
    const ended = Promise.all([...this.leaving].map((thread) => thread.ended))
    const over = new AbortController()
    const { signal } = over
    await Promise.race([ended, sleep(CLOSE_MS, undefined, { signal }).catch(() => undefined)])
    over.abort()
  }

  private threadAt(place: number): OnnxThread {
    const thread = this.threads[place]
    if (thread) return thread
    if (this.leaving.size >= STUCK_MAX)
      throw new MillraceError('MR_ONNX_STUCK', { threads: this.leaving.size })
    const made = new OnnxThread(this.options.stuckMs, (gone, reason) => {
      if (this.threads[place] === gone) this.threads[place] = undefined
      this.leaving.add(gone)
      if (!this.closed) this.replace(place, reason)
    })
    void made.ended.then(() => this.leaving.delete(made))
    this.threads[place] = made
    return made
  }

  runsInline(id: string): boolean {
    return this.inline.has(id)
  }

  problems(): string[] {
    return [...this.replacing].map(([place, reason]) => `thread ${place} ${reason} and is being replaced`)
  }

  /** Starts another thread in a place at once and gives it the models of the one before, so that the next request need not wait for them. */
  private replace(place: number, reason: string): void {
    this.replacing.set(place, reason)
    const held = [...this.models.values()].filter(({ places }) => places.includes(place))
    const loading = held.map(async (model) => {
      if (this.models.get(model.id) === model && !this.threads[place]?.loaded.has(model.id))
        await this.loadAt(place, model)
    })
    void Promise.all(loading).then(
      () => this.replacing.delete(place),
      () => {
        if (!this.closed)
          setTimeout(() => this.replacing.has(place) && this.replace(place, reason), AGAIN_MS).unref()
      },
    )
  }

  private async loadAt(place: number, model: Model): Promise<OnnxSignature> {
    const thread = this.threadAt(place)
    thread.loaded.add(model.id)
    const source = typeof model.source === 'string' ? model.source : new Uint8Array(model.source)
    const transfer = typeof source === 'string' ? [] : [source.buffer as ArrayBuffer]
    const answer = await thread.ask({ type: 'load', id: model.id, source }, { transfer })
    if ('signature' in answer) return { ...answer.signature, grownBytes: answer.grownBytes }
    thread.loaded.delete(model.id)
    throw failure(model.id, answer)
  }

  private checkMemory(id: string, needBytes: number): void {
    let usedBytes = 0
    for (const model of this.models.values()) if (model.id !== id) usedBytes += model.needBytes
    const leftMb = this.options.memoryMb - usedBytes / MB
    if (needBytes / MB <= leftMb) return
    const about = { needMb: Math.ceil(needBytes / MB), maxMb: Math.max(0, Math.floor(leftMb)) }
    throw new MillraceError('MR_ONNX_MEMORY', { id, ...about })
  }

  private leastLoaded(n: number): number[] {
    const bytes = this.threads.map(() => 0)
    for (const { places, needBytes } of this.models.values())
      for (const place of places) bytes[place]! += needBytes
    const order = bytes.map((_, place) => place).sort((a, b) => bytes[a]! - bytes[b]! || a - b)
    return order.slice(0, n)
  }

  private leastBusy(places: number[]): number {
    const pending = (place: number) => this.threads[place]?.pending ?? 0
    return places.reduce((best, place) => (pending(place) < pending(best) ? place : best))
  }
}

function failure(id: string, answer: FromOnnx): Error {
  assert('failed' in answer, 'an answer of another request')
  if (answer.failed === 'run') return runError(id, answer.message)
  if (answer.failed === 'unknown') return new MillraceError('MR_ONNX_UNKNOWN', { id })
  const message = inOneLine(answer.message)
  if (answer.failed === 'absent') return new MillraceError('MR_ONNX_ABSENT', { reason: message })
  return new MillraceError('MR_ONNX_LOAD', { id, message })
}

const runError = (id: string, message: string) =>
  new MillraceError('MR_ONNX_RUN', { id, message: inOneLine(message) })

const inOneLine = (message: string) => excerpt(message.replace(/\s+/g, ' '), 300)
