import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { inspect } from '../../src/data/index.ts'
import { openPlace } from './fixture.ts'

const shared = new URL('../../../shared/data/', import.meta.url).pathname
const skip = !existsSync(shared)
if (skip) console.warn(`skipped: inspect on real files, since ${shared} is not there`)

test('sniffs delimiter, header, encoding, missing codes and padding of csv', async () => {
  const place = await openPlace()
  const path = place.file(
    'a.csv',
    Buffer.from('when;city; n\n2001-01-01;Zürich ;1\n2001-01-02; Genf;-\n2001-01-03;?;3\n', 'latin1'),
  )
  const seen = await inspect([path])
  expect(seen.files).toMatchObject([
    { name: 'a.csv', bytes: 68, gzip: false, encoding: 'latin-1', delimiter: ';', header: true },
  ])
  expect(seen.columns.map((c) => [c.name, c.type, c.nulls, c.missingCodes, c.padded])).toEqual([
    ['when', 'date', 0, [], 0],
    ['city', 'string', 1, ['?'], 2],
    ['n', 'int', 1, ['-'], 0],
  ])
  expect(seen.preview[0]).toMatchObject({ when: '2001-01-01', city: 'Zürich' })
  expect(seen.read).toEqual({ format: 'csv', delimiter: ';', missing: ['-', '?'] })
  expect(seen.timeColumns).toEqual(['when'])
})

test('describes Parquet with times and nested values', async () => {
  const place = await openPlace()
  const path = await place.parquet(
    'a.parquet',
    "SELECT TIMESTAMP '2001-01-01 12:00' + INTERVAL (i) DAY AS at, {'a': i} AS deep, i / 2 AS x FROM range(3) r(i)",
  )
  const seen = await inspect([path])
  expect(seen.schema.columns.map((c) => c.type)).toEqual(['time', 'json', 'float'])
  expect(seen.columns[0]).toMatchObject({
    min: '2001-01-01T12:00:00.000Z',
    max: '2001-01-03T12:00:00.000Z',
    distinct: 3,
  })
  expect(seen.preview[1]!.deep).toBe('{"a":1}')
})

test('refuses a file that is none of these', async () => {
  const place = await openPlace()
  await expect(inspect([place.file('a.parquet', 'PAR1 but not to the end')])).rejects.toThrow(
    'MR_DATA_TRUNCATED',
  )
})

test.skipIf(skip)('finds the question marks of adult, as published: 1836, 1843 and 583', async () => {
  const seen = await inspect([`${shared}adult/adult-train.csv.gz`])
  expect(seen.rows).toBe(32_561)
  expect(seen.columns.filter((c) => c.nulls > 0).map((c) => [c.nulls, c.missingCodes])).toEqual([
    [1836, ['?']],
    [1843, ['?']],
    [583, ['?']],
  ])
  expect(seen.columns[1]!.padded).toBe(32_561)
})

test.skipIf(skip)('reads the semicolons of bank-marketing and the quotes of titanic', async () => {
  const bank = await inspect([`${shared}bank-marketing/bank-additional.csv.gz`])
  expect([bank.rows, bank.columns.length, bank.read.delimiter]).toEqual([4_119, 21, ';'])
  const titanic = await inspect([`${shared}titanic/titanic-raw.csv`])
  expect([titanic.rows, titanic.columns.find((c) => c.name === 'age')!.nulls]).toEqual([891, 177])
})
