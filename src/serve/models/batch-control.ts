/**
 * What one model's batches are to be, from what its calls were seen to cost, what comes, and the time within which an answer is of use (the objective: 99 of 100 requests that
 * are taken are answered within it).
 *
 *   one row at a time, 10 ms each: 100 rows a second; fifty at a time in 20 ms: 2,500 a second, each of which waits longer
 *
 * A request that comes while a call runs waits for its end and then for its own, so that a call may take its part of the objective and no more. There is no delay by itself:
 * a call that begins at once while a thread is free ends before one that waits for company, and under load there is company anyway. Each request that is taken is expected to
 * be answered after some time; how many times that time the latest took is kept, and the objective is planned for by the high quantile of it.
 */

import { CostCurve } from './cost-curve.ts'
import { DecayedRate } from './decayed-rate.ts'
import { RecentHistogram } from './recent-histogram.ts'

export interface BatchSettings {
  /** Rows of one batch at most; of every batch while there are as many, where `isStatic`. */
  rowsMax: number
  /** Whether the rows of a batch are as stated, and not found. */
  isStatic?: boolean
  /** Time that a request waits for others while a thread is free. Default 0. */
  delayMs?: number
  /** Batches at once. */
  concurrency: number
  /** Time within which an answer is of use. */
  latencyMs?: number
  /** Time that one call of several requests should take at most. Default 1,000: a thread that answers nothing for long counts as stuck. */
  callMsMax?: number
}

/** Rows that wait, and when the calls under way are expected to end, in milliseconds from now. */
export interface BatchLoad {
  queueRows: number
  endsInMs: readonly number[]
}

const CALL_MS_MAX = 1_000
/** Share of answers that may take longer than is planned for: half of what is promised. */
const OVER_SHARE = 0.005
/** How much longer than expected is planned for at most: beyond it, another model or machine is needed. */
const TIMES_MAX = 4
/** Calls are never planned for less of the objective than this: a server that is late because it has too much to do would do even more in smaller ones. */
const CALL_PLAN_SHARE = 0.5
/** What is taken is planned for with so many times the calls of one row that a request may see, at least. */
const LEAST_PLAN = 1.25
/** Calls before what answers take is compared with what was expected. */
const KNOWN_CALLS = 20
/** Only answers expected to take this share of the objective say what such answers take. */
const NEAR_SHARE = 0.5
/** Answers, or time, after which those before count no more, once as much has passed again. */
const KEPT_ANSWERS = 1_000
const KEPT_MS = 1_000
/** Time whose latencies are shown. */
const SHOWN_MS = 5_000
/** Share of a call that is left when a request comes, as a call's length reckons with it: half in the mean; docs/decisions/0016 says what other shares cost. */
const REST_SHARE = 0.6

/** One batch in so many may have twice the rows. */
const LOOK_EVERY = 16

export class BatchControl {
  readonly settings: BatchSettings
  readonly cost = new CostCurve()
  /** Rows that were asked for, and those that were answered. */
  readonly offered = new DecayedRate()
  readonly answered = new DecayedRate()
  /** Time from coming to leaving, of the answers of the last seconds. */
  readonly latencies = new RecentHistogram(Number.POSITIVE_INFINITY, SHOWN_MS)
  /** Times that answers took of what was expected. */
  readonly #took = new RecentHistogram(KEPT_ANSWERS, KEPT_MS)
  #times = 1
  #batches = 0
  /** Requests since the model was loaded. */
  readonly requests = { answered: 0, over: 0, refused: 0 }

  constructor(settings: BatchSettings) {
    this.settings = settings
  }

  /** How many times what is expected an answer takes, of all but one in two hundred. At least 1. */
  get times(): number {
    return this.#times
  }

  /** What the expected time of an answer may be for the objective to be kept. Never so little that hardly anything is taken: a machine that pauses is not made better by refusing all. */
  get plannedMs(): number {
    const { latencyMs = Number.POSITIVE_INFINITY, concurrency } = this.settings
    const least = LEAST_PLAN * callsOf(concurrency) * this.cost.costMs(1)
    return Math.max(latencyMs / this.#times, Math.min(latencyMs, least))
  }

  get delayMs(): number {
    return this.settings.delayMs ?? 0
  }

  /** Time that the longest call may take: its part of the objective, less what varies. */
  get callMs(): number {
    const { latencyMs, concurrency, callMsMax = CALL_MS_MAX } = this.settings
    if (latencyMs === undefined) return callMsMax
    const plannedMs = Math.max(CALL_PLAN_SHARE * latencyMs, this.plannedMs)
    return Math.min(callMsMax, (plannedMs - this.delayMs) / callsOf(concurrency))
  }

  /** Rows that a batch may have. One while nothing is known. */
  batchRows(): number {
    const { rowsMax, isStatic, callMsMax = CALL_MS_MAX } = this.settings
    if (!this.cost.isKnown) return 1
    if (isStatic) return Math.max(1, Math.min(rowsMax, this.cost.rowsWithin(callMsMax)))
    return this.cost.bestRows(this.callMs, rowsMax)
  }

  /** Rows that the next batch may have: as above, but one batch in so many twice that, so that a size which once was dear, by a pause of the machine, is measured again. */
  nextRows(): number {
    const rows = this.batchRows()
    if (this.settings.isStatic || !this.cost.isKnown || ++this.#batches % LOOK_EVERY > 0) return rows
    const most = Math.min(this.settings.rowsMax, this.cost.rowsWithin(this.callMs))
    return Math.max(rows, Math.min(2 * rows, most))
  }

  /** Time from now to the answer of a request of so many rows that comes now: after what runs and what waits, with those that come meanwhile. */
  expectedMs(rows: number, { queueRows, endsInMs }: BatchLoad, nowMs: number): number {
    const batch = this.batchRows()
    const free = this.#freeInMs(endsInMs)
    const batchMs = this.cost.costMs(batch)
    let before = queueRows
    // a batch takes requests until it has its rows, so that the last may bring more, but never more than a stated most
    const most = this.settings.isStatic ? batch - rows : batch - 1
    for (; before > 0 && before > most; before = Math.max(0, before - batch)) {
      free[0] += batchMs
      free.sort((a, b) => a - b)
    }
    const [startMs] = free
    const others = before + (this.offered.perSecond(nowMs) * startMs) / 1000
    return startMs + this.cost.costMs(Math.max(before + rows, Math.min(batch, others + rows)))
  }

  /** Requests of one batch were answered after so long, and have left; that was expected. */
  ended(answers: readonly { ms: number; expectedMs: number }[], rows: number, nowMs: number): void {
    this.answered.add(rows, nowMs)
    this.requests.answered += answers.length
    const { latencyMs } = this.settings
    for (const { ms } of answers) this.latencies.add(ms)
    if (latencyMs !== undefined) this.#compare(answers, latencyMs, nowMs)
  }

  /** Learns how many times the expected time answers take, where there is an objective to be planned for. */
  #compare(answers: readonly { ms: number; expectedMs: number }[], latencyMs: number, nowMs: number): void {
    for (const { ms, expectedMs } of answers) {
      if (ms > latencyMs) this.requests.over++
      if (this.cost.calls > KNOWN_CALLS && expectedMs >= NEAR_SHARE * this.plannedMs)
        this.#took.add(ms / expectedMs)
    }
    const [times] = this.#took.quantiles([1 - OVER_SHARE], nowMs)
    this.#times = Math.min(TIMES_MAX, Math.max(1, times ?? 1))
  }

  /** When each thread is free, in milliseconds from now, ascending. What is late is taken to be late by as much again. */
  #freeInMs(endsInMs: readonly number[]): number[] {
    const { concurrency } = this.settings
    const ends = endsInMs.map(Math.abs)
    while (ends.length < concurrency) ends.push(0)
    return ends.sort((a, b) => a - b)
  }
}

/** Calls that a request sees where so many threads are at work one after the other: the rest of one that is under way, and its own. */
function callsOf(concurrency: number): number {
  return 1 + REST_SHARE / concurrency
}
