/** A head on somebody else's convolutional network, in the loop: learned by the worker, measured, gated, released and asked over HTTP. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { col, dataset, gates, head, model, project } from 'millrace'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import type { ModelVersion } from '../../src/core/records.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { trainModel } from '../../src/loop/train.ts'
import { openLoop } from '../fixtures/loop-place.ts'

const at = (file: string) => new URL(`../reference/networks/heads/${file}`, import.meta.url)
const recorded: { rows: number[][]; binary: number[] } = JSON.parse(readFileSync(at('answers.json'), 'utf8'))
const names = recorded.rows[0].map((_, j) => `pixel${j}`)

test('its gates hold, and each answer is what ONNX Runtime gives for the file that is kept', async () => {
  const images = dataset('images', { source: 'none' })
  const marked = model('marked', {
    from: images,
    target: col('y').eq(1),
    features: Object.fromEntries(names.map((name) => [name, col(name)])),
    split: { by: 'random', validate: 0.2, test: 0.3 },
    watch: { owner: 'oncall@example.com' },
    gates: [gates.beatsBaseline()],
    trainer: head({ network: 'conv.onnx', layer: 2, l2: 3 }),
  })
  const def = project('images', { datasets: [images], models: [marked] })
  const place = await openLoop(def as never, Date.UTC(2026, 0, 1))
  const file = join(place.rt.folder, 'images.csv')
  const lines = recorded.rows.map((row, i) => [...row, recorded.binary[i]].join(','))
  await writeFile(file, `${[[...names, 'y'].join(','), ...lines].join('\n')}\n`)
  await writeFile(join(place.rt.folder, 'conv.onnx'), readFileSync(at('conv.onnx')))
  const columns = { ...Object.fromEntries(names.map((name) => [name, 'float'])), y: 'int' } as const
  const types = [...names.map((name) => `'${name}': 'DOUBLE'`), "'y': 'BIGINT'"].join(', ')
  await place.deliver('images', `select * from read_csv('${file}', types={${types}})`, columns)

  const trained = await trainModel(place.rt, { model: 'marked', reason: 'first', actor: 'test' })
  const version = await place.rt.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
  expect(version.format).toBe('onnx')
  expect(version.card.notes.join('\n')).toMatch(/conv\.onnx was taken as it is up to ".+", 24 numbers a row/)
  expect(version.card.metrics.auc.value).toBeGreaterThan(0.8)
  await releaseLatest(place.rt, { model: 'marked', actor: 'test' })
  await place.server.station.router.refresh()
  const rows = recorded.rows.slice(0, 40)
  const asked = { rows: rows.map((row) => Object.fromEntries(row.map((x, j) => [names[j], x]))) }
  const { status, body } = await place.post('/predict/marked', asked)
  expect(status).toBe(200)
  const session = await InferenceSession.create(await place.rt.store.objects.get(version.graph))
  const input = new Tensor('float32', Float32Array.from(rows.flat()), [40, 1, 8, 8])
  const { millrace_output: said } = await session.run({ [session.inputNames[0]]: input })
  expect(said.dims).toEqual([40, 1])
  body.predictions.forEach(({ probability }: { probability: number }, i: number) => {
    expect(probability).toBeCloseTo((said.data as Float32Array)[i], 6)
  })
  await session.release()
}, 120_000)
