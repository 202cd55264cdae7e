import { expect, test } from 'vitest'
import { encodeVectors, probabilityOf, type Said } from '../../src/core/class-vectors.ts'
import { GroupRows } from '../../src/core/group-rows.ts'
import type { OutcomeBlock, PredictionBlock } from '../../src/core/log-blocks.ts'
import { LogJoin } from '../../src/core/log-join.ts'

const predictions = (at: number, ids: string[], over: Partial<PredictionBlock> = {}): PredictionBlock => ({
  kind: 'predictions',
  model: 'late',
  at,
  ids,
  members: ids.map(() => ''),
  versions: ids.map(() => 1),
  modelVersions: [],
  modelVersion: ids.map(() => 0),
  routes: ids.map(() => 'live'),
  inputs: {},
  outputs: ids.map((_, i) => i / 10),
  ...over,
})
const outcomes = (at: number, ids: string[], values: number[]): OutcomeBlock => ({
  kind: 'outcomes',
  model: 'late',
  at,
  ids,
  values,
})

test('joins an outcome that comes after its prediction', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions(predictions(0, ['a', 'b']))
  const rows = join.addOutcomes(outcomes(5, ['b', 'a'], [1, 0]))
  expect(rows.map((r) => [r.id, r.output, r.outcome])).toEqual([
    ['b', 0.1, 1],
    ['a', 0, 0],
  ])
})

test('joins an outcome that comes before its prediction', () => {
  const join = new LogJoin('late', 1000)
  expect(join.addOutcomes(outcomes(0, ['a'], [1]))).toEqual([])
  expect(join.addPredictions(predictions(1, ['a'])).map((r) => r.outcome)).toEqual([1])
})

test('a pair is joined once, however often the outcome is sent', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions(predictions(0, ['a']))
  join.addOutcomes(outcomes(1, ['a'], [1]))
  expect(join.addOutcomes(outcomes(2, ['a'], [1]))).toEqual([])
  expect(join.counts().joined).toBe(1)
})

test('carries what the shadow said of the same request', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions(predictions(0, ['a']))
  join.addPredictions(predictions(0, ['a'], { routes: ['shadow'], versions: [2], outputs: [0.7] }))
  expect(join.addOutcomes(outcomes(1, ['a'], [1]))[0].shadows).toEqual([{ version: 2, output: 0.7 }])
})

test('gives up predictions whose outcome never comes, so that what waits is bounded', () => {
  const join = new LogJoin('late', 100)
  for (let at = 0; at < 10_000; at += 10) join.addPredictions(predictions(at, [`p${at}`]))
  expect(join.counts().waiting).toBeLessThanOrEqual(11)
  expect(join.counts().expired).toBe(1000 - join.counts().waiting)
})

test('leaves blocks of other models alone', () => {
  const join = new LogJoin('late', 100)
  join.addPredictions(predictions(0, ['a'], { model: 'other' }))
  expect(join.counts().waiting).toBe(0)
})

test('a shadow that comes before its answer is joined under the member and the time of the answer', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions(
    predictions(0, ['a'], { routes: ['shadow'], versions: [2], members: [''], outputs: [0.7] }),
  )
  join.addOutcomes(outcomes(1, ['a'], [1]))
  const [row] = join.addPredictions(predictions(2, ['a'], { members: ['ATL'], outputs: [0.4] }))
  expect(row).toMatchObject({
    member: 'ATL',
    at: 2,
    output: 0.4,
    shadows: [{ version: 2, output: 0.7 }],
    outcome: 1,
  })
})

test('shadows without an answer leave in time, and are no predictions whose outcome never came', () => {
  const join = new LogJoin('late', 100)
  join.addPredictions(predictions(0, ['a'], { routes: ['shadow'] }))
  join.addPredictions(predictions(1000, ['b']))
  expect(join.counts()).toMatchObject({ waiting: 1, expired: 0 })
})

test('of several classes an outcome is whether the class said was right, and its label stays', () => {
  const join = new LogJoin('late', 1000)
  const said = { classes: ['fog', 'rain'], labels: [1, 0], vectors: encodeVectors([0.25, 0.75, 0.5, 0.5]) }
  join.addPredictions({ ...predictions(0, ['a', 'b']), ...said, outputs: [0.75, 0.5] })
  join.addPredictions({
    ...predictions(0, ['a'], { routes: ['shadow'] }),
    classes: ['fog', 'hail', 'rain'],
    labels: [2],
    vectors: encodeVectors([0.125, 0.375, 0.5]),
  })
  const [a, b] = join.addOutcomes({ ...outcomes(1, ['a', 'b'], []), values: ['rain', 'hail'] })
  expect([a.outcome, a.label, a.said?.label]).toEqual([1, 'rain', 'rain'])
  expect(probabilityOf(a.said as Said, 'rain')).toBe(0.75)
  expect(probabilityOf(a.shadows[0].said as Said, 'rain')).toBe(0.5)
  expect([b.outcome, b.label, probabilityOf(b.said as Said, 'hail')]).toEqual([0, 'hail', 0])
})

test('a label where no classes were said is no outcome', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions(predictions(0, ['a']))
  expect(join.addOutcomes({ ...outcomes(1, ['a'], []), values: ['rain'] })[0].outcome).toBeNaN()
})

test('rows know their group and its size, and a group is whole with its last row', () => {
  const join = new LogJoin('late', 1000)
  join.addPredictions({ ...predictions(0, ['a', 'b', 'c']), groups: ['q', 'q', 'r'] })
  const rows = join.addOutcomes(outcomes(1, ['b', 'c', 'a'], [1, 0, 0]))
  const groups = new GroupRows<(typeof rows)[number]>()
  expect(rows.map((row) => groups.add(row)?.map(({ id }) => id))).toEqual([undefined, ['c'], ['b', 'a']])
})
