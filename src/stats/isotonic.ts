/** Isotonic calibration: the best monotone map from score to outcome, kept small enough to ship with a model. */
import { MillraceError } from '../core/errors.ts'
import {
  type Numbers,
  refuseNotFinite,
  refuseNotWeight,
  requireLength,
  requireRange,
  requireRows,
} from './inputs.ts'
import { ascendingOrder, upperBound } from './order.ts'

/** Piece-wise linear map through `(x[i], y[i])`, x strictly ascending, y ascending; flat beyond its ends. */
export interface IsotonicCalibration {
  kind: 'isotonic'
  x: number[]
  y: number[]
}

/** Consecutive rows, by score, that share one fitted value. */
interface Block {
  weight: number
  /** Σ weight · x and Σ weight · y. */
  sumX: number
  sumY: number
}

const KNOTS_MAX = 64
/** Blocks beyond this are first joined by weight alone, so that choosing the best ones to join stays cheap. */
const BLOCKS_MAX = 2048

export interface IsotonicOptions {
  weights?: Numbers
  /** Points kept at most, default 64; the pair of neighbours whose joining costs least squared error goes first. */
  knotsMax?: number
  /**
   * Keep probabilities off 0 and 1 (default true when every y is 0 or 1): the lowest block is at least ½ hit in its rows + 1, the highest at most
   * ½ miss, so that one surprise never costs infinite log loss.
   */
  keepOffEnds?: boolean
}

/**
 * Weighted least-squares fit of a non-decreasing function (pool adjacent violators), drawn as a line through the centres of its blocks.
 *
 * Shapes: `x: [n]`, `y: [n]`, `weights: [n]` > 0 in sum, all finite, any order; n >= 1. Rows of equal x are one block from the start.
 * Convention: knots at the blocks' weighted mean of x and y, linear between them (scikit-learn interpolates between block ends instead).
 * Cost: O(n log n + knots²). Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 * Source: Ayer and others, 1955; Zadrozny and Elkan, 2002, for calibration; centring as Oron and Flournoy, 2017.
 */
export function fitIsotonic(x: Numbers, y: Numbers, options: IsotonicOptions = {}): IsotonicCalibration {
  const { weights, knotsMax = KNOTS_MAX } = options
  requireRange(Number.isInteger(knotsMax) && knotsMax >= 2, 'knotsMax', 'a whole number >= 2', knotsMax)
  const blocks = isotonicBlocks(x, y, weights)
  const few = joinCheapest(joinByWeight(blocks, BLOCKS_MAX), knotsMax)
  const binary = options.keepOffEnds ?? isBinary(y)
  const fitted = few.map((b) => b.sumY / b.weight)
  return toCalibration(
    few.map((b) => b.sumX / b.weight),
    binary ? offEnds(few, fitted) : fitted,
  )
}

/** The blocks of the exact fit, ascending. Exposed for tests of the fit itself: `mean` is the fitted value. */
export function isotonicFit(
  x: Numbers,
  y: Numbers,
  weights?: Numbers,
): { x: number; mean: number; weight: number }[] {
  return isotonicBlocks(x, y, weights).map((b) => ({
    x: b.sumX / b.weight,
    mean: b.sumY / b.weight,
    weight: b.weight,
  }))
}

function isotonicBlocks(x: Numbers, y: Numbers, weights?: Numbers): Block[] {
  checkRows(x, y, weights)
  const blocks: Block[] = []
  for (const block of tiedBlocks(x, y, weights)) {
    blocks.push(block)
    while (blocks.length > 1 && violates(blocks[blocks.length - 2], blocks[blocks.length - 1])) {
      const last = blocks.pop()!
      blocks.push(join(blocks.pop()!, last))
    }
  }
  return blocks
}

function violates(low: Block, high: Block): boolean {
  return low.sumY * high.weight >= high.sumY * low.weight
}

function join(a: Block, b: Block): Block {
  return { weight: a.weight + b.weight, sumX: a.sumX + b.sumX, sumY: a.sumY + b.sumY }
}

function tiedBlocks(x: Numbers, y: Numbers, weights?: Numbers): Block[] {
  const blocks: Block[] = []
  let at = Number.NaN
  for (const row of ascendingOrder(x)) {
    const weight = weights ? weights[row] : 1
    if (weight === 0) continue
    const block = { weight, sumX: weight * x[row], sumY: weight * y[row] }
    if (x[row] === at) blocks.push(join(blocks.pop()!, block))
    else blocks.push(block)
    at = x[row]
  }
  return blocks
}

/** Joins neighbours into at most `max` blocks of about equal weight. */
function joinByWeight(blocks: Block[], max: number): Block[] {
  if (blocks.length <= max) return blocks
  const total = blocks.reduce((sum, b) => sum + b.weight, 0)
  const joined: Block[] = []
  let before = 0
  let slot = -1
  for (const block of blocks) {
    const next = Math.min(max - 1, Math.floor(((before + block.weight / 2) / total) * max))
    if (next === slot) joined.push(join(joined.pop()!, block))
    else joined.push(block)
    slot = next
    before += block.weight
  }
  return joined
}

/** Joins the neighbours whose joining adds the least weighted squared error, until `max` are left. */
function joinCheapest(blocks: Block[], max: number): Block[] {
  const left = [...blocks]
  while (left.length > max) {
    let best = 0
    let bestCost = Number.POSITIVE_INFINITY
    for (let i = 0; i + 1 < left.length; i++) {
      const cost = joinCost(left[i], left[i + 1])
      if (cost < bestCost) {
        best = i
        bestCost = cost
      }
    }
    left.splice(best, 2, join(left[best], left[best + 1]))
  }
  return left
}

function joinCost(a: Block, b: Block): number {
  return ((a.weight * b.weight) / (a.weight + b.weight)) * (b.sumY / b.weight - a.sumY / a.weight) ** 2
}

function isBinary(y: Numbers): boolean {
  for (let i = 0; i < y.length; i++) if (y[i] !== 0 && y[i] !== 1) return false
  return true
}

function offEnds(blocks: Block[], fitted: number[]): number[] {
  const low = 0.5 / (blocks[0].weight + 1)
  const high = 1 - 0.5 / (blocks[blocks.length - 1].weight + 1)
  return fitted.map((mean) => Math.min(high, Math.max(low, mean)))
}

/** Drops knots whose x rounding made equal to the one before; ends keep the map flat. */
function toCalibration(x: number[], y: number[]): IsotonicCalibration {
  const kept = x.map((_, i) => i).filter((i) => i === 0 || x[i] > x[i - 1])
  return { kind: 'isotonic', x: kept.map((i) => x[i]), y: kept.map((i) => y[i]) }
}

/**
 * Value of a calibration at `score`: linear between knots, flat beyond the ends; `none` gives the score back. NaN gives NaN.
 * Cost: O(log knots). Errors: MR_STATS_DECODE when an isotonic calibration has no knots.
 */
export function applyCalibration(
  calibration: IsotonicCalibration | { kind: 'none' | 'isotonic'; x: number[]; y: number[] },
  score: number,
): number {
  const { x, y } = calibration
  if (calibration.kind === 'none' || Number.isNaN(score)) return score
  if (x.length === 0)
    throw new MillraceError('MR_STATS_DECODE', { what: 'calibration', why: 'it has no knots' })
  const above = upperBound(x, score)
  if (above === 0) return y[0]
  if (above === x.length) return y[above - 1]
  const share = (score - x[above - 1]) / (x[above] - x[above - 1])
  return y[above - 1] + share * (y[above] - y[above - 1])
}

function checkRows(x: Numbers, y: Numbers, weights?: Numbers): void {
  requireRows('fitIsotonic', x.length)
  requireLength('outcomes', y, x.length)
  refuseNotFinite('scores', x)
  refuseNotFinite('outcomes', y)
  if (weights === undefined) return
  requireLength('weights', weights, x.length)
  refuseNotWeight('weights', weights)
}
