/** How long calls of one model take, so that a call that has hung is told from one that is long. */

/** A call is never taken for stuck sooner: a machine that is busy lets a thread wait for parts of a second. */
const LEAST_MS = 800
/** A call may take so many times what the slowest of its size took. */
const PATIENCE = 20
/** Calls that are seen before the next one is expected to be like them. */
const CALLS_MIN = 2

export class CallPace {
  #calls = 0
  #slowestMs = 0
  /** Elements of the largest call. */
  #elements = 1

  /** A call of so many elements took so long. */
  add(elements: number, ms: number): void {
    this.#calls++
    this.#slowestMs = Math.max(this.#slowestMs, ms)
    this.#elements = Math.max(this.#elements, elements)
  }

  /**
   * How long a call of so many elements may take, in milliseconds: `mostMs` while little is known, else twenty times the slowest that was seen, 800 at least. A call larger than
   * any before may take more by the square of that, which is what attention over a sequence costs.
   */
  limitMs(elements: number, mostMs: number): number {
    if (this.#calls < CALLS_MIN) return mostMs
    const larger = Math.max(1, elements / this.#elements)
    return Math.min(mostMs, Math.max(LEAST_MS, PATIENCE * this.#slowestMs * larger ** 2))
  }
}

/** Elements of all tensors together. */
export function elementsOf(feeds: Record<string, { data: { length: number } }>): number {
  let elements = 0
  for (const name in feeds) elements += feeds[name]!.data.length
  return elements
}
