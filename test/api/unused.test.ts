/** Models that nobody asks any more are told of. */
import { expect, test } from 'vitest'
import { UNUSED_DAYS, unusedDays } from '../../src/api/views/unused.ts'

const DAY = 86_400_000
const day = (n: number, predictions: number) => ({
  window: { fromAt: n * DAY, toAt: (n + 1) * DAY },
  predictions,
})
const asked = { liveSince: 0, requestsPerSecond: 0 }

test('days are counted from the last window with a prediction', () => {
  const windows = [day(0, 5), day(9, 3), day(10, 0), day(40, 0)]
  expect(unusedDays({ ...asked, windows, now: 39 * DAY })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now: 40 * DAY })).toBe(UNUSED_DAYS)
  expect(unusedDays({ ...asked, windows, now: 55.9 * DAY })).toBe(45)
})

test('a version that went live since, is asked now, or is not live at all is not told of', () => {
  const windows = [day(0, 5)]
  const now = 100 * DAY
  expect(unusedDays({ ...asked, windows, now, liveSince: 80 * DAY })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now, requestsPerSecond: 0.1 })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now, liveSince: null })).toBeUndefined()
  expect(unusedDays({ ...asked, windows: [], now })).toBe(100)
})
