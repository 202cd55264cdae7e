import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../src/core/errors.ts'
import { addEnsembles } from '../../src/model/combine.ts'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import { compileScorer } from '../../src/model/score.ts'
import type { LinearModel, TreeEnsemble } from '../../src/model/trees.ts'
import { validateModel } from '../../src/model/validate.ts'
import { randomEnsemble } from './fixtures.ts'

const shapes = fc.record({
  seed: fc.nat(10_000),
  nTrees: fc.integer({ min: 0, max: 6 }),
  depth: fc.integer({ min: 0, max: 7 }),
  nCategories: fc.constantFrom(0, 2),
  compare: fc.constantFrom('le' as const, 'lt-f32' as const),
})
const linear: LinearModel = {
  kind: 'LinearModel',
  nFeatures: 2,
  weights: Float64Array.of(0.1, -0),
  intercepts: Float64Array.of(3),
  nOutputs: 1,
  missing: Float64Array.of(1e300, 5e-324),
  link: 'exp',
}
const calibration = { kind: 'isotonic' as const, x: [0, 0.5, 1], y: [0.1, 0.1, 0.7] }

describe('bytes of a model', () => {
  test('decode to the same model, and equal models have equal bytes', () => {
    fc.assert(
      fc.property(shapes, fc.boolean(), (shape, calibrated) => {
        const bytes = encodeModel(randomEnsemble(shape), calibrated ? calibration : null)
        const decoded = decodeModel(bytes)
        expect(decoded).toStrictEqual({
          model: randomEnsemble(shape),
          calibration: calibrated ? calibration : null,
        })
        expect(encodeModel(decoded.model, decoded.calibration)).toStrictEqual(bytes)
      }),
    )
  })

  test('keep a linear model to the bit, and any place in a larger buffer will do', () => {
    const bytes = encodeModel(linear, { kind: 'none', x: [], y: [] })
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    expect(decodeModel(shifted.subarray(3))).toStrictEqual({
      model: linear,
      calibration: { kind: 'none', x: [], y: [] },
    })
  })

  test('are refused with a code when any byte is changed, or give a model that is valid and ends', () => {
    const bytes = encodeModel(randomEnsemble({ nCategories: 2, nTrees: 3, depth: 4 }), calibration)
    const row = Float64Array.of(1, 2, 3, 4)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.slice()
        hostile[at] ^= flip
        try {
          const { model } = decodeModel(hostile)
          if (model.nFeatures <= 4) compileScorer(model).scoreRow(row)
        } catch (error) {
          expect(isMillraceError(error) && error.code.startsWith('MR_MODEL_'), String(error)).toBe(true)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('are refused when cut at any place, or when something follows', () => {
    const bytes = encodeModel(randomEnsemble())
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeModel(bytes.subarray(0, end))).toThrow(/MR_MODEL_(FORMAT|VERSION|INVALID)/)
    }
    expect(() => decodeModel(Uint8Array.from([...bytes, 0]))).toThrow('MR_MODEL_FORMAT')
    expect(() => decodeModel(new TextEncoder().encode('{"kind":"TreeEnsemble","roots":[]}'))).toThrow(
      'MR_MODEL_FORMAT',
    )
  })

  test('of a later version say so', () => {
    const bytes = encodeModel(linear)
    bytes[7] = 9
    expect(() => decodeModel(bytes)).toThrow('MR_MODEL_VERSION')
  })

  test('of 200 trees with 31 leaves take at most 16 a node', () => {
    const model = randomEnsemble({ nTrees: 200, depth: 7 })
    expect(encodeModel(model).length / model.feature.length).toBeLessThan(16)
  })
})

describe('a model is refused', () => {
  const broken = (change: (model: TreeEnsemble) => void) => {
    const model = randomEnsemble({ seed: 3, nTrees: 2, depth: 4, nCategories: 1 })
    change(model)
    return () => validateModel(model)
  }
  const firstLeaf = (model: TreeEnsemble) => model.left.indexOf(-1)

  test.each<[string, (model: TreeEnsemble) => void, string]>([
    [
      'when a child is its own parent',
      (m) => {
        m.left[0] = 0
      },
      'left[0]',
    ],
    [
      'when two splits share a child',
      (m) => {
        m.right[0] = m.left[0]
      },
      'right[0]',
    ],
    [
      'when a child lies in another tree',
      (m) => {
        m.right[0] = m.feature.length - 1
      },
      'right[0]',
    ],
    [
      'when a feature is out of range',
      (m) => {
        m.feature[0] = 4
      },
      'feature[0]',
    ],
    [
      'when a leaf is not finite',
      (m) => {
        m.value[firstLeaf(m)] = Number.NaN
      },
      'value[',
    ],
    [
      'when a threshold is NaN',
      (m) => {
        m.threshold[m.categorySet.indexOf(-1)] = Number.NaN
      },
      'threshold[',
    ],
    [
      'when a cover is negative',
      (m) => {
        m.cover[0] = -1
      },
      'cover[0]',
    ],
    [
      'when a category set is absent',
      (m) => {
        m.categorySets = []
      },
      'categorySet[',
    ],
    [
      'when roots do not rise',
      (m) => {
        m.roots[1] = 0
      },
      'roots[1]',
    ],
    [
      'when arrays differ in length',
      (m) => {
        m.value = m.value.subarray(1)
      },
      'value[',
    ],
    [
      'when a leaf has leftovers',
      (m) => {
        m.feature[firstLeaf(m)] = 1
      },
      'feature[',
    ],
  ])('%s', (_, change, place) => {
    expect(broken(change)).toThrow(place)
    expect(broken(change)).toThrow('MR_MODEL_INVALID')
  })

  test('when a calibration falls or repeats a point', () => {
    expect(() => validateModel(linear, { kind: 'isotonic', x: [0, 1], y: [1, 0] })).toThrow(
      'MR_MODEL_INVALID',
    )
    expect(() => validateModel(linear, { kind: 'isotonic', x: [1, 1], y: [0, 1] })).toThrow(
      'MR_MODEL_INVALID',
    )
    expect(() => validateModel(linear, { kind: 'isotonic', x: [], y: [] })).toThrow('MR_MODEL_INVALID')
  })
})

test('the sum of two ensembles scores as their raw scores added', () => {
  const first = randomEnsemble({ seed: 1, nCategories: 1 })
  const second = randomEnsemble({ seed: 2, nCategories: 1 })
  const sum = addEnsembles(first, second)
  validateModel(sum)
  const raw = (model: TreeEnsemble, x: number) =>
    compileScorer(model).rawRow(Float64Array.of(x, 1, -1, x / 3))
  for (let x = -3; x < 70; x++) expect(raw(sum, x)).toBeCloseTo(raw(first, x) + raw(second, x), 12)
})
