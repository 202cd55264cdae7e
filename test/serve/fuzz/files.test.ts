/**
 * Hostile files: repositories whose configurations lie, name what lies outside or are no text at all, and graphs that are damaged. What is loaded lies inside, everything else is refused with
 * a code, and the models beside it go on. MILLRACE_FUZZ_CASES says how many; a case that fails says its seed.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isMillraceError, type MillraceError } from '../../../src/core/errors.ts'
import { findModels } from '../../../src/model/repository/find.ts'
import { readModel } from '../../../src/serve/models/read-model.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { type ModelsFixture, serveModels } from '../models/fixture.ts'
import { broken, casesOf, overSeeds, pick, type Rng, randomBytes } from './hostile.ts'

const KEPT: readonly number[] = []
const ARCHIVE = fileURLToPath(
  new URL('../../../../shared/data/onnx-node-tests/onnx-node.tar.xz', import.meta.url),
)

const faults: MillraceError[] = []
let f: ModelsFixture
let outside: string
beforeAll(async () => {
  f = await serveModels({ onFault: (error) => faults.push(error) })
  outside = mkdtempSync(join(tmpdir(), 'millrace-outside-'))
  writeFileSync(join(outside, 'model.onnx'), logistic([9, 9, 9], 9))
  writeFileSync(join(f.root, '..', `${OUTSIDE_NAME}.onnx`), logistic([9, 9, 9], 9))
})
afterAll(async () => {
  await f.close()
  rmSync(outside, { recursive: true, force: true })
  rmSync(join(f.root, '..', `${OUTSIDE_NAME}.onnx`), { force: true })
})

const OUTSIDE_NAME = `millrace-outside-${process.pid}`

/** Paths that lead out of a folder, or nowhere. */
const PATHS = (): string[] => [
  `../../${OUTSIDE_NAME}.onnx`,
  `../${OUTSIDE_NAME}.onnx`,
  `../../../${OUTSIDE_NAME}.onnx`,
  join(outside, 'model.onnx'),
  `1/../../../${OUTSIDE_NAME}.onnx`,
  '../late/1/model.onnx',
  '/etc/passwd',
  '/dev/zero',
  '/proc/self/mem',
  `file://${outside}/model.onnx`,
  '..',
  '.',
  '',
  '/',
  'a\0b',
  '..\\..\\x.onnx',
  '%2e%2e/x.onnx',
  'x'.repeat(5_000),
  'model.onnx',
  '1/model.onnx',
]

const NAMES = [
  'hostile',
  '__proto__',
  'constructor',
  '../x',
  'a/b',
  '',
  'ü',
  '.',
  'x'.repeat(200),
  '%2e%2e',
  'hostile\0',
]

/** Text of a configuration, whole, by where the model is said to lie. */
const CONFIGS: Record<string, (rng: Rng, path: string) => string> = {
  'config.pbtxt': (rng, path) =>
    [
      `name: ${JSON.stringify(pick(rng, NAMES))}`,
      `platform: "${pick(rng, ['onnxruntime_onnx', 'fil', 'python', ''])}"`,
      `default_model_filename: ${JSON.stringify(path)}`,
      `max_batch_size: ${pick(rng, ['4', '-1', '1e99', 'nan', '0x7fffffff', '"4"'])}`,
      `version_policy { ${pick(rng, ['all {}', 'latest { num_versions: 99999999999 }', 'latest { num_versions: -1 }', 'specific { versions: [1, -1] }'])} }`,
      `input { name: "x" data_type: ${pick(rng, ['TYPE_FP32', 'TYPE_X', '3'])} dims: [${pick(rng, ['3', '-1', '99999999999999999999', ''])}] }`,
      `dynamic_batching { preferred_batch_size: [${pick(rng, ['4', '-3', '1e30'])}] max_queue_delay_microseconds: ${pick(rng, ['100', '-1', '1e300'])} }`,
      pick(rng, [
        '',
        `a ${'{ a '.repeat(40)}`,
        '{'.repeat(5_000),
        '[[[',
        'x: "'.repeat(3),
        '# only',
        'parameters { key: "__proto__" value { string_value: "x" } }',
      ]),
    ].join('\n'),
  MLmodel: (rng, path) =>
    [
      'flavors:',
      `  ${pick(rng, ['onnx', 'lightgbm', 'xgboost', 'sklearn', '__proto__'])}:`,
      `    ${pick(rng, ['data', 'pickled_model'])}: ${pick(rng, [JSON.stringify(path), '[1]', '{a: b}', '!!js/function x', '*x', '~'])}`,
      pick(rng, [
        '',
        '[',
        `x: ${'['.repeat(500)}`,
        'a: &a [x]\nb: [*a, *a]\n',
        'a: &a\n  b: *a',
        '<<: *none',
        '\t',
        '? ? ?',
      ]),
    ].join('\n'),
  'model-settings.json': (rng, path) =>
    JSON.stringify({
      name: pick(rng, [...NAMES, 5, null, ['x'], {}]),
      implementation: pick(rng, [
        'mlserver_lightgbm.LightGBMModel',
        'mlserver_xgboost.XGBoostModel',
        'os.system',
        5,
        null,
      ]),
      parameters: pick(rng, [
        { uri: path, version: pick(rng, ['1', '../..', 1, null, 'x'.repeat(500)]) },
        { uri: 5 },
        'x',
        null,
        [],
      ]),
    }),
}

/** Files that are no files. */
const ODD: ((path: string) => void)[] = [
  (path) => mkdirSync(path),
  (path) => void spawnSync('mkfifo', [path]),
  (path) => symlinkSync('/dev/zero', path),
  (path) => symlinkSync(path, path),
  (path) => writeFileSync(path, ''),
]

/** Lays a hostile model into the repository; the other files of a model lie beside its configuration. */
function lay(rng: Rng, folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, '1'), { recursive: true })
  const file = pick(rng, Object.keys(CONFIGS))
  const text = Buffer.from(CONFIGS[file](rng, pick(rng, PATHS())))
  const config = pick(rng, [text, text, broken(rng, text), randomBytes(rng, 300)])
  const at = join(folder, rng.next() < 0.5 ? '1/model.onnx' : 'model.onnx')
  if (rng.next() < 0.2) pick(rng, ODD)(at)
  else writeFileSync(at, rng.next() < 0.5 ? logistic([1, 1, 1], 0) : broken(rng, logistic([1, 1, 1], 0)))
  if (rng.next() < 0.1) pick(rng, ODD)(join(folder, file))
  else writeFileSync(join(folder, file), config)
}

const isOurs = (path: string) => path.startsWith(f.root) && existsSync(path) && !path.includes('..')

describe('repositories', () => {
  const CASES = casesOf(200)

  test(`${CASES} of them that are hostile load what lies inside or refuse with a code`, async () => {
    const folder = join(f.root, 'hostile')
    await overSeeds(CASES, { kept: KEPT, atOnce: 1 }, async (rng) => {
      lay(rng, folder)
      const found = findModels(f.root)
      for (const { name, versions } of found.models)
        for (const { path } of versions)
          if (!isOurs(path)) throw new Error(`${name} would be read from ${path}`)
      for (const { name, why, fix } of found.refused)
        if (why === '' || fix === '') throw new Error(`${name} is refused without a reason`)
      if (rng.next() > 0.15) return
      const asked = pick(rng, [
        'hostile',
        '..%2fhostile',
        '%2e%2e',
        `..%2f${OUTSIDE_NAME}`,
        '__proto__',
        'hostile',
      ])
      for (const act of ['load', 'unload']) {
        const { status, body } = await f.post(`/v2/repository/models/${asked}/${act}`, {})
        if (status >= 400 && !/^MR_(?!SERVE_INTERNAL)/.test(body.code))
          throw new Error(`${status} ${JSON.stringify(body)}`)
      }
      const { status } = await f.get('/v2/models/late')
      if (status !== 200) throw new Error(`the model beside it answers ${status}`)
    })
    rmSync(folder, { recursive: true, force: true })
    expect(faults).toEqual([])
  }, 3_600_000)
})

describe('graphs', () => {
  const CASES = casesOf(1_000)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-graphs-'))
  const has =
    existsSync(ARCHIVE) &&
    spawnSync('tar', ['xf', ARCHIVE, '-C', folder, '--wildcards', '*.onnx']).status === 0
  if (!has)
    console.log(
      'SKIP real graphs in fuzzing: ../shared/data/onnx-node-tests is absent, or tar cannot read it',
    )
  const real = has
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.onnx'))
        .sort()
    : []
  afterAll(() => rmSync(folder, { recursive: true, force: true }), 120_000)

  const graph = (rng: Rng): Uint8Array => {
    const whole =
      real.length > 0 && rng.next() < 0.9
        ? readFileSync(join(folder, pick(rng, real)))
        : logistic([1, 2, 3], 0.5)
    let bytes: Uint8Array = whole
    for (let i = 1 + rng.nextInt(4); i > 0; i--) bytes = broken(rng, bytes)
    return bytes
  }

  test(`${CASES} that are damaged are read or refused with a code`, async () => {
    const file = join(f.root, 'damaged.onnx')
    await overSeeds(CASES, { kept: KEPT, atOnce: 1 }, async (rng) => {
      writeFileSync(file, graph(rng))
      try {
        readModel(file)
      } catch (error) {
        if (!isMillraceError(error)) throw error
      }
    })
    rmSync(file)
  }, 3_600_000)

  const LOADED = Math.max(20, Math.floor(CASES / 50))
  test(`${LOADED} that are damaged are loaded by the server or refused with a code`, async () => {
    await overSeeds(LOADED, { kept: KEPT, atOnce: 1 }, async (rng) => {
      f.put('damaged.onnx', graph(rng))
      const { status, body } = await f.post('/v2/repository/models/damaged/load', {})
      if (status >= 400 && !/^MR_(?!SERVE_INTERNAL)/.test(body.code))
        throw new Error(`${status} ${JSON.stringify(body)}`)
    })
    expect(faults).toEqual([])
    const { body } = await f.post('/v2/models/late/infer', {
      inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }],
    })
    expect(body.outputs[0].data).toEqual([0.5])
  }, 3_600_000)
})
