/** Which windows a backtest trains on and which periods it tests on. Pure. */
import { MillraceError } from '../core/errors.ts'
import type { TimeWindow } from '../core/records.ts'
import { type Span, shift } from './spans.ts'

export interface BacktestWindow {
  label: string
  window: TimeWindow
  /** Months from the window's begin to the first test; null when it is everything before. */
  ageMonths: number | null
}

export interface BacktestPlan {
  windows: BacktestWindow[]
  /** Periods tested on, ascending; each window is tested on those that begin when it is over, or later. */
  tests: TimeWindow[]
}

const MONTH_MS = 30.436875 * 86_400_000
/** Windows and periods of one backtest: each window is a training. */
export const BACKTEST_LIMITS = { windowsMax: 200, testsMax: 200 }

/** A window of `width` that began each of these ages before the test: "train on 6, 2 and 1 months ago, test on now". Errors: MR_LOOP_BACKTEST. */
export function planAges(
  test: TimeWindow,
  ages: readonly { label: string; age: Span }[],
  width: Span,
): BacktestPlan {
  const windows = ages.map(({ label, age }) => {
    const fromAt = shift(test.fromAt, age, -1)
    const window = { fromAt, toAt: shift(fromAt, width, 1) }
    if (window.toAt > test.fromAt)
      throw new MillraceError('MR_LOOP_BACKTEST', {
        why: `a window that began ${label} ago is not over when the test begins`,
        fix: 'choose an older age or a smaller width',
      })
    return { label: `${label} ago`, window, ageMonths: ageMonthsOf(window, test) }
  })
  return { windows, tests: [test] }
}

export interface RollingOptions {
  /** `sliding`: each window has this width; `expanding`: each begins with the data, and the first has this width. */
  scheme: 'sliding' | 'expanding'
  width: Span
  /** Between the ends of two windows, and the length of each test period. */
  step: Span
  /** What the data cover. */
  span: TimeWindow
}

/** Windows that roll through the data and every later period as a test: a decay curve instead of a point. Errors: MR_LOOP_BACKTEST. */
export function planRolling({ scheme, width, step, span }: RollingOptions): BacktestPlan {
  const tests: TimeWindow[] = []
  const windows: BacktestWindow[] = []
  for (let k = 0; ; k++) {
    const toAt = shift(shift(span.fromAt, width, 1), step, k)
    const test = { fromAt: toAt, toAt: shift(toAt, step, 1) }
    // The last period may be short: half of one is enough to be tested on.
    if (test.fromAt + (test.toAt - test.fromAt) / 2 > span.toAt) break
    const fromAt = scheme === 'sliding' ? shift(span.fromAt, step, k) : span.fromAt
    const window = { fromAt, toAt }
    tests.push(test)
    windows.push({ label: windowLabel(window), window, ageMonths: 0 })
    if (windows.length > BACKTEST_LIMITS.windowsMax)
      throw new MillraceError('MR_LOOP_BACKTEST', {
        why: `the data hold more than ${BACKTEST_LIMITS.windowsMax} windows of this step`,
        fix: 'choose a longer step',
      })
  }
  if (tests.length === 0)
    throw new MillraceError('MR_LOOP_BACKTEST', {
      why: `the data cover ${days(span)} days, which leaves nothing to test on after a first window of this width`,
      fix: 'choose a smaller width, or import more data',
    })
  const last = tests[tests.length - 1]
  return { windows: windows.map((w) => ({ ...w, ageMonths: ageMonthsOf(w.window, last) })), tests }
}

/** Months, rounded, from a window's begin to the test's. */
export function ageMonthsOf(window: TimeWindow, test: TimeWindow): number {
  return Math.max(0, Math.round((test.fromAt - window.fromAt) / MONTH_MS))
}

/** Months from a window's end to the test's begin: what a model has missed. */
export function staleMonths(window: TimeWindow, test: TimeWindow): number {
  return Math.max(0, (test.fromAt - window.toAt) / MONTH_MS)
}

/** `2001-03`, or `2001-03-01..2001-03-15` where a window is no calendar month. */
export function windowLabel({ fromAt, toAt }: TimeWindow): string {
  const day = (at: number) => new Date(at).toISOString().slice(0, 10)
  const isMonth = day(fromAt).endsWith('-01') && shift(fromAt, { months: 1 }, 1) === toAt
  return isMonth ? day(fromAt).slice(0, 7) : `${day(fromAt)}..${day(toAt)}`
}

function days({ fromAt, toAt }: TimeWindow): number {
  return Math.floor((toAt - fromAt) / 86_400_000)
}
