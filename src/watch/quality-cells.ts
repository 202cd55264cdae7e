/** Quality of a stream of (output, outcome) pairs in bounded memory: whatever the traffic, a window costs the same. */
import type { Measured, ModelTask } from '../core/records.ts'
import { seededRng } from '../core/rng.ts'
import { recordable } from '../model/measure.ts'
import {
  addScores,
  cellsAucInterval,
  cellsBrier,
  cellsLogLossInterval,
  emptyCounts,
  meanActual,
  meanPredicted,
  reliability,
  rowsOf,
  totalCells,
} from '../stats/counts.ts'
import { bootstrapInterval, CELL_STATISTICS } from '../stats/counts-bootstrap.ts'
import { addValue, emptyMoments, type Moments, variance } from '../stats/moments.ts'

export interface QualityCells {
  /** `at` is when the prediction was made. */
  add(output: number, outcome: number, at: number): void
  n(): number
  meanPredicted(): number
  meanActual(): number
  /** Standard error of `meanPredicted - meanActual`, by rows and by days; the latter 0 where there are too few days to tell. */
  biasSe(): { rows: number; days: number }
  metrics(): Record<string, Measured>
  /** Only the metric that leads; cheap enough for every member. */
  lead(): Measured | null
  reliability(): { meanPredicted: number; meanActual: number; n: number }[]
}

export function qualityCells(task: ModelTask, nBins: number): QualityCells {
  return task === 'binary' ? new BinaryCells(nBins) : new RegressionCells()
}

const Z95 = 1.959963984540054

class BinaryCells implements QualityCells {
  readonly #counts
  readonly #score = new Float64Array(1)
  readonly #label = new Float64Array(1)
  readonly #days = new DailyErrors()

  constructor(nBins: number) {
    this.#counts = emptyCounts(nBins)
  }

  add(output: number, outcome: number, at: number): void {
    this.#score[0] = output
    this.#label[0] = outcome
    addScores(this.#counts, this.#score, this.#label)
    this.#days.add(output - outcome, at)
  }

  n() {
    return rowsOf(totalCells(this.#counts))
  }
  meanPredicted() {
    return this.n() === 0 ? 0 : meanPredicted(totalCells(this.#counts))
  }
  meanActual() {
    return this.n() === 0 ? 0 : meanActual(totalCells(this.#counts))
  }
  biasSe() {
    const n = this.n()
    const rows = n === 0 ? Number.POSITIVE_INFINITY : Math.sqrt(cellsBrier(totalCells(this.#counts)) / n)
    return { rows, days: this.#days.standardError() }
  }

  metrics(): Record<string, Measured> {
    const cells = totalCells(this.#counts)
    const n = rowsOf(cells)
    if (n === 0) return {}
    return recordableOnly({
      auc: this.lead() ?? undefined,
      logLoss: cellsLogLossInterval(cells),
      brier: { value: cellsBrier(cells), n },
      calibrationError: bootstrapInterval(cells, CELL_STATISTICS.ece, { rng: seededRng(1), replicates: 100 }),
    })
  }

  lead(): Measured | null {
    const cells = totalCells(this.#counts)
    const rate = rowsOf(cells) === 0 ? 0 : meanActual(cells)
    return rate > 0 && rate < 1 ? (recordable(cellsAucInterval(cells)) ?? null) : null
  }

  reliability() {
    return this.n() === 0
      ? []
      : reliability(totalCells(this.#counts)).map(({ meanPredicted, meanActual, n }) => ({
          meanPredicted,
          meanActual,
          n,
        }))
  }
}

class RegressionCells implements QualityCells {
  readonly #squared: Moments = emptyMoments()
  readonly #absolute: Moments = emptyMoments()
  readonly #error: Moments = emptyMoments()
  readonly #outcome: Moments = emptyMoments()
  readonly #days = new DailyErrors()

  add(output: number, outcome: number, at: number): void {
    this.#days.add(output - outcome, at)
    addValue(this.#squared, (output - outcome) ** 2)
    addValue(this.#absolute, Math.abs(output - outcome))
    addValue(this.#error, output - outcome)
    addValue(this.#outcome, outcome)
  }

  n() {
    return this.#error.n
  }
  meanPredicted() {
    return this.#outcome.mean + this.#error.mean
  }
  meanActual() {
    return this.#outcome.mean
  }
  biasSe() {
    const rows = this.n() < 2 ? Number.POSITIVE_INFINITY : Math.sqrt(variance(this.#error) / this.n())
    return { rows, days: this.#days.standardError() }
  }

  metrics(): Record<string, Measured> {
    const rmse = this.lead()
    return rmse ? recordableOnly({ rmse, mae: meanWithInterval(this.#absolute) }) : {}
  }

  lead(): Measured | null {
    if (this.n() < 2) return null
    const { value, interval, n } = meanWithInterval(this.#squared)
    const [low, high] = interval as [number, number]
    const ends: [number, number] = [Math.sqrt(Math.max(0, low)), Math.sqrt(high)]
    return recordable({ value: Math.sqrt(value), interval: ends, n }) ?? null
  }

  reliability() {
    return []
  }
}

const DAY = 86_400_000
/** Days from which their spread says something. */
const DAYS_MIN = 4

/** Errors summed by day: a storm makes all flights of a day late, so days and not rows are what repeats. */
class DailyErrors {
  readonly #days = new Map<number, { n: number; sum: number }>()

  add(error: number, at: number): void {
    const day = Math.floor(at / DAY)
    const found = this.#days.get(day)
    if (found) {
      found.n++
      found.sum += error
    } else this.#days.set(day, { n: 1, sum: error })
  }

  /**
   * Standard error of the mean error with days as clusters: `√(D/(D-1) · Σ(sum_d - n_d·mean)²) / n`. 0 with fewer than 4 days: they tell nothing.
   * Source: Liang and Zeger, 1986, the robust variance, for an intercept alone.
   */
  standardError(): number {
    const days = [...this.#days.values()]
    if (days.length < DAYS_MIN) return 0
    const n = days.reduce((total, day) => total + day.n, 0)
    const mean = days.reduce((total, day) => total + day.sum, 0) / n
    const spread = days.reduce((total, day) => total + (day.sum - day.n * mean) ** 2, 0)
    return Math.sqrt((days.length / (days.length - 1)) * spread) / n
  }
}

function meanWithInterval(moments: Moments): Measured {
  const half = moments.n < 2 ? 0 : Z95 * Math.sqrt(variance(moments) / moments.n)
  return { value: moments.mean, interval: [moments.mean - half, moments.mean + half], n: moments.n }
}

/** Those metrics that a record can hold. */
function recordableOnly(metrics: Record<string, Measured | undefined>): Record<string, Measured> {
  const found: Record<string, Measured> = {}
  for (const [name, measured] of Object.entries(metrics)) {
    const known = measured && recordable(measured)
    if (known) found[name] = known
  }
  return found
}
