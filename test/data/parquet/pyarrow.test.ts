/** Parquet both ways: pyarrow reads what we write, and we read what it writes. What it read and wrote is recorded; see test/reference/parquet. */
import { copyFileSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { openPlace } from '../fixture.ts'

const reference = (name: string): URL => new URL(`../../reference/parquet/${name}`, import.meta.url)
const json = <T>(name: string): T => JSON.parse(readFileSync(reference(name), 'utf8')) as T
type Columns = Record<string, unknown[]>

/** Instants as microseconds in text, days as text, whole numbers beyond 2^53 as text: as `plain` of the script has them. */
const SELECT: Record<string, (name: string) => string> = {
  time: (name) => `CAST(epoch_us("${name}") AS VARCHAR)`,
  date: (name) => `CAST("${name}" AS VARCHAR)`,
  int: (name) =>
    `CASE WHEN abs("${name}"::HUGEINT) > 9007199254740991 THEN to_json(CAST("${name}" AS VARCHAR)) ELSE to_json("${name}") END`,
}

const ROWS = `SELECT i AS n, i % 3 = 0 AS flag, CASE WHEN i % 4 > 0 THEN i / 8.0 - 3 END AS x, 'Zürich ' || i AS word, DATE '1960-02-28' + CAST(i * 999 AS INTEGER) AS day,
  TIMESTAMP '1969-12-31 23:59:59.123456' + to_seconds(i * 3601) AS at, CASE WHEN i % 5 > 0 THEN {'a': i, 'b': ['x', NULL]} END AS nested, 4611686018427387904 + i AS big FROM range(12) r(i)`

test('pyarrow reads a part that we write, to the last digit', async () => {
  const own = json<{ digest: string; types: Record<string, string>; columns: Columns }>('own.json')
  const place = await openPlace()
  await place.parquet('rows.parquet', ROWS)
  const version = await place.import({ source: ['rows.parquet'], parts: { by: 'rows', rowsMax: 99 } })
  const path = await place.store.objects.path(version.parts[0]!.digest)
  if (process.env.PARQUET_OUT) copyFileSync(path, process.env.PARQUET_OUT)
  // The bytes that it read are those that are written now; another version of the engine needs it to read them again.
  expect(version.parts[0]!.digest).toBe(own.digest)
  expect(own.types).toEqual({
    ...{ n: 'int64', flag: 'bool', x: 'double', word: 'string', day: 'date32[day]' },
    ...{ at: 'timestamp[us]', nested: 'string', big: 'int64' },
  })
  const list = version.schema.columns.map(
    ({ name, type }) => `${SELECT[type]?.(name) ?? `"${name}"`} AS "${name}"`,
  )
  const rows = await place.query.rows<Record<string, unknown>>({
    text: `SELECT ${list.join(', ')} FROM read_parquet(?)`,
    params: [path],
  })
  for (const { name, type } of version.schema.columns) {
    const values = rows.map((row) => (type === 'int' ? JSON.parse(String(row[name])) : row[name]))
    expect(values, name).toEqual(own.columns[name])
  }
})

test.each(['snappy', 'zstd', 'gzip', 'brotli', 'lz4', 'none'])(
  'we read what pyarrow writes: %s',
  async (codec) => {
    const theirs = json<Columns>('theirs.json')
    const place = await openPlace()
    copyFileSync(reference(`theirs-${codec}.parquet`), `${place.folder}/theirs.parquet`)
    const version = await place.import({ source: ['theirs.parquet'], parts: { by: 'rows', rowsMax: 99 } })
    const path = await place.store.objects.path(version.parts[0]!.digest)
    const list = version.schema.columns.map(
      ({ name, type }) => `${SELECT[type]?.(name) ?? `"${name}"`} AS "${name}"`,
    )
    const rows = await place.query.rows<Record<string, unknown>>({
      text: `SELECT ${list.join(', ')} FROM read_parquet(?)`,
      params: [path],
    })
    const seen = version.schema.columns.map(({ name, type }): [string, unknown[]] => [
      name,
      rows.map((row) =>
        row[name] !== null && ['int', 'json'].includes(type) ? JSON.parse(String(row[name])) : row[name],
      ),
    ])
    // Rows are sorted in a version, so they are compared as a set.
    const sorted = (columns: [string, unknown[]][]) =>
      [0, 1, 2].map((i) => JSON.stringify(columns.map(([name, values]) => [name, values[i]]))).sort()
    const expected = seen.map(([name]): [string, unknown[]] => [name, theirs[name]!])
    expect(sorted(seen)).toEqual(sorted(expected))
    expect(seen.length).toBe(codec === 'snappy' ? 15 : 17)
  },
)
