import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { openOnnx } from '../../src/engine/infer/onnx.ts'
import { cutNetwork, EMBEDDING } from '../../src/model/graph/cut.ts'
import { readOnnxFile } from '../../src/model/import/onnx-file.ts'
import { drawNormal } from '../../src/stats/draws.ts'
import { ExclusionJudge, saidBy } from '../../src/stats/exclusion-judge.ts'
import { foreignGroups, type LabelledViews } from '../../src/stats/foreign-groups.ts'
import { markOf } from '../../src/stats/group-mark.ts'
import { kMeans } from '../../src/stats/k-means.ts'
import { kolmogorovSmirnovSf } from '../../src/stats/kolmogorov.ts'
import { peerPs } from '../../src/stats/peer-outliers.ts'
import { type DenseRows, whitenAs, whitenRows } from '../../src/stats/whitening.ts'
import {
  DIGITS,
  digits,
  type NetName,
  netBytes,
  PIXELS,
  recordedAnswers,
} from '../fixtures/poisoned-digits.ts'

const reference: Record<string, number[]> = JSON.parse(
  readFileSync(new URL('../reference/poison/numbers.json', import.meta.url), 'utf8'),
)

const dense = (points: number[], width: number): DenseRows => ({
  nRows: points.length / width,
  width,
  points: Float64Array.from(points),
})

/** Distance of values from the even distribution, as a chance. */
function evenness(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  const d = sorted.reduce((most, p, i) => Math.max(most, (i + 1) / n - p, p - i / n), 0)
  return kolmogorovSmirnovSf(d, n)
}

describe('principal components', () => {
  test('are those of numpy, with variances, whatever the offset', () => {
    const { variances, points, width } = whitenRows(dense(reference.points, 7), 7)
    expect(width).toBe(7)
    reference.variances.forEach((v, c) => {
      expect(variances[c] / v).toBeCloseTo(1, 9)
    })
    for (let c = 0; c < 7; c++) {
      const sign = Math.sign(points[c] * reference.whitened[c])
      for (let i = 0; i < 40; i++)
        expect(sign * points[i * 7 + c]).toBeCloseTo(reference.whitened[i * 7 + c], 6)
    }
  })

  test('of rows wider than they are many settle to the largest', () => {
    const { variances } = whitenRows(dense(reference.wide, 60), 4)
    reference.wideVariances.forEach((v, c) => {
      expect(variances[c] / v).toBeCloseTo(1, 5)
    })
  })

  test('turn other rows as they turned their own, and are fewer where rows vary in fewer directions', () => {
    const rows = dense([1, 2, 2, 4, 3, 6, 5, 10, 9, 18, 4, 8], 2)
    const white = whitenRows(rows, 2)
    expect(white.width).toBe(1)
    const again = whitenAs(white, rows)
    again.points.forEach((x, at) => {
      expect(x).toBeCloseTo(white.points[at], 10)
    })
    expect(whitenRows(dense([3, 3, 3, 3, 3, 3], 2), 2).width).toBe(0)
    expect(() => whitenRows(dense([1, 2], 2), 1)).toThrow(/MR_STATS_EMPTY/)
    expect(() => whitenRows(dense([1, Number.NaN, 2, 3], 2), 1)).toThrow(/MR_STATS_NAN/)
  })
})

test('a mark is the ridge regression of numpy', () => {
  const inside = Array.from({ length: 20 }, (_, i) => i)
  const beside = Array.from({ length: 35 }, (_, i) => 20 + i)
  const { weights } = markOf(dense(reference.markRows, 5), inside, beside)
  reference.mark.forEach((w, j) => {
    expect(weights[j]).toBeCloseTo(w, 3)
  })
})

describe('one value among others', () => {
  test('has the chance that SciPy gives it', () => {
    peerPs(Float64Array.from(reference.values)).forEach((p, i) => {
      expect(p / reference.ps[i]).toBeCloseTo(1, 9)
    })
  })

  test('has the chance that SciPy gives it along a line in something else', () => {
    const { values, beside, ps } = JSON.parse(
      readFileSync(new URL('../reference/poison/lines.json', import.meta.url), 'utf8'),
    ) as Record<string, number[]>
    peerPs(Float64Array.from(values), { beside }).forEach((p, i) => {
      expect(p / ps[i]).toBeCloseTo(1, 9)
    })
  })

  test('is compared without what it goes along with where others are few, or all have the same', () => {
    const few = Float64Array.of(1, 2, 4, 3)
    expect(peerPs(few, { beside: [1, 2, 3, 4] })).toEqual(peerPs(few))
    const many = Float64Array.from({ length: 10 }, (_, i) => (i * 7) % 5)
    expect(peerPs(many, { beside: new Float64Array(10).fill(3) })).toEqual(peerPs(many))
    expect(() => peerPs(many, { beside: [1] })).toThrow(/MR_STATS_LENGTH/)
  })

  test.each([0, 0.7])('is as even as chance when nothing is unlike, along a line of slope %f', (slope) => {
    const rng = seededRng(6)
    const ps = Array.from({ length: 1_000 }, () => {
      const beside = Float64Array.from({ length: 10 }, () => drawNormal(rng))
      return peerPs(
        beside.map((x) => slope * x + drawNormal(rng)),
        { beside },
      )[3]
    })
    expect(evenness(ps)).toBeGreaterThan(0.01)
  })

  test('is as even as chance when nothing is unlike', () => {
    const rng = seededRng(5)
    const ps = Array.from(
      { length: 1_000 },
      () => peerPs(Float64Array.from({ length: 10 }, () => drawNormal(rng)))[3],
    )
    expect(evenness(ps)).toBeGreaterThan(0.01)
  })
})

describe('groups by means', () => {
  test('are those that lie apart, and one where all rows are the same', () => {
    const rng = seededRng(4)
    const points = Array.from({ length: 90 }, (_, i) => [20 * (i % 3) + drawNormal(rng), drawNormal(rng)])
    const groups = kMeans(dense(points.flat(), 2), 3, rng)
    expect(groups.every((group, i) => group === groups[i % 3])).toBe(true)
    expect(new Set(groups).size).toBe(3)
    expect(new Set(kMeans(dense(Array(20).fill(7), 2), 2, rng)).size).toBe(1)
  })
})

describe('a judge that learned without a group', () => {
  const [N, OWN] = [120, 60]
  const rng = seededRng(8)
  const points = Array.from({ length: N }, (_, i) => [drawNormal(rng) + (i < OWN ? 2 : -2), drawNormal(rng)])
  const labels = Int32Array.from({ length: N }, (_, i) => Number(i >= OWN))
  const judge = new ExclusionJudge({
    rows: dense(points.flat(), 2),
    labels,
    nClasses: 2,
    label: 0,
    nOwn: OWN,
  })

  test('says in closed form what it says when it learns anew', () => {
    const group = Uint8Array.from({ length: OWN }, (_, i) => Number(i % 4 === 0))
    const places = [...group.keys()].filter((i) => group[i] === 1)
    // Rows of two numbers have no direction to spare, so that nothing is out of sight.
    const anew = judge.apart(group)
    judge.without(group).forEach((score, at) => {
      expect(score).toBeCloseTo(anew[places[at >> 1] * 2 + (at & 1)], 8)
    })
  })

  test('knows rows of a class from others like them', () => {
    const group = Uint8Array.from({ length: OWN }, (_, i) => Number(i < 20))
    const said = saidBy(judge.without(group), 2)
    expect(said.filter((k) => k === 0).length).toBeGreaterThanOrEqual(18)
  })
})

// ---------------------------------------------------------------- whole classes

/** What a net makes of rows, by ONNX Runtime. */
async function hiddenOf(name: NetName, pixels: Float64Array): Promise<DenseRows> {
  const bytes = netBytes(name)
  const infer = await openOnnx({ workers: 1 })
  try {
    await infer.load(cutNetwork(bytes, readOnnxFile(bytes), 'hidden'), { id: name })
    const nRows = pixels.length / PIXELS
    const image = { type: 'float32', dims: [nRows, 1, 28, 28], data: Float32Array.from(pixels) }
    const { data, dims } = (await infer.run(name, { image }))[EMBEDDING]
    return { nRows, width: dims[1], points: Float64Array.from(data as Float32Array) }
  } finally {
    await infer.close()
  }
}

describe('real digits', () => {
  test('nets are read as numpy reads them', async () => {
    const { pixels } = digits(true)
    const { points } = await hiddenOf('stamped', pixels.subarray(0, 20 * PIXELS))
    recordedAnswers('stamped').hidden.forEach((x, at) => {
      expect(points[at]).toBeCloseTo(x, 3)
    })
  })

  test('that were stamped are found, with few others, in their class alone', {
    timeout: 180_000,
  }, async () => {
    const { pixels, labels, poison } = digits(true)
    const hidden = await hiddenOf('stamped', pixels)
    const views = { hidden, inputs: { nRows: DIGITS, width: PIXELS, points: pixels }, labels, nClasses: 10 }
    const { classes, flags } = foreignGroups(views, { seed: 1 })
    expect(classes.map(({ verdict }) => verdict)).toEqual(
      classes.map((_, digit) => (digit === 3 ? 'poisoned' : 'clean')),
    )
    const found = flags.reduce((n, flag, i) => n + flag * poison[i], 0)
    const lost = flags.reduce((n, flag, i) => n + flag * (1 - poison[i]), 0)
    expect(found).toBeGreaterThanOrEqual(95)
    expect(lost).toBeLessThanOrEqual(4)
    expect(classes[3].looksLike.length).toBeGreaterThan(5)
  })

  test('that nobody touched lose no row', { timeout: 180_000 }, async () => {
    const { pixels, labels } = digits(false)
    const hidden = await hiddenOf('clean', pixels)
    const views = { hidden, inputs: { nRows: DIGITS, width: PIXELS, points: pixels }, labels, nClasses: 10 }
    const { classes, flags } = foreignGroups(views, { seed: 1 })
    expect(classes.every(({ verdict }) => verdict === 'clean')).toBe(true)
    expect(flags.every((flag) => flag === 0)).toBe(true)
  })
})

describe('rows that were made', () => {
  interface Planted {
    seed: number
    nClasses?: number
    /** Rows of others that are called class 0, with a mark or without. */
    foreign?: number
    marked?: boolean
  }
  const [WIDTH, EACH, SPLIT_AT] = [12, 120, 9]

  /** Classes as clouds, each of two kinds by nature; a model that tells them apart and keeps what it learned of a mark. */
  function planted({
    seed,
    nClasses = 6,
    foreign = 0,
    marked = false,
  }: Planted): LabelledViews & { truth: Uint8Array } {
    const rng = seededRng(seed)
    const n = nClasses * EACH
    const inputs = new Float64Array(n * WIDTH)
    const hidden = new Float64Array(n * WIDTH)
    const labels = new Int32Array(n)
    const truth = new Uint8Array(n)
    for (let i = 0; i < n; i++) {
      const cloud = i % nClasses
      labels[i] = cloud
      const row = inputs.subarray(i * WIDTH, (i + 1) * WIDTH)
      for (let c = 0; c < WIDTH; c++) row[c] = drawNormal(rng) * (c === SPLIT_AT ? 0.3 : 1)
      row[cloud % 8] += 5
      row[(cloud + 3) % 8] += i % 3 === 0 ? 3 : 0
      const isForeign = cloud !== 0 && Math.floor(i / nClasses) < foreign / (nClasses - 1)
      if (isForeign) {
        labels[i] = 0
        truth[i] = 1
        if (marked) row[SPLIT_AT] += 4
      }
      for (let c = 0; c < WIDTH; c++) hidden[i * WIDTH + c] = row[c] + 0.3 * drawNormal(rng)
      if (isForeign) hidden[i * WIDTH + 8] += 8
    }
    const dense = (points: Float64Array) => ({ nRows: n, width: WIDTH, points })
    return { hidden: dense(hidden), inputs: dense(inputs), labels, nClasses, truth }
  }

  test('classes of several kinds lose nothing over ten seeds', { timeout: 180_000 }, () => {
    for (let seed = 0; seed < 10; seed++) {
      const { flags } = foreignGroups(planted({ seed }), { seed })
      expect(
        flags.reduce((n, flag) => n + flag, 0),
        `seed ${seed}`,
      ).toBe(0)
    }
  })

  test('rows of others with a mark are found over five seeds', { timeout: 180_000 }, () => {
    for (let seed = 100; seed < 105; seed++) {
      const rows = planted({ seed, foreign: 40, marked: true })
      const { classes, flags } = foreignGroups(rows, { seed })
      expect(classes[0].verdict, `seed ${seed}`).toBe('poisoned')
      const found = flags.reduce((n, flag, i) => n + flag * rows.truth[i], 0)
      expect(found).toBeGreaterThanOrEqual(38)
      expect(flags.reduce((n, flag) => n + flag, 0) - found).toBeLessThanOrEqual(2)
    }
  })

  test('a yes or no with a mark is found too', () => {
    const rows = planted({ seed: 7, nClasses: 2, foreign: 30, marked: true })
    const { classes } = foreignGroups(rows, { seed: 1 })
    expect(classes.map(({ verdict }) => verdict)).toEqual(['poisoned', 'clean'])
  })

  test('wrong labels without a mark are no backdoor', () => {
    const { classes } = foreignGroups(planted({ seed: 3, foreign: 40 }), { seed: 1 })
    expect(classes[0]).toMatchObject({ verdict: 'clean' })
  })

  test('nothing is said of a class with few rows', () => {
    const rows = planted({ seed: 1 })
    const labels = Int32Array.from(rows.labels, (label, i) => (label === 5 && i > 100 ? 4 : label))
    const { classes, odds } = foreignGroups({ ...rows, labels }, { seed: 1 })
    expect(classes[5].verdict).toBe('inconclusive')
    expect(classes[5].p).toBeNaN()
    expect(odds[5]).toBeNaN()
  })

  test('the same rows and seed give the same answer', () => {
    const rows = planted({ seed: 11, foreign: 40, marked: true })
    expect(foreignGroups(rows, { seed: 2 })).toEqual(foreignGroups(rows, { seed: 2 }))
  })
})
