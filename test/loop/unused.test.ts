/** Models that nobody asks any more are told of. */
import { expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import { releaseLatest, rollBackModel } from '../../src/loop/release.ts'
import { proposeRetiring, UNUSED_DAYS, unusedDays } from '../../src/loop/unused.ts'
import { DAY, MODEL, openSmall, putVersion } from './fixture.ts'

const day = (n: number, predictions: number) => ({
  window: { fromAt: n * DAY, toAt: (n + 1) * DAY },
  predictions,
})
const asked = { liveSince: 0, requestsPerSecond: 0 }

test('days are counted from the last window with a prediction', () => {
  const windows = [day(0, 5), day(9, 3), day(10, 0), day(40, 0)]
  expect(unusedDays({ ...asked, windows, now: 39 * DAY })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now: 40 * DAY })).toBe(UNUSED_DAYS)
  expect(unusedDays({ ...asked, windows, now: 55.9 * DAY })).toBe(45)
})

test('a version that went live since, is asked now, or is not live at all is not told of', () => {
  const windows = [day(0, 5)]
  const now = 100 * DAY
  expect(unusedDays({ ...asked, windows, now, liveSince: 80 * DAY })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now, requestsPerSecond: 0.1 })).toBeUndefined()
  expect(unusedDays({ ...asked, windows, now, liveSince: null })).toBeUndefined()
  expect(unusedDays({ ...asked, windows: [], now })).toBe(100)
})

test('a model that is not asked is proposed for retirement once, and once more when it was asked or released since', async () => {
  const small = await openSmall()
  const { rt, store, clock } = small
  const ask = { model: MODEL, actor: 'ada' }
  const propose = async (requestsPerSecond = 0) =>
    (await proposeRetiring(rt, MODEL, requestsPerSecond))?.reason
  const windows = async (...all: ReturnType<typeof day>[]) => {
    const state = { kind: 'WatchState', model: MODEL, windows: all, checkpoint: {}, fdr: {} }
    const to = await store.putRecord(state as never)
    const event = { type: 'watch.window', subject: 'models/m', actor: 'test', reason: 'test', data: {} }
    await store.meta.commit({ moves: [{ name: refs.watch(MODEL), to }], event })
  }
  try {
    await putVersion(store, 1)
    await releaseLatest(rt, ask)
    expect(await propose()).toBeUndefined()
    clock.set(40 * DAY)
    expect(await propose(0.5)).toBeUndefined()
    expect(await propose()).toMatch(/^m was not asked for in 40 days/)
    clock.set(41 * DAY)
    expect(await propose()).toBeUndefined()
    await windows(day(0, 5), day(41, 3))
    expect(await propose()).toBeUndefined()
    clock.set(101 * DAY)
    expect(await propose()).toMatch(/in 59 days/)
    expect(await propose()).toBeUndefined()
    await putVersion(store, 2)
    await releaseLatest(rt, ask)
    await rollBackModel(rt, ask)
    expect(await propose()).toBeUndefined()
    clock.set(132 * DAY)
    expect(await propose()).toMatch(/in 31 days/)
  } finally {
    await small.drop()
  }
})
