import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import * as c from '../../src/stats/counts.ts'
import { bootstrapInterval, CELL_STATISTICS } from '../../src/stats/counts-bootstrap.ts'
import { decodeCounts, encodeCounts } from '../../src/stats/counts-codec.ts'
import { aucInterval } from '../../src/stats/delong.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'
import { drawBinomial, drawMultinomial, drawNormal } from '../../src/stats/draws.ts'
import { auc, brier, expectedCalibrationError, logLoss, rowLogLoss } from '../../src/stats/metrics.ts'
import { deviation, momentsOf, variance } from '../../src/stats/moments.ts'
import reference from '../reference/stats/metrics.json' with { type: 'json' }
import { expectClose, expectCode, hitsAtMost } from './close.ts'

const rows = fc.array(
  fc.record({
    score: fc.double({ min: 0, max: 1, noNaN: true }),
    label: fc.integer({ min: 0, max: 1 }),
    group: fc.constantFrom('a', 'b'),
  }),
  { minLength: 1, maxLength: 60 },
)
type Row = { score: number; label: number; group: string }

function counted(list: Row[], nBins = 50): c.ScoreCounts {
  const counts = c.emptyCounts(nBins)
  c.addScores(
    counts,
    list.map((r) => r.score),
    list.map((r) => r.label),
    list.map((r) => r.group),
  )
  return counts
}

/** Calibrated scores: labels drawn with the chance the score says. */
function sample(seed: number, n: number) {
  const rng = seededRng(seed)
  const scores = Array.from({ length: n }, () => 0.05 + 0.5 * rng.next() ** 2)
  return { scores, labels: scores.map((p) => (rng.next() < p ? 1 : 0)), rng }
}

test('counts give the metrics of the rows: exact sums, and AUC within its bound', () => {
  for (const r of reference.cases) {
    const cells = c.countScores(r.scores, r.labels)
    expectClose(c.cellsLogLoss(cells), r.logLoss, 1e-12, 'log loss')
    expectClose(c.cellsBrier(cells), r.brier, 1e-12, 'brier')
    expect(Math.abs(c.cellsAuc(cells) - r.auc)).toBeLessThanOrEqual(c.aucErrorMax(cells) + 1e-12)
    expectClose(c.meanActual(cells), r.labels.reduce((a, b) => a + b) / r.labels.length, 1e-12, 'mean actual')
    expectClose(
      c.meanPredicted(cells),
      r.scores.reduce((a, b) => a + b) / r.scores.length,
      1e-12,
      'mean predicted',
    )
  }
})

test('scores on bin borders give the AUC, calibration error and DeLong interval of the rows exactly', () => {
  const { labels } = sample(1, 300)
  const scores = labels.map((y, i) => ((i * 7 + y * 3) % 20) / 20)
  const cells = c.countScores(scores, labels, 20)
  expectClose(c.cellsAuc(cells), auc(scores, labels), 1e-12, 'auc')
  expectClose(c.cellsEce(cells), expectedCalibrationError(scores, labels), 1e-12, 'ece')
  const [binned, raw] = [c.cellsAucInterval(cells), aucInterval(scores, labels)]
  expectClose(binned.interval[0], raw.interval[0], 1e-12, 'lower')
  expectClose(binned.interval[1], raw.interval[1], 1e-12, 'upper')
})

test('counting parts and merging equals counting the whole, in any order', () => {
  fc.assert(
    fc.property(rows, fc.nat(), (list, at) => {
      const cut = at % (list.length + 1)
      const whole = c.totalCells(counted(list))
      const shuffled = [...list.slice(cut), ...list.slice(0, cut)].reverse()
      for (const merged of [
        c.mergeCounts(counted(list.slice(0, cut)), counted(list.slice(cut))),
        c.mergeCounts(counted(list.slice(cut)), counted(list.slice(0, cut))),
        counted(shuffled),
      ]) {
        const total = c.totalCells(merged)
        expect(total.rows).toEqual(whole.rows)
        expect(c.cellsLogLoss(total)).toBeCloseTo(c.cellsLogLoss(whole), 10)
        expect(c.meanPredicted(total)).toBeCloseTo(c.meanPredicted(whole), 10)
      }
    }),
  )
})

test('decoding what was encoded gives the same counts', () => {
  fc.assert(
    fc.property(rows, (list) => {
      const counts = counted(list)
      const back = decodeCounts(JSON.parse(JSON.stringify(encodeCounts(counts))))
      expect(encodeCounts(back)).toEqual(encodeCounts(counts))
    }),
  )
  expectCode(
    () => decodeCounts({ kind: 'ScoreCounts', nBins: 2, groups: { a: [[9, 1, 1, 1, 1, 1]] } }),
    'MR_STATS_DECODE',
  )
  expectCode(() => decodeCounts({} as never), 'MR_STATS_DECODE')
})

test('one class and no rows have no AUC: NaN, with an interval that says nothing', () => {
  const ones = c.countScores([0.2, 0.9], [1, 1])
  expect(c.cellsAuc(ones)).toBeNaN()
  expect(c.cellsAucInterval(ones).interval).toEqual([0, 1])
  expect(c.cellsLogLoss(ones)).toBeCloseTo(logLoss([0.2, 0.9], [1, 1]), 12)
  expect(c.cellsLogLoss(c.emptyCells())).toBeNaN()
  expect(c.reliability(c.emptyCells())).toEqual([])
  const interval = bootstrapInterval(ones, CELL_STATISTICS.auc, { rng: seededRng(1) })
  expect(interval.interval).toEqual([0, 1])
})

test('bad rows are refused before anything is counted', () => {
  const counts = c.emptyCounts()
  expectCode(() => c.addScores(counts, [0.1, 1.1], [0, 1]), 'MR_STATS_RANGE')
  expectCode(() => c.addScores(counts, [0.1, Number.NaN], [0, 1]), 'MR_STATS_NAN')
  expectCode(() => c.addScores(counts, [0.1], [0.5]), 'MR_STATS_RANGE')
  expectCode(() => c.addScores(counts, [0.1], [1], ['a', 'b']), 'MR_STATS_LENGTH')
  expectCode(() => c.mergeCounts(counts, c.emptyCounts(3)), 'MR_STATS_BINS')
  expect(counts.groups.size).toBe(0)
})

test('rates at a threshold are the confusion of the rows', () => {
  const cells = c.countScores([0.1, 0.4, 0.5, 0.5, 0.9, 1], [0, 1, 0, 1, 1, 0])
  expect(c.ratesAt(cells, 0.5)).toMatchObject({
    threshold: 0.5,
    truePositive: 2,
    falsePositive: 2,
    falseNegative: 1,
    trueNegative: 1,
    recall: 2 / 3,
    precision: 0.5,
    accuracy: 0.5,
  })
  expect(c.ratesAt(cells, 0).selectionRate).toBe(1)
  expect(c.ratesAt(c.countScores([0.1], [0]), 0.5).precision).toBeNaN()
})

test('the reliability table holds every row once and ascends', () => {
  const { scores, labels } = sample(3, 5000)
  const table = c.reliability(c.countScores(scores, labels))
  expect(table).toHaveLength(10)
  expect(table.reduce((n, r) => n + r.n, 0)).toBe(5000)
  for (let i = 1; i < table.length; i++)
    expect(table[i].meanPredicted).toBeGreaterThan(table[i - 1].meanPredicted)
})

test('the multinomial draw over cells has the spread of the row bootstrap', () => {
  const { scores, labels, rng } = sample(5, 400)
  const cells = c.countScores(scores, labels)
  const byCells = bootstrapInterval(cells, CELL_STATISTICS.auc, { rng, replicates: 600 })
  const byRows = momentsOf(
    Array.from({ length: 600 }, () => {
      const pick = scores.map(() => Math.floor(rng.next() * scores.length))
      return auc(
        pick.map((i) => scores[i]),
        pick.map((i) => labels[i]),
      )
    }),
  )
  expect(byCells.se / deviation(byRows)).toBeGreaterThan(0.85)
  expect(byCells.se / deviation(byRows)).toBeLessThan(1.18)
  const loss = bootstrapInterval(cells, CELL_STATISTICS.logLoss, { rng, replicates: 600 })
  expect(loss.se / c.cellsLogLossInterval(cells).se).toBeGreaterThan(0.85)
  expect(loss.se / c.cellsLogLossInterval(cells).se).toBeLessThan(1.18)
})

test('95 % bootstrap intervals of AUC and log loss cover over 200 samples; that of calibration error covers 0 for calibrated scores', () => {
  const n = 500
  const truthOf = (statistic: (s: number[], y: number[]) => number) => {
    const { scores, labels } = sample(999, 400_000)
    return statistic(scores, labels)
  }
  const truth = { auc: truthOf(auc), logLoss: truthOf(logLoss), brier: truthOf(brier) }
  const missed = { auc: 0, logLoss: 0, ece: 0 }
  for (let seed = 0; seed < 200; seed++) {
    const { scores, labels, rng } = sample(seed, n)
    const cells = c.countScores(scores, labels, 100)
    for (const name of ['auc', 'logLoss'] as const) {
      const [low, high] = bootstrapInterval(cells, CELL_STATISTICS[name], { rng, replicates: 100 }).interval
      if (truth[name] < low || truth[name] > high) missed[name]++
    }
    if (bootstrapInterval(cells, CELL_STATISTICS.ece, { rng, replicates: 100 }).interval[0] > 0.01)
      missed.ece++
  }
  expect(missed.auc).toBeLessThanOrEqual(hitsAtMost(200, 0.07))
  expect(missed.logLoss).toBeLessThanOrEqual(hitsAtMost(200, 0.07))
  expect(missed.ece).toBeLessThanOrEqual(hitsAtMost(200, 0.05))
})

test('binomial draws have the distribution of the binomial, by inversion and by rejection', () => {
  const rng = seededRng(11)
  for (const [n, p] of [
    [5, 0.3],
    [40, 0.9],
    [200, 0.2],
    [100_000, 0.4],
  ]) {
    const draws = Array.from({ length: 4000 }, () => drawBinomial(rng, n, p)).sort((a, b) => a - b)
    let worst = 0
    for (let i = 0; i < draws.length; i++) {
      if (draws[i] === draws[i + 1]) continue
      worst = Math.max(worst, Math.abs((i + 1) / draws.length - binomialCdf(draws[i], n, p)))
    }
    expect(worst, `n=${n} p=${p}`).toBeLessThan(2.4 / Math.sqrt(4000))
  }
  expect(drawBinomial(rng, 0, 0.5)).toBe(0)
  expect(drawBinomial(rng, 9, 1)).toBe(9)
})

test('multinomial draws keep the total, and normal draws their moments', () => {
  const rng = seededRng(12)
  const into = new Float64Array(4)
  for (let i = 0; i < 50; i++) {
    drawMultinomial(rng, 1000, new Float64Array([0.1, 0, 3, 0.7]), into)
    expect(into.reduce((a, b) => a + b)).toBe(1000)
    expect(into[1]).toBe(0)
  }
  const z = momentsOf(Array.from({ length: 20_000 }, () => drawNormal(rng)))
  expect(Math.abs(z.mean)).toBeLessThan(5 / Math.sqrt(20_000))
  expect(Math.abs(variance(z) - 1)).toBeLessThan(0.06)
})

test('the loss of one row is what the cells sum', () => {
  const cells = c.countScores([0.25], [1])
  expect(cells.loss.reduce((a, b) => a + b)).toBe(rowLogLoss(0.25, 1))
})
