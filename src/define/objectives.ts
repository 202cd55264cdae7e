import { type Duration, durationMs } from './durations.ts'
import type { Metric } from './metrics.ts'
import type { ObjectiveDef } from './types.ts'

/** An objective before it has the name under which the model lists it. */
export type Objective = Omit<ObjectiveDef, 'name'>

interface Owned {
  /** Who is asked when it conflicts with another. */
  owner?: string
}

/** As high as possible. */
export const maximize = (metric: Metric, { owner = '' }: Owned = {}): Objective => ({
  metric: metric.name,
  goal: 'maximize',
  owner,
})

/** As low as possible. */
export const minimize = (metric: Metric, { owner = '' }: Owned = {}): Objective => ({
  metric: metric.name,
  goal: 'minimize',
  owner,
})

/** Below a limit: a number in the metric's unit, or a duration for a metric in milliseconds. */
export const under = (limit: number | Duration, metric: Metric, { owner = '' }: Owned = {}): Objective => ({
  metric: metric.name,
  goal: 'under',
  limit: limitOf(limit, metric),
  owner,
})

/** Above a limit. */
export const over = (limit: number | Duration, metric: Metric, { owner = '' }: Owned = {}): Objective => ({
  metric: metric.name,
  goal: 'over',
  limit: limitOf(limit, metric),
  owner,
})

function limitOf(limit: number | Duration, metric: Metric): number {
  return typeof limit === 'number' ? limit : durationMs(limit, `the limit of ${metric.name}`)
}
