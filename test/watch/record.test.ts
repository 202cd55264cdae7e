import { expect, test } from 'vitest'
import { refs } from '../../src/core/names.ts'
import type { Finding, Verdict } from '../../src/core/records.ts'
import type { Store } from '../../src/store/ports.ts'
import { planAlerts } from '../../src/watch/alerts.ts'
import {
  acknowledgeAlert,
  allAlerts,
  emptyWatch,
  openAlerts,
  readWatch,
  recordWindow,
  sentenceOf,
  WINDOWS_KEPT,
} from '../../src/watch/record.ts'
import type { WindowReport } from '../../src/watch/records.ts'
import { closesAt, windowAt } from '../../src/watch/windows.ts'
import { codeOf, withStore } from '../store/fixture.ts'

const DAY = 86_400_000
const MONDAY = Date.UTC(2001, 3, 2)

const finding = (check: string, verdict: Verdict, overrides: Partial<Finding> = {}): Finding => ({
  kind: 'Finding',
  check,
  subject: 'models/late',
  value: 0.1,
  limit: '<= 0.1',
  n: 1000,
  verdict,
  message: `${check} says ${verdict}`,
  at: MONDAY,
  ...overrides,
})

const reportOf = (
  week: number,
  findings: Finding[],
  overrides: Partial<WindowReport> = {},
): WindowReport => ({
  kind: 'WindowReport',
  model: 'late',
  window: { fromAt: MONDAY + week * 7 * DAY, toAt: MONDAY + (week + 1) * 7 * DAY },
  version: 2,
  predictions: 50_000,
  joined: 48_000,
  refused: 0,
  byVersion: { '2': 50_000 },
  metrics: { auc: { value: 0.652, interval: [0.647, 0.657], n: 48_000 } },
  meanPredicted: 0.201,
  meanActual: 0.164,
  expected: { metric: 'auc', value: 0.671, low: 0.66, high: 0.68 },
  calibration: [],
  members: {},
  drift: [],
  findings,
  ...overrides,
})

const bad = finding('watch.calibration', 'fail')
const good = finding('watch.calibration', 'pass')

async function close(store: Store, report: WindowReport, before?: Awaited<ReturnType<typeof readWatch>>) {
  const open = await openAlerts(store, report.model)
  const plan = planAlerts(
    report,
    open.map((o) => o.alert),
    { owner: 'oncall@example.com' },
  )
  const known = before ?? (await readWatch(store, report.model)) ?? { state: emptyWatch(report.model, 0.05) }
  return await recordWindow(store, {
    before: known,
    report,
    fdr: known.state.fdr,
    checkpoint: { predictions: { segment: 1, offset: 10 } },
    plan,
    open,
    actor: 'millrace',
  })
}

test('windows are days, weeks from Monday and months, in UTC, and hold their first instant but not their last', () => {
  const at = Date.UTC(2024, 1, 29, 23, 59)
  expect(windowAt('day', at)).toEqual({ fromAt: Date.UTC(2024, 1, 29), toAt: Date.UTC(2024, 2, 1) })
  expect(windowAt('week', at)).toEqual({ fromAt: Date.UTC(2024, 1, 26), toAt: Date.UTC(2024, 2, 4) })
  expect(windowAt('month', at)).toEqual({ fromAt: Date.UTC(2024, 1, 1), toAt: Date.UTC(2024, 2, 1) })
  for (const unit of ['day', 'week', 'month'] as const) {
    for (const t of [-1, 0, at, Date.UTC(1969, 11, 31), Date.UTC(2001, 11, 31, 23)]) {
      const window = windowAt(unit, t)
      expect(window.fromAt).toBeLessThanOrEqual(t)
      expect(window.toAt).toBeGreaterThan(t)
      expect(windowAt(unit, window.fromAt)).toEqual(window)
      expect(windowAt(unit, window.toAt).fromAt).toBe(window.toAt)
    }
  }
  expect(new Date(windowAt('week', MONDAY).fromAt).getUTCDay()).toBe(1)
  expect(closesAt({ fromAt: 0, toAt: DAY }, { outcomeDelayMs: 5 })).toBe(DAY + 5)
})

test('a cause is one story: raised once, carried on while it lasts, resolved when it is gone', () => {
  const watch = { owner: 'o' }
  const members = [bad, finding('watch.calibration', 'fail', { subject: 'models/late/ATL' })]
  const first = planAlerts(reportOf(0, members), [], watch)
  expect(first.raise.map((a) => [a.dedupeKey, a.affected, a.owner])).toEqual([
    ['late/calibration', ['late', 'late/ATL'], 'o'],
  ])
  expect(first.raise[0].finding.subject).toBe('models/late')
  const again = planAlerts(reportOf(1, [bad]), first.raise, watch)
  expect(again).toMatchObject({
    raise: [],
    resolve: [],
    update: [{ id: first.raise[0].id, affected: ['late'] }],
  })
  const over = planAlerts(reportOf(2, [good]), again.update, watch)
  expect(over).toMatchObject({
    raise: [],
    update: [],
    resolve: [{ id: first.raise[0].id, state: 'resolved' }],
  })
  const later = planAlerts(reportOf(3, [bad]), over.resolve, watch)
  expect(later.raise[0].id).not.toBe(first.raise[0].id)
})

test('a window that could not be judged resolves nothing, and columns that drift share one story', () => {
  const drift = ['hour', 'origin'].map((slice) => finding('watch.drift', 'fail', { slice }))
  const { raise } = planAlerts(reportOf(0, [...drift, good]), [], { owner: 'o' })
  expect(raise.map((a) => a.affected)).toEqual([['hour', 'origin']])
  const thin = planAlerts(reportOf(1, [finding('watch.drift', 'inconclusive', { slice: 'hour' })]), raise, {
    owner: 'o',
  })
  expect(thin).toEqual({ raise: [], update: [], resolve: [] })
})

test('a window moves the state and its alerts in one commit, and tells each alert that begins or ends', async () => {
  await withStore(async (store) => {
    const first = await close(store, reportOf(0, [bad]))
    expect(first?.state.windows).toHaveLength(1)
    expect(first?.state.openFromAt).toBe(MONDAY + 7 * DAY)
    const [{ alert }] = await openAlerts(store, 'late')
    expect(await openAlerts(store, 'lat')).toEqual([])
    await close(store, reportOf(1, [bad]))
    await close(store, reportOf(2, [good]))
    expect(await openAlerts(store)).toEqual([])
    expect((await allAlerts(store, 'late')).map((a) => [a.alert.id, a.alert.state])).toEqual([
      [alert.id, 'resolved'],
    ])
    const events = await store.meta.events({ subject: 'models/late' })
    expect(events.map((e) => e.type)).toEqual([
      'watch.window',
      'alert.raised',
      'watch.window',
      'watch.window',
      'alert.resolved',
    ])
    expect(events[0].data).toMatchObject({ verdict: 'fail', raised: [alert.id], joined: 48_000 })
    expect((await readWatch(store, 'late'))?.state.windows.map((w) => w.verdict)).toEqual([
      'fail',
      'fail',
      'pass',
    ])
  })
})

test('the journal says a window in one sentence with its numbers', () => {
  expect(sentenceOf(reportOf(0, [bad, good]))).toBe(
    '2001-04-02 to 2001-04-08, v2: 48,000 of 50,000 predictions have outcomes; auc 0.652 (0.671 expected); predicted 0.201 on average, 0.164 happened; 1 of 2 findings failed',
  )
})

test('a window planned on an old state or on an alert that somebody moved is not recorded', async () => {
  await withStore(async (store) => {
    const stale = { state: emptyWatch('late', 0.05) }
    await close(store, reportOf(0, [bad]))
    expect(await close(store, reportOf(1, [bad]), stale as never)).toBeUndefined()
    const open = await openAlerts(store, 'late')
    const plan = planAlerts(
      reportOf(1, [bad]),
      open.map((o) => o.alert),
      { owner: 'o' },
    )
    await acknowledgeAlert(store, open[0].alert.id, 'ann')
    const before = (await readWatch(store, 'late'))!
    const record = {
      before,
      report: reportOf(1, [bad]),
      fdr: before.state.fdr,
      checkpoint: {},
      plan,
      open,
      actor: 'm',
    }
    expect(await recordWindow(store, record)).toBeUndefined()
    expect((await readWatch(store, 'late'))?.digest).toBe(before.digest)
    expect((await close(store, reportOf(1, [bad])))?.state.windows).toHaveLength(2)
    expect((await openAlerts(store))[0].alert.state).toBe('acknowledged')
  })
})

test('acknowledging is told once, and an alert that never was is refused', async () => {
  await withStore(async (store) => {
    await close(store, reportOf(0, [bad]))
    const [{ alert }] = await openAlerts(store)
    expect((await acknowledgeAlert(store, alert.id, 'ann')).state).toBe('acknowledged')
    await acknowledgeAlert(store, alert.id, 'bob')
    const told = await store.meta.events({ types: ['alert.acknowledged'] })
    expect(told.map((e) => e.actor)).toEqual(['ann'])
    expect(await codeOf(acknowledgeAlert(store, 'nothing', 'ann'))).toBe('MR_WATCH_ALERT_UNKNOWN')
  })
})

test('a state keeps so many windows at hand and no more', async () => {
  await withStore(async (store) => {
    const first = (await close(store, reportOf(0, [good])))!
    const windows = Array.from({ length: WINDOWS_KEPT + 5 }, () => first.state.windows[0])
    const digest = await store.putRecord({ ...first.state, windows })
    await store.meta.commit({
      moves: [{ name: refs.watch('late'), to: digest }],
      event: { type: 'test', subject: 's', actor: 'a', reason: 'r', data: {} },
    })
    expect((await close(store, reportOf(1, [good])))?.state.windows).toHaveLength(WINDOWS_KEPT)
  })
})
