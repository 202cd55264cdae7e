import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { head } from '../../../src/define/index.ts'
import type { HeadTrainer } from '../../../src/define/types.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { headLearner } from '../../../src/train/head/learner.ts'
import type { LearnInput } from '../../../src/train/learner.ts'

const at = (file: string) => fileURLToPath(new URL(`../../reference/networks/${file}`, import.meta.url))

interface Recorded {
  rows: number[][]
  binary: number[]
  classes: number[]
  probabilities: Record<string, number[][]>
}
const recorded: Recorded = JSON.parse(readFileSync(at('heads.json'), 'utf8'))
const nRows = recorded.rows.length
const columns = [0, 1, 2, 3].map((j) => Float64Array.from(recorded.rows, (row) => row[j]))

function inputOf(over: Partial<LearnInput> & { file?: string } = {}): LearnInput & { notes: string[] } {
  const notes: string[] = []
  const train = { nRows, columns, target: Float64Array.from(recorded.binary) }
  return {
    task: 'binary',
    nClasses: 1,
    features: columns.map((_, j) => ({ name: `x${j}`, type: 'number' })),
    train,
    validate: train,
    seed: 1,
    signal: new AbortController().signal,
    progress: () => undefined,
    note: (text) => notes.push(text),
    place: {
      ...{ id: 'x', scratch: '', checkpoints: '' },
      path: async () => at(over.file ?? 'torch-sigmoid.onnx'),
      infer: () => Promise.reject(new Error('nothing runs ONNX here')),
    },
    ...over,
    notes,
  }
}

const planned = (options: Partial<Parameters<typeof head>[0]> = {}): HeadTrainer => ({
  ...head({ network: 'torch-sigmoid.onnx', ...options }),
  contents: { 'torch-sigmoid.onnx': `sha256:${'0'.repeat(64)}` },
})

test.each([1, 2])(
  'a head on layer %i is the regression that scikit-learn fits on what the layer makes of the rows',
  async (layer) => {
    const { model } = await headLearner.learn(inputOf(), planned({ layer }))
    const out = new Float64Array(nRows)
    compileScorer(model).scoreBatch(columns, nRows, out)
    for (const [i, [, p]] of recorded.probabilities[`binary-${layer}`].entries())
      expect(out[i]).toBeCloseTo(p, 4)
    expect(decodeModel(encodeModel(model)).model).toEqual(model)
  },
)

test('a head of several classes, on the last hidden layer unless another is named', async () => {
  const train = { nRows, columns, target: Float64Array.from(recorded.classes) }
  const input = inputOf({ task: 'multiclass', nClasses: 3, train, validate: train })
  const { model } = await headLearner.learn(input, planned())
  expect(model).toMatchObject({ widths: [8, 5, 3], link: 'softmax', nOutputs: 3 })
  const out = new Float64Array(nRows * 3)
  compileScorer(model).scoreBatch(columns, nRows, out)
  for (const [i, row] of recorded.probabilities['classes-2'].entries())
    for (const [k, p] of row.entries()) expect(out[i * 3 + k]).toBeCloseTo(p, 3)
  expect(input.notes[0]).toContain('the layers 8-5 of torch-sigmoid.onnx')
})

test('only the rows that are kept are learned from', async () => {
  const kept = Int32Array.from({ length: 150 }, (_, i) => i * 2)
  const target = Float64Array.from(recorded.binary, (y, i) => (i % 2 === 0 ? y : 1 - y))
  const [all, half] = [
    await headLearner.learn(inputOf({ kept }), planned()),
    await headLearner.learn(inputOf({ kept, train: { nRows, columns, target } }), planned()),
  ]
  expect(half.model).toEqual(all.model)
})

test('a network that does not fit the model is refused with what was expected', async () => {
  const refusal = async (input: LearnInput, options = {}) =>
    (await Promise.resolve(headLearner.learn(input, planned(options))).catch((error) => error)).message
  const three = inputOf()
  expect(await refusal({ ...three, features: three.features.slice(1) })).toContain(
    'a network of 3 inputs, one a feature',
  )
  expect(await refusal(inputOf(), { layer: 3 })).toContain('a layer from 1 to 2')
  expect(await refusal(inputOf(), { layer: 0 })).toContain('a layer from 1 to 2')
  const category = inputOf()
  expect(
    await refusal({
      ...category,
      features: category.features.map((f, j) => (j === 2 ? { ...f, type: 'category' as const } : f)),
    }),
  ).toContain('"x2", a category')
})
