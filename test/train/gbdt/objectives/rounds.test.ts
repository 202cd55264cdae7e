/** How rounds are judged and ended, and objectives of the caller's own. */
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../../src/core/rng.ts'
import type { StopBy } from '../../../../src/define/boost-objectives.ts'
import { compileScorer } from '../../../../src/model/score.ts'
import { auc, mae, rmse } from '../../../../src/stats/metrics.ts'
import { classAccuracy } from '../../../../src/stats/metrics-classes.ts'
import { logLossGradients, rowLogLoss } from '../../../../src/train/gbdt/objectives/logloss.ts'
import type { OpenObjective } from '../../../../src/train/gbdt/objectives/objective.ts'
import { type TrainData, trainGbdt } from '../../../../src/train/gbdt/train.ts'

function draw(
  nRows: number,
  seed: number,
  target: (raw: number, rng: ReturnType<typeof seededRng>) => number,
): TrainData {
  const rng = seededRng(seed)
  const columns = [0, 1, 2].map(() => Float64Array.from({ length: nRows }, rng.normal))
  return {
    nRows,
    columns,
    categorical: [false, false, false],
    target: columns[0].map((x, i) => target(x + 0.5 * columns[1][i], rng)),
  }
}

const late = (raw: number, rng: ReturnType<typeof seededRng>) => Number(raw + rng.normal() > 0)
const stops = { trees: 300, learningRate: 0.3, earlyStoppingRounds: 8 }

function outputs(model: ReturnType<typeof trainGbdt>['model'], { columns, nRows }: TrainData): Float64Array {
  const out = new Float64Array(nRows * model.nOutputs)
  compileScorer(model).scoreBatch(columns, nRows, out)
  return out
}

describe('early stopping goes by the measure that is named', () => {
  const band = (raw: number, rng: ReturnType<typeof seededRng>) =>
    Math.floor(1.5 + Math.max(-1.4, Math.min(1.4, raw + 0.5 * rng.normal())))
  const rate = (raw: number, rng: ReturnType<typeof seededRng>) => Math.exp(raw / 2) * (0.5 + rng.next())
  const cases: [
    StopBy,
    Parameters<typeof trainGbdt>[1] & object,
    typeof late,
    (p: Float64Array, y: Float64Array) => number,
  ][] = [
    ['auc', { objective: 'logloss' }, late, (p, y) => 1 - auc(p, y)],
    [
      'accuracy',
      { objective: 'logloss' },
      late,
      (p, y) => p.reduce((n, q, i) => n + Number(q >= 0.5 !== y[i] >= 0.5), 0) / p.length,
    ],
    ['accuracy', { objective: 'softmax' }, band, (p, y) => 1 - classAccuracy(p, y)],
    ['rmse', { objective: 'poisson' }, rate, rmse],
    ['mae', { objective: 'l2' }, rate, mae],
  ]
  for (const [stopBy, params, target, measure] of cases) {
    test(`${stopBy} of ${params.objective}`, () => {
      const [train, valid] = [draw(1500, 1, target), draw(1500, 2, target)]
      const result = trainGbdt({ ...train, valid }, { ...stops, ...params, stopBy })
      expect(result.stopped).toBe('early')
      expect(result.rounds).toBe(1 + result.judged.indexOf(Math.min(...result.judged)))
      expect(measure(outputs(result.model, valid), valid.target)).toBeCloseTo(
        result.judged[result.rounds - 1],
        10,
      )
    })
  }

  test('and is refused where it cannot judge, with what can', () => {
    const data = draw(200, 1, late)
    expect(() => trainGbdt({ ...data, valid: data }, { objective: 'l2', stopBy: 'auc' })).toThrow(
      /stopBy must be one of objective, rmse, mae, ndcg, which judge the outputs of this objective, got auc/,
    )
  })
})

test('an objective of the caller’s own trains as the built-in one that it repeats', () => {
  const own: OpenObjective = ({ target }) => {
    const rate = target.reduce((a, b) => a + b) / target.length
    return {
      nOutputs: 1,
      link: 'sigmoid',
      constantHessian: false,
      baseScores: Float64Array.of(Math.log(rate / (1 - rate))),
      check: () => {},
      gradients: logLossGradients,
      meanLoss: (score, labels) =>
        score.reduce((sum, s, i) => sum + rowLogLoss(s, labels.target[i]), 0) / score.length,
    }
  }
  const data = { ...draw(1500, 3, late), valid: draw(500, 4, late) }
  const mine = trainGbdt(data, { trees: 30 }, { objective: own })
  const theirs = trainGbdt(data, { trees: 30 })
  mine.validLoss.forEach((loss, i) => {
    expect(loss).toBeCloseTo(theirs.validLoss[i], 8)
  })
  expect(mine.model.link).toBe('sigmoid')
})

describe('soft and weighed labels of the log loss', () => {
  const data = draw(2000, 5, late)
  const rateOf = (objective: object) => {
    const { model } = trainGbdt(data, { trees: 40, leaves: 7, objective: { name: 'logloss', ...objective } })
    return outputs(model, data).reduce((a, b) => a + b) / data.nRows
  }
  test('a weight of the term of ones is the weight of rows of ones', () => {
    const weights = data.target.map((y) => 1 + 3 * y)
    const rows = trainGbdt({ ...data, weights }, { trees: 5 })
    const term = trainGbdt(data, { trees: 5, objective: { name: 'logloss', scalePosWeight: 4 } })
    const classes = trainGbdt(data, { trees: 5, objective: { name: 'logloss', classWeights: [1, 4] } })
    expect(term.model.value).toEqual(rows.model.value)
    expect(classes.model.value).toEqual(rows.model.value)
  })
  test('balanced classes are said to be equally likely', () => {
    const rare = { ...data, target: data.target.map((y, i) => Number(y === 1 && i % 5 === 0)) }
    const { model } = trainGbdt(rare, {
      trees: 40,
      leaves: 7,
      objective: { name: 'logloss', classWeights: 'balanced' },
    })
    expect(model.baseScores[0]).toBeCloseTo(0, 12)
  })
  test('smoothing keeps chances from the ends', () => {
    const sure = { ...data, target: data.columns[0].map((x) => Number(x > 0)) }
    const { model } = trainGbdt(sure, {
      trees: 200,
      learningRate: 0.3,
      objective: { name: 'logloss', labelSmoothing: 0.2 },
    })
    const out = outputs(model, sure)
    expect(Math.max(...out)).toBeLessThan(0.95)
    expect(Math.min(...out)).toBeGreaterThan(0.05)
    expect(rateOf({})).toBeCloseTo(data.target.reduce((a, b) => a + b) / data.nRows, 2)
  })
  test('a soft label is a row of each class with its share as weight', () => {
    const soft = { ...data, target: data.target.map((y) => 0.25 + y / 2) }
    const both = {
      ...data,
      nRows: 4000,
      columns: data.columns.map((c) => Float64Array.of(...c, ...c)),
      target: Float64Array.from({ length: 4000 }, (_, i) => Number(i >= 2000)),
      weights: Float64Array.of(...soft.target.map((y) => 1 - y), ...soft.target),
    }
    const a = outputs(trainGbdt(soft, { trees: 10, leaves: 4 }).model, data)
    const b = outputs(trainGbdt(both, { trees: 10, leaves: 4, minRowsInLeaf: 40 }).model, data)
    expect(a.reduce((sum, p, i) => sum + Math.abs(p - b[i]), 0) / a.length).toBeLessThan(0.01)
  })
})
