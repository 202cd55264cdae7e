import { expect, test } from 'vitest'
import { canonicalJson } from '../../src/core/canonical.ts'
import type { Histogram } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'
import { drawBinomial, drawMultinomial } from '../../src/stats/draws.ts'
import { histogramRows } from '../../src/stats/histogram.ts'
import { openLord } from '../../src/stats/multiplicity.ts'
import { DRIFT_ROWS_MAX, WindowAccumulator } from '../../src/watch/accumulator.ts'
import { expectedOf, judgeWindow } from '../../src/watch/judge.ts'
import type { QualityCells } from '../../src/watch/quality-cells.ts'
import { blockOf, cardOf, joinedRow, type Rng, referenceOf, trafficRow, WEEK } from './fixture.ts'

const REFERENCE = referenceOf()
const CARD = cardOf()
const failed = (report: {
  findings: { verdict: string; check: string; slice?: string; subject: string }[]
}) => report.findings.filter((f) => f.verdict === 'fail').map((f) => `${f.check} ${f.slice ?? f.subject}`)

/** Counts of n rows drawn from a reference whose shares sway a little: rows of one week move together. */
function redraw(histogram: Histogram, reference: Histogram, n: number, sway: number, rng: Rng): void {
  const weights = Float64Array.from(reference.counts, (count) => count * Math.exp(sway * rng.normal()))
  const into = new Float64Array(weights.length)
  drawMultinomial(rng, n, weights, into)
  histogram.counts = Array.from(into)
}

/** Quality of n outcomes whose true rate is `rate` while `predicted` was promised. */
function qualityOf(n: number, predicted: number, rate: number, rng: Rng): QualityCells {
  const actual = drawBinomial(rng, n, rate) / n
  const half = (1.96 * 0.35) / Math.sqrt(n)
  const auc = CARD.metrics.auc.value + (half / 1.96) * rng.normal()
  return {
    add: () => undefined,
    n: () => n,
    meanPredicted: () => predicted,
    meanActual: () => actual,
    biasSe: () => ({ rows: Math.sqrt(0.16 / n), days: 0 }),
    metrics: () => ({}),
    lead: () => ({ value: auc, interval: [auc - half, auc + half], n }),
    reliability: () => [],
  }
}

interface Truth {
  rows: number
  sway: number
  /** True rate in the window. */
  rate: number
  members: number
}

function drawnWindow(truth: Truth, rng: Rng): WindowAccumulator {
  const window = new WindowAccumulator(WEEK, REFERENCE)
  const drifts = Math.min(truth.rows, DRIFT_ROWS_MAX)
  window.drift.forEach((h, j) => void redraw(h, REFERENCE.featureInfo[j].reference, drifts, truth.sway, rng))
  redraw(window.scores, REFERENCE.scores, truth.rows, truth.sway, rng)
  Object.assign(window, { total: qualityOf(truth.rows, 0.21, truth.rate, rng) })
  for (let m = 0; m < truth.members; m++)
    window.members.set(`m${m}`, qualityOf(Math.floor(truth.rows / truth.members), 0.21, truth.rate, rng))
  return window
}

test('over 200 runs of 16 calm weeks, with 12 columns and 30 members, at most the promised share has any alarm', () => {
  const alpha = 0.05
  let years = 0
  for (let seed = 1; seed <= 200; seed++) {
    const rng = seededRng(seed)
    let fdr = openLord(alpha)
    let alarms = 0
    for (let week = 0; week < 16; week++) {
      const rows = [250, 6_300, 50_000][week % 3]
      const calm = { rows, sway: 0.1, rate: 0.21 * (1 + 0.02 * rng.normal()), members: 30 }
      const judged = judgeWindow(drawnWindow(calm, rng), REFERENCE, CARD, fdr, 'late')
      fdr = judged.fdr
      alarms += failed(judged.report).length
    }
    if (alarms > 0) years++
  }
  // Were the rate above alpha, so few would be seen once in a thousand times at most.
  expect(binomialCdf(years, 200, alpha)).toBeLessThan(0.001)
}, 60_000)

test('a fall of the rate from 21 to 17 % is caught in its first week, also after a calm year', () => {
  const rng = seededRng(7)
  for (const weeksBefore of [0, 52]) {
    let fdr = openLord(0.05)
    for (let week = 0; week < weeksBefore; week++)
      fdr = judgeWindow(
        drawnWindow({ rows: 50_000, sway: 0.1, rate: 0.21, members: 30 }, rng),
        REFERENCE,
        CARD,
        fdr,
        'late',
      ).fdr
    const shifted = drawnWindow({ rows: 50_000, sway: 0.1, rate: 0.17, members: 30 }, rng)
    expect(failed(judgeWindow(shifted, REFERENCE, CARD, fdr, 'late').report)).toContain(
      'watch.calibration models/late',
    )
  }
})

test('a column that moves by half a deviation is caught from its rows, and it alone', () => {
  const rng = seededRng(3)
  const window = new WindowAccumulator(WEEK, REFERENCE)
  for (let b = 0; b < 10; b++) {
    const rows = Array.from({ length: 1000 }, (_, i) => trafficRow(rng, `r${b}-${i}`, 0.5))
    window.addPredictions(blockOf(rows))
    for (const row of rows)
      window.addJoined(joinedRow({ output: row.output, outcome: rng.next() < row.output ? 1 : 0 }))
  }
  const card = cardOf({ baseRate: window.total.meanPredicted(), metrics: { auc: window.total.lead()! } })
  const { report } = judgeWindow(window, REFERENCE, card, openLord(0.05), 'late')
  expect(failed(report)).toEqual(['watch.drift x0'])
  expect(report.drift[0]).toMatchObject({ column: 'x0', verdict: 'fail', n: 10_000 })
  expect(report.predictions).toBe(10_000)
  expect(canonicalJson(report)).toContain('"kind":"WindowReport"')
})

test('a column that turns empty drifts', () => {
  const rng = seededRng(4)
  const window = new WindowAccumulator(WEEK, REFERENCE)
  const rows = Array.from({ length: 2000 }, (_, i) => trafficRow(rng, `r${i}`))
  const block = blockOf(rows)
  window.addPredictions({ ...block, inputs: { ...block.inputs, x4: rows.map(() => null) } })
  expect(failed(judgeWindow(window, REFERENCE, CARD, openLord(0.05), 'late').report)).toEqual([
    'watch.drift x4',
  ])
})

test('a window without traffic, and one with too little, is inconclusive throughout and costs no alarm budget', () => {
  const rng = seededRng(5)
  for (const n of [0, 60]) {
    const window = new WindowAccumulator(WEEK, REFERENCE)
    const rows = Array.from({ length: n }, (_, i) => trafficRow(rng, `r${i}`, 3))
    window.addPredictions(blockOf(rows))
    for (const row of rows) window.addJoined(joinedRow({ output: row.output, outcome: 1, member: 'm' }))
    const { report, fdr } = judgeWindow(window, REFERENCE, CARD, openLord(0.05), 'late')
    expect(new Set(report.findings.map((f) => f.verdict))).toEqual(new Set(['inconclusive']))
    expect(fdr).toEqual(openLord(0.05))
    expect(canonicalJson(report)).not.toContain('NaN')
  }
})

test('outcomes and outputs that a classifier cannot take are counted and left out', () => {
  const window = new WindowAccumulator(WEEK, REFERENCE)
  for (const outcome of [0.5, 2, -1, Number.NaN, null as unknown as number])
    window.addJoined(joinedRow({ outcome }))
  for (const output of [Number.NaN, 1.5, null as unknown as number])
    window.addJoined(joinedRow({ output, outcome: 1 }))
  window.addJoined(joinedRow({ outcome: 1, output: 0 }))
  const { report } = judgeWindow(window, REFERENCE, CARD, openLord(0.05), 'late')
  expect(report.refused).toBe(8)
  expect(report.joined).toBe(1)
  expect(() => canonicalJson(report)).not.toThrow()
})

test('quality of a single row, of one class and of a perfect split can always be recorded', () => {
  const cases = [
    [[0.5, 1]],
    [
      [0.5, 1],
      [0.1, 0],
    ],
    [
      [0, 0],
      [0, 0],
    ],
    [
      [1, 0],
      [0, 1],
    ],
    Array.from({ length: 300 }, (_, i) => [i % 2, i % 2]),
  ]
  for (const rows of cases) {
    const window = new WindowAccumulator(WEEK, REFERENCE)
    for (const [output, outcome] of rows) window.addJoined(joinedRow({ output, outcome, member: 'm' }))
    const { report } = judgeWindow(window, REFERENCE, CARD, openLord(0.05), 'late')
    expect(() => canonicalJson(report)).not.toThrow()
  }
})

test('a regression is watched by its error and its bias', () => {
  const reference = referenceOf(2000, 'regression')
  const rng = seededRng(8)
  const judge = (error: number, bias: number) => {
    const window = new WindowAccumulator(WEEK, reference)
    for (let i = 0; i < 3000; i++)
      window.addJoined(joinedRow({ output: 50 + bias, outcome: 50 + error * rng.normal() }))
    window.addJoined(joinedRow({ outcome: Number.POSITIVE_INFINITY }))
    const { report } = judgeWindow(window, reference, CARD, openLord(0.05), 'late')
    expect(report.refused).toBe(1)
    expect(() => canonicalJson(report)).not.toThrow()
    return failed(report)
  }
  expect(judge(10, 0)).toEqual([])
  expect(judge(14, 0)).toEqual(['watch.quality models/late'])
  expect(judge(10, 3)).toContain('watch.calibration models/late')
})

test('a regression without any error at all is judged without dividing by nothing', () => {
  const reference = referenceOf(2000, 'regression')
  const card = cardOf({ metrics: { rmse: { value: 0, interval: [0, 0], n: 100 } } })
  const window = new WindowAccumulator(WEEK, reference)
  for (let i = 0; i < 300; i++) window.addJoined(joinedRow({ output: 5, outcome: 5 }))
  const { report } = judgeWindow(window, reference, card, openLord(0.05), 'late')
  expect(failed(report)).toEqual([])
  expect(() => canonicalJson(report)).not.toThrow()
})

test('more traffic than the sample keeps its proportions, whatever the order of the rows', () => {
  const rng = seededRng(11)
  const window = new WindowAccumulator(WEEK, REFERENCE)
  const n = 200_000
  for (let b = 0; b < n / 2000; b++) {
    const rows = Array.from({ length: 2000 }, (_, i) => {
      const row = trafficRow(rng, `id-${b * 2000 + i}`)
      // Rows of one kind come first: a sample that thinned out with time would lose the others.
      row.inputs[10] = b < 50 ? 1 : 2
      row.inputs[11] = i === 0 ? 7 : 3
      return row
    })
    window.addPredictions(blockOf(rows))
  }
  expect(window.predictions).toBe(n)
  const shares = (j: number) => window.drift[j].counts.map((c) => c / histogramRows(window.drift[j]))
  const at = (j: number, category: string) =>
    shares(j)[
      (REFERENCE.featureInfo[j].reference as Extract<Histogram, { kind: 'category' }>).categories.indexOf(
        category,
      )
    ]
  expect(at(10, '1')).toBeCloseTo(0.5, 1.5)
  expect(at(10, '2')).toBeCloseTo(0.5, 1.5)
  expect(Math.abs(at(11, '7') - 1 / 2000)).toBeLessThan(5e-4)
  expect(histogramRows(window.drift[0])).toBeLessThanOrEqual(2 * DRIFT_ROWS_MAX)
  expect(histogramRows(window.drift[0])).toBeGreaterThanOrEqual(DRIFT_ROWS_MAX * 0.9)
})

test('the band that is expected of a window narrows with its outcomes and holds the card in its middle', () => {
  const [few, many] = [200, 100_000].map((n) => expectedOf(CARD, 'binary', n)!)
  expect((few.low + few.high) / 2).toBeCloseTo(CARD.metrics.auc.value, 12)
  expect(few.high - few.low).toBeGreaterThan(many.high - many.low)
  expect(expectedOf(cardOf({ metrics: {} }), 'binary', 10)).toBeNull()
})

/** A week of a model that always promises 0.21, with 10 members, whose days share a sway of their rate. */
function swayingWeek(rng: Rng, sway: number, level: number): WindowAccumulator {
  const window = new WindowAccumulator(WEEK, REFERENCE)
  // The bootstrap of the report is not what is looked at here.
  window.total.metrics = () => ({})
  for (let day = 0; day < 7; day++) {
    const rate = level * Math.exp(sway * rng.normal() - sway ** 2 / 2)
    for (let i = 0; i < 400; i++) {
      const outcome = rng.next() < rate ? 1 : 0
      window.addJoined(
        joinedRow({ member: `m${i % 10}`, at: WEEK.fromAt + day * 86_400_000, output: 0.21, outcome }),
      )
    }
  }
  return window
}

test('days that sway together raise few false alarms, where independent rows would raise many; a lasting fall is still caught', () => {
  const unranked = cardOf({ metrics: {} })
  let weeks = 0
  let caught = 0
  for (let seed = 1; seed <= 40; seed++) {
    const rng = seededRng(seed)
    let fdr = openLord(0.05)
    for (let week = 0; week < 3; week++) {
      const judged = judgeWindow(swayingWeek(rng, 0.25, 0.21), REFERENCE, unranked, fdr, 'late')
      fdr = judged.fdr
      if (failed(judged.report).length > 0) weeks++
    }
    const fallen = judgeWindow(swayingWeek(rng, 0.25, 0.07), REFERENCE, unranked, fdr, 'late')
    if (failed(fallen.report).includes('watch.calibration models/late')) caught++
  }
  expect(weeks).toBeLessThanOrEqual(4)
  expect(caught).toBeGreaterThanOrEqual(36)
})

test('traffic that begins within its first window is not compared with whole weeks', () => {
  const rng = seededRng(6)
  const begun = (at: number, fdr = openLord(0.05)) => {
    const window = new WindowAccumulator(WEEK, REFERENCE)
    const rows = Array.from({ length: 2000 }, (_, i) => trafficRow(rng, `r${i}`, 1))
    window.addPredictions(blockOf(rows, { at }))
    return failed(judgeWindow(window, REFERENCE, CARD, fdr, 'late').report)
  }
  expect(begun(WEEK.toAt - 86_400_000)).toEqual([])
  expect(begun(WEEK.fromAt + 3_600_000)).toEqual(['watch.drift x0'])
  expect(begun(WEEK.toAt - 86_400_000, { ...openLord(0.05), tests: 1 })).toEqual(['watch.drift x0'])
})
