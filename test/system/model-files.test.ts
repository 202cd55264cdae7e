/** `millrace model show`, `import` and `export` as commands: a model of LightGBM comes in from a file, is measured and judged, and leaves in two formats. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answersOf, modelBytes } from '../model/import/recorded.ts'

const bin = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'millrace-model-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const MODEL = 'lightgbm-pandas.txt'

function millrace(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status, stdout, stderr, json: () => JSON.parse(stdout.trim().split('\n').at(-1)!) }
}

const CONFIG = `
import { col, dataset, gates, immediate, imported, model, project } from 'millrace'
const items = dataset('items', { source: 'items.csv' })
const price = model('price', {
  from: items,
  target: col('y'),
  features: { color: col('color').category(), city: col('city').category(), size: col('size') },
  trainer: imported('model.txt'),
  split: { by: 'random', validate: 0.2, test: 0.2 },
  gates: [gates.beatsBaseline()],
  release: immediate(),
})
export default project('imports', { datasets: [items], models: [price] })
`

beforeAll(() => {
  writeFileSync(join(folder, 'model.txt'), modelBytes(MODEL))
  const { rows, nFeatures, categories, output } = answersOf(MODEL)
  const named = (name: string, code: number) => (Number.isNaN(code) ? '' : (categories?.[name][code] ?? ''))
  const number = (x: number) => (Number.isNaN(x) ? '' : String(x))
  const lines = Array.from({ length: rows.length / nFeatures }, (_, i) =>
    [
      named('color', rows[i * nFeatures]),
      named('city', rows[i * nFeatures + 1]),
      number(rows[i * nFeatures + 2]),
      output[i],
    ].join(','),
  )
  const repeated = Array.from({ length: 12 }, () => lines).flat()
  writeFileSync(join(folder, 'items.csv'), `${['color,city,size,y', ...repeated].join('\n')}\n`)
})

describe('without a project', () => {
  test('show says what a file is, in words and as JSON', () => {
    const { status, stdout } = millrace('model', 'show', 'model.txt')
    expect(status).toBe(0)
    expect(stdout).toContain('LightGBM text v4')
    expect(stdout).toMatch(/inputs\s+color \(\d+ categories\), city \(\d+ categories\), size/)
    const { own } = millrace('model', 'show', 'model.txt', '--json').json()
    expect(own).toMatchObject({ task: 'regression', nOutputs: 1 })
    expect(own.trees).toBeGreaterThan(1)
  })

  test('a cut file, another file and none are refused with what to do', () => {
    writeFileSync(join(folder, 'cut.txt'), modelBytes(MODEL).subarray(0, 900))
    writeFileSync(join(folder, 'notes.txt'), 'this is no model')
    for (const file of ['cut.txt', 'notes.txt', 'absent.txt']) {
      const { status, stderr } = millrace('model', 'show', file)
      expect([file, status]).toEqual([file, 1])
      expect(stderr).toMatch(/MR_[A-Z_]+: .*\n\s*fix: /)
    }
  })

  test('import says that it needs a project', () => {
    const { status, stderr } = millrace('model', 'import', 'model.txt', '--as', 'price')
    expect(status).not.toBe(0)
    expect(stderr).toMatch(/MR_[A-Z_]+: [\s\S]*fix: /)
  })
})

describe('in a project', () => {
  beforeAll(() => {
    writeFileSync(join(folder, 'millrace.config.ts'), CONFIG)
    expect(millrace('data', 'import').status).toBe(0)
  })

  test('import measures and judges the file as any version', () => {
    const { status, stderr, json } = millrace('model', 'import', 'model.txt', '--as', 'price', '--json')
    expect(stderr.includes('MR_') ? stderr : status).toBe(0)
    expect(json()).toMatchObject({ model: 'price', version: 1 })
    expect(millrace('status', 'price').stdout).toContain('price')
  }, 60_000)

  test('a model that the config does not have is refused by name', () => {
    const { status, stderr } = millrace('model', 'import', 'model.txt', '--as', 'prize')
    expect(status).not.toBe(0)
    expect(stderr).toContain('price')
  })

  test('export writes files that read back to trees of as many leaves', () => {
    const text = millrace(
      'model',
      'export',
      'price',
      '--format',
      'lightgbm',
      '-o',
      'out.txt',
      '--json',
    ).json()
    expect(text).toMatchObject({ file: 'out.txt', format: 'lightgbm', model: 'price', version: 1 })
    const onnx = millrace('model', 'export', 'price@v1', '--json').json()
    expect(onnx).toMatchObject({ file: 'price-v1.onnx', format: 'onnx' })
    const shown = (file: string) => millrace('model', 'show', file, '--json').json().own
    expect(shown('out.txt').trees).toBe(shown('model.txt').trees)
    expect(shown('price-v1.onnx').trees).toBeGreaterThan(0)
  }, 60_000)
})
