import {
  choice,
  col,
  dataset,
  gbdt,
  linear,
  model,
  project,
  range,
  type SearchOptions,
  search,
} from 'millrace'
import * as m from 'millrace/metrics'
import { expect, test } from 'vitest'
import { checkProject } from '../../src/define/check.ts'
import { invalidValues } from '../../src/define/rules.ts'
import { SEARCH_RULES } from '../../src/define/search-check.ts'
import type { ModelDef, SearchDef } from '../../src/define/types.ts'

const flights = dataset('flights', { source: 'flights.csv', time: 'date' })
const with_ = (over: Partial<SearchOptions<ReturnType<typeof gbdt>>> = {}): ModelDef =>
  model('late', {
    from: flights,
    target: col('delay').gt(15),
    trainer: search({ over: gbdt({ trees: 10 }), space: { leaves: range(8, 255, 'log') }, ...over }),
  })
const faultsOf = (def: ModelDef) =>
  checkProject(project('flights', { datasets: [flights], models: [def] })).map((e) => e.message)
const changed = (over: Partial<SearchDef>): ModelDef => {
  const def = with_()
  return { ...def, search: { ...def.search!, ...over } }
}

test('a search is the trainer as written, and what of it is searched', () => {
  const def = with_({ time: '10m', metric: m.auc, method: 'halving', resource: 'trees' })
  expect(def.trainer).toEqual(gbdt({ trees: 10 }))
  expect(def.search).toEqual({
    space: { leaves: { kind: 'range', min: 8, max: 255, scale: 'log', integer: true } },
    method: 'halving',
    trials: 50,
    timeMs: 600_000,
    folds: 3,
    resource: 'trees',
    metric: 'auc',
  })
  expect(faultsOf(def)).toEqual([])
})

test('a number is whole where the parameter is', () => {
  const { space } = with_({ space: { learningRate: range(0.01, 1), bins: range(16, 255) } }).search!
  expect(space.learningRate).toMatchObject({ integer: false })
  expect(space.bins).toMatchObject({ integer: true })
})

test('every value of a search is checked', () => {
  for (const [name, rule] of Object.entries(SEARCH_RULES))
    for (const value of invalidValues(rule))
      expect(faultsOf(changed({ [name]: value } as Partial<SearchDef>)).join(), `${name} ${value}`).toContain(
        `models.late.search.${name}`,
      )
})

test('a space names parameters that the trainer has, and values that they may have', () => {
  const space = (dimensions: SearchDef['space']) => faultsOf(changed({ space: dimensions })).join('\n')
  expect(space({})).toContain('models.late.search.space: parameters must be a whole number at least 1')
  expect(space({ leafs: range(1, 2) })).toContain('no parameter of gbdt "leafs"; there are trees, leaves')
  expect(space({ leaves: range(1, 31) })).toContain('space.leaves.min must be a whole number at least 2')
  expect(space({ leaves: range(31, 31) })).toContain('space.leaves.max must be a number above 31')
  expect(space({ learningRate: range(0.1, 2) })).toContain('space.learningRate.max')
  expect(space({ l2: range(0, 10, 'log') })).toContain('space.l2.min of a log range must be a number above 0')
  expect(space({ l2: choice(1) })).toContain('space.l2: values must be a whole number at least 2')
  expect(space({ l2: choice(1, 'many') })).toContain('space.l2 must be a number at least 0, got "many"')
})

test('metrics are known, and only trainers with trees are given fewer of them', () => {
  expect(faultsOf(changed({ metric: 'auk' })).join()).toContain('no metric "auk"')
  const line = { ...with_(), trainer: linear() }
  const faults = faultsOf({
    ...line,
    search: { ...line.search!, resource: 'trees', space: { l2: range(0, 1) } },
  })
  expect(faults.join()).toContain('resource of a trainer without trees')
})
