/** Models that LightGBM, XGBoost and scikit-learn made, in the loop: measured, gated, released, asked and explained, with the outputs their libraries give. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { col, dataset, gates, imported, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ModelVersion } from '../../src/core/records.ts'
import { namedVersion } from '../../src/loop/model-versions.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { trainModel } from '../../src/loop/train.ts'
import { exportLightGbmText } from '../../src/model/export/lightgbm-text.ts'
import { readLightGbmText } from '../../src/model/import/lightgbm-text.ts'
import { loadModel } from '../../src/model/load.ts'
import { type LoopPlace, openLoop } from '../fixtures/loop-place.ts'
import { type Answers, answersOf, modelBytes } from '../model/import/recorded.ts'

const items = dataset('items', { source: 'none' })
const price = model('price', {
  from: items,
  target: col('y'),
  // In another order than the file has them, and one that it does not know.
  features: {
    size: col('size'),
    other: col('other'),
    city: col('city').category(),
    color: col('color').category(),
  },
  trainer: imported('model.txt'),
  split: { by: 'random', validate: 0.2, test: 0.2 },
  gates: [gates.beatsBaseline(), gates.noLeak()],
  watch: { owner: 'oncall@example.com' },
})

/** The rows that a library answered, as a client sends them. */
function rowsOf({ rows, nFeatures, categories }: Answers): Record<string, string | number | null>[] {
  const named = (name: string, code: number) =>
    Number.isNaN(code) ? null : (categories?.[name][code] ?? null)
  return Array.from({ length: rows.length / nFeatures }, (_, i) => ({
    color: named('color', rows[i * nFeatures]),
    city: named('city', rows[i * nFeatures + 1]),
    size: rows[i * nFeatures + 2],
  })).map((row) => ({ ...row, size: Number.isNaN(row.size) ? null : row.size }))
}

describe('an imported model', () => {
  const lightgbm = answersOf('lightgbm-pandas.txt')
  let place: LoopPlace

  beforeAll(async () => {
    place = await openLoop(
      project('imports', { datasets: [items], models: [price] }) as never,
      Date.UTC(2026, 0, 1),
    )
    const { folder } = place.rt
    await writeFile(join(folder, 'model.txt'), modelBytes('lightgbm-pandas.txt'))
    await writeFile(join(folder, 'model.json'), modelBytes('xgboost-pandas.json'))
    const lines = rowsOf(lightgbm).map((row, i) =>
      [row.color, row.city, row.size, i, lightgbm.output[i]].map((v) => v ?? '').join(','),
    )
    const csv = ['color,city,size,other,y', ...Array.from({ length: 12 }, () => lines).flat()].join('\n')
    await writeFile(join(folder, 'items.csv'), `${csv}\n`)
    const columns = { color: 'string', city: 'string', size: 'float', other: 'int', y: 'float' } as const
    const types =
      "types={'color': 'VARCHAR', 'city': 'VARCHAR', 'size': 'DOUBLE', 'other': 'BIGINT', 'y': 'DOUBLE'}"
    await place.deliver('items', `select * from read_csv('${join(folder, 'items.csv')}', ${types})`, columns)
  }, 60_000)

  const ask = async (answers: Answers) => {
    const { status, body } = await place.post('/predict/price?explain=1', {
      rows: rowsOf(answers).map((row) => ({ ...row, other: 1 })),
    })
    expect(status).toBe(200)
    return body.predictions as { output: number; explanation?: { residual: number } }[]
  }

  test('is measured on the dataset and passes its gates without being trained', async () => {
    const trained = await trainModel(place.rt, { model: 'price', reason: 'theirs', actor: 'test' })
    expect(
      trained.report.findings.filter(({ verdict }) => verdict !== 'pass').map(({ message }) => message),
    ).toEqual([])
    const version = await place.rt.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
    expect(version.format).toBe('trees')
    expect(version.card.metrics.rmse.value).toBeLessThan(1e-12)
    expect(version.card.notes.join()).toContain('imported from model.txt: LightGBM text v4, regression')
    expect(version.card.importance[0].feature).not.toBe('other')
    expect(version.signature.inputs.map(({ name }) => name).sort()).toEqual([
      'city',
      'color',
      'other',
      'size',
    ])
    const again = await trainModel(place.rt, { model: 'price', reason: 'again', actor: 'test' })
    expect(again.known).toBe(true)
  })

  test('answers what LightGBM answers for raw values, and explains it', async () => {
    await releaseLatest(place.rt, { model: 'price', actor: 'test' })
    await place.server.station.router.refresh()
    const answers = await ask(lightgbm)
    expect(answers.map(({ output }) => output)).toEqual(Array.from(lightgbm.output))
  })

  test('leaves again as LightGBM text that is the same model over the features of the config', async () => {
    const { digest, version } = await namedVersion(place.rt, 'price@live')
    expect(version).toBe(1)
    const loaded = await loadModel(place.rt.store, digest)
    const text = exportLightGbmText(loaded.graph.model, {
      featureNames: loaded.features.features.map(({ name }) => name),
    })
    const again = readLightGbmText(text)
    expect(again.features.map(({ name }) => name)).toEqual(['size', 'other', 'city', 'color'])
    await expect(namedVersion(place.rt, 'price@v7')).rejects.toThrow('MR_LOOP_UNKNOWN')
  })

  test('another file becomes the next version when it is named on the command line', async () => {
    const trained = await trainModel(place.rt, {
      model: 'price',
      trainer: imported('model.json'),
      reason: 'xgboost',
      actor: 'test',
    })
    expect(trained.bundle.version).toBe(2)
    const { digest } = await namedVersion(place.rt, 'price@v2')
    expect(digest).toBe(trained.bundle.parent)
    const version = await place.rt.store.getRecord<ModelVersion>(digest, 'ModelVersion')
    expect(version.card.notes.join()).toContain('XGBoost 3.2.0 JSON')
  })

  test.each([
    ['a file that is not there', imported('nothing.txt'), 'MR_TRAIN_IMPORTED_FILE'],
    ['a file that is no model', imported('items.csv'), 'MR_MODEL_IMPORT'],
    [
      'names that are not as many as its columns',
      imported('model.txt', { features: ['size'] }),
      'MR_TRAIN_IMPORTED_NAMES',
    ],
    [
      'names that the config does not have',
      imported('model.txt', { features: ['a', 'b', 'c'] }),
      'MR_MODEL_ALIGN',
    ],
    [
      'numbers where the config has categories',
      imported('model.txt', { features: ['color', 'city', 'city'] }),
      'MR_MODEL_ALIGN',
    ],
  ])('is refused for %s', async (_, trainer, code) => {
    await expect(
      trainModel(place.rt, { model: 'price', trainer, reason: 'no', actor: 'test' }),
    ).rejects.toThrow(code)
  })
})
