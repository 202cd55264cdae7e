/**
 * What a call costs by its rows, learned from the calls that were made. Calls are kept by size; a line `fixed + perRow × rows` goes through their means, and where these are
 * too far off it (a step at the size of a cache, a kernel that changes its way) the curve is the nearest one that never falls, through the means themselves.
 */

/** What a call's weight is multiplied by with each one after it: the last fifty or so of a size are what counts. */
const KEPT = 0.98
/** Weight that a size keeps in the line however long ago it was. */
const WEIGHT_MIN = 0.05
/** A size that was not seen for this long is forgotten, so that what once was slow is tried again. */
const FORGET_MS = 60_000
/** From this weight on, one call counts at most as so many times what was usual: a pause of the machine is not the model's cost. */
const STEADY_WEIGHT = 1.5
const OUTLIER_TIMES = 3
/** From so many calls on the curve is drawn again after every few calls only, or when a size is new: one more call in a thousand changes little. */
const SETTLED_CALLS = 256
const DRAWN_EVERY = 8
/** Sizes that are kept apart: each up to this, then so many an octave. */
const EXACT_ROWS = 8
const PER_OCTAVE = 4
/** Share by which the sizes' means may be off the line, root mean square, for it to be taken. */
const LINE_OFF_MAX = 0.1
/** Share of the best rows a millisecond that a smaller call has to have to be taken for as good. */
const GOOD_ENOUGH = 0.98

export interface CostPoint {
  rows: number
  ms: number
  /** Calls of this size, newer ones counting more. */
  weight: number
}

export interface CostLine {
  fixedMs: number
  perRowMs: number
}

interface Size {
  weight: number
  rows: number
  ms: number
  call: number
  atMs: number
}

interface Fitted {
  points: CostPoint[]
  line: CostLine
  /** Costs at the points where the line does not hold. */
  steps?: number[]
  /** What was asked of it last, which is mostly asked again. */
  best?: { ms: number; rowsMax: number; rows: number }
}

export class CostCurve {
  readonly #sizes = new Map<number, Size>()
  #call = 0
  #nowMs = 0
  #fitted?: Fitted

  /** Counts a call. `atMs` is a clock that only goes forward. */
  add(rows: number, ms: number, atMs = 0): void {
    const key = sizeOf(rows)
    const size = this.#sizes.get(key) ?? { weight: 0, rows: 0, ms: 0, call: 0, atMs }
    const kept = KEPT ** (++this.#call - size.call)
    const usualMs = size.weight > STEADY_WEIGHT ? size.ms / size.weight : Number.POSITIVE_INFINITY
    size.weight = size.weight * kept + 1
    size.rows = size.rows * kept + rows
    size.ms = size.ms * kept + Math.min(ms, OUTLIER_TIMES * usualMs)
    size.call = this.#call
    size.atMs = this.#nowMs = atMs
    const isSettled = this.#call > SETTLED_CALLS && this.#call % DRAWN_EVERY !== 0 && this.#sizes.has(key)
    this.#sizes.set(key, size)
    if (!isSettled) this.#fitted = undefined
  }

  /** Whether any call was seen. */
  get isKnown(): boolean {
    return this.#sizes.size > 0
  }

  /** Calls that were seen. */
  get calls(): number {
    return this.#call
  }

  /** Sizes that were seen, ascending: mean rows and mean milliseconds. */
  points(): readonly CostPoint[] {
    return this.#fit().points
  }

  /** Whether the line holds; else the curve has steps. */
  get isLine(): boolean {
    return this.#fit().steps === undefined
  }

  /** Milliseconds of a call: of its fixed part, and of each row. Calls of one size alone tell no slope: half of their cost is taken to be by row. */
  line(): CostLine {
    return this.#fit().line
  }

  /** Milliseconds of a call of so many rows; 0 while nothing is known. */
  costMs(rows: number): number {
    const { points, line, steps } = this.#fit()
    if (!steps) return line.fixedMs + line.perRowMs * rows
    const above = points.findIndex((point) => point.rows >= rows)
    if (above === 0) return (steps[0] / 2) * (1 + rows / points[0].rows)
    const at = (above < 0 ? points.length : above) - 1
    const [low, lowMs] = [points[at], steps[at]]
    if (above < 0) return lowMs + (rows - low.rows) * Math.max(line.perRowMs, lowMs / low.rows / 2)
    return lowMs + ((rows - low.rows) / (points[above].rows - low.rows)) * (steps[above] - lowMs)
  }

  /** Rows of the largest call that ends within a time; unbounded while nothing is known, 0 where one row does not. */
  rowsWithin(ms: number): number {
    if (!this.isKnown) return Number.POSITIVE_INFINITY
    const { line, steps } = this.#fit()
    if (steps) return this.#searched(ms)
    if (line.perRowMs === 0) return line.fixedMs <= ms ? Number.POSITIVE_INFINITY : 0
    return Math.max(0, Math.floor((ms - line.fixedMs) / line.perRowMs + 1e-9))
  }

  /** Rows of the call within a time that does most rows a millisecond, of at most `rowsMax`; the smallest of those about as good. At least 1. */
  bestRows(ms: number, rowsMax: number): number {
    const fitted = this.#fit()
    const { best } = fitted
    if (best?.ms === ms && best.rowsMax === rowsMax) return best.rows
    const rows = this.#bestRows(ms, rowsMax)
    fitted.best = { ms, rowsMax, rows }
    return rows
  }

  #bestRows(ms: number, rowsMax: number): number {
    const most = Math.max(1, Math.min(rowsMax, this.rowsWithin(ms)))
    if (!this.isKnown || !Number.isFinite(most)) return most
    const sizes = [...this.#candidates(most), most]
    const speeds = sizes.map((rows) => rows / this.costMs(rows))
    const good = GOOD_ENOUGH * Math.max(...speeds)
    return sizes[speeds.findIndex((speed) => speed >= good)]
  }

  #candidates(most: number): number[] {
    const seen = this.points().map(({ rows }) => Math.floor(rows))
    const even = Array.from({ length: 32 }, (_, i) => Math.floor((most * (i + 1)) / 32))
    return [...new Set([1, ...seen, ...even])]
      .filter((rows) => rows >= 1 && rows < most)
      .sort((a, b) => a - b)
  }

  /** The curve never falls, so that halving finds where it passes a time. */
  #searched(ms: number): number {
    let [low, high] = [0, 1]
    while (high < 2 ** 30 && this.costMs(high) <= ms) [low, high] = [high, high * 2]
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2)
      if (this.costMs(middle) <= ms) low = middle
      else high = middle
    }
    return low
  }

  #fit(): Fitted {
    if (this.#fitted) return this.#fitted
    for (const [key, { atMs }] of this.#sizes) if (this.#nowMs - atMs > FORGET_MS) this.#sizes.delete(key)
    const points = [...this.#sizes.values()]
      .map(({ weight, rows, ms, call }) => ({
        rows: rows / weight,
        ms: ms / weight,
        weight: Math.max(WEIGHT_MIN, weight * KEPT ** (this.#call - call)),
      }))
      .sort((a, b) => a.rows - b.rows)
    const line = lineThrough(points)
    this.#fitted = { points, line, ...(offLine(points, line) > LINE_OFF_MAX && { steps: rising(points) }) }
    return this.#fitted
  }
}

/** Which sizes are kept together. */
function sizeOf(rows: number): number {
  if (rows <= EXACT_ROWS) return rows
  return EXACT_ROWS + Math.round(PER_OCTAVE * Math.log2(rows / EXACT_ROWS))
}

/** The line of least squares, neither part of it below zero. */
function lineThrough(points: readonly CostPoint[]): CostLine {
  if (points.length === 0) return { fixedMs: 0, perRowMs: 0 }
  const mean = (of: (point: CostPoint) => number) =>
    points.reduce((sum, point) => sum + point.weight * of(point), 0) /
    points.reduce((sum, { weight }) => sum + weight, 0)
  const [rows, ms] = [mean((point) => point.rows), mean((point) => point.ms)]
  const spread = mean((point) => (point.rows - rows) ** 2)
  const slope =
    spread > 1e-6 * rows * rows
      ? mean((point) => (point.rows - rows) * (point.ms - ms)) / spread
      : ms / 2 / rows
  const perRowMs = Math.min(Math.max(slope, 0), ms / rows)
  return { fixedMs: ms - perRowMs * rows, perRowMs }
}

/** Root mean square of how far the sizes are off the line, as shares of its cost; of sizes that are surely known. */
function offLine(points: readonly CostPoint[], { fixedMs, perRowMs }: CostLine): number {
  const known = points.filter(({ weight }) => weight >= WEIGHT_MIN)
  if (known.length < 3) return 0
  const off = known.map(({ rows, ms }) => ms / (fixedMs + perRowMs * rows) - 1)
  return Math.sqrt(off.reduce((sum, x) => sum + x * x, 0) / off.length)
}

/** Isotonic regression: the nearest costs, by weighted squares, that never fall with the rows. Source: Barlow et al. 1972, pool adjacent violators. */
function rising(points: readonly CostPoint[]): number[] {
  const pools: { ms: number; weight: number; points: number }[] = []
  for (const { ms, weight } of points) {
    pools.push({ ms, weight, points: 1 })
    while (pools.length > 1 && pools[pools.length - 2].ms > pools[pools.length - 1].ms) {
      const [a, b] = pools.splice(-2)
      const both = a.weight + b.weight
      pools.push({
        ms: (a.ms * a.weight + b.ms * b.weight) / both,
        weight: both,
        points: a.points + b.points,
      })
    }
  }
  return pools.flatMap((pool) => new Array<number>(pool.points).fill(pool.ms))
}
