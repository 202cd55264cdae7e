import { availableParallelism } from 'node:os'
import type { Machine, MachineSetup } from './machine.ts'
import { openPlainMachine } from './machine-js.ts'
import { openWasmMachine } from './machine-wasm.ts'

/** How rows are worked on. None of it changes the model. */
export interface MachineOptions {
  /** Threads at most, 1 to 8; the calling one is the first. Default 1. See `threadsFor`. */
  threads?: number
  /** `wasm` (default) falls back to `js` where the platform lacks SIMD or shared memory, or the data does not fit in 4 GiB. */
  kernels?: 'wasm' | 'js'
}

/** Threads at most. */
export const THREADS_MAX = 8
/** Rows below which a second thread is waited for longer than it helps. */
const TWO_THREADS_ROWS_MIN = 200_000

/** Threads that pay for so many rows on this machine: one for little data, else two where there are two processors. */
export function threadsFor(nRows: number): number {
  return nRows < TWO_THREADS_ROWS_MIN ? 1 : Math.min(2, availableParallelism())
}

export function openMachine(setup: MachineSetup, { threads = 1, kernels = 'wasm' }: MachineOptions): Machine {
  const nThreads = Math.max(1, Math.min(THREADS_MAX, Math.floor(threads)))
  const machine = kernels === 'wasm' ? openWasmMachine(setup, nThreads) : null
  return machine ?? openPlainMachine(setup)
}
