/** What each of several worker processes gets of the threads and the memory. */
import { availableParallelism } from 'node:os'
import { halfOfMemoryMb } from '../build-models.ts'

export interface Share {
  threads: number
  memoryMb: number
}

/** Threads as evenly as they go, one each at least; memory evenly. */
export function sharesOf({
  workers,
  threads = availableParallelism(),
  memoryMb = halfOfMemoryMb(),
}: {
  workers: number
  threads?: number
  memoryMb?: number
}): Share[] {
  return Array.from({ length: workers }, (_, worker) => ({
    threads: Math.max(1, Math.floor(threads / workers) + (worker < threads % workers ? 1 : 0)),
    memoryMb: Math.max(1, Math.floor(memoryMb / workers)),
  }))
}
