/**
 * Threads that run kernels together on one shared memory.
 *
 * The first words of the memory are the control block below. For each kernel the calling thread writes its number and arguments, raises `epoch` and runs
 * its own share; helpers see the epoch change, run theirs and lower `pending`. Waiting spins for a few microseconds, as kernels follow one another closely,
 * and then sleeps: spinning longer would take the processor from the very thread that is waited for.
 */
import { Worker } from 'node:worker_threads'
import { assert } from '../../core/errors.ts'
import { workerUrl } from '../../engine/worker-url.ts'

/** Bytes at the start of the memory that belong to the crew. */
export const CONTROL_BYTES = 1024

/** Words of the control block. */
export const CONTROL = { epoch: 0, kernel: 1, pending: 2, failed: 3, ready: 4 } as const

/** Offset of the arguments: doubles. */
export const ARGUMENTS_AT = 64
/** Kernel number that ends a helper. */
export const QUIT = -1

const SPINS = 2000
const START_MS_MAX = 10_000
const KERNEL_MS_MAX = 120_000

export type Kernels = Record<string, (...args: number[]) => void>

export interface CrewData {
  module: unknown
  memory: { buffer: SharedArrayBuffer }
  header: number
  thread: number
  names: string[]
}

/** Waits until a word is no longer `old`; false when `timeoutMs` has passed. */
export function awaitChange(
  control: Int32Array,
  word: number,
  old: number,
  timeoutMs = Number.POSITIVE_INFINITY,
): boolean {
  for (let i = 0; i < SPINS; i++) if (Atomics.load(control, word) !== old) return true
  while (Atomics.load(control, word) === old) {
    if (Atomics.wait(control, word, old, timeoutMs) === 'timed-out') return false
  }
  return true
}

export interface Crew {
  /** Runs a kernel on all threads and returns when all have ended. The thread's number is its first argument. */
  run(name: string, ...args: number[]): void
  /** Ends the helpers; false when one had to be left behind, so that the memory must not be used again. */
  close(): boolean
}

/** A crew of the calling thread alone. Kernels leave out the arguments that they do not take. */
export function soloCrew(kernels: Kernels): Crew {
  return {
    run: (name, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0) =>
      kernels[name](0, a, b, c, d, e, f, g, h),
    close: () => true,
  }
}

/** Starts `nThreads - 1` helpers, or returns `null` when they do not come up. Nothing need be awaited: the caller may block its event loop all along. */
export function startCrew(
  kernels: Kernels,
  data: Omit<CrewData, 'thread' | 'names'>,
  nThreads: number,
): Crew | null {
  const control = new Int32Array(data.memory.buffer, 0, ARGUMENTS_AT / 4)
  const args = new Float64Array(data.memory.buffer, ARGUMENTS_AT, 8)
  const names = Object.keys(kernels)
  control.fill(0)
  const workers: Worker[] = []
  const nHelpers = nThreads - 1
  const call = (kernel: number) => {
    Atomics.store(control, CONTROL.pending, nHelpers)
    Atomics.store(control, CONTROL.kernel, kernel)
    Atomics.add(control, CONTROL.epoch, 1)
    Atomics.notify(control, CONTROL.epoch)
  }
  const end = () => {
    for (const worker of workers) void worker.terminate()
  }
  try {
    for (let thread = 1; thread < nThreads; thread++) workers.push(startHelper({ ...data, thread, names }))
  } catch {
    call(QUIT)
    end()
    return null
  }
  if (!awaitValue(control, CONTROL.ready, nHelpers, START_MS_MAX)) {
    call(QUIT)
    end()
    return null
  }
  return {
    run: (name, ...given) => {
      args.set(given)
      call(names.indexOf(name))
      kernels[name](0, ...given)
      assert(awaitValue(control, CONTROL.pending, 0, KERNEL_MS_MAX), `training threads end kernel ${name}`)
      assert(Atomics.load(control, CONTROL.failed) === 0, `training threads run kernel ${name}`)
    },
    close: () => {
      call(QUIT)
      const left = awaitValue(control, CONTROL.pending, 0, START_MS_MAX)
      end()
      return left
    },
  }
}

/** Threads run compiled code, also from a source tree. */
function helperUrl(): URL {
  const file = import.meta.url.endsWith('.ts') ? './crew-worker.ts' : './crew-worker.js'
  return workerUrl(new URL(file, import.meta.url))
}

function startHelper(workerData: CrewData): Worker {
  const worker = new Worker(helperUrl(), { workerData, execArgv: [] })
  worker.unref()
  worker.on('error', () => {
    const control = new Int32Array(workerData.memory.buffer, 0, ARGUMENTS_AT / 4)
    Atomics.store(control, CONTROL.failed, 1)
  })
  return worker
}

function awaitValue(control: Int32Array, word: number, value: number, timeoutMs: number): boolean {
  for (let seen = Atomics.load(control, word); seen !== value; seen = Atomics.load(control, word)) {
    if (!awaitChange(control, word, seen, timeoutMs)) return false
  }
  return true
}
