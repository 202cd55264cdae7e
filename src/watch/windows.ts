import type { TimeWindow } from '../core/records.ts'
import type { WatchDef } from '../define/types.ts'

const DAY = 86_400_000
/** Epoch day 4 was Monday 5 January 1970. */
const FIRST_MONDAY = 4 * DAY

/** The calendar window in UTC that holds an instant; weeks begin on Monday. */
export function windowAt(unit: WatchDef['window'], at: number): TimeWindow {
  if (unit === 'month') {
    const date = new Date(at)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    return { fromAt: Date.UTC(year, month), toAt: Date.UTC(year, month + 1) }
  }
  const length = unit === 'day' ? DAY : 7 * DAY
  const origin = unit === 'day' ? 0 : FIRST_MONDAY
  const fromAt = Math.floor((at - origin) / length) * length + origin
  return { fromAt, toAt: fromAt + length }
}

/** When a window may be judged: its end, and the time outcomes need to come in. */
export function closesAt(window: TimeWindow, watch: Pick<WatchDef, 'outcomeDelayMs'>): number {
  return window.toAt + watch.outcomeDelayMs
}
