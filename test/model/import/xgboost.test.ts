import { describe, expect, test } from 'vitest'
import { explainerOf } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { refuseAs } from '../../../src/model/import/imported.ts'
import { readUbjson } from '../../../src/model/import/ubjson.ts'
import { readXgboost } from '../../../src/model/import/xgboost.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { answersOf, furthest, modelBytes, recordedModels, scored } from './recorded.ts'

const models = recordedModels('xgboost').filter((name) => !name.includes('hinge'))

describe('a model saved by XGBoost 1.3, 1.7, 2.1 or 3.2', () => {
  test.each(models.filter((name) => !name.includes('linear')))('%s gives its margins to the bit', (name) => {
    const answers = answersOf(name)
    const { model } = readXgboost(modelBytes(name))
    const { raw, output } = scored(model, answers)
    expect(furthest(raw, answers.raw)).toBe(0)
    expect(furthest(output, answers.output)).toBeLessThan(1e-7)
  })

  test.each(models.filter((name) => name.includes('linear')))(
    '%s gives its margins to float32 rounding',
    (name) => {
      const answers = answersOf(name)
      const { raw, output } = scored(readXgboost(modelBytes(name)).model, answers)
      expect(furthest(raw, answers.raw)).toBeLessThan(2e-6)
      expect(furthest(output, answers.output)).toBeLessThan(2e-7)
    },
  )

  test('rows one by one have the bits of a batch, and the file of Millrace keeps them', () => {
    const answers = answersOf('xgboost-binary.json')
    const { model } = readXgboost(modelBytes('xgboost-binary.json'))
    const again = decodeModel(encodeModel(model)).model
    expect(again).toEqual(model)
    const scorer = compileScorer(again)
    const { nFeatures, rows, raw } = answers
    raw.forEach((margin, i) => {
      expect(scorer.rawRow(rows.slice(i * nFeatures, (i + 1) * nFeatures))).toBe(margin)
    })
  })

  test('is explained: contributions add up to the margin, but for its float32 rounding', () => {
    const answers = answersOf('xgboost-categories-sets.json')
    const { model } = readXgboost(modelBytes('xgboost-categories-sets.json'))
    const explainer = explainerOf(model)
    const { nFeatures, rows, raw } = answers
    raw.forEach((margin, i) => {
      const explained = explainer.explain(rows.slice(i * nFeatures, (i + 1) * nFeatures))
      expect(explained.raw).toBe(margin)
      expect(Math.abs(explained.residual)).toBeLessThan(1e-5)
    })
  })

  test('tells names, categories and what it is for', () => {
    const named = readXgboost(modelBytes('xgboost-binary.json'))
    expect(named.features.map(({ name }) => name)).toEqual([
      'age',
      'income',
      'rate',
      'amount',
      'visits',
      'noise',
    ])
    expect([named.source, named.task, named.objective]).toEqual([
      'XGBoost 3.2.0 JSON',
      'binary',
      'binary:logistic',
    ])
    const pandas = readXgboost(modelBytes('xgboost-pandas.json'))
    const { categories } = answersOf('xgboost-pandas.json')
    expect(pandas.features.map(({ type }) => type)).toEqual(['category', 'category', 'number'])
    expect(pandas.features[0].categories).toEqual(categories?.color)
    expect(pandas.features[1].categories).toEqual(categories?.city)
    expect(readXgboost(modelBytes('xgboost-1.7-gamma.ubj')).source).toBe('XGBoost 1.7.6 UBJSON')
  })

  test('is refused when it only answers yes or no', () => {
    expect(() => readXgboost(modelBytes('xgboost-hinge.json'))).toThrow(/binary:hinge answers only 0 or 1/)
  })

  const text = new TextDecoder().decode(modelBytes('xgboost-binary.json'))
  test.each<[string, (text: string) => string]>([
    ['it is cut', (t) => t.slice(0, t.length / 2)],
    ['it is another JSON', () => '{"layers":[]}'],
    ['its objective is unknown', (t) => t.replaceAll('binary:logistic', 'binary:magic')],
    ['its booster is unknown', (t) => t.replace('"gbtree"', '"gbforest"')],
    ['its base score is no probability', (t) => t.replace(/"base_score":"[^"]*"/, '"base_score":"[7E0]"')],
    ['a list is too short', (t) => t.replace(/"split_indices":\[\d+,/, '"split_indices":[')],
    ['a feature does not exist', (t) => t.replace(/"split_indices":\[\d+,/, '"split_indices":[99,')],
    ['a child does not exist', (t) => t.replace(/"left_children":\[\d+,/, '"left_children":[999,')],
    ['a child makes a cycle', (t) => t.replace(/"left_children":\[\d+,/, '"left_children":[0,')],
    ['a child is a fraction', (t) => t.replace(/"left_children":\[\d+,/, '"left_children":[1.5,')],
    ['a number is a text', (t) => t.replace(/"split_conditions":\[[^,]+,/, '"split_conditions":["x",')],
    ['a tree is for a class that is not there', (t) => t.replace(/"tree_info":\[0,/, '"tree_info":[5,')],
    ['it claims a billion classes', (t) => t.replace(/"num_class":"0"/, '"num_class":"1000000000"')],
  ])('is refused when %s', (_, change) => {
    expect(change(text)).not.toBe(text)
    expect(() => readXgboost(new TextEncoder().encode(change(text)))).toThrow('MR_MODEL_IMPORT')
  })
})

describe('UBJSON', () => {
  const read = (...bytes: (number | string)[]) =>
    readUbjson(
      Uint8Array.from(
        bytes.flatMap((b) => (typeof b === 'string' ? Array.from(Buffer.from(b, 'latin1')) : [b])),
      ),
      refuseAs('XGBoost'),
    )

  test('is read with all its types', () => {
    expect(
      read(
        '[',
        'U',
        200,
        'i',
        255,
        'I',
        1,
        0,
        'l',
        255,
        255,
        255,
        255,
        'L',
        0,
        0,
        0,
        0,
        0,
        0,
        1,
        0,
        'T',
        'F',
        'Z',
        'Ca',
        ']',
      ),
    ).toEqual([200, -1, 256, -1, 256, true, false, null, 'a'])
    expect(read('[$d#U', 1, 0x3f, 0x80, 0, 0)).toEqual(Float32Array.of(1))
    expect(read('D', 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)).toBe(1)
    expect(read('{', 'U', 1, 'aSU', 2, 'hi', '}')).toEqual(Object.assign(Object.create(null), { a: 'hi' }))
    expect(read('{', 'U', 9, '__proto__', 'T', '}')).not.toHaveProperty('x')
  })

  test.each<[string, (number | string)[]]>([
    ['a text is longer than the file', ['SL', 0, 0, 0, 255, 255, 255, 255, 255, 'x']],
    ['a list claims more numbers than bytes are left', ['[$d#l', 0x7f, 255, 255, 255]],
    ['a list claims a billion values of no bytes', ['[$Z#l', 0x3f, 255, 255, 255]],
    ['a length is negative', ['S', 'i', 255]],
    ['it ends early', ['{', 'U', 1, 'a']],
    ['something follows', ['T', 'T']],
    [
      'it nests deeper than 64 levels',
      [...new Array<string>(100).fill('['), ...new Array<string>(100).fill(']')],
    ],
    ['a type is unknown', ['q']],
    ['an integer is too large', ['L', 0x7f, 255, 255, 255, 255, 255, 255, 255]],
  ])('is refused when %s', (_, bytes) => {
    expect(() => read(...bytes)).toThrow('MR_MODEL_IMPORT')
  })
})
