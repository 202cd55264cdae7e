import fc from 'fast-check'
import { expect, test } from 'vitest'
import { selectInPlace } from '../../src/stats/order.ts'

test('a selected value is that of the sorted list, whatever the ties', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 200 }),
      fc.nat(),
      (list, at) => {
        const k = at % list.length
        const values = Float64Array.from(list)
        expect(selectInPlace(values, k)).toBe(list.toSorted((a, b) => a - b)[k])
        // Nothing is lost.
        expect([...values].sort((a, b) => a - b)).toEqual(list.toSorted((a, b) => a - b))
      },
    ),
  )
})

test('sorted, reversed and constant lists of 100,000 are selected from as fast as others', () => {
  const n = 100_000
  for (const make of [(i: number) => i, (i: number) => n - i, () => 7, (i: number) => i % 3]) {
    const values = Float64Array.from({ length: n }, (_, i) => make(i))
    const sorted = values.toSorted()
    for (const k of [0, 1, n >> 1, n - 1]) expect(selectInPlace(values.slice(), k)).toBe(sorted[k])
  }
})
