/** Windows of models that tell several classes apart: calm ones stay calm, and each way of going wrong is named. */
import { expect, test } from 'vitest'
import { encodeVectors } from '../../src/core/class-vectors.ts'
import { LogJoin } from '../../src/core/log-join.ts'
import type { ModelCard } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { classMix, measureAll, scoreHistogram } from '../../src/model/measure.ts'
import { likeliestOf } from '../../src/model/measures/classes.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'
import { openLord } from '../../src/stats/multiplicity.ts'
import { type Reference, WindowAccumulator } from '../../src/watch/accumulator.ts'
import { judgeWindow } from '../../src/watch/judge.ts'
import { blockOf, cardOf, type Rng, referenceOf, trafficRow, WEEK } from './fixture.ts'

const CLASSES = ['calm', 'fair', 'foul', 'wild']
const SHARES = [0.4, 0.3, 0.2, 0.1]
const WIDTH = CLASSES.length

interface Truth {
  rows: number
  /** How far the score of the true class stands out. */
  skill: number
  shares: number[]
  /** Scores are multiplied by this: above 1 the model is too sure. */
  sharpness: number
}
const CALM: Truth = { rows: 1500, skill: 2, shares: SHARES, sharpness: 1 }

/** Exact posteriors of codes whose scores are normal around `skill`, so that a calm model is calibrated. */
function drawn(
  { rows, skill, shares, sharpness }: Truth,
  rng: Rng,
): { outputs: Float64Array; codes: Float64Array } {
  const outputs = new Float64Array(rows * WIDTH)
  const codes = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    const u = rng.next()
    const code = shares.findIndex((_, k) => u < shares.slice(0, k + 1).reduce((a, b) => a + b))
    codes[i] = code
    const logits = SHARES.map(
      (share, k) => Math.log(share) + skill * (rng.normal() + (k === code ? skill : 0)),
    )
    const weights = logits.map((z) => Math.exp(sharpness * (z - Math.max(...logits))))
    const sum = weights.reduce((a, b) => a + b)
    weights.forEach((w, k) => {
      outputs[i * WIDTH + k] = w / sum
    })
  }
  return { outputs, codes }
}

const KNOWN = drawn({ ...CALM, rows: 20_000 }, seededRng(5))
const REFERENCE: Reference = {
  ...referenceOf(2000),
  task: 'multiclass',
  scores: scoreHistogram('multiclass', KNOWN.outputs, WIDTH),
  classMix: classMix(KNOWN.outputs, CLASSES),
}
const CARD: ModelCard = cardOf({ metrics: measureAll('multiclass', KNOWN.outputs, KNOWN.codes) })

/** A window of that truth, through the blocks of the log and their join. `told` says what is fed back. */
function windowOf(truth: Truth, rng: Rng, told = (label: string) => label): WindowAccumulator {
  const window = new WindowAccumulator(WEEK, REFERENCE)
  const join = new LogJoin('late', 1e9)
  const { outputs, codes } = drawn(truth, rng)
  const rows = Array.from({ length: truth.rows }, (_, i) => trafficRow(rng, `r${i}`))
  const labels = rows.map((_, i) => likeliestOf(outputs, i * WIDTH, WIDTH))
  const block = blockOf(rows, {
    outputs: labels.map((code, i) => outputs[i * WIDTH + code]),
    classes: CLASSES,
    labels,
    vectors: encodeVectors(outputs),
  })
  window.addPredictions(block)
  join.addPredictions(block)
  const values = Array.from(codes, (code) => told(CLASSES[code]))
  for (const row of join.addOutcomes({
    kind: 'outcomes',
    model: 'late',
    at: WEEK.fromAt + 2,
    ids: block.ids,
    values,
  }))
    window.addJoined(row)
  return window
}

const judged = (window: WindowAccumulator, fdr = openLord(0.05)) =>
  judgeWindow(window, REFERENCE, CARD, fdr, 'late')
const failedOf = (window: WindowAccumulator) =>
  judged(window)
    .report.findings.filter((f) => f.verdict === 'fail')
    .map((f) => f.check)

test('calm weeks raise no more false alarms than promised', () => {
  const [runs, weeks, alpha] = [40, 3, 0.05]
  let alarmed = 0
  for (let seed = 1; seed <= runs; seed++) {
    const rng = seededRng(seed)
    let fdr = openLord(alpha)
    let alarms = 0
    for (let week = 0; week < weeks; week++) {
      const { report, fdr: left } = judged(windowOf({ ...CALM, rows: 400 }, rng), fdr)
      fdr = left
      alarms += report.findings.filter((f) => f.verdict === 'fail').length
    }
    if (alarms > 0) alarmed++
  }
  expect(binomialCdf(runs - alarmed, runs, 1 - alpha)).toBeGreaterThan(0.001)
}, 60_000)

test('what a window measures is what the rows say', () => {
  const window = windowOf(CALM, seededRng(8))
  const { report } = judged(window)
  const same = measureAll(
    'multiclass',
    ...(Object.values(drawn(CALM, seededRng(8))) as [Float64Array, Float64Array]),
  )
  expect(report.metrics.accuracy.value).toBeCloseTo(same.accuracy.value, 12)
  expect(report.metrics.logLoss.value).toBeCloseTo(same.logLoss.value, 5)
  expect(report.metrics.macroF1.value).toBeCloseTo(same.macroF1.value, 12)
  expect(report.classes?.reduce((sum, c) => sum + c.happened, 0)).toBe(CALM.rows)
  expect(report.classes?.reduce((sum, c) => sum + c.said, 0)).toBe(CALM.rows)
})

test('a model that lost its skill, one that is too sure, and a mix that moved are each told by name', () => {
  expect(failedOf(windowOf({ ...CALM, skill: 1 }, seededRng(1)))).toContain('watch.quality')
  const sure = failedOf(windowOf({ ...CALM, skill: 1.2, sharpness: 3 }, seededRng(2)))
  expect(sure).toContain('watch.calibration')
  expect(failedOf(windowOf({ ...CALM, shares: [0.1, 0.1, 0.2, 0.6] }, seededRng(3)))).toContain(
    'watch.class-drift',
  )
})

test('a class that the model does not know counts as a miss and is shown last', () => {
  const told = (label: string) => (label === 'wild' ? 'tornado' : label)
  const { report } = judged(windowOf(CALM, seededRng(4), told))
  expect(report.classes?.at(-1)).toMatchObject({ label: 'tornado', said: 0, isKnown: false })
  expect(report.joined).toBe(CALM.rows)
})

test('numbers where labels are due, and labels where numbers are due, are refused and counted', () => {
  const window = new WindowAccumulator(WEEK, REFERENCE)
  window.addJoined({
    id: 'a',
    member: '',
    at: WEEK.fromAt,
    version: 1,
    output: 0.5,
    route: 'live',
    shadows: [],
    outcome: 1,
  })
  expect([window.refused, window.total.n()]).toEqual([1, 0])
})
