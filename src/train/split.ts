import { MillraceError } from '../core/errors.ts'
import type { TimeWindow } from '../core/records.ts'
import type { SplitDef } from '../define/types.ts'

/**
 * Which rows teach, which choose and which judge. A window takes rows by time, half-open; a share takes rows by a stable spread of the row
 * number over what the windows leave. Rows in no split are not used.
 */
export interface SplitPlan {
  time?: string
  /** Rows whose spread is below it are in no split. Default: 0. */
  skipShare?: number
  /** `null`: every row that neither validates nor tests. */
  train: TimeWindow | null
  validate: TimeWindow | ShareRule
  test: TimeWindow | ShareRule
}

/** Rows by the spread of their number: those in `[from, from + share)`. Without `from` the shares follow one another: skipped, test, validate. */
export interface ShareRule {
  share: number
  from?: number
}

/** The newest rows test, those before them validate. Shrinks both to a quarter of the span when the data is shorter than the config expects. */
export function planSplit(
  split: SplitDef,
  time: string | undefined,
  span: TimeWindow | undefined,
): SplitPlan {
  if (split.by === 'random') {
    return { train: null, validate: { share: split.validateShare }, test: { share: split.testShare } }
  }
  if (time === undefined || span === undefined) throw new MillraceError('MR_TRAIN_NO_TIME', {})
  const spanMs = span.toAt - span.fromAt
  const quarter = Math.floor(spanMs / 4)
  const testMs = Math.min(split.testMs, quarter)
  const validateMs = Math.min(split.validateMs, quarter)
  const testFrom = span.toAt - testMs
  const validateFrom = testFrom - validateMs
  return {
    time,
    train: { fromAt: span.fromAt, toAt: validateFrom },
    validate: { fromAt: validateFrom, toAt: testFrom },
    test: { fromAt: testFrom, toAt: span.toAt },
  }
}

/** Trains on one window, tests on a later one, and validates on a spread share of the training rows: how a backtest splits. */
export function planBacktestSplit(time: string, train: TimeWindow, test: TimeWindow): SplitPlan {
  return { time, train, validate: { share: 0.1 }, test }
}

/**
 * Splits for trials of a search, inside the rows that train: none that validates or tests the model is in any of them. Each trains on older rows and is
 * tested on the next part in time, so the last trains on nearly everything; early stopping looks at a spread tenth of the rows it trains on.
 * Parts are of equal length, and the first training has as many rows as all parts together. Without time: each part of the rows in turn.
 */
export function planSearchSplits(split: SplitPlan, folds: number): SplitPlan[] {
  const { time, train } = split
  if (time === undefined || train === null) return spreadSplits(split, folds)
  const from = train.fromAt + Math.floor((train.toAt - train.fromAt) / 2)
  const borderAt = (k: number) => from + Math.floor(((train.toAt - from) * k) / folds)
  return Array.from({ length: folds }, (_, k) =>
    planBacktestSplit(
      time,
      { fromAt: train.fromAt, toAt: borderAt(k) },
      { fromAt: borderAt(k), toAt: borderAt(k + 1) },
    ),
  )
}

function spreadSplits({ validate, test }: SplitPlan, folds: number): SplitPlan[] {
  const skipShare = shareOf(validate) + shareOf(test)
  const left = 1 - skipShare
  // One fold tests a third; more divide the rows among them.
  const parts = Math.max(3, folds)
  return Array.from({ length: folds }, (_, k) => ({
    train: null,
    skipShare,
    test: { from: skipShare + (left * k) / parts, share: left / parts },
    validate: { from: skipShare + (left * ((k + 1) % parts)) / parts, share: left / (parts + 7) },
  }))
}

/** The rows that train a model, all of them and no others, however they are divided further. */
export function planPool({ time, train, validate, test }: SplitPlan): SplitPlan {
  const none = { share: 0 }
  return time === undefined || train === null
    ? { train: null, skipShare: shareOf(validate) + shareOf(test), validate: none, test: none }
    : { time, train, validate: none, test: none }
}

/**
 * Splits for answers out of sample, inside the rows that train: each of them is tested once, by a model that learned from the others. None that validates or tests the
 * model is in any of them. Folds go by the spread of the row numbers, also where rows have a time, since every row is to be judged.
 */
export function planCrossSplits(split: SplitPlan, folds: number): SplitPlan[] {
  const pool = planPool(split)
  const borders = crossBorders(pool, folds)
  return Array.from({ length: folds }, (_, k) => {
    const next = (k + 1) % folds
    // Early stopping looks at a part of the next fold: a quarter of it, so that the others learn from as many rows as they can.
    const width = borders[next + 1] - borders[next]
    return {
      ...pool,
      test: { from: borders[k], share: borders[k + 1] - borders[k] },
      validate: { from: borders[next], share: width / 4 },
    }
  })
}

/** Share of the rows of the other periods that early stopping looks at. */
const VALIDATE_SHARE = 0.1

/**
 * The same with a period of time a fold: each is tested by a model that learned from the periods before and after it, so that no row is judged by its neighbours in time.
 * `borders` are the instants at which the periods after the first begin.
 */
export function planPeriodSplits(split: SplitPlan, borders: readonly number[]): SplitPlan[] {
  const pool = planPool(split)
  const { fromAt, toAt } = pool.train as TimeWindow
  const edges = [fromAt, ...borders, toAt]
  return edges.slice(1).map((end, k) => ({
    ...pool,
    validate: { share: VALIDATE_SHARE },
    test: { fromAt: edges[k], toAt: end },
  }))
}

/** Where folds begin on the spread, and 1: whole steps of it, so that no row lies between two. */
export function crossBorders({ skipShare = 0 }: SplitPlan, folds: number): number[] {
  const steps = 2 ** 32
  const inner = Array.from({ length: folds - 1 }, (_, k) =>
    Math.round((skipShare + ((1 - skipShare) * (k + 1)) / folds) * steps),
  )
  return [skipShare, ...inner.map((border) => border / steps), 1]
}

function shareOf(rule: TimeWindow | ShareRule): number {
  return 'share' in rule ? rule.share : 0
}
