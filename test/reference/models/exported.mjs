/** Writes the exports that LightGBM is asked for in `generate.py exported`: `npx jiti test/reference/models/exported.mjs`. */
import { writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { exportLightGbmText } from '../../../src/model/export/lightgbm-text.ts'
import { readLightGbmText } from '../../../src/model/import/lightgbm-text.ts'
import { readXgboost } from '../../../src/model/import/xgboost.ts'
import { randomEnsemble } from '../../model/fixtures.ts'
import { modelBytes } from '../../model/import/recorded.ts'

const text = (name) => new TextDecoder().decode(modelBytes(name))
const models = {
  random: randomEnsemble({ seed: 5, nFeatures: 4, nTrees: 7, nCategories: 2, depth: 5 }),
  multiclass: readLightGbmText(text('lightgbm-multiclass.txt')).model,
  xgboost: readXgboost(modelBytes('xgboost-categories-sets.json')).model,
  'zero-missing': readLightGbmText(text('lightgbm-zero-missing.txt')).model,
}
for (const [name, model] of Object.entries(models))
  writeFileSync(
    new URL(`exported-${name}.txt.gz`, import.meta.url),
    gzipSync(exportLightGbmText(model), { level: 9 }),
  )
