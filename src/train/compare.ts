/**
 * Task `train.compare`: two models that were trained on different rows of one split, on the same test rows. What both find hard cancels, so that a small difference can
 * be told from noise.
 */
import { MillraceError } from '../core/errors.ts'
import type { Digest, Measured, ModelTask, RunSpec } from '../core/records.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import { type MatrixSlice, openMatrix, type PreparedPlan, type Split } from '../model/matrix.ts'
import { METRICS_OF, type Metric, recorded } from '../model/measure.ts'
import { type Gain, gainOf } from '../model/measures/gain.ts'
import { readyModel } from '../model/ready.ts'
import { asJson, type Prepared } from './specs.ts'

export const COMPARE_CODE = 'compare-1'

/** One metric of both models on the test rows, and what the branch gains. */
export interface ComparedMetric extends Gain {
  metric: string
  higherIsBetter: boolean
  base: Measured
  branch: Measured
}

export interface Comparison {
  kind: 'Comparison'
  task: ModelTask
  /** The metric that decides, first of `metrics`. */
  metrics: ComparedMetric[]
  /** Rows of each split, without and with the edits. */
  rows: { base: Record<Split, number>; branch: Record<Split, number> }
}

interface CompareParams {
  model: string
  /** What decides, and what else is told. */
  metrics: string[]
}

export function compareSpec(
  base: { prepared: Prepared; model: Digest },
  branch: { prepared: Prepared; model: Digest },
  params: CompareParams,
): RunSpec {
  const inputs: Record<string, Digest> = {}
  for (const [name, { prepared, model }] of Object.entries({ base, branch }))
    Object.assign(inputs, {
      [`${name}:model`]: model,
      [`${name}:matrix`]: prepared.matrix,
      [`${name}:plan`]: prepared.plan,
    })
  return {
    kind: 'RunSpec',
    task: 'train.compare',
    code: COMPARE_CODE,
    inputs,
    params: asJson(params),
    seed: 0,
  }
}

export const compareTask: Task = {
  name: 'train.compare',
  code: COMPARE_CODE,
  async run(context) {
    const params = context.spec.params as unknown as CompareParams
    const [base, branch] = [await sideOf(context, 'base'), await sideOf(context, 'branch')]
    checkAlike(params.model, base, branch)
    const { task } = base.plan
    const metrics = params.metrics.flatMap((name) => METRICS_OF[task].filter((m) => m.name === name))
    const found: Comparison = {
      kind: 'Comparison',
      task,
      metrics: metrics.map((metric) => compare(metric, base, branch)),
      rows: { base: base.plan.rows, branch: branch.plan.rows },
    }
    return { outputs: { comparison: await context.store.putRecord(found) } }
  },
}

interface Side {
  plan: PreparedPlan
  test: Pick<MatrixSlice, 'target' | 'groups'>
  outputs: Float64Array
}

async function sideOf(context: TaskContext, name: string): Promise<Side> {
  const { inputs } = context.spec
  const plan = await context.store.getRecord<PreparedPlan>(inputs[`${name}:plan`]!, 'PreparedPlan')
  const model = await readyModel(context, inputs[`${name}:model`]!)
  const matrix = openMatrix(await context.store.objects.path(inputs[`${name}:matrix`]!))
  try {
    const test = matrix.slice('test')
    const outputs = await model.outputs(test.columns, test.nRows)
    return { plan, test: { target: test.target, groups: test.groups }, outputs }
  } finally {
    matrix.close()
    model.close()
  }
}

/** A class that no training row of one side has leaves the test rows of that side, so that the two could not be laid side by side. */
function checkAlike(model: string, base: Side, branch: Side): void {
  const gone = (base.plan.classes ?? []).filter((label) => !branch.plan.classes?.includes(label))
  const isSame = base.test.target.length === branch.test.target.length && gone.length === 0
  const isEqual = isSame && base.test.target.every((y, i) => y === branch.test.target[i])
  if (!isEqual) throw new MillraceError('MR_TRAIN_COMPARE_ROWS', { model, classes: gone })
}

function compare(metric: Metric, base: Side, branch: Side): ComparedMetric {
  const { target, groups } = base.test
  return {
    metric: metric.name,
    higherIsBetter: metric.higherIsBetter,
    base: measured(metric, base),
    branch: measured(metric, branch),
    ...gainOf(metric, base.outputs, branch.outputs, target, groups),
  }
}

function measured(metric: Metric, { outputs, test }: Side): Measured {
  return recorded(metric.of(outputs, test.target, test.groups))
}
