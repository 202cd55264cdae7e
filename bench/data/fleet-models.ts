/**
 * Thousands of small boosted models, each trained here on rows of its own and written as LightGBM text: 60 to 140 trees of up to 64 leaves over 30 features.
 * Made once into the temporary folder; a run that was cut goes on where it was. About a fifth of a second of CPU and 440 kB a model.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import { exportLightGbmText } from '../../dist/model/export/lightgbm-text.js'
import { trainGbdt } from '../../dist/train/gbdt/train.js'

const VERSION = 1
const ROWS = 500
export const FLEET_FEATURES = 30

/** One row for any of them, as the inference protocol has it. */
export const FLEET_BODY = JSON.stringify({
  inputs: [
    {
      name: 'input',
      datatype: 'FP64',
      shape: [1, FLEET_FEATURES],
      data: Array.from({ length: FLEET_FEATURES }, (_, j) => Math.sin(j)),
    },
  ],
})

export const fleetName = (model: number): string => `m${String(model).padStart(5, '0')}`

/** A folder of `nModels` models, named `m00000` and on. */
export async function fleetModels(nModels: number): Promise<string> {
  const folder = join(tmpdir(), `millrace-bench-fleet-v${VERSION}-${nModels}`)
  mkdirSync(folder, { recursive: true })
  for (let model = 0; model < nModels; model++) {
    const file = join(folder, `${fleetName(model)}.txt`)
    if (existsSync(file)) continue
    if (model % 250 === 0) console.error(`  training model ${model} of ${nModels}`)
    const scratch = join(folder, `.${fleetName(model)}.${process.pid}`)
    writeFileSync(scratch, await trained(model))
    renameSync(scratch, file)
  }
  return folder
}

async function trained(model: number): Promise<string> {
  const rng = seededRng(1_000 + model)
  const columns = Array.from({ length: FLEET_FEATURES }, () =>
    Float64Array.from({ length: ROWS }, () => rng.normal()),
  )
  const weights = columns.map(() => rng.normal())
  const target = Float64Array.from({ length: ROWS }, (_, i) => {
    const [a, b, c] = [columns[0][i], columns[1][i], columns[2][i]]
    const signal = columns.reduce((sum, column, j) => sum + weights[j] * Math.tanh(column[i]), a * b + c * c)
    return Number(signal + rng.normal() > 1)
  })
  const data = { nRows: ROWS, columns, categorical: columns.map(() => false), target }
  const trees = 60 + Math.floor(81 * rng.next())
  const settings = { trees, leaves: 64, minRowsInLeaf: 2, learningRate: 0.1, bins: 63 }
  return exportLightGbmText((await trainGbdt(data, settings)).model)
}
