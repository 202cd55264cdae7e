/** The few parts of the WebAssembly API that kernels need, typed here as the platform's types leave them out. */

/** Memory of kernels. Growing it detaches views of `buffer`, so kernels here get all they need at once. */
export interface WasmMemory<B extends ArrayBufferLike = ArrayBufferLike> {
  readonly buffer: B
}

/** Memory that grows; each growth detaches the views of what `buffer` was. */
export interface GrowingMemory extends WasmMemory<ArrayBuffer> {
  /** Throws where the platform has no more to give. */
  grow(pages: number): number
}

interface WasmApi {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: unknown, imports: object) => { exports: unknown }
  Memory: {
    new (limits: { initial: number; maximum: number; shared: true }): WasmMemory<SharedArrayBuffer>
    new (limits: { initial: number; maximum: number }): GrowingMemory
  }
}

const api = (globalThis as unknown as { WebAssembly?: WasmApi }).WebAssembly

export const PAGE_BYTES = 65_536
/** 32-bit addresses end here; the last page is left alone, so that no address plus its width wraps round. */
export const MEMORY_BYTES_MAX = 2 ** 32 - PAGE_BYTES

/** The module in some base64; `null` where the platform refuses it, as it lacks SIMD, shared memory or WebAssembly. Compile once a thread and keep it. */
export function compileWasm(base64: string): object | null {
  try {
    return api ? new api.Module(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))) : null
  } catch {
    return null
  }
}

/** What a compiled module exports, over a memory. */
export function instantiateWasm<Exports>(module: unknown, memory: unknown): Exports {
  return new api!.Instance(module, { env: { memory } }).exports as Exports
}

/** Memory of at least `bytes`, all zero; `null` when the platform has none to give. */
export function openMemory(bytes: number): WasmMemory<ArrayBuffer> | null {
  return allocate(bytes, (pages) => new api!.Memory({ initial: pages, maximum: pages }))
}

/** Memory of at least `bytes` that can grow to `bytesMax`; `null` when the platform has none to give. */
export function openGrowingMemory(bytes: number, bytesMax: number): GrowingMemory | null {
  if (bytesMax > MEMORY_BYTES_MAX) return null
  const maximum = Math.max(1, Math.ceil(bytesMax / PAGE_BYTES))
  return allocate(bytes, (initial) => new api!.Memory({ initial, maximum }))
}

/** The same, to be shared between threads. */
export function openSharedMemory(bytes: number): WasmMemory<SharedArrayBuffer> | null {
  return allocate(bytes, (pages) => new api!.Memory({ initial: pages, maximum: pages, shared: true }))
}

function allocate<M>(bytes: number, make: (pages: number) => M): M | null {
  if (!api || bytes > MEMORY_BYTES_MAX) return null
  try {
    return make(Math.max(1, Math.ceil(bytes / PAGE_BYTES)))
  } catch {
    return null
  }
}
