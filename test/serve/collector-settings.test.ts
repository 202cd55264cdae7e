import { expect, test } from 'vitest'
import { growthPercent } from '../../src/serve/collector-settings.ts'

const MB = 1024 * 1024

test.each([
  [10, 400],
  [24, 400],
  [48, 200],
  [96, 100],
  [192, 50],
  [193, 0],
  [2_000, 0],
])('a heap of %i MB may grow by %i percent: by no more than a hundred megabytes', (mb, percent) => {
  expect(growthPercent(mb * MB)).toBe(percent)
  expect((mb * percent) / 100).toBeLessThanOrEqual(100)
})
