import { describe, expect, test } from 'vitest'
import type { QualityPoint } from '../../src/api/contract.ts'
import {
  fleetSentence,
  healthOf,
  type MemberFacts,
  type ModelFacts,
  memberSentence,
  modelSentence,
} from '../../src/api/views/sentences.ts'
import type { Release } from '../../src/core/records.ts'
import { alert, NONE, NOW, routeTo } from './fixture.ts'

const point = (value: number | null, verdict: QualityPoint['verdict'] = 'pass'): QualityPoint => ({
  fromAt: 0,
  toAt: 1,
  value,
  n: 212_331,
  verdict,
})

const release = (over: Partial<Release> = {}): Release => ({
  kind: 'Release',
  model: 'late',
  state: 'live',
  routes: [routeTo(NONE, 3)],
  step: 0,
  steps: [],
  salt: '',
  findings: [],
  reason: '',
  at: 0,
  ...over,
})

const facts = (over: Partial<ModelFacts> = {}): ModelFacts => ({
  model: 'late',
  task: 'binary',
  members: 198,
  release: release(),
  liveVersion: 3,
  liveSince: Date.UTC(2001, 4, 12, 9),
  latestVersion: 3,
  latestPassed: true,
  quality: [point(0.6512)],
  expected: { value: 0.66, low: 0.646, high: 0.674 },
  miscalibrated: null,
  alerts: [],
  ...over,
})

const canary = release({
  state: 'canary',
  routes: [routeTo(NONE, 3, 'live', 0.9), routeTo(`sha256:${'1'.repeat(64)}`, 4, 'canary', 0.1)],
})

describe('the sentence of a model', () => {
  test('says what is live, since when, how good, and who is needed', () => {
    expect(modelSentence(facts(), NOW)).toBe(
      'late is live at v3 since 12 May 2001; quality within its band (AUC 0.651 on 212,331 outcomes, 0.646 to 0.674 expected); nothing needs you.',
    )
  })

  test('counts the members that need a person, and not those that the loop handles', () => {
    const alerts = [
      alert({ id: 'a', affected: ['late/ATL', 'late/ORD'] }),
      alert({ id: 'b', affected: ['late/DFW'], action: 'retrains on June' }),
      alert({ id: 'c', affected: ['late/LAX'], state: 'resolved' }),
    ]
    expect(modelSentence(facts({ alerts }), NOW)).toContain(
      '; 2 of 198 members need you, 1 alert is in hand.',
    )
  })

  test('an alert about the model itself is counted as an alert', () => {
    expect(modelSentence(facts({ alerts: [alert()] }), NOW)).toMatch(/; 1 alert needs you\.$/)
  })

  test('gives the hour when it went live today', () => {
    expect(modelSentence(facts({ liveSince: Date.UTC(2001, 5, 20, 9, 5) }), NOW)).toContain('since 09:05 UTC')
  })

  test('tells a canary, a shadow, a pause and a way back', () => {
    expect(modelSentence(facts({ release: canary }), NOW)).toContain(', and v4 answers 10 % as a canary;')
    const shadow = {
      ...canary,
      state: 'shadow' as const,
      routes: [canary.routes[0], { ...canary.routes[1], role: 'shadow' as const, weight: 0 }],
    }
    expect(modelSentence(facts({ release: shadow }), NOW)).toContain(', and v4 scores in its shadow;')
    expect(modelSentence(facts({ release: { ...canary, state: 'paused' } }), NOW)).toContain(
      'the release of v4 is paused and waits for you',
    )
    expect(modelSentence(facts({ release: release({ state: 'rolled-back' }) }), NOW)).toContain(
      'where the last release went back to',
    )
  })

  test.each([
    [point(0.61, 'fail'), 'quality below its band (AUC 0.610'],
    [point(0.64), 'quality a little below its band, by less than matters'],
    [point(0.69), 'quality better than its band'],
    [point(null), 'quality is not measured yet, as no window has outcomes'],
  ])('places quality %#', (at, words) => {
    expect(modelSentence(facts({ quality: [at] }), NOW)).toContain(words)
  })

  test('a regression is worse when its error is higher', () => {
    const rmse = { task: 'regression' as const, expected: { value: 10, low: 9, high: 11 } }
    expect(modelSentence(facts({ ...rmse, quality: [point(12, 'fail')] }), NOW)).toContain(
      'above its band (RMSE 12 ',
    )
    expect(modelSentence(facts({ ...rmse, quality: [point(8)] }), NOW)).toContain('better than its band')
  })

  test('says what is promised against what happens when calibration failed', () => {
    expect(
      modelSentence(facts({ miscalibrated: { meanPredicted: 0.163, meanActual: 0.215 } }), NOW),
    ).toContain('it promises 16.3 % on average where 21.5 % happened')
  })

  test('tells a model that is not trained, one whose gates are closed, and one that waits', () => {
    const none = { liveVersion: null, release: null, liveSince: null }
    expect(modelSentence(facts({ ...none, latestVersion: null }), NOW)).toBe('late is not trained yet.')
    expect(modelSentence(facts({ ...none, latestPassed: false }), NOW)).toBe(
      'late is trained as v3: its gates are closed, so it is not released; nothing needs you.',
    )
    expect(modelSentence(facts(none), NOW)).toContain('its gates passed, and it is not released yet')
  })
})

describe('the sentence of the fleet', () => {
  test('of one model is the sentence of that model', () => {
    expect(fleetSentence([facts()], [], NOW)).toBe(modelSentence(facts(), NOW))
  })

  test('of several counts what is live, names what is out of its band, and what needs a person', () => {
    const price = facts({ model: 'price', quality: [point(0.5, 'fail')], release: canary })
    const churn = facts({ model: 'churn', liveVersion: null, latestVersion: null, release: null })
    expect(fleetSentence([facts(), price, churn], [alert()], NOW)).toBe(
      '2 of 3 models are live; price is out of its band; price has a release under way; 1 alert needs you.',
    )
    expect(fleetSentence([facts(), facts({ model: 'b' })], [], NOW)).toBe(
      'All 2 models are live; quality holds for all of them; nothing needs you.',
    )
    expect(fleetSentence([churn, { ...churn, model: 'x' }], [], NOW)).toBe(
      'None of 2 models is live, and none is trained yet; nothing needs you.',
    )
  })

  test('of none says so', () => {
    expect(fleetSentence([], [], NOW)).toBe('No model is described in the config yet.')
  })

  test('health asks for a person only when one is needed', () => {
    expect(healthOf([facts()], [])).toBe('good')
    expect(healthOf([facts({ release: canary })], [])).toBe('watch')
    expect(healthOf([facts()], [alert({ action: 'retrains' })])).toBe('watch')
    expect(healthOf([facts()], [alert({ state: 'acknowledged' })])).toBe('watch')
    expect(healthOf([facts()], [alert({ state: 'resolved' })])).toBe('good')
    expect(healthOf([facts()], [alert()])).toBe('act')
    expect(healthOf([facts({ release: { ...canary, state: 'paused' } })], [])).toBe('act')
    expect(healthOf([facts({ liveVersion: null, latestPassed: false })], [])).toBe('act')
  })
})

test('the sentence of a member says who answers and why', () => {
  const member: MemberFacts = {
    name: 'late/ATL',
    family: 'late',
    task: 'binary',
    heldReason: null,
    rows: 12_000,
    quality: [point(0.65)],
    expected: { value: 0.66, low: 0.64, high: 0.68 },
    alerts: [],
  }
  expect(memberSentence(member)).toBe(
    'late/ATL answers for itself, trained on 12,000 rows of its own; quality within its band (AUC 0.650 on 212,331 outcomes, 0.640 to 0.680 expected); nothing needs you.',
  )
  expect(memberSentence({ ...member, heldReason: 'too few rows', quality: [] })).toBe(
    'late/ATL is answered by its parent late: too few rows; nothing needs you.',
  )
})
