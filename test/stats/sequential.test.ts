import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import * as s from '../../src/stats/sequential.ts'
import { expectCode, hitsAtMost } from './close.ts'

const SEEDS = 500

test('a 90 % confidence sequence, watched at every row, misses the mean ever in at most 10 % of 500 streams', () => {
  let missed = 0
  let width = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const rng = seededRng(seed)
    let state = s.openMeanSequence({ min: -1, max: 1, level: 0.9 })
    let outside = false
    for (let i = 0; i < 450; i++) {
      const x = rng.next() < 0.3 ? 2 * rng.next() - 1 : 0.2 * rng.next()
      state = s.nextMean(state, x)
      outside ||= state.lower > 0.07 || state.upper < 0.07
    }
    if (outside) missed++
    width += (state.upper - state.lower) / SEEDS
  }
  expect(missed).toBeLessThanOrEqual(hitsAtMost(SEEDS, 0.1))
  expect(width).toBeLessThan(0.25)
})

test('a fair coin at the hardest spread is covered too', () => {
  let missed = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const rng = seededRng(seed + 7000)
    let state = s.openMeanSequence({ min: 0, max: 1, level: 0.9 })
    let outside = false
    for (let i = 0; i < 400; i++) {
      state = s.nextMean(state, rng.next() < 0.5 ? 1 : 0)
      outside ||= state.lower > 0.5 || state.upper < 0.5
    }
    if (outside) missed++
  }
  expect(missed).toBeLessThanOrEqual(hitsAtMost(SEEDS, 0.1))
})

/** Differences of loss as two like models make them: mostly small, sometimes large. */
function differences(seed: number, mean: number) {
  const rng = seededRng(seed)
  return () => mean + 0.1 * rng.normal() * (rng.next() < 0.1 ? 3 : 1)
}

function runCanary(seed: number, mean: number, rows: number, options: Parameters<typeof s.openCanary>[0]) {
  const next = differences(seed, mean)
  let state = s.openCanary(options)
  while (state.decision === 'undecided' && state.sequence.n < rows) state = s.nextCanary(state, next())
  return state
}

test('a canary that is exactly at the tolerance gets either verdict, at any look, in at most 10 % of 500 runs each', () => {
  const verdicts = { worse: 0, 'no-worse': 0, undecided: 0 }
  for (let seed = 0; seed < SEEDS; seed++)
    verdicts[runCanary(seed, 0.01, 1000, { alpha: 0.1, tolerance: 0.01 }).decision]++
  expect(verdicts.worse).toBeLessThanOrEqual(hitsAtMost(SEEDS, 0.1))
  expect(verdicts['no-worse']).toBeLessThanOrEqual(hitsAtMost(SEEDS, 0.1))
})

test('a canary that loses 0.05 nats is caught in 3000 rows in at least 95 of 100 runs, and a better one is cleared as often', () => {
  let caught = 0
  let cleared = 0
  let rowsToCatch = 0
  for (let seed = 0; seed < 100; seed++) {
    const worse = runCanary(seed, 0.05, 3000, {})
    if (worse.decision === 'worse') caught++
    rowsToCatch += worse.sequence.n / 100
    if (runCanary(seed, -0.03, 3000, {}).decision === 'no-worse') cleared++
  }
  expect(caught).toBeGreaterThanOrEqual(95)
  expect(cleared).toBeGreaterThanOrEqual(95)
  expect(rowsToCatch).toBeLessThan(1000)
})

test('a canary cuts wild differences to its bound, counts them, and keeps its first decision', () => {
  let state = s.openCanary({ bound: 0.5 })
  for (let i = 0; i < 200; i++) state = s.nextCanary(state, 34)
  expect(state).toMatchObject({ decision: 'worse', clipped: 200 })
  for (let i = 0; i < 5000; i++) state = s.nextCanary(state, -0.5)
  expect(state.decision).toBe('worse')
  expectCode(() => s.nextCanary(state, Number.NaN), 'MR_STATS_NAN')
})

test('identical models are cleared in the end: no difference is no worse', () => {
  let state = s.openCanary()
  for (let i = 0; i < 5000 && state.decision === 'undecided'; i++) state = s.nextCanary(state, 0)
  expect(state.decision).toBe('no-worse')
})

test('two arms of split traffic cover their difference at every row in at least 90 % of 300 runs', () => {
  let missed = 0
  let shown = 0
  for (let seed = 0; seed < 300; seed++) {
    const rng = seededRng(seed + 100)
    let state = s.openTwoArms({ min: 0, max: 1, level: 0.9 })
    let outside = false
    for (let i = 0; i < 1500; i++) {
      const arm = rng.next() < 0.4 ? 'canary' : 'live'
      state = s.nextArm(state, arm, rng.next() < (arm === 'canary' ? 0.5 : 0.3) ? 1 : 0)
      const difference = s.armDifference(state)
      outside ||= difference.lower > 0.2 || difference.upper < 0.2
    }
    if (outside) missed++
    if (s.armDifference(state).lower > 0) shown++
  }
  expect(missed).toBeLessThanOrEqual(hitsAtMost(300, 0.1))
  expect(shown).toBeGreaterThan(240)
})

test('an error rate at its limit alarms ever in at most 5 % of 500 streams, and at triple the limit nearly always', () => {
  let falseAlarms = 0
  let caught = 0
  for (let seed = 0; seed < SEEDS; seed++) {
    const rng = seededRng(seed + 300)
    let calm = s.openRate(0.02)
    let broken = s.openRate(0.02)
    for (let i = 0; i < 1000; i++) {
      calm = s.nextRate(calm, rng.next() < 0.02)
      broken = s.nextRate(broken, rng.next() < 0.06)
    }
    if (calm.above) falseAlarms++
    if (broken.above) caught++
  }
  expect(falseAlarms).toBeLessThanOrEqual(hitsAtMost(SEEDS, 0.05))
  expect(caught).toBeGreaterThan(0.95 * SEEDS)
})

test('a sequence that was stored and read back goes on as if it had not been', () => {
  const next = differences(3, 0.02)
  let kept = s.openCanary()
  let stored = s.openCanary()
  for (let i = 0; i < 200; i++) {
    const x = next()
    kept = s.nextCanary(kept, x)
    stored = s.nextCanary(JSON.parse(JSON.stringify(stored)), x)
  }
  expect(stored).toEqual(kept)
})

test('the interval narrows only, starts as everything, and constant values close in on it', () => {
  let state = s.openMeanSequence({ min: 10, max: 20 })
  expect([state.lower, state.upper]).toEqual([10, 20])
  for (let i = 0; i < 2000; i++) {
    const before = state
    state = s.nextMean(state, 12)
    expect(state.lower).toBeGreaterThanOrEqual(before.lower)
    expect(state.upper).toBeLessThanOrEqual(before.upper)
  }
  expect(state.mean).toBeCloseTo(12, 9)
  expect(state.lower).toBeLessThanOrEqual(12)
  expect(state.upper).toBeGreaterThanOrEqual(12)
  expect(state.upper - state.lower).toBeLessThan(0.2)
})

test('values and options outside their domain are refused with a code', () => {
  const state = s.openMeanSequence({ min: 0, max: 1 })
  expectCode(() => s.nextMean(state, 1.1), 'MR_STATS_RANGE')
  expectCode(() => s.nextMean(state, Number.NaN), 'MR_STATS_RANGE')
  expectCode(() => s.openMeanSequence({ min: 1, max: 1 }), 'MR_STATS_RANGE')
  expectCode(() => s.openCanary({ tolerance: 2 }), 'MR_STATS_RANGE')
  expectCode(() => s.openRate(0), 'MR_STATS_RANGE')
})
