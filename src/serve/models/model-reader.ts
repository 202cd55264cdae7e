/**
 * Reads model files on threads of its own. A thread that ends by itself, as a file may need more memory than there is for reading, fails the read that it was at and is
 * started again with the next. Small files are read at once where they are asked for: they take less than it takes to hand them over.
 */
import { stat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { type DataOf, type ErrorCode, MillraceError, toError } from '../../core/errors.ts'
import { workerUrl } from '../../engine/worker-url.ts'
import { type ReadAs, type ReadModel, readModel } from './read-model.ts'
import type { FromReader, ToReader } from './read-worker.ts'

export const READER_LIMITS = {
  /** Files that are read where they are asked for. */
  inlineBytesMax: 16 * 1024,
  /** Threads. */
  threadsMax: 2,
  /** Heap of one thread beside what its files take several times of, in megabytes. */
  heapMb: 4_096,
  /** Its part for what was allocated last: what a file leaves behind is to go early. */
  youngMb: 8,
} as const

interface Owed {
  path: string
  bytes: number
  as: ReadAs
  resolve: (read: ReadModel) => void
  reject: (error: Error) => void
}

export class ModelReader {
  readonly #threads: ReadThread[]

  constructor(threads = 1) {
    const n = Math.max(1, Math.min(threads, READER_LIMITS.threadsMax))
    this.#threads = Array.from({ length: n }, () => new ReadThread())
  }

  /** Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID, MR_REPOSITORY_CONFIG, MR_SERVE_READ. */
  async read(path: string, as: ReadAs = 'whole'): Promise<ReadModel> {
    const { size } = await stat(path).catch((thrown: unknown) => {
      const cause = toError(thrown)
      throw new MillraceError('MR_SERVE_READ', { path, reason: cause.message }, { cause })
    })
    if (size <= READER_LIMITS.inlineBytesMax) return readModel(path)
    return await this.#least().read(path, size, as)
  }

  /** Starts a thread, so that the first file need not wait for it. Others are started when a file would have to wait for another. */
  warm(): void {
    this.#threads[0].start()
  }

  close(): void {
    for (const thread of this.#threads) thread.close()
  }

  #least(): ReadThread {
    return this.#threads.reduce((best, thread) => (thread.pending < best.pending ? thread : best))
  }
}

class ReadThread {
  readonly #owed = new Map<number, Owed>()
  #worker: Worker | undefined
  #seq = 0

  get pending(): number {
    return this.#owed.size
  }

  start(): Worker {
    if (this.#worker) return this.#worker
    const file = import.meta.url.endsWith('.ts') ? './read-worker.ts' : './read-worker.js'
    const worker = new Worker(workerUrl(new URL(file, import.meta.url)), {
      execArgv: [],
      resourceLimits: {
        maxOldGenerationSizeMb: READER_LIMITS.heapMb,
        maxYoungGenerationSizeMb: READER_LIMITS.youngMb,
      },
    })
    worker.unref()
    worker.on('message', (message: FromReader) => this.#answered(message))
    worker.on('error', (error) => this.#ended(worker, error.message))
    worker.on('exit', () => this.#ended(worker, 'it ended'))
    this.#worker = worker
    return worker
  }

  read(path: string, bytes: number, as: ReadAs): Promise<ReadModel> {
    const worker = this.start()
    const seq = ++this.#seq
    return new Promise((resolve, reject) => {
      this.#owed.set(seq, { path, bytes, as, resolve, reject })
      worker.ref()
      worker.postMessage({ seq, path, bytes, as } satisfies ToReader)
    })
  }

  close(): void {
    const worker = this.#worker
    if (!worker) return
    this.#ended(worker, 'the server is closing')
    void worker.terminate()
  }

  #answered(message: FromReader): void {
    const owed = this.#owed.get(message.seq)
    this.#owed.delete(message.seq)
    if (this.#owed.size === 0) this.#worker?.unref()
    if (!owed) return
    if ('read' in message) owed.resolve(message.read)
    else if ('code' in message)
      owed.reject(new MillraceError(message.code as ErrorCode, message.data as DataOf<ErrorCode>))
    else owed.reject(new Error(message.message))
  }

  /** Files come in order: the oldest is the one that it was at, the others are read by the next thread. */
  #ended(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const [at, ...others] = [...this.#owed.values()]
    this.#owed.clear()
    at?.reject(new MillraceError('MR_SERVE_READ', { path: at.path, reason }))
    for (const { path, bytes, as, resolve, reject } of others)
      if (reason === 'the server is closing') reject(new MillraceError('MR_SERVE_READ', { path, reason }))
      else this.read(path, bytes, as).then(resolve, reject)
  }
}
