import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../../src/core/rng.ts'
import { addEnsembles } from '../../../../src/model/combine.ts'
import { compileScorer } from '../../../../src/model/score.ts'
import { balancedClassWeights } from '../../../../src/train/gbdt/objectives/classes.ts'
import { type TrainData, trainGbdt } from '../../../../src/train/gbdt/train.ts'

/** Three clouds of points in a plane, the second class rarer than the others. */
function clouds(nRows: number, seed = 1): TrainData {
  const rng = seededRng(seed)
  const columns = [new Float64Array(nRows), new Float64Array(nRows)]
  const target = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    target[i] = [0, 0, 0, 1, 2, 2, 2, 2][rng.nextInt(8)]
    columns[0][i] = rng.normal() + [0, 2, 0][target[i]]
    columns[1][i] = rng.normal() + [0, 0, 2][target[i]]
  }
  return { nRows, columns, categorical: [false, false], target }
}

const SOFTMAX = { objective: 'softmax' as const, trees: 20, leaves: 7 }

const scoresOf = (
  model: ReturnType<typeof trainGbdt>['model'],
  { columns, nRows }: TrainData,
  raw = false,
) => {
  const out = new Float64Array(nRows * model.nOutputs)
  const scorer = compileScorer(model)
  if (raw) scorer.rawBatch(columns, nRows, out)
  else scorer.scoreBatch(columns, nRows, out)
  return out
}

describe('boosting of several classes', () => {
  test('gives probabilities that sum to one and name the right class more often than the most frequent one', () => {
    const { model, trees, rounds } = trainGbdt(clouds(2000), SOFTMAX)
    expect(model).toMatchObject({ nOutputs: 3, link: 'softmax' })
    expect(rounds).toBe(20)
    expect(trees).toBe(60)
    const test = clouds(2000, 2)
    const shares = scoresOf(model, test)
    let right = 0
    for (let i = 0; i < test.nRows; i++) {
      const row = shares.subarray(i * 3, i * 3 + 3)
      expect(row[0] + row[1] + row[2]).toBeCloseTo(1, 12)
      if (row.indexOf(Math.max(...row)) === test.target[i]) right++
    }
    expect(right / test.nRows).toBeGreaterThan(0.72)
  })

  test('begins at the logarithms of the classes’ shares', () => {
    const data = { ...clouds(6), target: Float64Array.of(0, 0, 0, 1, 1, 2) }
    const { baseScores } = trainGbdt(data, SOFTMAX).model
    expect([...baseScores]).toEqual([3 / 6, 2 / 6, 1 / 6].map((share) => expect.closeTo(Math.log(share), 12)))
  })

  test('knows the raw scores of its training rows, row by row', () => {
    const data = { ...clouds(700), valid: clouds(300, 9) }
    const { model, trainScores } = trainGbdt(data, { ...SOFTMAX, learningRate: 0.5, earlyStoppingRounds: 3 })
    const raw = scoresOf(model, data, true)
    expect(trainScores.length).toBe(2100)
    for (let i = 0; i < raw.length; i++) expect(trainScores[i]).toBeCloseTo(raw[i], 10)
  })

  test('goes on from the scores of a parent: both parts together are as good as one long training', () => {
    const data = clouds(2000, 5)
    const first = trainGbdt(data, { ...SOFTMAX, trees: 5 })
    const rest = trainGbdt({ ...data, init: first.trainScores }, { ...SOFTMAX, trees: 15, seed: 2 })
    expect([...rest.model.baseScores]).toEqual([0, 0, 0])
    const both = scoresOf(addEnsembles(first.model, rest.model), data, true)
    for (let i = 0; i < both.length; i++) expect(rest.trainScores[i]).toBeCloseTo(both[i], 10)
  })

  test('learns the same from a row of weight 2 as from the row twice', () => {
    const data = clouds(400, 3)
    const twice = { ...data, nRows: 800, columns: data.columns.map((c) => Float64Array.of(...c, ...c)) }
    twice.target = Float64Array.of(...data.target, ...data.target)
    const one = trainGbdt(
      { ...data, weights: new Float64Array(400).fill(2) },
      { ...SOFTMAX, minRowsInLeaf: 20 },
    )
    const two = trainGbdt(twice, { ...SOFTMAX, minRowsInLeaf: 40 })
    const [a, b] = [scoresOf(one.model, data), scoresOf(two.model, data)]
    expect(Math.max(...a.map((p, i) => Math.abs(p - b[i])))).toBeLessThan(0.05)
  })

  test('balanced class weights raise the share of a rare class', () => {
    const data = clouds(3000, 6)
    const meanOfRare = (classWeights: 'none' | 'balanced') => {
      const shares = scoresOf(
        trainGbdt(data, { ...SOFTMAX, objective: { name: 'softmax', classWeights } }).model,
        data,
      )
      return shares.filter((_, at) => at % 3 === 1).reduce((sum, p) => sum + p, 0) / data.nRows
    }
    expect(meanOfRare('none')).toBeCloseTo(1 / 8, 1)
    expect(meanOfRare('balanced')).toBeGreaterThan(0.18)
  })

  test('keeps a class without rows, when it was told of one', () => {
    const { model } = trainGbdt(clouds(500), { ...SOFTMAX, classes: 5 })
    const shares = scoresOf(model, clouds(50, 8))
    expect(model.nOutputs).toBe(5)
    expect(shares.every((p, at) => at % 5 < 3 || (p >= 0 && p < 1e-6))).toBe(true)
  })
})

test('balanced weights are those of scikit-learn: rows over classes times rows of the class', () => {
  expect([...balancedClassWeights(Float64Array.of(30, 10, 60))]).toEqual([100 / 90, 100 / 30, 100 / 180])
  expect([...balancedClassWeights(Float64Array.of(30, 0, 10))]).toEqual([40 / 60, 1, 40 / 20])
})

describe('targets of classes are refused', () => {
  const withTarget = (target: number[]) => ({ ...clouds(target.length), target: Float64Array.from(target) })
  test('when they are no codes, with the row', () => {
    for (const bad of [0.5, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const train = () => trainGbdt(withTarget([0, 1, 2, bad]), SOFTMAX)
      expect(train).toThrow(
        expect.objectContaining({ code: 'MR_MODEL_TARGET', data: expect.objectContaining({ row: 3 }) }),
      )
    }
  })
  test('when a validation row has a class beyond those of training', () => {
    const train = () => trainGbdt({ ...withTarget([0, 1, 2]), valid: withTarget([0, 3]) }, SOFTMAX)
    expect(train).toThrow(expect.objectContaining({ code: 'MR_MODEL_TARGET' }))
  })
  test('when there is one class, or ten thousand', () => {
    expect(() => trainGbdt(withTarget([2, 2, 2]), SOFTMAX)).toThrow(
      expect.objectContaining({ code: 'MR_MODEL_ONE_CLASS' }),
    )
    expect(() => trainGbdt(withTarget(Array.from({ length: 10_000 }, (_, i) => i)), SOFTMAX)).toThrow(
      expect.objectContaining({ code: 'MR_MODEL_CLASSES' }),
    )
  })
  test('and trees that a model cannot hold are refused before any is grown', () => {
    const train = () => trainGbdt(withTarget([0, 1, 199]), { ...SOFTMAX, trees: 501 })
    expect(train).toThrow(/at most 500 with 200 outputs/)
  })
  test('and parameters of another objective, with those that it takes', () => {
    const objective = { name: 'softmax', scalePosWeight: 2 } as never
    expect(() => trainGbdt(clouds(50), { ...SOFTMAX, objective })).toThrow(
      /"softmax" takes labelSmoothing, classWeights; scalePosWeight is a parameter of logloss/,
    )
  })
})
