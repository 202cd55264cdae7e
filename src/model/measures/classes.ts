/** Metrics of models that say the probability of each of several classes: outputs `[n * nClasses]`, targets are codes of classes. */
import type { Measured } from '../../core/records.ts'
import { aucEstimate, placements } from '../../stats/delong.ts'
import { wilson } from '../../stats/intervals.ts'
import { LOG_LOSS_CLIP } from '../../stats/metrics.ts'
import { calibrationErrorOf } from './binary.ts'
import { JACKKNIFE_GROUPS, jackknifeHalf, type Metric, mean, meanOf, type Worsening, Z95 } from './metric.ts'

export const MULTICLASS_METRICS: Metric[] = [
  {
    name: 'macroAuc',
    task: 'multiclass',
    higherIsBetter: true,
    of: macroAucOf,
    worsening: macroAucWorsening,
  },
  { name: 'logLoss', task: 'multiclass', higherIsBetter: false, of: meanOf(logLosses), losses: logLosses },
  { name: 'accuracy', task: 'multiclass', higherIsBetter: true, of: accuracyOf, losses: misses },
  {
    name: 'macroF1',
    task: 'multiclass',
    higherIsBetter: true,
    of: macroF1Of,
    point: (outputs, targets) => macroF1(confusionOf(outputs, targets)),
  },
  {
    name: 'calibrationError',
    task: 'multiclass',
    higherIsBetter: false,
    of: (outputs, targets) => calibrationErrorOf(...likeliest(outputs, targets)),
  },
]

const widthOf = (outputs: Float64Array, targets: Float64Array) => outputs.length / targets.length

/** Code of the likeliest class of a row; of equals the first. */
export function likeliestOf(outputs: Float64Array, at: number, width: number): number {
  let best = 0
  for (let k = 1; k < width; k++) if (outputs[at + k] > outputs[at + best]) best = k
  return best
}

/** The probability of each row's likeliest class, and 1 where that class is the target. */
export function likeliest(outputs: Float64Array, targets: Float64Array): [Float64Array, Float64Array] {
  const width = widthOf(outputs, targets)
  const top = new Float64Array(targets.length)
  const right = new Float64Array(targets.length)
  for (let i = 0; i < targets.length; i++) {
    const code = likeliestOf(outputs, i * width, width)
    top[i] = outputs[i * width + code]
    right[i] = code === targets[i] ? 1 : 0
  }
  return [top, right]
}

/** Loss of a row whose true class had this probability, in nats: `-ln p`, p not below 1e-15. */
export function rowClassLoss(probability: number): number {
  return -Math.log(Math.min(1, Math.max(LOG_LOSS_CLIP, probability)))
}

function logLosses(outputs: Float64Array, targets: Float64Array): Float64Array {
  const width = widthOf(outputs, targets)
  return targets.map((code, i) => rowClassLoss(outputs[i * width + code]))
}

function misses(outputs: Float64Array, targets: Float64Array): Float64Array {
  return likeliest(outputs, targets)[1].map((right) => 1 - right)
}

function accuracyOf(outputs: Float64Array, targets: Float64Array): Measured {
  const n = targets.length
  if (n === 0) return { value: Number.NaN, n }
  const right = likeliest(outputs, targets)[1].reduce((sum, one) => sum + one, 0)
  const { value, interval } = wilson(right, n)
  return { value, interval, n }
}

// ---------------------------------------------------------------- macro AUC

interface MacroAuc {
  auc: number
  /** What each row adds to the deviation of the mean from its truth. */
  influence: Float64Array
  /** Rows of the rarest class that counts. */
  rowsMin: number
}

/** Mean AUC of each class against the rest, over the classes that some rows have and others have not. Undefined without two such classes. */
function macroAuc(outputs: Float64Array, targets: Float64Array): MacroAuc | undefined {
  const n = targets.length
  const width = widthOf(outputs, targets)
  const influence = new Float64Array(n)
  const aucs: number[] = []
  let rowsMin = n
  const scores = new Float64Array(n)
  for (let k = 0; k < width; k++) {
    const labels = targets.map((code) => (code === k ? 1 : 0))
    const ones = labels.reduce((sum, one) => sum + one, 0)
    if (ones === 0 || ones === n) continue
    for (let i = 0; i < n; i++) scores[i] = outputs[i * width + k]
    const placed = placements(scores, labels, ones, n - ones)
    let auc = 0
    for (let i = 0; i < n; i++) auc += labels[i] * placed[i]
    auc /= ones
    for (let i = 0; i < n; i++) influence[i] += (placed[i] - auc) / (labels[i] === 1 ? ones : n - ones)
    aucs.push(auc)
    rowsMin = Math.min(rowsMin, ones)
  }
  if (aucs.length < 2) return undefined
  return { auc: mean(aucs), influence: influence.map((x) => x / aucs.length), rowsMin }
}

/** Standard error of a sum of influences: DeLong's, with the classes of one row taken together. */
function errorOf(influence: Float64Array): number {
  let sum = 0
  for (const x of influence) sum += x * x
  return Math.sqrt(sum)
}

function macroAucOf(outputs: Float64Array, targets: Float64Array): Measured {
  const n = targets.length
  const found = n === 0 ? undefined : macroAuc(outputs, targets)
  if (!found) return { value: Number.NaN, n }
  const { auc, influence, rowsMin } = found
  const { value, interval } = aucEstimate({ auc, se: errorOf(influence), ones: rowsMin, zeros: n - rowsMin })
  return { value, interval, n }
}

function macroAucWorsening(
  base: Float64Array,
  candidate: Float64Array,
  targets: Float64Array,
): Worsening | undefined {
  const [a, b] = [macroAuc(base, targets), macroAuc(candidate, targets)]
  if (!a || !b) return undefined
  const value = a.auc - b.auc
  const half = Z95 * errorOf(a.influence.map((x, i) => x - b.influence[i]))
  return { value, interval: [value - half, value + half], n: targets.length }
}

// ---------------------------------------------------------------- confusion

/** Rows by actual class (row) and likeliest class (column), row-major `[width * width]`. */
export interface Confusion {
  width: number
  counts: Float64Array
}

export function confusionOf(outputs: Float64Array, targets: Float64Array): Confusion {
  const width = targets.length === 0 ? 0 : widthOf(outputs, targets)
  const counts = new Float64Array(width * width)
  for (let i = 0; i < targets.length; i++)
    counts[targets[i] * width + likeliestOf(outputs, i * width, width)]++
  return { width, counts }
}

/** Rows of each class, rows said to be of it, and rows of both. */
export function classTotals({ width, counts }: Confusion): { actual: number; said: number; right: number }[] {
  const totals = Array.from({ length: width }, (_, k) => ({
    actual: 0,
    said: 0,
    right: counts[k * width + k],
  }))
  for (let a = 0; a < width; a++) {
    for (let s = 0; s < width; s++) {
      totals[a].actual += counts[a * width + s]
      totals[s].said += counts[a * width + s]
    }
  }
  return totals
}

/** Mean of `2 · right / (actual + said)` over the classes that occur or are said, as scikit-learn's `f1_score(average='macro')`. */
function macroF1(confusion: Confusion): number {
  const used = classTotals(confusion).filter(({ actual, said }) => actual + said > 0)
  return mean(used.map(({ actual, said, right }) => (2 * right) / (actual + said)))
}

/** Macro F1 with the interval of a jackknife over groups of rows. */
function macroF1Of(outputs: Float64Array, targets: Float64Array): Measured {
  const n = targets.length
  if (n === 0) return { value: Number.NaN, n }
  const width = widthOf(outputs, targets)
  const groups = Math.min(JACKKNIFE_GROUPS, n)
  const all = confusionOf(outputs, targets)
  const value = macroF1(all)
  const left = Array.from({ length: groups }, (_, g) => {
    const counts = Float64Array.from(all.counts)
    for (let i = g; i < n; i += groups) counts[targets[i] * width + likeliestOf(outputs, i * width, width)]--
    return macroF1({ width, counts })
  })
  const half = jackknifeHalf(left)
  if (!Number.isFinite(half)) return { value, n }
  return { value, interval: [Math.max(0, value - half), Math.min(1, value + half)], n }
}
