import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createImportTask, diff, readQuarantine, resolveVersion } from '../../src/data/index.ts'
import { headDigest, openPlace } from './fixture.ts'

const archive = new URL('../../../shared/data/parquet-testing/parquet-testing.tar.xz', import.meta.url)
  .pathname
const folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-'))
const ready = unpack()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function unpack(): boolean {
  if (!existsSync(archive)) {
    console.warn(`skipped: files that break readers, since ${archive} is not there`)
    return false
  }
  try {
    execFileSync('tar', ['-xf', archive, '-C', folder], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('skipped: files that break readers, since tar cannot unpack them here')
    return false
  }
}

const find = (name: string) =>
  join(
    folder,
    execFileSync('find', ['.', '-name', name], { cwd: folder, encoding: 'utf8' }).trim().split('\n')[0]!,
  )

test.skipIf(!ready)(
  'files that end a reader, need too much memory or lie about themselves leave the dataset as it was',
  async () => {
    const place = await openPlace(createImportTask())
    await place.import({}, { files: [find('alltypes_plain.parquet')] })
    const before = await headDigest(place.store)
    for (const [file, code] of [
      ['case-041.parquet', 'MR_DATA_UNREADABLE'],
      ['large_string_map.brotli.parquet', 'MR_DATA_MEMORY'],
      ['ARROW-GH-47662.parquet', 'MR_DATA_UNREADABLE'],
    ]) {
      await expect(place.import({ name: 'other' }, { files: [find(file!)] })).rejects.toThrow(code)
    }
    expect(await headDigest(place.store)).toBe(before)
    expect(await headDigest(place.store, 'other')).toBeUndefined()
  },
)

test('a column that comes later may be called as something that every object has', async () => {
  const place = await openPlace()
  const file = (name: string, head: string, from: number, more: string) =>
    place.file(
      name,
      `${head}\n${Array.from({ length: 20 }, (_, i) => `${from + i}${more}`).join('\n')}\n${from}${more}\n`,
    )
  file('a.csv', 'n', 0, '')
  await place.import({ source: ['a.csv'], key: ['n'] })
  const { digest: first } = await resolveVersion(place.store, 'd')
  file('b.csv', 'n,constructor', 10, ',x')
  const version = await place.import({ source: ['b.csv'], key: ['n'] })
  expect([version.rows, version.rowsQuarantined]).toEqual([30, 12])
  const { digest } = await resolveVersion(place.store, 'd')
  expect((await diff(place.store, place.query, first, digest)).rowsAdded).toBe(10)
  const { rows } = await readQuarantine(place.store, place.query, digest)
  expect(rows.map(({ values }) => values[1])).toEqual([...Array(11).fill('x'), null])
})
