/**
 * Up to which size calls of one model are cheap enough for the thread that answers requests.
 *
 * Every size begins in a worker thread. Where of 32 calls of a size (a power of two of elements) measured there at least half took 0.3 ms or less, calls of that size and of smaller
 * ones are made here from then on. They are measured here too: where more than half of the last 32 take over 0.6 ms, or one takes 50 ms, that size and all above it go back; in the
 * first case they have to be seen four times as often before they return. Half, since such a model does the same work for every call of a size: what is over it the machine took from the thread, by giving
 * the core to others, and would take from a worker as well.
 */

/** A call may take so long on the thread that answers requests, in milliseconds. */
export const CHEAP_MS = 0.3
/** Calls that were cheap are dear from here on: apart from the other bound, so that a model does not go to and fro. */
export const DEAR_MS = 0.6
/** One call of this length is enough. */
export const BLOCKING_MS = 50
/** Calls of a size that count, and how many of them may be slow. */
const WINDOW = 32
const SLOW_MAX = 16
/** Calls that are asked of a model that came back several times. */
const NEEDED_MAX = 8_192
const AGAIN = 4

/** The last calls of a size: which were slow. */
class Window {
  calls = 0
  slow = 0
  readonly #ring = new Uint8Array(WINDOW)

  add(isSlow: boolean): void {
    const at = this.calls++ % WINDOW
    this.slow += Number(isSlow) - this.#ring[at]
    this.#ring[at] = Number(isSlow)
  }
}

export class CheapCalls {
  /** Largest size that is cheap; -1 while none is. */
  #upTo = -1
  #needed = WINDOW
  readonly #windows = new Map<number, Window>()

  isCheap(elements: number): boolean {
    return sizeOf(elements) <= this.#upTo
  }

  /** A call in a worker thread, and what it took there. Whether it made its size cheap. */
  addAway(elements: number, ms: number): boolean {
    const size = sizeOf(elements)
    if (size <= this.#upTo) return false
    const window = this.#window(size)
    window.add(ms > CHEAP_MS)
    if (window.calls < this.#needed || window.slow > SLOW_MAX) return false
    this.#upTo = size
    this.#windows.clear()
    return true
  }

  /** A call on this thread. Whether it made its size dear. */
  addHere(elements: number, ms: number): boolean {
    const size = sizeOf(elements)
    const window = this.#window(size)
    window.add(ms > DEAR_MS)
    if (size > this.#upTo || (ms < BLOCKING_MS && window.slow <= SLOW_MAX)) return false
    this.#upTo = size - 1
    if (window.slow > SLOW_MAX) this.#needed = Math.min(NEEDED_MAX, this.#needed * AGAIN)
    this.#windows.clear()
    return true
  }

  #window(size: number): Window {
    const window = this.#windows.get(size) ?? new Window()
    this.#windows.set(size, window)
    return window
  }
}

const sizeOf = (elements: number): number => 32 - Math.clz32(Math.max(1, elements) - 1)
