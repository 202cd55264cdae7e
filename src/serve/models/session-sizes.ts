/**
 * What sessions of graphs really take. A session lives in memory of the runtime, which tells nothing about it; what the process grew by while one was made is noisy, since
 * others allocate too and freed memory is used again. Over many sessions the noise evens out: each counts what its file lets expect, times how much more all that were
 * measured took than was expected of them.
 */

/** What the expectation itself counts for, in bytes of sessions. */
const PRIOR_BYTES = 16 * 1024 * 1024
/** The expectation was measured; a factor beyond this tells of others that allocated. */
const FACTOR_MAX = 4

export class SessionSizes {
  #expected = PRIOR_BYTES
  #grown = PRIOR_BYTES

  get factor(): number {
    return Math.min(FACTOR_MAX, Math.max(1 / FACTOR_MAX, this.#grown / this.#expected))
  }

  /** A session of which so much was expected, and what the process grew by with it. */
  add(expectedBytes: number, grownBytes: number): void {
    this.#expected += expectedBytes
    this.#grown += Math.min(Math.max(0, grownBytes), FACTOR_MAX * expectedBytes)
  }

  bytes(expectedBytes: number): number {
    return Math.round(expectedBytes * this.factor)
  }
}
