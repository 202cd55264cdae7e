import { expect, test } from 'vitest'
import type { Search, SearchTrial, ShapeSlot } from '../../console/src/api/types.ts'
import { stepsOf } from '../../console/src/charts/shape-steps.ts'
import { bestFirst } from '../../console/src/screens/model/trial-order.ts'

const slot = (from: number | null, to: number | null, value: number): ShapeSlot => ({
  label: `${from} to ${to}`,
  from,
  to,
  value,
  deviation: 0,
  share: 0.3,
})

test('steps of a shape have two ends: open ones reach a little beyond the last border, and what is missing has no step', () => {
  const steps = stepsOf([slot(null, 0, 1), slot(0, 100, 2), slot(100, null, 3), slot(null, null, 9)])
  expect(steps.map(({ left, right, value }) => [left, right, value])).toEqual([
    [-4, 0, 1],
    [0, 100, 2],
    [100, 104, 3],
  ])
  expect(stepsOf([slot(null, 5, 1), slot(5, null, 2)]).map(({ left, right }) => [left, right])).toEqual([
    [4.96, 5],
    [5, 5.04],
  ])
  expect(stepsOf([slot(null, null, 1)])).toEqual([])
})

const trial = (number: number, state: SearchTrial['state'], value: number | null): SearchTrial => ({
  number,
  params: {},
  state,
  share: 1,
  value,
  bestSoFar: null,
  error: null,
})

test('the chosen trial comes first, then what was measured on everything, what was stopped and what failed, each by its value', () => {
  const trials = [
    trial(0, 'done', 0.6),
    trial(1, 'failed', null),
    trial(2, 'stopped', 0.9),
    trial(3, 'done', 0.7),
    trial(4, 'stopped', 0.5),
    trial(5, 'done', 0.7),
  ]
  const order = (higherIsBetter: boolean, best: number) =>
    bestFirst({ trials, best, higherIsBetter } as Search).map(({ number }) => number)
  expect(order(true, 3)).toEqual([3, 5, 0, 2, 4, 1])
  expect(order(false, 0)).toEqual([0, 3, 5, 4, 2, 1])
})
