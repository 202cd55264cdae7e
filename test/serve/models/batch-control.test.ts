/** Batches that nobody set: on a clock of their own, so that what is seen here is the batcher and not the machine. */
import { describe, expect, test } from 'vitest'
import { BatchControl } from '../../../src/serve/models/batch-control.ts'
import { CostCurve } from '../../../src/serve/models/cost-curve.ts'
import { DecayedRate } from '../../../src/serve/models/decayed-rate.ts'
import { TensorBatcher } from '../../../src/serve/models/tensor-batcher.ts'
import { type Scenario, SimulatedTime, simulate } from './simulated-batches.ts'

/** One at a time 10 ms, fifty in 20 ms; each call up to 9 % longer or shorter. */
const usual: Scenario['costMs'] = (rows, _, chance) => (9.8 + 0.204 * rows) * (0.91 + 0.18 * chance())

/** The best of the static settings that keep the objective: batch × delay. */
async function bestStatic(scenario: Scenario): Promise<{ goodput: number }> {
  const settings = [16, 32, 64, 128].flatMap((rowsMax) => [0, 4].map((delayMs) => ({ rowsMax, delayMs })))
  const all = await Promise.all(settings.map((one) => simulate({ ...scenario, ...one, isStatic: true })))
  return all.filter(({ over }) => over <= 0.01).reduce((a, b) => (b.goodput > a.goodput ? b : a))
}

test('a size that was dear once, by a pause of the machine, is measured again while smaller ones are in use', () => {
  const costMs = (rows: number) => 0.15 + 0.003 * rows
  const control = new BatchControl({ rowsMax: 256, concurrency: 1 })
  const add = (rows: number, ms: number, i: number) => control.cost.add(rows, ms, i / 10)
  for (let i = 0; i < 40; i++) add(1, costMs(1), i)
  for (const rows of [8, 16, 31]) add(rows, 40, 41)
  expect(control.batchRows()).toBe(1)
  for (let i = 50; i < 450; i++) {
    const rows = Math.min(32, control.nextRows())
    add(rows, costMs(rows), i)
  }
  expect(control.batchRows()).toBeGreaterThanOrEqual(32)
})

describe('cost curve', () => {
  const learned = (costMs: (rows: number) => number) => {
    const curve = new CostCurve()
    for (let i = 0; i < 2_000; i++) curve.add(1 + ((i * 37) % 100), costMs(1 + ((i * 37) % 100)))
    return curve
  }

  test('has the plain arithmetic of batches: one at a time in 10 ms are 100 a second, fifty in 20 ms are 2,500', () => {
    const curve = learned((rows) => 10 + (10 / 49) * (rows - 1))
    expect(curve.isLine).toBe(true)
    expect(1000 / curve.costMs(1)).toBeCloseTo(100, 6)
    expect((1000 * 50) / curve.costMs(50)).toBeCloseTo(2500, 6)
    expect(curve.rowsWithin(20)).toBe(50)
  })

  test('a step is no line: the largest call is not the best one where more rows cost more than they bring', () => {
    const step = (rows: number) => 1 + 0.1 * rows + (rows > 64 ? 20 : 0)
    const curve = learned(step)
    expect(curve.isLine).toBe(false)
    for (const rows of [4, 30, 50, 90])
      expect(Math.abs(curve.costMs(rows) / step(rows) - 1)).toBeLessThan(0.1)
    expect(curve.bestRows(100, 100)).toBeGreaterThan(40)
    expect(curve.bestRows(100, 100)).toBeLessThanOrEqual(66)
    expect(curve.rowsWithin(30)).toBeGreaterThanOrEqual(85)
    expect(curve.rowsWithin(0.5)).toBe(0)
  })

  test('never falls, whatever was seen, and one pause of the machine is not the cost of the model', () => {
    const curve = learned((rows) => (rows > 50 ? 5 : 10))
    const costs = Array.from({ length: 120 }, (_, i) => curve.costMs(i + 1))
    for (let i = 1; i < costs.length; i++) expect(costs[i]).toBeGreaterThanOrEqual(costs[i - 1])
    const calm = new CostCurve()
    for (let i = 0; i < 200; i++) calm.add(20, 10)
    calm.add(20, 1_000)
    expect(calm.costMs(20)).toBeLessThan(12)
  })

  test('what once was slow is tried again after a while', () => {
    const curve = new CostCurve()
    curve.add(64, 500, 0)
    for (let i = 0; i < 100; i++) curve.add(1 + (i % 4), 1 + 0.1 * (1 + (i % 4)), 600 * (i + 1))
    expect(curve.rowsWithin(20)).toBeLessThan(64)
    for (let i = 0; i < 100; i++) curve.add(1 + (i % 4), 1 + 0.1 * (1 + (i % 4)), 60_000 + 600 * (i + 1))
    expect(curve.rowsWithin(20)).toBe(190)
  })
})

test('a rate is right from its first second on, and fades when nothing comes', () => {
  const rate = new DecayedRate()
  expect(rate.perSecond(0)).toBe(0)
  for (let ms = 0; ms < 300; ms += 5) rate.add(2, ms)
  expect(rate.perSecond(300) / 400).toBeCloseTo(1, 1)
  for (let ms = 300; ms < 5_000; ms += 5) rate.add(2, ms)
  expect(rate.perSecond(5_000) / 400).toBeCloseTo(1, 1)
  expect(rate.perSecond(15_000)).toBeLessThan(1)
})

describe('what is expected of a request', () => {
  const control = (more: object = {}) => {
    const made = new BatchControl({ rowsMax: 50, concurrency: 1, latencyMs: 100, isStatic: true, ...more })
    for (let i = 0; i < 200; i++) made.cost.add(1 + (i % 50), 10 + (10 / 49) * (i % 50))
    return made
  }

  test('is the rest of what runs, the full batches before it, and its own', () => {
    expect(control().expectedMs(1, { queueRows: 0, endsInMs: [] }, 0)).toBeCloseTo(10, 6)
    expect(control().expectedMs(1, { queueRows: 0, endsInMs: [7] }, 0)).toBeCloseTo(17, 6)
    expect(control().expectedMs(1, { queueRows: 100, endsInMs: [7] }, 0)).toBeCloseTo(7 + 40 + 10, 6)
    expect(control({ concurrency: 2 }).expectedMs(1, { queueRows: 100, endsInMs: [7, 3] }, 0)).toBeCloseTo(
      23 + 10,
      6,
    )
  })

  test('a call that should have ended by now is taken to take as long again', () => {
    expect(control().expectedMs(1, { queueRows: 0, endsInMs: [-30] }, 0)).toBeCloseTo(40, 6)
  })
})

describe('under load', () => {
  const base = { costMs: usual, latencyMs: 40, seconds: 4, fromSecond: 2 }

  test.each([
    ['one thread', { concurrency: 1 }, 1],
    ['two threads', { concurrency: 2, rowsMax: 64 }, 1],
    ['requests of several rows', { rows: (chance: () => number) => 1 + Math.floor(chance() * 7) }, 4],
  ])(
    '%s: after a step of the load it is within a tenth of the best static setting, and at most one in a hundred is over the objective',
    async (_, more, rowsMean) => {
      const scenario = { ...base, ...more, rate: (atMs: number) => (atMs < 1_000 ? 100 : 2_400 / rowsMean) }
      const [ours, best] = await Promise.all([simulate(scenario), bestStatic(scenario)])
      expect(ours.goodput).toBeGreaterThan(0.9 * best.goodput)
      expect(ours.over).toBeLessThanOrEqual(0.01)
    },
  )

  test('at twice what can be done the goodput stays, and every request is either answered once or refused', async () => {
    const at = (rate: number) => simulate({ ...base, rate: () => rate })
    const all = await Promise.all([1_800, 2_200, 2_600].map(at))
    const peak = Math.max(...all.map(({ goodput }) => goodput))
    const twice = await at(2 * peak)
    expect(twice.goodput).toBeGreaterThan(0.95 * peak)
    expect(twice.over).toBeLessThanOrEqual(0.01)
    for (const { offered, answered, refused } of [...all, twice])
      expect(answered + refused).toBeCloseTo(offered, 6)
  })

  test('at half of what can be done nothing is refused, and nobody waits longer than with no batches at all', async () => {
    const ours = await simulate({ ...base, rate: () => 60, seconds: 10 })
    const alone = await simulate({ ...base, rate: () => 60, seconds: 10, rowsMax: 1, latencyMs: undefined })
    expect(ours.refused).toBe(0)
    expect(ours.msP99).toBeLessThanOrEqual(alone.msP99)
  })

  test('bursts: a second of twice the load, a second of nothing', async () => {
    const rate = (atMs: number) => (atMs % 2_000 < 1_000 ? 4_000 : 0)
    const ours = await simulate({ ...base, seconds: 6, rate })
    expect(ours.over).toBeLessThanOrEqual(0.01)
    expect(ours.goodput).toBeGreaterThan(900)
  })

  test('a model that becomes three times as slow answers fewer, and those in time', async () => {
    const costMs: Scenario['costMs'] = (rows, atMs, chance) =>
      usual(rows, atMs, chance) * (atMs < 3_000 ? 0.5 : 1.5)
    const ours = await simulate({ ...base, costMs, rate: () => 1_500, seconds: 7, fromSecond: 5 })
    expect(ours.over).toBeLessThanOrEqual(0.01)
    expect(ours.goodput).toBeGreaterThan(400)
  })
})

test('a stated delay holds a batch back until it is full or the first of it has waited that long', async () => {
  const time = new SimulatedTime()
  const began: [atMs: number, rows: number][] = []
  const batcher = new TensorBatcher({
    model: 'm',
    hasRows: true,
    isStatic: true,
    rowsMax: 4,
    delayMs: 5,
    queueRowsMax: 100,
    concurrency: 8,
    time,
    run: async ({ x }) => {
      began.push([time.nowMs(), x.dims[0]])
      return { y: x }
    },
  })
  batcher.control.cost.add(1, 1)
  const askAt = (ms: number) =>
    time.after(ms, () => {
      void batcher.infer({ feeds: { x: { type: 'float32', dims: [1], data: Float32Array.of(0) } }, rows: 1 })
    })
  for (const ms of [0, 1, 20, 21, 22, 23, 24]) askAt(ms)
  await time.run()
  expect(began).toEqual([
    [5, 2],
    [23, 4],
    [29, 1],
  ])
})
