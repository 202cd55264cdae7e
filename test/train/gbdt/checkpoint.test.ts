import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { binColumns, binWith } from '../../../src/train/gbdt/binning.ts'
import { continueGbdt } from '../../../src/train/gbdt/continue.ts'
import type { GivenParams } from '../../../src/train/gbdt/params.ts'
import { openBoosting, type TrainData, trainGbdt, trainOnBins } from '../../../src/train/gbdt/train.ts'

function world(nRows: number, seed: number): TrainData & { nRows: number } {
  const rng = seededRng(seed)
  const columns = [
    Float64Array.from({ length: nRows }, () => (rng.next() < 0.1 ? Number.NaN : rng.normal())),
    Float64Array.from({ length: nRows }, () => rng.nextInt(30)),
    Float64Array.from({ length: nRows }, () => rng.normal()),
  ]
  const target = columns[0].map((x, i) =>
    Number(rng.next() < 1 / (1 + Math.exp(-(Number.isNaN(x) ? 1 : x) - (columns[1][i] % 4) + 1.5))),
  )
  return { nRows, columns, categorical: [false, true, false], target }
}

function binned(data: TrainData, valid: TrainData) {
  const rows = { ...binColumns(data.columns, data.categorical), nRows: data.nRows }
  return {
    rows: { binned: rows, target: data.target },
    valid: { binned: binWith(valid.columns, valid.nRows, rows.features), target: valid.target },
  }
}

const CASES: [string, GivenParams][] = [
  ['plain', { trees: 12 }],
  [
    'bags, features by node and an order',
    { trees: 12, bagging: 0.6, featureFractionByNode: 0.6, monotone: [1, 0, 0] },
  ],
  ['rows with replacement', { trees: 9, replacement: true }],
  ['early stopping', { trees: 200, learningRate: 0.5, earlyStoppingRounds: 4 }],
  ['medians', { trees: 8, objective: 'l1' }],
  ['classes', { trees: 5, objective: 'softmax' }],
]

test.each(CASES)(
  'a training that was killed at any round goes on to the bytes of one that was not: %s',
  (_, params) => {
    const { rows, valid } = binned(world(1500, 1), world(400, 2))
    const whole = trainOnBins(rows, params, { valid })
    for (const killedAt of [1, 4, 7]) {
      for (const kernels of ['wasm', 'js'] as const) {
        const first = openBoosting(rows, params, { valid, kernels })
        while (first.round < killedAt && first.step());
        const checkpoint = first.save()
        first.close()
        const again = openBoosting(rows, params, { valid, checkpoint })
        while (again.step());
        const result = again.finish()
        again.close()
        expect(encodeModel(result.model)).toStrictEqual(encodeModel(whole.model))
        expect(result.validLoss).toEqual(whole.validLoss)
        expect(result.trainScores).toStrictEqual(whole.trainScores)
        expect(result.stopped).toBe(whole.stopped)
      }
    }
  },
)

test('a checkpoint of other rows, of other parameters or of nothing is refused', () => {
  const { rows, valid } = binned(world(300, 3), world(100, 4))
  const boosting = openBoosting(rows, { trees: 4 }, { valid })
  boosting.step()
  const checkpoint = boosting.save()
  boosting.close()
  const target = rows.target.map((y, i) => (i === 5 ? 1 - y : y))
  expect(() => openBoosting({ ...rows, target }, { trees: 4 }, { valid, checkpoint })).toThrow(
    'MR_MODEL_PARAM',
  )
  expect(() => openBoosting(rows, { trees: 4, leaves: 7 }, { valid, checkpoint })).toThrow('MR_MODEL_PARAM')
  expect(() => openBoosting(rows, { trees: 4 }, { checkpoint: Uint8Array.of(1, 2) })).toThrow(
    'MR_MODEL_PARAM',
  )
})

test('training on from an ensemble adds the trees that its scores as starting scores give', () => {
  const first = trainGbdt(world(1000, 5), { trees: 10 }).model
  const more = world(800, 6)
  const init = new Float64Array(more.nRows)
  compileScorer(first).rawBatch(more.columns, more.nRows, init)
  const params = { trees: 6, leaves: 7, bins: 40 }
  const alone = trainGbdt({ ...more, init }, params)
  const continued = continueGbdt(first, more, params)
  expect(continued.model.roots.length).toBe(16)
  expect(continued.trainScores).toStrictEqual(alone.trainScores)
  const raw = new Float64Array(more.nRows)
  compileScorer(continued.model).rawBatch(more.columns, more.nRows, raw)
  raw.forEach((score, i) => {
    expect(score).toBeCloseTo(alone.trainScores[i], 12)
  })
  expect(continued.model.value.subarray(-alone.model.value.length)).toStrictEqual(alone.model.value)
})
