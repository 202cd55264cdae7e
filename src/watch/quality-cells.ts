/** Quality of a stream of (output, outcome) pairs in bounded memory: whatever the traffic, a window costs the same. */
import { probabilityOf } from '../core/class-vectors.ts'
import { GroupRows } from '../core/group-rows.ts'
import type { JoinedRow } from '../core/log-join.ts'
import type { Measured, ModelTask } from '../core/records.ts'
import { seededRng } from '../core/rng.ts'
import { recordable } from '../model/measure.ts'
import { rowClassLoss } from '../model/measures/classes.ts'
import { ndcgOf } from '../model/measures/ranking.ts'
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
import { wilson } from '../stats/intervals.ts'
import { averagePrecisionAt, reciprocalRank } from '../stats/metrics-ranking.ts'
import { addValue, emptyMoments, type Moments, variance } from '../stats/moments.ts'

export interface QualityCells {
  add(row: QualityRow): void
  n(): number
  /** Of several classes: how sure the model was on average, and the share in which it was right. */
  meanPredicted(): number
  meanActual(): number
  /** Standard error of `meanPredicted - meanActual`, by rows and by days; the latter 0 where there are too few days to tell. */
  biasSe(): { rows: number; days: number }
  metrics(): Record<string, Measured>
  /** Only the metric that leads; cheap enough for every member. */
  lead(): Measured | null
  reliability(): { meanPredicted: number; meanActual: number; n: number }[]
}

/** What of a joined row tells quality; `at` is when the prediction was made. */
export type QualityRow = Pick<
  JoinedRow,
  'output' | 'outcome' | 'at' | 'said' | 'label' | 'group' | 'groupRows'
>

const CELLS: Readonly<Record<ModelTask, (nBins: number) => QualityCells>> = {
  binary: (nBins) => new BinaryCells(nBins),
  regression: () => new RegressionCells(),
  multiclass: (nBins) => new ClassCells(nBins),
  ranking: () => new RankingCells(),
}

export function qualityCells(task: ModelTask, nBins: number): QualityCells {
  return CELLS[task](nBins)
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

  add({ output, outcome, at }: QualityRow): void {
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

  add({ output, outcome, at }: QualityRow): void {
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

/** Labels that are counted one by one. */
const LABELS_MAX = 2_000
const OTHERS = ''

/**
 * Several classes: whether the class said was right is a yes or no whose probability is the answer's, so calibration is that of a binary model;
 * log loss and the F1 of each class come on top.
 */
class ClassCells implements QualityCells {
  readonly #top: BinaryCells
  readonly #loss: Moments = emptyMoments()
  readonly #classes = new Map<string, { actual: number; said: number; right: number }>()

  constructor(nBins: number) {
    this.#top = new BinaryCells(nBins)
  }

  add(row: QualityRow): void {
    this.#top.add(row)
    const { said, label } = row
    if (!said || label === undefined) return
    addValue(this.#loss, rowClassLoss(probabilityOf(said, label)))
    this.#of(label).actual++
    this.#of(said.label).said++
    if (label === said.label) this.#of(label).right++
  }

  /** Labels beyond the bound, which only feedback can make up, count together. */
  #of(label: string): { actual: number; said: number; right: number } {
    const found = this.#classes.get(label)
    if (found) return found
    if (this.#classes.size >= LABELS_MAX && label !== OTHERS) return this.#of(OTHERS)
    const counts = { actual: 0, said: 0, right: 0 }
    this.#classes.set(label, counts)
    return counts
  }

  n() {
    return this.#top.n()
  }
  meanPredicted() {
    return this.#top.meanPredicted()
  }
  meanActual() {
    return this.#top.meanActual()
  }
  biasSe() {
    return this.#top.biasSe()
  }

  metrics(): Record<string, Measured> {
    const n = this.n()
    if (n === 0) return {}
    return recordableOnly({
      accuracy: this.lead() ?? undefined,
      logLoss: meanWithInterval(this.#loss),
      macroF1: { value: this.#macroF1(), n },
      calibrationError: this.#top.metrics().calibrationError,
    })
  }

  #macroF1(): number {
    let sum = 0
    for (const { actual, said, right } of this.#classes.values()) sum += (2 * right) / (actual + said)
    return sum / this.#classes.size
  }

  lead(): Measured | null {
    const n = this.n()
    if (n === 0) return null
    const { value, interval } = wilson(Math.round(this.meanActual() * n), n)
    return { value, interval, n }
  }

  reliability() {
    return this.#top.reliability()
  }
}

/** Orders of groups: a group counts once the outcome of each of its rows is known. Scores promise nothing, so there is no bias. */
class RankingCells implements QualityCells {
  readonly #groups = new GroupRows<QualityRow>()
  readonly #ndcg: Moments = emptyMoments()
  readonly #precision: Moments = emptyMoments()
  readonly #first: Moments = emptyMoments()
  #n = 0

  add(row: QualityRow): void {
    this.#n++
    const rows = this.#groups.add(row)
    if (!rows?.some(({ outcome }) => outcome > 0)) return
    const scores = Float64Array.from(rows, ({ output }) => output)
    const relevances = Float64Array.from(rows, ({ outcome }) => outcome)
    addValue(this.#ndcg, ndcgOf(scores, relevances))
    addValue(this.#precision, averagePrecisionAt(scores, relevances))
    addValue(this.#first, reciprocalRank(scores, relevances))
  }

  n() {
    return this.#n
  }
  meanPredicted() {
    return 0
  }
  meanActual() {
    return 0
  }
  biasSe() {
    return { rows: Number.POSITIVE_INFINITY, days: 0 }
  }

  metrics(): Record<string, Measured> {
    const lead = this.lead()
    if (!lead) return {}
    return recordableOnly({
      ndcg: lead,
      map: meanWithInterval(this.#precision),
      mrr: meanWithInterval(this.#first),
    })
  }

  lead(): Measured | null {
    return this.#ndcg.n < 2 ? null : (recordable(meanWithInterval(this.#ndcg)) ?? null)
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
