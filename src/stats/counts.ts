/**
 * The counts kernel: one scan of scored rows becomes counts by group, label and score bin, and every number about a classifier follows
 * from them: AUC, log loss, calibration, rates at a threshold, gaps between groups, and bootstrap intervals (`counts-bootstrap.ts`).
 *
 * Counts of parts merge by addition, so the order of rows and the borders of parts do not matter (sums differ in the last bits alone).
 * Where rows allow no value (no rows, or one class for AUC) a statistic of counts is NaN, because slices are often thin: the caller says
 * `inconclusive`. Bad input is still refused with a coded error.
 */
import { MillraceError } from '../core/errors.ts'
import { type AucWithError, aucEstimate, aucOfRuns } from './delong.ts'
import {
  type Estimate,
  type Numbers,
  refuseNotLabel,
  refuseNotProbability,
  requireLength,
  requireRange,
} from './inputs.ts'
import { normalInterval, wilson } from './intervals.ts'
import { rowLogLoss } from './metrics.ts'

/** Bins of score unless told otherwise: each 0.001 wide. */
export const SCORE_BINS = 1000

/**
 * Counts of one group. Every list is `[2·nBins]`: label 0 first, then label 1; bin `b` holds scores in `[b, b + 1) / nBins`, the last also 1.
 * The sums keep log loss, Brier score and mean prediction exact (to rounding), whatever the bins.
 */
export interface ScoreCells {
  nBins: number
  rows: Float64Array
  score: Float64Array
  loss: Float64Array
  lossSquared: Float64Array
  squaredError: Float64Array
}

/** Cells by group; the group of rows without one is `''`. */
export interface ScoreCounts {
  kind: 'ScoreCounts'
  nBins: number
  groups: Map<string, ScoreCells>
}

export function emptyCounts(nBins = SCORE_BINS): ScoreCounts {
  requireRange(Number.isInteger(nBins) && nBins >= 1, 'nBins', 'a whole number >= 1', nBins)
  return { kind: 'ScoreCounts', nBins, groups: new Map() }
}

export function emptyCells(nBins = SCORE_BINS): ScoreCells {
  const cells = () => new Float64Array(2 * nBins)
  return { nBins, rows: cells(), score: cells(), loss: cells(), lossSquared: cells(), squaredError: cells() }
}

/**
 * Counts rows into `into`, in place. `groups` is one name for all rows, or a list of one name a row.
 * Shapes: `scores: [n]` in [0, 1], `labels: [n]` in {0, 1}. Refused as a whole before anything is counted. Cost: O(n).
 */
export function addScores(
  into: ScoreCounts,
  scores: Numbers,
  labels: Numbers,
  groups: string | ArrayLike<string> = '',
): void {
  requireLength('labels', labels, scores.length)
  refuseNotProbability('scores', scores)
  refuseNotLabel('labels', labels)
  if (typeof groups === 'string') {
    const cells = cellsOf(into, groups)
    for (let i = 0; i < scores.length; i++) addRow(cells, scores[i], labels[i])
    return
  }
  if (groups.length !== scores.length)
    throw new MillraceError('MR_STATS_LENGTH', { what: 'groups', need: scores.length, got: groups.length })
  for (let i = 0; i < scores.length; i++) addRow(cellsOf(into, groups[i]), scores[i], labels[i])
}

/** Cells of one group, made when absent. */
function cellsOf(counts: ScoreCounts, group: string): ScoreCells {
  let cells = counts.groups.get(group)
  if (cells === undefined) {
    cells = emptyCells(counts.nBins)
    counts.groups.set(group, cells)
  }
  return cells
}

function addRow(cells: ScoreCells, score: number, label: number): void {
  const at = label * cells.nBins + Math.min(cells.nBins - 1, Math.floor(score * cells.nBins))
  const loss = rowLogLoss(score, label)
  cells.rows[at]++
  cells.score[at] += score
  cells.loss[at] += loss
  cells.lossSquared[at] += loss * loss
  cells.squaredError[at] += (score - label) ** 2
}

/** Counts of one list of rows without groups. */
export function countScores(scores: Numbers, labels: Numbers, nBins = SCORE_BINS): ScoreCells {
  const counts = emptyCounts(nBins)
  addScores(counts, scores, labels)
  return cellsOf(counts, '')
}

/** Sum of two counts with the same bins (MR_STATS_BINS); neither is changed. */
export function mergeCounts(a: ScoreCounts, b: ScoreCounts): ScoreCounts {
  requireSameBins(a.nBins, b.nBins)
  const merged = emptyCounts(a.nBins)
  for (const side of [a, b]) {
    for (const [group, cells] of side.groups) {
      const before = merged.groups.get(group)
      merged.groups.set(
        group,
        before === undefined ? addCells(emptyCells(a.nBins), cells) : addCells(before, cells),
      )
    }
  }
  return merged
}

/** All groups as one. */
export function totalCells(counts: ScoreCounts): ScoreCells {
  const total = emptyCells(counts.nBins)
  for (const cells of counts.groups.values()) addCells(total, cells)
  return total
}

/** Adds `from` to `into` in place and returns `into`. */
export function addCells(into: ScoreCells, from: ScoreCells): ScoreCells {
  requireSameBins(into.nBins, from.nBins)
  for (const list of LISTS) for (let i = 0; i < into[list].length; i++) into[list][i] += from[list][i]
  return into
}

const LISTS = ['rows', 'score', 'loss', 'lossSquared', 'squaredError'] as const

function requireSameBins(a: number, b: number): void {
  if (a !== b)
    throw new MillraceError('MR_STATS_BINS', { what: 'merging counts', a: `${a} bins`, b: `${b} bins` })
}

// ---------------------------------------------------------------- statistics

function sum(values: Float64Array, from = 0, end = values.length): number {
  let total = 0
  for (let i = from; i < end; i++) total += values[i]
  return total
}

export function rowsOf(cells: ScoreCells): number {
  return sum(cells.rows)
}

/** Rows of class 1. */
export function onesOf(cells: ScoreCells): number {
  return sum(cells.rows, cells.nBins)
}

/** AUC with scores of one bin taken as tied; off from the rows' AUC by at most `aucErrorMax`. NaN for one class. Cost: O(nBins). */
export function cellsAuc(cells: ScoreCells): number {
  return aucWithError(cells).auc
}

function aucWithError(cells: ScoreCells): AucWithError {
  return aucOfRuns(cells.rows.subarray(cells.nBins), cells.rows.subarray(0, cells.nBins))
}

/** Bound of |binned AUC - AUC of rows|: half the share of pairs that fall in one bin. */
export function aucErrorMax(cells: ScoreCells): number {
  let tied = 0
  for (let b = 0; b < cells.nBins; b++) tied += cells.rows[b] * cells.rows[cells.nBins + b]
  const ones = onesOf(cells)
  return tied / (2 * ones * (rowsOf(cells) - ones))
}

/** Mean log loss in nats, exact to rounding; clipped as `rowLogLoss`. NaN without rows. */
export function cellsLogLoss(cells: ScoreCells): number {
  return sum(cells.loss) / rowsOf(cells)
}

/** Brier score, exact to rounding. NaN without rows. */
export function cellsBrier(cells: ScoreCells): number {
  return sum(cells.squaredError) / rowsOf(cells)
}

/** Mean predicted probability, exact to rounding. NaN without rows. */
export function meanPredicted(cells: ScoreCells): number {
  return sum(cells.score) / rowsOf(cells)
}

/** Share of class 1. NaN without rows. */
export function meanActual(cells: ScoreCells): number {
  return onesOf(cells) / rowsOf(cells)
}

/** One group of a reliability table: neighbouring bins with about the same number of rows. */
export interface ReliabilityRow {
  meanPredicted: number
  meanActual: number
  /** Wilson's 95 % interval of `meanActual`. */
  interval: [number, number]
  n: number
}

/**
 * Predicted against actual in `groups` groups of about equal size, ascending in score; empty groups are left out.
 * Bins are kept whole: a bin falls in the group of its middle row. Cost: O(nBins).
 */
export function reliability(cells: ScoreCells, groups = 10, level = 0.95): ReliabilityRow[] {
  return groupCells(cells, groups)
    .filter((g) => g.rows > 0)
    .map((g) => {
      const share = wilson(g.ones, g.rows, level)
      return { meanPredicted: g.score / g.rows, meanActual: share.value, interval: share.interval, n: g.rows }
    })
}

/** Expected calibration error over `groups` equal-count groups; same convention as `expectedCalibrationError`. NaN without rows. */
export function cellsEce(cells: ScoreCells, groups = 10): number {
  let gap = 0
  for (const g of groupCells(cells, groups)) gap += Math.abs(g.score - g.ones)
  return gap / rowsOf(cells)
}

/**
 * What sampling alone moves calibration error by: the gaps of `other` less those of `cells`, in the groups of `cells`, as an error of calibration.
 * By the triangle inequality `|ece(cells) - ece(truth)|` is at most the distance of `cells` to the truth.
 */
export function eceDistance(cells: ScoreCells, other: ScoreCells, groups = 10): number {
  requireSameBins(cells.nBins, other.nBins)
  const groupOf = groupOfBins(cells, groups)
  const here = sumGroups(cells, groupOf, groups)
  const there = sumGroups(other, groupOf, groups)
  const n = rowsOf(cells)
  const m = rowsOf(other)
  return here.reduce(
    (all, g, i) => all + Math.abs((g.score - g.ones) / n - (there[i].score - there[i].ones) / m),
    0,
  )
}

interface GroupSums {
  rows: number
  ones: number
  score: number
}

function groupCells(cells: ScoreCells, groups: number): GroupSums[] {
  requireRange(Number.isInteger(groups) && groups >= 1, 'groups', 'a whole number >= 1', groups)
  return sumGroups(cells, groupOfBins(cells, groups), groups)
}

/** Group of each bin by its middle row; empty bins go with the rows below them. */
function groupOfBins(cells: ScoreCells, groups: number): Uint32Array {
  const total = rowsOf(cells)
  const groupOf = new Uint32Array(cells.nBins)
  let before = 0
  for (let b = 0; b < cells.nBins; b++) {
    const rows = cells.rows[b] + cells.rows[cells.nBins + b]
    groupOf[b] = total === 0 ? 0 : Math.min(groups - 1, Math.floor(((before + rows / 2) / total) * groups))
    before += rows
  }
  return groupOf
}

function sumGroups(cells: ScoreCells, groupOf: Uint32Array, groups: number): GroupSums[] {
  const { nBins, rows, score } = cells
  const found = Array.from({ length: groups }, () => ({ rows: 0, ones: 0, score: 0 }))
  for (let b = 0; b < nBins; b++) {
    const group = found[groupOf[b]]
    group.rows += rows[b] + rows[nBins + b]
    group.ones += rows[nBins + b]
    group.score += score[b] + score[nBins + b]
  }
  return found
}

/** Confusion counts at a threshold, and the rates that follow; a rate whose divisor is 0 is NaN. */
export interface ThresholdRates {
  /** The threshold that was used: the nearest border of a bin. A score at or above it is called 1. */
  threshold: number
  truePositive: number
  falsePositive: number
  falseNegative: number
  trueNegative: number
  /** Share called 1. */
  selectionRate: number
  /** True positive rate (recall, sensitivity). */
  recall: number
  falsePositiveRate: number
  precision: number
  accuracy: number
}

/** Rates when scores >= `threshold` are called 1, the threshold moved to the nearest bin border. Cost: O(nBins). */
export function ratesAt(cells: ScoreCells, threshold: number): ThresholdRates {
  requireRange(threshold >= 0 && threshold <= 1, 'threshold', 'in [0, 1]', threshold)
  const { nBins, rows } = cells
  const cut = Math.round(threshold * nBins)
  const trueNegative = sum(rows, 0, cut)
  const falsePositive = sum(rows, cut, nBins)
  const falseNegative = sum(rows, nBins, nBins + cut)
  const truePositive = sum(rows, nBins + cut)
  const n = rowsOf(cells)
  return {
    threshold: cut / nBins,
    truePositive,
    falsePositive,
    falseNegative,
    trueNegative,
    selectionRate: (truePositive + falsePositive) / n,
    recall: truePositive / (truePositive + falseNegative),
    falsePositiveRate: falsePositive / (falsePositive + trueNegative),
    precision: truePositive / (truePositive + falsePositive),
    accuracy: (truePositive + trueNegative) / n,
  }
}

// ---------------------------------------------------------------- intervals in closed form

/** DeLong interval of the binned AUC, in O(nBins). NaN with interval [0, 1] for one class. */
export function cellsAucInterval(cells: ScoreCells, level = 0.95): Estimate {
  return aucEstimate(aucWithError(cells), level)
}

/** Normal interval of the mean log loss from the sums of squares. NaN without rows; se 0 for a single row. */
export function cellsLogLossInterval(cells: ScoreCells, level = 0.95): Estimate {
  const n = rowsOf(cells)
  const mean = cellsLogLoss(cells)
  const spread = Math.max(0, sum(cells.lossSquared) - n * mean * mean)
  const se = n > 1 ? Math.sqrt(spread / (n - 1) / n) : 0
  return normalInterval(mean, se, n, { level, min: 0 })
}
