import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rowGoesLeft } from '../../src/model/forms/tree-explainer.ts'
import { calibrate, compileScorer } from '../../src/model/score.ts'
import { doubleBelow } from '../../src/model/tree-walk.ts'
import type { LinearModel, TreeEnsemble } from '../../src/model/trees.ts'
import { anyValue, randomEnsemble } from './fixtures.ts'

/** The rule of an ensemble, node by node. */
function plainRaw(model: TreeEnsemble, x: Float64Array): number {
  let sum = model.baseScores[0]
  for (const root of model.roots) {
    let node = root
    while (model.left[node] >= 0) node = rowGoesLeft(model, node, x) ? model.left[node] : model.right[node]
    sum += model.value[node]
  }
  return sum
}

const shapes = fc.record({
  seed: fc.nat(10_000),
  nTrees: fc.integer({ min: 0, max: 9 }),
  depth: fc.integer({ min: 0, max: 7 }),
  nCategories: fc.constantFrom(0, 2),
  compare: fc.constantFrom('le' as const, 'lt-f32' as const),
})
const rows = fc.array(fc.array(anyValue, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 9 })

describe('trees', () => {
  test('give the same bits by row, by batch and by the plain rule, for any double', () => {
    fc.assert(
      fc.property(shapes, rows, (shape, values) => {
        const model = randomEnsemble(shape)
        const scorer = compileScorer(model)
        const flat = Float64Array.from(values.flat())
        const batch = new Float64Array(values.length)
        const byColumns = new Float64Array(values.length)
        scorer.rawBatch(flat, values.length, batch)
        scorer.rawBatch(
          [0, 1, 2, 3].map((j) => Float64Array.from(values, (row) => row[j])),
          values.length,
          byColumns,
        )
        values.forEach((row, i) => {
          const x = Float64Array.from(row)
          const plain = plainRaw(model, x)
          expect(scorer.rawRow(x)).toBe(plain)
          expect(batch[i]).toBe(plain)
          expect(byColumns[i]).toBe(plain)
        })
      }),
      { numRuns: 300 },
    )
  })

  test('are the same in batches longer than a block', () => {
    const model = randomEnsemble({ nTrees: 7, depth: 6 })
    const scorer = compileScorer(model)
    const n = 1000
    const columns = [0, 1, 2, 3].map((j) =>
      Float64Array.from({ length: n }, (_, i) => ((i * (j + 3)) % 23) / 2 - 5),
    )
    const out = new Float64Array(n)
    scorer.scoreBatch(columns, n, out)
    for (let i = 0; i < n; i++) expect(out[i]).toBe(scorer.scoreRow(Float64Array.from(columns, (c) => c[i])))
  })

  test('compare by x <= threshold in doubles, at the threshold and right above it', () => {
    const model = stump({ threshold: 0.1, compare: 'le' })
    const { rawRow } = compileScorer(model)
    expect(rawRow(Float64Array.of(0.1))).toBe(-1)
    expect(rawRow(Float64Array.of(-doubleBelow(-0.1)))).toBe(1)
  })

  test('compare by x < threshold in float32 where the ensemble says so', () => {
    const { rawRow } = compileScorer(stump({ threshold: Math.fround(0.1), compare: 'lt-f32' }))
    expect(rawRow(Float64Array.of(0.1))).toBe(1)
    expect(rawRow(Float64Array.of(0.0999999999))).toBe(1)
    expect(rawRow(Float64Array.of(0.0999))).toBe(-1)
  })

  test('refuse a row that is too short', () => {
    expect(() => compileScorer(randomEnsemble()).scoreRow(new Float64Array(3))).toThrow('MR_MODEL_SHAPE')
    expect(() =>
      compileScorer(randomEnsemble()).scoreBatch(new Float64Array(7), 2, new Float64Array(2)),
    ).toThrow('MR_MODEL_SHAPE')
  })
})

test('a linear model counts a missing value as the training mean', () => {
  const model: LinearModel = {
    kind: 'LinearModel',
    nFeatures: 2,
    weights: Float64Array.of(2, -1),
    intercepts: Float64Array.of(0.5),
    nOutputs: 1,
    missing: Float64Array.of(3, 4),
    link: 'identity',
  }
  const scorer = compileScorer(model)
  expect(scorer.scoreRow(Float64Array.of(1, 1))).toBe(1.5)
  expect(scorer.scoreRow(Float64Array.of(Number.NaN, 1))).toBe(5.5)
})

test('a calibration is linear between its points and flat beyond them', () => {
  const calibration = { kind: 'isotonic' as const, x: [0.1, 0.3, 0.5], y: [0, 0.2, 0.8] }
  const at = (x: number) => calibrate(calibration, x)
  expect([at(0), at(0.1), at(0.5), at(2)]).toEqual([0, 0, 0.8, 0.8])
  expect(at(0.2)).toBeCloseTo(0.1, 12)
  expect(at(0.4)).toBeCloseTo(0.5, 12)
  expect(at(Number.NaN)).toBeNaN()
  const model = stump({ threshold: 0, compare: 'le' })
  const plain = compileScorer(model).scoreRow(Float64Array.of(1))
  expect(compileScorer(model, calibration).scoreRow(Float64Array.of(1))).toBe(at(plain))
})

function stump(given: Pick<TreeEnsemble, 'compare'> & { threshold: number }): TreeEnsemble {
  return {
    ...randomEnsemble({ nTrees: 0 }),
    nFeatures: 1,
    nOutputs: 1,
    outputOf: new Int32Array(1),
    roots: Int32Array.of(0),
    feature: new Int32Array(3),
    threshold: Float64Array.of(given.threshold, 0, 0),
    left: Int32Array.of(1, -1, -1),
    right: Int32Array.of(2, -1, -1),
    missingLeft: new Uint8Array(3),
    value: Float64Array.of(0, -1, 1),
    cover: Float64Array.of(2, 1, 1),
    categorySet: Int32Array.of(-1, -1, -1),
    compare: given.compare,
    baseScores: new Float64Array(1),
  }
}
