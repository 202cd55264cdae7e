import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fitClassBlend } from '../../src/stats/class-blend.ts'

interface Case {
  scores: number[][]
  codes: number[]
  weights: number[]
  ridge: number
  towards: number[]
  blend: number[]
}
const cases: Case[] = JSON.parse(
  readFileSync(new URL('../reference/stats/class-blend.json', import.meta.url), 'utf8'),
)

describe.each(cases.map((c, i) => [i, c] as const))('blend %i', (_, { scores, codes, blend, ...options }) => {
  test('has the weights that SciPy finds, none below 0', () => {
    const found = fitClassBlend(scores, codes, options)
    expect(blend.some((w) => w === 0)).toBe(true)
    blend.forEach((want, j) => {
      expect(Math.abs(found[j] - want), `weight ${j}: ${found[j]}, want ${want}`).toBeLessThan(2e-6)
    })
  })

  test('a weight of 2 is a row twice', () => {
    const k = scores[0].length / codes.length
    const twice = codes.map((__, i) => (i % 3 === 0 ? 2 : 1))
    const rows = codes.flatMap((__, i) => (twice[i] === 2 ? [i, i] : [i]))
    const whole = { ridge: options.ridge, towards: options.towards }
    const weighed = fitClassBlend(scores, codes, { ...whole, weights: twice })
    const doubled = fitClassBlend(
      scores.map((own) => rows.flatMap((i) => own.slice(i * k, (i + 1) * k))),
      rows.map((i) => codes[i]),
      whole,
    )
    weighed.forEach((w, j) => {
      expect(w).toBeCloseTo(doubled[j], 8)
    })
  })
})

test.each<[string, () => unknown, string]>([
  ['no rows', () => fitClassBlend([[]], []), 'MR_STATS_EMPTY'],
  ['a code beyond the classes', () => fitClassBlend([[1, 2]], [2]), 'MR_STATS_RANGE'],
  ['one score a row', () => fitClassBlend([[1, 2]], [0, 0]), 'MR_STATS_RANGE'],
  ['scores of another length', () => fitClassBlend([[1, 2], [1]], [0]), 'MR_STATS_LENGTH'],
  ['a score that is none', () => fitClassBlend([[1, Number.NaN]], [0]), 'MR_STATS_NAN'],
])('%s: refused with a code', (_, act, code) => {
  expect(act).toThrow(code)
})
