import { expect, test } from 'vitest'
import type { Finding, SignatureField } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import type { WatchDef } from '../../src/define/types.ts'
import { checks, col } from '../../src/index.ts'
import { openLord } from '../../src/stats/multiplicity.ts'
import { WindowAccumulator } from '../../src/watch/accumulator.ts'
import { planAlerts } from '../../src/watch/alerts.ts'
import { judgeWindow } from '../../src/watch/judge.ts'
import { trafficChecks, trafficVerdict } from '../../src/watch/traffic-checks.ts'
import { hitsAtMost } from '../stats/close.ts'
import { blockOf, cardOf, referenceOf, trafficRow, WEEK } from './fixture.ts'

const inputs: SignatureField[] = [
  { name: 'distance', type: 'float', nullable: false },
  { name: 'origin', type: 'string', nullable: true },
]
const delivered = (value: number, n: number): { findings: Finding[] } => ({
  findings: [
    {
      kind: 'Finding',
      check: 'positive',
      subject: 'datasets/d',
      value,
      limit: '',
      n,
      verdict: 'pass',
      message: '',
      at: 0,
    },
  ],
})
const positive = checks.holds(col('distance').gt(0)).named('positive').def

test('only rules about inputs of the model are asked of requests, with what all deliveries came to', () => {
  const found = trafficChecks(
    [
      positive,
      checks.notNull('delay').def,
      checks.unique('origin').def,
      checks.notNull('origin').atLeast(0.9).def,
    ],
    inputs,
    [delivered(0.99, 1_000), delivered(1, 3_000)],
  )
  expect(found.map(({ name, training, allowed }) => [name, training, Number(allowed.toFixed(3))])).toEqual([
    ['positive', { judged: 4_000, failed: 10 }, 0],
    ['notNull(origin)', null, 0.1],
  ])
  const [rule, filled] = found
  expect(
    [{ distance: 3 }, { distance: 0 }, { distance: null }].map((row) =>
      rule!.holds({ origin: null, ...row }),
    ),
  ).toEqual([true, false, null])
  expect([{ origin: 'ATL' }, { origin: null }].map((row) => filled!.holds({ distance: 1, ...row }))).toEqual([
    true,
    false,
  ])
})

test('a share that is as high as in the deliveries fails in no more of 300 windows than promised, and one well above always', () => {
  const [check] = trafficChecks([positive], inputs, [delivered(0.98, 50_000)])
  const at = { subject: 'models/m', at: 1 }
  let [calm, skewed] = [0, 0]
  for (let seed = 0; seed < 300; seed++) {
    const rng = seededRng(seed)
    const failing = (share: number) =>
      Array.from({ length: 2_000 }, () => Number(rng.next() < share)).reduce((a, b) => a + b, 0)
    if (trafficVerdict(check!, { judged: 2_000, failed: failing(0.03) }, at)!.pValue <= 0.01) calm++
    if (trafficVerdict(check!, { judged: 2_000, failed: failing(0.06) }, at)!.pValue <= 0.01) skewed++
  }
  expect(calm).toBeLessThanOrEqual(hitsAtMost(300, 0.01))
  expect(skewed).toBeGreaterThan(290)
  expect(trafficVerdict(check!, { judged: 60, failed: 60 }, at)).toBeUndefined()
})

test('a window names the rule that live rows break, as one alert with its own page, and ends it when they keep it again', () => {
  const plain = referenceOf()
  const rules = [checks.between('x1', -50, 50).named('x1 in range').def, checks.notNull('x2').def]
  const rows = trafficChecks(rules, plain.features.columns, [])
  const windowOf = (broken: number) => {
    const window = new WindowAccumulator(WEEK, { ...plain, checks: rows })
    const rng = seededRng(3)
    const traffic = Array.from({ length: 3_000 }, (_, i) => trafficRow(rng, `id-${i}`))
    for (const row of traffic.slice(0, broken)) row.inputs[1] = 999
    window.addPredictions(blockOf(traffic))
    return window
  }
  const judged = (broken: number) =>
    judgeWindow(
      windowOf(broken),
      { ...plain, checks: rows },
      cardOf(),
      { ...openLord(0.05), tests: 1 },
      'late',
    ).report
  const bad = judged(400)
  const found = bad.findings.filter((f) => f.check === 'watch.check')
  expect(found.map((f) => [f.slice, f.verdict, f.n])).toEqual([
    ['x1 in range', 'fail', 3_000],
    ['notNull(x2)', 'pass', 3_000],
  ])
  expect(found[0]!.message).toContain('13.3 % of the live rows fail')
  expect(bad.checks).toEqual([
    { check: 'x1 in range', judged: 3_000, failed: 400, training: null },
    { check: 'notNull(x2)', judged: 3_000, failed: 0, training: null },
  ])
  const watch = { owner: 'ops' } as Pick<WatchDef, 'owner'>
  const raised = planAlerts(bad, [], watch).raise.find((alert) => alert.dedupeKey === 'late/checks')
  expect([raised?.runbook, raised?.affected]).toEqual(['docs/operating/checks.md', ['x1 in range']])
  const after = planAlerts(judged(0), [raised!], watch)
  expect(after.resolve.map((alert) => alert.id)).toEqual([raised!.id])
})
