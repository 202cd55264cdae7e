import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { momentsOf } from '../../src/stats/moments.ts'
import { decodeSketches, encodeSketches } from '../../src/stats/sketch-codec.ts'
import {
  type ColumnSketch,
  mergeColumnSketches,
  NumberSketcher,
  SKETCH_ITEMS,
  TextSketcher,
} from '../../src/stats/sketch-column.ts'
import { frequentItems } from '../../src/stats/sketch-frequent.ts'
import { addToHll, emptyHll, hllEstimate } from '../../src/stats/sketch-hll.ts'
import { kllQuantiles, kllRank } from '../../src/stats/sketch-kll.ts'
import { expectClose, expectCode } from './close.ts'

type Draw = (rng: ReturnType<typeof seededRng>) => number
const SHAPES: Record<string, Draw> = {
  normal: (rng) => rng.normal(),
  skewed: (rng) => Math.exp(2 * rng.normal()),
  ties: (rng) => Math.floor(rng.next() * 40),
  prices: (rng) => Math.round(rng.next() * 1e5) / 100,
  'mostly zero': (rng) => (rng.next() < 0.9 ? 0 : rng.normal()),
}

const drawn = (shape: Draw, n: number, seed: number): Float64Array => {
  const rng = seededRng(seed)
  return Float64Array.from({ length: n }, () => shape(rng))
}

function sketchOf(values: Float64Array, cut = values.length): ColumnSketch {
  const sketcher = new NumberSketcher()
  for (let at = 0; at < values.length; at += cut) {
    const piece = values.subarray(at, at + cut)
    sketcher.add(piece, piece.length)
  }
  return sketcher.finish(values.length, values.filter(Number.isNaN).length)
}

/** Largest distance of a rank from the truth over 999 quantiles: ties span ranks, of which any is right. */
function rankError(sketch: ColumnSketch, values: Float64Array): number {
  const sorted = values.slice().sort()
  const ranks = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000)
  return kllQuantiles(sketch.kll!, ranks).reduce((worst, x, i) => {
    const below = lower(sorted, x) / sorted.length
    const upTo = upper(sorted, x) / sorted.length
    return Math.max(worst, below - ranks[i]!, ranks[i]! - upTo)
  }, 0)
}

const lower = (sorted: Float64Array, x: number): number => {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle]! < x) from = middle + 1
    else to = middle
  }
  return from
}
const upper = (sorted: Float64Array, x: number): number => {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle]! <= x) from = middle + 1
    else to = middle
  }
  return from
}

test('every quantile is off by less than 1 % of the rows, from one scan and from 100 merged parts, over 30 seeds and 5 shapes', () => {
  for (let seed = 0; seed < 30; seed++) {
    const shape = Object.values(SHAPES)[seed % 5]!
    const values = drawn(shape, 40_000, seed)
    const parts = Array.from({ length: 100 }, (_, i) => sketchOf(values.subarray(i * 400, (i + 1) * 400)))
    for (const sketch of [sketchOf(values), mergeColumnSketches(parts)]) {
      expect(sketch.kll!.n).toBe(values.length)
      expect(sketch.kll!.levels.flat().length).toBeLessThan(1_600)
      expect(rankError(sketch, values)).toBeLessThan(0.01)
      expect(
        Math.abs(kllRank(sketch.kll!, values[0]!) - upper(values.slice().sort(), values[0]!) / 40_000),
      ).toBeLessThan(0.01)
    }
  }
})

test('distinct values are within 2 % of all but few of 200 seeds, as a standard error of 0.6 % allows', () => {
  let off = 0
  let squares = 0
  for (let seed = 0; seed < 200; seed++) {
    const n = 5_000 + 400 * seed
    const values = Float64Array.from({ length: n }, (_, i) => seed * 1e7 + i * (seed % 2 === 0 ? 1 : 0.37))
    const error = hllEstimate(sketchOf(values).hll) / n - 1
    squares += error ** 2
    if (Math.abs(error) > 0.02) off++
  }
  expect(Math.sqrt(squares / 200)).toBeLessThan(0.007)
  expect(off).toBeLessThanOrEqual(1) // 0.05 % of 200 is 0.1
})

test('moments are exact to the last digits, at a large offset too', () => {
  for (const offset of [0, 1e7]) {
    const values = drawn((rng) => offset + 0.1 * rng.normal(), 20_001, 3)
    const { moments } = sketchOf(values)
    const truth = momentsOf(values.map((x) => x - offset)) // exact differences
    expectClose(moments!.mean, truth.mean + offset, 1e-12, 'mean')
    expectClose(moments!.m2, truth.m2, 1e-8, 'm2')
    expect([moments!.n, moments!.min, moments!.max]).toEqual([
      truth.n,
      truth.min + offset,
      truth.max + offset,
    ])
  }
})

test('values that are not finite count as such and touch nothing else', () => {
  const values = Float64Array.from([1, Number.NaN, Number.POSITIVE_INFINITY, -0, 2, Number.NEGATIVE_INFINITY])
  const sketch = sketchOf(values)
  expect([sketch.rows, sketch.nulls, sketch.notFinite, sketch.moments!.n]).toEqual([6, 1, 2, 3])
  expect(
    frequentItems(sketch.frequent)
      .map((f) => f.item)
      .sort(),
  ).toEqual(['0', '1', '2'])
  const empty = sketchOf(new Float64Array(0))
  expect([empty.moments, empty.kll!.n, Math.round(hllEstimate(empty.hll))]).toEqual([null, 0, 0])
})

test('a scan that is cut into other chunks gives the same bytes', () => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    const values = drawn(shape, 10_000, 9)
    const whole = encodeSketches({ x: sketchOf(values) })
    for (const cut of [1, 7, 2048, 4096, 9_999])
      expect(encodeSketches({ x: sketchOf(values, cut) }), `${name}, ${cut}`).toEqual(whole)
  }
})

/** Blocks of texts as the engine groups them. */
function textSketch(blocks: string[][], split = 3): ColumnSketch {
  const sketcher = new TextSketcher()
  for (const block of blocks) {
    const counts = new Map<string, number>()
    for (const text of block) counts.set(text, (counts.get(text) ?? 0) + 1)
    sketcher.begin(Int32Array.from(counts.values()))
    const texts = [...counts.keys()].map((text) => new TextEncoder().encode(text))
    for (let at = 0; at < texts.length; at += split) {
      const some = texts.slice(at, at + split)
      sketcher.add(
        Buffer.concat(some),
        Int32Array.from(some, (bytes) => bytes.length),
      )
    }
    sketcher.end()
  }
  return sketcher.finish(blocks.flat().length, 0)
}

test('counts of frequent values enclose the truth and none that is frequent is missing, over blocks and merges', () => {
  const text = fc.integer({ min: 0, max: 900 }).map((i) => `v${Math.floor(i ** 2 / 900)}`)
  fc.assert(
    fc.property(fc.array(fc.array(text, { maxLength: 900 }), { minLength: 1, maxLength: 6 }), (blocks) => {
      const truth = new Map<string, number>()
      for (const item of blocks.flat()) truth.set(item, (truth.get(item) ?? 0) + 1)
      for (const sketch of [
        textSketch(blocks),
        mergeColumnSketches(blocks.map((block) => textSketch([block]))),
      ]) {
        const n = blocks.flat().length
        expect(sketch.frequent.n).toBe(n)
        expect(sketch.frequent.floor).toBeLessThanOrEqual(n / (SKETCH_ITEMS + 1))
        const held = new Map(frequentItems(sketch.frequent).map((f) => [f.item, f]))
        for (const [item, count] of truth) {
          const found = held.get(item)
          if (!found) expect(count).toBeLessThanOrEqual(sketch.frequent.floor)
          else {
            expect(found.countMin).toBeLessThanOrEqual(count)
            expect(found.count).toBeGreaterThanOrEqual(count)
          }
        }
      }
    }),
    { numRuns: 60, seed: 4 },
  )
})

test('frequent numbers keep their bounds when blocks hold more values than are kept', () => {
  for (let seed = 0; seed < 12; seed++) {
    const values = drawn((rng) => Math.floor(1500 * rng.next() ** 3), 30_000, seed)
    const { frequent } = mergeColumnSketches([
      sketchOf(values.subarray(0, 11_000)),
      sketchOf(values.subarray(11_000)),
    ])
    const truth = new Map<string, number>()
    for (const x of values) truth.set(String(x), (truth.get(String(x)) ?? 0) + 1)
    expect(frequent.floor).toBeLessThanOrEqual(30_000 / (SKETCH_ITEMS + 1))
    for (const { item, count, countMin } of frequentItems(frequent)) {
      expect(countMin).toBeLessThanOrEqual(truth.get(item)!)
      expect(count).toBeGreaterThanOrEqual(truth.get(item)!)
    }
    for (const [item, count] of truth) if (count > frequent.floor) expect(frequent.items[item]).toBeDefined()
  }
})

test('bytes of a text and the text are one value, whatever alphabet it is of', () => {
  const texts = ['', 'a', 'ü', '漢字', '😀 smile', 'x'.repeat(300)]
  const hll = emptyHll(15)
  for (const text of texts) addToHll(hll, text)
  expect(textSketch([texts]).hll).toEqual(hll)
})

test('long texts are kept by their beginning and told apart', () => {
  const [a, b] = [`${'x'.repeat(200)}a`, `${'x'.repeat(200)}b`]
  const found = frequentItems(textSketch([[a, a, b]]).frequent)
  expect(found.map((f) => f.count)).toEqual([2, 1])
  expect(found.every((f) => f.item.length < 140 && f.item.startsWith('xxx'))).toBe(true)
})

test('bytes read back to the same sketches, and other bytes are refused', () => {
  const sketches = {
    few: sketchOf(Float64Array.from([1, 2, 2])),
    many: sketchOf(drawn(SHAPES.normal!, 50_000, 1)),
    none: sketchOf(new Float64Array(0)),
    text: textSketch([['a', '__proto__', 'b', 'a']]),
  }
  const bytes = encodeSketches(sketches)
  const back = decodeSketches(bytes)
  expect(back).toEqual(sketches)
  expect(encodeSketches(back)).toEqual(bytes)
  expect(decodeSketches(Buffer.concat([Buffer.alloc(3), bytes]).subarray(3))).toEqual(sketches)
  for (const bad of [
    bytes.subarray(0, 5),
    bytes.subarray(0, 40),
    bytes.subarray(0, -8),
    Buffer.concat([bytes, bytes]),
    Buffer.from('PAR1 is not this'),
  ])
    expectCode(() => decodeSketches(bad), 'MR_STATS_DECODE')
})
