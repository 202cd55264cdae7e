/** One place for a worker thread: starts it when it is first needed, hands it one spec at a time, and tells when it died. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { Digest, RunSpec } from '../../core/records.ts'
import { queriesOf, releaseThread, shareQuerySlots } from '../slots.ts'
import { workerUrl } from '../worker-url.ts'
import type { FromWorker, ToWorker, WorkerSetup } from './messages.ts'

/** How long a worker may take to end by itself when it is asked to. */
const CLOSE_MS = 2_000
/** How long closing waits at most. */
const CLOSE_MS_MAX = 8_000
/** How soon a thread is looked at again that could not be ended. */
const KILL_AGAIN_MS = 50

export interface SlotEvents {
  message(slot: Slot, message: FromWorker): void
  /** The thread ended while it had work. */
  died(slot: Slot, reason: string): void
}

export class Slot {
  readonly name: string
  private readonly setup: WorkerSetup
  private readonly heapMb: number
  private readonly events: SlotEvents
  private thread: Worker | undefined
  private ended: Promise<void> = Promise.resolve()
  /** What it works on. */
  job: { id: Digest; task: string; since: number } | undefined

  constructor(name: string, setup: WorkerSetup, heapMb: number, events: SlotEvents) {
    this.name = name
    this.setup = setup
    this.heapMb = heapMb
    this.events = events
  }

  get free(): boolean {
    return this.job === undefined
  }

  get alive(): boolean {
    return this.thread !== undefined
  }

  /** Errors: MR_DIST_MISSING. */
  run(id: Digest, spec: RunSpec, now: number): void {
    this.thread ??= this.start()
    this.job = { id, task: spec.task, since: now }
    this.thread.ref()
    this.post({ type: 'run', id, spec })
  }

  abort(id: Digest): void {
    this.post({ type: 'abort', id })
  }

  /**
   * Ends the thread, whatever it does; counts as its death when it had work. A thread whose engine runs a query is ended as soon as
   * that has stopped: in the middle of it the whole process would be aborted.
   */
  kill(): void {
    const { thread } = this
    if (!thread) return
    if (queriesOf(thread.threadId) === 0) void thread.terminate()
    else setTimeout(() => this.thread === thread && this.kill(), KILL_AGAIN_MS).unref()
  }

  /** Lets the thread close its store and engine, and ends it when that takes too long. */
  async close(): Promise<void> {
    if (!this.thread) return
    this.post({ type: 'close' })
    const timer = setTimeout(() => this.kill(), CLOSE_MS)
    await Promise.race([this.ended, sleep(CLOSE_MS_MAX, undefined, { ref: false })])
    clearTimeout(timer)
  }

  private post(message: ToWorker): void {
    this.thread?.postMessage(message)
  }

  private start(): Worker {
    shareQuerySlots()
    const url = workerUrl(
      new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
    )
    const thread = new Worker(url, {
      workerData: this.setup,
      resourceLimits: { maxOldGenerationSizeMb: this.heapMb },
      execArgv: [],
    })
    const { threadId } = thread
    let reason = ''
    thread.on('message', (message: FromWorker) => this.onMessage(message))
    thread.on('error', (error) => {
      reason = error.message
    })
    this.ended = new Promise((resolve) => {
      thread.on('exit', (code) => {
        releaseThread(threadId)
        this.onExit(thread, reason || `it ended with code ${code}`)
        resolve()
      })
    })
    return thread
  }

  private onMessage(message: FromWorker): void {
    if (message.id !== this.job?.id) return
    if (message.type !== 'progress') {
      this.job = undefined
      this.thread?.unref()
    }
    this.events.message(this, message)
  }

  private onExit(thread: Worker, reason: string): void {
    if (this.thread === thread) this.thread = undefined
    if (this.job) this.events.died(this, reason)
    this.job = undefined
  }
}
