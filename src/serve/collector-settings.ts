/**
 * Settings of V8's garbage collector for a process that does nothing but answer. They hold for the whole process, so it is the process that asks for them and never the library.
 *
 * - New objects are collected by the thread that made them. What lives is a few hundred kilobytes, and four threads that share that spend more on waiting for one another, on the cores
 *   that answer: a tenth of the CPU time of a small request.
 * - Bodies and tensors are memory outside of the heap, of which V8 lets come about as much as the heap before it goes through all that lives. A heap of 15 MB is gone through again and
 *   again, which cost as much as a fifth of a convolutional net of 10 ms; so it may grow by `ROOM_BYTES` between. A large heap has as much room by itself, and is left to V8.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'

/** More than what V8 collects of new memory outside of the heap at once (32 MB), which is then all that is done. */
const ROOM_BYTES = 96 * 1024 * 1024
const GROWTH_PERCENT_MAX = 400
/** Where V8 would do as much by itself. */
const GROWTH_PERCENT_MIN = 50
const EVERY_MS = 2_000

let isSettled = false

/** Once a process. */
export function settleCollector(): void {
  if (isSettled) return
  isSettled = true
  setFlagsFromString('--no-parallel-scavenge')
  let now = 0
  const settle = () => {
    const percent = growthPercent(getHeapStatistics().used_heap_size)
    if (percent === now) return
    now = percent
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  settle()
  setInterval(settle, EVERY_MS).unref()
}

/** Percent that a heap of so many bytes may grow by between two full collections, in steps of 50; 0 leaves it to V8. */
export function growthPercent(heapBytes: number): number {
  const percent = Math.floor((2 * ROOM_BYTES) / heapBytes) * 50
  return percent < GROWTH_PERCENT_MIN ? 0 : Math.min(GROWTH_PERCENT_MAX, percent)
}
