/** The compiled kernels of boosting, and the memory that trainings share. */
import { compileWasm, instantiateWasm, openSharedMemory, type WasmMemory } from '../../core/wasm.ts'
import type { Kernels } from './crew.ts'
import { GBDT_KERNELS } from './kernels-wasm.ts'

export type SharedMemory = WasmMemory<SharedArrayBuffer>

let compiled: object | null | undefined

/** The kernels, compiled once a thread; `null` where the platform refuses them. */
export function kernelModule(): object | null {
  if (compiled === undefined) compiled = compileWasm(GBDT_KERNELS)
  return compiled
}

export const instantiate: (module: unknown, memory: unknown) => Kernels = instantiateWasm

/** Memory that is kept for the next training when it is small: a family trains thousands of members, one after another. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024
let kept: SharedMemory | null = null

/** Shared memory of at least `bytes`, its contents unknown; `null` when the platform has none to give. Give it back with `returnMemory`. */
export function borrowMemory(bytes: number): SharedMemory | null {
  const last = kept
  kept = null
  return last && last.buffer.byteLength >= bytes ? last : openSharedMemory(bytes)
}

export function returnMemory(memory: SharedMemory): void {
  if (memory.buffer.byteLength <= KEPT_BYTES_MAX) kept = memory
}
