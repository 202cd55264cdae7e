/** Bootstrap intervals of statistics of counts: a multinomial draw over cells is the bootstrap of rows. */
import type { Rng } from '../core/clock.ts'
import {
  cellsAuc,
  cellsBrier,
  cellsEce,
  cellsLogLoss,
  eceDistance,
  emptyCells,
  meanActual,
  meanPredicted,
  rowsOf,
  type ScoreCells,
} from './counts.ts'
import { drawMultinomial, drawNormal } from './draws.ts'
import { type Estimate, requireRange, requireShare } from './inputs.ts'
import { addValue, deviation, emptyMoments } from './moments.ts'
import { quantileOfSorted } from './quantiles.ts'

/** A number computed from cells, with what its interval needs to know. */
export interface CellStatistic {
  name: string
  of: (cells: ScoreCells) => number
  /**
   * For a statistic that noise can only raise (a norm, such as calibration error): how far two samples lie apart in that norm.
   * Its interval then starts at the value less the distance that resampling makes, which covers 0 for a calibrated model.
   */
  distance?: (cells: ScoreCells, replicate: ScoreCells) => number
  min: number
  max: number
}

/** The statistics every gate and window uses. */
export const CELL_STATISTICS = {
  auc: { name: 'auc', of: cellsAuc, min: 0, max: 1 },
  logLoss: { name: 'logLoss', of: cellsLogLoss, min: 0, max: Number.POSITIVE_INFINITY },
  brier: { name: 'brier', of: cellsBrier, min: 0, max: 1 },
  ece: {
    name: 'ece',
    of: (cells) => cellsEce(cells),
    distance: (cells, other) => eceDistance(cells, other),
    min: 0,
    max: 1,
  },
  /** Mean predicted minus mean actual: below 0 the model promises too little. */
  bias: { name: 'bias', of: (cells) => meanPredicted(cells) - meanActual(cells), min: -1, max: 1 },
} as const satisfies Record<string, CellStatistic>

export interface BootstrapOptions {
  rng: Rng
  /** Two-sided confidence, default 0.95. */
  level?: number
  /** Redraws of the rows, default 400; the interval's ends wobble by about their width over √replicates. */
  replicates?: number
}

/**
 * Bootstrap interval of a statistic of cells.
 *
 * Every replicate draws as many rows as there are, from the cells by their counts. Within a cell scores keep their mean (they differ by less
 * than a bin) and the sum of losses gets the normal noise of its within-cell variance. Replicates without a value (one class) are left out;
 * when the value itself is NaN the interval is `[min, max]` of the statistic. Assumes independent rows.
 * Cost: replicates × (filled cells binomial draws + the statistic). Errors: MR_STATS_RANGE.
 * Source: Efron, 1979; percentile intervals as Davison and Hinkley, 1997, section 5.3 (quantiles of type 7). Statistics with a `distance`
 * take their lower end from the triangle inequality; their upper end, a percentile that noise raises, is on the safe side.
 */
export function bootstrapInterval(
  cells: ScoreCells,
  statistic: CellStatistic,
  options: BootstrapOptions,
): Estimate {
  const { rng, level = 0.95, replicates = 400 } = options
  requireShare('level', level)
  requireRange(
    Number.isInteger(replicates) && replicates >= 20,
    'replicates',
    'a whole number >= 20',
    replicates,
  )
  const value = statistic.of(cells)
  const n = rowsOf(cells)
  const found = Number.isNaN(value) ? [] : replicate(cells, statistic, rng, replicates)
  if (found.length < 2) return { value, interval: [statistic.min, statistic.max], n, se: Number.NaN }
  const moments = emptyMoments()
  for (const r of found) addValue(moments, r.value)
  const values = Float64Array.from(found, (r) => r.value).sort()
  const distances = Float64Array.from(found, (r) => r.distance).sort()
  const upper = quantileOfSorted(values, (1 + level) / 2)
  const lower = statistic.distance
    ? value - quantileOfSorted(distances, (1 + level) / 2)
    : quantileOfSorted(values, (1 - level) / 2)
  return {
    value,
    interval: [Math.max(statistic.min, lower), Math.min(statistic.max, upper)],
    n,
    se: deviation(moments),
  }
}

interface Replicate {
  value: number
  distance: number
}

function replicate(cells: ScoreCells, statistic: CellStatistic, rng: Rng, replicates: number): Replicate[] {
  const filled: number[] = []
  for (let i = 0; i < cells.rows.length; i++) if (cells.rows[i] > 0) filled.push(i)
  const weights = Float64Array.from(filled, (i) => cells.rows[i])
  const noise = Float64Array.from(filled, (i) => lossDeviation(cells, i))
  const drawn = new Float64Array(filled.length)
  const scratch = emptyCells(cells.nBins)
  const n = rowsOf(cells)
  const found: Replicate[] = []
  for (let r = 0; r < replicates; r++) {
    drawMultinomial(rng, n, weights, drawn)
    for (let c = 0; c < filled.length; c++) redraw(cells, scratch, filled[c], drawn[c], noise[c], rng)
    const value = statistic.of(scratch)
    if (Number.isFinite(value)) found.push({ value, distance: statistic.distance?.(cells, scratch) ?? 0 })
  }
  return found
}

/** Standard deviation of the loss within one cell. */
function lossDeviation(cells: ScoreCells, i: number): number {
  const mean = cells.loss[i] / cells.rows[i]
  const spread = cells.lossSquared[i] / cells.rows[i] - mean * mean
  return spread > 1e-12 * mean * mean ? Math.sqrt(spread) : 0
}

function redraw(from: ScoreCells, into: ScoreCells, i: number, drawn: number, noise: number, rng: Rng): void {
  const ratio = drawn / from.rows[i]
  into.rows[i] = drawn
  into.score[i] = from.score[i] * ratio
  into.squaredError[i] = from.squaredError[i] * ratio
  into.lossSquared[i] = from.lossSquared[i] * ratio
  into.loss[i] = from.loss[i] * ratio
  if (noise > 0 && drawn > 0) into.loss[i] += noise * Math.sqrt(drawn) * drawNormal(rng)
}
