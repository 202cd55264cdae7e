/** Networks that ONNX Runtime scores, in the loop: measured, gated, released, asked, explained and given back, with the outputs that ONNX Runtime gave elsewhere. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { col, dataset, imported, model, project } from 'millrace'
import { beforeAll, describe, expect, test } from 'vitest'
import { whyView } from '../../src/api/views/index.ts'
import type { ModelVersion } from '../../src/core/records.ts'
import { explainModel, explainOneRow } from '../../src/loop/explain.ts'
import { releaseLatest } from '../../src/loop/release.ts'
import { trainModel } from '../../src/loop/train.ts'
import { readyModel } from '../../src/model/ready.ts'
import { type LoopPlace, openLoop } from '../fixtures/loop-place.ts'

const at = (file: string) => new URL(`../reference/networks/whole/${file}`, import.meta.url)
interface Recorded {
  rows: number[][]
  binary: number[]
  kinds: string[]
  outputs: Record<string, number[][]>
}
const recorded: Recorded = JSON.parse(readFileSync(at('answers.json'), 'utf8'))
const FILES = Object.keys(recorded.outputs)

const days = dataset('days', { source: 'none' })
const common = {
  from: days,
  // In another order than the files have them.
  features: { d: col('d'), c: col('c'), b: col('b'), a: col('a') },
  split: { by: 'random', validate: 0.2, test: 0.3 },
  watch: { owner: 'oncall@example.com' },
  gates: [],
} as const
const named = { features: ['a', 'b', 'c', 'd'] }
/** Perceptrons could be scored here. */
const whole = { ...named, runtime: 'onnx' } as const
const ports = { features: ['a', 'b', 'c', 'd'], output: 'chance' }

const models = [
  model('binary', { ...common, target: col('y').eq(1), trainer: imported('sklearn-binary.onnx', whole) }),
  model('two', { ...common, target: col('y').eq(1), trainer: imported('torch-two.onnx', named) }),
  model('several', { ...common, target: col('y').eq(1), trainer: imported('several.onnx', ports) }),
  model('maps', {
    ...common,
    task: 'multiclass',
    target: col('kind'),
    trainer: imported('sklearn-maps.onnx', whole),
  }),
  model('classes', {
    ...common,
    task: 'multiclass',
    target: col('kind'),
    trainer: imported('torch-classes.onnx', { ...named, classes: ['snow', 'dry', 'rain'] }),
  }),
  model('value', { ...common, target: col('v'), trainer: imported('sklearn-value.onnx', whole) }),
  model('double', { ...common, target: col('v'), trainer: imported('torch-double.onnx', named) }),
]

const softmax = (row: number[]) => {
  const all = row.map((x) => Math.exp(x - Math.max(...row)))
  return all.map((x) => x / all.reduce((sum, e) => sum + e, 0))
}
/** What each model is to answer for a recorded row: a number, or probabilities by label. */
const EXPECTED: Record<string, (i: number) => number | Record<string, number>> = {
  binary: (i) => recorded.outputs['sklearn-binary'][i][1],
  two: (i) => softmax(recorded.outputs['torch-two'][i])[1],
  several: (i) => recorded.outputs.several[i][0],
  maps: (i) => labelled(['dry', 'rain', 'snow'], recorded.outputs['sklearn-maps'][i]),
  classes: (i) => labelled(['snow', 'dry', 'rain'], softmax(recorded.outputs['torch-classes'][i])),
  value: (i) => recorded.outputs['sklearn-value'][i][0],
  double: (i) => recorded.outputs['torch-double'][i][0],
}
const labelled = (labels: string[], values: number[]) =>
  Object.fromEntries(labels.map((label, k) => [label, values[k]]))

/** Sentences of the card that say how the answer is read. */
const SAID: Record<string, RegExp> = {
  binary: /of two outputs, the second is "1".*|outputs are probabilities/,
  two: /outputs are scores, .*: a softmax makes probabilities of them/,
  several: /outputs are probabilities, as its last operator is Sigmoid/,
  maps: /classes go by their labels/,
  classes: /outputs are scores, .*: a softmax makes probabilities of them/,
  value: /a network that ONNX Runtime scores \(as declared\)/,
  double: /a network that ONNX Runtime scores/,
}

let place: LoopPlace
beforeAll(async () => {
  place = await openLoop(project('networks', { datasets: [days], models }) as never, Date.UTC(2026, 0, 1))
  const { folder } = place.rt
  for (const file of FILES) await writeFile(join(folder, `${file}.onnx`), readFileSync(at(`${file}.onnx`)))
  const lines = recorded.rows.map((row, i) =>
    [...row, recorded.binary[i], recorded.kinds[i], recorded.outputs['sklearn-value'][i][0]].join(','),
  )
  await writeFile(join(folder, 'days.csv'), `${['a,b,c,d,y,kind,v', ...lines].join('\n')}\n`)
  const numbers = { a: 'float', b: 'float', c: 'float', d: 'float' } as const
  const columns = { ...numbers, y: 'int', kind: 'string', v: 'float' } as const
  const types =
    "types={'a': 'DOUBLE', 'b': 'DOUBLE', 'c': 'DOUBLE', 'd': 'DOUBLE', 'y': 'BIGINT', 'kind': 'VARCHAR', 'v': 'DOUBLE'}"
  await place.deliver('days', `select * from read_csv('${join(folder, 'days.csv')}', ${types})`, columns)
}, 60_000)

const rowsFrom = (from: number, n: number) =>
  recorded.rows.slice(from, from + n).map(([a, b, c, d]) => ({ a, b, c, d }))

describe.each(models.map(({ name }) => name))('the network %s', (name) => {
  let version: ModelVersion

  test('is measured on the dataset and kept as it came', async () => {
    const trained = await trainModel(place.rt, { model: name, reason: 'theirs', actor: 'test' })
    version = await place.rt.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
    expect(version.format).toBe('onnx')
    expect(version.card.notes.join('\n')).toMatch(SAID[name])
    expect(version.card.importance.map(({ feature }) => feature).sort()).toEqual(['a', 'b', 'c', 'd'])
    const file = (models.find((one) => one.name === name) as unknown as { trainer: { file: string } }).trainer
      .file
    expect(Buffer.from(await place.rt.store.objects.get(version.graph))).toEqual(readFileSync(at(file)))
  })

  test('answers what ONNX Runtime answers elsewhere', async () => {
    await releaseLatest(place.rt, { model: name, actor: 'test' })
    await place.server.station.router.refresh()
    const { status, body } = await place.post(`/predict/${name}`, { rows: rowsFrom(0, 60) })
    expect(status).toBe(200)
    body.predictions.forEach((answer: Record<string, unknown>, i: number) => {
      const want = EXPECTED[name](i)
      if (typeof want === 'number') expect(answer.probability ?? answer.value).toBeCloseTo(want, 5)
      else
        for (const [label, p] of Object.entries(want))
          expect((answer.probabilities as Record<string, number>)[label]).toBeCloseTo(p, 5)
    })
  })

  test('is explained by samples, and says so', async () => {
    const { status, body } = await place.post(`/predict/${name}/explain`, rowsFrom(3, 1)[0])
    expect(status).toBe(200)
    const { explanation } = body
    expect(explanation).toMatchObject({ method: 'permutation', exact: false })
    const sum = explanation.contributions.reduce(
      (total: number, { contribution }: { contribution: number }) => total + contribution,
      explanation.base,
    )
    expect(sum + explanation.residual).toBeCloseTo(explanation.raw, 9)
  })

  test('is explained by the loop against training rows, by samples and by gradients that agree on what adds up', async () => {
    const found = await explainOneRow(place.rt, { model: name, row: rowsFrom(3, 1)[0] })
    expect(found.scale).toBe('output')
    expect(found.explanations.map(({ method, exact }) => [method, exact])).toEqual([
      ['permutation', false],
      ['integrated-gradients', false],
    ])
    for (const { base, contributions, residual, fallback } of found.explanations) {
      const sum = contributions.reduce((total, { contribution }) => total + contribution, base)
      expect(sum + residual).toBeCloseTo(found.raw, 9)
      if (fallback === undefined)
        expect(Math.abs(residual)).toBeLessThanOrEqual(
          0.01 * Math.max(Math.abs(found.raw - base), 1e-6) + 1e-9,
        )
    }
    const asked = (await place.post(`/predict/${name}`, rowsFrom(3, 1)[0])).body
    const why = await whyView(place.rt, asked.id as string)
    expect(why.explanation).toMatchObject({ method: 'permutation', exact: false, scale: 'output' })
    expect(why.explanation.raw).toBeCloseTo(why.output, 6)
    const parts = why.explanation.contributions.reduce(
      (total, c) => total + c.contribution,
      why.explanation.base,
    )
    expect(parts + why.explanation.residual).toBeCloseTo(why.explanation.raw, 9)
    await expect(explainModel(place.rt, { model: name })).rejects.toMatchObject({ code: 'MR_LOOP_EXPLAIN' })
  })
})

test.each(['binary', 'maps', 'value'])(
  'the network of %s is scored here where nothing else is said, and answers the same',
  async (name) => {
    const { trainer } = models.find((one) => one.name === name) as unknown as {
      trainer: ReturnType<typeof imported>
    }
    const { runtime: _, ...own } = trainer
    const trained = await trainModel(place.rt, { model: name, trainer: own, reason: 'own', actor: 'test' })
    const { digest, version, ...ready } = await readyModel(
      { store: place.rt.store, infer: () => Promise.reject(new Error('no ONNX Runtime')) },
      trained.bundle.parent,
    )
    expect(version.format).toBe('network')
    const columns = [3, 2, 1, 0].map((j) => Float64Array.from(recorded.rows, (row) => row[j]))
    const outputs = await ready.outputs(columns, recorded.rows.length)
    recorded.rows.forEach((_, i) => {
      const want = EXPECTED[name](i)
      const all =
        typeof want === 'number' ? [want] : (version.classes as string[]).map((label) => want[label])
      all.forEach((p, k) => {
        expect(outputs[i * all.length + k]).toBeCloseTo(p, 5)
      })
    })
  },
)

test('a card of a network that made the targets has no error', async () => {
  const trained = await trainModel(place.rt, { model: 'value', reason: 'again', actor: 'test' })
  const version = await place.rt.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
  expect(version.card.metrics.rmse.value).toBeLessThan(1e-5)
  expect(version.card.importance[0].meanAbs).toBeGreaterThan(0)
})

test.each([
  [
    'names that are not as many as its columns',
    'value',
    imported('sklearn-value.onnx', { ...whole, features: ['a'] }),
    'MR_TRAIN_NETWORK',
  ],
  [
    'names that the config does not have',
    'value',
    imported('several.onnx', { output: 'chance' }),
    'MR_MODEL_ALIGN',
  ],
  ['several numbers a row for a value', 'value', imported('torch-classes.onnx', named), 'MR_TRAIN_NETWORK'],
  [
    'other classes',
    'maps',
    imported('torch-classes.onnx', { ...named, classes: ['a', 'b', 'c'] }),
    'MR_TRAIN_NETWORK',
  ],
  ['two outputs for three classes', 'maps', imported('torch-two.onnx', named), 'MR_TRAIN_NETWORK'],
  [
    'probabilities that are none',
    'two',
    imported('torch-two.onnx', { ...named, gives: 'probabilities' }),
    'MR_TRAIN_NETWORK',
  ],
  [
    'an output that it does not have',
    'several',
    imported('several.onnx', { ...ports, output: 'odds' }),
    'MR_TRAIN_NETWORK',
  ],
] as const)('is refused for %s', async (_, name, trainer, code) => {
  await expect(
    trainModel(place.rt, { model: name, trainer: trainer as never, reason: 'no', actor: 'test' }),
  ).rejects.toThrow(code)
})

test('a missing value where the network takes integers is refused by name', async () => {
  const { body } = await place.post('/predict/several', { rows: [{ a: 1, b: 1, c: 1, d: null }] })
  expect(body).toMatchObject({ code: 'MR_MODEL_MISSING', status: 422 })
})
