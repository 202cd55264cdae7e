/** Frames over files behind addresses: the bytes that the server sends are counted, and the answers are those of the same file here. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FILE, listAt, META } from '../../src/data/parquet/narrow.ts'
import { readThrift, type ThriftStruct, writeThrift } from '../../src/data/parquet/thrift.ts'
import { openQuery } from '../../src/engine/open.ts'
import type { Query } from '../../src/engine/ports.ts'
import { col, count, type Frame, type Frames, max, openFrames, sum } from '../../src/frame/index.ts'
import { fakeS3 } from '../store/remote/s3-server.ts'
import { type FileServer, openFileServer } from './file-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-test-far-'))
let server: FileServer
let engine: Query
let frames: Frames

beforeAll(async () => {
  server = await openFileServer()
  engine = await openQuery('duckdb:')
})
beforeEach(() => {
  frames = openFrames({ threads: 2, memoryMb: 512 })
  return () => frames.close()
})
afterAll(async () => {
  await engine.close()
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

const COLUMNS = 200
const wide = (rows: number, seed: number) =>
  `SELECT ${Array.from({ length: COLUMNS }, (_, c) => `CAST(hash(i * ${COLUMNS} + ${c} + ${seed}) % 1000000007 AS BIGINT) AS c${c}`).join(', ')}, i FROM range(${rows}) r(i)`

async function parquet(name: string, select: string, groupRows = 122_880): Promise<string> {
  const path = join(folder, name)
  await engine.exec({
    text: `COPY (${select}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE ${groupRows})`,
    params: [],
  })
  return path
}

async function served(name: string, select: string, groupRows?: number) {
  const path = await parquet(name, select, groupRows)
  const bytes = readFileSync(path)
  server.files.set(`/${name}`, bytes)
  ;[server.sent, server.requests, server.hasRanges, server.before] = [0, 0, true, undefined]
  return { path, bytes: bytes.length, url: `${server.url}/${name}?key=secret` }
}

const open = (at: string | string[], how = {}) => frames.frame(at, how) as Frame

/** Bytes asked for of the end, in which the footer is. */
const TAIL_BYTES = 64 * 1024

describe('bytes', () => {
  test('three of two hundred columns cost three two-hundredths of the bytes, once', async () => {
    const { path, url, bytes } = await served('wide.parquet', wide(12_000, 1))
    const ask = (at: string) =>
      open(at)
        .filter(col('c5').gt(500_000_000))
        .agg({ n: count(), a: sum('c77'), b: max('c199') })
    const plan = await ask(url).explain()
    expect(plan.reads[0]).toMatchObject({ columns: ['c5', 'c77', 'c199'], columnsAll: COLUMNS + 1 })
    expect(server.sent, 'explain asks for the footer alone').toBe(TAIL_BYTES)
    expect(String(plan)).not.toContain('secret')
    const rows = await ask(url).rows()
    const share = (server.sent - 2 * TAIL_BYTES) / bytes
    expect(share, `${server.sent} of ${bytes} bytes`).toBeLessThan(3.1 / COLUMNS)
    expect(plan.bytes).toBe(server.sent - TAIL_BYTES)
    expect(rows).toEqual(await ask(path).rows())
    const before = server.sent
    expect(await ask(url).rows()).toEqual(rows)
    expect(server.sent, 'as it was').toBe(before)
  })

  test('a condition that one of twenty groups of rows can meet costs a twentieth of these bytes', async () => {
    const rows = `SELECT i AS at, hash(i) AS h, CAST(hash(i + 1) % 1000 AS DOUBLE) AS x, 'word ' || i AS word FROM range(${20 * 20_480}) r(i)`
    const { path, url, bytes } = await served('groups.parquet', rows, 20_480)
    const where = col('at').between(7 * 20_480 + 5, 7 * 20_480 + 9_000)
    const ask = (at: string) =>
      open(at)
        .filter(where)
        .agg({ n: count(), x: sum('x') })
    const plan = await ask(url).explain()
    expect(plan.reads[0]).toMatchObject({ rowGroups: 1, rowGroupsAll: 20 })
    expect(plan.bytes).toBeLessThan(bytes / 20)
    expect(await ask(url).rows()).toEqual(await ask(path).rows())
    expect(server.sent).toBe(plan.bytes + TAIL_BYTES)
    // The same groups, of other kinds of conditions; and none at all.
    server.sent = 0
    for (const [condition, groups] of [
      [col('at').isIn([3, 20 * 20_480 - 1]), 2],
      [col('at').gt(1e12), 0],
      [col('word').eq('word 1000000'), 2],
      [col('word').gt('x'), 0],
    ] as const) {
      const [here, far] = [open(path).filter(condition), open(url).filter(condition)]
      expect((await far.explain()).reads[0]).toMatchObject({ rowGroups: groups })
      expect(await far.agg({ n: count(), x: sum('x') }).rows()).toEqual(
        await here.agg({ n: count(), x: sum('x') }).rows(),
      )
    }
  })

  test('counting rows reads nothing but the footer', async () => {
    const { url } = await served('count.parquet', wide(2_000, 2))
    expect(await open(url).count()).toBe(2_000)
    expect(await open(url).slice(10).count()).toBe(1_990)
    expect(server.sent).toBe(TAIL_BYTES)
  })

  test('a server without ranges gives the whole file, a file that is none says so, a file that is not there is refused without its secrets', async () => {
    const { path, url, bytes } = await served('whole.parquet', wide(500, 3))
    server.hasRanges = false
    const ask = (at: string) => open(at).agg({ a: sum('c77') })
    expect(await ask(url).rows()).toEqual(await ask(path).rows())
    expect(server.sent).toBeGreaterThanOrEqual(bytes)
    server.files.set('/none.parquet', Buffer.alloc(300, 'none'))
    await expect(open(`${server.url}/none.parquet`).rows()).rejects.toMatchObject({ code: 'MR_QUERY_FILE' })
    const refused = (await open(`${server.url}/no.parquet?key=secret`)
      .rows()
      .catch((thrown) => thrown)) as Error
    expect(refused.message).toBe(
      `MR_DATA_FETCH: ${server.url}/no.parquet cannot be fetched: the server says 404 Not Found`,
    )
  })
})

describe('answers', () => {
  test('a file that changes between two ranges is begun anew, and one that changed is asked for again', async () => {
    const [old, now] = [
      await parquet('old.parquet', wide(1_500, 4)),
      await parquet('now.parquet', wide(1_500, 5)),
    ]
    const { url } = await served('changing.parquet', wide(1_500, 4))
    server.before = (path, n) => {
      if (n === 1) server.files.set(path, readFileSync(now))
    }
    const ask = (at: string) => open(at).agg({ a: sum('c77'), b: sum('c199') })
    expect(await ask(url).rows()).toEqual(await ask(now).rows())
    server.before = undefined
    server.files.set('/changing.parquet', readFileSync(old))
    expect(await ask(url).rows()).toEqual(await ask(old).rows())
    // Other columns than the question was written for.
    const other = readFileSync(await parquet('other.parquet', 'SELECT i AS c77 FROM range(9) r(i)'))
    let asked = 0
    server.before = (path) => {
      if (++asked === 2) server.files.set(path, other)
    }
    await expect(
      open(url)
        .agg({ b: sum('c3') })
        .rows(),
    ).rejects.toMatchObject({ code: 'MR_DATA_FETCH_LATER' })
  })

  test('every verb takes what it needs of several files, beside files that are here', async () => {
    const a = await served(
      'a.parquet',
      `SELECT i AS id, i % 7 AS k, 'w' || i % 3 AS w, [i, i + 1] AS l, {'x': i, 'y': 'q'} AS s FROM range(9000) r(i)`,
      2_048,
    )
    const b = await served('b.parquet', `SELECT i AS k, i * 10 AS worth, 'unused' AS u FROM range(7) r(i)`)
    const asks: ((f: Frame, g: Frame) => { rows(): Promise<unknown[]> })[] = [
      (f, g) =>
        f
          .join(g, { on: 'k' })
          .groupBy('w')
          .agg({ t: sum('worth') }),
      (f) => f.filter(col('id').lt(5)).explode('l'),
      (f) => f.sort('w', 'id').limit(7),
      (f) => f.pivot({ index: 'k', on: 'w', values: 'id', agg: 'sum' }),
      (f) => f.select('s', 'id').tail(3),
      (f, g) =>
        f
          .join(f.select('id', 'k').rename({ k: 'j' }), { on: 'id' })
          .join(g, { on: 'k', how: 'anti' })
          .agg({ n: count() }),
      (f) => f.filter(col('id').ge(8_990)).cache(),
      (f) => f.distinct('k').sort('k').drop('l', 's'),
      (f, g) => g.union(f.select('k').limit(3)),
      (f) => f.describe().select('column', 'count', 'nulls', 'min', 'max'),
    ]
    for (const ask of asks)
      expect(await ask(open(a.url), open(b.url)).rows()).toEqual(await ask(open(a.path), open(b.path)).rows())
    expect(
      await open([a.url, a.path])
        .agg({ n: count(), x: sum('id') })
        .rows(),
    ).toEqual(
      await open([a.path, a.path])
        .agg({ n: count(), x: sum('id') })
        .rows(),
    )
    const written = join(folder, 'written.parquet')
    await open(a.url).filter(col('id').gt(8_000)).drop('l', 's').write(written)
    expect(await open(written).count()).toBe(999)
  })

  test('patterns of S3 with columns of their folders: only the folders that can meet a condition are read', async () => {
    const s3 = await fakeS3('b')
    const before = { ...process.env }
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'hidden',
      AWS_REGION: 'us-east-1',
    })
    try {
      for (const month of [1, 2, 3])
        for (const part of ['a', 'b']) {
          const select = `SELECT i AS id, i * ${month} AS x${part === 'b' ? ", 'more' AS only" : ''} FROM range(100) r(i)`
          const file = await parquet(`m${month}${part}.parquet`, select)
          s3.objects.set(`days/month=${month}/${part}.parquet`, readFileSync(file))
        }
      s3.objects.set('days/notes.txt', Buffer.from('no'))
      const days = open(`s3://b/days/**/*.parquet?endpoint=${s3.url}`, { hive: true })
      expect(
        await days
          .groupBy('month')
          .agg({ n: count(), x: sum('x') })
          .rows(),
      ).toEqual([1, 2, 3].map((month) => ({ month, n: 200, x: 2 * month * 4_950 })))
      const march = days.filter(col('month').eq(3).and(col('only').eq('more')))
      expect((await march.explain()).reads[0]).toMatchObject({ rowGroups: 2, rowGroupsAll: 6, files: 6 })
      expect(await march.agg({ x: sum('x') }).rows()).toEqual([{ x: 3 * 4_950 }])
      expect(await days.agg({ n: count('only') }).rows()).toEqual([{ n: 300 }])
    } finally {
      for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_REGION'])
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      await s3.close()
    }
  })

  test('CSV and JSON come whole, say how far they are, and are not fetched again while they are the same', async () => {
    const csv = Buffer.from(
      `id,word\n${Array.from({ length: 40_000 }, (_, i) => `${i},w${i % 5}`).join('\n')}\n`,
    )
    server.files.set('/rows.csv', csv)
    server.files.set('/rows.jsonl', Buffer.from('{"a":1}\n{"a":2}\n'))
    ;[server.sent, server.before] = [0, undefined]
    const told: { source: string; bytes: number; bytesAll?: number }[] = []
    await frames.close()
    frames = openFrames({ threads: 2, memoryMb: 512, onProgress: (one) => told.push(one) })
    const ask = open(`${server.url}/rows.csv?key=secret`)
      .filter(col('word').eq('w3'))
      .agg({ n: count(), x: sum('id') })
    expect(await ask.rows()).toEqual([{ n: 8_000, x: 160_004_000 }])
    expect(told.at(-1)).toEqual({ source: `${server.url}/rows.csv`, bytes: csv.length, bytesAll: csv.length })
    expect(await ask.rows()).toHaveLength(1)
    expect(server.sent).toBe(csv.length)
    expect(await open(`${server.url}/rows.jsonl`).rows()).toEqual([{ a: 1 }, { a: 2 }])
  })
})

/** Values that lie together by groups of rows, with all that is hard to compare. */
const KINDS: Record<string, string> = {
  i32: 'CAST(g * 100 + r % 150 - 500 AS INTEGER)',
  i64: 'CAST(g * 1000000000000000 + r % 1000 AS BIGINT) * 7',
  u32: 'CAST(4000000000 + g * 1000000 + r % 2000000 AS UINTEGER)',
  u64: 'CAST(18000000000000000000 + g * 10000000000000000 + r % 100 AS UBIGINT)',
  real: "CASE r % 50 WHEN 0 THEN 'nan'::FLOAT WHEN 1 THEN -0.0::FLOAT ELSE CAST(g + r % 10 / 10 AS FLOAT) END",
  wide: "CASE r % 60 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN CASE WHEN g > 8 THEN 'inf'::DOUBLE ELSE -0.0 END ELSE (g - 5) * (r % 7) / 3 END",
  money: 'CAST(g * 10 + (r % 1000) / 100 AS DECIMAL(9, 2))',
  huge: 'CAST(g * 100000000000000 + r % 100 AS DECIMAL(30, 5)) / 8 * 1',
  at: "TIMESTAMP '2026-01-01' + INTERVAL (g * 3600 + r % 4000) SECOND",
  fine: "CAST(TIMESTAMP '2026-01-01' + INTERVAL (g * 3600 + r % 4000) SECOND AS TIMESTAMP_NS)",
  coarse: "CAST(TIMESTAMP '1960-01-01' + INTERVAL (g * 3600 + r % 4000) SECOND AS TIMESTAMP_MS)",
  zoned: "CAST(TIMESTAMP '2026-01-01' + INTERVAL (g * 3600 + r % 4000) SECOND AS TIMESTAMPTZ)",
  day: "CAST(DATE '1969-12-01' + CAST(g * 5 + r % 9 AS INTEGER) AS DATE)",
  word: "chr(CAST(97 + g AS INTEGER)) || repeat('é', CAST(r % 40 AS INTEGER)) || r % 5",
  flag: 'g % 2 = 0',
  gone: 'CASE WHEN g % 3 = 0 THEN NULL ELSE r % 100 END',
}
const GROUP_ROWS = 2_048
const GROUPS = 12
const hardRows = `SELECT ${Object.entries(KINDS)
  .map(
    ([name, value]) =>
      `CASE WHEN hash(r * 31 + ${name.length}) % 23 = 0 THEN NULL ELSE ${value} END AS "${name}"`,
  )
  .join(', ')}, r FROM (SELECT i AS r, i // ${GROUP_ROWS} AS g FROM range(${GROUP_ROWS * GROUPS}) t(i))`

/** Numbers of the types as a file writes them. */
const FLOATS = new Set([8n, 10n])

/** Statistics as writers leave them: none, older ones compared as signed bytes, cut texts, ends that are NaN. */
const TAMPERS: Record<string, (statistics: ThriftStruct, file: ThriftStruct, meta: ThriftStruct) => void> = {
  asTheyAre: () => {},
  none: (statistics) => statistics.clear(),
  noNulls: (statistics) => statistics.delete(3),
  old: (statistics) => {
    for (const [now, before] of [
      [5, 1],
      [6, 2],
    ] as const) {
      const field = statistics.get(now)
      if (field) statistics.set(before, field)
      statistics.delete(now)
    }
  },
  noOrders: (_, file) => file.delete(FILE.orders),
  cut: (statistics) => {
    const [high, low] = [statistics.get(5), statistics.get(6)]
    if (!high || !low || (low.value as Uint8Array).length < 9) return
    const above = Buffer.from((high.value as Uint8Array).subarray(0, 2))
    above[1]!++
    statistics.set(5, { ...high, value: above })
    statistics.set(6, { ...low, value: (low.value as Uint8Array).subarray(0, 2) })
  },
  nan: (statistics, _, meta) => {
    const high = statistics.get(5)
    if (!high || !FLOATS.has(meta.get(1)!.value as bigint)) return
    const length = (high.value as Uint8Array).length
    const nan = Buffer.alloc(length, 0xff)
    statistics.set(5, { ...high, value: nan })
    statistics.set(6, { ...high, value: nan })
  },
}

function tampered(bytes: Buffer, how: (typeof TAMPERS)[string], columns: (name: number) => boolean): Buffer {
  const length = bytes.readUInt32LE(bytes.length - 8)
  const file = readThrift(bytes.subarray(bytes.length - 8 - length, bytes.length - 8))
  for (const group of listAt(file, FILE.groups).items as ThriftStruct[])
    (listAt(group, 1).items as ThriftStruct[]).forEach((chunk, i) => {
      const meta = chunk.get(3)!.value as ThriftStruct
      const statistics = meta.get(META.statistics)?.value as ThriftStruct | undefined
      if (statistics && columns(i)) how(statistics, file, meta)
    })
  const footer = writeThrift(file)
  const end = Buffer.alloc(4)
  end.writeUInt32LE(footer.length)
  return Buffer.concat([bytes.subarray(0, bytes.length - 8 - length), footer, end, Buffer.from('PAR1')])
}

const BORDERS: Record<string, fc.Arbitrary<number | string | Date>> = {
  i32: fc.oneof(fc.integer({ min: -600, max: 800 }), fc.double({ min: -600, max: 800, noNaN: true })),
  i64: fc.integer({ min: 0, max: 90 }).map((n) => n * 1e15),
  u32: fc.integer({ min: 3_999_000_000, max: 4_020_000_000 }),
  u64: fc.integer({ min: 0, max: 12 }).map((n) => 18e18 + n * 1e16),
  real: fc.oneof(fc.constantFrom(0, -0, 3.5), fc.float({ min: -1, max: 14, noNaN: true })),
  wide: fc.oneof(fc.constantFrom(0, -0, 1 / 3), fc.double({ min: -12, max: 16, noNaN: true })),
  money: fc.oneof(
    fc.integer({ min: 0, max: 1300 }).map((n) => n / 10),
    fc.double({ min: 0, max: 130, noNaN: true }),
  ),
  huge: fc.integer({ min: 0, max: 13 }).map((n) => n * 1.25e13),
  at: fc.integer({ min: -10, max: 50_000 }).map((n) => new Date(Date.UTC(2026, 0, 1) + n * 1000)),
  coarse: fc.integer({ min: -10, max: 50_000 }).map((n) => new Date(Date.UTC(1960, 0, 1) + n * 1000)),
  day: fc.integer({ min: -40, max: 40 }).map((n) => new Date(n * 86_400_000)),
  word: fc
    .tuple(fc.constantFrom(...'`abcdefghijklm~é'), fc.constantFrom('', 'é', 'éé0', '4', 'z'))
    .map((two) => two.join('')),
  gone: fc.integer({ min: -5, max: 120 }),
}
BORDERS.fine = BORDERS.at!
BORDERS.zoned = BORDERS.at!

const OPS = ['eq', 'lt', 'le', 'gt', 'ge'] as const
const condition = fc.constantFrom(...Object.keys(BORDERS)).chain((name) =>
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...OPS), BORDERS[name]!)
      .map(([op, value]) => (col(name) as never as Record<string, (v: unknown) => never>)[op]!(value)),
    fc.array(BORDERS[name]!, { minLength: 1, maxLength: 3 }).map((values) => col(name).isIn(values as never)),
    fc.constant(col(name).notNull() as never),
  ),
)

test('whatever the filter and whatever the statistics say of the groups, the answer is that of the whole file', async () => {
  const { path } = await served('hard.parquet', hardRows, GROUP_ROWS)
  const bytes = readFileSync(path)
  let [read, all, cases] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(TAMPERS)),
      fc.integer({ min: 0, max: 2 }),
      fc.array(condition, { minLength: 1, maxLength: 2 }),
      fc.subarray(Object.keys(KINDS), { minLength: 1, maxLength: 3 }),
      async (tamper, third, conditions, columns) => {
        const name = `/hard-${tamper}-${third}.parquet`
        if (!server.files.has(name))
          server.files.set(
            name,
            tampered(bytes, TAMPERS[tamper]!, (i) => tamper === 'noOrders' || i % 3 !== third),
          )
        const ask = (at: string) => {
          const kept = conditions.reduce((frame, where) => frame.filter(where), open(at))
          return kept.select('r', ...columns)
        }
        const far = ask(`${server.url}${name}`)
        const plan = await far.explain()
        ;[read, all, cases] = [
          read + plan.reads[0]!.rowGroups!,
          all + plan.reads[0]!.rowGroupsAll!,
          cases + 1,
        ]
        const [asked, whole] = [await far.toArrow(), await ask(path).toArrow()]
        expect(Buffer.compare(asked, whole), String(plan)).toBe(0)
      },
    ),
    { numRuns: Number(process.env.MILLRACE_FAR_CASES ?? 40), seed: 7 },
  )
  expect(read / all, `${read} of ${all} groups in ${cases} cases`).toBeLessThan(0.8)
}, 600_000)
