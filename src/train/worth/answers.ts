/** Probabilities that models gave to rows they did not learn from, put together from the folds. */
import { assert } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { TaskContext } from '../../engine/ports.ts'
import { loadModel } from '../../model/load.ts'
import { openMatrix, type PreparedPlan } from '../../model/matrix.ts'
import { predictColumns } from '../../model/predict.ts'
import { labelIssues, normalizedMargin, rankIssues, selfConfidence } from '../../stats/label-issues.ts'
import type { Pool } from './pool.ts'
import type { LabelReport } from './report.ts'

export interface Answers {
  classes: string[]
  /** Row-major `[nRows * K]`. */
  probabilities: Float64Array
  /** 0 for a row whose class no model of the other folds knows. */
  judged: Uint8Array
}

/** `codes: [nRows]` are the classes as they were given. */
export async function outOfSample(
  context: TaskContext,
  plan: PreparedPlan,
  pool: Pool,
  codes: Float64Array,
  folds: number,
): Promise<Answers> {
  const classes = plan.classes ?? ['0', '1']
  const answers: Answers = {
    classes,
    probabilities: new Float64Array(pool.nRows * classes.length),
    judged: new Uint8Array(pool.nRows),
  }
  for (let fold = 0; fold < folds; fold++) {
    await answerFold(context, pool, codes, fold, answers)
    context.progress((0.3 * (fold + 1)) / folds, 'probabilities out of sample')
  }
  return answers
}

async function answerFold(
  context: TaskContext,
  pool: Pool,
  codes: Float64Array,
  fold: number,
  { classes, probabilities, judged }: Answers,
): Promise<void> {
  const input = (name: string) => context.spec.inputs[`fold${fold}:${name}`] as Digest
  const plan = await context.store.getRecord<PreparedPlan>(input('plan'), 'PreparedPlan')
  const known = (plan.classes ?? classes).map((label) => classes.indexOf(label))
  const rows = Int32Array.from(pool.fold.keys()).filter(
    (i) => pool.fold[i] === fold && known.includes(codes[i]),
  )
  const { graph } = await loadModel(context.store, input('model'))
  const matrix = openMatrix(await context.store.objects.path(input('matrix')))
  try {
    const test = matrix.slice('test')
    assert(test.nRows === rows.length, 'a fold tests the rows of the pool that are of it')
    const { nOutputs } = graph.model
    const outputs = predictColumns(graph, test.columns, test.nRows)
    rows.forEach((row, i) => {
      assert(known[test.target[i]] === codes[row], 'rows of a fold are in the order of the pool')
      judged[row] = 1
      spreadOut(
        outputs.subarray(i * nOutputs, (i + 1) * nOutputs),
        probabilities.subarray(row * classes.length, (row + 1) * classes.length),
        known,
      )
    })
  } finally {
    matrix.close()
  }
}

/** One output is the probability of a yes; of several, each goes to its class. */
function spreadOut(outputs: Float64Array, into: Float64Array, known: number[]): void {
  if (outputs.length === 1) into.set([1 - outputs[0], outputs[0]])
  else
    known.forEach((code, k) => {
      into[code] = outputs[k]
    })
}

export interface LabelFindings {
  report: LabelReport
  /** By row of the pool: 1 where the label is probably wrong. */
  flags: Uint8Array
  /** Place among the flagged rows, worst first, from 1; 0 for others. */
  ranks: Uint32Array
  /** Likeliest class; -1 where it was not judged. */
  suggested: Int32Array
  /** Probability of the given label, and its margin; NaN where it was not judged. */
  confidence: Float64Array
  margin: Float64Array
}

const PAIRS_MAX = 50

/** Labels that are probably wrong among the rows that were judged. */
export function findLabelIssues(
  { classes, probabilities, judged }: Answers,
  codes: Float64Array,
): LabelFindings {
  const width = classes.length
  const rows = Int32Array.from(judged.keys()).filter((i) => judged[i] === 1)
  const p = new Float64Array(rows.length * width)
  rows.forEach((row, i) => {
    p.set(probabilities.subarray(row * width, (row + 1) * width), i * width)
  })
  const given = Int32Array.from(rows, (row) => codes[row])
  const issues = labelIssues(p, given)
  const [confidence, margin] = [selfConfidence(p, given), normalizedMargin(p, given)]
  const n = judged.length
  const found: LabelFindings = {
    report: reportOf(classes, given, issues),
    flags: new Uint8Array(n),
    ranks: new Uint32Array(n),
    suggested: new Int32Array(n).fill(-1),
    confidence: new Float64Array(n).fill(Number.NaN),
    margin: new Float64Array(n).fill(Number.NaN),
  }
  rows.forEach((row, i) => {
    found.flags[row] = issues.flags[i]
    found.suggested[row] = issues.suggested[i]
    found.confidence[row] = confidence[i]
    found.margin[row] = margin[i]
  })
  rankIssues(issues.flags, margin).forEach((i, place) => {
    found.ranks[rows[i]] = place + 1
  })
  return found
}

function reportOf(
  classes: string[],
  given: Int32Array,
  { flags, nIssues, suggested, joint }: ReturnType<typeof labelIssues>,
): LabelReport {
  const counts = new Map<number, number>()
  for (let i = 0; i < flags.length; i++) {
    if (flags[i] === 0) continue
    const pair = given[i] * classes.length + suggested[i]
    counts.set(pair, (counts.get(pair) ?? 0) + 1)
  }
  const right = classes.reduce((sum, _, k) => sum + joint.calibrated[k * classes.length + k], 0)
  return {
    judged: given.length,
    issues: nIssues,
    noise: 1 - right / given.length,
    pairs: [...counts]
      .sort(([a, n], [b, m]) => m - n || a - b)
      .slice(0, PAIRS_MAX)
      .map(([pair, rows]) => ({
        given: classes[Math.floor(pair / classes.length)],
        suggested: classes[pair % classes.length],
        rows,
      })),
  }
}
