/**
 * Memory that models left is given back when the collector comes by, which it does when something is allocated: a process that has unloaded much and is asked little would keep it.
 * So it is called when much has left and nothing did for a moment. One call takes some tens of milliseconds, about once a megabyte of live heap is a third of one.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes that leave before it is worth a call. */
const LEFT_BYTES_MIN = 32 * 1024 * 1024
const QUIET_MS = 1_000

let collect: (() => void) | undefined

/** The collector of this thread; the flag that shows it takes effect in contexts made after it. */
function collectNow(): void {
  if (!collect) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
    setFlagsFromString('--no-expose-gc')
  }
  collect()
}

export class QuietCollector {
  #left = 0
  #timer: NodeJS.Timeout | undefined

  /** So many bytes are used no more. */
  add(bytes: number): void {
    this.#left += bytes
    if (this.#left < LEFT_BYTES_MIN) return
    if (this.#timer) this.#timer.refresh()
    else this.#timer = setTimeout(() => this.#collect(), QUIET_MS).unref()
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #collect(): void {
    this.#timer = undefined
    this.#left = 0
    collectNow()
  }
}
