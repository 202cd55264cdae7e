import { MillraceError } from '../core/errors.ts'
import type { TimeWindow } from '../core/records.ts'
import type { SplitDef } from '../define/types.ts'

/**
 * Which rows teach, which choose and which judge. A window takes rows by time, half-open; a share takes rows by a stable spread of the row
 * number over what the windows leave. Rows in no split are not used.
 */
export interface SplitPlan {
  time?: string
  /** `null`: every row that neither validates nor tests. */
  train: TimeWindow | null
  validate: TimeWindow | { share: number }
  test: TimeWindow | { share: number }
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
