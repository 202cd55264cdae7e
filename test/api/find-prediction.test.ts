import { expect, test } from 'vitest'
import { OUTCOMES_STREAM, PREDICTIONS_STREAM } from '../../src/core/log-blocks.ts'
import { findOutcome, findPrediction, timeOfId } from '../../src/loop/find-prediction.ts'
import { IdMaker } from '../../src/serve/ids.ts'
import type { Log } from '../../src/store/ports.ts'
import { DAY, NONE, NOW, openProject, outcomes, predictions } from './fixture.ts'

test('the time in an id is the time it was made at', () => {
  const ids = new IdMaker({ now: () => NOW })
  expect(timeOfId(ids.next())).toBe(NOW)
  expect(timeOfId(`${ids.next()}:12`)).toBe(NOW)
  for (const other of ['', 'order-7', 'ILOU'.repeat(7), `${ids.next()}x`])
    expect(timeOfId(other)).toBeUndefined()
})

/** A log of `days` segments, one block of ten ids each, and how many bytes a search read of it. */
async function dailyLog(days: number) {
  const { store, drop } = await openProject()
  const ids: string[][] = []
  for (let day = 0; day < days; day++) {
    const at = NOW + day * DAY
    ids.push(new IdMaker({ now: () => at }).many(10))
    await store.log.append(PREDICTIONS_STREAM, [predictions({ ids: ids[day], modelVersions: [NONE], at })])
    await store.log.append(OUTCOMES_STREAM, [
      outcomes({ ids: ids[day], values: Array(10).fill(day), at: at + 1000 }),
    ])
    await store.log.seal(PREDICTIONS_STREAM)
    await store.log.seal(OUTCOMES_STREAM)
  }
  let records = 0
  const counted: Log = {
    ...store.log,
    async *read(stream, after) {
      for await (const batch of store.log.read(stream, after)) {
        records += batch.records.length
        yield batch
      }
    },
  }
  return { log: counted, plainLog: store.log, ids, drop, read: () => records }
}

test('finds every prediction and its outcome in a log of many segments', async () => {
  const { log, ids, drop } = await dailyLog(13)
  for (let day = 0; day < 13; day++) {
    const found = await findPrediction(log, ids[day][day % 10])
    expect(found).toMatchObject({ id: ids[day][day % 10], at: NOW + day * DAY, route: 'live' })
    expect(await findOutcome(log, ids[day][0], NOW + day * DAY)).toMatchObject({ value: day })
  }
  await drop()
})

test('starts near the time of the id instead of at the beginning', async () => {
  const { log, ids, drop, read } = await dailyLog(40)
  await findPrediction(log, ids[38][3])
  expect(read()).toBeLessThan(20)
  await drop()
})

test('an id that a client chose, or whose time lies, is found from the beginning', async () => {
  const { log, plainLog, drop } = await dailyLog(3)
  const lying = new IdMaker({ now: () => NOW + 100 * DAY }).next()
  await plainLog.append(PREDICTIONS_STREAM, [
    predictions({ ids: ['order "7"'], modelVersions: [NONE], at: NOW + 4 * DAY }),
    predictions({ ids: [lying], modelVersions: [NONE], at: NOW + 4 * DAY }),
  ])
  expect(await findPrediction(log, 'order "7"')).toMatchObject({ id: 'order "7"' })
  expect(await findPrediction(log, lying)).toMatchObject({ id: lying })
  await drop()
})

test('an id that is only text in an input, or that only a shadow answered, is not a prediction', async () => {
  const { log, plainLog, drop } = await dailyLog(1)
  await plainLog.append(PREDICTIONS_STREAM, [
    predictions({ ids: ['x'], modelVersions: [NONE], inputs: { origin: ['wanted'] } }),
    predictions({ ids: ['wanted'], modelVersions: [NONE], routes: ['shadow'], inputs: {} }),
  ])
  expect(await findPrediction(log, 'wanted')).toBeUndefined()
  expect(await findOutcome(log, 'wanted', NOW)).toBeUndefined()
  await drop()
})

test('an empty log has nothing', async () => {
  const { store, drop } = await openProject()
  expect(await findPrediction(store.log, new IdMaker({ now: () => NOW }).next())).toBeUndefined()
  expect(await findPrediction(store.log, 'x')).toBeUndefined()
  await drop()
})
