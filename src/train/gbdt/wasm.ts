/** The few parts of the WebAssembly API that training needs, typed here as the platform's types leave them out, and the compiled kernels. */
import type { Kernels } from './crew.ts'
import { GBDT_KERNELS } from './kernels-wasm.ts'

export interface SharedMemory {
  readonly buffer: SharedArrayBuffer
}

interface WasmApi {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: unknown, imports: object) => { exports: Kernels }
  Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory
}

const wasm = (globalThis as unknown as { WebAssembly?: WasmApi }).WebAssembly

export const PAGE_BYTES = 65_536
/** 32-bit addresses end here; the last page is left alone, so that no address plus its width wraps round. */
export const MEMORY_BYTES_MAX = 2 ** 32 - PAGE_BYTES

let compiled: object | null | undefined

/** The kernels, compiled once a thread; `null` where the platform refuses them, as it lacks SIMD, shared memory or WebAssembly. */
export function kernelModule(): object | null {
  if (compiled === undefined) {
    try {
      compiled = wasm ? new wasm.Module(Buffer.from(GBDT_KERNELS, 'base64')) : null
    } catch {
      compiled = null
    }
  }
  return compiled
}

export function instantiate(module: unknown, memory: unknown): Kernels {
  return new wasm!.Instance(module, { env: { memory } }).exports
}

/** Memory that is kept for the next training when it is small: a family trains thousands of members, one after another. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024
let kept: SharedMemory | null = null

/** Shared memory of at least `bytes`, its contents unknown; `null` when the platform has none to give. Give it back with `returnMemory`. */
export function borrowMemory(bytes: number): SharedMemory | null {
  const last = kept
  kept = null
  if (last && last.buffer.byteLength >= bytes) return last
  const pages = Math.ceil(bytes / PAGE_BYTES)
  try {
    return new wasm!.Memory({ initial: pages, maximum: pages, shared: true })
  } catch {
    return null
  }
}

export function returnMemory(memory: SharedMemory): void {
  if (memory.buffer.byteLength <= KEPT_BYTES_MAX) kept = memory
}
