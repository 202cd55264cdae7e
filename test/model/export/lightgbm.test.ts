import { describe, expect, test } from 'vitest'
import { exportLightGbmText } from '../../../src/model/export/lightgbm-text.ts'
import { readLightGbmText } from '../../../src/model/import/lightgbm-text.ts'
import { readXgboost } from '../../../src/model/import/xgboost.ts'
import { compileScorer, type Model } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { randomEnsemble } from '../fixtures.ts'
import { answersOf, furthest, modelBytes, recordedModels, scored } from '../import/recorded.ts'

const text = (name: string) => new TextDecoder().decode(modelBytes(name))
/** What the recorded exports were made from: see `exported.mjs` beside them. */
const exported: Record<string, () => Model> = {
  'exported-random.txt': () => randomEnsemble({ seed: 5, nFeatures: 4, nTrees: 7, nCategories: 2, depth: 5 }),
  'exported-multiclass.txt': () => readLightGbmText(text('lightgbm-multiclass.txt')).model,
  'exported-xgboost.txt': () => readXgboost(modelBytes('xgboost-categories-sets.json')).model,
  'exported-zero-missing.txt': () => readLightGbmText(text('lightgbm-zero-missing.txt')).model,
}

describe('an ensemble written as LightGBM text', () => {
  test.each(Object.keys(exported))(
    '%s is what LightGBM 4.7 loaded, and scores as LightGBM scored it',
    (name) => {
      const model = exported[name]()
      expect(exportLightGbmText(model)).toBe(text(name))
      const answers = answersOf(name)
      const { raw } = scored(model, answers)
      const isFloat = (model as TreeEnsemble).rules?.sum === 'f32'
      expect(furthest(raw, answers.raw)).toBeLessThanOrEqual(isFloat ? 3e-6 : 0)
    },
  )

  test('every recorded name has its model', () => {
    expect(recordedModels('exported').sort()).toEqual(Object.keys(exported).sort())
  })

  test.each(['binary', 'ova', 'poisson', 'rank', 'categories', 'rf'])(
    'lightgbm-%s comes back as it was',
    (name) => {
      const { model } = readLightGbmText(text(`lightgbm-${name}.txt`))
      const again = readLightGbmText(exportLightGbmText(model)).model
      const answers = answersOf(`lightgbm-${name}.txt`)
      expect(again.link).toBe(model.link)
      expect(furthest(scored(again, answers).raw, scored(model, answers).raw)).toBeLessThan(
        name === 'rf' ? 1e-15 : 1e-300,
      )
    },
  )

  test('floats on either side of a float32 threshold go where they went', () => {
    const { model } = readXgboost(modelBytes('xgboost-binary.json'))
    const ensemble = model as TreeEnsemble
    const again = compileScorer(readLightGbmText(exportLightGbmText(model)).model)
    const own = compileScorer(model)
    for (const t of ensemble.threshold.subarray(0, 200)) {
      for (const x of [t, t * (1 + 3e-8), t * (1 - 3e-8), t * (1 + 6e-8), t * (1 - 6e-8)]) {
        const row = new Float64Array(model.nFeatures).fill(x)
        expect(Math.abs(again.rawRow(row) - own.rawRow(row))).toBeLessThan(1e-5)
      }
    }
  })
})
