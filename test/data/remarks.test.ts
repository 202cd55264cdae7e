import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { createImportTask, inspect } from '../../src/data/index.ts'
import { codeRemarks } from '../../src/data/remarks/missing-codes.ts'
import { plainSpelling, spellingsOf } from '../../src/data/remarks/spellings.ts'
import { openPlace } from './fixture.ts'

const shared = new URL('../../../shared/data/', import.meta.url).pathname
const skip = !existsSync(shared)
if (skip) console.warn(`SKIPPED: remarks on adult, titanic and wine: ${shared} is absent`)

type Remarks = Awaited<ReturnType<typeof inspect>>['remarks']
const of = (remarks: Remarks, kind: Remarks[number]['kind']) => remarks.filter((r) => r.kind === kind)

describe('remarks on real sets, as published', () => {
  test('flights: the delay of -1,116 minutes, 191 copies and the six rows of July', async () => {
    const flights = join(
      dirname(fileURLToPath(import.meta.resolve('vega-datasets'))),
      '../data/flights-3m.parquet',
    )
    const { remarks } = await inspect([flights], {}, { previewRows: 0 })
    expect(of(remarks, 'duplicate-rows')).toMatchObject([{ rows: 191 }])
    expect(of(remarks, 'stray-rows')).toMatchObject([{ rows: 6, columns: ['date'] }])
    expect(of(remarks, 'stray-rows')[0].text).toContain('2001-07')
    expect(of(remarks, 'far-values')).toMatchObject([{ rows: 3, columns: ['delay'] }])
    expect(of(remarks, 'far-values')[0].text).toContain('-1,116')
    expect(remarks).toHaveLength(3)
  }, 60_000)

  test.skipIf(skip)(
    'adult: the code ` ?`, copies, and a label that is spelt in two ways',
    async () => {
      const train = `${shared}adult/adult-train.csv.gz`
      const alone = await inspect([train])
      expect(of(alone.remarks, 'missing-code')[0].text).toMatch(/"\?".*1,836.*1,843.*583/)
      expect(of(alone.remarks, 'duplicate-rows')).toMatchObject([{ rows: 24 }])
      expect(of(alone.remarks, 'spelling')).toEqual([])
      const both = await inspect([train, `${shared}adult/adult-test.csv.gz`])
      expect(of(both.remarks, 'spelling')).toMatchObject([{ columns: ['column14'], rows: 16_281 }])
      expect(of(both.remarks, 'spelling')[0].text).toContain('">50K." (3,846, all in adult-test.csv.gz)')
      // education and its number, and the ceiling of capital gains.
      expect(of(both.remarks, 'same-columns').map(({ columns }) => columns)).toEqual([
        ['column03', 'column04'],
      ])
      expect(of(both.remarks, 'code-value')).toMatchObject([{ columns: ['column10'], rows: 244 }])
    },
    60_000,
  )

  test.skipIf(skip)(
    'titanic: columns that say the same; wine: copies',
    async () => {
      const titanic = await inspect([`${shared}titanic/titanic.csv`])
      expect(of(titanic.remarks, 'same-columns').map(({ columns }) => columns)).toEqual([
        ['survived', 'alive'],
        ['pclass', 'class'],
        ['embarked', 'embark_town'],
      ])
      const red = await inspect([`${shared}wine-quality/winequality-red.csv`])
      expect(of(red.remarks, 'duplicate-rows')).toMatchObject([{ rows: 240 }])
    },
    60_000,
  )
})

test('a plain table has none', async () => {
  const place = await openPlace()
  const path = await place.parquet(
    'plain.parquet',
    `SELECT hash(i) % 1000 / 10.0 AS x, hash(i + 7) % 7 AS kind, 'word ' || hash(i + 3) % 90 AS word,
      TIMESTAMP '2024-01-01' + INTERVAL (i) MINUTE AS at FROM range(100000) r(i)`,
  )
  expect((await inspect([path])).remarks).toEqual([])
})

test('columns that name rows, are the same in all, or nearly so', async () => {
  const place = await openPlace()
  const path = await place.parquet(
    'columns.parquet',
    `SELECT i + 1000 AS id, 'order ' || (i // 1.02)::INT AS name, 7 AS seven, NULL::VARCHAR AS nothing,
      CASE WHEN i = 5 THEN 'odd' ELSE 'even' END AS nearly, hash(i) % 5 AS five FROM range(2000) r(i)`,
  )
  const { remarks } = await inspect([path])
  expect(remarks.map(({ kind, columns, rows }) => [kind, columns[0], rows])).toEqual([
    ['identifier', 'id', 2000],
    ['identifier', 'name', 2000],
    ['constant', 'seven', 2000],
    ['constant', 'nothing', 2000],
    ['constant', 'nearly', 1999],
  ])
  expect(remarks[0].fix).toBe("key: ['id']")
})

test('an import says them in its event, also of values that earlier rows spell otherwise', async () => {
  const place = await openPlace()
  place.file('a.csv', `city,n\n${Array.from({ length: 300 }, (_, i) => `Bern,${i}`).join('\n')}\n`)
  await place.import({ source: ['a.csv'] })
  place.file(
    'b.csv',
    `city,n\n${Array.from({ length: 300 }, (_, i) => (i === 7 ? `NA,${i}` : `BERN,${i + 300}`)).join('\n')}\n`,
  )
  await place.import({ source: ['b.csv'] })
  const events = await place.store.meta.events({ types: ['data.imported'] })
  const remarks = (events[1].data as unknown as { remarks: Remarks }).remarks
  expect(of(remarks, 'missing-code')).toMatchObject([{ columns: ['city'], rows: 1 }])
  expect(of(remarks, 'missing-code')[0].fix).toBe("read: { missing: ['NA'] }")
  expect(of(remarks, 'spelling')[0].text).toContain('"BERN" (299) and "Bern" (in earlier rows)')
})

test('columns and values of hostile names are quoted', async () => {
  const place = await openPlace()
  const path = await place.parquet(
    'hostile.parquet',
    `SELECT CASE WHEN i % 2 = 0 THEN 'it''s"; --' ELSE 'IT''S"; --' END AS "a""b'c", i % 9 AS n FROM range(400) r(i)`,
  )
  const { remarks } = await inspect([path])
  expect(of(remarks, 'spelling')).toMatchObject([{ columns: ['a"b\'c'], rows: 200 }])
  expect(of(remarks, 'spelling')[0].fix).toContain(`col('a"b\\'c').isIn(['IT\\'S"; --', 'it\\'s"; --'])`)
})

test('a code with a backslash is told as a config has to write it', () => {
  const [remark] = codeRemarks([{ column: 'a', code: '\\N', rows: 3 }], false)
  expect(remark.fix).toBe(String.raw`read: { missing: ['\\N'] }`)
})

test('a table of 200 numbers a row is imported within the memory of an import', async () => {
  const place = await openPlace(createImportTask())
  const columns = Array.from({ length: 200 }, (_, c) => `hash(i * 1000 + ${c}) % 1000 / 7.0 AS c${c}`)
  await place.parquet('wide.parquet', `SELECT ${columns.join(', ')} FROM range(500) r(i)`)
  const { parts } = await place.import({ source: ['wide.parquet'] })
  expect(Object.keys(parts[0].stats)).toHaveLength(200)
}, 60_000)

describe('spellings', () => {
  test('are told by case, blanks, hyphens and a stop at the end, and by nothing else', () => {
    for (const [a, b] of [
      ['>50K', '>50K.'],
      ['New York', 'new-york'],
      ['a_b', 'A  b '],
      ['ﬁn', 'FIN'],
    ])
      expect(plainSpelling(a)).toBe(plainSpelling(b))
    for (const [a, b] of [
      ['C', 'C++'],
      ['<5', '>5'],
      ['10-14', '1014'],
      ['1.5', '15'],
    ])
      expect(plainSpelling(a)).not.toBe(plainSpelling(b))
  })

  test('come most frequent first; a value of punctuation alone is no spelling', () => {
    const groups = spellingsOf([
      { value: 'x', rows: 1 },
      { value: 'X', rows: 4 },
      { value: '.', rows: 1 },
      { value: '-', rows: 1 },
    ])
    expect(groups).toEqual([
      [
        { value: 'X', rows: 4 },
        { value: 'x', rows: 1 },
      ],
    ])
  })
})
