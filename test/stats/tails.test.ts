import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { tailLevel } from '../../src/stats/index.ts'

const DRAWS: Record<string, (rng: ReturnType<typeof seededRng>) => number> = {
  exponential: (rng) => -Math.log(1 - rng.next()),
  normal: (rng) => rng.normal(),
  'log-normal': (rng) => Math.exp(rng.normal()),
  uniform: (rng) => rng.next(),
  counts: (rng) => {
    let [k, p] = [0, rng.next()]
    while (p > Math.exp(-4)) {
      p *= rng.next()
      k++
    }
    return k
  },
}

test.each(Object.keys(DRAWS))(
  'as many fresh values as were seen pass the level in few of 100 draws: %s',
  (kind) => {
    const rows = 1000
    let passed = 0
    for (let seed = 1; seed <= 100; seed++) {
      const rng = seededRng(seed)
      const draw = () => DRAWS[kind]!(rng)
      const seen = Float64Array.from({ length: rows }, draw).sort()
      const level = tailLevel(seen, 0.01 / rows)!
      if (Array.from({ length: rows }, draw).some((x) => x > level)) passed++
    }
    // One in a hundred is asked for; of 100 draws more than 8 would come by chance once in a million.
    expect(passed).toBeLessThanOrEqual(8)
  },
)

test('an exponential tail is told to within a third: at level p it ends at -ln p', () => {
  const errors: number[] = []
  for (let seed = 1; seed <= 40; seed++) {
    const rng = seededRng(seed)
    const seen = Float64Array.from({ length: 20_000 }, () => DRAWS.exponential!(rng)).sort()
    errors.push(tailLevel(seen, 1e-5)! / -Math.log(1e-5))
  }
  errors.sort((a, b) => a - b)
  expect(errors[20]).toBeGreaterThan(0.9)
  expect(errors[20]).toBeLessThan(1.35)
})

test('says nothing where there is no tail: few values, none, or one value', () => {
  expect(tailLevel([], 0.01)).toBeUndefined()
  expect(tailLevel([1, 2, 3], 0.01)).toBeUndefined()
  expect(tailLevel(new Float64Array(1000).fill(7), 0.01)).toBeUndefined()
})

test('a large offset does not matter', () => {
  const rng = seededRng(3)
  const plain = Float64Array.from({ length: 2000 }, () => rng.normal()).sort()
  const far = plain.map((x) => x + 1e7)
  expect(tailLevel(far, 1e-5)! - 1e7).toBeCloseTo(tailLevel(plain, 1e-5)!, 4)
})
