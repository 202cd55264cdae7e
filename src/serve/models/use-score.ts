/**
 * How much something is used: each use counts one, and what it counts halves with every so many later uses of anything. That is frequency where demand holds still, and
 * recency where it moves. Scores are kept as the binary logarithm of the sum of `2^(use / halfLife)`, so that a score changes only when its own thing is used, and
 * two scores can be compared at any time. Cost: O(1).
 *
 * Source: Lee et al. 2001, LRFU, section 2, with the weighing function `2^-(age / halfLife)`.
 */

/** Never used. */
export const UNUSED = Number.NEGATIVE_INFINITY

/** Beyond this many halvings an older score is no more seen in a double. */
const HALVINGS_MAX = 52

/** The score after one more use at `at`, which is how many uses of anything there were, divided by the half-life. */
function usedAgain(score: number, at: number): number {
  const ahead = score - at
  return ahead > HALVINGS_MAX ? score : at + Math.log2(1 + 2 ** ahead)
}

/** Counts uses of all, and says how the score of one changes. */
export class UseClock {
  #halfLife: number
  #at = 0

  /** `halfLife` in uses of anything. */
  constructor(halfLife: number) {
    this.#halfLife = halfLife
  }

  /** From now on; scores so far stay. */
  set halfLife(uses: number) {
    this.#halfLife = uses
  }

  /** The score of what is used now. */
  use(score: number): number {
    this.#at += 1 / this.#halfLife
    return usedAgain(score, this.#at)
  }
}
