/** `search`, `range`, `choice`: parameters of a trainer that are chosen by trying, instead of written. */
import { type Duration, durationMs } from './durations.ts'
import type { Metric } from './metrics.ts'
import { TRAINER_RULES } from './trainer-rules.ts'
import type { Dimension, ParamValue, SearchDef, TrainerDef } from './types.ts'

/** A trainer whose parameters are searched: what `model` takes as its trainer. */
export interface SearchedTrainer {
  kind: 'search'
  over: TrainerDef
  search: SearchDef
}

/** A number between two ends, both included; `log` when its order of magnitude is what is unknown. Whole where the parameter is. */
export function range(min: number, max: number, scale: 'linear' | 'log' = 'linear'): Dimension {
  return { kind: 'range', min, max, scale, integer: false }
}

/** One of some values, without an order. */
export function choice(...values: ParamValue[]): Dimension {
  return { kind: 'choice', values }
}

export interface SearchOptions<T extends TrainerDef> {
  /** The trainer as it stands; what the space does not name stays as it is, and its own parameters are the first trial. */
  over: T
  /** What the parameters may be: `{ leaves: range(8, 255, 'log'), learningRate: range(0.01, 0.3, 'log') }`. */
  space: { readonly [P in Exclude<keyof T, 'kind'>]?: Dimension }
  /**
   * `tpe` (default) tries where good trials are dense; `halving` gives many trials little and goes on with the best (Hyperband); `random` draws evenly.
   */
  method?: SearchDef['method']
  /** Points tried at most. Default: 50. */
  trials?: number
  /** No further trial is begun after so long; the best so far is taken. Default: no limit, so that the same data give the same choice. */
  time?: Duration
  /** Parts of the training window, in time, that each trial is measured on after training on all that is older. Default: 3. */
  folds?: number
  /** What halving gives little of at first. Default: `rows`. */
  resource?: SearchDef['resource']
  /** What decides. Default: the loss of the task. */
  metric?: Metric
}

/**
 * Chooses parameters of a trainer by trials inside the training window: rows that validate or test the model are not read. What was chosen stays chosen for
 * retrainings, until `millrace search` or `millrace train --search` looks again.
 */
export function search<T extends TrainerDef>(options: SearchOptions<T>): SearchedTrainer {
  const { over, space, method = 'tpe', trials = 50, folds = 3, resource = 'rows', time, metric } = options
  const rules = TRAINER_RULES[over.kind] ?? {}
  const dimensions = Object.entries(space as Record<string, Dimension | undefined>).flatMap(
    ([name, found]) => (found ? [[name, wholeWhere(found, rules[name])] as const] : []),
  )
  return {
    kind: 'search',
    over,
    search: {
      space: Object.fromEntries(dimensions),
      method,
      trials,
      ...(time !== undefined && { timeMs: durationMs(time, 'search.time') }),
      folds,
      resource,
      metric: metric?.name ?? 'auto',
    },
  }
}

function wholeWhere(dimension: Dimension, rule: object | undefined): Dimension {
  if (dimension.kind !== 'range') return dimension
  return { ...dimension, integer: rule !== undefined && 'integer' in rule && rule.integer === true }
}
