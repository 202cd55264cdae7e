import { expect, test } from 'vitest'
import { type BacktestRow, decayLesson, lessonOf as lesson } from '../../src/loop/backtest.ts'

const lessonOf = (rows: BacktestRow[], leadMetric = 'auc') => lesson({ rows, leadMetric })

const row = (
  label: string,
  ageMonths: number | null,
  rowsTrained: number,
  lead: number,
  over: Partial<BacktestRow> = {},
): BacktestRow => ({
  label,
  window: { fromAt: 0, toAt: 1 },
  ageMonths,
  test: { fromAt: 2, toAt: 3 },
  staleMonths: ageMonths ?? 0,
  rowsTrained,
  modelVersion: 'sha256:0',
  lead: { value: lead, n: 100 },
  loss: { value: 0.4, n: 100 },
  meanPredicted: 0.2,
  meanActual: 0.2,
  ...over,
})

test('tells that more data beat fresher data when they did', () => {
  const rows = [
    row('Jan', 5, 100, 0.651),
    row('May', 1, 100, 0.66, { meanPredicted: 0.163, meanActual: 0.215 }),
    row('all', null, 500, 0.676),
  ]
  expect(lessonOf(rows)).toBe(
    'Best ranking: all (0.676). Fresh data do better than old: May 0.660, Jan 0.651. More data beat fresher data here: all 0.676. ' +
      'The freshest window predicts 0.163 on average where 0.215 happened: miscalibrated, because its own level was not the level of what came next.',
  )
})

test('tells the opposite when it came out the other way', () => {
  const rows = [row('old', 4, 100, 0.7), row('new', 1, 100, 0.69), row('all', null, 500, 0.68)]
  const told = lessonOf(rows)
  expect(told).toContain('Best ranking: old (0.700).')
  expect(told).toContain('Fresh data do not do better than old: new 0.690, old 0.700.')
  expect(told).toContain('More data did not beat fresher data here: all 0.680.')
  expect(told).toContain('well calibrated')
})

test('of an error the smallest is best', () => {
  const rows = [row('old', 4, 100, 12.5), row('new', 1, 100, 10.25), row('all', null, 500, 9)]
  const told = lessonOf(rows, 'rmse')
  expect(told).toContain('Best error: all (9).')
  expect(told).toContain('Fresh data do better than old: new 10.3, old 12.5.')
  expect(told).toContain('More data beat fresher data here: all 9.')
})

test('targets below zero are calibrated by their size', () => {
  const rows = [row('a', 2, 10, 5), row('b', 1, 10, 4, { meanPredicted: -20.5, meanActual: -20 })]
  expect(lessonOf(rows, 'rmse')).toContain('well calibrated')
})

test('one window alone has no lesson of age, and nothing is wider than the freshest', () => {
  expect(lessonOf([row('a', 1, 10, 0.7)])).toBe('Best ranking: a (0.700).')
  expect(lessonOf([row('a', 1, 500, 0.7), row('b', 2, 10, 0.6)])).not.toContain('More data')
})

test('of several periods the newest is told, and decay after it', () => {
  const rows = [
    row('old', 2, 10, 0.9),
    row('Jan', 2, 10, 0.6, { test: { fromAt: 5, toAt: 6 } }),
    row('Feb', 1, 10, 0.7, { test: { fromAt: 5, toAt: 6 } }),
  ]
  const decay = {
    halvingsPerMonth: 0.2,
    interval: [0.1, 0.3] as [number, number],
    halfLifeMonths: 5,
    halfLifeInterval: [3.33, 10] as [number, number],
    n: 3,
    curve: [],
  }
  const told = lesson({ rows, leadMetric: 'auc', decay })
  expect(told).toContain('Best ranking: Feb (0.700).')
  expect(told).toMatch(/Half the skill is gone after 5 months \(95 % interval 3.3 to 10\).$/)
})

test('decay that may be chance, and its opposite, are not told as decay', () => {
  const decay = { halvingsPerMonth: 0.1, n: 4, halfLifeMonths: 10 }
  expect(decayLesson({ ...decay, interval: [-0.1, 0.3], halfLifeInterval: [3.33, null] })).toBe(
    'No decay with age can be told from chance: half the skill would be gone after 3.3 months at the earliest.',
  )
  expect(
    decayLesson({
      ...decay,
      halvingsPerMonth: -0.2,
      halfLifeMonths: null,
      interval: [-0.3, -0.1],
      halfLifeInterval: [null, null],
    }),
  ).toContain('Older windows did better')
})
