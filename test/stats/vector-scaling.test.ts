import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { fitVectorScaling } from '../../src/stats/vector-scaling.ts'

interface Case {
  scores: number[]
  codes: number[]
  slopes: number[]
  intercepts: number[]
}
const cases: Case[] = JSON.parse(
  readFileSync(new URL('../reference/stats/vector-scaling.json', import.meta.url), 'utf8'),
)

test.each(cases.map((c, i) => [i, c] as const))(
  'case %i has the slopes and intercepts that SciPy finds',
  (_, want) => {
    const found = fitVectorScaling(want.scores, want.codes)
    want.slopes.forEach((slope, c) => {
      expect(Math.abs(found.slopes[c] - slope), `slope ${c}`).toBeLessThan(1e-6)
      expect(Math.abs(found.intercepts[c] - want.intercepts[c]), `intercept ${c}`).toBeLessThan(1e-6)
    })
  },
)

test.each<[string, () => unknown, string]>([
  ['no rows', () => fitVectorScaling([], []), 'MR_STATS_EMPTY'],
  ['one class', () => fitVectorScaling([1, 2], [0, 0]), 'MR_STATS_RANGE'],
  ['too many classes', () => fitVectorScaling(new Array(40).fill(0), [0, 1]), 'MR_STATS_RANGE'],
  ['a score that is none', () => fitVectorScaling([1, Number.NaN], [0]), 'MR_STATS_NAN'],
])('%s: refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})

test('one row and a constant score give finite numbers', () => {
  for (const { slopes, intercepts } of [
    fitVectorScaling([1, 2], [0]),
    fitVectorScaling([3, 3, 3, 3], [0, 1]),
  ])
    expect([...slopes, ...intercepts].every(Number.isFinite)).toBe(true)
})
