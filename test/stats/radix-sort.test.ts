import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { sortNumbers } from '../../src/stats/radix-sort.ts'

/** More values than are left to the engine, made of the few that are given. */
function manyOf(values: readonly number[], seed: number): Float64Array {
  const rng = seededRng(seed)
  return Float64Array.from({ length: 1500 }, () => values[rng.nextInt(values.length)])
}

test('doubles of any kind come in the order of the engine: both zeros, infinities, subnormals, NaN last', () => {
  fc.assert(
    fc.property(fc.array(fc.double(), { minLength: 1, maxLength: 300 }), fc.nat(), (values, seed) => {
      const given = manyOf([...values, -0, 0, Number.NaN, 5e-324, Number.NEGATIVE_INFINITY], seed)
      expect(sortNumbers(given.slice())).toStrictEqual(given.slice().sort())
    }),
  )
})

test.each([
  ['a view that does not begin where its memory does', () => manyOf([3, -1, 2], 1).subarray(37)],
  ['one value alone', () => new Float64Array(5000).fill(-7)],
  ['nothing but NaN', () => new Float64Array(5000).fill(Number.NaN)],
  ['whole numbers', () => Float64Array.from({ length: 70_000 }, (_, i) => ((i * 7919) % 4001) - 2000)],
  [
    'random signs and sizes',
    () => Float64Array.from({ length: 70_000 }, (_, i) => Math.sin(i) * 10 ** (i % 300)),
  ],
  ['no values', () => new Float64Array(0)],
])('%s', (_, make) => {
  expect(sortNumbers(make())).toStrictEqual(make().slice().sort())
})
