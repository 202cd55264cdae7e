/** KLL: quantiles of a stream in a few hundred numbers, mergeable. Source: Karnin, Lang and Liberty, 2016, "Optimal quantile approximation in streams". */
import type { Rng } from '../core/clock.ts'
import { MillraceError } from '../core/errors.ts'
import { requireRange, requireRows } from './inputs.ts'
import { upperBound } from './order.ts'
import { sortNumbers } from './radix-sort.ts'

/** Plain JSON (`min` and `max` are null while it is empty). Items of `levels[h]` stand for 2^h values each. */
export interface KllSketch {
  kind: 'KllSketch'
  /** Size and precision: a rank is off by more than about 1.33 % of n in one query of a hundred at k = 200, and as 1/k otherwise. */
  k: number
  n: number
  min: number | null
  max: number | null
  levels: number[][]
}

const CAPACITY_MIN = 8
const CAPACITY_RATIO = 2 / 3

export function emptyKll(k = 200): KllSketch {
  requireRange(Number.isInteger(k) && k >= CAPACITY_MIN, 'k', `a whole number >= ${CAPACITY_MIN}`, k)
  return { kind: 'KllSketch', k, n: 0, min: null, max: null, levels: [[]] }
}

/** Takes one finite value, in place. Cost: O(1) amortised plus sorting. Errors: MR_STATS_NAN. */
export function addToKll(into: KllSketch, value: number, rng: Rng): void {
  if (!Number.isFinite(value))
    throw new MillraceError('MR_STATS_NAN', { what: 'values', index: into.n, got: value })
  into.levels[0].push(value)
  into.n++
  into.min = into.min === null || value < into.min ? value : into.min
  into.max = into.max === null || value > into.max ? value : into.max
  if (into.levels[0].length >= capacityAt(into, 0)) compress(into, rng)
}

/** Sketch of both streams; neither is changed. The smaller k rules. */
export function mergeKll(a: KllSketch, b: KllSketch, rng: Rng): KllSketch {
  return mergeAllKll([a, b], rng)
}

/**
 * Sketch of all streams together, none of them changed; the smallest k rules. Every level is halved once for all, so that a hundred parts merge as precisely as
 * two. Needs one sketch. Cost: O(items log items).
 */
export function mergeAllKll(sketches: readonly KllSketch[], rng: Rng): KllSketch {
  requireRows('mergeAllKll', sketches.length)
  const height = Math.max(...sketches.map((sketch) => sketch.levels.length))
  const ends = sketches.filter((sketch) => sketch.n > 0)
  const merged: KllSketch = {
    kind: 'KllSketch',
    k: Math.min(...sketches.map((sketch) => sketch.k)),
    n: sketches.reduce((n, sketch) => n + sketch.n, 0),
    min: ends.length === 0 ? null : Math.min(...ends.map((sketch) => sketch.min!)),
    max: ends.length === 0 ? null : Math.max(...ends.map((sketch) => sketch.max!)),
    levels: Array.from({ length: height }, (_, h) =>
      ([] as number[]).concat(...sketches.map((sketch) => sketch.levels[h] ?? [])),
    ),
  }
  compress(merged, rng)
  return merged
}

/** Items a level may hold: k at the top, two thirds as many at each level below. */
function capacityAt(sketch: KllSketch, level: number): number {
  const depth = sketch.levels.length - 1 - level
  return Math.max(CAPACITY_MIN, Math.ceil(sketch.k * CAPACITY_RATIO ** depth))
}

/** Halves the lowest full level into the next, until the whole fits. */
export function compress(sketch: KllSketch, rng: Rng): void {
  while (itemsOf(sketch) >= capacityOf(sketch)) {
    const full = sketch.levels.findIndex((items, h) => items.length >= capacityAt(sketch, h))
    if (full === sketch.levels.length - 1) sketch.levels.push([])
    halve(sketch, full, rng)
  }
}

/** Sorts a level and promotes every other item, from a random start; of an odd number the last one stays. */
function halve(sketch: KllSketch, level: number, rng: Rng): void {
  const items = sorted(new Float64Array(sketch.levels[level]))
  const pairs = items.length >> 1
  const offset = rng.next() < 0.5 ? 0 : 1
  const promoted = new Array<number>(pairs)
  for (let i = 0; i < pairs; i++) promoted[i] = items[2 * i + offset]
  sketch.levels[level + 1] = sketch.levels[level + 1].concat(promoted)
  sketch.levels[level] = items.length % 2 === 1 ? [items[items.length - 1]] : []
}

/** What was promoted into an empty level is sorted already. */
function sorted(items: Float64Array): Float64Array {
  for (let i = 1; i < items.length; i++) if (items[i] < items[i - 1]) return sortNumbers(items)
  return items
}

function itemsOf(sketch: KllSketch): number {
  return sketch.levels.reduce((n, items) => n + items.length, 0)
}

function capacityOf(sketch: KllSketch): number {
  return sketch.levels.reduce((n, _, h) => n + capacityAt(sketch, h), 0)
}

/** Share of the values that are at most `x`, about. Needs a value (MR_STATS_EMPTY). Cost: O(items). */
export function kllRank(sketch: KllSketch, x: number): number {
  requireRows('kllRank', sketch.n)
  let weight = 0
  sketch.levels.forEach((items, h) => {
    for (const item of items) if (item <= x) weight += 2 ** h
  })
  return weight / sketch.n
}

/**
 * Quantiles at `qs`, in [0, 1]: the least kept value whose weight reaches `q·n`; exactly `min` at 0 and `max` at 1.
 * Cost: O(items log items + qs log items). Errors: MR_STATS_EMPTY, MR_STATS_RANGE.
 */
export function kllQuantiles(sketch: KllSketch, qs: readonly number[]): number[] {
  requireRows('kllQuantiles', sketch.n)
  const items = sketch.levels.flatMap((level, h) => level.map((value) => ({ value, weight: 2 ** h })))
  items.sort((a, b) => a.value - b.value)
  const reached = new Float64Array(items.length)
  let weight = 0
  items.forEach((item, i) => {
    weight += item.weight
    reached[i] = weight
  })
  return qs.map((q) => {
    requireRange(q >= 0 && q <= 1, 'q', 'in [0, 1]', q)
    if (q === 0) return sketch.min!
    if (q === 1) return sketch.max!
    const need = q * sketch.n
    return items[Math.min(items.length - 1, upperBound(reached, need * (1 - 1e-15)))].value
  })
}

export function kllQuantile(sketch: KllSketch, q: number): number {
  return kllQuantiles(sketch, [q])[0]
}
