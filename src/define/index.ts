/** What a config file imports. Everything here only builds plain data. */
export {
  type Anything,
  Branches,
  type ColumnsIn,
  Condition,
  coalesce,
  col,
  type DiffUnit,
  Expr,
  Fitted,
  type Input,
  lit,
  type TimeUnit,
  time,
  when,
  type ZoneOption,
} from '../expr/builder.ts'
export type { BoostObjective, StopBy } from './boost-objectives.ts'
export { type Bounds, Check, checks } from './checks.ts'
export type { ColumnsOf, Datasets } from './columns.ts'
export { type CommandOptions, command } from './command.ts'
export * from './define.ts'
export type { Duration } from './durations.ts'
export { type Gate, gates } from './gates.ts'
export { type HeadOptions, head } from './head.ts'
export type { Metric } from './metrics.ts'
export { maximize, minimize, type Objective, over, under } from './objectives.ts'
export { choice, range, type SearchedTrainer, type SearchOptions, search } from './search.ts'
export type { TableMetric, TableMetricName } from './table-metrics.ts'
export {
  average,
  canary,
  ebm,
  factors,
  forest,
  ftrl,
  type GbdtOptions,
  gbdt,
  immediate,
  imported,
  linear,
  mlp,
  neighbours,
  stack,
} from './trainers.ts'
export type * from './types.ts'
