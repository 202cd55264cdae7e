/**
 * Rates of tokens shared by several processes. Each process counts by itself, with a part of the rate and of the burst; what was asked of each lately says how large its part is from now on. The
 * parts of a rate are one together, so that in the long run no more is taken than the rate allows, whatever comes late or never; acts that are left move with the parts.
 */
import type { RatePart, RateUse } from '../../serve/access/rate-bucket.ts'

/** What counts of the demand before, with each deal. */
const KEPT = 0.3
/** Part that processes have which are asked nothing, all together: so that their first requests need not wait for a deal. */
const IDLE_PART = 0.03
/** Demand below which nothing is asked. */
const DEMAND_MIN = 0.01

interface Seat {
  demand: number
  /** Acts that are left, as it was said or dealt at a time. */
  left: number
  atMs: number
  part: number
}

interface Shared {
  /** Of the token, and the rate as it is written. */
  name: string
  rate: string
  perS: number
  burst: number
  /** By process. */
  seats: Map<number, Seat>
}

/** Processes are known by a number of their own, which no later one has. Times are of a clock that does not go back, in milliseconds. */
export class RateDealer {
  readonly #rates = new Map<string, Shared>()

  /** What a process was asked since it said so last. */
  heard(process: number, uses: readonly RateUse[], processes: readonly number[], nowMs: number): void {
    for (const { name, rate, perS, burst, asked, left } of uses) {
      const key = JSON.stringify([name, rate])
      const shared = this.#rates.get(key) ?? { name, rate, perS, burst, seats: new Map() }
      this.#rates.set(key, shared)
      seat(shared, processes, nowMs)
      const own = shared.seats.get(process)
      if (!own) continue
      own.demand += asked
      own.left = left
      own.atMs = nowMs
    }
  }

  /** Parts from now on, by process, of rates that are asked; once more, evenly, when they are not any more. */
  deal(processes: readonly number[], nowMs: number): Map<number, RatePart[]> {
    const dealt = new Map<number, RatePart[]>()
    for (const [key, shared] of this.#rates) {
      seat(shared, processes, nowMs)
      const total = [...shared.seats.values()].reduce((sum, { demand }) => sum + demand, 0)
      const isOver = total < DEMAND_MIN
      share(shared, isOver ? 0 : total, nowMs)
      const { name, rate } = shared
      for (const [process, own] of shared.seats) {
        const parts = dealt.get(process) ?? []
        parts.push({ name, rate, part: own.part, left: own.left })
        dealt.set(process, parts)
        own.demand *= KEPT
      }
      if (isOver) this.#rates.delete(key)
    }
    return dealt
  }
}

/** A place for each process that there is, and none for those that ended. */
function seat({ seats, burst }: Shared, processes: readonly number[], nowMs: number): void {
  for (const process of seats.keys()) if (!processes.includes(process)) seats.delete(process)
  for (const process of processes)
    if (!seats.has(process))
      seats.set(process, {
        demand: 0,
        left: burst / processes.length,
        atMs: nowMs,
        part: 1 / processes.length,
      })
}

/** Parts by demand; of what is left first one act for each, so that whoever is asked next can answer. */
function share(shared: Shared, total: number, nowMs: number): void {
  const { seats, burst, perS } = shared
  const n = seats.size
  let left = 0
  for (const one of seats.values()) {
    const most = Math.max(1, burst * one.part, one.left)
    left += Math.min(most, one.left + (perS * one.part * (nowMs - one.atMs)) / 1_000)
  }
  left = Math.min(burst, left)
  const each = left >= n ? 1 : 0
  for (const one of seats.values()) {
    one.part = total === 0 ? 1 / n : (1 - IDLE_PART) * (one.demand / total) + IDLE_PART / n
    one.left = each + (left - each * n) * one.part
    one.atMs = nowMs
  }
}
