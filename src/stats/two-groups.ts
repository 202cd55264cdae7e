/** Rows divided into two groups, and whether they fall apart more than rows of one population would. */
import type { Rng } from '../core/clock.ts'
import { seededRng } from '../core/rng.ts'
import { studentSf } from './distributions.ts'
import { requireRange, requireRows } from './inputs.ts'
import { logFast } from './log.ts'
import { ascendingOrder } from './order.ts'
import { type DenseRows, dot, type Whitened, whitenRows } from './whitening.ts'

export interface TwoGroups {
  /** 1 for the rows of the smaller group. */
  group: Uint8Array
  nGroup: number
  /** Share of the variance along the line between the two groups that lies between them: 0.64 for a cut bell curve, 1 for two points. */
  gap: number
}

/** Shares of the rows that starts cut off, along each column. */
const STARTS = [0.15, 0.85]
const STEPS_MAX = 12
const ROWS_MIN = 8

/**
 * The division of whitened rows into two that leaves least variance within, by Lloyd's steps from cuts along every column, and then cut again where it is best along the line
 * between the two means. Because rows are whitened, that line is Fisher's discriminant, and neither scales nor turns of the data change what comes out.
 *
 * Shapes: `rows` of `whitenRows`; `group: [nRows]`. Errors: MR_STATS_EMPTY below 8 rows. Cost: O(nRows * width) a step; 2 starts a column of at most 12 steps.
 * Source: Lloyd 1982; Liu, Hayes, Nobel and Marron 2008 (the share left within is their cluster index).
 */
export function splitInTwo(rows: DenseRows): TwoGroups {
  return splitsInTwo(rows)[0] ?? { group: new Uint8Array(rows.nRows), nGroup: 0, gap: 0 }
}

/** Share of the rows in which two divisions are to differ to be two. */
const DISTINCT = 0.1

/** Divisions that starts end in, each another one, by falling gap: what `splitInTwo` finds is the first. Errors and cost as there. */
export function splitsInTwo(rows: DenseRows, most = 1): TwoGroups[] {
  requireRows('rows', rows.nRows, ROWS_MIN)
  const { nRows, width, points } = rows
  const found: TwoGroups[] = []
  for (let c = 0; c < width; c++) {
    const order = ascendingOrder(Float64Array.from({ length: nRows }, (_, i) => points[i * width + c]))
    for (const share of STARTS) {
      const first = new Uint8Array(nRows)
      for (const i of order.subarray(Math.floor(share * nRows))) first[i] = 1
      const split = cutBest(rows, lloyd(rows, first))
      if (split) found.push(split)
    }
  }
  found.sort((a, b) => b.gap - a.gap)
  const kept: TwoGroups[] = []
  for (const split of found) {
    if (kept.length === most) break
    if (kept.every((other) => differing(other.group, split.group) > DISTINCT * nRows)) kept.push(split)
  }
  return kept
}

/** Rows in which two divisions differ, whichever side is called the group. */
function differing(a: Uint8Array, b: Uint8Array): number {
  const n = a.reduce((sum, side, i) => sum + Number(side !== b[i]), 0)
  return Math.min(n, a.length - n)
}

interface Means {
  inside: Float64Array
  outside: Float64Array
  nInside: number
}

/** Means of the rows that are marked and of the others; undefined where one side is empty. */
export function meansOf({ nRows, width, points }: DenseRows, group: Uint8Array): Means | undefined {
  const sums = [new Float64Array(width), new Float64Array(width)]
  let nInside = 0
  for (let i = 0; i < nRows; i++) {
    nInside += group[i]
    const sum = sums[group[i]]
    const at = i * width
    for (let c = 0; c < width; c++) sum[c] += points[at + c]
  }
  if (nInside === 0 || nInside === nRows) return undefined
  const [outside, inside] = sums
  for (let c = 0; c < width; c++) {
    inside[c] /= nInside
    outside[c] /= nRows - nInside
  }
  return { inside, outside, nInside }
}

function lloyd(rows: DenseRows, first: Uint8Array): Uint8Array {
  const group = first
  for (let step = 0; step < STEPS_MAX; step++) {
    const means = meansOf(rows, group)
    if (!means || moveNearer(rows, means, group) === 0) break
  }
  return group
}

/** Puts each row to the mean it is nearer to, and says how many changed sides. */
function moveNearer(
  { nRows, width, points }: DenseRows,
  { inside, outside }: Means,
  group: Uint8Array,
): number {
  const line = inside.map((x, c) => x - outside[c])
  const limit = dot(
    line,
    inside.map((x, c) => (x + outside[c]) / 2),
  )
  let moved = 0
  for (let i = 0, at = 0; i < nRows; i++) {
    let along = 0
    for (let c = 0; c < width; c++) along += line[c] * points[at++]
    const side = along > limit ? 1 : 0
    if (side === group[i]) continue
    group[i] = side
    moved++
  }
  return moved
}

/** Where each row lies along a line. */
function alongLine({ nRows, width, points }: DenseRows, line: Float64Array): Float64Array {
  const along = new Float64Array(nRows)
  for (let i = 0, at = 0; i < nRows; i++) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += line[c] * points[at++]
    along[i] = sum
  }
  return along
}

/** Cuts along the line of two means where the share of variance between is largest. */
function cutBest(rows: DenseRows, begun: Uint8Array): TwoGroups | undefined {
  const means = meansOf(rows, begun)
  if (!means) return undefined
  const { nRows } = rows
  const along = alongLine(
    rows,
    means.inside.map((x, c) => x - means.outside[c]),
  )
  const order = ascendingOrder(along)
  const total = along.reduce((sum, x) => sum + x, 0)
  const spread = along.reduce((sum, x) => sum + (x - total / nRows) ** 2, 0)
  let [gap, nBelow, below] = [0, 0, 0]
  for (let n = 1; n < nRows; n++) {
    below += along[order[n - 1]]
    if (along[order[n]] === along[order[n - 1]]) continue
    const apart = below / n - (total - below) / (nRows - n)
    const share = (n * (nRows - n) * apart * apart) / nRows / spread
    if (share > gap) [gap, nBelow] = [share, n]
  }
  if (nBelow === 0) return undefined
  const isLow = 2 * nBelow <= nRows
  const group = new Uint8Array(nRows)
  for (const i of isLow ? order.subarray(0, nBelow) : order.subarray(nBelow)) group[i] = 1
  return { group, nGroup: isLow ? nBelow : nRows - nBelow, gap: Math.min(1, gap) }
}

export interface SplitTest extends TwoGroups {
  /** Chance of a gap as wide in one population of the same spread. */
  p: number
}

export interface SplitTestOptions {
  seed: number
  /** Samples of the null. Default 39. */
  replicates?: number
}

/** Rows that the null is drawn of: more are not needed to know it. */
const NULL_ROWS_MAX = 1_000

/**
 * Whether whitened rows fall into two groups: their gap against that of rows from one elliptical population, whatever its covariance and however heavy its tails.
 *
 * The null keeps the distance of every row from the centre and draws its direction anew, evenly over the sphere; it is whitened and divided as the rows were. Of
 * `-ln(1 - gap)` over the replicates mean and deviation are taken, and p is Student's for one more draw, so that it has no smallest value. Under elliptical populations p
 * is uniform (tested on rates over seeds); real classes have kinds of their own and are rarely one such population, so that a small p alone says that there are groups and not
 * that any of them is wrong. Errors: as `splitInTwo`; MR_STATS_RANGE below 9 replicates. Cost: `replicates` times `splitInTwo` of at most 1,000 rows.
 * Source: Liu, Hayes, Nobel and Marron 2008 (SigClust), with the elliptical null in place of the normal one.
 */
export function splitTest(rows: DenseRows, { seed, replicates = 39 }: SplitTestOptions): SplitTest {
  requireRange(replicates >= 9, 'replicates', 'at least 9', replicates)
  const found = splitInTwo(rows)
  const compared = rows.nRows > NULL_ROWS_MAX ? gapOfSome(rows) : found.gap
  const radii = radiiOf(rows)
  const rng = seededRng(seed)
  const nulls = Float64Array.from({ length: replicates }, () => {
    const drawn = whitenRows(turned(radii, rows.width, rng), rows.width)
    return scoreOf(splitInTwo(drawn).gap)
  })
  const mean = nulls.reduce((sum, x) => sum + x, 0) / replicates
  const variance = nulls.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (replicates - 1)
  const t = (scoreOf(compared) - mean) / Math.sqrt(variance * (1 + 1 / replicates))
  return { ...found, p: studentSf(t, replicates - 1) }
}

function gapOfSome(rows: DenseRows): number {
  const { width, points } = rows
  const some = new Float64Array(NULL_ROWS_MAX * width)
  for (let i = 0; i < NULL_ROWS_MAX; i++) {
    const from = Math.floor((i * rows.nRows) / NULL_ROWS_MAX) * width
    some.set(points.subarray(from, from + width), i * width)
  }
  return splitInTwo(whitenRows({ nRows: NULL_ROWS_MAX, width, points: some }, width)).gap
}

const scoreOf = (gap: number) => -logFast(Math.max(1e-12, 1 - gap))

function radiiOf({ nRows, width, points }: DenseRows): Float64Array {
  const n = Math.min(nRows, NULL_ROWS_MAX)
  return Float64Array.from({ length: n }, (_, k) => {
    const i = Math.floor((k * nRows) / n)
    const row = points.subarray(i * width, (i + 1) * width)
    const square = dot(row, row)
    // A far row has pulled the covariance towards itself, and will do so again in the null: half of the pull is given back, which keeps p even for light and heavy tails.
    return Math.sqrt(square / Math.sqrt(Math.max(1e-3, 1 - square / nRows)))
  })
}

/** Rows at these distances from the centre, in directions drawn evenly. */
function turned(radii: Float64Array, width: number, rng: Rng): DenseRows {
  const points = new Float64Array(radii.length * width)
  radii.forEach((radius, i) => {
    const row = points.subarray(i * width, (i + 1) * width)
    for (let c = 0; c < width; c++) row[c] = steadyNormal(rng)
    const scale = radius / Math.sqrt(dot(row, row))
    for (let c = 0; c < width; c++) row[c] *= scale
  })
  return { nRows: radii.length, width, points }
}

/** A standard normal of the same bits on every machine. Method: Marsaglia's polar one. */
function steadyNormal(rng: Rng): number {
  for (;;) {
    const u = 2 * rng.next() - 1
    const v = 2 * rng.next() - 1
    const s = u * u + v * v
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * logFast(s)) / s)
  }
}

/** Log-odds of each row to be of the marked group, as of two bell curves of one width along the line between their means; whitened rows as they were divided. */
export function groupOdds(rows: DenseRows, whole: Whitened | DenseRows, group: Uint8Array): Float64Array {
  const means = meansOf(whole, group)
  if (!means) return new Float64Array(rows.nRows)
  const { inside, outside, nInside } = means
  const line = inside.map((x, c) => x - outside[c])
  const square = dot(line, line)
  const share = nInside / whole.nRows
  // Along the line the variance is 1; what is not between the groups is within.
  const within = Math.max(1e-3, 1 - share * (1 - share) * square)
  const middle = inside.map((x, c) => (x + outside[c]) / 2)
  const limit = dot(line, middle)
  const prior = logFast(share / (1 - share))
  return alongLine(rows, line).map((x) => (x - limit) / within + prior)
}
