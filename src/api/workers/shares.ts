/** What each of several worker processes gets of the threads and the memory. */
import { availableParallelism } from 'node:os'
import { halfOfMemoryMb } from '../build-models.ts'

export interface Share {
  threads: number
  memoryMb: number
  cacheMb?: number
  /** Of each token's rate, until it is known which of them are asked. */
  ratePart: number
}

/** Threads as evenly as they go, one each at least; memory and what answers are kept in evenly. */
export function sharesOf({
  workers,
  threads = availableParallelism(),
  memoryMb = halfOfMemoryMb(),
  cacheMb,
}: {
  workers: number
  threads?: number
  memoryMb?: number
  cacheMb?: number
}): Share[] {
  const evenly = (mb: number) => Math.max(1, Math.floor(mb / workers))
  return Array.from({ length: workers }, (_, worker) => ({
    threads: Math.max(1, Math.floor(threads / workers) + (worker < threads % workers ? 1 : 0)),
    memoryMb: evenly(memoryMb),
    ratePart: 1 / workers,
    ...(cacheMb !== undefined && { cacheMb: evenly(cacheMb) }),
  }))
}
