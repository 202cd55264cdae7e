/** Files that were damaged or made to do harm: each importer refuses with a code, or gives a model that is valid and ends; soon, and in bounded memory. */
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../../src/core/errors.ts'
import { mix32 } from '../../../src/core/rng.ts'
import { readLightGbmText } from '../../../src/model/import/lightgbm-text.ts'
import { readOnnxModel } from '../../../src/model/import/onnx.ts'
import { readXgboost } from '../../../src/model/import/xgboost.ts'
import { compileScorer, type Model } from '../../../src/model/score.ts'
import { modelBytes } from './recorded.ts'

/** Damaged files of each seed file; `MILLRACE_FUZZ=1000000` does more. */
const MUTANTS = Number(process.env.MILLRACE_FUZZ ?? 2_000)
const encode = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array) => new TextDecoder('latin1').decode(bytes)

/** The first trees of a recorded model, so that a mutation has a chance to matter. */
function shortText(name: string): Uint8Array {
  const [head, ...trees] = decode(modelBytes(name)).split(/(?=Tree=)/)
  return encode(`${head.replace(/tree_sizes=.*\n/, '')}${trees.slice(0, 2).join('')}end of trees\n`)
}

function shortJson(name: string): Uint8Array {
  const file = JSON.parse(decode(modelBytes(name)).replaceAll('NaN', '0'))
  const { model } = file.learner.gradient_booster
  model.trees = model.trees.slice(0, 2)
  model.tree_info = model.tree_info.slice(0, 2)
  return encode(JSON.stringify(file))
}

const lightgbm = (bytes: Uint8Array) => readLightGbmText(decode(bytes)).model
const xgboost = (bytes: Uint8Array) => readXgboost(bytes).model
const onnx = (bytes: Uint8Array) => readOnnxModel(bytes).model

const seeds: [string, (bytes: Uint8Array) => Model, () => Uint8Array][] = [
  ['LightGBM text', lightgbm, () => shortText('lightgbm-binary.txt')],
  ['LightGBM text with categories', lightgbm, () => shortText('lightgbm-pandas.txt')],
  ['XGBoost JSON', xgboost, () => shortJson('xgboost-binary.json')],
  ['XGBoost JSON with categories', xgboost, () => shortJson('xgboost-pandas.json')],
  ['XGBoost UBJSON', xgboost, () => modelBytes('xgboost-linear-softprob.ubj')],
  ['XGBoost UBJSON of trees', xgboost, () => modelBytes('xgboost-2.1-base-score.ubj')],
  ['ONNX trees', onnx, () => modelBytes('onnx-tree-words.onnx')],
  ['ONNX trees behind steps', onnx, () => modelBytes('onnx-pipeline-imputed.onnx')],
  ['ONNX trees of version 5', onnx, () => modelBytes('onnx-modes-five.onnx')],
  ['ONNX weights', onnx, () => modelBytes('onnx-logistic-multi.onnx')],
]

describe('a file damaged at random', () => {
  test.each(seeds)('is refused with a code or scores: %s', (_, read, seed) => {
    const whole = seed()
    expect(() => read(whole)).not.toThrow()
    let taken = 0
    for (let i = 0; i < MUTANTS; i++) taken += Number(survives(read, mutated(whole, i), i))
    expect(taken).toBeLessThan(MUTANTS)
  })
})

/** True when the file was taken for a model. */
function survives(read: (bytes: Uint8Array) => Model, bytes: Uint8Array, seed: number): boolean {
  try {
    const model = read(bytes)
    const x = Float64Array.from({ length: model.nFeatures }, (_, j) => (mix32(seed + j) % 7) - 3)
    const raw = new Float64Array(model.nOutputs)
    compileScorer(model).rawBatch(x, 1, raw)
    return true
  } catch (thrown) {
    if (isMillraceError(thrown)) return false
    throw new Error(`mutant ${seed} of ${bytes.length} bytes: ${String(thrown)}`, { cause: thrown })
  }
}

/** Cuts, flips, doubles, moves, and writes of telling values: the kinds of damage a parser meets. */
function mutated(whole: Uint8Array, seed: number): Uint8Array {
  let count = seed * 64 + 1
  const draw = (n: number) => mix32(count++) % Math.max(1, n)
  let bytes: Uint8Array = whole.slice()
  for (let times = 1 + draw(3); times > 0; times--) bytes = damage(bytes, draw)
  return bytes
}

const TELLING = [0, 1, 0x7f, 0x80, 0xff, 0x2d, 0x30, 0x39, 0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x20, 0x0a]

function damage(bytes: Uint8Array, draw: (n: number) => number): Uint8Array {
  const at = draw(bytes.length)
  const length = 1 + draw(12)
  const kind = draw(7)
  if (kind === 0) return bytes.slice(0, at)
  if (kind === 1) return join(bytes.slice(0, at), bytes.slice(at + length))
  if (kind === 2) return join(bytes.slice(0, at + length), bytes.slice(at))
  const out = bytes.slice()
  if (kind === 3) out[at] ^= 1 << draw(8)
  else if (kind === 4) out[at] = TELLING[draw(TELLING.length)]
  else if (kind === 5) for (let i = 0; i < length && at + i < out.length; i++) out[at + i] = 0xff
  else {
    const from = draw(bytes.length)
    out.set(bytes.subarray(from, from + length).subarray(0, bytes.length - at), at)
  }
  return out
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

describe('a file made to do harm is refused, soon', () => {
  const xgb = shortJson('xgboost-binary.json')
  const edit = (change: (model: { trees: Record<string, unknown>[]; tree_info: number[] }) => void) => {
    const file = JSON.parse(decode(xgb))
    change(file.learner.gradient_booster.model)
    return encode(JSON.stringify(file))
  }
  const chain = (n: number) => ({
    tree_param: { size_leaf_vector: '1' },
    left_children: Array.from({ length: n }, (_, i) => (i % 2 === 0 && i + 2 < n ? i + 1 : -1)),
    right_children: Array.from({ length: n }, (_, i) => (i % 2 === 0 && i + 2 < n ? i + 2 : -1)),
    split_indices: new Array(n).fill(0),
    split_conditions: new Array(n).fill(0.5),
    default_left: new Array(n).fill(0),
  })

  test.each<[string, (bytes: Uint8Array) => Model, Uint8Array]>([
    [
      'a tree a hundred thousand levels deep',
      xgboost,
      edit((model) => Object.assign(model.trees[0], chain(200_001))),
    ],
    ['JSON nested a million times', xgboost, encode(`{"learner":${'['.repeat(1_000_000)}`)],
    [
      'categories that double each level',
      xgboost,
      edit((model) => Object.assign(model.trees[0], doubling(200))),
    ],
    ['a category of four billion', xgboost, edit((model) => Object.assign(model.trees[0], oneCategory(4e9)))],
    [
      'a hundred thousand trees that are one list',
      xgboost,
      edit((model) => {
        model.trees = new Array(100_001).fill(model.trees[0])
      }),
    ],
    [
      'ten thousand classes',
      lightgbm,
      encode(
        decode(shortText('lightgbm-binary.txt')).replace(
          'num_tree_per_iteration=1',
          'num_tree_per_iteration=10000',
        ),
      ),
    ],
    [
      'a leaf that is no number',
      lightgbm,
      encode(decode(shortText('lightgbm-binary.txt')).replace(/leaf_value=\S+/, 'leaf_value=nan')),
    ],
    [
      'a threshold that is no number',
      lightgbm,
      encode(decode(shortText('lightgbm-binary.txt')).replace(/threshold=\S+/, 'threshold=NaN')),
    ],
    [
      'an infinite leaf',
      lightgbm,
      encode(decode(shortText('lightgbm-binary.txt')).replace(/leaf_value=\S+/, 'leaf_value=inf')),
    ],
    [
      'a set of a billion words',
      lightgbm,
      encode(
        decode(shortText('lightgbm-pandas.txt')).replace(
          /cat_boundaries=0 \d+/,
          'cat_boundaries=0 1000000000',
        ),
      ),
    ],
  ])('%s', (_, read, bytes) => {
    const before = process.memoryUsage().heapUsed
    const from = process.cpuUsage()
    expect(() => read(bytes)).toThrow(/MR_MODEL_(IMPORT|INVALID)/)
    const { user, system } = process.cpuUsage(from)
    expect((user + system) / 1e6).toBeLessThan(5)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(1e9)
  })

  /** Each level sends unlisted and missing codes different ways, which takes a second copy of what is right of it. */
  function doubling(levels: number) {
    const n = 2 * levels + 1
    const splits = Array.from({ length: levels }, (_, i) => 2 * i)
    return {
      ...chain(n),
      categories_nodes: splits,
      categories_segments: splits.map((_, i) => i),
      categories_sizes: splits.map(() => 1),
      categories: splits.map(() => 1),
    }
  }

  function oneCategory(code: number) {
    return { categories_nodes: [0], categories_segments: [0], categories_sizes: [1], categories: [code] }
  }
})
