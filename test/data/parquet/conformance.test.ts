/**
 * Every file of apache/parquet-testing is read as pyarrow reads it, or refused with a code; which and why is this table.
 *
 * PARQUET_ALL=1 takes all files with variants; by default a quarter of those that are read.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isMillraceError, toError } from '../../../src/core/errors.ts'
import { type Duck, openDuck, quote } from '../../../src/data/duck.ts'
import { isOutOfMemory, named, openFile } from '../../../src/data/reader.ts'
import { lookAt } from '../../../src/data/sources.ts'

const archive = new URL('../../../../shared/data/parquet-testing/parquet-testing.tar.xz', import.meta.url)
  .pathname
const folder = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const isReady = unpack()

function unpack(): boolean {
  try {
    if (existsSync(archive)) execFileSync('tar', ['-xf', archive, '-C', folder], { stdio: 'ignore' })
  } catch {
    console.warn('tar cannot unpack the Parquet files here')
  }
  const isThere = existsSync(join(folder, 'data'))
  if (!isThere)
    console.warn(`skipped: Parquet files of others, since ${archive} is not there or not unpacked`)
  return isThere
}

const pyarrow = JSON.parse(
  readFileSync(new URL('../../reference/parquet/parquet-testing.json', import.meta.url), 'utf8'),
) as Record<string, [rows: number, columns: number] | null>

/** Files that pyarrow reads and we refuse: what the engine has not. */
const REFUSED: Record<string, string> = {
  'byte_stream_split_extended.gzip.parquet': 'byte stream split of other types than numbers with a point',
  'hadoop_lz4_compressed.parquet': 'the codec LZ4 of Hadoop, which the format has given up for LZ4_RAW',
  'hadoop_lz4_compressed_larger.parquet': 'the same',
  'non_hadoop_lz4_compressed.parquet': 'the same name for another frame',
  'map_no_value.parquet': 'a map without values',
  'case-041.parquet': 'a variant whose first columns are others',
  'case-087.parquet': 'a variant that breaks its rules for shredded objects',
  'case-088.parquet': 'a variant of several shredded fields',
  'case-127.parquet': 'a variant of unsigned numbers',
  'case-128.parquet': 'as case 87',
  'case-131.parquet': 'as case 41',
  'case-132.parquet': 'as case 88',
  'case-138.parquet': 'as case 41',
}
/** Files that we read and pyarrow does not, with their rows and columns: as other readers have them. */
const READ_HERE: Record<string, [rows: number, columns: number]> = {
  'ARROW-GH-45185.parquet': [5, 1],
  'ARROW-RS-GH-6229-LEVELS.parquet': [1, 1],
  'incorrect_map_schema.parquet': [1, 1],
}

type Seen = [rows: number, columns: number] | string

/** Rows and columns of a file of which every value was read, or the code it is refused with. */
async function seenIn(duck: Duck, file: string): Promise<Seen> {
  const path = join(folder, file)
  const name = basename(file)
  try {
    const look = await lookAt(path, name, file.endsWith('.encrypted') ? 'parquet' : undefined)
    const options = { missing: [], asText: new Set<string>(), thorough: true }
    const open = await openFile(duck, { path, name, ...look }, options)
    const all = open.columns.map((column) => `hash(${quote(column.name)})`).join(' ^ ')
    const { n } = await named(open, () =>
      duck.one<{ n: number }>(
        `SELECT count(*) AS n FROM (SELECT ${all} AS h FROM ${open.scan}) WHERE h IS NOT NULL`,
      ),
    )
    return [n, open.columns.length]
  } catch (thrown) {
    const error = toError(thrown)
    if (isMillraceError(error)) return error.code
    // The child process makes this its own code, by its cap.
    return isOutOfMemory(error) ? 'MR_DATA_MEMORY' : `raw: ${error.message}`
  }
}

test.skipIf(!isReady)('233 files', { timeout: 120_000 }, async () => {
  const job = () => openDuck(mkdtempSync(join(folder, 'job-')), 400)
  let duck = await job()
  const wrong: [string, Seen, unknown][] = []
  const files = Object.entries(pyarrow).filter(
    ([file], i) =>
      process.env.PARQUET_ALL || i % 4 === 0 || !file.startsWith('shredded') || REFUSED[basename(file)],
  )
  for (const [file, theirs] of files) {
    const seen = await seenIn(duck, file)
    const name = basename(file)
    if (typeof seen === 'string') {
      // A file may end the instance that read it.
      duck.close()
      duck = await job()
      if (!seen.startsWith('MR_DATA_') || (theirs !== null && !REFUSED[name]))
        wrong.push([file, seen, theirs])
    } else if (String(seen) !== String(theirs ?? READ_HERE[name]) || REFUSED[name])
      wrong.push([file, seen, theirs])
  }
  duck.close()
  expect(wrong).toEqual([])
  expect(Object.keys(pyarrow).length).toBe(233)
})
