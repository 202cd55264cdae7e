/** Trials of a search, best first. */
import type { Search, SearchTrial } from '../../api/types.ts'

/** The chosen one, then those that were measured on everything, then what was stopped, then what failed; the best of each first. */
export function bestFirst({ trials, best, higherIsBetter }: Search): SearchTrial[] {
  const rank = { done: 0, stopped: 1, failed: 2 }
  const sign = higherIsBetter ? -1 : 1
  const place = (t: SearchTrial) => (t.number === best ? -1 : rank[t.state])
  const worst = Number.POSITIVE_INFINITY
  const worth = ({ value }: SearchTrial) => (value === null ? worst : sign * value)
  return trials.toSorted((a, b) => place(a) - place(b) || worth(a) - worth(b) || a.number - b.number)
}
