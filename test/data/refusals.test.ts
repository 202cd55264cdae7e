import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { isMillraceError, type MillraceError } from '../../src/core/errors.ts'
import { LIMITS } from '../../src/core/limits.ts'
import { createImportTask, type ImportRequest } from '../../src/data/index.ts'
import type { DatasetDef } from '../../src/define/types.ts'
import { call, check, col, headDigest, lit, openPlace, type Place, rowCheck } from './fixture.ts'

const good =
  "SELECT TIMESTAMP '2001-01-01' + INTERVAL (i) HOUR AS at, i AS n, 'x' || i AS name FROM range(100) r(i)"

/** A place whose dataset has one good version already. */
async function placeWithData(): Promise<Place> {
  const place = await openPlace()
  await place.parquet('good.parquet', good)
  await place.import({ time: 'at' }, { files: ['good.parquet'] })
  return place
}

/** Imports, expects a refusal, and that nothing was lost: the ref stays and the journal says why. */
async function refused(
  place: Place,
  def: Partial<DatasetDef>,
  request: Partial<ImportRequest> & { files?: string[] },
): Promise<MillraceError> {
  const before = await headDigest(place.store)
  const error = await place.import(def, request).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!isMillraceError(error)) throw new Error(`expected a coded refusal, got ${error}`)
  expect(error.fix.length).toBeGreaterThan(10)
  expect(await headDigest(place.store)).toBe(before)
  return error
}

test('refuses a file that is not Parquet', async () => {
  const place = await placeWithData()
  place.file('bad.parquet', 'id,name\n1,x\n')
  const error = await refused(place, { time: 'at' }, { files: ['bad.parquet'] })
  expect(error.message).toBe(
    'MR_DATA_NOT_PARQUET: bad.parquet is not Parquet: it should begin and end with "PAR1", it begins with "id,n"',
  )
})

test('refuses a Parquet file that was cut off, and one that is broken inside', async () => {
  const place = await placeWithData()
  const bytes = readFileSync(`${place.folder}/good.parquet`)
  place.file('cut.parquet', bytes.subarray(0, bytes.length - 100))
  expect((await refused(place, { time: 'at' }, { files: ['cut.parquet'] })).code).toBe('MR_DATA_TRUNCATED')
  const broken = Buffer.from(bytes)
  broken.fill(0xff, bytes.length - 200, bytes.length - 12)
  place.file('broken.parquet', broken)
  const error = await refused(place, { time: 'at' }, { files: ['broken.parquet'] })
  expect([error.code, error.message.includes('broken.parquet')]).toEqual(['MR_DATA_UNREADABLE', true])
  const [event] = await place.store.meta.events({ types: ['data.refused'], newest: true })
  expect(event!.data).toMatchObject({ code: 'MR_DATA_UNREADABLE', files: ['broken.parquet'] })
})

test('refuses an empty file, a file without rows, and a window without rows', async () => {
  const place = await placeWithData()
  place.file('empty.csv', '')
  expect((await refused(place, {}, { files: ['empty.csv'] })).code).toBe('MR_DATA_EMPTY_FILE')
  await place.parquet('none.parquet', `${good} WHERE i < 0`)
  expect((await refused(place, { time: 'at' }, { files: ['none.parquet'] })).code).toBe('MR_DATA_NO_ROWS')
  const late = await refused(
    place,
    { time: 'at' },
    { files: ['good.parquet'], select: { fromAt: 0, toAt: 1 } },
  )
  expect(late.message).toContain('no row lies in the selected window of time')
  expect(
    (
      await refused(
        place,
        { name: 'other', time: 'at', checks: [rowCheck('never', lit(false))] },
        { files: ['good.parquet'] },
      )
    ).message,
  ).toContain('all 100 rows failed checks')
})

test('refuses another type of a column by name, with expected and got', async () => {
  const place = await placeWithData()
  await place.parquet('typed.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, 'many' AS n, 'x' AS name")
  const error = await refused(place, { time: 'at' }, { files: ['typed.parquet'] })
  expect(error.data).toEqual({
    dataset: 'd',
    column: 'n',
    expected: 'int',
    got: 'string',
    file: 'typed.parquet',
  })
})

test('refuses a file without the time column, without a required column, and with a time that is none', async () => {
  const place = await placeWithData()
  await place.parquet('timeless.parquet', "SELECT 1 AS n, 'x' AS name")
  const error = await refused(place, { time: 'at' }, { files: ['timeless.parquet'] })
  expect(error.message).toContain('needs time column "at", but timeless.parquet has only n, name')
  await place.parquet('short.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, 'x' AS name")
  expect((await refused(place, { time: 'at' }, { files: ['short.parquet'] })).data).toMatchObject({
    column: 'n',
    role: 'column',
  })
  expect(
    (await refused(place, { name: 'other', time: 'name' }, { files: ['short.parquet'] })).data,
  ).toMatchObject({ expected: 'time', got: 'string' })
})

test('says what was tried when no file matches', async () => {
  const place = await placeWithData()
  const error = await refused(place, { source: ['in/*.parquet', 'x.csv'] }, {})
  expect(error.message).toContain('in/*.parquet, x.csv')
})

test('refuses columns with names of our own and files of unknown format', async () => {
  const place = await placeWithData()
  await place.parquet('own.parquet', 'SELECT 1 AS _reasons')
  expect((await refused(place, { name: 'other' }, { files: ['own.parquet'] })).code).toBe(
    'MR_DATA_COLUMN_NAME',
  )
  place.file('proto.csv', `__proto__,n\n${'a,1\n'.repeat(9)}`)
  expect((await refused(place, { name: 'other' }, { files: ['proto.csv'] })).code).toBe('MR_DATA_COLUMN_NAME')
  place.file('what.bin', 'abcdefgh')
  expect((await refused(place, { name: 'other' }, { files: ['what.bin'] })).code).toBe('MR_DATA_FORMAT')
})

test('names the line of a csv file that cannot be read', async () => {
  const place = await openPlace()
  place.file('ragged.csv', `a,b\n${'1,2\n'.repeat(50)}1,2,3,4\n${'1,2\n'.repeat(50)}`)
  const error = await refused(place, { read: { missing: [], delimiter: ',' } }, { files: ['ragged.csv'] })
  expect(error.code).toBe('MR_DATA_RAGGED')
  expect(error.data).toEqual({ file: 'ragged.csv', line: 52, cells: 4, expected: 2, rows: 1 })
})

test('a check that must stop refuses the delivery, gives its findings, and is journalled', async () => {
  const place = await placeWithData()
  await place.parquet('low.parquet', "SELECT TIMESTAMP '2001-01-01' AS at, -1 AS n, 'x' AS name")
  const checks = [rowCheck('n is positive', call('gt', col('n'), lit(0)), { onFail: 'stop' })]
  const error = await refused(place, { time: 'at', checks }, { files: ['low.parquet'] })
  expect(error.data).toMatchObject({
    checks: ['n is positive'],
    findings: [{ verdict: 'fail', value: 0, n: 1 }],
  })
  const [event] = await place.store.meta.events({ subject: 'datasets/d', newest: true })
  expect([event!.type, event!.reason]).toEqual(['data.refused', 'n is positive refused the delivery'])
  const broken = [rowCheck('ghost', call('gt', col('nowhere'), lit(0)), { onFail: 'stop' })]
  expect((await refused(place, { time: 'at', checks: broken }, { files: ['low.parquet'] })).code).toBe(
    'MR_DATA_REFUSED',
  )
  const stale = [check('fresh', { kind: 'fresh', column: 'at', ageMsMax: 1 }, { onFail: 'stop' })]
  expect(
    (await refused(place, { time: 'at', checks: stale }, { files: ['low.parquet'], now: Date.UTC(2002, 0) }))
      .code,
  ).toBe('MR_DATA_REFUSED')
})

test('stops a child that needs more memory or more time than it may, and one that is cancelled', async () => {
  const small = await openPlace(createImportTask({ ...LIMITS, importMemoryMb: 40 }))
  await small.parquet('a.parquet', good)
  expect((await refused(small, {}, { files: ['a.parquet'] })).data).toMatchObject({ limitMb: 40 })
  const slow = await openPlace(createImportTask({ ...LIMITS, importStallMs: 1 }))
  await slow.parquet('a.parquet', good)
  expect((await refused(slow, {}, { files: ['a.parquet'] })).code).toBe('MR_DATA_STALLED')
  const place = await openPlace(createImportTask())
  await place.parquet('a.parquet', good)
  const abort = new AbortController()
  const error = refused(
    place,
    {},
    { files: ['a.parquet'], signal: abort.signal, onProgress: () => abort.abort() },
  )
  expect((await error).code).toBe('MR_CANCELLED')
  expect((await place.store.meta.events({ types: ['data.refused'] })).length).toBe(0)
})
