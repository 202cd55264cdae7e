/** Shapley values of any scoring function: sampled in antithetic pairs of orders, with standard errors, within a budget. */
import { seededRng, shuffle } from '../core/rng.ts'
import { readRow } from './feature-rows.ts'
import type { RowsBehind } from './form.ts'

/** Scores of `n` rows that lie row by row: one number a row. */
export type ScoreRows = (rows: Float64Array, n: number) => Float64Array | Promise<Float64Array>

export interface SampledOptions {
  background: RowsBehind
  /** Pairs of orders for each background row at most. Default 4. */
  rounds?: number
  /** Background rows at most, drawn by the seed. Default 100. */
  backgroundMax?: number
  seed?: number
  /** Features that move together, by feature; each its own player without it. Features of one group get their group's value in equal parts. */
  groups?: Int32Array
  /** Asked after each pair; `false` ends the sampling with what there is. The first pair is always finished. */
  goOn?: () => boolean
  /** Rows scored at once at most. Default 4096. */
  batchRowsMax?: number
}

export interface SampledShapley {
  /** Mean score of the background rows that took part. */
  base: number
  contributions: Float64Array
  /** Of each contribution: deviation over pairs, over the root of their number. NaN with one pair. */
  standardErrors: Float64Array
  raw: number
  residual: number
  pairs: number
  /** Whether all rounds over all background rows were finished. */
  finished: boolean
}

/**
 * Shapley values of the score of `x` against background rows, whose features stand for what is not known (interventional).
 *
 * A pair is an order of the features and its reverse, over one background row: the path from that row to `x` gives each feature what the score
 * gains as it is changed. Each pair adds up to `score(x) - score(background row)`, so that contributions always add up to the score; what is sampled is how
 * they are shared. Linear functions are exact with one pair a row. Cost: 2 n scored rows a pair for n features.
 * Source: Mitchell et al. 2022, "Sampling permutations for Shapley value estimation", antithetic sampling; base is the mean over rows used.
 */
export async function sampledShapley(
  score: ScoreRows,
  x: Float64Array,
  {
    background,
    rounds = 4,
    backgroundMax = 100,
    seed = 1,
    groups,
    goOn = () => true,
    batchRowsMax = 4096,
  }: SampledOptions,
): Promise<SampledShapley> {
  const rng = seededRng(seed)
  const players = playersOf(x.length, groups)
  const behind = drawRows(background, x.length, backgroundMax, rng)
  const total = rounds * behind.length
  const sums = new Float64Array(players.length)
  const squares = new Float64Array(players.length)
  const perPair = 2 * players.length
  const together = Math.max(1, Math.floor(batchRowsMax / perPair))
  let pairs = 0
  let baseSum = 0
  let raw = Number.NaN
  while (pairs < total && (pairs === 0 || goOn())) {
    const size = Math.min(pairs === 0 ? 1 : together, total - pairs)
    const orders = Array.from({ length: size }, () => shuffled(players.length, rng))
    const starts = orders.map((_, p) => behind[(pairs + p) % behind.length])
    const scores = await score(hybridsOf(x, starts, orders, players), size * perPair)
    orders.forEach((order, p) => {
      const at = p * perPair
      const gains = gainsOf(scores, at, order)
      gains.forEach((gain, k) => {
        sums[k] += gain
        squares[k] += gain * gain
      })
      baseSum += scores[at]
      raw = scores[at + players.length]
    })
    pairs += size
  }
  return summary(x.length, players, {
    sums,
    squares,
    pairs,
    base: baseSum / pairs,
    raw,
    finished: pairs === total,
  })
}

function playersOf(nFeatures: number, groups: Int32Array | undefined): number[][] {
  if (!groups) return Array.from({ length: nFeatures }, (_, j) => [j])
  const players = new Map<number, number[]>()
  groups.forEach((group, j) => {
    players.set(group, [...(players.get(group) ?? []), j])
  })
  return [...players.values()]
}

type Chance = ReturnType<typeof seededRng>

function drawRows({ rows, n }: RowsBehind, nFeatures: number, most: number, rng: Chance): Float64Array[] {
  return shuffled(n, rng)
    .slice(0, most)
    .map((i) => {
      const row = new Float64Array(nFeatures)
      readRow(rows, i, row)
      return row
    })
}

function shuffled(n: number, rng: Chance): number[] {
  return shuffle(
    Array.from({ length: n }, (_, i) => i),
    rng,
  )
}

/** Rows of each pair: the background row, then player by player to `x`; then back from `x` in the same order, without its ends. */
function hybridsOf(
  x: Float64Array,
  starts: Float64Array[],
  orders: number[][],
  players: number[][],
): Float64Array {
  const width = x.length
  const rows = new Float64Array(starts.length * 2 * players.length * width)
  let at = 0
  const put = (row: Float64Array) => {
    rows.set(row, at)
    at += width
  }
  starts.forEach((start, p) => {
    const row = start.slice()
    put(row)
    for (const k of orders[p]) {
      for (const j of players[k]) row[j] = x[j]
      put(row)
    }
    for (const k of orders[p].slice(0, -1)) {
      for (const j of players[k]) row[j] = start[j]
      put(row)
    }
  })
  return rows
}

/** Mean gain of each player over the way forth and the way back. */
function gainsOf(scores: Float64Array, at: number, order: number[]): Float64Array {
  const n = order.length
  const gains = new Float64Array(n)
  order.forEach((k, step) => {
    const forth = scores[at + step + 1] - scores[at + step]
    const before = scores[at + n + step]
    const after = step + 1 === n ? scores[at] : scores[at + n + step + 1]
    gains[k] = (forth + (before - after)) / 2
  })
  return gains
}

interface Sums {
  sums: Float64Array
  squares: Float64Array
  pairs: number
  base: number
  raw: number
  finished: boolean
}

function summary(
  nFeatures: number,
  players: number[][],
  { sums, squares, pairs, base, raw, finished }: Sums,
): SampledShapley {
  const contributions = new Float64Array(nFeatures)
  const standardErrors = new Float64Array(nFeatures)
  players.forEach((features, k) => {
    const mean = sums[k] / pairs
    const variance = Math.max(0, squares[k] - pairs * mean * mean) / (pairs - 1)
    for (const j of features) {
      contributions[j] = mean / features.length
      standardErrors[j] = Math.sqrt(variance / pairs) / features.length
    }
  })
  const residual = raw - contributions.reduce((sum, c) => sum + c, base)
  return { base, contributions, standardErrors, raw, residual, pairs, finished }
}
