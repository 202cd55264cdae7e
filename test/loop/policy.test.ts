import { describe, expect, test } from 'vitest'
import type { Alert, Release } from '../../src/core/records.ts'
import type { WatchDef } from '../../src/define/types.ts'
import { causeOf, planRetrain, RETRY_MS, type RetrainState } from '../../src/loop/policy.ts'
import { retrainIfDue, retrainState } from '../../src/loop/retrain.ts'
import { currentRelease, recordRelease } from '../../src/release/record.ts'
import { DAY, MODEL, openSmall, putVersion } from './fixture.ts'

const WATCH: WatchDef = {
  window: 'week',
  outcomeDelayMs: DAY,
  cooldownMs: 7 * DAY,
  retrain: ['quality', 'drift'],
  owner: 'o',
  alpha: 0.05,
  history: 'all',
}
const NOW = 100 * DAY

function alertOf(cause: string, over: Partial<Alert> = {}, subject = 'models/m'): Alert {
  return {
    kind: 'Alert',
    id: `m-${cause}`,
    finding: {
      kind: 'Finding',
      check: 'watch.x',
      subject,
      value: 1,
      limit: '0',
      n: 9,
      verdict: 'fail',
      message: 'it moved',
      at: 0,
    },
    owner: 'o',
    runbook: 'r',
    dedupeKey: `m/${cause}`,
    state: 'raised',
    raisedAt: 0,
    affected: [],
    ...over,
  }
}

const state = (over: Partial<RetrainState> = {}): RetrainState => ({
  alerts: [],
  release: undefined,
  trainedAt: NOW - 20 * DAY,
  ...over,
})
const plan = (over: Partial<RetrainState>, watch: Partial<WatchDef> = {}) =>
  planRetrain(state(over), { ...WATCH, ...watch }, NOW)

describe('when a model is trained again', () => {
  test('an alert of a cause that the config names says why; calibration is a matter of quality', () => {
    expect(plan({ alerts: [alertOf('drift')] })).toBe('drift alert: it moved')
    expect(plan({ alerts: [alertOf('calibration')] })).toBe('calibration alert: it moved')
    expect(plan({ alerts: [alertOf('calibration')] }, { retrain: ['drift'] })).toBeUndefined()
    expect(plan({ alerts: [alertOf('drift', { state: 'acknowledged' })] })).toBeDefined()
    expect(plan({ alerts: [alertOf('drift', { state: 'resolved' })] })).toBeUndefined()
    expect(plan({ alerts: [alertOf('members')] })).toBeUndefined()
  })

  test('a bad week of one member trains nobody', () => {
    expect(plan({ alerts: [alertOf('quality', {}, 'models/m/ATL')] })).toBeUndefined()
  })

  test('alerts wait for the cooldown, a schedule only for its own time', () => {
    const alerts = [alertOf('drift')]
    expect(plan({ alerts, trainedAt: NOW - 7 * DAY + 1 })).toBeUndefined()
    expect(plan({ alerts, trainedAt: NOW - 7 * DAY })).toBeDefined()
    expect(plan({ trainedAt: NOW - DAY }, { retrain: ['daily'] })).toBe('daily retraining is due')
    expect(plan({ trainedAt: NOW - DAY + 1 }, { retrain: ['daily'] })).toBeUndefined()
    expect(plan({ trainedAt: NOW - 8 * DAY }, { retrain: ['monthly', 'weekly'] })).toBe(
      'weekly retraining is due',
    )
    expect(plan({ trainedAt: undefined }, { retrain: ['monthly'] })).toBeDefined()
    expect(plan({ trainedAt: undefined })).toBeUndefined()
  })

  test('nothing is begun while a release is under way or waits for a person, nor right after a failure', () => {
    const alerts = [alertOf('drift')]
    for (const under of ['shadow', 'canary', 'paused'] as const)
      expect(plan({ alerts, release: { state: under } as Release })).toBeUndefined()
    expect(plan({ alerts, release: { state: 'rolled-back' } as Release })).toBeDefined()
    expect(plan({ alerts, failedAt: NOW - RETRY_MS + 1 })).toBeUndefined()
    expect(plan({ alerts, failedAt: NOW - RETRY_MS })).toBeDefined()
  })

  test('the cause of an alert is the last piece of its key', () => {
    expect(causeOf({ dedupeKey: 'a/b/drift' })).toBe('drift')
    expect(causeOf({ dedupeKey: 'drift' })).toBe('drift')
  })
})

describe('what is tried', () => {
  test('a failure is noted once and not repeated at once', async () => {
    const small = await openSmall({ startAt: NOW, watch: { retrain: ['daily'] } })
    try {
      await expect(retrainIfDue(small.rt, MODEL)).rejects.toThrow()
      expect(await retrainIfDue(small.rt, MODEL)).toBeUndefined()
      const failed = await small.store.meta.events({ types: ['retrain.failed'] })
      expect(failed).toHaveLength(1)
      small.clock.set(NOW + RETRY_MS)
      await expect(retrainIfDue(small.rt, MODEL)).rejects.toThrow()
    } finally {
      await small.drop()
    }
  })

  test('a stop that was asked for is no failure', async () => {
    const small = await openSmall({ startAt: NOW, watch: { retrain: ['daily'] } })
    try {
      const signal = AbortSignal.abort(new Error('stopped'))
      await expect(retrainIfDue(small.rt, MODEL, { signal })).rejects.toThrow()
      expect(await small.store.meta.events({ types: ['retrain.failed'] })).toHaveLength(0)
    } finally {
      await small.drop()
    }
  })

  test('a bundle of the policy that never came to a release is taken up; what was released or is a person’s is left', async () => {
    const small = await openSmall({ startAt: NOW, watch: { retrain: ['quality'] } })
    try {
      await putVersion(small.store, 1, { actor: 'ada', createdAt: NOW - DAY })
      expect(await retrainIfDue(small.rt, MODEL)).toBeUndefined()
      await putVersion(small.store, 2, { actor: 'millrace', createdAt: NOW - DAY, verdict: 'fail' })
      expect(await retrainIfDue(small.rt, MODEL)).toBeUndefined()
      const bundle = await putVersion(small.store, 3, { actor: 'millrace', createdAt: NOW - DAY })
      await expect(retrainIfDue(small.rt, MODEL)).rejects.toThrow()
      expect((await retrainState(small.rt, MODEL)).failedAt).toBe(NOW)
      const release: Release = {
        kind: 'Release',
        model: MODEL,
        state: 'live',
        routes: [{ bundle, version: 3, role: 'live', weight: 1 }],
        step: 0,
        steps: [],
        salt: '',
        findings: [],
        reason: '',
        at: NOW,
      }
      await recordRelease(small.store, release, undefined, 'test')
      small.clock.set(NOW + RETRY_MS)
      expect(await currentRelease(small.store, MODEL)).toBeDefined()
      expect(await retrainIfDue(small.rt, MODEL)).toBeUndefined()
    } finally {
      await small.drop()
    }
  })
})
