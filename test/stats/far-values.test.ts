import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { farValues } from '../../src/stats/far-values.ts'

/** Distances from the median of the outermost values of one side, descending. */
function tail(values: number[]): Float64Array {
  const sorted = values.toSorted((a, b) => b - a)
  const middle = sorted[Math.floor(sorted.length / 2)]
  return Float64Array.from(sorted.slice(0, Math.max(50, Math.floor(values.length / 20))), (x) => x - middle)
}

type Draw = (rng: ReturnType<typeof seededRng>) => number
const SHAPES: Record<string, Draw> = {
  uniform: (rng) => rng.next(),
  normal: (rng) => rng.normal(),
  exponential: (rng) => -Math.log(1 - rng.next()),
  lognormal: (rng) => Math.exp(1.5 * rng.normal()),
  'Student of 2 degrees': (rng) => rng.normal() / Math.sqrt(-Math.log(1 - rng.next())),
  'power of 1': (rng) => 1 / (1 - rng.next()),
  'whole numbers': (rng) => Math.floor(-20 * Math.log(1 - rng.next())),
}

describe('values far from all others', () => {
  test('are found in no more than 3 of 700 columns of tails of all shapes without any', () => {
    let found = 0
    for (const draw of Object.values(SHAPES))
      for (let seed = 1; seed <= 100; seed++) {
        const rng = seededRng(seed)
        if (farValues(tail(Array.from({ length: 3000 }, () => draw(rng))))) found++
      }
    // 700 columns of ten gaps at a chance of 1e-4 expect 0.7 at most, were all tails powers.
    expect(found).toBeLessThanOrEqual(3)
  })

  test('are found in 45 of 50 normal columns with one value at 40 deviations, and of waiting times with one at 1,000 times the mean', () => {
    for (const [shape, far] of [
      ['normal', 40],
      ['exponential', 1000],
    ] as const) {
      let found = 0
      for (let seed = 1; seed <= 50; seed++) {
        const rng = seededRng(seed)
        const values = Array.from({ length: 2000 }, () => SHAPES[shape](rng))
        if (farValues(tail([...values, far]))?.n === 1) found++
      }
      expect(found, shape).toBeGreaterThanOrEqual(45)
    }
  })

  test('may be many when all are one value, and are otherwise few', () => {
    const rng = seededRng(1)
    const values = Array.from({ length: 4000 }, () => rng.normal())
    expect(farValues(tail([...values, ...Array(150).fill(99)]))?.n).toBe(150)
    const spread = Array.from({ length: 150 }, (_, i) => 99 + i)
    expect(farValues(tail([...values, ...spread]))).toBeUndefined()
  })

  test('need a tail behind the gap: constants, few values and empty lists have none', () => {
    expect(farValues(new Float64Array(0))).toBeUndefined()
    expect(farValues(Float64Array.of(9, 1, 1))).toBeUndefined()
    expect(farValues(Float64Array.of(9, ...Array(100).fill(1)))).toBeUndefined()
    expect(farValues(Float64Array.of(9, ...Array(100).fill(0)))).toBeUndefined()
  })

  test('refuse what is no tail', () => {
    expect(() => farValues(Float64Array.of(1, 2))).toThrow('MR_STATS_RANGE')
    expect(() => farValues(Float64Array.of(Number.NaN))).toThrow('MR_STATS_NAN')
  })
})
