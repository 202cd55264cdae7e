/** How old the newest row may be, by the pace at which rows came so far. */
import { checks } from '../../define/checks.ts'
import type { Candidate } from './candidate.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Data whose newest row is older than this are an archive. */
const ALIVE_MS = 60 * DAY_MS
/** Longest gaps so far that are waited for. */
const GAPS = 3
const TIMES_MIN = 10

/** `times`: ascending epoch milliseconds, each once. The newest gaps set the pace. */
export function freshness(column: string, times: Float64Array, now: number): Candidate[] {
  const newest = times.at(-1)
  if (newest === undefined || times.length < TIMES_MIN || now - newest > ALIVE_MS || newest > now) return []
  const recent = times.subarray(-1000)
  let gap = 0
  for (let i = 1; i < recent.length; i++) gap = Math.max(gap, recent[i]! - recent[i - 1]!)
  const hours = Math.ceil(Math.max(HOUR_MS, GAPS * gap, 2 * (now - newest)) / HOUR_MS)
  const age = hours < 48 ? `${hours}h` : `${Math.ceil(hours / 24)}d`
  return [
    {
      kind: 'fresh',
      check: checks.fresh(column, age as `${number}d`).def,
      columns: [column],
      why: `rows came at most ${hoursText(gap)} apart`,
      failingMax: 0,
    },
  ]
}

const hoursText = (ms: number): string =>
  ms < 2 * DAY_MS ? `${Number((ms / HOUR_MS).toPrecision(2))} hours` : `${Math.round(ms / DAY_MS)} days`
