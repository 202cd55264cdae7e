import { afterEach, beforeEach, expect, test } from 'vitest'
import { isMillraceError } from '../../src/core/errors.ts'
import type { Release } from '../../src/core/records.ts'
import { promoteModel, releaseLatest, rollBackModel } from '../../src/loop/release.ts'
import { nextStep } from '../../src/release/machine.ts'
import { currentRelease, recordRelease } from '../../src/release/record.ts'
import { MODEL, openSmall, putVersion, type Small } from './fixture.ts'

let small: Small
beforeEach(async () => {
  small = await openSmall({ startAt: 1000 })
})
afterEach(() => small.drop())

const ask = (over: { reason?: string; dryRun?: boolean } = {}) => ({ model: MODEL, actor: 'ada', ...over })
const now = async () => (await currentRelease(small.store, MODEL))?.release as Release
const split = async () => (await now()).routes.map((r) => [r.version, r.role, r.weight])
const codeOf = async (promise: Promise<unknown>) => {
  const thrown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  return isMillraceError(thrown) ? thrown.code : thrown
}
const typesOf = async () =>
  (await small.store.meta.events({ subject: `models/${MODEL}`, limit: 100 })).map((e) => e.type)

/** v1 live, v2 with the given state. */
async function twoVersions(to: 'shadow' | 'canary' | 'live'): Promise<void> {
  await putVersion(small.store, 1)
  await releaseLatest(small.rt, ask())
  small.clock.set(2000)
  await putVersion(small.store, 2)
  await releaseLatest(small.rt, ask())
  if (to === 'shadow') return
  if (to === 'live') await promoteModel(small.rt, ask())
  else await move('no-worse')
}

/** Lets the release under way take one step by evidence. */
async function move(decision: 'no-worse' | 'worse'): Promise<void> {
  const current = await currentRelease(small.store, MODEL)
  if (!current) throw new Error('nothing is released')
  const evidence = {
    n: 9999,
    nStage: 9999,
    mean: 0,
    interval: [0, 0] as [number, number],
    decision,
    errors: 0,
  }
  small.clock.set(small.clock.now() + 1000)
  const step = nextStep(current.release, small.model.release, evidence, small.clock.now())
  if (step.kind === 'wait') throw new Error(step.reason)
  await recordRelease(small.store, step.release, current.digest, 'millrace')
}

test('the first version goes live, the next one to the shadow, and what is in release is not released again', async () => {
  await twoVersions('shadow')
  expect(await split()).toEqual([
    [1, 'live', 1],
    [2, 'shadow', 0],
  ])
  const again = await releaseLatest(small.rt, ask())
  expect([again.done, again.effects]).toEqual([false, ['v2 is in release already: shadow']])
})

test('a dry run says what would happen and moves nothing', async () => {
  await twoVersions('canary')
  const before = await typesOf()
  const back = await rollBackModel(small.rt, ask({ dryRun: true }))
  expect(back).toMatchObject({
    done: false,
    effects: ['traffic goes from v1 90 %, v2 10 % to v1 100 %', 'rolled back by hand'],
  })
  const on = await promoteModel(small.rt, ask({ dryRun: true }))
  expect(on.effects[0]).toBe('traffic goes from v1 90 %, v2 10 % to v2 100 %')
  await putVersion(small.store, 3)
  const next = await releaseLatest(small.rt, ask({ dryRun: true }))
  expect(next.effects).toContain('v3 scores every request in the shadow and answers none')
  expect((await typesOf()).filter((t) => t.startsWith('release.'))).toEqual(
    before.filter((t) => t.startsWith('release.')),
  )
})

test('closed gates refuse a release, and the journal says so once', async () => {
  await putVersion(small.store, 1, { verdict: 'inconclusive' })
  expect(await codeOf(releaseLatest(small.rt, ask({ dryRun: true })))).toBe('MR_LOOP_GATES_CLOSED')
  expect(await typesOf()).toEqual(['train.finished'])
  for (let i = 0; i < 3; i++)
    expect(await codeOf(releaseLatest(small.rt, ask()))).toBe('MR_LOOP_GATES_CLOSED')
  expect(await typesOf()).toEqual(['train.finished', 'release.refused'])
  expect(await currentRelease(small.store, MODEL)).toBeUndefined()
})

test('a rollback restores the split before, with the reason of who asked', async () => {
  await twoVersions('live')
  expect(await split()).toEqual([[2, 'live', 1]])
  const { event } = await rollBackModel(small.rt, ask({ reason: 'complaints from the field' }))
  expect(await split()).toEqual([[1, 'live', 1]])
  expect([event?.actor, event?.reason]).toEqual(['ada', 'complaints from the field'])
  expect(await codeOf(rollBackModel(small.rt, ask()))).toBe('MR_LOOP_NOTHING_BEFORE')
})

test('a rollback during a canary sends all traffic to the live version, and one after it reaches further', async () => {
  await twoVersions('live')
  small.clock.set(5000)
  await putVersion(small.store, 3)
  await releaseLatest(small.rt, ask())
  await move('no-worse')
  await rollBackModel(small.rt, ask())
  expect([(await now()).state, await split()]).toEqual(['rolled-back', [[2, 'live', 1]]])
  await rollBackModel(small.rt, ask())
  expect([(await now()).state, await split()]).toEqual(['live', [[1, 'live', 1]]])
})

test('after evidence sent a candidate back, a rollback does not stop at the same version', async () => {
  await twoVersions('live')
  small.clock.set(5000)
  await putVersion(small.store, 3)
  await releaseLatest(small.rt, ask())
  await move('worse')
  expect([(await now()).state, await split()]).toEqual(['rolled-back', [[2, 'live', 1]]])
  await rollBackModel(small.rt, ask())
  expect(await split()).toEqual([[1, 'live', 1]])
})

test('without a release or a past there is nothing to go back to', async () => {
  expect(await codeOf(rollBackModel(small.rt, ask()))).toBe('MR_LOOP_NO_RELEASE')
  expect(await codeOf(releaseLatest(small.rt, ask()))).toBe('MR_LOOP_NO_RELEASE')
  expect(await codeOf(releaseLatest(small.rt, { model: 'other', actor: 'ada' }))).toBe('MR_LOOP_UNKNOWN')
  await putVersion(small.store, 1)
  await releaseLatest(small.rt, ask())
  expect(await codeOf(rollBackModel(small.rt, ask()))).toBe('MR_LOOP_NOTHING_BEFORE')
  const nothing = await promoteModel(small.rt, ask())
  expect([nothing.done, nothing.effects]).toEqual([
    false,
    ['no release is under way, so there is nothing to promote'],
  ])
})

test('of two callers who release at once one wins, and the other is told that it was moved', async () => {
  await putVersion(small.store, 1)
  const both = await Promise.allSettled([
    releaseLatest(small.rt, ask()),
    releaseLatest(small.rt, { ...ask(), actor: 'bob' }),
  ])
  expect(both.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected'])
  const lost = both.find((r) => r.status === 'rejected')
  expect(isMillraceError(lost?.reason) && lost.reason.code).toBe('MR_LOOP_MOVED')
  expect((await typesOf()).filter((t) => t === 'release.live')).toHaveLength(1)
})

test('of a promotion and a rollback at once exactly one happens', async () => {
  await twoVersions('canary')
  const both = await Promise.allSettled([promoteModel(small.rt, ask()), rollBackModel(small.rt, ask())])
  expect(both.map((r) => r.status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(['live', 'rolled-back']).toContain((await now()).state)
})
