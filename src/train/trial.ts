/**
 * Task `train.trial`: how good some parameters of a trainer are on one part of the training window.
 *
 * The model learns from the part's older rows, or a spread share of them, and is measured on the part; it is not kept. Which rows those are is in the prepared
 * matrix, so a trial cannot read any other.
 */
import { MillraceError } from '../core/errors.ts'
import type { ModelTask } from '../core/records.ts'
import type { Task, TaskContext } from '../engine/ports.ts'
import { type MatrixFile, openMatrix, type PreparedPlan } from '../model/matrix.ts'
import { LOSS_OF, METRICS_OF, type Metric, metricOf } from '../model/measure.ts'
import { predictColumns } from '../model/predict.ts'
import { placeOf } from './learner.ts'
import { learnerOf } from './learners.ts'
import { TRIAL_CODE, type TrialParams } from './specs.ts'

/** Rows below which a share is not taken: fewer would say nothing of the whole. */
const ROWS_MIN = 200

export interface TrialResult {
  kind: 'TrialResult'
  metric: string
  value: number
  /** Lower is better, whichever way the metric runs. */
  loss: number
  rowsLearned: number
  rowsMeasured: number
}

export const trialTask: Task = {
  name: 'train.trial',
  code: TRIAL_CODE,
  async run(context) {
    const { inputs } = context.spec
    const plan = await context.store.getRecord<PreparedPlan>(inputs.plan, 'PreparedPlan')
    const matrix = openMatrix(await context.store.objects.path(inputs.matrix))
    try {
      const result = await measureTrial(context, plan, matrix)
      return { outputs: { result: await context.store.putRecord(result) } }
    } finally {
      matrix.close()
    }
  },
}

async function measureTrial(
  context: TaskContext,
  plan: PreparedPlan,
  matrix: MatrixFile,
): Promise<TrialResult> {
  const { trainer, share, metric } = context.spec.params as unknown as TrialParams
  const [train, validate, test] = [matrix.slice('train'), matrix.slice('validate'), matrix.slice('test')]
  // Rows of one query stay together, so a ranking learns from all of them.
  const kept = train.groups ? undefined : spreadRows(train.nRows, share)
  const learner = learnerOf(trainer.kind)
  const learn = learner.learnAny ?? learner.learn
  const learned = await learn(
    {
      task: plan.task,
      nClasses: plan.classes?.length ?? 1,
      classes: plan.classes,
      features: matrix.header.features,
      train,
      validate,
      ...(kept && { kept }),
      seed: context.spec.seed,
      signal: context.signal,
      progress: (done, note) => context.progress(done, note),
      note: () => {},
      place: placeOf(context),
    },
    trainer,
  )
  const measure = measureOf(metric, plan.task)
  const outputs =
    'model' in learned
      ? predictColumns({ model: learned.model, calibration: null }, test.columns, test.nRows)
      : await learned.outputs(test.columns, test.nRows).finally(learned.close)
  const { value } = measure.of(outputs, test.target, test.groups)
  if (!Number.isFinite(value))
    throw new MillraceError('MR_TRAIN_TRIAL_VALUE', { metric: measure.name, rows: test.nRows })
  return {
    kind: 'TrialResult',
    metric: measure.name,
    value,
    loss: measure.higherIsBetter ? -value : value,
    rowsLearned: kept?.length ?? train.nRows,
    rowsMeasured: test.nRows,
  }
}

function measureOf(name: string, task: ModelTask): Metric {
  if (name === 'auto') return metricOf(LOSS_OF[task], task)
  const known = METRICS_OF[task].map((metric) => metric.name)
  if (known.includes(name)) return metricOf(name, task)
  throw new MillraceError('MR_DEFINE_UNKNOWN', {
    place: 'search.metric',
    kind: `metric of ${task}`,
    name,
    known,
  })
}

/** Rows whose golden-ratio spread is below the share: evenly over the matrix, and those of a smaller share are among those of a larger. Undefined for all. */
function spreadRows(nRows: number, share: number): Int32Array | undefined {
  const least = Math.min(1, Math.max(share, ROWS_MIN / nRows))
  if (least >= 1) return undefined
  const limit = least * 2 ** 32
  return Int32Array.from(
    Array.from({ length: nRows }, (_, i) => i).filter((i) => Math.imul(i, 2654435769) >>> 0 < limit),
  )
}
