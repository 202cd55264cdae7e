/** Croissant beside a checkout: the documents are those that mlcroissant validated and read rows by, test/reference/croissant. */
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CROISSANT_SPECS, type CroissantSpec, checkoutTable, headOf } from '../../src/data/index.ts'
import type { AboutDef } from '../../src/define/types.ts'
import { datasetDef, openPlace } from './fixture.ts'

const REFERENCE = join(import.meta.dirname, '../reference/croissant')
const golden = (name: string): string => readFileSync(join(REFERENCE, name), 'utf8')

const about: AboutDef = {
  description: 'Sales of a shop, a row for each.',
  license: 'https://creativecommons.org/licenses/by/4.0/',
  citation: '@misc{shop, title={Sales}, year={2001}}',
  url: 'https://example.com/sales',
  creators: ['Example shop'],
  keywords: ['sales', 'example'],
}

const TYPES =
  "{'id': 'BIGINT', 'price': 'DOUBLE', 'paid': 'BOOLEAN', 'at': 'TIMESTAMP', 'due': 'DATE', 'item': 'VARCHAR', 'more': 'VARCHAR'}"
const SALES = `read_csv('${join(REFERENCE, 'sales.csv')}', nullstr = '', types = ${TYPES})`

/** Two months of rows of every type; one row is gone from its part, and one value of each kind is missing. */
async function checkedOut(spec: CroissantSpec) {
  const place = await openPlace()
  const def = datasetDef({ key: ['id'], time: 'at', mode: 'replace', about })
  for (const name of ['first', 'second']) {
    const gone = name === 'first' ? '' : 'WHERE id <> 3'
    await place.parquet(
      `${name}.parquet`,
      `SELECT * REPLACE (CAST(more AS JSON) AS more) FROM ${SALES} ${gone}`,
    )
    await place.import(def, { files: [`${name}.parquet`], now: Date.UTC(2001, 2, 4) })
  }
  const to = mkdtempSync(join(tmpdir(), 'millrace-croissant-'))
  const named = (await headOf(place.store, 'd'))!
  const request = { to, croissant: { def, spec } }
  await checkoutTable(place.store, place.query, named, request)
  return { place, to, named, request, document: readFileSync(join(to, 'croissant.json'), 'utf8') }
}

for (const spec of CROISSANT_SPECS)
  test(`a version is described as Croissant ${spec}, with the hashes of the files beside it`, async () => {
    const { place, to, named, request, document } = await checkedOut(spec)
    if (process.env.CROISSANT_OUT) cpSync(to, join(process.env.CROISSANT_OUT, spec), { recursive: true })
    expect(document).toBe(golden(`croissant-${spec}.json`))
    const { distribution } = JSON.parse(document) as { distribution: { name: string; sha256?: string }[] }
    const files = distribution.filter(({ sha256 }) => sha256 !== undefined)
    expect(files.length).toBeGreaterThan(1)
    for (const { name, sha256 } of files)
      expect(
        createHash('sha256')
          .update(readFileSync(join(to, name)))
          .digest('hex'),
      ).toBe(sha256)
    // A second checkout reads no file that stayed, and says the same.
    await checkoutTable(place.store, place.query, named, request)
    expect(readFileSync(join(to, 'croissant.json'), 'utf8')).toBe(document)
    rmSync(to, { recursive: true })
  })

test('mlcroissant read the rows back by these documents', () => {
  const lines = golden('validated.txt').trim().split('\n')
  expect(lines.filter((line) => line.includes('errors'))).toEqual([
    '1.1 errors [] warnings []',
    '1.0 errors [] warnings []',
  ])
  const ids = lines.flatMap((line) => /"rows\/id": "(\d+)"/.exec(line)?.[1] ?? [])
  expect(ids).toEqual(['1', '2', '4', '5', '1', '2', '4', '5'])
})
