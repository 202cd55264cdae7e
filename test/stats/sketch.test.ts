import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { FrequentCounter, frequentItems, mergeFrequent } from '../../src/stats/sketch-frequent.ts'
import {
  addToHll,
  decodeHll,
  emptyHll,
  encodeHll,
  hllEstimate,
  mergeHll,
} from '../../src/stats/sketch-hll.ts'
import {
  addToKll,
  emptyKll,
  kllQuantile,
  kllQuantiles,
  kllRank,
  mergeKll,
} from '../../src/stats/sketch-kll.ts'
import { expectCode, hitsAtMost } from './close.ts'

/** A sketch of a shuffled 0 … n-1, in one stream or merged from parts of unequal size. */
function sketchOf(n: number, seed: number, parts: number) {
  const rng = seededRng(seed)
  const values = Float64Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = rng.nextInt(i + 1)
    ;[values[i], values[j]] = [values[j], values[i]]
  }
  const sketches = Array.from({ length: parts }, () => emptyKll(200))
  values.forEach((x, i) => {
    addToKll(sketches[(i % 7) % parts], x, rng)
  })
  return sketches.reduce((a, b) => mergeKll(a, b, rng))
}

test('KLL ranks are off by more than 1.33 % in at most one query of a hundred, streamed or merged', () => {
  const n = 20_000
  let off = 0
  let queries = 0
  for (let seed = 0; seed < 60; seed++) {
    const sketch = sketchOf(n, seed, seed % 2 === 0 ? 1 : 4)
    expect(sketch.n).toBe(n)
    expect(sketch.levels.flat().length).toBeLessThan(700)
    expect(sketch.levels.reduce((w, items, h) => w + items.length * 2 ** h, 0)).toBe(n)
    for (const q of [0.05, 0.25, 0.5, 0.75, 0.95]) {
      queries++
      if (Math.abs(kllQuantile(sketch, q) / n - q) > 0.0133) off++
      expect(Math.abs(kllRank(sketch, q * n) - q)).toBeLessThan(0.03)
    }
  }
  expect(off).toBeLessThanOrEqual(hitsAtMost(queries, 0.01))
})

test('KLL is exact for few values, keeps the extremes, and survives JSON', () => {
  const rng = seededRng(1)
  const sketch = emptyKll()
  for (const x of [5, 1, 3, 3, -0]) addToKll(sketch, x, rng)
  expect(kllQuantiles(sketch, [0, 0.2, 0.4, 0.6, 0.8, 1]).map(Math.abs)).toEqual([0, 0, 1, 3, 3, 5])
  expect(kllRank(sketch, 3)).toBe(0.8)
  const big = sketchOf(5000, 2, 3)
  expect(kllQuantiles(big, [0, 1])).toEqual([0, 4999])
  expect(JSON.parse(JSON.stringify(big))).toEqual(big)
})

test('an empty KLL merges as nothing and refuses questions', () => {
  const rng = seededRng(1)
  const one = emptyKll()
  addToKll(one, 7, rng)
  expect(kllQuantile(mergeKll(emptyKll(), one, rng), 0.5)).toBe(7)
  expect(mergeKll(emptyKll(), emptyKll(), rng).min).toBeNull()
  expectCode(() => kllQuantile(emptyKll(), 0.5), 'MR_STATS_EMPTY')
  expectCode(() => addToKll(one, Number.NaN, rng), 'MR_STATS_NAN')
  expectCode(() => emptyKll(2), 'MR_STATS_RANGE')
})

test('HLL estimates have a relative error of 1.6 % in the root mean, for texts and numbers', () => {
  for (const kind of ['text', 'number'] as const) {
    for (const n of [10, 300, 5000, 30_000]) {
      let squared = 0
      const seeds = n > 10_000 ? 15 : 25
      for (let seed = 0; seed < seeds; seed++) {
        const sketch = emptyHll()
        for (let i = 0; i < n; i++) addToHll(sketch, kind === 'text' ? `s${seed}-${i}` : seed * 1e6 + i)
        squared += (hllEstimate(sketch) / n - 1) ** 2 / seeds
      }
      expect(Math.sqrt(squared), `${n} ${kind}`).toBeLessThan(0.016 * 1.7)
    }
  }
})

test('HLL counts a value once, merges as a union, and survives its encoding', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string(), { maxLength: 40 }),
      fc.array(fc.string(), { maxLength: 40 }),
      (a, b) => {
        const of = (list: string[]) => {
          const sketch = emptyHll(8)
          for (const x of [...list, ...list]) addToHll(sketch, x)
          return sketch
        }
        const both = mergeHll(of(a), of(b))
        expect(both).toEqual(of([...b, ...a]))
        expect(decodeHll(JSON.parse(JSON.stringify(encodeHll(both))))).toEqual(both)
      },
    ),
  )
  expect(hllEstimate(emptyHll())).toBe(0)
  const numbers = emptyHll()
  for (const x of [0, -0, Number.NaN, Number.NaN, Number.POSITIVE_INFINITY]) addToHll(numbers, x)
  expect(Math.round(hllEstimate(numbers))).toBe(3)
  expectCode(() => mergeHll(emptyHll(5), emptyHll(6)), 'MR_STATS_BINS')
  expectCode(() => decodeHll({ kind: 'HllSketch', lgK: 4, registers: 'A' }), 'MR_STATS_DECODE')
  expectCode(() => decodeHll({ kind: 'HllSketch', lgK: 4, registers: '!'.repeat(16) }), 'MR_STATS_DECODE')
})

test('the bounds of frequent items hold the true counts, in one stream and merged, whatever the order', () => {
  const stream = fc.array(fc.constantFrom(...'aaaabbbccdefghijklmnop', '__proto__', '7'), { maxLength: 300 })
  fc.assert(
    fc.property(stream, stream, fc.integer({ min: 1, max: 6 }), (a, b, capacity) => {
      const summaryOf = (list: string[]) => {
        const counter = new FrequentCounter(capacity)
        for (const item of list) counter.add(item)
        return counter.summary()
      }
      for (const summary of [summaryOf([...a, ...b]), mergeFrequent(summaryOf(a), summaryOf(b))]) {
        const all = [...a, ...b]
        expect(summary.n).toBe(all.length)
        expect(summary.floor).toBeLessThanOrEqual(all.length / (capacity + 1))
        for (const item of new Set(all)) {
          const truth = all.filter((x) => x === item).length
          const held = Object.hasOwn(summary.items, item) ? summary.items[item] : undefined
          if (held === undefined) expect(truth).toBeLessThanOrEqual(summary.floor)
          else {
            expect(held.count).toBeGreaterThanOrEqual(truth)
            expect(held.count - held.error).toBeLessThanOrEqual(truth)
          }
        }
        expect(frequentItems(JSON.parse(JSON.stringify(summary)))).toEqual(frequentItems(summary))
      }
    }),
  )
})

test('heavy items of a skewed stream are all found and their counts nearly exact', () => {
  const rng = seededRng(6)
  const counter = new FrequentCounter(64)
  const truth = new Map<string, number>()
  for (let i = 0; i < 50_000; i++) {
    const item = `i${Math.floor(1 / (rng.next() + 1e-4))}`
    counter.add(item)
    truth.set(item, (truth.get(item) ?? 0) + 1)
  }
  const heavy = frequentItems(counter.summary(), 0.02)
  const expected = [...truth].filter(([, n]) => n > 1000).map(([item]) => item)
  expect(heavy.map((h) => h.item)).toEqual(expect.arrayContaining(expected))
  for (const h of heavy) expect(h.count - h.countMin).toBeLessThanOrEqual(50_000 / 65)
  expectCode(() => new FrequentCounter(0), 'MR_STATS_RANGE')
})
