/** What the pool and its worker threads say to each other. */
import type { Json } from '../../core/canonical.ts'
import type { Digest, RunSpec } from '../../core/records.ts'

/** What a worker thread is started with. */
export interface WorkerSetup {
  storeUrl: string
  tasksModule: string
  /** Memory and threads of the worker's own Query. */
  queryMemoryMb: number
  queryThreads: number
}

export type ToWorker =
  | { type: 'run'; id: Digest; spec: RunSpec }
  | { type: 'abort'; id: Digest }
  | { type: 'close' }

/** An error as it crosses the thread. */
export interface Plain {
  code?: string
  data?: unknown
  message: string
  stack?: string
}

export type FromWorker =
  | { type: 'progress'; id: Digest; done: number; note: string }
  | {
      type: 'done'
      id: Digest
      outputs: Record<string, Digest>
      note?: Json
      startedAt: number
      endedAt: number
      cpuMs?: number
    }
  | { type: 'failed'; id: Digest; error: Plain; startedAt: number; endedAt: number; cpuMs?: number }
  /** The worker cannot take the spec: it has no such task, or another version of it. Nothing was done. */
  | { type: 'refused'; id: Digest; error: Plain }
