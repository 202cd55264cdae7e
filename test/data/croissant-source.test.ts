/** Rows by Croissant documents: those of MLCommons' own examples are what mlcroissant reads of them, test/reference/croissant, and our own come back as they were. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkoutTable, headOf } from '../../src/data/index.ts'
import { inspect } from '../../src/data/inspect.ts'
import { allRows, datasetDef, openPlace } from './fixture.ts'

const THEIRS = join(import.meta.dirname, '../reference/croissant/theirs')
type Value = string | number | boolean | null
const read = JSON.parse(readFileSync(join(THEIRS, '../theirs.json'), 'utf8')) as Record<
  string,
  { rows: number; first: Record<string, Value>[] } | { error: string }
>

/** What is not read, and why. */
const REFUSED: Record<string, RegExp> = {
  'coco2014-mini/metadata.json#images': /is the content of a file/,
  'coco2014-mini/metadata.json#captions': /is found by the path/,
  'coco2014-mini/metadata.json#bounding_boxes': /is found by the path/,
  'json-join/metadata.json#items_with_prices': /its source is another record set/,
  'pass-mini/metadata.json#images': /content of a file|another record set/,
  // mlcroissant reads nothing but missing values of these, whose fields name columns as references alone.
  'recipes/enum.json#examples': /says no source/,
  'recipes/minimal_recommended.json#examples': /says no source/,
  'recipes/multiple_conforms_to.json#examples': /says no source/,
  'recipes/read_from_directory.json#read_from_directory_example': /is the content of a file/,
  'recipes/read_from_tar.json#images': /content of a file/,
  'recipes/read_from_tar.json#annotations': /its source is another record set/,
  'recipes/read_from_tar.json#images_with_annotations': /its source is another record set/,
  'simple-join/metadata.json#publications_by_user': /its source is another record set/,
}

function asTheirs(row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  )
}

test.each(Object.keys(read))('%s is read as mlcroissant reads it, or refused with a reason', async (name) => {
  const place = await openPlace()
  const source = [`croissant:${join(THEIRS, name)}`]
  const theirs = read[name]!
  const refused = REFUSED[name]
  if (refused) {
    const error = await place.import({ source }).catch((thrown) => thrown)
    expect(error, name).toMatchObject({ code: 'MR_CROISSANT_FIELD' })
    expect((error as Error).message).toMatch(refused)
    return
  }
  if ('error' in theirs) throw new Error(`mlcroissant reads none of ${name}: ${theirs.error}`)
  const version = await place.import({ source })
  expect(version.rows).toBe(theirs.rows)
  const rows = (await allRows(place, version)).map(asTheirs)
  for (const row of theirs.first) expect(rows).toContainEqual(row)
})

test('what we wrote as Croissant comes back as it was, here and behind an address', async () => {
  const place = await openPlace()
  const def = datasetDef({ key: ['id'], time: 'at', mode: 'replace' })
  const row = `i AS id, i / 4 AS price, i % 2 = 0 AS paid, TIMESTAMP '2001-02-03 04:05:06.7' + INTERVAL (i) HOUR AS at, DATE '2001-02-03' + CAST(i AS INTEGER) AS due, CASE WHEN i % 3 = 0 THEN NULL ELSE '0' || i END AS item, CAST('{"a":' || i || '}' AS JSON) AS more`
  await place.parquet('sales.parquet', `SELECT ${row} FROM range(1500) r(i)`)
  const version = await place.import(def, { files: ['sales.parquet'] })
  const to = mkdtempSync(join(tmpdir(), 'millrace-croissant-source-'))
  await checkoutTable(place.store, place.query, (await headOf(place.store, 'd'))!, { to, croissant: { def } })
  const rows = await allRows(place, version)

  const near = await openPlace()
  const again = await near.import({ ...def, source: [join(to, 'croissant.json')] })
  expect(await allRows(near, again)).toEqual(rows)
  expect(again.schema.columns.map(({ name, type }) => [name, type])).toEqual(
    // Croissant knows JSON as text.
    version.schema.columns.map(({ name, type }) => [name, type === 'json' ? 'string' : type]),
  )
  const look = await inspect([`croissant:${to}/croissant.json#rows`], {})
  expect(look.rows).toBe(1500)

  const server = createServer(({ url = '' }, response) => {
    const path = join(to, decodeURI(url.split('?')[0]!))
    response.end(existsSync(path) ? readFileSync(path) : undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/croissant.json?key=hidden`
    const far = await openPlace()
    expect(await allRows(far, await far.import({ ...def, source: [url] }))).toEqual(rows)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }

  // A file that is not what the document says.
  const [part] = readdirSync(to).filter((name) => name.endsWith('.parquet'))
  writeFileSync(join(to, part!), Buffer.concat([readFileSync(join(to, part!)), Buffer.from('x')]))
  await expect(
    (await openPlace()).import({ ...def, source: [join(to, 'croissant.json')] }),
  ).rejects.toMatchObject({ code: 'MR_CROISSANT_HASH' })
})

test('a member of an archive is held to its checksum', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-croissant-zip-'))
  const document = JSON.parse(readFileSync(join(THEIRS, 'recipes/file_object_in_zip.json'), 'utf8'))
  for (const file of document.distribution) delete file.sha256
  const zip = readFileSync(join(THEIRS, 'recipes/data/zip_with_csv.zip'))
  const at = zip.indexOf('property2')
  zip.write('P', at < 0 ? 60 : at)
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data/zip_with_csv.zip'), zip)
  writeFileSync(join(folder, 'croissant.json'), JSON.stringify(document))
  const place = await openPlace()
  const source = (set: string) => ({ source: [`${join(folder, 'croissant.json')}#${set}`] })
  const ends = await Promise.allSettled(['csv1', 'csv2'].map((set) => place.import(source(set))))
  const refused = ends.filter((end) => end.status === 'rejected')
  expect(refused.length).toBe(1)
  expect(String(refused[0]!.reason)).toMatch(/MR_CROISSANT_FIELD.*(checksum|invalid|elsewhere|directory)/s)
})

test.each([
  ['no JSON', 'x', 'MR_CROISSANT_FORMAT', /it is no JSON/],
  ['a version before', { conformsTo: 'http://mlcommons.org/croissant/0.8' }, 'MR_CROISSANT_FORMAT', /0\.8/],
  ['several record sets', { recordSet: [{ '@id': 'a' }, { '@id': 'b' }] }, 'MR_CROISSANT_RECORDS', /a, b/],
  [
    'a file outside',
    withFile({ contentUrl: '../../etc/passwd' }),
    'MR_CROISSANT_FIELD',
    /outside the folder/,
  ],
  ['a file by its path', withFile({ contentUrl: '/etc/passwd' }), 'MR_CROISSANT_FIELD', /outside the folder/],
  ['another scheme', withFile({ contentUrl: 'file:///etc/passwd' }), 'MR_CROISSANT_FIELD', /it is at file:/],
  ['a file that is not there', withFile({ contentUrl: 'no.csv' }), 'MR_CROISSANT_FIELD', /is not there/],
  ['another MD5', withFile({ md5: '0'.repeat(32) }), 'MR_CROISSANT_HASH', /the document says 0000/],
  ['another column', withFile({ column: 'b' }), 'MR_DATA_COLUMN_MISSING', /has only a/],
  ['what is no number', withFile({ dataType: 'sc:Integer' }), 'MR_DATA_UNREADABLE', /x/],
])('%s is refused', async (_, document, code, why) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-croissant-refused-'))
  writeFileSync(join(folder, 'rows.csv'), 'a\nx\ny\n')
  const whole = { conformsTo: 'http://mlcommons.org/croissant/1.0', ...(document as object) }
  writeFileSync(
    join(folder, 'croissant.json'),
    typeof document === 'string' ? document : JSON.stringify(whole),
  )
  const error = await (await openPlace()).import({ source: [join(folder, 'croissant.json')] }).catch((e) => e)
  expect(error).toMatchObject({ code })
  expect((error as Error).message).toMatch(why)
})

function withFile({ column = 'a', dataType = 'sc:Text', ...file }: Record<string, string>) {
  return {
    distribution: [
      { '@type': 'cr:FileObject', '@id': 'f', contentUrl: 'rows.csv', encodingFormat: 'text/csv', ...file },
    ],
    recordSet: [
      {
        '@id': 'r',
        field: [{ '@id': 'r/a', dataType, source: { fileObject: { '@id': 'f' }, extract: { column } } }],
      },
    ],
  }
}
