/** What models answered of rows that they did not learn from, put together from the folds. */
import { assert } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { TaskContext } from '../../engine/ports.ts'
import { type MatrixFile, openMatrix, type PreparedPlan, rangeOf } from '../../model/matrix.ts'
import { type ReadyModel, readyModel } from '../../model/ready.ts'
import type { Pool } from './pool.ts'

export interface Answers {
  /** Of a regression none. */
  classes: string[]
  /** Row-major `[nRows * width]`: the probability of each class, or one number. */
  outputs: Float64Array
  width: number
  /** 0 for a row whose class no model of the other folds knows. */
  judged: Uint8Array
}

/** Labels by code of the tasks that have them. */
function classesOf({ classes, task }: Pick<PreparedPlan, 'classes' | 'task'>): string[] {
  return classes ?? (task === 'binary' ? ['0', '1'] : [])
}

/** `targets: [nRows]` are the codes or numbers as they were given. */
export async function outOfSample(
  context: TaskContext,
  plan: PreparedPlan,
  pool: Pool,
  targets: Float64Array,
  folds: number,
): Promise<Answers> {
  const classes = classesOf(plan)
  const width = Math.max(1, classes.length)
  const answers: Answers = {
    classes,
    width,
    outputs: new Float64Array(pool.nRows * width),
    judged: new Uint8Array(pool.nRows),
  }
  for (let fold = 0; fold < folds; fold++) {
    await answerFold(context, pool, targets, fold, answers)
    context.progress((0.3 * (fold + 1)) / folds, 'answers out of sample')
  }
  return answers
}

async function answerFold(
  context: TaskContext,
  pool: Pool,
  targets: Float64Array,
  fold: number,
  answers: Answers,
): Promise<void> {
  const input = (name: string) => context.spec.inputs[`fold${fold}:${name}`] as Digest
  const plan = await context.store.getRecord<PreparedPlan>(input('plan'), 'PreparedPlan')
  const known = classesOf(plan).map((label) => answers.classes.indexOf(label))
  const isKnown = (target: number) => known.length === 0 || known.includes(target)
  const rows = Int32Array.from(pool.fold.keys()).filter((i) => pool.fold[i] === fold && isKnown(targets[i]))
  const matrix = openMatrix(await context.store.objects.path(input('matrix')))
  try {
    const { target } = matrix.slice('test')
    assert(target.length === rows.length, 'a fold tests the rows of the pool that are of it')
    rows.forEach((row, i) => {
      const given = known.length === 0 ? target[i] : known[target[i]]
      assert(given === targets[row], 'rows of a fold are in the order of the pool')
      answers.judged[row] = 1
    })
    await answerRows(context, fold, matrix, (at, outputs) =>
      spreadOut(outputs, answers, rows[at] * answers.width, known),
    )
  } finally {
    matrix.close()
  }
}

type Tell = (iTest: number, outputs: Float64Array) => void

/** By the parent, and rows of a member by the member; networks of other formats by ONNX Runtime. */
async function answerRows(context: TaskContext, fold: number, matrix: MatrixFile, tell: Tell): Promise<void> {
  const { inputs } = context.spec
  const parent = await readyModel(context, inputs[`fold${fold}:model`])
  try {
    await tellSlice(parent, matrix, undefined, tell)
    const prefix = `fold${fold}:member:`
    for (const [name, digest] of Object.entries(inputs)) {
      if (!name.startsWith(prefix)) continue
      const member = await readyModel(context, digest, parent)
      try {
        await tellSlice(member, matrix, name.slice(prefix.length), tell)
      } finally {
        member.close()
      }
    }
  } finally {
    parent.close()
  }
}

async function tellSlice(
  model: ReadyModel,
  matrix: MatrixFile,
  member: string | undefined,
  tell: Tell,
): Promise<void> {
  const slice = matrix.slice('test', member)
  const first = rangeOf(matrix.header, 'test', member).rowStart - matrix.header.splits.test.rowStart
  const { nOutputs } = model
  const outputs = await model.outputs(slice.columns, slice.nRows)
  for (let i = 0; i < slice.nRows; i++) tell(first + i, outputs.subarray(i * nOutputs, (i + 1) * nOutputs))
}

/** One number is that of a regression, or the probability of a yes; of several, each goes to its class. */
function spreadOut(said: Float64Array, { outputs, width }: Answers, at: number, known: number[]): void {
  if (width === 1) outputs[at] = said[0]
  else if (said.length === 1) outputs.set([1 - said[0], said[0]], at)
  else {
    outputs.fill(0, at, at + width)
    known.forEach((code, k) => {
      outputs[at + code] = said[k]
    })
  }
}
