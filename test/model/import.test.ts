import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { importLightGbmText } from '../../src/model/import/lightgbm-text.ts'
import { compileScorer } from '../../src/model/score.ts'
import { reference, rowsOf } from './fixtures.ts'

interface Fixture {
  model: string
  rows: (number | null)[][]
  raw: number[]
  output: number[]
}
const files = ['lightgbm-missing.json', 'lightgbm-categories.json']

describe('a model saved by LightGBM', () => {
  test.each(files)('scores as LightGBM does: %s', (name) => {
    const { model, rows, raw, output } = reference<Fixture>(name)
    const scorer = compileScorer(importLightGbmText(model))
    rowsOf(rows).forEach((x, i) => {
      expect(Math.abs(scorer.rawRow(x) - raw[i])).toBeLessThan(1e-13)
      expect(Math.abs(scorer.scoreRow(x) - output[i])).toBeLessThan(1e-13)
    })
  })

  const { model } = reference<Fixture>('lightgbm-missing.json')
  test.each<[string, (text: string) => string]>([
    ['it is cut', (text) => text.slice(0, text.length / 2)],
    ['it is another file', () => '{"learner":{}}'],
    [
      'it has several classes',
      (text) => text.replace('num_tree_per_iteration=1', 'num_tree_per_iteration=3'),
    ],
    ['its objective is unknown', (text) => text.replace('objective=binary', 'objective=lambdarank')],
    ['its sigmoid is not the standard one', (text) => text.replace('sigmoid:1', 'sigmoid:2')],
    ['a list is too short', (text) => text.replace(/split_feature=\d+ /, 'split_feature=')],
    ['a child does not exist', (text) => text.replace(/left_child=\S+/, 'left_child=99')],
    ['a child makes a cycle', (text) => text.replace(/left_child=\S+/, 'left_child=0')],
    ['a number is not one', (text) => text.replace(/leaf_value=\S+/, 'leaf_value=abc')],
    ['leaves are linear', (text) => text.replace('is_linear=0', 'is_linear=1')],
  ])('is refused when %s', (_, change) => {
    expect(() => importLightGbmText(change(model))).toThrow('MR_MODEL_IMPORT')
  })
})

const toy = new URL('../../../shared/data/xgboost-agaricus/toy_categorical_model.txt', import.meta.url)
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
