import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { explainerOf } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { importLightGbmText, readLightGbmText } from '../../../src/model/import/lightgbm-text.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { reference, rowsOf } from '../fixtures.ts'
import { answersOf, furthest, modelBytes, recordedModels, scored } from './recorded.ts'

const textOf = (name: string) => new TextDecoder().decode(modelBytes(name))
const REFUSED = ['linear-tree', 'sqrt', 'cross-entropy-lambda']
const models = recordedModels('lightgbm').filter((name) => !REFUSED.some((part) => name.includes(part)))
/** Kinds whose raw scores LightGBM reports in another unit: not averaged, or before its sigmoid. */
const otherUnit = /rf|sigmoid2|ova/

test.each(['\t', '   ', ' \u00a0'])('blanks of any kind and number stand between numbers: %j', (blank) => {
  const text = textOf(models[0])
  const lists = text.replace(/^(leaf_value|threshold|left_child|split_feature)=.*$/gm, (line) =>
    line.replaceAll(' ', blank),
  )
  expect(lists).not.toBe(text)
  expect(importLightGbmText(lists)).toEqual(importLightGbmText(text))
})

test('whole numbers are read as any others, however they are written', () => {
  const text = textOf(models[0])
  const line = /^leaf_value=.*$/m.exec(text)?.[0] as string
  const written = ['-0', '7', '007', '+5', '999999999', '-999999999', '1234567890', '9007199254740993', '1e3']
  const values = line.slice('leaf_value='.length).split(' ')
  const given = values.map((value, i) => written[i] ?? value)
  const model = importLightGbmText(text.replace(line, `leaf_value=${given.join(' ')}`))
  const leaves = new Set(Array.from(model.value, (x) => (Object.is(x, -0) ? '-0' : String(x))))
  for (const one of written.slice(0, values.length))
    expect(leaves).toContain(Object.is(Number(one), -0) ? '-0' : String(Number(one)))
})

describe('a model saved by LightGBM 2.3, 3.3 or 4.7', () => {
  test.each(models.filter((name) => !otherUnit.test(name)))('%s gives its raw scores to the bit', (name) => {
    const answers = answersOf(name)
    const { raw, output } = scored(readLightGbmText(textOf(name)).model, answers)
    expect(furthest(raw, answers.raw)).toBe(0)
    expect(furthest(output, answers.output)).toBeLessThan(3e-16)
  })

  test.each(models.filter((name) => otherUnit.test(name)))('%s gives its outputs', (name) => {
    const answers = answersOf(name)
    const { output } = scored(readLightGbmText(textOf(name)).model, answers)
    expect(furthest(output, answers.output)).toBeLessThan(3e-16)
  })

  test.each(models.filter((name) => name.includes('-rf')))('%s is a mean of its rounds', (name) => {
    const answers = answersOf(name)
    const { raw } = scored(readLightGbmText(textOf(name)).model, answers)
    expect(
      furthest(
        raw,
        answers.raw.map((sum) => sum / 12),
      ),
    ).toBe(0)
  })

  test.each(['lightgbm-zero-missing.txt', 'lightgbm-rf.txt', 'lightgbm-multiclass.txt'])(
    '%s survives being written, and is explained with what is left in the residual',
    (name) => {
      const { model } = readLightGbmText(textOf(name))
      const again = decodeModel(encodeModel(model)).model
      expect(again).toEqual(model)
      const { rows, nFeatures } = answersOf(name)
      const explainer = explainerOf(again)
      const scorer = compileScorer(again)
      const raw = new Float64Array(model.nOutputs)
      for (let i = 0; i < 20; i++) {
        const x = rows.slice(i * nFeatures, (i + 1) * nFeatures)
        scorer.rawBatch(x, 1, raw)
        const explained = explainer.explain(x)
        expect(explained.raw).toBe(raw[0])
        expect(Math.abs(explained.residual)).toBeLessThan(1e-11 * Math.max(1, Math.abs(raw[0])))
      }
    },
  )

  test('keeps the values of categories that pandas gave', () => {
    const { features } = readLightGbmText(textOf('lightgbm-pandas.txt'))
    const { categories } = answersOf('lightgbm-pandas.txt')
    expect(features.map(({ name, type }) => [name, type])).toEqual([
      ['color', 'category'],
      ['city', 'category'],
      ['size', 'number'],
    ])
    expect(features[0].categories).toEqual(categories?.color)
    expect(features[1].categories).toEqual(categories?.city)
  })

  test('is read with what it is for', () => {
    const told = (name: string) => {
      const { source, task, objective } = readLightGbmText(textOf(name))
      return [source, task, objective]
    }
    expect(told('lightgbm-multiclass.txt')).toEqual([
      'LightGBM text v4',
      'multiclass',
      'multiclass num_class:3',
    ])
    expect(told('lightgbm-rank.txt')).toEqual(['LightGBM text v4', 'ranking', 'lambdarank'])
    expect(told('lightgbm-3.3-poisson.txt')).toEqual(['LightGBM text v3', 'regression', 'poisson'])
  })
})

interface Fixture {
  model: string
  rows: (number | null)[][]
  raw: number[]
}

describe('a model saved by LightGBM', () => {
  test.each(['lightgbm-missing.json', 'lightgbm-categories.json'])('scores as LightGBM does: %s', (name) => {
    const { model, rows, raw } = reference<Fixture>(name)
    const scorer = compileScorer(importLightGbmText(model))
    expect(rowsOf(rows).map((x) => scorer.rawRow(x))).toEqual(raw)
  })

  const { model } = reference<Fixture>('lightgbm-missing.json')
  test.each<[string, (text: string) => string]>([
    ['it is cut', (text) => text.slice(0, text.length / 2)],
    ['trees were lost', (text) => text.replace(/Tree=1\n[\s\S]*?\n\n/, '')],
    ['it is another file', () => '{"learner":{}}'],
    [
      'its trees do not make whole rounds',
      (text) => text.replace('num_tree_per_iteration=1', 'num_tree_per_iteration=7'),
    ],
    [
      'it claims a million classes',
      (text) => text.replace('num_tree_per_iteration=1', 'num_tree_per_iteration=1000000'),
    ],
    ['its objective is unknown', (text) => text.replace('objective=binary', 'objective=magic')],
    [
      'its targets are square roots',
      (text) => text.replace('objective=binary sigmoid:1', 'objective=regression sqrt'),
    ],
    ['its sigmoid is not a number', (text) => text.replace('sigmoid:1', 'sigmoid:x')],
    ['a list is too short', (text) => text.replace(/split_feature=\d+ /, 'split_feature=')],
    ['a feature does not exist', (text) => text.replace(/split_feature=\d+ /, 'split_feature=99 ')],
    ['a child does not exist', (text) => text.replace(/left_child=\S+/, 'left_child=99')],
    ['a child makes a cycle', (text) => text.replace(/left_child=\S+/, 'left_child=0')],
    ['a number is not one', (text) => text.replace(/leaf_value=\S+/, 'leaf_value=abc')],
    ['leaves are linear', (text) => text.replace('is_linear=0', 'is_linear=1')],
    ['a tree claims a billion leaves', (text) => text.replace(/num_leaves=\d+/, 'num_leaves=1000000000')],
  ])('is refused when %s', (_, change) => {
    expect(change(model)).not.toBe(model)
    expect(() => importLightGbmText(change(model))).toThrow('MR_MODEL_IMPORT')
  })

  test.each(['lightgbm-linear-tree.txt', 'lightgbm-sqrt.txt', 'lightgbm-cross-entropy-lambda.txt'])(
    'is refused when it is %s',
    (name) => {
      expect(() => importLightGbmText(textOf(name))).toThrow('MR_MODEL_IMPORT')
    },
  )
})

const toy = new URL('../../../../shared/data/xgboost-agaricus/toy_categorical_model.txt', import.meta.url)
const toyAbsent = !existsSync(toy)
if (toyAbsent) console.warn('SKIPPED: toy_categorical model of treelite: the folder ../shared/data is absent')
test.skipIf(toyAbsent)('the categorical model of treelite (version v2) scores as published', () => {
  const read = (name: string) => readFileSync(new URL(name, toy), 'utf8').trim().split('\n')
  const scorer = compileScorer(importLightGbmText(readFileSync(toy, 'utf8')))
  const expected = read('toy_categorical.test.pred').map(Number)
  read('toy_categorical.test').forEach((line, i) => {
    const x = new Float64Array(2).fill(Number.NaN)
    for (const [, j, value] of line.matchAll(/ (\d+):(\S+)/g)) x[Number(j)] = Number(value)
    expect(Math.abs(scorer.scoreRow(x) - expected[i])).toBeLessThan(1e-12)
  })
})
