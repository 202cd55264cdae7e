/** One worker thread with the requests it has not answered; replaced by the pool when it dies or is stuck. */
import { Worker } from 'node:worker_threads'
import { MillraceError, toError } from '../../core/errors.ts'
import { workerUrl } from '../worker-url.ts'
import type { FromOnnx, ToOnnx } from './messages.ts'

/** Requests a thread may owe answers to. */
export const PENDING_MAX = 1_024

/** Loading may take so long at least: the first load of a thread loads the runtime too, from a disk that may be busy. */
const LOAD_MS = 60_000

type WithoutSeq<M> = M extends unknown ? Omit<M, 'seq'> : never
export interface AskOptions {
  /** What the thread may take for it before it counts as stuck. Default: what it may take for anything. */
  limitMs?: number
  /** Told what it took, apart from what it waited behind others. */
  onTook?: (ms: number) => void
  transfer?: ArrayBuffer[]
}

interface Owed {
  id: string
  limitMs: number
  onTook?: (ms: number) => void
  resolve(answer: FromOnnx): void
  reject(error: Error): void
}

/** What the process had of the processors is asked at most so often: asking takes as long as handing over a small call. */
const USAGE_MS = 20
let usage = { atMs: Number.NEGATIVE_INFINITY, cpu: process.cpuUsage() }

function usageLately(): NodeJS.CpuUsage {
  const nowMs = performance.now()
  if (nowMs - usage.atMs > USAGE_MS) usage = { atMs: nowMs, cpu: process.cpuUsage() }
  return usage.cpu
}

/** A timer that fires later than this was kept from it by this thread itself, which may not have read the answers that have come. */
const LATE_MS = 50
/** A process that was given less than this part of a processor may not have come to compute. */
const STARVED = 0.5
/** Times that such a thread is waited for, half of its limit each. */
const PATIENCE = 3

export class OnnxThread {
  /** Models it holds, or will hold when it has read its messages. */
  readonly loaded = new Set<string>()
  /** Resolves when the thread is no more. */
  readonly ended: Promise<void>
  private readonly worker: Worker
  private readonly stuckMs: number
  private readonly onGone: (thread: OnnxThread, reason: string) => void
  private readonly owed = new Map<number, Owed>()
  private seq = 0
  private timer: NodeJS.Timeout | undefined
  /** When the oldest request that it owes was begun. */
  private begunMs = 0
  private reason = 'ended'
  /** Whether it was stuck: the request that it was busy with may be what it was stuck on. */
  private isStuck = false
  private isClosed = false
  private gone = false

  /** `stuckMs`: how long it may work on one request. `onGone` is called once, before its requests fail. */
  constructor(stuckMs: number, onGone: (thread: OnnxThread, reason: string) => void) {
    this.stuckMs = stuckMs
    this.onGone = onGone
    const file = import.meta.url.endsWith('.ts') ? './onnx-worker.ts' : './onnx-worker.js'
    this.worker = new Worker(workerUrl(new URL(file, import.meta.url)), { execArgv: [] })
    this.worker.unref()
    this.worker.on('message', (message: FromOnnx) => this.onAnswer(message))
    this.worker.on('error', (thrown) => {
      this.reason = `died (${toError(thrown).message})`
    })
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', () => {
        this.end()
        resolve()
      })
    })
  }

  get pending(): number {
    return this.owed.size
  }

  /** Sends a request and resolves with its answer. Errors: MR_ONNX_BUSY, MR_ONNX_WORKER. */
  ask(message: WithoutSeq<ToOnnx>, options: AskOptions = {}): Promise<FromOnnx> {
    if (this.owed.size >= PENDING_MAX && message.type !== 'unload')
      throw new MillraceError('MR_ONNX_BUSY', { id: message.id, max: PENDING_MAX })
    const seq = ++this.seq
    return new Promise((resolve, reject) => {
      const { limitMs = this.stuckMs, onTook, transfer = [] } = options
      const ownMs = message.type === 'load' ? Math.max(this.stuckMs, LOAD_MS) : limitMs
      this.owed.set(seq, { id: message.id, limitMs: ownMs, onTook, resolve, reject })
      if (this.owed.size === 1) this.watch()
      this.worker.postMessage({ ...message, seq }, transfer)
    })
  }

  /** Lets go of the thread because the pool is closed. */
  close(): void {
    this.isClosed = true
    this.stop('was closed')
  }

  /**
   * Lets go of the thread; what it still owes fails with the reason. It ends when it has finished what it computes: ending it from
   * outside in the middle of native code would take the process with it.
   */
  private stop(reason: string): void {
    this.reason = reason
    this.worker.unref()
    this.worker.postMessage({ type: 'close', seq: ++this.seq, id: '' } satisfies ToOnnx)
    this.end()
  }

  private onAnswer(message: FromOnnx): void {
    if (this.gone) return
    const owed = this.owed.get(message.seq)
    this.owed.delete(message.seq)
    owed?.onTook?.(performance.now() - this.begunMs)
    this.watch()
    owed?.resolve(message)
  }

  /** Answers come in order, so the time since the last one is what the oldest request has taken. */
  private watch(): void {
    clearTimeout(this.timer)
    if (this.owed.size === 0) {
      this.worker.unref()
      return
    }
    this.worker.ref()
    this.begunMs = performance.now()
    const [{ limitMs }] = this.owed.values()
    this.arm(limitMs, limitMs)
  }

  /** A thread that hangs computes. Where the process was hardly given the processor, or this thread not in time, it is waited for some more: a machine that stands still lets threads stand still. */
  private arm(limitMs: number, waitMs: number, patience = PATIENCE): void {
    const untilMs = performance.now() + waitMs
    const before = usageLately()
    this.timer = setTimeout(() => {
      const { user, system } = process.cpuUsage(before)
      const isLate = performance.now() - untilMs > LATE_MS
      const isStarved = (user + system) / 1000 < waitMs * STARVED
      if (patience > 0 && (isLate || isStarved)) return this.arm(limitMs, limitMs / 2, patience - 1)
      this.isStuck = true
      this.stop(`was stuck for ${Math.round(performance.now() - this.begunMs)} ms`)
    }, waitMs)
  }

  /** What a thread owed may be asked of another, unless that is what it was stuck on, or it was closed. */
  private end(): void {
    if (this.gone) return
    this.gone = true
    clearTimeout(this.timer)
    this.onGone(this, this.reason)
    let isAtFault = this.isStuck
    for (const { id, reject } of this.owed.values()) {
      const mayAskAgain = !isAtFault && !this.isClosed
      reject(new MillraceError('MR_ONNX_WORKER', { id, reason: this.reason, mayAskAgain }))
      isAtFault = false
    }
    this.owed.clear()
  }
}
