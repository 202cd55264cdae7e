/**
 * What as many rows of a slice again would give: the slice is divided into four random parts, all six halves of it and all four quarters are taken away in turn, and the answers of
 * neighbours are scored without them on all test rows.
 */
import { studentQuantile } from '../../stats/distributions.ts'
import { pairedDelta } from '../../stats/paired.ts'
import type { Slicing } from './slices.ts'

const PARTS = 4
/** Sets of parts that are kept. */
const HALVES = [0b0011, 0b1100, 0b0101, 0b1010, 0b1001, 0b0110]
const QUARTERS = [0b0001, 0b0010, 0b0100, 0b1000]

export interface SliceScores extends Slicing {
  /** Part of each training row in its slice. */
  part: Uint8Array
  /** By slice and half: scores of all test rows. */
  halves: Float64Array[][]
  /** By slice: mean score of each test row over the quarters. */
  quarter: Float64Array[]
}

export function sliceScores(slicing: Slicing, nTests: number): SliceScores {
  return {
    ...slicing,
    part: partsOf(slicing),
    halves: slicing.names.map(() => HALVES.map(() => new Float64Array(nTests))),
    quarter: slicing.names.map(() => new Float64Array(nTests)),
  }
}

/** Parts of equal size, spread by a hash of the row's place, so that no order of the rows comes through. */
function partsOf({ train, names }: Slicing): Uint8Array {
  const rows = names.map((): number[] => [])
  train.forEach((slice, i) => {
    if (slice >= 0) rows[slice].push(i)
  })
  const part = new Uint8Array(train.length)
  const spread = (i: number) => Math.imul(i + 1, 0x9e3779b1) >>> 0
  for (const of of rows)
    of.sort((a, b) => spread(a) - spread(b)).forEach((row, at) => {
      part[row] = at % PARTS
    })
  return part
}

/** Scores one test row without parts of each slice that is among its neighbours; without parts of others its score is the same. */
export function scoreParts(
  scores: SliceScores,
  near: Iterable<number>,
  iTest: number,
  whole: number,
  score: (counts: (row: number) => boolean) => number,
): void {
  const { train, part, halves, quarter } = scores
  for (const half of halves) for (const values of half) values[iTest] = whole
  for (const values of quarter) values[iTest] = whole
  for (const slice of near) {
    if (slice < 0) continue
    const keeping = (kept: number) => score((row) => train[row] !== slice || ((kept >> part[row]) & 1) === 1)
    HALVES.forEach((kept, h) => {
      halves[slice][h][iTest] = keeping(kept)
    })
    quarter[slice][iTest] = QUARTERS.reduce((sum, kept) => sum + keeping(kept), 0) / QUARTERS.length
  }
}

export interface Gain {
  gain: number
  interval: [number, number]
}

/**
 * The gain of doubling, from what the last doubling gave (half of the slice to all of it) and the one before. A curve that flattens gives less each time: between nothing and as much
 * as last time; how much less is read from the two. The interval adds what test rows leave open, what it matters which rows are collected, and how the curve goes on.
 */
export function gainOf(
  whole: Float64Array,
  halves: Float64Array[],
  quarter: Float64Array,
  level: number,
): Gain {
  const half = whole.map((_, i) => halves.reduce((sum, values) => sum + values[i], 0) / halves.length)
  const last = pairedDelta(half, whole, { level })
  const before = pairedDelta(quarter, half, { level })
  const [low, high] = widened(last, halves, whole, level)
  const flatter = before.value > 0 ? within(last.value / before.value, 0, 1) : TYPICAL
  return {
    gain: last.value > 0 ? last.value * flatter : last.value,
    interval: [
      low > 0 ? low * within(low / before.interval[1], 0, 0.5) : low,
      high > 0 ? high * slowest(high, before.interval[0]) : high / 2,
    ],
  }
}

/** Ratio of one doubling to the one before where the data do not say: errors that fall with the root of the rows. */
const TYPICAL = Math.SQRT1_2

function slowest(high: number, beforeLow: number): number {
  return beforeLow > 0 ? within(high / beforeLow, 0.5, 1) : 1
}

function within(x: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, x))
}

/** The interval of a mean over test rows, widened by how the halves differ among themselves. */
function widened(
  { value, interval, n }: ReturnType<typeof pairedDelta>,
  halves: Float64Array[],
  whole: Float64Array,
  level: number,
): [number, number] {
  const losses = halves.map((values) => whole.reduce((sum, x, i) => sum + x - values[i], 0) / whole.length)
  const spread = losses.reduce((sum, loss) => sum + (loss - value) ** 2, 0) / (losses.length - 1)
  const quantile = studentQuantile((1 + level) / 2, n - 1)
  const width = Math.hypot(interval[1] - value, quantile * Math.sqrt(spread))
  return [value - width, value + width]
}
