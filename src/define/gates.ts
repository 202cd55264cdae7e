import type { ModelTask } from '../core/records.ts'
import { type Duration, durationMs } from './durations.ts'
import type { Metric } from './metrics.ts'
import type { GateDef } from './types.ts'

/** A condition for release. A gate that names a column carries it in its type. */
export type Gate<Cols extends string = string> = GateDef & { readonly '~columns'?: Cols }

type MetricOption = { metric?: Metric }
const nameOf = (metric: Metric | undefined): string => metric?.name ?? 'auto'

/** Conditions that a model must pass before it is released. A metric left out is `auto`: see `autoMetric`. */
export const gates = {
  /** Better than the constant prediction, by more than noise. */
  beatsBaseline({ metric }: MetricOption = {}): Gate<never> {
    return { kind: 'beatsBaseline', metric: nameOf(metric) }
  },
  /**
   * Not worse than the live model on the same rows beyond `tolerance` (default 0.002): in units of the metric, for RMSE and MAE as a share of the live
   * model's error. Passes while nothing is live.
   */
  noWorseThanLive({ metric, tolerance = 0.002 }: MetricOption & { tolerance?: number } = {}): Gate<never> {
    return { kind: 'noWorseThanLive', metric: nameOf(metric), tolerance }
  },
  /** A metric on the test rows lies within bounds, by the near end of its interval. */
  metric(metric: Metric, bounds: { min?: number; max?: number }): Gate<never> {
    return { kind: 'metric', metric: metric.name, ...bounds }
  },
  /** Calibration error at most `max` (default 0.05). */
  calibration({ max = 0.05 }: { max?: number } = {}): Gate<never> {
    return { kind: 'calibration', max }
  },
  /** In each value of a column the metric reaches `floor` (stays below it where lower is better); values with fewer than `rowsMin` (default 200) test rows are inconclusive and do not block. */
  slices<const C extends string>(
    column: C,
    options: MetricOption & { floor: number; rowsMin?: number },
  ): Gate<C> {
    const { metric, floor, rowsMin = 200 } = options
    return { kind: 'slices', column, metric: nameOf(metric), floor, rowsMin }
  },
  /** The stored model is at most so large. Default: 20 MB. */
  size({ bytesMax = 20_000_000 }: { bytesMax?: number } = {}): Gate<never> {
    return { kind: 'size', bytesMax }
  },
  /** One prediction takes at most so long at the 99th percentile. Default: 5ms. */
  latency({ max = '5ms' }: { max?: Duration } = {}): Gate<never> {
    return { kind: 'latency', msMax: durationMs(max, 'gates.latency.max') }
  },
  /** No single feature ranks the target better than `aucMax` (default 0.995), which would mean that it knows the answer. */
  noLeak({ aucMax = 0.995 }: { aucMax?: number } = {}): Gate<never> {
    return { kind: 'noLeak', aucMax }
  },
}

/** Gates of a model whose config names none: beats the baseline, no leak, not worse than live. */
export function defaultGates(): GateDef[] {
  return [gates.beatsBaseline(), gates.noLeak(), gates.noWorseThanLive()]
}

/** What `auto` stands for by task: where rows are compared (baseline, live), and within slices, which need a scale of their own. */
const AUTO: Record<ModelTask, { compared: string; slices: string }> = {
  binary: { compared: 'logLoss', slices: 'auc' },
  regression: { compared: 'rmse', slices: 'r2' },
  multiclass: { compared: 'logLoss', slices: 'accuracy' },
  ranking: { compared: 'ndcg', slices: 'ndcg' },
}

/** The metric that `auto` stands for: what is compared per row (log loss, RMSE) or group (NDCG), what has a scale for slices (AUC, R², accuracy, NDCG). */
export function autoMetric(gate: GateDef['kind'], task: ModelTask): string {
  return gate === 'slices' ? AUTO[task].slices : AUTO[task].compared
}
