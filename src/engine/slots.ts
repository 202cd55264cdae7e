/**
 * How many queries run at once in this process. Each holds a thread of libuv's pool for its whole life, and file reads share that
 * pool; so the count lies in memory that all worker threads share. A worker that dies is counted out by `releaseThread`.
 */
import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads'
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'

const KEY = 'millrace.querySlots'
/** Cell 0: queries that run now. Cell 1 + threadId % THREADS: those of one thread. */
const THREADS = 512
/** How often a thread looks whether another thread has freed a place; its own are handed on at once. */
const LOOK_MS = 2

let shared: Int32Array | undefined

function cells(): Int32Array {
  if (shared) return shared
  const inherited = getEnvironmentData(KEY)
  const buffer =
    inherited instanceof SharedArrayBuffer
      ? inherited
      : new SharedArrayBuffer((THREADS + 1) * Int32Array.BYTES_PER_ELEMENT)
  if (inherited !== buffer) setEnvironmentData(KEY, buffer)
  shared = new Int32Array(buffer)
  return shared
}

/** Makes the count exist before a worker is started, so that it inherits it. */
export function shareQuerySlots(): void {
  cells()
}

const cellOf = (thread: number) => 1 + (thread % THREADS)

function take(): boolean {
  const c = cells()
  for (;;) {
    const running = Atomics.load(c, 0)
    if (running >= LIMITS.queriesMax) return false
    if (Atomics.compareExchange(c, 0, running, running + 1) === running) break
  }
  Atomics.add(c, cellOf(threadId), 1)
  return true
}

function give(thread: number, n: number): void {
  if (n === 0) return
  const c = cells()
  Atomics.sub(c, cellOf(thread), n)
  Atomics.sub(c, 0, n)
}

interface Waiter {
  wake: () => void
}

const waiting: Waiter[] = []
let looking: NodeJS.Timeout | undefined

/** Wakes waiters of this thread, first come first served, as long as there are places. */
function serve(): void {
  while (waiting.length > 0 && take()) waiting.shift()!.wake()
  if (waiting.length > 0) looking ??= setInterval(serve, LOOK_MS)
  else if (looking) {
    clearInterval(looking)
    looking = undefined
  }
}

/**
 * Waits for a place to run a query in; resolves with the function that gives it back (once; more calls do nothing).
 * Errors: MR_CANCELLED when the signal aborts first.
 */
export async function acquireQuerySlot(signal?: AbortSignal): Promise<() => void> {
  signal?.throwIfAborted()
  if (waiting.length > 0 || !take()) await turn(signal)
  let held = true
  return () => {
    if (!held) return
    held = false
    give(threadId, 1)
    serve()
  }
}

function turn(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      waiting.splice(waiting.indexOf(waiter), 1)
      serve()
      reject(new MillraceError('MR_CANCELLED', { what: 'a query that waited for its turn' }))
    }
    const waiter: Waiter = {
      wake: () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      },
    }
    waiting.push(waiter)
    signal?.addEventListener('abort', onAbort, { once: true })
    serve()
  })
}

/** Counts out the queries of a worker thread that has ended, however it ended. */
export function releaseThread(thread: number): void {
  give(thread, Atomics.load(cells(), cellOf(thread)))
}

/** Queries of one thread that run now. While there are any, ending the thread from outside would abort the whole process. */
export function queriesOf(thread: number): number {
  return Atomics.load(cells(), cellOf(thread))
}

/** Queries that run now in this process. */
export function queriesRunning(): number {
  return Atomics.load(cells(), 0)
}
