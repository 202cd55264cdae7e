import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
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

test('the exact GELU is another function than that of our networks, and is refused', () => {
  expect(() => readOnnxModel(bytesOf('torch-exact-gelu'))).toThrow("nn.GELU(approximate='tanh')")
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
