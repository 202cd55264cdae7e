/**
 * Confident learning: which labels are probably wrong, from probabilities of a model that did not learn from the rows. Shapes: `probabilities` row-major `[n * K]`, `labels: [n]`
 * codes from 0 to K - 1 as they were given. All refuse NaN, unequal lengths and no rows with a coded error.
 *
 * Source: Northcutt, Jiang and Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 2021. Conventions are those of cleanlab 2.9 where the paper leaves them
 * open: thresholds less 1e-6, of several confident classes the likeliest, counts calibrated to the labels and rounded row by row. Where rows are equal at the edge of what is
 * taken, the earlier row is; cleanlab leaves that to its sort.
 */
import { type Numbers, refuseNotProbability, requireLength, requireRange, requireRows } from './inputs.ts'
import { likeliestClasses } from './metrics-classes.ts'
import { ascendingOrder, selectInPlace } from './order.ts'

/**
 * How rows are chosen, all from the estimated joint but the last: `prune-by-noise-rate` takes, of each pair of classes, as many rows as are estimated to be of the other class, those
 * with the largest margin to it first; `prune-by-class`, of each class, as many as are estimated to be of another, least confident first; `both` what both take;
 * `confident-learning` the rows that were counted at another class; `predicted-not-given` every row whose likeliest class is another.
 */
export const LABEL_ISSUE_RULES = [
  'prune-by-noise-rate',
  'prune-by-class',
  'both',
  'confident-learning',
  'predicted-not-given',
] as const
export type LabelIssueRule = (typeof LABEL_ISSUE_RULES)[number]

/** What given labels and estimated true ones are together; matrices row-major `[K * K]`, given label by true one. */
export interface ConfidentJoint {
  nClasses: number
  /** Mean probability of each class over the rows labelled with it; 2 for a class that no row has. */
  thresholds: Float64Array
  /** Rows counted at their given label and the class they are confidently of; at least 1 on the diagonal. */
  counts: Float64Array
  /** Counts scaled so that each row sums to the rows with that label, in whole numbers. */
  calibrated: Float64Array
  /** Class each row was counted at; -1 where it is confidently of none. */
  confident: Int32Array
}

export interface LabelIssues {
  /** 1 where the label is probably wrong, `[n]`. */
  flags: Uint8Array
  nIssues: number
  /** Likeliest class of each row: what a flagged row is suggested to be. */
  suggested: Int32Array
  joint: ConfidentJoint
}

/** Rounding that probabilities may carry: less is no difference. */
const NEAR = 1e-6
const THRESHOLD_MIN = 2e-6
/** No probability reaches it, so nothing is counted at a class that no row has. */
const ABSENT = 2
/** Rows that each class keeps. */
const ROWS_KEPT = 1

/**
 * Rows whose label is probably wrong. The same flags as cleanlab's `find_label_issues`, test/reference/worth.
 * Cost: O(n K) and a sort of each class's rows for each class they are confused with. Errors: MR_STATS_EMPTY, MR_STATS_LENGTH, MR_STATS_NAN, MR_STATS_RANGE.
 */
export function labelIssues(
  probabilities: Numbers,
  labels: Numbers,
  rule: LabelIssueRule = 'prune-by-noise-rate',
): LabelIssues {
  const nClasses = checkLabelled(probabilities, labels)
  const suggested = likeliestClasses(probabilities, nClasses)
  const joint = jointOf(probabilities, labels, suggested, nClasses)
  const flags = RULES[rule]({ probabilities, labels, width: nClasses, joint, suggested })
  let nIssues = 0
  for (let i = 0; i < flags.length; i++) {
    if (flags[i] === 1 && isNearlyLikeliest(probabilities, i * joint.nClasses, joint.nClasses, labels[i]))
      flags[i] = 0
    nIssues += flags[i]
  }
  return { flags, nIssues, suggested, joint }
}

/**
 * Counts each row at its label and the class it is confidently of: the one whose probability reaches the mean that rows so labelled have. Cost: O(n K).
 * Errors as `labelIssues`.
 */
export function confidentJoint(probabilities: Numbers, labels: Numbers): ConfidentJoint {
  const nClasses = checkLabelled(probabilities, labels)
  return jointOf(probabilities, labels, likeliestClasses(probabilities, nClasses), nClasses)
}

function jointOf(
  probabilities: Numbers,
  labels: Numbers,
  likeliest: Int32Array,
  nClasses: number,
): ConfidentJoint {
  const given = countsOf(labels, nClasses)
  const thresholds = thresholdsOf(probabilities, labels, given)
  const confident = new Int32Array(labels.length)
  const counts = new Float64Array(nClasses * nClasses)
  for (let i = 0; i < labels.length; i++) {
    confident[i] = confidentClass(probabilities, i * nClasses, thresholds, likeliest[i])
    if (confident[i] >= 0) counts[labels[i] * nClasses + confident[i]]++
  }
  for (let k = 0; k < nClasses; k++) counts[k * nClasses + k] = Math.max(1, counts[k * nClasses + k])
  return { nClasses, thresholds, counts, calibrated: calibrate(counts, given), confident }
}

/** Estimated shares of given label by true one, `[K * K]`, summing to 1. */
export function jointShares({ calibrated }: ConfidentJoint): Float64Array {
  const total = sum(calibrated)
  return calibrated.map((count) => count / total)
}

/** Probability of each row's given label: the lower, the less it is believed. Shapes: `[n]`. Errors as `labelIssues`. */
export function selfConfidence(probabilities: Numbers, labels: Numbers): Float64Array {
  const width = checkLabelled(probabilities, labels)
  return Float64Array.from({ length: labels.length }, (_, i) => probabilities[i * width + labels[i]])
}

/** `(p of the given label - largest p of another + 1) / 2`, from 0 for a label that is surely wrong to 1. Shapes: `[n]`. Errors as `labelIssues`. */
export function normalizedMargin(probabilities: Numbers, labels: Numbers): Float64Array {
  const width = checkLabelled(probabilities, labels)
  return Float64Array.from({ length: labels.length }, (_, i) => {
    let other = 0
    for (let k = 0; k < width; k++)
      if (k !== labels[i] && probabilities[i * width + k] > other) other = probabilities[i * width + k]
    return (probabilities[i * width + labels[i]] - other + 1) / 2
  })
}

/** Flagged rows, lowest score first, of equal ones the earlier. Shapes: `flags: [n]`, `scores: [n]`. */
export function rankIssues(flags: Uint8Array, scores: Float64Array): Uint32Array {
  const rows = Uint32Array.from(flags.keys()).filter((i) => flags[i] === 1)
  const order = ascendingOrder(Float64Array.from(rows, (i) => scores[i]))
  return order.map((i) => rows[i])
}

function checkLabelled(probabilities: Numbers, labels: Numbers): number {
  requireRows('labels', labels.length)
  const width = probabilities.length / labels.length
  requireRange(
    Number.isInteger(width) && width >= 2,
    'probabilities',
    `at least two a label, of ${labels.length} labels`,
    probabilities.length,
  )
  requireLength('probabilities', probabilities, labels.length * width)
  refuseNotProbability('probabilities', probabilities)
  for (let i = 0; i < labels.length; i++)
    requireRange(
      Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < width,
      'labels',
      `codes from 0 to ${width - 1}`,
      labels[i],
    )
  return width
}

function countsOf(labels: Numbers, nClasses: number): Float64Array {
  const counts = new Float64Array(nClasses)
  for (let i = 0; i < labels.length; i++) counts[labels[i]]++
  return counts
}

function thresholdsOf(probabilities: Numbers, labels: Numbers, given: Float64Array): Float64Array {
  const width = given.length
  const sums = new Float64Array(width)
  for (let i = 0; i < labels.length; i++) sums[labels[i]] += probabilities[i * width + labels[i]]
  return sums.map((s, k) => (given[k] === 0 ? ABSENT : Math.max(THRESHOLD_MIN, s / given[k])))
}

function confidentClass(
  probabilities: Numbers,
  at: number,
  thresholds: Float64Array,
  likeliest: number,
): number {
  let found = -1
  for (let k = 0; k < thresholds.length; k++) {
    if (probabilities[at + k] < thresholds[k] - NEAR) continue
    if (found >= 0) return likeliest
    found = k
  }
  return found
}

/** Scales each row to the rows with its label, all together to all rows, and rounds. */
function calibrate(counts: Float64Array, given: Float64Array): Float64Array {
  const width = given.length
  const scaled = counts.map((count, at) => {
    const label = Math.floor(at / width)
    return (count / sum(counts.subarray(label * width, (label + 1) * width))) * given[label]
  })
  const total = sum(scaled)
  const n = sum(given)
  return roundRows(
    scaled.map((count) => (count / total) * n),
    width,
  )
}

function roundRows(values: Float64Array, width: number): Float64Array {
  for (let at = 0; at < values.length; at += width) roundRow(values.subarray(at, at + width))
  return values
}

/** Whole numbers with the sum of the values: those that rounding moved most go back. */
function roundRow(values: Float64Array): void {
  const total = roundToEven(sum(values))
  const rounded = values.map(roundToEven)
  const short = total - sum(rounded)
  const step = Math.sign(short)
  const order = ascendingOrder(values.map((value, i) => value - rounded[i]))
  if (step > 0) order.reverse()
  for (let i = 0; i < Math.abs(short); i++) rounded[order[i % order.length]] += step
  values.set(rounded)
}

function roundToEven(value: number): number {
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}

function sum(values: Float64Array): number {
  let total = 0
  for (const value of values) total += value
  return total
}

interface Labelled {
  probabilities: Numbers
  labels: Numbers
  width: number
  joint: ConfidentJoint
  /** Likeliest class of each row. */
  suggested: Int32Array
}

const RULES: Record<LabelIssueRule, (labelled: Labelled) => Uint8Array> = {
  'prune-by-noise-rate': pruneByNoiseRate,
  'prune-by-class': pruneByClass,
  both: (labelled) => {
    const byClass = pruneByClass(labelled)
    return pruneByNoiseRate(labelled).map((flag, i) => flag & byClass[i])
  },
  'confident-learning': ({ labels, joint }) =>
    Uint8Array.from(joint.confident, (k, i) => Number(k >= 0 && k !== labels[i])),
  'predicted-not-given': ({ suggested, labels }) =>
    Uint8Array.from(suggested, (k, i) => Number(k !== labels[i])),
}

function pruneByNoiseRate(labelled: Labelled): Uint8Array {
  const { probabilities, labels, width, joint } = labelled
  const flags = new Uint8Array(labels.length)
  const prune = pruneCounts(joint)
  eachClass(labelled, (label, rows) => {
    const margins = new Float64Array(rows.length)
    for (let k = 0; k < width; k++) {
      if (k === label || prune[label * width + k] === 0) continue
      for (let at = 0; at < rows.length; at++) {
        const row = rows[at] * width
        margins[at] = -(probabilities[row + k] - probabilities[row + label])
      }
      flagLeast(margins, rows, prune[label * width + k], flags)
    }
  })
  return flags
}

function pruneByClass(labelled: Labelled): Uint8Array {
  const { probabilities, labels, width, joint } = labelled
  const flags = new Uint8Array(labels.length)
  const prune = pruneCounts(joint)
  eachClass(labelled, (label, rows) => {
    const own = Float64Array.from(rows, (i) => probabilities[i * width + label])
    flagLeast(own, rows, rows.length - prune[label * width + label], flags)
  })
  return flags
}

/** Rows of each class that has more than it must keep. */
function eachClass({ labels, width }: Labelled, visit: (label: number, rows: Uint32Array) => void): void {
  const counts = countsOf(labels, width)
  const rows = Array.from(counts, (n) => new Uint32Array(n))
  const filled = new Uint32Array(width)
  for (let i = 0; i < labels.length; i++) rows[labels[i]][filled[labels[i]]++] = i
  rows.forEach((of, label) => {
    if (of.length > ROWS_KEPT) visit(label, of)
  })
}

/** Flags the `n` rows with the least values, of equal ones the earlier. */
function flagLeast(values: Float64Array, rows: Uint32Array, n: number, flags: Uint8Array): void {
  if (n <= 0) return
  if (n >= rows.length) {
    for (const row of rows) flags[row] = 1
    return
  }
  const most = selectInPlace(values.slice(), n - 1)
  let atMost = n
  for (const value of values) if (value < most) atMost--
  for (let i = 0; i < rows.length; i++) {
    if (values[i] < most || (values[i] === most && atMost-- > 0)) flags[rows[i]] = 1
  }
}

/** Rows to take of each label for each true class: the calibrated counts, where a class that would keep no row takes one from what it loses, evenly. */
function pruneCounts({ calibrated, nClasses }: ConfidentJoint): Float64Array {
  const prune = calibrated.slice()
  for (let label = 0; label < nClasses; label++) {
    const row = prune.subarray(label * nClasses, (label + 1) * nClasses)
    const more = Math.max(0, ROWS_KEPT - row[label])
    if (more === 0) continue
    const lost = Math.max(1, row.filter((count) => count !== 0).length - 1)
    for (let k = 0; k < nClasses; k++) row[k] = Math.floor(Math.max(0, row[k] - more / lost))
    row[label] = ROWS_KEPT
  }
  return prune
}

/** Whether the given class would be the likeliest with a millionth more. */
function isNearlyLikeliest(probabilities: Numbers, at: number, width: number, given: number): boolean {
  const own = probabilities[at + given] + NEAR
  for (let k = 0; k < width; k++) {
    if (k === given) continue
    if (probabilities[at + k] > own || (probabilities[at + k] === own && k < given)) return false
  }
  return true
}
