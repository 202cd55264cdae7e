/** A token bucket: so many acts at once, and so many a second for good. */

export interface Rate {
  /** Acts a second in the long run; may be below 1. */
  perS: number
  /** Acts at once after a pause. */
  burst: number
}

export class RateBucket {
  readonly rate: Rate
  #left: number
  #atMs: number

  constructor(rate: Rate, nowMs: number) {
    this.rate = rate
    this.#left = rate.burst
    this.#atMs = nowMs
  }

  /** Takes one act. False when none is left; then nothing is taken. Times are of a clock that does not go back, in milliseconds. */
  take(nowMs: number): boolean {
    this.#fill(nowMs)
    if (this.#left < 1) return false
    this.#left--
    return true
  }

  /** Whole acts that are left. */
  left(nowMs: number): number {
    this.#fill(nowMs)
    return Math.floor(this.#left)
  }

  /** Time until there is one more act than now, in milliseconds; 0 when it is full. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    const { perS, burst } = this.rate
    return this.#left >= burst ? 0 : ((Math.floor(this.#left) + 1 - this.#left) / perS) * 1000
  }

  #fill(nowMs: number): void {
    const { perS, burst } = this.rate
    const passedMs = Math.max(0, nowMs - this.#atMs)
    this.#left = Math.min(burst, this.#left + (passedMs / 1000) * perS)
    this.#atMs = Math.max(this.#atMs, nowMs)
  }
}

const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** `100/s`, `30/m`, `100/s,200` with the burst. Default burst: what a second gives, one at least. Undefined for other texts. */
export function parseRate(text: string): Rate | undefined {
  const [, count, unit, burst] = /^\s*(\d{1,9})\/([smhd])(?:\s*,\s*(\d{1,9}))?\s*$/.exec(text) ?? []
  if (count === undefined || Number(count) === 0 || Number(burst ?? 1) === 0) return undefined
  const perS = Number(count) / SECONDS[unit]
  return { perS, burst: burst === undefined ? Math.max(1, Math.ceil(perS)) : Number(burst) }
}

/** A rate as `parseRate` reads it. */
export function rateText({ perS, burst }: Rate): string {
  const unit = Object.keys(SECONDS).find((u) => isWhole(perS * SECONDS[u])) ?? 'd'
  return `${Math.round(perS * SECONDS[unit])}/${unit},${burst}`
}

const isWhole = (n: number): boolean => Math.abs(n - Math.round(n)) < 1e-9 * Math.max(1, n) && n >= 1 - 1e-9
