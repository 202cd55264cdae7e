import { expect, test } from 'vitest'
import type { Finding } from '../../src/core/records.ts'
import { opens } from '../../src/core/verdicts.ts'
import { gates } from '../../src/define/index.ts'
import type { ModelDef } from '../../src/define/types.ts'
import { col, modelDef, openPlace } from '../fixtures/training-place.ts'

const H = (k: number) => `hash(i * 64 + ${k})`
/** `k` turns the meaning of x around, so that members are worth having where they are allowed to see it. */
const ROWS = (n: number) => `
  select x, k, (u < 1 / (1 + exp(-(case k when 'turned' then -2 else 2 end) * x)))::boolean as y, k || '!' as unused
  from (select i, (${H(1)} % 10000) / 5000.0 - 1 as x, (${H(2)} % 10000) / 10000.0 as u,
    case when i % 10 < 6 then 'plain' when i % 10 < 9 then 'turned' else 'thin' end as k from range(${n}) t(i))`
const SCHEMA = { x: 'float', k: 'string', y: 'bool', unused: 'string' } as const
const onX = { features: [{ name: 'x', expr: col('x') }] }
const family = (overrides: Partial<ModelDef> = {}) =>
  modelDef({ ...onX, each: { column: 'k', rowsMin: 100, membersMax: 10 }, ...overrides })
const by = (findings: Finding[], check: string) =>
  findings.find((f) => f.check === check && f.slice === undefined)

test('members that beat their parent on the validation rows answer for themselves; the bundle is better for it', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS(6000)], SCHEMA)
  const trained = await place.train(family(), version)
  const report = await place.gate(family(), trained)
  expect(report.used).toContain('turned')
  for (const why of Object.values(report.held))
    expect(why).toMatch(/not better than its parent|validation rows/)
  expect([...report.used, ...Object.keys(report.held)].sort()).toEqual(Object.keys(trained.members).sort())
  expect(report.promise.metrics.auc.value).toBeGreaterThan(trained.version.card.metrics.auc.value + 0.05)
  expect(report.promise.scores.counts.reduce((a, b) => a + b, 0)).toBe(trained.plan.rows.test)
  expect(by(report.findings, 'gate.no-skew')).toMatchObject({ verdict: 'pass', value: 0 })
  expect(opens(report.findings)).toBe(true)
})

test('a family under which the rows are all alike holds every member back', async () => {
  const place = await openPlace()
  const version = await place.version(
    [`select x, case when k = 'turned' then not y else y end as y, k from (${ROWS(3000)})`],
    {
      x: 'float',
      k: 'string',
      y: 'bool',
    },
  )
  const def = family({
    trainer: { ...family().trainer, memberTrees: 100, trees: 60, minRowsInLeaf: 5 } as ModelDef['trainer'],
  })
  const trained = await place.train(def, version)
  const report = await place.gate(def, trained)
  expect(report.used.length).toBeLessThan(Object.keys(trained.members).length)
})

test('the live family is scored from raw rows as serving would, also by columns that the candidate no longer reads', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS(6000)], SCHEMA)
  const before = family({
    features: [
      ...onX.features,
      { name: 'u', expr: { op: 'fit', fn: 'category', arg: col('unused'), params: {} } },
    ],
  })
  const old = await place.train(before, version)
  const live = await place.bundle(old, ['turned'], 4, 'k')
  const def = family({ gates: [gates.noWorseThanLive({ tolerance: 0.005 })] })
  const trained = await place.train(def, version)
  const finding = by((await place.gate(def, trained, live)).findings, 'gate.no-worse-than-live')!
  expect(finding.n).toBe(trained.plan.rows.test)
  expect(finding.message).toContain('live v4')
  const same = await place.gate(
    { ...before, gates: def.gates },
    old,
    await place.bundle(old, (await place.gate(before, old)).used, 5, 'k'),
  )
  expect(by(same.findings, 'gate.no-worse-than-live')).toMatchObject({ verdict: 'pass', value: 0 })
})

test('slices go by any column of the dataset; one that it does not have is an error and not a crash', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS(3000)], SCHEMA)
  const def = modelDef({
    ...onX,
    gates: [gates.slices('unused', { floor: 0.2, rowsMin: 50 }), { ...gates.slices('gone', { floor: 0.5 }) }],
  })
  const report = await place.gate(def, await place.train(def, version))
  expect(by(report.findings, 'gate.slices.unused')?.message).toMatch(/^3 slices/)
  expect(by(report.findings, 'gate.slices.gone')?.verdict).toBe('error')
  expect(opens(report.findings)).toBe(false)
})

test('a feature that leaks and may be trained with fails the gate, whether by value, by category or by what is missing', async () => {
  const place = await openPlace()
  const version = await place.version(
    [
      `select x, y, y::int * 2 + 1 as number, case when y then 'late' else 'fine' end as word, case when y then x end as hole from (${ROWS(3000)})`,
    ],
    { x: 'float', y: 'bool', number: 'int', word: 'string', hole: 'float' },
  )
  for (const name of ['number', 'word', 'hole']) {
    const def = modelDef({
      features: ['x', name].map((n) => ({ name: n, expr: col(n) })),
      leaksAllowed: [name],
      gates: [gates.noLeak()],
    })
    const finding = by((await place.gate(def, await place.train(def, version))).findings, 'gate.no-leak')
    expect(finding?.verdict, name).toBe('fail')
    expect(finding?.message).toContain(`"${name}"`)
  }
  const honest = modelDef({ ...onX, gates: [gates.noLeak()] })
  expect(
    by((await place.gate(honest, await place.train(honest, version))).findings, 'gate.no-leak')?.verdict,
  ).toBe('pass')
})

test('a regression that copies its target fails the gate too', async () => {
  const place = await openPlace()
  const version = await place.version(
    [`select x, 3 * x + 1 as copy, x * x as y0, x as y from (${ROWS(2000)})`],
    {
      x: 'float',
      copy: 'float',
      y: 'float',
    },
  )
  const def = modelDef({
    features: [{ name: 'copy', expr: col('copy') }],
    leaksAllowed: ['copy'],
    gates: [gates.noLeak()],
  })
  expect(by((await place.gate(def, await place.train(def, version))).findings, 'gate.no-leak')?.verdict).toBe(
    'fail',
  )
})

test('a metric of the other task is an error finding that closes the gate', async () => {
  const place = await openPlace()
  const version = await place.version([ROWS(2000)], SCHEMA)
  const def = modelDef({ ...onX, gates: [{ kind: 'metric', metric: 'rmse', max: 1 }] })
  const report = await place.gate(def, await place.train(def, version))
  expect(report.findings[0]).toMatchObject({ verdict: 'error' })
  expect(report.findings[0].message).toContain('regression')
})
