import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createImportTask } from '../../src/data/index.ts'
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
