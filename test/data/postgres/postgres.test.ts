/** Tables of a real PostgreSQL server as sources. Expected values are the constants that were inserted, by the rules that the docs state. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DatasetVersion } from '../../../src/core/records.ts'
import { inspect } from '../../../src/data/inspect.ts'
import { readPostgres } from '../../../src/data/postgres/read.ts'
import type { DatasetDef } from '../../../src/define/types.ts'
import { askPasswords, type PostgresServer, startPostgres, WHY_NO_POSTGRES } from '../../fixtures/postgres.ts'
import { allRows, headDigest, openPlace, type Place } from '../fixture.ts'

if (WHY_NO_POSTGRES) console.log(`SKIP tables of PostgreSQL: ${WHY_NO_POSTGRES}`)

const BY_ROWS = { by: 'rows', rowsMax: 100_000 } as const
/** Megabytes that are streamed in the test of memory. */
const MEGABYTES = Number(process.env.MILLRACE_POSTGRES_MB ?? 40)

describe.skipIf(WHY_NO_POSTGRES !== undefined)('PostgreSQL', () => {
  let server: PostgresServer
  let dir: string
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-pg-test-'))
    server = await startPostgres()
  }, 60_000)
  afterAll(() => {
    server?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const imported = async (
    more: string,
    def: Partial<DatasetDef> = {},
    place?: Place,
  ): Promise<{ place: Place; version: DatasetVersion; rows: Record<string, unknown>[] }> => {
    const at = place ?? (await openPlace())
    const version = await at.import({ source: [server.url('postgres', more)], parts: BY_ROWS, ...def })
    return { place: at, version, rows: await allRows(at, version) }
  }
  const refusal = async (more: string, def: Partial<DatasetDef> = {}, user?: string): Promise<Error> => {
    const place = await openPlace()
    const given = { source: [server.url(user, more)], parts: BY_ROWS, ...def }
    const error = await place.import(given).then(
      () => new Error('it was imported'),
      (thrown) => thrown as Error,
    )
    expect(await headDigest(place.store)).toBeUndefined()
    expect(readdirSync(place.store.scratch)).toEqual([])
    return error
  }

  test('each type has its values, and what is nothing is missing', async () => {
    await server.sql(`
      CREATE TYPE mood AS ENUM ('sad', 'ok');
      CREATE TYPE pair AS (x int, y text);
      CREATE DOMAIN positive AS int CHECK (value > 0);
      CREATE TABLE types (
        k int PRIMARY KEY, small smallint, big bigint, whole numeric(18, 0), exact numeric(30, 4), free numeric,
        single real, double double precision, yes boolean, "Text, ""quoted""" text, short varchar(9), padded char(6),
        day date, at timestamp, zoned timestamptz, clock time, span interval, doc json, docb jsonb, id uuid,
        raw bytea, ints int[], grid float8[], words text[], feeling mood, duo pair, pos positive, ip inet, cash money, range int4range
      );
      INSERT INTO types VALUES
        (1, -32768, 9223372036854775807, 999999999999999999, 0.1, 1e300, 0.1, 0.1, true, 'a "b", c' || chr(10) || 'd', '', 'ab',
          '2024-02-29', '2024-02-29 23:59:59.123456', '2024-03-01 01:00:00.5+02', '23:59:59.5', '1 day 02:00:00', '{"a": [1, 2.50, null]}',
          '{"b": "é"}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', '{1,NULL,3}', '{{1.5,2},{3,4}}', '{"a,b",NULL}', 'ok', (7, 'z'), 5,
          '10.0.0.1', 12.50, '[1,5)'),
        (2, NULL, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', false, '\\N', '\\.', '', 'infinity', '-infinity', 'infinity', NULL, NULL,
          'null', '9007199254740993', NULL, '', '{}', NULL, NULL, 'sad', NULL, NULL, NULL, NULL, NULL),
        (3, 32767, NULL, NULL, -5, -0.0001, 'infinity', '-infinity', NULL, NULL, NULL, NULL, '0044-03-15 BC', '0001-01-01 12:00:00 BC', '1969-12-31 23:59:59.999999+00',
          NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    `)
    const { version, rows } = await imported('?table=types')
    expect(Object.fromEntries(version.schema.columns.map(({ name, type }) => [name, type]))).toEqual({
      ...{ k: 'int', small: 'int', big: 'int', whole: 'int', exact: 'float', free: 'float', single: 'float' },
      ...{ double: 'float', yes: 'bool', 'Text, "quoted"': 'string', short: 'string', padded: 'string' },
      ...{
        day: 'date',
        at: 'time',
        zoned: 'time',
        clock: 'string',
        span: 'string',
        doc: 'json',
        docb: 'json',
      },
      ...{ id: 'string', raw: 'string', ints: 'json', grid: 'json', words: 'json', feeling: 'string' },
      ...{ duo: 'json', pos: 'int', ip: 'string', cash: 'float', range: 'string' },
    })
    expect(version.source).toBe(`postgres://127.0.0.1:${server.port}/shop?table=public.types`)
    const [one, two, three] = rows.toSorted((a, b) => Number(a.k) - Number(b.k))
    const exactly = await imported('?query=SELECT big::text AS big FROM types WHERE k = 1')
    expect(exactly.rows).toEqual([{ big: '9223372036854775807' }])
    expect(one).toMatchObject({
      ...{
        small: -32768,
        big: 9_223_372_036_854_775_807n,
        whole: 999_999_999_999_999_999n,
        exact: 0.1,
        free: 1e300,
      },
      ...{
        single: Math.fround(0.1),
        double: 0.1,
        yes: true,
        'Text, "quoted"': 'a "b", c\nd',
        short: '',
        padded: 'ab',
      },
      ...{ clock: '23:59:59.5', span: 'P1DT2H', doc: '{"a":[1,2.5,null]}', docb: '{"b":"é"}' },
      ...{
        id: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        raw: '\\x00\\xFF',
        ints: '[1,null,3]',
        grid: '[[1.5,2],[3,4]]',
      },
      ...{
        words: '["a,b",null]',
        feeling: 'ok',
        duo: '{"x":7,"y":"z"}',
        pos: 5,
        ip: '10.0.0.1',
        cash: 12.5,
        range: '[1,5)',
      },
    })
    const millis = (value: unknown) => Number(value instanceof Date ? value.getTime() : value)
    expect([one!.day, one!.at, one!.zoned].map(millis)).toEqual([
      Date.UTC(2024, 1, 29),
      Date.UTC(2024, 1, 29, 23, 59, 59, 123) + 0.456,
      Date.UTC(2024, 1, 29, 23, 0, 0, 500),
    ])
    expect(two).toMatchObject({
      ...{
        small: null,
        big: -9_223_372_036_854_775_808n,
        whole: null,
        exact: null,
        free: null,
        single: null,
        double: null,
        yes: false,
      },
      ...{ 'Text, "quoted"': '\\N', short: '\\.', padded: '', day: null, at: null, zoned: null, clock: null },
      ...{
        doc: 'null',
        docb: '9007199254740993',
        id: null,
        raw: '',
        ints: '[]',
        feeling: 'sad',
        range: null,
      },
    })
    expect(three).toMatchObject({
      single: Number.POSITIVE_INFINITY,
      double: Number.NEGATIVE_INFINITY,
      padded: null,
    })
    expect(millis(three!.day)).toBe(new Date(0).setUTCFullYear(-43, 2, 15))
    expect(millis(three!.at)).toBe(new Date(Date.UTC(2000, 0, 1, 12)).setUTCFullYear(0))
  })

  test('endless days are told', async () => {
    const look = await inspect([server.url('postgres', '?table=types')])
    expect(look.notes.filter((note) => note.includes('infinity')).length).toBe(3)
    expect([look.rows, look.format, look.read.format]).toEqual([3, 'postgres', undefined])
    expect(look.preview[0]).toMatchObject({ k: 1, feeling: 'ok' })
  })

  test('of one column with nothing and with an empty text, each row is one', async () => {
    await server.sql(`CREATE TABLE lone AS SELECT * FROM (VALUES (NULL), (''), ('a'), (NULL), ('\\N')) v(t)`)
    const { rows } = await imported('?table=lone')
    expect(rows.map(({ t }) => t).sort()).toEqual(['', '\\N', 'a', null, null])
  })

  test('rows are read in one transaction that only reads, by a query or a view too', async () => {
    const query =
      "SELECT current_setting('transaction_isolation') AS level, current_setting('transaction_read_only') AS reads -- so it is;"
    expect((await imported('', { read: { missing: [], query } })).rows).toEqual([
      { level: 'repeatable read', reads: 'on' },
    ])
    await server.sql('CREATE VIEW few AS SELECT k, feeling FROM types WHERE k < 3')
    expect((await imported('', { read: { missing: [], table: 'public.few' } })).rows.length).toBe(2)
    const error = await refusal('', { read: { missing: [], query: 'DELETE FROM types RETURNING k' } })
    expect(error).toMatchObject({ code: 'MR_DATA_PG_QUERY' })
    expect(await server.rows('SELECT count(*)::int AS n FROM types')).toEqual([{ n: 3 }])
  })

  test('a table that is as it was is not imported again; what changed comes by its key', async () => {
    await server.sql(
      'CREATE SCHEMA s; CREATE TABLE s.orders (id int, amount numeric(9, 2)); INSERT INTO s.orders SELECT i, i / 4.0 FROM generate_series(1, 1000) i',
    )
    const def: Partial<DatasetDef> = { key: ['id'], mode: 'upsert' }
    const { place, version } = await imported('?table=s.orders', def)
    expect(version.rows).toBe(1000)
    const again = await imported('?table=s.orders', def, place)
    expect(again.version).toEqual(version)
    await server.sql(
      'UPDATE s.orders SET amount = 9 WHERE id <= 10; DELETE FROM s.orders WHERE id > 990; INSERT INTO s.orders VALUES (2000, 1)',
    )
    const next = await imported('?table=s.orders', def, place)
    expect([next.version.rows, next.rows.filter(({ amount }) => amount === 9).length]).toEqual([1001, 11])
    // The table as it is now: what was deleted there is gone here, and the copy need not be kept.
    const whole = await imported('?table=s.orders', { ...def, mode: 'replace' }, place)
    expect(whole.version.rows).toBe(991)
  })

  test('names that are not there, or not said, are told with those that are', async () => {
    expect((await refusal('?table=order')).message).toMatch(
      /^MR_DATA_PG_TABLE: postgres:\/\/127\.0\.0\.1:\d+\/shop has no table "order"; near are s\.orders$/,
    )
    expect((await refusal('')).message).toMatch(
      /has 4 tables and views, and none is named: public\.few, public\.lone, /,
    )
    const wrong: [string, Partial<DatasetDef>, string, RegExp][] = [
      ['?table=types&tabel=x', {}, 'MR_DATA_PG_ADDRESS', /it has "tabel"; known are table/],
      ['?table=types&sslmode=always', {}, 'MR_DATA_PG_ADDRESS', /sslmode is "always"/],
      [
        '',
        { read: { missing: [], query: 'SELEC 1' } },
        'MR_DATA_PG_QUERY',
        /syntax error at or near "1" \(SELEC 1\)/,
      ],
      ['', { read: { missing: [], query: 'SELECT 1 AS a, 2 AS a' } }, 'MR_DATA_PG_QUERY', /ambiguous/],
      [
        '',
        { read: { missing: [], query: 'SELECT 1 AS a; DROP TABLE lone' } },
        'MR_DATA_PG_QUERY',
        /syntax error/,
      ],
      [
        '',
        { read: { missing: [], query: 'SELECT most_common_vals FROM pg_stats' } },
        'MR_DATA_PG_TYPE',
        /anyarray/,
      ],
      [
        '',
        { read: { missing: [], query: 'SELECT 1 AS a, 2 AS "A"' } },
        'MR_DATA_UNREADABLE',
        /two columns are called/,
      ],
      [
        '',
        { read: { missing: [], query: 'SELECT 1 / (k - 2) AS x FROM types' } },
        'MR_DATA_PG_QUERY',
        /division by zero/,
      ],
    ]
    for (const [more, def, code, message] of wrong) {
      const error = await refusal(more, def)
      expect(error, more).toMatchObject({ code })
      expect(error.message).toMatch(message)
    }
  })

  test('a server that is not there, a database that is not, a password that is wrong and a table that may not be read', async () => {
    await server.sql("CREATE ROLE reader LOGIN PASSWORD 'geheim-4711'; CREATE TABLE secret (a int)")
    await askPasswords(server)
    const gone = server.url().replace(String(server.port), '1')
    const place = await openPlace()
    const tried = async (source: string) =>
      (await place.import({ source: [source], parts: BY_ROWS }).catch((thrown) => thrown)) as Error
    expect(await tried(`${gone}?table=t`)).toMatchObject({ code: 'MR_DATA_PG_CONNECT', retryable: true })
    expect(await tried(server.url().replace('/shop', '/shap'))).toMatchObject({ code: 'MR_DATA_PG_ADDRESS' })
    const denied = [
      await tried(server.url('reader', '?table=types')),
      await tried(server.url('reader:falsch-4711', '?table=types')),
      await tried(server.url('reader:geheim-4711', '?table=secret')),
      await tried(server.url('postgres', '?table=types&sslmode=verify-full')),
    ]
    expect(denied.map((error) => (error as unknown as { code: string }).code)).toEqual([
      'MR_DATA_PG_DENIED',
      'MR_DATA_PG_DENIED',
      'MR_DATA_PG_DENIED',
      'MR_DATA_PG_CONNECT',
    ])
    expect(denied[2]!.message).toMatch(/permission denied for table secret/)
    expect(denied.map((error) => JSON.stringify([error, error.message, error.stack])).join()).not.toMatch(
      /4711/,
    )
  })

  test('a password comes from the address, PGPASSWORD or a file, and stands nowhere afterwards', async () => {
    await server.sql('GRANT SELECT ON types TO reader')
    const place = await openPlace()
    const read = async (source: string, again = true) =>
      (await place.import({ source: [source], parts: BY_ROWS }, { again })).rows
    expect(await read(server.url('reader:geheim-4711', '?table=types'))).toBe(3)
    expect(await read(server.url('reader', '?table=types&password=geheim-4711'))).toBe(6)
    const pass = join(dir, 'pgpass')
    writeFileSync(pass, `127.0.0.1:${server.port}:shop:reader:geheim-4711\n`, { mode: 0o600 })
    for (const [name, value] of [
      ['PGPASSWORD', 'geheim-4711'],
      ['PGPASSFILE', pass],
    ] as const) {
      process.env[name] = value
      try {
        await read(server.url('reader', '?table=types'))
      } finally {
        delete process.env[name]
      }
    }
    expect(await headDigest(place.store)).toBeDefined()
    const written = filesBelow(place.dir).filter((path) => readFileSync(path).includes('4711'))
    expect(written).toEqual([])
  })

  test('a connection that is lost half-way leaves nothing behind', async () => {
    const query =
      'SELECT i, repeat(md5(i::text), 30) AS t, pg_sleep(0.001)::text AS s FROM generate_series(1, 20000) i'
    const ended = endedSoon(server)
    const error = await refusal('', { read: { missing: [], query } })
    expect(await ended).toBe(1)
    expect(error).toMatchObject({ code: 'MR_DATA_PG_LOST', retryable: true })
  }, 30_000)

  test('a reading that is cancelled ends at once, on the server too', async () => {
    const stop = new AbortController()
    const read = { query: 'SELECT pg_sleep(20)::text AS s' }
    const reading = readPostgres(server.url(), read, join(dir, 'cancelled'), { signal: stop.signal })
    setTimeout(() => stop.abort(), 300)
    const begun = performance.now()
    await expect(reading).rejects.toMatchObject({ code: 'MR_CANCELLED' })
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  test('memory does not grow with the table, and progress is told', async () => {
    const told: number[] = []
    const rows = MEGABYTES * 1_000
    const query = `SELECT i, repeat(md5(i::text), 31) AS t FROM generate_series(1, ${rows}) i`
    const before = process.memoryUsage().rss
    let most = 0
    const path = join(dir, 'large')
    const done = await readPostgres(server.url(), { query }, path, {
      onBytes: (bytes) => {
        told.push(bytes)
        most = Math.max(most, process.memoryUsage().rss)
      },
    })
    expect(done.rows).toBe(rows)
    expect(statSync(path).size).toBeGreaterThan(MEGABYTES * 990_000)
    expect(told.length).toBeGreaterThan(MEGABYTES / 2)
    expect((most - before) / 1e6, 'megabytes').toBeLessThan(120)
    rmSync(path)
  }, 300_000)
})

/** Ends the connection that sends rows, once it does. */
async function endedSoon(server: PostgresServer): Promise<number> {
  for (let tries = 0; tries < 200; tries++) {
    await delay(50)
    const found = await server.rows(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active' AND now() - query_start > interval '0.5 s'",
    )
    if (found.length > 0) return found.length
  }
  return 0
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
