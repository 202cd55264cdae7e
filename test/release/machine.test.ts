import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest, Finding, Release, Verdict } from '../../src/core/records.ts'
import { canary, immediate } from '../../src/define/index.ts'
import type { ReleaseDef } from '../../src/define/types.ts'
import {
  beginRelease,
  candidateRoute,
  type Evidence,
  liveRoute,
  nextStep,
  promote,
  rollBack,
} from '../../src/release/machine.ts'
import { currentRelease, recordRelease, releaseBefore, releaseHistory } from '../../src/release/record.ts'
import { digestNo, withStore } from '../store/fixture.ts'

const gate = (verdict: Verdict, slice?: string): Finding => ({
  kind: 'Finding',
  check: 'gate.x',
  subject: 'models/m',
  slice,
  value: 1,
  limit: '',
  n: 1,
  verdict,
  message: '',
  at: 0,
})
const PASS = [gate('pass')]

const evidence = (overrides: Partial<Evidence> = {}): Evidence => ({
  n: 1000,
  nStage: 1000,
  mean: 0,
  interval: [-0.01, 0.001],
  decision: 'no-worse',
  errors: 0,
  ...overrides,
})

/** Weights of the routes that answer. */
const answering = (release: Release) => release.routes.filter((r) => r.role !== 'shadow' && r.weight > 0)
const total = (release: Release) => answering(release).reduce((sum, r) => sum + r.weight, 0)

type Act =
  | { kind: 'begin'; verdicts: Verdict[] }
  | { kind: 'evidence'; evidence: Evidence }
  | { kind: 'promote' }
  | { kind: 'rollBack' }

const verdict = fc.constantFrom<Verdict>('pass', 'fail', 'inconclusive', 'error')
const acts: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ kind: fc.constant('begin' as const), verdicts: fc.array(verdict, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant('begin' as const), verdicts: fc.constant<Verdict[]>(['pass']) }),
  fc.record({
    kind: fc.constant('evidence' as const),
    evidence: fc.record({
      n: fc.nat(5000),
      nStage: fc.nat(1000),
      mean: fc.double({ min: -1, max: 1, noNaN: true }),
      interval: fc.constant<[number, number]>([-1, 1]),
      decision: fc.constantFrom('undecided' as const, 'worse' as const, 'no-worse' as const),
      errors: fc.constantFrom(0, 0, 0, 1),
    }),
  }),
  fc.constant({ kind: 'promote' as const }),
  fc.constant({ kind: 'rollBack' as const }),
)
const defs: fc.Arbitrary<ReleaseDef> = fc
  .uniqueArray(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { maxLength: 4 })
  .map((steps) => canary({ steps: steps.sort((a, b) => a - b), rowsMin: 300 }))

/** Plays acts on a history of releases by digest, and tells every move. */
function play(
  def: ReleaseDef,
  story: Act[],
  seen: (before: Release | undefined, after: Release, act: Act) => void,
): Release[] {
  const releases: Release[] = []
  const digestOf = (i: number) => digestNo(i + 1)
  const named = (digest?: Digest) =>
    digest === undefined ? undefined : releases[Number.parseInt(digest.slice(-8), 16) - 1]
  let version = 0
  for (const [at, act] of story.entries()) {
    const current = releases.at(-1)
    const after = moved(act, current, at)
    if (!after) continue
    seen(current, after, act)
    releases.push(after)
  }
  return releases

  function moved(act: Act, current: Release | undefined, at: number): Release | undefined {
    if (act.kind === 'begin') {
      const findings = act.verdicts.map((v) => gate(v))
      const candidate = { bundle: digestNo(1000 + ++version), version }
      const under = current && { digest: digestOf(releases.length - 1), release: current }
      const open = findings.length > 0 && act.verdicts.every((v) => v === 'pass')
      if (!open) {
        expect(() => beginRelease('m', def, candidate, under, findings, at)).toThrow('gates')
        return undefined
      }
      return beginRelease('m', def, candidate, under, findings, at)
    }
    if (!current) return undefined
    if (act.kind === 'promote') return promote(current, 'by hand', at)
    if (act.kind === 'rollBack') {
      let previous = named(current.previous)
      while (previous && liveRoute(previous)?.bundle === liveRoute(current)?.bundle)
        previous = named(previous.previous)
      return rollBack(current, previous, 'by hand', at)
    }
    const step = nextStep(current, def, act.evidence, at)
    expect(nextStep(current, def, act.evidence, at)).toEqual(step)
    return step.kind === 'wait' ? undefined : step.release
  }
}

test('whatever happens, weights of answering routes sum to 1, and one live route answers', () => {
  fc.assert(
    fc.property(defs, fc.array(acts, { maxLength: 40 }), (def, story) => {
      play(def, story, (_, after) => {
        expect(total(after)).toBeCloseTo(1, 12)
        expect(liveRoute(after)).toBeDefined()
        expect(answering(after).filter((r) => r.role === 'live')).toHaveLength(1)
        expect(after.routes.filter((r) => r.role === 'shadow').every((r) => r.weight === 0)).toBe(true)
      })
    }),
  )
})

test('a bundle is live only by open gates at its beginning, evidence at every step or a person, or as it was before', () => {
  fc.assert(
    fc.property(defs, fc.array(acts, { maxLength: 40 }), (def, story) => {
      const begun = new Set<Digest>()
      const everLive = new Set<Digest>()
      play(def, story, (before, after, act) => {
        if (act.kind === 'begin') begun.add((candidateRoute(after) ?? liveRoute(after))!.bundle)
        const live = liveRoute(after)!.bundle
        if (before && live !== liveRoute(before)!.bundle) {
          expect(begun.has(live)).toBe(true)
          if (act.kind === 'evidence') {
            expect(before.step).toBe(before.steps.length - 1)
            expect(act.evidence).toMatchObject({ decision: 'no-worse', errors: 0 })
            expect(act.evidence.nStage).toBeGreaterThanOrEqual(def.rowsMin)
          }
          if (act.kind === 'rollBack') expect(everLive.has(live)).toBe(true)
          if (act.kind === 'begin') expect(def.steps).toEqual([])
        }
        everLive.add(live)
      })
    }),
  )
})

test('worse evidence gives all traffic to the live version, at once and however few rows the step has', () => {
  fc.assert(
    fc.property(defs, fc.array(acts, { maxLength: 30 }), fc.nat(400), (def, story, nStage) => {
      const current = play(def, story, () => undefined).at(-1)
      if (current?.state !== 'shadow' && current?.state !== 'canary') return
      for (const bad of [{ decision: 'worse' as const }, { errors: 1 }]) {
        const step = nextStep(current, def, evidence({ nStage, ...bad }), 99)
        expect(step.kind).toBe('rollBack')
        if (step.kind !== 'rollBack') return
        expect(step.release.routes).toEqual([{ ...liveRoute(current)!, weight: 1 }])
        expect(step.release.findings[0].verdict).toBe('fail')
      }
    }),
  )
})

test('a rollback at any point of a release gives all traffic to the version that was live', () => {
  const def = canary()
  const v1 = beginRelease('m', def, { bundle: digestNo(1), version: 1 }, undefined, PASS, 0)
  let release = beginRelease(
    'm',
    def,
    { bundle: digestNo(2), version: 2 },
    { digest: digestNo(9), release: v1 },
    PASS,
    1,
  )
  for (let i = 0; i <= def.steps.length; i++) {
    expect(rollBack(release, undefined, 'no', 5)?.routes).toEqual(v1.routes)
    const step = nextStep(release, def, evidence(), 2 + i)
    if (step.kind === 'wait') throw new Error(step.reason)
    release = step.release
  }
  expect(release.state).toBe('live')
  expect(release.routes).toEqual([{ bundle: digestNo(2), version: 2, role: 'live', weight: 1 }])
  expect(rollBack(release, v1, 'no', 9)).toEqual({ ...v1, findings: [], reason: 'no', at: 9 })
})

test('the steps of a release are those it began with, in order, each with both versions in the shadow of the other', () => {
  const def = canary({ steps: [0.01, 0.5] })
  const first = beginRelease('m', def, { bundle: digestNo(1), version: 1 }, undefined, PASS, 0)
  let release = beginRelease(
    'm',
    def,
    { bundle: digestNo(2), version: 2 },
    { digest: digestNo(9), release: first },
    PASS,
    1,
  )
  const shares: number[] = []
  for (;;) {
    const step = nextStep(release, canary({ steps: [] }), evidence(), 2)
    if (step.kind === 'wait') throw new Error(step.reason)
    release = step.release
    if (step.kind === 'promote') break
    shares.push(candidateRoute(release)!.weight)
    expect(
      release.routes
        .filter((r) => r.role === 'shadow')
        .map((r) => r.version)
        .sort(),
    ).toEqual([1, 2])
  }
  expect(shares).toEqual([0.01, 0.5])
})

test('the first release, and one without steps, is live at once; a waiting step says what it waits for', () => {
  const first = beginRelease('m', canary(), { bundle: digestNo(1), version: 1 }, undefined, PASS, 0)
  expect(first).toMatchObject({ state: 'live', previous: undefined })
  const current = { digest: digestNo(9), release: first }
  const second = beginRelease('m', immediate(), { bundle: digestNo(2), version: 2 }, current, PASS, 1)
  expect(second).toMatchObject({ state: 'live', previous: digestNo(9) })
  expect(() => beginRelease('m', canary(), { bundle: digestNo(1), version: 1 }, current, PASS, 1)).toThrow(
    'not released again',
  )
  const shadow = beginRelease('m', canary(), { bundle: digestNo(2), version: 2 }, current, PASS, 1)
  expect(nextStep(shadow, canary(), evidence({ nStage: 20 }), 2)).toEqual({
    kind: 'wait',
    reason: '20 of the 500 outcomes that this step needs',
  })
  expect(nextStep(shadow, canary(), evidence({ decision: 'undecided' }), 2)).toMatchObject({ kind: 'wait' })
  expect(nextStep(first, canary(), evidence(), 2)).toEqual({ kind: 'wait', reason: 'the release is live' })
})

test('findings of slices neither open nor close a release', () => {
  const candidate = { bundle: digestNo(1), version: 1 }
  expect(
    beginRelease('m', canary(), candidate, undefined, [gate('pass'), gate('fail', 'ATL')], 0).state,
  ).toBe('live')
  expect(() => beginRelease('m', canary(), candidate, undefined, [gate('pass', 'ATL')], 0)).toThrow('gates')
})

test('going back after a canary went back by itself reaches the version before', async () => {
  await withStore(async (store) => {
    const def = canary()
    const record = async (release: Release) =>
      (await recordRelease(store, release, (await currentRelease(store, 'm'))?.digest, 'test'))!
    await record(beginRelease('m', def, { bundle: digestNo(1), version: 1 }, undefined, PASS, 0))
    const begin = async (version: number) => {
      const current = await currentRelease(store, 'm')
      return beginRelease('m', def, { bundle: digestNo(version), version }, current, PASS, version)
    }
    await record(promote(await begin(2), 'by hand', 3)!)
    const step = nextStep(await begin(3), def, evidence({ decision: 'worse' }), 4)
    if (step.kind !== 'rollBack') throw new Error(step.kind)
    await record(step.release)
    expect(liveRoute((await currentRelease(store, 'm'))!.release)?.version).toBe(2)
    const before = await releaseBefore(store, (await currentRelease(store, 'm'))!.release)
    expect(before && liveRoute(before)?.version).toBe(1)
    const back = rollBack((await currentRelease(store, 'm'))!.release, before, 'by hand', 5)!
    await record(back)
    expect(await releaseBefore(store, back)).toBeUndefined()
    expect(
      (await releaseHistory(store, 'm')).map((r) => [r.release.state, liveRoute(r.release)?.version]),
    ).toEqual([
      ['live', 1],
      ['rolled-back', 2],
      ['live', 2],
      ['live', 1],
    ])
    expect(await recordRelease(store, back, undefined, 'test')).toBeUndefined()
  })
})
