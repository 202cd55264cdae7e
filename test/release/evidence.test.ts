import { expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import type { JoinedRow } from '../../src/core/log-join.ts'
import type { ModelTask, Release } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { canary } from '../../src/define/index.ts'
import { HALVES_MAX, ReleaseEvidence } from '../../src/release/evidence.ts'
import { beginRelease } from '../../src/release/machine.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'
import { digestNo } from '../store/fixture.ts'

const PASS = [
  {
    kind: 'Finding' as const,
    check: 'g',
    subject: 'm',
    value: 1,
    limit: '',
    n: 1,
    verdict: 'pass' as const,
    message: '',
    at: 0,
  },
]
const DEF = canary({ tolerance: 0.005, alpha: 0.05 })
const FIRST = beginRelease('m', DEF, { bundle: digestNo(1), version: 1 }, undefined, PASS, 0)
const SHADOW: Release = beginRelease(
  'm',
  DEF,
  { bundle: digestNo(2), version: 2 },
  { digest: digestNo(9), release: FIRST },
  PASS,
  1000,
)
const CARD = { metrics: { mae: { value: 10, n: 100 }, rmse: { value: 14, n: 100 } } }

const begin = (task: ModelTask = 'binary') => ReleaseEvidence.begin(SHADOW, DEF, task, CARD)

function row(
  live: number,
  candidate: number,
  outcome: number,
  overrides: Partial<JoinedRow> = {},
): JoinedRow {
  return {
    id: 'a',
    member: '',
    at: 2000,
    version: 1,
    output: live,
    route: 'live',
    shadows: [{ version: 2, output: candidate }],
    outcome,
    ...overrides,
  }
}

const clip = (p: number) => Math.min(0.98, Math.max(0.02, p))
/** A request with a true chance; each version knows it with an error of its own, the candidate's also off by `bias`. */
function drawn(rng: ReturnType<typeof seededRng>, bias = 0): JoinedRow {
  const truth = 0.05 + 0.4 * rng.next()
  const [a, b] = [truth + 0.05 * rng.normal(), truth + 0.05 * rng.normal() + bias]
  return row(clip(a), clip(b), rng.next() < truth ? 1 : 0)
}

test('equal models looked at after every row are sent back at most as often as promised, over 400 releases', () => {
  let back = 0
  for (let seed = 1; seed <= 400; seed++) {
    const rng = seededRng(seed)
    const found = begin()
    for (let i = 0; i < 1500; i++) {
      found.add([drawn(rng)])
      if (found.evidence().decision === 'worse') {
        back++
        break
      }
    }
  }
  expect(binomialCdf(back, 400, DEF.alpha)).toBeLessThan(0.95)
})

test('a candidate that is clearly worse goes back, and a better one is seen to be no worse', () => {
  for (const [bias, decision] of [
    [0.25, 'worse'],
    [0, 'no-worse'],
  ] as const) {
    let reached = 0
    for (let seed = 1; seed <= 20; seed++) {
      const rng = seededRng(1000 + seed)
      const found = begin()
      for (let i = 0; i < 30_000 && found.evidence().decision === 'undecided'; i++)
        found.add([drawn(rng, bias)])
      if (found.evidence().decision === decision) reached++
    }
    expect(reached).toBeGreaterThanOrEqual(18)
  }
}, 30_000)

test('a candidate that turns bad after it was found no worse still goes back', () => {
  const rng = seededRng(5)
  const found = begin()
  while (found.evidence().decision === 'undecided') found.add([drawn(rng, -0.0)])
  expect(found.evidence().decision).toBe('no-worse')
  for (let i = 0; i < 20_000 && found.evidence().decision !== 'worse'; i++) found.add([row(0.1, 0.9, 0)])
  expect(found.evidence().decision).toBe('worse')
})

test('only rows that both versions scored count, whichever of them answered', () => {
  const found = begin()
  found.add([
    row(0.2, 0.2, 0),
    row(0.2, 0.2, 0, { version: 2, route: 'canary', shadows: [{ version: 1, output: 0.3 }] }),
    row(0.2, 0.2, 0, { shadows: [] }),
    row(0.2, 0.2, 0, { version: 7 }),
    row(0.2, 0.2, 0, { shadows: [{ version: 7, output: 0.1 }] }),
  ])
  expect(found.evidence()).toMatchObject({ n: 2, nStage: 2, errors: 0, decision: 'undecided' })
  expect(found.evidence().mean).toBeLessThan(0)
})

test('outcomes that a classifier cannot take are passed over; answers that are no probability are errors of the candidate', () => {
  const found = begin()
  found.add([row(0.2, 0.2, 0.5), row(Number.NaN, 0.2, 0), row(0.2, Number.NaN, 0), row(0.2, 1.5, 0)])
  expect(found.evidence()).toMatchObject({ n: 0, nStage: 0, errors: 2, mean: 0 })
  expect(found.snapshot().refused).toBe(2)
  found.addErrors(3)
  expect(found.evidence().errors).toBe(5)
})

test('a stage counts rows answered since it began, while the test goes on', () => {
  const found = begin()
  found.add([row(0.2, 0.2, 0, { at: 999 }), row(0.2, 0.2, 0, { at: 1000 })])
  expect(found.evidence()).toMatchObject({ n: 2, nStage: 1 })
  found.beginStage(5000)
  found.add([row(0.2, 0.2, 0, { at: 4000 }), row(0.2, 0.2, 0, { at: 6000 })])
  expect(found.evidence()).toMatchObject({ n: 4, nStage: 1 })
})

test('a regression is compared by absolute error in units of the live error, cut at four of them', () => {
  const found = begin('regression')
  found.add([row(100, 120, 100)])
  expect(found.evidence().mean).toBeCloseTo(2, 12)
  found.add([row(100, 1e9, 100)])
  expect(found.evidence().mean).toBeCloseTo(3, 12)
  expect(found.snapshot().test.clipped).toBe(1)
  const rng = seededRng(1)
  const worse = begin('regression')
  for (let i = 0; i < 5000; i++) worse.add([row(10 * rng.normal(), 20 * rng.normal(), 0)])
  expect(worse.evidence().decision).toBe('worse')
})

test('a card without an error of its own compares in the unit of the target', () => {
  const found = ReleaseEvidence.begin(SHADOW, DEF, 'regression', { metrics: { mae: { value: 0, n: 0 } } })
  found.add([row(1, 2, 1)])
  expect(found.evidence().mean).toBeCloseTo(1, 12)
})

test('evidence is of its two versions', () => {
  expect(begin().isOf(SHADOW)).toBe(true)
  expect(begin().isOf(FIRST)).toBe(false)
})

const shadowBlock = (rows: JoinedRow[]): PredictionBlock => ({
  kind: 'predictions',
  model: 'm',
  at: 2500,
  ids: rows.map(({ id }) => id),
  members: rows.map(() => ''),
  versions: rows.map(() => 2),
  modelVersions: [],
  modelVersion: rows.map(() => 0),
  routes: rows.map(() => 'shadow'),
  inputs: {},
  outputs: rows.map(({ shadows }) => shadows[0].output),
})

test('a shadow that is logged after its row was joined counts as one before, once', () => {
  const rng = seededRng(3)
  const rows = Array.from({ length: 400 }, (_, i) => ({ ...drawn(rng), id: `r${i}` }))
  const [before, after] = [begin(), begin()]
  before.add(rows)
  after.add(rows.map((r) => ({ ...r, shadows: [] })))
  expect(after.evidence().n).toBe(0)
  after.addShadows(shadowBlock(rows))
  after.addShadows(shadowBlock(rows))
  expect(after.snapshot()).toEqual(before.snapshot())
})

test('rows that wait for a shadow are bounded: the oldest go first', () => {
  const rows = Array.from({ length: HALVES_MAX + 1 }, (_, i) => row(0.3, 0.4, 1, { id: `r${i}` }))
  const found = begin()
  for (const r of rows) found.add([{ ...r, shadows: [] }])
  found.addShadows(shadowBlock(rows.slice(0, 2)))
  expect(found.evidence().n).toBe(1)
})

test('a release that compares nothing has no evidence', () => {
  expect(() => ReleaseEvidence.begin(FIRST, DEF, 'binary', CARD)).toThrow('compares two versions')
})

test('the interval that is shown holds the mean at every look in at least 95 of 100 releases', () => {
  const SEEDS = 200
  let missed = 0
  for (let seed = 1; seed <= SEEDS; seed++) {
    const rng = seededRng(seed)
    const evidence = begin('regression')
    let outside = false
    for (let i = 0; i < 3000; i++) {
      // Absolute errors differ by -1, 0 or 1 in ten units: the true mean difference is 0.
      const shift = Math.floor(rng.next() * 3) - 1
      evidence.add([row(10, 10 + shift, 0)])
      if (i < 200 || i % 20 !== 0) continue
      const [low, high] = evidence.evidence().interval
      outside ||= low > 0 || high < 0
    }
    if (outside) missed++
  }
  expect(binomialCdf(missed - 1, SEEDS, 0.05)).toBeLessThan(0.999)
})

test('the interval that is shown follows a difference that drifts', () => {
  const evidence = begin('regression')
  for (let i = 0; i < 4000; i++) evidence.add([row(10, i < 2000 ? 12 + (i % 2) : 8 - (i % 2), 0)])
  const { mean, interval } = evidence.evidence()
  expect(mean).toBeGreaterThan(interval[0])
  expect(mean).toBeLessThan(interval[1])
})

const CLASSES = ['a', 'b', 'c']
const said = (probabilities: number[]) => ({
  classes: CLASSES,
  label: CLASSES[probabilities.indexOf(Math.max(...probabilities))],
  probabilities: Float32Array.from(probabilities),
})

/** A request of one of three classes that each version knows with a softmax of its own. */
function classed(rng: ReturnType<typeof seededRng>, skills: [live: number, candidate: number]): JoinedRow {
  const code = rng.nextInt(3)
  const [live, candidate] = skills.map((skill) => {
    const weights = CLASSES.map((_, k) => Math.exp(skill * (k === code ? 1 : 0) + rng.normal()))
    const sum = weights.reduce((a, b) => a + b)
    return said(weights.map((w) => w / sum))
  })
  return row(0.5, 0.5, 1, {
    said: live,
    shadows: [{ version: 2, output: 0.5, said: candidate }],
    label: CLASSES[code],
  })
}

test('of several classes the log loss of the class that it was decides', () => {
  const rng = seededRng(3)
  const worse = begin('multiclass')
  const same = begin('multiclass')
  for (let i = 0; i < 6000; i++) {
    worse.add([classed(rng, [2, 1])])
    same.add([classed(rng, [2, 2.2])])
  }
  expect(worse.evidence().decision).toBe('worse')
  expect(worse.evidence().mean).toBeGreaterThan(0.1)
  expect(same.evidence().decision).toBe('no-worse')
})

test('a class that the candidate does not know costs it a bounded loss; a row without a label is refused', () => {
  const found = begin('multiclass')
  const known = classed(seededRng(4), [2, 2])
  found.add([{ ...known, label: 'd', said: { ...said([0.2, 0.3, 0.5]), classes: ['a', 'd', 'c'] } }])
  expect(found.evidence().mean).toBe(2)
  found.add([{ ...known, label: undefined }])
  expect(found.snapshot().refused).toBe(1)
})

test('an order counts once a group, when the outcome of its last row is known', () => {
  const found = begin('ranking')
  const rows = [3, 0, 1].map((outcome, i) =>
    row([0.1, 0.9, 0.5][i], [0.9, 0.1, 0.5][i], outcome, { id: `r${i}`, group: 'q', groupRows: 3 }),
  )
  found.add(rows.slice(0, 2))
  expect(found.evidence().n).toBe(0)
  found.add(rows.slice(2))
  const { n, mean } = found.evidence()
  expect(n).toBe(1)
  const dcg = (order: number[]) => order.reduce((sum, r, i) => sum + (2 ** r - 1) / Math.log2(i + 2), 0)
  expect(mean).toBeCloseTo(dcg([0, 1, 3]) / dcg([3, 1, 0]) - 1, 12)
})
