/** Serving under a policy of its log, and what the loop then says of the traffic: from requests to windows and explanations. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { whyView } from '../../src/api/views/why.ts'
import { isKept } from '../../src/core/log-sample.ts'
import { seededRng } from '../../src/core/rng.ts'
import { Follower } from '../../src/loop/follow.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import type { LogPolicy } from '../../src/serve/log-policy.ts'
import { createServer } from '../../src/serve/server.ts'
import { binomialCdf } from '../../src/stats/distributions.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { DAY, MODEL, openSmall, putVersion, type Small } from './fixture.ts'

/** A Monday. */
const BEGIN = Date.UTC(2001, 0, 1)
const ROWS = 3_000

let small: Small
beforeEach(async () => {
  small = await openSmall({ startAt: BEGIN })
  await putVersion(small.store, 1)
  await releaseLatest(small.rt, { model: MODEL, actor: 'ada' })
})
afterEach(() => small.drop())

interface Week {
  report: WindowReport
  /** Share of the yes over all rows, and of the rows whose x is high. */
  happened: number
  high: number
}

/** A week of traffic under policies that change in the middle of it, its outcomes, and what its window came to. */
async function week(...policies: Partial<LogPolicy>[]): Promise<Week> {
  const rng = seededRng(7)
  let policy = policies[0]
  const server = createServer({
    store: small.store,
    clock: small.clock,
    port: 0,
    logPolicy: () => policy,
    logHashKey: Buffer.from('key'),
  })
  await server.station.start()
  let yes = 0
  let high = 0
  for (let i = 0; i < ROWS; i += 100) {
    policy = policies[Math.floor((i / ROWS) * policies.length)]
    const ids = Array.from({ length: 100 }, (_, k) => `row-${i + k}`)
    const rows = ids.map(() => ({ x: rng.next() }))
    const outcomes = ids.map((id, k) => ({ id, value: rng.next() < (rows[k].x > 0.5 ? 0.73 : 0.27) ? 1 : 0 }))
    yes += outcomes.reduce((sum, { value }) => sum + value, 0)
    high += rows.filter(({ x }) => x > 0.5).length
    await server.station.predict({ model: MODEL, rows, ids })
    await server.station.feedback(MODEL, outcomes)
    small.clock.set(small.clock.now() + 60_000)
  }
  small.clock.set(BEGIN + 10 * DAY)
  const follower = await Follower.open(small.rt)
  const happenings = await follower.poll()
  await server.close()
  const [found] = happenings.filter((h) => h.kind === 'window')
  return { report: found.report, happened: yes / ROWS, high: high / ROWS }
}

/** Whether so many of n is what chance makes of a share. */
function expectShare(count: number, n: number, share: number): void {
  const p = binomialCdf(Math.round(count), Math.round(n), share)
  expect(p, `${count} of ${n} at ${share}`).toBeGreaterThan(1e-4)
  expect(p, `${count} of ${n} at ${share}`).toBeLessThan(1 - 1e-4)
}

const keptOf = (share: number) =>
  Array.from({ length: ROWS }, (_, i) => `row-${i}`).filter((id) => isKept(id, share)).length

describe('a log that keeps a share', () => {
  test('is watched as the whole would be: as many rows, the same rates, and it says of what', async () => {
    const { report, happened, high } = await week({ sample: 0.2 })
    const n = keptOf(0.2)
    expect([report.predictions, report.joined, report.sample, report.answered]).toEqual([n, n, 0.2, n * 5])
    expectShare(report.meanActual * n, n, happened)
    const { current } = report.drift[0]
    expect(current.counts[0] + current.counts[1]).toBe(n)
    expectShare(current.counts[1], n, high)
    expect(report.findings.filter(({ verdict }) => verdict === 'fail')).toEqual([])
  })

  test('that changes within a window weighs rows of before as those of after', async () => {
    const { report, high } = await week({ sample: 1 }, { sample: 0.1 })
    const after = Array.from({ length: ROWS / 2 }, (_, i) => `row-${ROWS / 2 + i}`).filter((id) =>
      isKept(id, 0.1),
    ).length
    expect([report.predictions, report.answered]).toEqual([
      ROWS / 2 + after,
      Math.round(ROWS / 2 + after * 10),
    ])
    const { current } = report.drift[0]
    const n = current.counts[0] + current.counts[1]
    expect(n).toBeCloseTo(ROWS / 20 + after, 6)
    expectShare(current.counts[1], n, high)
  })

  test('and grows again: what comes after is thinned', async () => {
    const { report } = await week({ sample: 0.1 }, { sample: 1 })
    const { current } = report.drift[0]
    expect(current.counts[0] + current.counts[1]).toBe(keptOf(0.1))
    expect(report.joined).toBe(keptOf(0.1))
  })

  test('finds the answers that it kept, and says of others that it may not have', async () => {
    await week({ sample: 0.5 })
    const [kept, away] = [true, false].map(
      (want) => Array.from({ length: 99 }, (_, i) => `row-${i}`).find((id) => isKept(id, 0.5) === want)!,
    )
    expect((await whyView(small.rt, kept)).explanation.exact).toBe(true)
    await expect(whyView(small.rt, away)).rejects.toMatchObject({
      code: 'MR_LOOP_PREDICTION_UNKNOWN',
      fix: expect.stringContaining('sample'),
    })
  })
})

describe.each([
  ['left out', { redact: ['x'] }],
  ['hashed', { hash: ['x'] }],
])('inputs that are %s', (_, policy) => {
  test('are not compared, which is said; outcomes and predictions are watched as before', async () => {
    const { report, happened } = await week(policy)
    expect(report.joined).toBe(ROWS)
    expect(report.meanActual).toBeCloseTo(happened, 9)
    const drift = report.findings.find(({ check }) => check === 'watch.drift')
    expect(drift).toMatchObject({ slice: 'x', verdict: 'inconclusive', value: null })
    expect(drift?.message).toContain('not in the log, by the policy of the model')
    const why = await whyView(small.rt, 'row-17')
    expect(why.unlogged).toEqual(['x'])
    expect(why.explanation).toMatchObject({ method: 'none', exact: false, contributions: [] })
    expect(why.explanation.fallback).toContain('the log does not have x')
    expect(why.outcome).not.toBeNull()
  })
})
