/** Weights in a file beside the model, as PyTorch's newer exporter leaves them, become part of it; nothing outside of its folder does. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { withExternalData } from '../../../src/model/import/external-inline.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
import { compileScorer } from '../../../src/model/score.ts'

const at = (file: string) => fileURLToPath(new URL(`../../reference/networks/torch/${file}`, import.meta.url))
const bytes = new Uint8Array(readFileSync(at('outside/model.onnx')))
const said: { rows: number[][]; outputs: Record<string, number[][]> } = JSON.parse(
  readFileSync(at('answers-2.15.json'), 'utf8'),
)

test('the whole gives what PyTorch says', () => {
  expect(() => readOnnxModel(bytes)).toThrow('data in another file')
  const { model } = readOnnxModel(withExternalData(bytes, at('outside')))
  const out = new Float64Array(said.rows.length)
  compileScorer(model).scoreBatch(Float64Array.from(said.rows.flat()), out.length, out)
  for (const [i, [p]] of said.outputs.outside.entries()) expect(Math.abs(out[i] - p)).toBeLessThan(2e-6)
})

test('a file without such data is given back as it is', () => {
  const inline = new Uint8Array(readFileSync(at('gelu-2.15-dynamo.onnx')))
  expect(withExternalData(inline, at('outside'))).toBe(inline)
})

test('data that are not there, too short, or linked from elsewhere are refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-outside-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  expect(() => withExternalData(bytes, folder)).toThrow('a file that is there')
  const beside = join(folder, 'model.onnx.data')
  symlinkSync(at('outside/model.onnx.data'), beside)
  expect(() => withExternalData(bytes, folder)).toThrow("a file in the model's folder")
  rmSync(beside)
  writeFileSync(beside, new Uint8Array(100))
  expect(() => withExternalData(bytes, folder)).toThrow('bytes within the 100')
})
