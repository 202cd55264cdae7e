import { describe, expect, test } from 'vitest'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
import { readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { compileScorer } from '../../../src/model/score.ts'
import type { TreeEnsemble } from '../../../src/model/trees.ts'
import { type Answers, answersOf, furthest, modelBytes, recordedModels, scored } from './recorded.ts'

const REFUSED = ['neighbours', 'zipmap', 'modes-logistic']
const models = recordedModels('onnx').filter((name) => !REFUSED.some((part) => name.includes(part)))

/** The positive class of two, where a model of ours has one output and the file two. */
function positive(values: Float64Array, { rows, nFeatures }: Answers, nOutputs: number): Float64Array {
  const width = values.length / (rows.length / nFeatures)
  return nOutputs === 1 && width === 2 ? values.filter((_, i) => i % 2 === 1) : values
}

describe('an ONNX model of scikit-learn, LightGBM or XGBoost, or with any mode of a branch', () => {
  test.each(models)('%s gives what ONNX Runtime gives', (name) => {
    const answers = answersOf(name)
    const { model } = readOnnxModel(modelBytes(name))
    const expected = positive(answers.output, answers, model.nOutputs)
    const got = scored(model, answers).output.map(Math.fround)
    const toTheBit = model.kind === 'TreeEnsemble' && model.link === 'identity'
    expect(furthest(got, expected)).toBeLessThanOrEqual(toTheBit ? 0 : 2e-7)
  })

  test.each(models.filter((name) => !name.includes('modes')))(
    '%s gives what its library gives, to float32',
    (name) => {
      const answers = answersOf(name)
      const { model } = readOnnxModel(modelBytes(name))
      const { output } = scored(model, answers)
      expect(furthest(output, positive(answers.raw, answers, model.nOutputs))).toBeLessThan(4e-7)
    },
  )

  test('is written and read again, and scored row by row with the same bits', () => {
    const { model } = readOnnxModel(modelBytes('onnx-pipeline-imputed.onnx'))
    expect(decodeModel(encodeModel(model)).model).toEqual(model)
    const { rows, nFeatures, output } = answersOf('onnx-pipeline-imputed.onnx')
    const scorer = compileScorer(model)
    output.forEach((expected, i) => {
      expect(scorer.rawRow(rows.slice(i * nFeatures, (i + 1) * nFeatures))).toBe(expected)
    })
  })

  test('takes doubles that are no floats as ONNX Runtime does after their cast', () => {
    const { rows, nFeatures, output } = answersOf('onnx-hist-regression.onnx')
    const scorer = compileScorer(readOnnxModel(modelBytes('onnx-hist-regression.onnx')).model)
    output.forEach((expected, i) => {
      const near = rows.slice(i * nFeatures, (i + 1) * nFeatures).map((x) => x * (1 + 1e-9))
      expect(scorer.rawRow(near)).toBe(expected)
    })
  })

  test('tells classes and task', () => {
    const words = readOnnxModel(modelBytes('onnx-tree-words.onnx'))
    expect([words.task, words.classes]).toEqual(['multiclass', ['high', 'low', 'middle']])
    expect(readOnnxModel(modelBytes('onnx-gb-binary.onnx')).task).toBe('binary')
    expect(readOnnxModel(modelBytes('onnx-gb-regression.onnx')).task).toBe('regression')
    const zipped = readOnnxModel(modelBytes('onnx-zipmap.onnx'))
    expect(zipped.classes).toEqual(['high', 'low', 'middle'])
  })

  test('has sets where the converter of LightGBM wrote chains of equalities', () => {
    const { model } = readOnnxModel(modelBytes('onnx-of-lightgbm-categories.onnx'))
    const { categorySets, roots } = model as TreeEnsemble
    expect(roots.length).toBe(6)
    expect(categorySets.length).toBeGreaterThan(10)
    expect(categorySets.some((set) => set.some((word) => (word & (word - 1)) !== 0))).toBe(true)
  })

  test('is left to ONNX Runtime when it is no ensemble, or is read in two ways', () => {
    expect(() => readOnnxModel(modelBytes('onnx-neighbours.onnx'))).toThrow(/ONNX Runtime can serve it whole/)
    expect(() => readOnnxModel(modelBytes('onnx-modes-logistic.onnx'))).toThrow('MR_MODEL_IMPORT')
  })
})

describe('an ONNX file', () => {
  const bytes = modelBytes('onnx-tree-binary.onnx')

  test('is refused when it is cut, at every place', () => {
    // What follows the graph are only versions of operators.
    for (let length = 0; length < bytes.length - 40; length++)
      expect(() => readOnnxModel(bytes.slice(0, length))).toThrow(/MR_MODEL_(IMPORT|INVALID)/)
  })

  test.each<[string, Uint8Array]>([
    ['it is empty', new Uint8Array(0)],
    ['it is text', new TextEncoder().encode('tree\nversion=v4\n')],
    ['a length is beyond the file', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f)],
    ['a number never ends', new Uint8Array(32).fill(0xff)],
    ['a graph is within a graph a thousand times', nested(1000)],
  ])('is refused when %s', (_, file) => {
    expect(() => readOnnxFile(file)).toThrow('MR_MODEL_IMPORT')
  })
})

/** Graphs in attributes of nodes of graphs. */
function nested(levels: number): Uint8Array {
  const field = (number: number, inner: number[]) => {
    const length: number[] = []
    for (let rest = inner.length; ; rest = Math.floor(rest / 128)) {
      length.push((rest % 128) | (rest >= 128 ? 128 : 0))
      if (rest < 128) break
    }
    return [number * 8 + 2, ...length, ...inner]
  }
  let graph: number[] = []
  for (let i = 0; i < levels; i++) graph = field(1, field(5, field(6, graph)))
  return Uint8Array.from(field(7, graph))
}
