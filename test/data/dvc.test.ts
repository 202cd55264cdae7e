import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dvcFiles } from '../../src/data/dvc.ts'
import { takeSources } from '../../src/data/index.ts'
import { codeOf, withStore } from '../store/fixture.ts'

const reference = fileURLToPath(new URL('../reference/dvc/repository', import.meta.url))
let dir: string

/** The repository as somebody has it who cloned the code and ran `dvc fetch`: the cache, and no file in the workspace. */
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-dvc-'))
  cpSync(reference, dir, { recursive: true })
  mkdirSync(join(dir, '.dvc'))
  cpSync(join(dir, 'dvc-cache'), join(dir, '.dvc', 'cache'), { recursive: true })
  rmSync(join(dir, 'dvc-cache'), { recursive: true })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const read = async (name: string) =>
  (await dvcFiles(join(dir, name))).map(({ path, at }) => [relative(dir, path), readFileSync(at, 'utf8')])

test('files, folders and outputs of stages are found in the cache that DVC wrote', async () => {
  expect(await read('file.csv.dvc')).toEqual([['file.csv', 'id,word\n1,one\n2,two\n']])
  expect(await read('folder.dvc')).toEqual([
    ['folder/a.csv', 'id,word\n3,three\n'],
    ['folder/deep/b.csv', 'id,word\n4,four\n'],
  ])
  expect(await read('dvc.lock')).toEqual([['made.csv', 'id,word\n5,five\n']])
})

test('a file of the workspace is taken where it is what DVC noted, and else the cache', async () => {
  writeFileSync(join(dir, 'file.csv'), 'id,word\n1,one\n2,two\n')
  expect((await dvcFiles(join(dir, 'file.csv.dvc')))[0].at).toBe(join(dir, 'file.csv'))
  writeFileSync(join(dir, 'file.csv'), 'id,word\n1,changed\n')
  expect((await dvcFiles(join(dir, 'file.csv.dvc')))[0].at).toContain('cache')
})

test('a cache elsewhere is found by the config, and one in the layout before DVC 3 too', async () => {
  cpSync(join(dir, '.dvc/cache/files/md5'), join(dir, 'elsewhere'), { recursive: true })
  rmSync(join(dir, '.dvc/cache'), { recursive: true })
  expect(await codeOf(dvcFiles(join(dir, 'file.csv.dvc')))).toBe('MR_DVC_MISSING')
  writeFileSync(join(dir, '.dvc/config'), '[core]\n    remote = x\n[cache]\n    dir = ../elsewhere\n')
  expect(await read('file.csv.dvc')).toHaveLength(1)
})

test('damaged bytes and strange files are refused', async () => {
  const cache = join(dir, '.dvc/cache/files/md5')
  for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8', withFileTypes: true }))
    if (name.isFile()) writeFileSync(join(name.parentPath, name.name), 'evil')
  for (const name of ['file.csv.dvc', 'folder.dvc', 'dvc.lock'])
    expect(await codeOf(dvcFiles(join(dir, name)))).toBe('MR_DVC_MISSING')
  for (const text of [
    '{',
    '- a\n',
    'a: 1\n',
    'outs:\n- path: x\n',
    'outs:\n- md5: 0\n  path: x\n',
    'outs:\n- md5: ../../etc\n  path: x\n',
  ]) {
    writeFileSync(join(dir, 'bad.dvc'), text)
    expect(await codeOf(dvcFiles(join(dir, 'bad.dvc')))).toBe('MR_DVC_FORMAT')
  }
})

test('they are sources of a dataset, under the names that they have in the workspace', () =>
  withStore(async (store) => {
    const def = { name: 'd', source: ['folder.dvc', 'dvc.lock'], read: { missing: [] } }
    const sources = await takeSources(store, def, dir)
    expect(sources.map(({ name, format }) => [name, format])).toEqual([
      ['made.csv', 'csv'],
      ['folder/a.csv', 'csv'],
      ['folder/deep/b.csv', 'csv'],
    ])
  }))
