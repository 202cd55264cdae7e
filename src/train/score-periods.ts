/**
 * Task `train.score`: one trained model on each of several later periods, from the test rows of the matrix it was prepared with. A model is trained once and
 * scored on all periods, so that a backtest of many windows and periods costs one training a window.
 */

import { assert } from '../core/errors.ts'
import type { Digest, Measured, ModelTask, RunSpec, TimeWindow } from '../core/records.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import { quoted } from '../expr/sql.ts'
import { openMatrix } from '../model/matrix.ts'
import { LEAD_OF, LOSS_OF, metricOf, recorded, SKILL_OF, valuesWithout } from '../model/measure.ts'
import { likeliest } from '../model/measures/classes.ts'
import { readyModel } from '../model/ready.ts'
import { meanOrZero } from './columns.ts'
import { asJson, type Prepared } from './specs.ts'

export const SCORE_CODE = 'score-2'

/** Folds of days that the jackknife leaves out one by one. */
const DAY_FOLDS = 20
const DAY_MS = 86_400_000

export interface PeriodScore {
  period: TimeWindow
  n: number
  lead: Measured
  loss: Measured
  /** Skill by the task's lead metric: 0 is chance, 1 is perfect. NaN is not stored: absent where it is not defined. */
  skill?: number
  /** The skill without each fold of days. */
  skillWithout?: number[]
  meanPredicted: number
  meanActual: number
}

export interface PeriodScores {
  kind: 'PeriodScores'
  model: Digest
  periods: PeriodScore[]
}

interface ScoreParams {
  time: string
  periods: TimeWindow[]
}

/** Scores a trained model on periods within its test window. */
export function scoreSpec(
  model: Digest,
  { plan, matrix, rows }: Prepared,
  time: string,
  periods: TimeWindow[],
): RunSpec {
  const params: ScoreParams = { time, periods }
  return {
    kind: 'RunSpec',
    task: 'train.score',
    code: SCORE_CODE,
    inputs: { model, plan, matrix, rows },
    params: asJson(params),
    seed: 0,
  }
}

export const scoreTask: Task = {
  name: 'train.score',
  code: SCORE_CODE,
  async run(context) {
    const { inputs } = context.spec
    const { time, periods } = context.spec.params as unknown as ScoreParams
    const model = await readyModel(context, inputs.model as Digest)
    const { version } = model
    const matrix = openMatrix(await context.store.objects.path(inputs.matrix as Digest))
    try {
      const test = matrix.slice('test')
      const at = await timesOf(context, inputs.rows as Digest, time)
      assert(at.length === test.nRows, 'a time for each test row')
      const outputs = await model.outputs(test.columns, test.nRows)
      const rows = { task: version.task, outputs, targets: test.target, groups: test.groups, at }
      const scores: PeriodScores = {
        kind: 'PeriodScores',
        model: inputs.model as Digest,
        periods: periods.map((period, i) => {
          context.progress(i / periods.length, `period ${i + 1} of ${periods.length}`)
          return scorePeriod(rows, period)
        }),
      }
      return { outputs: { scores: await context.store.putRecord(scores) } }
    } finally {
      matrix.close()
      model.close()
    }
  },
}

/** Epoch milliseconds of each test row, in the order of the matrix. */
async function timesOf(context: TaskContext, rows: Digest, time: string): Promise<Float64Array> {
  const query = await context.query()
  const path = await context.store.objects.path(rows)
  const { columns } = await query.columns(
    {
      text: `select cast(epoch_ms(${quoted(time)}) as double) as at from read_parquet(?)`,
      params: [path],
    },
    { signal: context.signal },
  )
  assert(columns.at.kind === 'number', 'times are numbers')
  return columns.at.values as Float64Array
}

interface Rows {
  task: ModelTask
  outputs: Float64Array
  targets: Float64Array
  /** Rows at which groups begin, where a model ranks. */
  groups?: Int32Array
  at: Float64Array
}

function scorePeriod(rows: Rows, period: TimeWindow): PeriodScore {
  const { task } = rows
  const { outputs, targets, groups, at } = rowsWithin(rows, period)
  const { metric, of } = SKILL_OF[task]
  const fold = foldsOf(at, period)
  const found = new Map<string, Measured>()
  for (const name of new Set([metric, LEAD_OF[task], LOSS_OF[task]]))
    found.set(name, metricOf(name, task).of(outputs, targets, groups))
  const skill = of(found.get(metric)!.value)
  const rowsOfFolds = { outputs, targets, groups, fold, folds: DAY_FOLDS }
  const without = valuesWithout(metricOf(metric, task), rowsOfFolds).map(of)
  const isDefined = Number.isFinite(skill) && without.every(Number.isFinite)
  const [promised, happened] = PROMISES[task](outputs, targets)
  return {
    period,
    n: targets.length,
    lead: recorded(found.get(LEAD_OF[task])!),
    loss: recorded(found.get(LOSS_OF[task])!),
    ...(isDefined ? { skill, skillWithout: without } : {}),
    meanPredicted: meanOrZero(promised),
    meanActual: meanOrZero(happened),
  }
}

type Pairs = [said: Float64Array, happened: Float64Array]

const itself = (outputs: Float64Array, targets: Float64Array): Pairs => [outputs, targets]

/** What the answers of a task promise, and what came of it: of classes, how sure of the likeliest one and whether it was right; a score promises nothing. */
const PROMISES: Record<ModelTask, (outputs: Float64Array, targets: Float64Array) => Pairs> = {
  binary: itself,
  regression: itself,
  multiclass: likeliest,
  ranking: () => [new Float64Array(1), new Float64Array(1)],
}

/** Rows of one day share a fold, as they move together; where a period has rows of few days, as a snapshot has, rows are dealt out one by one. */
function foldsOf(at: Float64Array, { fromAt }: TimeWindow): Int32Array {
  const days = Int32Array.from(at, (ms) => Math.floor((ms - fromAt) / DAY_MS))
  const isSpread = new Set(days).size >= DAY_FOLDS
  return days.map((day, i) => (isSpread ? day : i) % DAY_FOLDS)
}

/** The rows of a period, and of a ranking the groups that begin in it. */
function rowsWithin({ task, outputs, targets, groups, at }: Rows, { fromAt, toAt }: TimeWindow): Rows {
  const isIn = (row: number) => at[row] >= fromAt && at[row] < toAt
  const begins: number[] = []
  const kept: number[] = []
  if (groups) {
    groups.forEach((begin, g) => {
      if (!isIn(begin)) return
      begins.push(kept.length)
      for (let row = begin; row < (groups[g + 1] ?? targets.length); row++) kept.push(row)
    })
  } else for (let row = 0; row < at.length; row++) if (isIn(row)) kept.push(row)
  const width = outputs.length / Math.max(1, targets.length)
  const o = new Float64Array(kept.length * width)
  kept.forEach((row, i) => {
    o.set(outputs.subarray(row * width, (row + 1) * width), i * width)
  })
  return {
    task,
    outputs: o,
    targets: Float64Array.from(kept, (row) => targets[row]),
    ...(groups ? { groups: Int32Array.from(begins) } : {}),
    at: Float64Array.from(kept, (row) => at[row]),
  }
}
