import { availableParallelism } from 'node:os'
import type { Machine, MachineSetup } from './machine.ts'
import { openPlainMachine } from './machine-js.ts'
import { openWasmMachine } from './machine-wasm.ts'

/** How rows are worked on. None of it changes the model. */
export interface MachineOptions {
  /** Threads at most, 1 to 8; the calling one is the first. Default 1. See `threadsFor`. */
  threads?: number
  /** Rows for each thread at least; where there are fewer, so are the threads. Default 100,000. */
  threadRowsMin?: number
  /** `wasm` (default) falls back to `js` where the platform lacks SIMD or shared memory, or the data does not fit in 4 GiB. */
  kernels?: 'wasm' | 'js'
}

/** Threads at most. */
export const THREADS_MAX = 8
/** Rows for each thread at least: with fewer, threads wait for one another at each leaf longer than they help. */
const THREAD_ROWS_MIN = 100_000

/** Threads that pay for so many rows on this machine: one for little data, else two where there are two processors. */
export function threadsFor(nRows: number): number {
  return threadsOf(Math.min(2, availableParallelism()), nRows, THREAD_ROWS_MIN)
}

export function openMachine(
  setup: MachineSetup,
  { threads = 1, threadRowsMin = THREAD_ROWS_MIN, kernels = 'wasm' }: MachineOptions,
): Machine {
  const nThreads = threadsOf(threads, setup.rows.data.nRows, threadRowsMin)
  const machine = kernels === 'wasm' ? openWasmMachine(setup, nThreads) : null
  return machine ?? openPlainMachine(setup)
}

function threadsOf(threads: number, nRows: number, threadRowsMin: number): number {
  const most = Math.min(threads, THREADS_MAX, nRows / threadRowsMin)
  return Math.max(1, Math.floor(most))
}
