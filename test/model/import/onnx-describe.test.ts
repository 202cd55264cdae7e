import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { OnnxGraphWriter } from '../../../src/model/export/onnx-writer.ts'
import { externalFile } from '../../../src/model/import/external-data.ts'
import { describeOnnx, isInside } from '../../../src/model/import/onnx-describe.ts'
import { type OnnxFile, readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { WireWriter } from '../../../src/model/import/protobuf.ts'
import { summariseModelFile } from '../../../src/model/import/summary.ts'
import { modelBytes } from './recorded.ts'

const described = (name: string) => describeOnnx(readOnnxFile(modelBytes(name)))

function made(build: (graph: OnnxGraphWriter) => void): OnnxFile {
  const graph = new OnnxGraphWriter()
  graph.port('input', 'x', 3)
  build(graph)
  graph.port('output', 'y', 1)
  return readOnnxFile(graph.file({}))
}

describe('an ONNX file is told before anything of it runs', () => {
  test('its inputs, outputs, versions and operators', () => {
    const { inputs, outputs, opsets, operators, problems, producer } = described('onnx-neighbours.onnx')
    expect(inputs).toEqual([{ name: 'X', type: 'float32', dims: [null, 6] }])
    expect(outputs.map(({ name, type }) => [name, type])).toEqual([
      ['output_label', 'int64'],
      ['output_probability', 'sequence'],
    ])
    expect(opsets).toEqual({ 'ai.onnx': 18, 'ai.onnx.ml': 1 })
    expect([producer, problems]).toEqual(['skl2onnx', []])
    expect(operators[0]).toEqual(['Cast', 4])
  })

  test('operators within loops count too', () => {
    // The body of the Scan has an operator that the graph around it has not.
    expect(described('onnx-neighbours.onnx').operators.map(([name]) => name)).toContain('ReduceSumSquare')
  })

  test('operators that nothing knows are named', () => {
    const custom = made((graph) => graph.node('Magic', ['x'], {}, { domain: 'com.example', output: 'y' }))
    expect(describeOnnx(custom).problems[0].problem).toMatch(/com\.example\.Magic is of a domain/)
    const unknown = made((graph) => graph.node('Conv9D', ['x'], {}, { output: 'y' }))
    expect(describeOnnx(unknown).problems[0].problem).toMatch(/Conv9D is not in the standard/)
    const tooNew = made((graph) => graph.node('Gelu', ['x'], {}, { output: 'y' }))
    expect(describeOnnx(tooNew).problems[0].problem).toMatch(
      /Gelu came with version 20, but the file says 13/,
    )
  })

  test('an opset that ONNX Runtime no longer runs comes with a command that raises it', () => {
    const file = made((graph) => graph.node('Relu', ['x'], {}, { output: 'y' }))
    file.opsets.set('', 5)
    const [{ problem, fix }] = describeOnnx(file).problems
    expect(problem).toBe('opset 5: ONNX Runtime runs opset 7 and later')
    expect(fix).toContain('version_converter')
    file.opsets.set('', 99)
    file.irVersion = 99
    expect(describeOnnx(file).problems.map((found) => found.problem)).toEqual([
      'opset 99: ONNX Runtime 1.30 knows up to 26',
      'IR version 99: ONNX Runtime 1.30 reads up to 13',
    ])
  })

  test('a network is for ONNX Runtime, trees are read here', () => {
    expect(summariseModelFile(modelBytes('onnx-neighbours.onnx')).refused).toMatch(/ONNX Runtime scores it/)
    const { own, onnx } = summariseModelFile(modelBytes('onnx-forest-multi.onnx'))
    expect([own?.trees, own?.nOutputs, own?.task]).toEqual([24, 3, 'multiclass'])
    expect(onnx?.operators).toEqual([['ai.onnx.ml.TreeEnsembleClassifier', 1]])
  })
})

/** A file whose one constant of 3 GB is in another file. */
function withExternal(location: string): OnnxFile {
  const entry = (key: string, value: string) => new WireWriter().text(1, key).text(2, value)
  const tensor = new WireWriter().int(1, 800_000_000).int(2, 1).text(8, 'w').int(14, 1)
  for (const pair of [entry('location', location), entry('offset', '16'), entry('length', '64')])
    tensor.message(13, pair)
  return readOnnxFile(new WireWriter().int(1, 8).message(7, new WireWriter().message(5, tensor)).done())
}

describe('data of tensors in other files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-onnx-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'model', 'sub'), { recursive: true })
  const home = join(folder, 'model')
  writeFileSync(join(home, 'weights.bin'), new Uint8Array(80))
  writeFileSync(join(folder, 'secret.bin'), new Uint8Array(80))
  symlinkSync(join(folder, 'secret.bin'), join(home, 'link.bin'))
  symlinkSync(folder, join(home, 'up'))

  test('are described and not read, however large', () => {
    const { external, constantBytes, problems } = describeOnnx(withExternal('weights.bin'))
    expect(external).toEqual([
      { tensor: 'w', location: 'weights.bin', offset: 16, length: 64, isInside: true },
    ])
    expect([constantBytes, problems]).toEqual([3_200_000_000, []])
  })

  test.each([
    '/etc/passwd',
    '../secret.bin',
    'sub/../../secret.bin',
    'C:\\weights.bin',
    '..\\secret.bin',
    '',
    '.',
    'a\0b',
  ])('cannot be at %j', (location) => {
    expect(isInside(location)).toBe(false)
    expect(describeOnnx(withExternal(location)).problems).toHaveLength(1)
  })

  const data = (location: string, offset = 16, length = 64) => ({
    tensor: 'w',
    location,
    offset,
    length,
    isInside: true,
  })

  test('are opened inside the folder only, links included', () => {
    expect(externalFile(home, data('weights.bin'))).toMatch(/weights\.bin$/)
    expect(externalFile(home, data('sub/../weights.bin'))).toMatch(/weights\.bin$/)
    for (const location of ['../secret.bin', 'link.bin', 'up/secret.bin', 'sub', 'absent.bin', '/etc/passwd'])
      expect(() => externalFile(home, data(location))).toThrow('MR_MODEL_IMPORT')
  })

  test('hold the bytes that the tensor claims', () => {
    expect(() => externalFile(home, data('weights.bin', 16, 65))).toThrow('MR_MODEL_IMPORT')
    expect(() => externalFile(home, data('weights.bin', -1, 4))).toThrow('MR_MODEL_IMPORT')
  })
})
