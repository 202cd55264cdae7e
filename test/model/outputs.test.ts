/** Models of several outputs: one raw score a class. */
import { expect, test } from 'vitest'
import { explainerOf } from '../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import { predictColumns, rawColumns } from '../../src/model/predict.ts'
import { compileScorer } from '../../src/model/score.ts'
import type { LinearModel, TreeEnsemble } from '../../src/model/trees.ts'
import { randomEnsemble } from './fixtures.ts'

/** Trees of a single-output ensemble dealt out over three outputs. */
function dealt(nCategories: number): { three: TreeEnsemble; one: TreeEnsemble } {
  const one = randomEnsemble({ nTrees: 7, nCategories })
  const outputOf = one.outputOf.map((_, t) => t % 3)
  const three: TreeEnsemble = {
    ...one,
    nOutputs: 3,
    outputOf,
    baseScores: Float64Array.of(0.25, -1, 0),
    link: 'softmax',
  }
  return { three, one }
}

const rowsOf = (nFeatures: number) =>
  Float64Array.from({ length: nFeatures * 70 }, (_, i) =>
    i % 13 === 0 ? Number.NaN : ((i * 37) % 23) / 3 - 3,
  )

test.each([0, 2])('each output is the sum of its own trees (%i category features)', (nCategories) => {
  const { three, one } = dealt(nCategories)
  const rows = rowsOf(three.nFeatures)
  const raw = rawColumns({ model: three, calibration: null }, rows, 70)
  for (let k = 0; k < 3; k++) {
    const own: TreeEnsemble = {
      ...one,
      value: one.value.map((v, node) => (treeOf(one, node) % 3 === k ? v : 0)),
      baseScores: three.baseScores.slice(k, k + 1),
    }
    const { rawRow } = compileScorer(own)
    for (let i = 0; i < 70; i++)
      expect(raw[i * 3 + k]).toBeCloseTo(
        rawRow(rows.subarray(i * one.nFeatures, (i + 1) * one.nFeatures)),
        12,
      )
  }
})

function treeOf({ roots }: TreeEnsemble, node: number): number {
  return roots.findLastIndex((root) => root <= node)
}

test('softmax outputs sum to 1 and do not overflow', () => {
  const model: LinearModel = {
    kind: 'LinearModel',
    nFeatures: 1,
    nOutputs: 3,
    weights: Float64Array.of(1000, 0, -1000),
    intercepts: Float64Array.of(0, 0, 0),
    missing: Float64Array.of(0),
    link: 'softmax',
  }
  const out = predictColumns({ model, calibration: null }, Float64Array.of(5, Number.NaN, 0.001), 3)
  expect(Array.from(out.slice(0, 3))).toEqual([1, 0, 0])
  expect(Array.from(out.slice(3, 6))).toEqual([1 / 3, 1 / 3, 1 / 3])
  // e^1, 1 and e^-1 over their sum.
  expect(out[6]).toBeCloseTo(Math.E / (Math.E + 1 + 1 / Math.E), 14)
  expect(out[6] + out[7] + out[8]).toBeCloseTo(1, 14)
})

test.each([0, 2])('bytes and explanations keep the outputs apart (%i category features)', (nCategories) => {
  const { three } = dealt(nCategories)
  const { model } = decodeModel(encodeModel(three))
  expect(model).toEqual(three)
  const rows = rowsOf(three.nFeatures)
  const raw = rawColumns({ model, calibration: null }, rows, 70)
  const explainer = explainerOf(model)
  for (let i = 0; i < 70; i++)
    for (let k = 0; k < 3; k++) {
      const x = rows.subarray(i * three.nFeatures, (i + 1) * three.nFeatures)
      const explained = explainer.explain(x, k)
      expect(explained.raw).toBe(raw[i * 3 + k])
      expect(Math.abs(explained.residual)).toBeLessThan(1e-12)
    }
})

test('a tree of an output that does not exist is refused', () => {
  const { three } = dealt(0)
  three.outputOf[2] = 3
  expect(() => encodeModel(three)).toThrow('MR_MODEL_INVALID')
})
