import type { ModelTask } from '../core/records.ts'

/** Measures of models, as typed tokens: `maximize(m.auc, …)`, `under('5ms', m.latencyP99, …)`. What computes them lives in stats and gate. */

export interface Metric<Name extends string = string> {
  readonly kind: 'Metric'
  readonly name: Name
  readonly label: string
  readonly goal: 'maximize' | 'minimize'
  /** Tasks that have it; all when it does not look at outcomes. */
  readonly tasks: readonly ModelTask[]
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
const MULTICLASS = ['multiclass'] as const
const RANKING = ['ranking'] as const
/** Models that answer with the probability of classes, two or more. */
const CLASSES = ['binary', 'multiclass'] as const
const EVERY = ['binary', 'regression', 'multiclass', 'ranking'] as const

/** Area under the ROC curve: the chance that a random positive scores above a random negative, ties half. */
export const auc = metric('auc', 'AUC', 'maximize', BINARY)
/** Mean negative log likelihood of the predicted probabilities. */
export const logLoss = metric('logLoss', 'log loss', 'minimize', CLASSES, 'nats')
/** Mean squared difference between probability and outcome. */
export const brier = metric('brier', 'Brier score', 'minimize', BINARY)
/** Mean absolute gap between predicted and actual rate over equal-count bins of the score; of several classes, of the likeliest one. */
export const calibrationError = metric('calibrationError', 'calibration error', 'minimize', CLASSES)
/** Average precision: area under the precision-recall curve by steps. */
export const averagePrecision = metric('averagePrecision', 'average precision', 'maximize', BINARY)
/** Share of right answers: at probability 0.5, or of several classes the likeliest one. */
export const accuracy = metric('accuracy', 'accuracy', 'maximize', CLASSES)
/** Mean over the classes of the AUC of each against the rest. */
export const macroAuc = metric('macroAuc', 'macro AUC', 'maximize', MULTICLASS)
/** Mean over the classes of the harmonic mean of precision and recall. */
export const macroF1 = metric('macroF1', 'macro F1', 'maximize', MULTICLASS)
/** Normalised discounted cumulative gain of the first 10 rows of each group. */
export const ndcg = metric('ndcg', 'NDCG@10', 'maximize', RANKING)
/** Mean over the groups of the average precision; rows of relevance above 0 are relevant. */
export const meanAveragePrecision = metric('map', 'MAP', 'maximize', RANKING)
/** Mean over the groups of one over the rank of the first relevant row. */
export const mrr = metric('mrr', 'MRR', 'maximize', RANKING)
/** Root of the mean squared error, in units of the target. */
export const rmse = metric('rmse', 'RMSE', 'minimize', REGRESSION, 'target')
/** Mean absolute error, in units of the target. */
export const mae = metric('mae', 'MAE', 'minimize', REGRESSION, 'target')
/** One minus the ratio of squared error to that of the mean. */
export const r2 = metric('r2', 'R²', 'maximize', REGRESSION)
/** 50th percentile of the time of one prediction. */
export const latencyP50 = metric('latencyP50', 'median latency', 'minimize', EVERY, 'ms')
/** 99th percentile of the time of one prediction. */
export const latencyP99 = metric('latencyP99', 'p99 latency', 'minimize', EVERY, 'ms')
/** Size of the stored model. */
export const modelBytes = metric('modelBytes', 'model size', 'minimize', EVERY, 'bytes')

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
      macroAuc,
      macroF1,
      ndcg,
      meanAveragePrecision,
      mrr,
      rmse,
      mae,
      r2,
      latencyP50,
      latencyP99,
      modelBytes,
    ].map((m) => [m.name, m]),
  ),
)
