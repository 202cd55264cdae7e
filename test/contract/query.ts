/** What every Query must do. Run by each adapter's test over its own `open`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { QueryOptions } from '../../src/engine/open.ts'
import type { Query, ResultColumn, Sql, SqlValue } from '../../src/engine/ports.ts'

const sql = (text: string, ...params: SqlValue[]): Sql => ({ text, params })

/** Expects a coded error. */
export async function fails(
  promise: Promise<unknown>,
  code: string,
): Promise<Error & { data: Record<string, unknown> }> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code })
  return error as Error & { data: Record<string, unknown> }
}

export function queryContract(name: string, open: (options?: QueryOptions) => Promise<Query>): void {
  describe(name, () => {
    let query: Query
    let folder: string
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'query-contract-'))
      query = await open({ memoryMb: 256, threads: 2 })
    })
    afterAll(async () => {
      await query.close()
      rmSync(folder, { recursive: true, force: true })
    })

    const one = async (expression: string, ...params: SqlValue[]) =>
      (await query.rows<{ v: unknown }>(sql(`SELECT ${expression} AS v`, ...params)))[0]!.v
    const column = async (select: string, categories?: string[]): Promise<ResultColumn> =>
      (await query.columns(sql(`SELECT v FROM (${select}) t(v)`), { categories })).columns.v!

    describe('plain rows', () => {
      it.each([
        ['NULL', null],
        ['TRUE', true],
        ['42', 42],
        ['9007199254740991::BIGINT', 9007199254740991],
        ['9007199254740992::BIGINT', 9007199254740992n],
        ['-9223372036854775807::BIGINT', -9223372036854775807n],
        ['170141183460469231731687303715884105727::HUGEINT', 170141183460469231731687303715884105727n],
        ['18446744073709551615::UBIGINT', 18446744073709551615n],
        ['12.345::DECIMAL(10,3)', 12.345],
        ['-0.1::DECIMAL(38,10)', -0.1],
        ["'NaN'::DOUBLE", Number.NaN],
        ["'-Infinity'::DOUBLE", -Infinity],
        ["'żółw 🐢'", 'żółw 🐢'],
        ["''", ''],
        ["TIMESTAMP '1969-12-31 23:59:59.999'", -1],
        ["TIMESTAMP '1969-12-31 23:59:59.9995'", -0.5],
        ["TIMESTAMP '0001-01-01'", Date.UTC(2001, 0, 1) - 730485 * 86_400_000],
        ["TIMESTAMPTZ '2001-06-01 12:00:00+02'", Date.UTC(2001, 5, 1, 10)],
        ["TIMESTAMP_S '1970-01-02'", 86_400_000],
        ["TIMESTAMP_MS '1969-12-31'", -86_400_000],
        ["TIMESTAMP_NS '2001-06-01 00:00:00.000001'", Date.UTC(2001, 5, 1) + 0.001],
        ["DATE '1960-02-29'", Date.UTC(1960, 1, 29)],
        ["'infinity'::TIMESTAMP", Infinity],
        ["'-infinity'::DATE", -Infinity],
        ["TIME '12:34:56'", '12:34:56'],
        ['[1, NULL, 3]', [1, null, 3]],
        ["{'a': 1, 'b': [DATE '1970-01-02']}", { a: 1, b: [86_400_000] }],
        ["MAP {'k': 2}", { k: 2 }],
        ["'\\xAB'::BLOB", new Uint8Array([0xab])],
        ["'a'::ENUM('a', 'b')", 'a'],
        ["'0b1d3f6a-0000-4000-8000-000000000001'::UUID", '0b1d3f6a-0000-4000-8000-000000000001'],
      ])('gives %s as %s', async (expression, expected) => {
        const got = await one(expression)
        expect(got instanceof Uint8Array ? Uint8Array.from(got) : got).toEqual(expected)
      })

      it('gives no rows for an empty result and numbers columns of one name apart', async () => {
        expect(await query.rows(sql('SELECT 1 AS a WHERE FALSE'))).toEqual([])
        expect(await query.rows(sql('SELECT 1 AS a, 2 AS a'))).toEqual([{ a: 1, 'a:1': 2 }])
      })

      it('speaks UTC whatever the machine says', async () => {
        expect(await one("date_trunc('day', TIMESTAMPTZ '2001-06-01 23:30:00+00')")).toBe(
          Date.UTC(2001, 5, 1),
        )
      })
    })

    describe('parameters', () => {
      it.each<[string, SqlValue, unknown]>([
        ['null', null, null],
        ['a boolean', false, false],
        ['a whole number', 7, 7],
        ['a large whole number', 2 ** 40, 2 ** 40],
        ['a fraction', 0.1, 0.1],
        ['NaN', Number.NaN, Number.NaN],
        ['minus zero', -0, -0],
        ['infinity', Infinity, Infinity],
        ['1e300', 1e300, 1e300],
        ['a bigint', 2n ** 62n, 2n ** 62n],
        ['a bigint beyond 64 bits', -(2n ** 100n), -(2n ** 100n)],
        ['text with quotes and unicode', `O'Neil "é" 🐢`, `O'Neil "é" 🐢`],
        ['a date before 1970', new Date(Date.UTC(1950, 1, 3, 4, 5, 6, 7)), Date.UTC(1950, 1, 3, 4, 5, 6, 7)],
      ])('passes %s', async (_, value, expected) => {
        expect(await one('?', value)).toEqual(expected)
      })

      it('takes them by position, also in LIMIT', async () => {
        const rows = await query.rows(
          sql('SELECT ? || i AS v FROM range(?) t(i) WHERE i >= ? LIMIT ?', 'x', 10, 3, 2),
        )
        expect(rows.map((row) => row.v)).toEqual(['x3', 'x4'])
      })

      it('refuses what is not a value and a wrong number of them', async () => {
        await fails(one('?', new Date(Number.NaN)), 'MR_QUERY_PARAM')
        await fails(one('?', {} as never), 'MR_QUERY_PARAM')
        await fails(one('? + ?', 1), 'MR_QUERY_FAILED')
      })
    })

    describe('columns', () => {
      it.each([
        ['TINYINT', [-128, 127]],
        ['SMALLINT', [-32768, 32767]],
        ['INTEGER', [-2147483648, 2147483647]],
        ['BIGINT', [-9007199254740991, 9007199254740991]],
        ['UTINYINT', [0, 255]],
        ['USMALLINT', [0, 65535]],
        ['UINTEGER', [0, 4294967295]],
        ['UBIGINT', [0, 18446744073709551615n]],
        ['HUGEINT', [-(2n ** 100n), 5]],
        ['FLOAT', [-0.5, 1e10]],
        ['DOUBLE', [-0.1, 1.7976931348623157e308]],
        ['DECIMAL(4,2)', [-99.99, 12.34]],
        ['DECIMAL(9,3)', [-123456.789, 0.001]],
        ['DECIMAL(15,5)', [-1234567890.12345, 0.1]],
        ['DECIMAL(18,4)', ['-99999999999999.9999', 1234567.8901]],
        ['DECIMAL(38,10)', ['-1234567890123.0123456789', 2.5]],
      ])('streams %s as numbers with NaN for missing', async (type, values) => {
        const list = values.map((v) => `('${v}'::${type})`).join(', ')
        const got = await column(`VALUES ${list}, (NULL)`)
        expect(got).toEqual({
          kind: 'number',
          values: Float64Array.from([...values.map(Number), Number.NaN]),
        })
      })

      it('streams instants and dates as epoch milliseconds', async () => {
        const at = Date.UTC(1931, 3, 5, 6, 7, 8, 90)
        for (const type of ['TIMESTAMP', 'TIMESTAMPTZ', 'TIMESTAMP_MS', 'TIMESTAMP_NS']) {
          const got = await column(`VALUES ('1931-04-05 06:07:08.090'::${type}), (NULL)`)
          expect(got, type).toEqual({ kind: 'time', values: Float64Array.of(at, Number.NaN) })
        }
        const seconds = await column("VALUES ('1931-04-05 06:07:08'::TIMESTAMP_S), (NULL)")
        expect(seconds).toEqual({ kind: 'time', values: Float64Array.of(at - 90, Number.NaN) })
        const days = await column("VALUES ('1931-04-05'::DATE), (NULL), ('infinity'::DATE)")
        expect(days).toEqual({
          kind: 'time',
          values: Float64Array.of(Date.UTC(1931, 3, 5), Number.NaN, Infinity),
        })
        const ends = await column("VALUES ('infinity'::TIMESTAMP), ('-infinity'::TIMESTAMP)")
        expect(ends).toEqual({ kind: 'time', values: Float64Array.of(Infinity, -Infinity) })
      })

      it('streams booleans as 1, 0 and -1 for missing', async () => {
        expect(await column('VALUES (TRUE), (FALSE), (NULL)')).toEqual({
          kind: 'bool',
          values: Int8Array.of(1, 0, -1),
        })
      })

      it('streams strings as strings unless they are asked for as categories', async () => {
        const values =
          "VALUES ('b'), (NULL), ('żółw 🐢 longer than a cell'), (''), ('b'), ('twelve bytes'), ('thirteen byte')"
        expect(await column(values)).toEqual({
          kind: 'string',
          values: ['b', null, 'żółw 🐢 longer than a cell', '', 'b', 'twelve bytes', 'thirteen byte'],
        })
        expect(await column(values, ['v'])).toEqual({
          kind: 'category',
          codes: Int32Array.of(1, -1, 4, 0, 1, 3, 2),
          categories: ['', 'b', 'thirteen byte', 'twelve bytes', 'żółw 🐢 longer than a cell'],
        })
      })

      it('gives codes for other types by their text, and an enum in its own order', async () => {
        expect(await column('VALUES (10), (9), (NULL), (10)', ['v'])).toEqual({
          kind: 'category',
          codes: Int32Array.of(0, 1, -1, 0),
          categories: ['10', '9'],
        })
        expect(await column("VALUES ('b'::ENUM('b', 'a')), (NULL), ('a'::ENUM('b', 'a'))")).toEqual({
          kind: 'category',
          codes: Int32Array.of(0, -1, 1),
          categories: ['b', 'a'],
        })
      })

      it('gives nested values as JSON text', async () => {
        expect(await column("VALUES ({'a': [1, 2]})")).toEqual({ kind: 'string', values: ['{"a":[1,2]}'] })
      })

      it('gives empty columns of the right kind for an empty result', async () => {
        const got = await query.columns(sql("SELECT 1.5 AS a, 'x' AS b, 'y' AS c, now() AS d WHERE FALSE"), {
          categories: ['c'],
        })
        expect(got).toEqual({
          nRows: 0,
          columns: {
            a: { kind: 'number', values: new Float64Array() },
            b: { kind: 'string', values: [] },
            c: { kind: 'category', codes: new Int32Array(), categories: [] },
            d: { kind: 'time', values: new Float64Array() },
          },
        })
      })

      it('keeps values, nulls and codes in place over many chunks', async () => {
        const n = 300_007
        const got = await query.columns(
          sql(
            `SELECT CASE WHEN i % 7 = 3 THEN NULL ELSE i / 4 END AS x, i * 4294967297 AS big,
             'k' || (i % 1500) AS short, CASE WHEN i % 5 = 0 THEN NULL ELSE 'a long category ' || (i % 100) END AS long
             FROM range(${n}) t(i)`,
          ),
          { categories: ['short', 'long'] },
        )
        const { x, big, short, long } = got.columns as Record<string, never>
        const wrong: number[] = []
        for (let i = 0; i < n; i++) {
          const ok =
            Object.is(at(x, i), i % 7 === 3 ? Number.NaN : i / 4) &&
            at(big, i) === i * 4294967297 &&
            at(short, i) === `k${i % 1500}` &&
            at(long, i) === (i % 5 === 0 ? null : `a long category ${i % 100}`)
          if (!ok) wrong.push(i)
        }
        expect(got.nRows).toBe(n)
        expect(wrong).toEqual([])
      })
    })

    describe('statements', () => {
      it('keeps views and tables for later queries, also when they run at once', async () => {
        await query.exec(sql('CREATE OR REPLACE VIEW seen AS SELECT i FROM range(10) t(i)'))
        await query.exec(
          sql(
            'CREATE OR REPLACE TABLE kept AS SELECT i FROM seen; INSERT INTO kept SELECT i + ? FROM seen',
            100,
          ),
        )
        const sums = await Promise.all(
          [1, 2, 3, 4, 5, 6].map(() => query.rows(sql('SELECT sum(i) AS v FROM kept'))),
        )
        expect(sums.map((rows) => rows[0]!.v)).toEqual(Array(6).fill(1090))
      })

      it('writes and reads a file', async () => {
        const file = join(folder, 'rows.parquet')
        await query.exec(sql(`COPY (SELECT i FROM range(5000) t(i)) TO '${file}' (FORMAT parquet)`))
        expect(await query.rows(sql('SELECT count(*) AS v FROM read_parquet(?)', file))).toEqual([
          { v: 5000 },
        ])
      })

      it('refuses what would stay with one connection', async () => {
        await fails(query.exec(sql('CREATE OR REPLACE TEMP TABLE t AS SELECT 1')), 'MR_QUERY_SESSION')
        await fails(query.exec(sql('BEGIN')), 'MR_QUERY_SESSION')
      })
    })

    describe('failures', () => {
      it('names the SQL of a wrong query', async () => {
        const error = await fails(query.rows(sql('SELECT nope FROM range(3)')), 'MR_QUERY_FAILED')
        expect(error.message).toContain('nope')
        expect(error.data.sql).toBe('SELECT nope FROM range(3)')
      })

      it('fails when a row far down the stream fails, instead of giving the rows before it', async () => {
        const late =
          "SELECT CASE WHEN i = 1500000 THEN error('row') ELSE i::VARCHAR END AS v FROM range(2000000) t(i)"
        await fails(query.columns(sql(late)), 'MR_QUERY_FAILED')
        await fails(query.rows(sql(`${late} WHERE i > 1400000`)), 'MR_QUERY_FAILED')
        await fails(query.exec(sql(late)), 'MR_QUERY_FAILED')
      })

      it('names a file that is missing or not what it is said to be', async () => {
        const missing = join(folder, 'absent.parquet')
        const text = join(folder, 'text.parquet')
        writeFileSync(text, 'not a Parquet file at all, only words')
        const absent = await fails(
          query.columns(sql(`SELECT * FROM read_parquet('${missing}')`)),
          'MR_QUERY_FILE',
        )
        const wrong = await fails(
          query.exec(sql('CREATE TABLE x AS FROM read_parquet(?)', text)),
          'MR_QUERY_FILE',
        )
        expect([absent.data.file, wrong.data.file]).toEqual([missing, text])
      })

      it('says what to do when memory and spilling do not suffice', async () => {
        await fails(
          query.rows(sql('SELECT length(list(i)) AS v FROM range(80000000) t(i)')),
          'MR_QUERY_MEMORY',
        )
        expect(await one('1')).toBe(1)
      })
    })

    describe('cancelling', () => {
      const endless = 'SELECT count(*) AS v FROM range(100000000000) a(i) WHERE i % 7 = 8'

      it('stops a running query soon and leaves the engine usable', async () => {
        const abort = new AbortController()
        setTimeout(() => abort.abort(), 50)
        const from = performance.now()
        await fails(query.rows(sql(endless), abort.signal), 'MR_CANCELLED')
        expect(performance.now() - from).toBeLessThan(2000)
        expect(await one('1')).toBe(1)
      })

      it('stops one that has not begun, one with a large result, and one that waits for its turn', async () => {
        await fails(query.rows(sql('SELECT 1'), AbortSignal.abort()), 'MR_CANCELLED')
        const streaming = query.columns(sql('SELECT i FROM range(100000000) t(i)'), {
          signal: AbortSignal.timeout(30),
        })
        await fails(streaming, 'MR_CANCELLED')
        const crowd = Array.from({ length: 9 }, () =>
          fails(query.rows(sql(endless), AbortSignal.timeout(60)), 'MR_CANCELLED'),
        )
        await Promise.all(crowd)
        expect(await one('1')).toBe(1)
      })

      it('stops what still runs when it is closed', async () => {
        const other = await open()
        const running = fails(other.rows(sql(endless)), 'MR_CANCELLED')
        await new Promise((resolve) => setTimeout(resolve, 30))
        await other.close()
        await running
        await other.close()
      })
    })

    it('lets SQL from outside see its own files alone', async () => {
      const file = join(folder, 'own.csv')
      writeFileSync(file, 'a,b\n1,2\n')
      const guarded = await open({ files: [file] })
      const read = (path: string) => guarded.rows(sql(`SELECT * FROM read_csv('${path}')`))
      expect(await read(file)).toEqual([{ a: 1, b: 2 }])
      await fails(read('/etc/passwd'), 'MR_QUERY_DENIED')
      await fails(guarded.exec(sql(`COPY (SELECT 1) TO '${join(folder, 'out.csv')}'`)), 'MR_QUERY_DENIED')
      await fails(guarded.exec(sql('SET GLOBAL enable_external_access = true')), 'MR_QUERY_DENIED')
      await guarded.close()
    })
  })
}

function at(column: ResultColumn, i: number): unknown {
  if (column.kind === 'category') return column.codes[i] === -1 ? null : column.categories[column.codes[i]!]
  return column.values[i]
}
