/** Tables in TypeScript over the same expressions as features and checks: `import { col, desc, frame, mean } from 'millrace/frame'`. */

export { isMillraceError, MillraceError } from '../core/errors.ts'
export type { TypedColumn } from '../engine/ports.ts'
export { coalesce, col, Expr, lit, time, when } from '../expr/builder.ts'
export {
  Aggregate,
  all,
  any,
  approxNUnique,
  approxQuantile,
  corr,
  count,
  covariance,
  first,
  kurtosis,
  last,
  listOf,
  max,
  maxBy,
  mean,
  median,
  min,
  minBy,
  mode,
  nUnique,
  nullCount,
  product,
  quantile,
  skew,
  std,
  sum,
  variance,
  weightedMean,
} from './aggregates.ts'
export { Collected } from './collected.ts'
export type { Explained, SourceRead } from './explain.ts'
export {
  type CollectOptions,
  type ColumnExprs,
  type Description,
  Frame,
  Grouped,
  type JoinKind,
  type JoinOptions,
} from './frame.ts'
export type { AnyRow } from './frame-row.ts'
export {
  closeFrames,
  type FrameOf,
  type Frames,
  frame,
  openFrames,
  type RowOf,
  type SourceOptions,
} from './open.ts'
export { asc, desc, type Key, type OrderKey, type OrderOptions } from './ordering.ts'
export type { FramesOptions } from './session.ts'
export type { FarProgress } from './sources/far-files.ts'
export type { FileFormat, FileOptions } from './sources/file.ts'
export type { ToDatasetOptions } from './to-dataset.ts'
export {
  backwardFill,
  cumCount,
  cumeDist,
  cumMax,
  cumMean,
  cumMin,
  cumProduct,
  cumSum,
  denseRank,
  diff,
  forwardFill,
  lag,
  lead,
  ntile,
  pctChange,
  percentRank,
  type RankMethod,
  type RollingOptions,
  rank,
  rolling,
  rowNumber,
  WindowFunction,
} from './window-functions.ts'
export type { WriteOptions, WrittenFile } from './write-file.ts'
