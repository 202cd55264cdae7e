/** Measures of models, as typed tokens: `maximize(m.auc, …)`, `under('5ms', m.latencyP99, …)`. What computes them lives in stats and gate. */

export interface Metric<Name extends string = string> {
  readonly kind: 'Metric'
  readonly name: Name
  readonly label: string
  readonly goal: 'maximize' | 'minimize'
  /** Tasks that have it; both when it does not look at outcomes. */
  readonly tasks: readonly ('binary' | 'regression')[]
  readonly unit: '' | 'ms' | 'bytes' | 'target' | 'nats'
}

type Goal = Metric['goal']

function metric<const Name extends string>(
  name: Name,
  label: string,
  goal: Goal,
  tasks: Metric['tasks'],
  unit: Metric['unit'] = '',
): Metric<Name> {
  return Object.freeze({ kind: 'Metric', name, label, goal, tasks, unit })
}

const BINARY = ['binary'] as const
const REGRESSION = ['regression'] as const
const BOTH = ['binary', 'regression'] as const

/** Area under the ROC curve: the chance that a random positive scores above a random negative, ties half. */
export const auc = metric('auc', 'AUC', 'maximize', BINARY)
/** Mean negative log likelihood of the predicted probabilities. */
export const logLoss = metric('logLoss', 'log loss', 'minimize', BINARY, 'nats')
/** Mean squared difference between probability and outcome. */
export const brier = metric('brier', 'Brier score', 'minimize', BINARY)
/** Mean absolute gap between predicted and actual rate over equal-count bins of the score. */
export const calibrationError = metric('calibrationError', 'calibration error', 'minimize', BINARY)
/** Average precision: area under the precision-recall curve by steps. */
export const averagePrecision = metric('averagePrecision', 'average precision', 'maximize', BINARY)
/** Share of right answers at probability 0.5. */
export const accuracy = metric('accuracy', 'accuracy', 'maximize', BINARY)
/** Root of the mean squared error, in units of the target. */
export const rmse = metric('rmse', 'RMSE', 'minimize', REGRESSION, 'target')
/** Mean absolute error, in units of the target. */
export const mae = metric('mae', 'MAE', 'minimize', REGRESSION, 'target')
/** One minus the ratio of squared error to that of the mean. */
export const r2 = metric('r2', 'R²', 'maximize', REGRESSION)
/** 50th percentile of the time of one prediction. */
export const latencyP50 = metric('latencyP50', 'median latency', 'minimize', BOTH, 'ms')
/** 99th percentile of the time of one prediction. */
export const latencyP99 = metric('latencyP99', 'p99 latency', 'minimize', BOTH, 'ms')
/** Size of the stored model. */
export const modelBytes = metric('modelBytes', 'model size', 'minimize', BOTH, 'bytes')

/** All measures by name. */
export const METRICS: Readonly<Record<string, Metric>> = Object.freeze(
  Object.fromEntries(
    [
      auc,
      logLoss,
      brier,
      calibrationError,
      averagePrecision,
      accuracy,
      rmse,
      mae,
      r2,
      latencyP50,
      latencyP99,
      modelBytes,
    ].map((m) => [m.name, m]),
  ),
)
