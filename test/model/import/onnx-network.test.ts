import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { OnnxGraphWriter } from '../../../src/model/export/onnx-writer.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
import { ACTIVATIONS, CURVES, normalShare } from '../../../src/model/network/activations.ts'
import { compileScorer } from '../../../src/model/score.ts'

const at = (file: string) => new URL(`../../reference/networks/${file}`, import.meta.url)
const bytesOf = (name: string) => new Uint8Array(readFileSync(at(`${name}.onnx`)))

interface Recorded {
  rows: number[][]
  outputs: Record<string, number[][]>
}
const recorded: Recorded = JSON.parse(readFileSync(at('answers.json'), 'utf8'))
const n = recorded.rows.length
const rows = Float64Array.from(recorded.rows.flat())

const TASKS: Record<string, [task: string, widths: number[], activation: string]> = {
  'sklearn-binary': ['binary', [8, 6, 1], 'relu'],
  'sklearn-classes': ['multiclass', [8, 3], 'relu'],
  'sklearn-regression': ['regression', [8, 4, 1], 'relu'],
  'torch-sigmoid': ['binary', [8, 5, 1], 'relu'],
  'torch-two': ['binary', [8, 5, 1], 'gelu'],
  'torch-classes': ['multiclass', [8, 5, 4], 'relu'],
  'torch-value': ['regression', [8, 5, 1], 'gelu'],
  'torch-exact-gelu': ['regression', [8, 5, 1], 'gelu-exact'],
}

test.each(Object.keys(TASKS))('%s gives what ONNX Runtime gives, to float32', (name) => {
  const { model, task } = readOnnxModel(bytesOf(name))
  const [expectedTask, widths, activation] = TASKS[name]
  expect({ task, model }).toMatchObject({ task: expectedTask, model: { widths, activation } })
  const out = new Float64Array(n * model.nOutputs)
  compileScorer(model).scoreBatch(rows, n, out)
  const expected = recorded.outputs[name].flatMap((row) => (model.nOutputs === 1 ? row.slice(-1) : row))
  for (const [i, value] of expected.entries())
    expect(Math.abs(out[i] - value), `row ${Math.floor(i / model.nOutputs)}`).toBeLessThan(
      3e-6 * Math.max(1, Math.abs(value)),
    )
  expect(decodeModel(encodeModel(model)).model).toEqual(model)
})

const TORCH: Record<string, [task: string, widths: number[], activation: string]> = {
  gelu: ['binary', [8, 1], 'gelu-exact'],
  norms: ['multiclass', [8, 5, 3], 'relu'],
  silu: ['regression', [8, 1], 'silu'],
  tanh: ['binary', [6, 6, 1], 'tanh'],
  sigmoids: ['binary', [6, 1], 'sigmoid'],
  bottleneck: ['regression', [7, 1], 'relu'],
  'gelu-tanh': ['regression', [8, 1], 'gelu'],
  'by-hand': ['binary', [6, 1], 'relu'],
}

test.each(readdirSync(at('torch')).filter((file) => file.endsWith('.onnx')))(
  '%s gives what PyTorch says, to float32',
  (file) => {
    const [, name, version] = /^(.*)-(\d+\.\d+)-\w+\.onnx$/.exec(file)!
    const said: Recorded = JSON.parse(readFileSync(at(`torch/answers-${version}.json`), 'utf8'))
    const { model, task } = readOnnxModel(new Uint8Array(readFileSync(at(`torch/${file}`))))
    const [expectedTask, widths, activation] = TORCH[name]
    expect({ task, model }).toMatchObject({ task: expectedTask, model: { widths, activation } })
    const out = new Float64Array(said.rows.length * model.nOutputs)
    compileScorer(model).scoreBatch(Float64Array.from(said.rows.flat()), said.rows.length, out)
    const expected = said.outputs[name].flatMap((row) => (model.nOutputs === 1 ? row.slice(-1) : row))
    const worst = Math.max(
      ...expected.map((value, i) => Math.abs(out[i] - value) / Math.max(1, Math.abs(value))),
    )
    expect(worst).toBeLessThan(2e-6)
    expect(decodeModel(encodeModel(model)).model).toEqual(model)
  },
)

test('a network that is still in training, of several activations or with more after its end is refused', () => {
  const graph = (nodes: (graph: OnnxGraphWriter, rows: string) => string) => {
    const writer = new OnnxGraphWriter()
    writer.port('input', 'x', 2)
    writer.node('Identity', [nodes(writer, 'x')], {}, { output: 'y' })
    writer.port('output', 'y', 2)
    return () => readOnnxModel(writer.file({}))
  }
  const dense = (g: OnnxGraphWriter, rows: string, nOut = 2) =>
    g.node('Gemm', [rows, g.constant(new Float32Array(2 * nOut).fill(0.5), [2, nOut])])
  const ones = (g: OnnxGraphWriter) => g.constant([1, 1], [2])
  expect(
    graph((g, x) =>
      g.node('BatchNormalization', [dense(g, x), ones(g), ones(g), ones(g), ones(g)], { training_mode: 1 }),
    ),
  ).toThrow('call model.eval() before the export')
  expect(graph((g, x) => dense(g, g.node('Tanh', [dense(g, g.node('Relu', [dense(g, x)]))]), 1))).toThrow(
    'relu and tanh',
  )
  expect(graph((g, x) => g.node('Relu', [dense(g, x, 1)]))).toThrow('layers with activations between them')
  expect(
    graph((g, x) => {
      const sum = dense(g, x)
      return dense(g, g.node('Mul', [sum, g.node('Exp', [sum])]), 1)
    }),
  ).toThrow('one way through the network')
})

test.each(ACTIVATIONS)('the slope of %s is the limit of its differences', (name) => {
  const { value, slope } = CURVES[name]
  for (let x = -9.03; x < 9; x += 0.37)
    expect(Math.abs((value(x + 1e-5) - value(x - 1e-5)) / 2e-5 - slope(x)), `at ${x}`).toBeLessThan(1e-8)
})

test('the share of a normal below a value, as Abramowitz and Stegun table it (26.1)', () => {
  for (const [x, share] of [
    [0, 0.5],
    [0.5, 0.691462461274013],
    [1, 0.841344746068543],
    [2, 0.977249868051821],
    [3, 0.99865010196837],
    [5, 0.999999713348428],
  ]) {
    expect(Math.abs(normalShare(x) - share)).toBeLessThan(1e-14)
    expect(Math.abs(normalShare(-x) - (1 - share))).toBeLessThan(1e-14)
  }
})

test('a missing value counts as the centre of its column, as a note says', () => {
  const { model, notes } = readOnnxModel(bytesOf('torch-value'))
  expect(notes.join()).toContain('a missing value counts in this network as the centre of its column')
  const scorer = compileScorer(model)
  const [missing, centre] = [Float64Array.of(1, Number.NaN, 2000, 0.5), Float64Array.of(1, -3, 2000, 0.5)]
  expect(scorer.rawRow(missing)).toBe(scorer.rawRow(centre))
})

test('explanations start from the means of the columns that are given', () => {
  const imported = readOnnxModel(bytesOf('torch-value'))
  const model = imported.withBase!(
    [0, 1, 2, 3].map((j) => Float64Array.from(recorded.rows.slice(0, 40), (row) => row[j])),
  )
  const { base, encodings } = model as unknown as {
    base: Float32Array
    encodings: { shift: number; scale: number }[]
  }
  for (const [j, { shift, scale }] of encodings.entries()) {
    const mean = recorded.rows.slice(0, 40).reduce((sum, row) => sum + row[j], 0) / 40
    expect(base[j] / scale).toBeCloseTo(mean - shift, 3)
  }
})

test('a file that is cut off or changed is refused or still a model, and never crashes', () => {
  const whole = bytesOf('sklearn-binary')
  for (let i = 0; i < 400; i++) {
    const bytes = i % 2 === 0 ? whole.slice(0, Math.floor((whole.length * i) / 400)) : whole.slice()
    if (i % 2 === 1) bytes[(i * 2_654_435_761) % whole.length] ^= 1 + (i % 255)
    try {
      readOnnxModel(bytes)
    } catch (error) {
      expect((error as { code?: string }).code).toMatch(/^MR_MODEL_/)
    }
  }
})
