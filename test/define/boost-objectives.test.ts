import { describe, expect, test } from 'vitest'
import {
  BOOST_OBJECTIVES,
  type BoostObjectiveName,
  boostObjective,
  objectiveFor,
  objectivesOf,
} from '../../src/define/boost-objectives.ts'
import { gbdt } from '../../src/define/index.ts'
import { invalidValues } from '../../src/define/rules.ts'
import { expectCode } from '../stats/close.ts'

const NAMES = Object.keys(BOOST_OBJECTIVES) as BoostObjectiveName[]

describe('what boosting minimises', () => {
  test('is by default that of the task', () => {
    expect(gbdt().objective).toBeUndefined()
    expect(objectivesOf('binary')[0]).toBe('logloss')
    expect(objectivesOf('multiclass')[0]).toBe('softmax')
    expect(objectivesOf('regression')[0]).toBe('l2')
    expect(objectivesOf('ranking')[0]).toBe('lambdarank')
  })

  test('is named with its parameters beside it or inside it, and kept with all of them', () => {
    const wanted = { name: 'quantile', alpha: 0.9 }
    expect(gbdt({ objective: 'quantile', alpha: 0.9 }).objective).toEqual(wanted)
    expect(gbdt({ objective: { name: 'quantile', alpha: 0.9 } }).objective).toEqual(wanted)
    expect(gbdt({ objective: 'quantile' }).objective).toEqual({ name: 'quantile', alpha: 0.5 })
    expect(gbdt({ objective: 'tweedie', power: 1.2, trees: 7 })).toMatchObject({
      trees: 7,
      objective: { name: 'tweedie', power: 1.2 },
    })
    expect(gbdt({ objective: 'quantile', alpha: 0.9 })).not.toHaveProperty('alpha')
  })

  test('a largest step of leaves is a setting of trees, that of poisson stands inside', () => {
    expect(gbdt({ objective: 'poisson', maxDeltaStep: 2 })).toMatchObject({
      maxDeltaStep: 2,
      objective: { name: 'poisson', maxDeltaStep: 0.7 },
    })
    expect(gbdt({ objective: { name: 'poisson', maxDeltaStep: 2 } }).objective).toEqual({
      name: 'poisson',
      maxDeltaStep: 2,
    })
  })

  test('refuses a parameter of another objective, and says whose it is and what it takes itself', () => {
    // @ts-expect-error: alpha is of quantile
    expect(() => gbdt({ objective: 'huber', alpha: 0.9 })).toThrow(
      'gbdt "huber" takes delta; alpha is a parameter of quantile',
    )
    // @ts-expect-error: alpha is of quantile
    expectCode(() => gbdt({ alpha: 0.9 }), 'MR_DEFINE_OBJECTIVE')
    // @ts-expect-error: no such objective
    expectCode(() => gbdt({ objective: 'hinge' }), 'MR_DEFINE_UNKNOWN')
    expect(() => gbdt({ objective: 'quantile', alpha: 1 })).toThrow(
      /alpha must be a number above 0 and below 1/,
    )
  })

  test('must fit the task', () => {
    expect(objectiveFor('regression', undefined).name).toBe('l2')
    expect(() => objectiveFor('binary', 'poisson', 'models.m.trainer.objective')).toThrow(
      'models.m.trainer.objective: there is no objective of a binary model "poisson"; there is logloss',
    )
  })
})

describe('every parameter of an objective is checked', () => {
  const cases = NAMES.flatMap((name) =>
    Object.entries(BOOST_OBJECTIVES[name].params).map(([param, spec]) => [name, param, spec.rule] as const),
  )
  test.each(cases)('%s %s', (name, param, rule) => {
    for (const bad of invalidValues(rule)) {
      if (bad === null || bad === undefined) continue
      expectCode(() => boostObjective({ name, [param]: bad } as never), 'MR_DEFINE_VALUE')
    }
  })
})
