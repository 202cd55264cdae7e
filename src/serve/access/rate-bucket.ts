/** A token bucket: so many acts at once, and so many a second for good. */

export interface Rate {
  /** Acts a second in the long run; may be below 1. */
  perS: number
  /** Acts at once after a pause. */
  burst: number
}

/** What was asked of a rate lately, as one of several processes tells it. */
export interface RateUse {
  /** Of the token. */
  name: string
  /** As `rateText` writes it: a part of another rate is of no use. */
  rate: string
  /** Of the whole rate. */
  perS: number
  burst: number
  /** Acts that were asked for since this was told last, refused ones included. */
  asked: number
  /** Acts that are left. */
  left: number
}

/** What one of several processes has of a rate from now on. */
export interface RatePart {
  name: string
  rate: string
  /** Above 0, 1 for all of it. */
  part: number
  /** Acts that are left to it, when it was asked last. */
  left: number
}

export class RateBucket {
  readonly rate: Rate
  #part: number
  #left: number
  #atMs: number
  /** Since the use was told last: acts that were asked for, and those that were taken. */
  #asked = 0
  #taken = 0

  /** `part`: what this process has of the rate, where several share it. */
  constructor(rate: Rate, nowMs: number, part = 1) {
    this.rate = rate
    this.#part = part
    this.#left = this.#burst
    this.#atMs = nowMs
  }

  /** Takes one act. False when none is left; then nothing is taken. Times are of a clock that does not go back, in milliseconds. */
  take(nowMs: number): boolean {
    this.#fill(nowMs)
    this.#asked++
    if (this.#left < 1) return false
    this.#left--
    this.#taken++
    return true
  }

  /** Whole acts that are left. */
  left(nowMs: number): number {
    this.#fill(nowMs)
    return Math.max(0, Math.floor(this.#left))
  }

  /** Time until there is one more act than now, in milliseconds; 0 when it is full. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs)
    if (this.#left >= this.#burst) return 0
    return ((Math.floor(this.#left) + 1 - this.#left) / (this.rate.perS * this.#part)) * 1000
  }

  /** What was asked since this was asked last; undefined where that is nothing. */
  use(name: string, nowMs: number): RateUse | undefined {
    if (this.#asked === 0) return undefined
    this.#fill(nowMs)
    const use = { name, rate: rateText(this.rate), ...this.rate, asked: this.#asked, left: this.#left }
    this.#asked = 0
    this.#taken = 0
    return use
  }

  /** Its part of the rate from now on. What was taken since the use was told is taken from what is left. */
  deal({ part, left }: RatePart, nowMs: number): void {
    this.#fill(nowMs)
    this.#part = part
    this.#left = Math.min(this.#burst, left - this.#taken)
  }

  /** A part is one act at least: what is less than that could never be taken. */
  get #burst(): number {
    return Math.max(1, this.rate.burst * this.#part)
  }

  #fill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#atMs)
    const more = (passedMs / 1000) * this.rate.perS * this.#part
    this.#left = Math.min(this.#burst, this.#left + more)
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
