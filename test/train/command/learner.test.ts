import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import type { Digest } from '../../../src/core/records.ts'
import { command } from '../../../src/define/index.ts'
import type { CommandTrainer, ModelDef } from '../../../src/define/types.ts'
import { withTrainerFiles } from '../../../src/loop/trainer-files.ts'
import { loadModel } from '../../../src/model/load.ts'
import { predictColumns } from '../../../src/model/predict.ts'
import { fitSpec, prepareSpec } from '../../../src/train/specs.ts'
import { col, datasetDef, modelDef, openPlace, type Place } from '../../fixtures/training-place.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-trainer-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A stump of LightGBM on `x`: log-odds -1 up to 0.25, 2 above it. */
const STUMP = (names = 'x k', objective = 'binary sigmoid:1') => `tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=${names.split(' ').length - 1}
objective=${objective}
feature_names=${names}
feature_infos=${names
  .split(' ')
  .map(() => '[-10:10]')
  .join(' ')}

Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=0.25
decision_type=2
left_child=-1
right_child=-2
leaf_value=-1 2
leaf_weight=1 1
leaf_count=10 10
internal_value=0
internal_weight=0
internal_count=20
is_linear=0
shrinkage=1


end of trees
`

/** A program that leaves a model, after it has told what it was given. */
function program(leaves: string): void {
  writeFileSync(
    join(folder, 'train.cjs'),
    `const { readFileSync, writeFileSync, readdirSync } = require('node:fs')
    const { join } = require('node:path')
    const { MILLRACE_INPUT: input, MILLRACE_OUTPUT: output, MILLRACE_CHECKPOINTS: checkpoints } = process.env
    const params = JSON.parse(readFileSync(join(input, 'params.json')))
    const schema = JSON.parse(readFileSync(join(input, 'schema.json')))
    ${leaves}`,
  )
}

const ROWS = `select sin(i * 12.9898) as x, (i % 7)::varchar as k, sin(i * 12.9898) + sin(i * 4.1) > 0.3 as y from range(0, 600) t(i)`
const SCHEMA = { x: 'float', k: 'string', y: 'bool' } as const

async function train(place: Place, options: Partial<Parameters<typeof command>[0]> = {}): Promise<Digest> {
  const version = await place.version([ROWS], SCHEMA)
  const trainer = command({ run: [process.execPath, 'train.cjs'], files: ['train.cjs'], ...options })
  const def = modelDef({
    trainer,
    features: [
      { name: 'x', expr: col('x') },
      {
        name: 'k',
        expr: { op: 'fit', fn: 'category', arg: col('k'), params: {} } as never,
        type: 'category',
      },
    ],
  })
  const planned = await withTrainerFiles({ folder, store: place.store }, def)
  return (await place.train(planned, version)).parent
}

test('a program is given rows, schema and parameters, and its model is one like any other', async () => {
  program(`
    writeFileSync(join(output, 'model.txt'), ${JSON.stringify(STUMP())})
    const files = readdirSync('.').sort().join(' ') + '; ' + readdirSync(input).sort().join(' ')
    if (files !== 'input output train.cjs; params.json schema.json train.parquet validate.parquet') throw new Error(files)
    if (JSON.stringify(params) !== JSON.stringify({ task: 'binary', seed: 1, params: { depth: 3 } })) throw new Error(JSON.stringify(params))
    if (JSON.stringify(schema) !== JSON.stringify({ features: [{ name: 'x', type: 'number' }, { name: 'k', type: 'category' }], target: '_target' })) throw new Error(JSON.stringify(schema))
    writeFileSync(join(output, 'metrics.json'), JSON.stringify({ auc: 0.8125, note: 'text' }))`)
  const place = await openPlace()
  const model = await loadModel(place.store, await train(place, { params: { depth: 3 } }))
  expect(model.version.format).toBe('trees')
  expect(model.version.card.notes).toContain('the trainer says: auc 0.8125')
  const sigmoid = (raw: number) => 1 / (1 + Math.exp(-raw))
  const scores = predictColumns(model.graph, [Float64Array.of(0.2, 0.25, 0.3), new Float64Array(3)], 3)
  for (const [i, raw] of [-1, -1, 2].entries()) expect(scores[i]).toBeCloseTo(sigmoid(raw), 12)
})

test('what it leaves is refused with what was expected, and how it ended is said', async () => {
  const place = await openPlace()
  const left: [string, string][] = [
    ['', 'one of model.txt, model.ubj, model.json, model.onnx'],
    [STUMP('x k z'), 'a model of 2 features'],
    [STUMP('k x'), 'features in the order of schema.json'],
    [STUMP('x k', 'regression'), 'a model for binary'],
  ]
  for (const [text, expected] of left) {
    program(text === '' ? '' : `writeFileSync(join(output, 'model.txt'), ${JSON.stringify(text)})`)
    const error = await train(place).catch((thrown) => thrown)
    expect(error.code, expected).toBe('MR_TRAIN_COMMAND_RESULT')
    expect(error.message).toContain(expected)
  }
  program("writeFileSync(join(output, 'model.txt'), 'no model')")
  await expect(train(place)).rejects.toMatchObject({ code: 'MR_MODEL_IMPORT' })
  program("console.error('no such column: fare'); process.exit(3)")
  const error = await train(place).catch((thrown) => thrown)
  expect(error.code).toBe('MR_TRAIN_COMMAND_FAILED')
  expect(error.message).toContain('no such column: fare')
  expect(readdirSync(place.store.scratch).filter((name) => name.startsWith('command-'))).toEqual([])
})

test('a checkpoint of a try that failed is there in the next, and gone once there is a model', async () => {
  program(`
    const file = join(checkpoints, 'seen')
    if (readdirSync(checkpoints).length === 0) {
      writeFileSync(file, '1')
      throw new Error('half way')
    }
    writeFileSync(join(output, 'model.txt'), ${JSON.stringify(STUMP())})
    writeFileSync(join(output, 'metrics.json'), JSON.stringify({ resumed: Number(readFileSync(file)) }))`)
  const place = await openPlace()
  await expect(train(place)).rejects.toThrow('half way')
  const { version } = await loadModel(place.store, await train(place))
  expect(version.card.notes).toContain('the trainer says: resumed 1')
  const kept = join(place.store.scratch, '../../checkpoints')
  expect(existsSync(kept) ? readdirSync(kept) : []).toEqual([])
})

test('a run is another when a file, the command or a parameter is another, and the same when they are the same', async () => {
  const place = await openPlace()
  mkdirSync(join(folder, 'lib/.hidden'), { recursive: true })
  mkdirSync(join(folder, 'lib/__pycache__'), { recursive: true })
  for (const name of ['a.py', '.hidden/b.py', '__pycache__/a.pyc'])
    writeFileSync(join(folder, 'lib', name), 'one')
  const digest = `sha256:${'0'.repeat(64)}` as Digest
  const prepared = { plan: digest, features: digest, matrix: digest, rows: digest }
  const specOf = async (options: Partial<Parameters<typeof command>[0]> = {}) => {
    const trainer = command({ run: ['python', 'lib/a.py'], files: ['lib'], ...options })
    const def = await withTrainerFiles({ folder, store: place.store }, modelDef({ trainer }))
    return fitSpec(def, digest, prepared)
  }
  const plain = await specOf()
  expect(Object.keys(plain.inputs)).toContain('file:lib/a.py')
  expect(Object.keys(plain.inputs).filter((name) => name.startsWith('file:'))).toHaveLength(1)
  expect(digestOf(await specOf())).toBe(digestOf(plain))
  expect(digestOf(await specOf({ params: { depth: 3 } }))).not.toBe(digestOf(plain))
  writeFileSync(join(folder, 'lib/a.py'), 'two')
  expect(digestOf(await specOf())).not.toBe(digestOf(plain))
  // Preparing does not look at the trainer's files, so that its matrix is shared.
  const dataset = datasetDef()
  const split = { train: null, validate: { share: 0.2 }, test: { share: 0.2 } }
  const [one, two] = [command({ run: 'a' }), command({ run: 'b', files: ['lib'] })].map((trainer) =>
    digestOf(prepareSpec(modelDef({ trainer }), dataset, digest, split)),
  )
  expect(one).toBe(two)
})

test('files are below the folder of the config, and are there', async () => {
  const place = await openPlace()
  writeFileSync(join(tmpdir(), 'millrace-outside.txt'), 'x')
  symlinkSync(join(tmpdir(), 'millrace-outside.txt'), join(folder, 'link.txt'))
  const files = (...named: string[]) => {
    const trainer: CommandTrainer = command({ run: 'python', files: named })
    return withTrainerFiles({ folder, store: place.store }, modelDef({ trainer } as Partial<ModelDef>))
  }
  await expect(files('no-such.py')).rejects.toMatchObject({ code: 'MR_TRAIN_FILES' })
  await expect(files('../millrace-outside.txt')).rejects.toThrow('is not below the folder')
  await expect(files('link.txt')).rejects.toThrow('is not below the folder')
  await expect(files('.')).rejects.toThrow('is not below the folder')
  rmSync(join(tmpdir(), 'millrace-outside.txt'))
})
