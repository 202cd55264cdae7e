/** Chances of classes while they are fitted one after another. */
import { expFast } from '../../stats/exp.ts'

const RAW_MAX = 60

export interface Chances {
  /** Begins a round over the classes, from the raw scores as they are now. */
  begin(): void
  /** Chance of class `k`, whose turn it is, in row `i` if its raw score were `raw` and those of the others stay as they are. Cost: one exponential. */
  of(i: number, k: number, raw: number): number
  /** Ends the turn of class `k`: its raw scores are final for this round. */
  pass(k: number): void
}

/**
 * Of each row the sum over the classes that had their turn and the sums over those still to come are kept, so that a turn needs no look at other classes and
 * nothing is ever subtracted: a chance next to 1 keeps its distance from it. All are shares of the row's largest at the beginning of the round.
 *
 * Shapes: `raws` `[nClasses][nRows]`, read again at `begin` and `pass`. Cost: O(nClasses * nRows) a round, and as many numbers of memory.
 */
export function openChances(raws: readonly Float64Array[]): Chances {
  const nRows = raws[0].length
  const tops = new Float64Array(nRows)
  const done = new Float64Array(nRows)
  const ahead = raws.map(() => new Float64Array(nRows))
  const part = (i: number, raw: number) => expFast(Math.max(-RAW_MAX, Math.min(RAW_MAX, raw - tops[i])))
  return {
    begin() {
      tops.fill(Number.NEGATIVE_INFINITY)
      for (const raw of raws) for (let i = 0; i < nRows; i++) if (raw[i] > tops[i]) tops[i] = raw[i]
      done.fill(0)
      ahead[raws.length - 1].fill(0)
      for (let k = raws.length - 1; k > 0; k--)
        for (let i = 0; i < nRows; i++) ahead[k - 1][i] = ahead[k][i] + part(i, raws[k][i])
    },
    of(i, k, raw) {
      const own = part(i, raw)
      return own / (done[i] + own + ahead[k][i])
    },
    pass(k) {
      for (let i = 0; i < nRows; i++) done[i] += part(i, raws[k][i])
    },
  }
}
