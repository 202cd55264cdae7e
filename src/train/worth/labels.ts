/** Labels that are probably wrong among the rows that were judged out of sample: classes by confident learning, numbers by their residuals. */
import type { ModelTask } from '../../core/records.ts'
import type { Numbers } from '../../stats/inputs.ts'
import {
  jointShares,
  labelIssues,
  normalizedMargin,
  rankIssues,
  selfConfidence,
} from '../../stats/label-issues.ts'
import { numberIssues } from '../../stats/number-issues.ts'
import type { Answers } from './answers.ts'
import type { LabelReport } from './report.ts'

export interface LabelFindings {
  report: LabelReport
  /** By row of the pool: 1 where the label is probably wrong. */
  flags: Uint8Array
  /** Place among the flagged rows, worst first, from 1; 0 for others. */
  ranks: Uint32Array
  /** What was answered out of sample: a code of a class, or a number; NaN where it was not judged. */
  suggested: Float64Array
  /** How much the label is believed, the less the lower, from 0 to 1; NaN where it was not judged. */
  confidence: Float64Array
  /** Of classes, the margin of the given one; of numbers, the residual by the usual size of residuals. NaN where it was not judged. */
  margin: Float64Array
  /** Loss of each row out of sample: 1 for another class, of numbers the absolute residual. NaN where it was not judged. */
  loss: Float64Array
}

/** How labels of a task are judged, and when two of them differ. */
export interface LabelJudge {
  find(answers: Answers, targets: Float64Array): LabelFindings
  /** Whether labels of rows that are as good as equal contradict one another. */
  differ(found: LabelFindings): (a: number, b: number) => boolean
}

/** Absent: labels of the task are not judged. */
export const LABEL_JUDGES: Record<ModelTask, LabelJudge | undefined> = {
  binary: { find: findClassIssues, differ: () => (a, b) => a !== b },
  multiclass: { find: findClassIssues, differ: () => (a, b) => a !== b },
  regression: { find: findNumberIssues, differ: fartherThanErrors },
  ranking: undefined,
}

const PAIRS_MAX = 50
/** Classes of which the joint is told. */
const JOINT_MAX = 50

function emptyFindings(n: number, report: LabelReport): LabelFindings {
  const unknown = () => new Float64Array(n).fill(Number.NaN)
  return {
    report,
    flags: new Uint8Array(n),
    ranks: new Uint32Array(n),
    suggested: unknown(),
    confidence: unknown(),
    margin: unknown(),
    loss: unknown(),
  }
}

const judgedRows = ({ judged }: Answers): Int32Array =>
  Int32Array.from(judged.keys()).filter((i) => judged[i] === 1)

function findClassIssues(answers: Answers, codes: Float64Array): LabelFindings {
  const { classes, outputs, judged } = answers
  const width = classes.length
  const rows = judgedRows(answers)
  const p = rows.length === judged.length ? outputs : takeRows(outputs, width, rows)
  const given = Int32Array.from(rows, (row) => codes[row])
  const issues = labelIssues(p, given)
  const [confidence, margin] = [selfConfidence(p, given), normalizedMargin(p, given)]
  const found = emptyFindings(judged.length, classReport(classes, given, issues))
  rows.forEach((row, i) => {
    found.flags[row] = issues.flags[i]
    found.suggested[row] = issues.suggested[i]
    found.confidence[row] = confidence[i]
    found.margin[row] = margin[i]
    found.loss[row] = Number(issues.suggested[i] !== given[i])
  })
  rankInto(found.ranks, rows, issues.flags, margin)
  return found
}

function takeRows(values: Float64Array, width: number, rows: Int32Array): Float64Array {
  const taken = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    taken.set(values.subarray(row * width, (row + 1) * width), i * width)
  })
  return taken
}

function rankInto(ranks: Uint32Array, rows: Int32Array, flags: Uint8Array, scores: Float64Array): void {
  rankIssues(flags, scores).forEach((i, place) => {
    ranks[rows[i]] = place + 1
  })
}

function classReport(
  classes: string[],
  given: Int32Array,
  { flags, nIssues, suggested, joint }: ReturnType<typeof labelIssues>,
): LabelReport {
  const width = classes.length
  const counts = new Map<number, number>()
  for (let i = 0; i < flags.length; i++) {
    if (flags[i] === 0) continue
    const pair = given[i] * width + suggested[i]
    counts.set(pair, (counts.get(pair) ?? 0) + 1)
  }
  const right = classes.reduce((sum, _, k) => sum + joint.calibrated[k * width + k], 0)
  return {
    judged: given.length,
    issues: nIssues,
    noise: 1 - right / given.length,
    pairs: [...counts]
      .sort(([a, n], [b, m]) => m - n || a - b)
      .slice(0, PAIRS_MAX)
      .map(([pair, rows]) => ({
        given: classes[Math.floor(pair / width)],
        suggested: classes[pair % width],
        rows,
      })),
    ...(width <= JOINT_MAX && { joint: rowsOf(jointShares(joint), width) }),
  }
}

function rowsOf(matrix: Float64Array, width: number): number[][] {
  return Array.from({ length: width }, (_, k) => [...matrix.subarray(k * width, (k + 1) * width)])
}

function findNumberIssues(answers: Answers, targets: Float64Array): LabelFindings {
  const rows = judgedRows(answers)
  const predictions = Float64Array.from(rows, (row) => answers.outputs[row])
  const given = Float64Array.from(rows, (row) => targets[row])
  const issues = numberIssues(predictions, given)
  const { typicalError, degrees } = issues
  const found = emptyFindings(answers.judged.length, {
    judged: rows.length,
    issues: issues.nIssues,
    noise: issues.nIssues / Math.max(1, rows.length),
    pairs: [],
    numbers: {
      typicalError,
      degrees: Number.isFinite(degrees) ? degrees : null,
      explained: explainedBy(predictions, given),
    },
  })
  rows.forEach((row, i) => {
    found.flags[row] = issues.flags[i]
    found.suggested[row] = predictions[i]
    found.confidence[row] = issues.pValues[i]
    found.margin[row] = issues.deviations[i]
    found.loss[row] = Math.abs(given[i] - predictions[i])
  })
  rankInto(
    found.ranks,
    rows,
    issues.flags,
    issues.deviations.map((z) => -Math.abs(z)),
  )
  return found
}

/** Share of the variance of the labels that the predictions explain. */
function explainedBy(predictions: Numbers, labels: Float64Array): number {
  const mean = labels.reduce((sum, y) => sum + y, 0) / labels.length
  let [left, all] = [0, 0]
  labels.forEach((y, i) => {
    left += (y - predictions[i]) ** 2
    all += (y - mean) ** 2
  })
  return all === 0 ? 0 : 1 - left / all
}

/** Usual errors that two numbers may lie apart: six of them are beyond what chance does to a difference of two normal ones in 2 of 1,000 pairs. */
const ERRORS_APART = 6

function fartherThanErrors({ report }: LabelFindings): (a: number, b: number) => boolean {
  const apart = ERRORS_APART * (report.numbers?.typicalError ?? 0)
  return (a, b) => Math.abs(a - b) > apart
}
