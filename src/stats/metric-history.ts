/**
 * Whether a number is what its history lets expect: of a metric that is measured once a delivery, a day, an hour. Several simple forecasts run side by side
 * (a level, one that wanders, a trend, each with or without a season); the one whose last one-step errors were smallest speaks, and those errors say how far off
 * it may be.
 *
 * What is judged unusual is not learned until a person accepts it, so that no fault becomes the rule it is judged by. With 8 points the interval is that of
 * Student with 7 degrees of freedom, which a plain level shift leaves; rules that take the judged point into their own mean cannot alarm before the eleventh.
 * Source: recursive residuals, Brown, Durbin and Evans, 1975; seasons by backfitting, Cleveland and others, 1990, "STL".
 */
import { studentQuantile, studentSf } from './distributions.ts'
import { expClamped } from './exp.ts'
import { refuseNotFinite, requireRange } from './inputs.ts'
import { log1pFast } from './log.ts'
import { median } from './quantiles.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const MONDAY = 4 * DAY

export type SeasonName = 'day' | 'week' | 'year'

export interface HistoryOptions {
  /** Chance of an alarm for a point that is as usual, of normal noise; five times that for the first three weeks of points, which see the most. Default: 0.0005. */
  alpha?: number
  /** A season that is known; `auto` (default) finds one where it is worth it, from two rounds of it on. */
  season?: SeasonName | 'auto' | 'none'
  /** `count` judges ratios rather than differences: for row counts and other numbers from 0 on. Default: `linear`. */
  scale?: 'linear' | 'count'
  /** Points that are learned before any is judged. Default: 8, one week of days and a day. */
  pointsMin?: number
  /** Changes up to this share of what is expected are never unusual. Default: 0.01. */
  relativeMin?: number
  /** Nor are changes up to this number. Default: 0. */
  absoluteMin?: number
  /** What the metric cannot be below or above, such as 0 and 1 of a share: intervals end there. Default: no ends. */
  least?: number
  most?: number
}

export interface HistoryPoint {
  /** Epoch milliseconds. Points are learned in the order of time; gaps are allowed. */
  at: number
  value: number
  /** Standard error that the value has by its number of rows alone. Default: 0. */
  error?: number
}

export interface Judgement {
  /** `unknown` while there are too few points. */
  verdict: 'usual' | 'unusual' | 'unknown'
  /** Null while unknown. */
  expected: number | null
  interval: [low: number, high: number] | null
  /** Two-sided, of Student; 1 while unknown. */
  pValue: number
  /** Learned points behind it. */
  points: number
  level: LevelName | null
  season: SeasonName | null
}

type LevelName = 'flat' | 'wandering' | 'trend'

/** A learned point on the scale it is judged on. */
interface Learned {
  at: number
  y: number
}

interface Forecast {
  /** On the scale. */
  y: number
  /** Variance of the forecast itself, in units of the noise. */
  extra: number
}

interface Candidate {
  level: LevelName
  season: Season | null
  /** One-step errors in units of the noise's deviation times its scale, newest last; NaN where it had no forecast. */
  errors: number[]
}

/** Points that levels look back on, and errors that make the noise. */
const LOOK_BACK = 56
/** Errors that are kept, for the largest of them. */
const ERRORS_KEPT = 180
/** Errors on which candidates are compared. */
const COMPARED = 28
/** A candidate must beat a simpler one by so much, in mean squared error. */
const PENALTY: Record<LevelName, number> = { flat: 1, wandering: 1.15, trend: 1.2 }
const SEASON_PENALTY = 1.3
/** Share that the next older point weighs in a wandering level. */
const WANDER = 0.6
/** Alarms stay beyond so many times the largest recent error, for noise with heavier tails than the normal. */
const BEYOND_LARGEST = 1.8
/** Up to so many errors a level shift is the likelier explanation, and `alpha` is larger. */
const EARLY = { errors: 20, factor: 5 }
/** What a count of a declared season is taken to vary by before it has shown it, and how many errors that is worth. */
const PRIOR = { deviation: 0.07, errors: 5 }
/** Deviations that an accepted exception counts for at most. */
const EXCEPTION_MAX = 4
/** Points at a new level that make it the level. */
const SETTLED = 8

export class MetricHistory {
  readonly #options: Required<HistoryOptions>
  readonly #candidates: Candidate[] = []
  #points: Learned[] = []
  /** Points that a person accepted at odds with the history, and those that followed them there. */
  #apart: Learned[] = []

  constructor(options: HistoryOptions = {}) {
    this.#options = {
      alpha: 0.0005,
      season: 'auto',
      scale: 'linear',
      pointsMin: 8,
      relativeMin: 0.01,
      absoluteMin: 0,
      least: Number.NEGATIVE_INFINITY,
      most: Number.POSITIVE_INFINITY,
      ...options,
    }
    const { alpha, pointsMin } = this.#options
    requireRange(alpha > 0 && alpha < 1, 'alpha', 'above 0 and below 1', alpha)
    requireRange(Number.isInteger(pointsMin) && pointsMin >= 3, 'pointsMin', 'a whole number >= 3', pointsMin)
  }

  /** Judges a point by what was learned before. Pure. Errors: MR_STATS_NAN. Cost: O(points looked back on). */
  judge(point: HistoryPoint): Judgement {
    refuseNotFinite('values', [point.value])
    const chosen = this.#chosen(point.at)
    if (chosen === undefined) return unknown(this.#points.length)
    const main = this.#judged(point, chosen.forecast, chosen.candidate)
    if (main.verdict === 'usual' || this.#apart.length === 0) return main
    const apart = this.#judged(point, this.#forecastApart(point.at, chosen), chosen.candidate)
    return apart.verdict === 'usual' ? apart : main
  }

  /**
   * Learns a point as usual. `accepted` says that a person accepted what was judged unusual: points near it are then usual too; when the next ones stay there it
   * becomes the level, and when they go back it was the exception it looked like. Points older than the last are left out.
   */
  learn(point: HistoryPoint, { accepted = false }: { accepted?: boolean } = {}): void {
    refuseNotFinite('values', [point.value])
    const last = this.#points.at(-1)
    const learned = { at: point.at, y: this.#scaled(point.value) }
    if (last && point.at <= last.at) return
    if (accepted && this.judge(point).verdict === 'unusual') {
      this.#apart.push(learned)
      return
    }
    if (this.#apart.length > 0 && this.#belongsApart(point)) {
      this.#apart.push(learned)
      if (this.#apart.length >= SETTLED) this.#settle()
      return
    }
    for (const exception of this.#apart.splice(0)) this.#note(exception, EXCEPTION_MAX)
    this.#add(learned)
  }

  #belongsApart(point: HistoryPoint): boolean {
    const chosen = this.#chosen(point.at)
    return (
      chosen !== undefined && this.#judged(point, chosen.forecast, chosen.candidate).verdict === 'unusual'
    )
  }

  /** The level apart becomes the level: older points move to it, so that seasons and noise stay known. */
  #settle(): void {
    const apart = this.#apart
    const chosen = this.#chosen(apart[0]!.at)!
    const shift =
      apart.reduce((sum, p) => sum + p.y - (this.#chosen(p.at)?.forecast ?? chosen.forecast).y, 0) /
      apart.length
    this.#points = this.#points.map(({ at, y }) => ({ at, y: y + shift }))
    this.#apart = []
    for (const point of apart) this.#add(point)
  }

  /** What the candidates were off by; of an exception at most so many deviations, so that a huge one does not make them blind. */
  #note(point: Learned, most = Number.POSITIVE_INFINITY): void {
    for (const candidate of this.#candidatesNow()) {
      const forecast = this.#forecast(candidate, point.at)
      const error = forecast ? (point.y - forecast.y) / Math.sqrt(1 + forecast.extra) : Number.NaN
      candidate.errors.push(most === Number.POSITIVE_INFINITY ? error : held(error, most * rootOf(candidate)))
      if (candidate.errors.length > ERRORS_KEPT) candidate.errors.shift()
    }
  }

  #add(point: Learned): void {
    this.#note(point)
    this.#points.push(point)
    const most = Math.max(LOOK_BACK, ...this.#candidates.map(({ season }) => 4 * (season?.slots ?? 0)))
    if (this.#points.length > most) this.#points.shift()
  }

  #scaled(value: number): number {
    return this.#options.scale === 'count' ? log1pFast(Math.max(0, value)) : value
  }

  #unscaled(y: number): number {
    return this.#options.scale === 'count' ? Math.max(0, expClamped(y) - 1) : y
  }

  /** Candidates that the cadence of the points allows; seasons join when they are known of. */
  #candidatesNow(): Candidate[] {
    const seasons: (Season | null)[] = [null, ...this.#seasons()]
    for (const season of seasons) {
      for (const level of ['flat', 'wandering', 'trend'] as const) {
        const known = this.#candidates.some((c) => c.level === level && c.season?.name === season?.name)
        if (!known) this.#candidates.push({ level, season, errors: [] })
      }
    }
    return this.#candidates
  }

  #seasons(): Season[] {
    const { season } = this.#options
    const step = this.#step()
    if (season === 'none' || step === undefined) return []
    return season === 'auto' ? seasonsFor(step) : [SEASONS[season](step)]
  }

  /** Usual distance of two points. */
  #step(): number | undefined {
    const recent = this.#points.slice(-30)
    if (recent.length < 3) return undefined
    return median(recent.slice(1).map((point, i) => point.at - recent[i]!.at))
  }

  #chosen(at: number): { candidate: Candidate; forecast: Forecast } | undefined {
    if (this.#points.length < this.#options.pointsMin) return undefined
    let best: { candidate: Candidate; forecast: Forecast; cost: number } | undefined
    for (const candidate of this.#candidates) {
      const forecast = this.#forecast(candidate, at)
      if (!forecast || !this.#isEligible(candidate)) continue
      const cost = this.#cost(candidate) - (this.#isDeclared(candidate) ? Number.MAX_VALUE : 0)
      if (best === undefined || cost < best.cost) best = { candidate, forecast, cost }
    }
    return best
  }

  /** A season that nobody declared must have been tried over a round of it; a declared one, over a few points. */
  #isEligible({ level, season, errors }: Candidate): boolean {
    const tried = triedOf(errors).length
    if (season === null) return level === 'flat' || tried >= 7
    if (this.#options.season === 'auto') return tried >= Math.min(season.slots, COMPARED)
    return tried >= (this.#isCount() ? 1 : 5)
  }

  #isCount(): boolean {
    return this.#options.scale === 'count'
  }

  /** A declared season goes before none, whatever the few errors say. */
  #isDeclared({ season }: Candidate): boolean {
    return season !== null && this.#options.season !== 'auto'
  }

  #cost({ level, season, errors }: Candidate): number {
    const tried = triedOf(errors).slice(-COMPARED)
    const plain = triedOf(this.#candidates[0]!.errors).slice(-tried.length)
    const relative = squares(tried) / tried.length / Math.max(squares(plain) / plain.length, Number.MIN_VALUE)
    return relative * PENALTY[level] * (season === null ? 1 : SEASON_PENALTY)
  }

  /** What a candidate expects at an instant of the points so far; undefined where it cannot tell yet. */
  #forecast({ level, season }: Candidate, at: number): Forecast | undefined {
    const points = this.#points.slice(-Math.max(LOOK_BACK, 4 * (season?.slots ?? 0)))
    if (points.length < (level === 'flat' ? 1 : 3)) return undefined
    const step = this.#step() ?? DAY
    const level0 = LEVELS[level]
    if (season === null)
      return level0(
        points,
        points.map((p) => p.y),
        at,
        step,
      ).forecast
    return seasonal(level0, season, points, at, { step, seenMin: this.#options.season === 'auto' ? 2 : 1 })
  }

  /** The level apart, with the season of the candidate that speaks. */
  #forecastApart(
    at: number,
    { candidate, forecast }: { candidate: Candidate; forecast: Forecast },
  ): Forecast {
    const own = this.#apart.map((point) => point.y - (this.#forecast(candidate, point.at) ?? forecast).y)
    const shift = own.reduce((sum, x) => sum + x, 0) / own.length
    return {
      y: (this.#forecast(candidate, at) ?? forecast).y + shift,
      extra: forecast.extra + 1 / own.length,
    }
  }

  #judged(point: HistoryPoint, forecast: Forecast, candidate: Candidate): Judgement {
    const kept = triedOf(candidate.errors)
    const errors = kept.slice(-LOOK_BACK)
    const prior = this.#isDeclared(candidate) && this.#isCount() ? PRIOR.errors : 0
    const df = errors.length + prior
    const seen = (squares(errors) + prior * PRIOR.deviation ** 2) / df
    const noise = Math.max(seen, this.#sampling(point, forecast) ** 2)
    const alpha = this.#options.alpha * (df <= EARLY.errors ? EARLY.factor : 1)
    const wide = Math.sqrt(noise * (1 + forecast.extra))
    const largest = kept.reduce((most, e) => Math.max(most, Math.abs(e)), 0)
    const limit = Math.max(
      studentQuantile(1 - alpha / 2, df) * wide,
      BEYOND_LARGEST * largest * Math.sqrt(1 + forecast.extra),
    )
    const expected = this.#unscaled(forecast.y)
    const slack = Math.max(this.#options.absoluteMin, this.#options.relativeMin * Math.abs(expected))
    const { least, most } = this.#options
    const low = Math.max(least, Math.min(this.#unscaled(forecast.y - limit), expected - slack))
    const high = Math.min(most, Math.max(this.#unscaled(forecast.y + limit), expected + slack))
    const apart = Math.abs(this.#scaled(point.value) - forecast.y)
    return {
      verdict: point.value < low || point.value > high ? 'unusual' : 'usual',
      expected,
      interval: [low, high],
      pValue: wide > 0 ? 2 * studentSf(apart / wide, df) : apart > 0 ? 0 : 1,
      points: this.#points.length,
      level: candidate.level,
      season: candidate.season?.name ?? null,
    }
  }

  /** Standard error by the number of rows, on the scale. */
  #sampling({ error = 0 }: HistoryPoint, { y }: Forecast): number {
    return this.#options.scale === 'count' ? error / (this.#unscaled(y) + 1) : error
  }
}

function unknown(points: number): Judgement {
  return { verdict: 'unknown', expected: null, interval: null, pValue: 1, points, level: null, season: null }
}

/** Errors of points that there was a forecast for. */
const triedOf = (errors: readonly number[]): number[] => errors.filter((e) => !Number.isNaN(e))

/** Root of the mean squared error of late. */
function rootOf({ errors }: Candidate): number {
  const usual = triedOf(errors).slice(-LOOK_BACK)
  return Math.sqrt(squares(usual) / usual.length)
}

const held = (x: number, bound: number): number => Math.max(-bound, Math.min(bound, x))

const squares = (values: readonly number[]): number => values.reduce((sum, x) => sum + x * x, 0)

// ---------------------------------------------------------------- levels

interface Fitted {
  forecast: Forecast
  /** Level at each point, for what is left to be the season's. */
  at: (i: number) => number
}

type Level = (points: readonly Learned[], values: readonly number[], at: number, step: number) => Fitted

const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length

const LEVELS: Record<LevelName, Level> = {
  flat: (_, values) => {
    const y = mean(values)
    return { forecast: { y, extra: 1 / values.length }, at: () => y }
  },
  /** Both ways for the past, from behind for the future. A gap lets it wander on. */
  wandering: (points, values, at, step) => {
    const forward = smoothed(values)
    const backward = smoothed([...values].reverse()).reverse()
    const gap = Math.max(1, (at - points.at(-1)!.at) / step)
    const extra = (1 - WANDER) / (1 + WANDER) + (1 - WANDER) ** 2 * (gap - 1)
    return { forecast: { y: forward.at(-1)!, extra }, at: (i) => (forward[i]! + backward[i]!) / 2 }
  },
  trend: (points, values, at, step) => {
    const x = points.map((point) => (point.at - at) / step)
    const [middle, y] = [mean(x), mean(values)]
    const spread = x.reduce((sum, xi) => sum + (xi - middle) ** 2, 0)
    const slope = x.reduce((sum, xi, i) => sum + (xi - middle) * (values[i]! - y), 0) / spread
    return {
      forecast: { y: y - slope * middle, extra: 1 / values.length + middle ** 2 / spread },
      at: (i) => y + slope * (x[i]! - middle),
    }
  },
}

/** Exponential smoothing that begins as a plain mean. */
function smoothed(values: readonly number[]): number[] {
  let level = 0
  return values.map((value, i) => {
    level += Math.max(1 / (i + 1), 1 - WANDER) * (value - level)
    return level
  })
}

// ---------------------------------------------------------------- seasons

interface Season {
  name: SeasonName
  slots: number
  slotOf: (at: number) => number
}

const slotIn = (at: number, period: number, slots: number): number =>
  Math.floor(((((at - MONDAY) % period) + period) % period) / (period / slots))

const SEASONS: Record<SeasonName, (step: number) => Season> = {
  day: () => ({ name: 'day', slots: 24, slotOf: (at) => slotIn(at, DAY, 24) }),
  week: (step) => {
    const slots = step < 12 * HOUR ? 168 : 7
    return { name: 'week', slots, slotOf: (at) => slotIn(at, 7 * DAY, slots) }
  },
  year: () => ({ name: 'year', slots: 12, slotOf: (at) => new Date(at).getUTCMonth() }),
}

/** Seasons that points of a cadence may have. */
function seasonsFor(step: number): Season[] {
  const names: SeasonName[] =
    step <= 2 * HOUR
      ? ['day', 'week']
      : step <= 2 * DAY
        ? ['week']
        : step >= 27 * DAY && step <= 32 * DAY
          ? ['year']
          : []
  return names.map((name) => SEASONS[name](step))
}

const BACKFITS = 3
/** Points that a slot's mean is shrunk by, towards no season. */
const SLOT_PRIOR = 0.2

/** Level and season fitted in turns. Undefined where the slot was seen too rarely. */
function seasonal(
  level: Level,
  season: Season,
  points: readonly Learned[],
  at: number,
  { step, seenMin }: { step: number; seenMin: number },
): Forecast | undefined {
  const slots = points.map((point) => season.slotOf(point.at))
  const slot = season.slotOf(at)
  const seen = slots.filter((s) => s === slot).length
  if (seen < seenMin) return undefined
  let offsets = new Float64Array(season.slots)
  let fitted = level(
    points,
    points.map((p) => p.y),
    at,
    step,
  )
  for (let round = 0; round < BACKFITS; round++) {
    offsets = offsetsOf(points, slots, fitted, season.slots)
    fitted = level(
      points,
      points.map((p, i) => p.y - offsets[slots[i]!]!),
      at,
      step,
    )
  }
  const { y, extra } = fitted.forecast
  return { y: y + offsets[slot]!, extra: extra + 1 / seen }
}

/** Mean of what the level leaves, slot by slot, centred over the points. */
function offsetsOf(
  points: readonly Learned[],
  slots: readonly number[],
  { at }: Fitted,
  nSlots: number,
): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(nSlots)
  const counts = new Float64Array(nSlots)
  for (let i = 0; i < points.length; i++) {
    sums[slots[i]!]! += points[i]!.y - at(i)
    counts[slots[i]!]!++
  }
  const offsets = sums.map((sum, s) => (counts[s]! === 0 ? 0 : sum / (counts[s]! + SLOT_PRIOR)))
  const centre = slots.reduce((sum, s) => sum + offsets[s]!, 0) / slots.length
  return offsets.map((x) => x - centre)
}
