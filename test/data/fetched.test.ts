/** Source files over http: fetched once, gone on with after a break, asked again whether they changed. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fetchSource } from '../../src/data/fetched.ts'
import { inspect } from '../../src/data/inspect.ts'
import { partitionedName, partitionsOf } from '../../src/data/partition-names.ts'
import { fakeS3 } from '../store/remote/s3-server.ts'
import { allRows, openPlace } from './fixture.ts'

interface Asked {
  path: string
  headers: IncomingMessage['headers']
}

let server: Server
let address: string
const asked: Asked[] = []
let sent = 0
let respond: (request: IncomingMessage, response: ServerResponse) => void

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push({ path: request.url!, headers: request.headers })
    respond(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

/** Serves bytes with a strong validator, conditions and ranges; ends each answer after `breakAfter` bytes. */
function serve(bytes: Buffer, breakAfter = Number.POSITIVE_INFINITY): void {
  asked.length = 0
  sent = 0
  const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
  respond = ({ headers }, response) => {
    if (headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
    const isSame = headers['if-range'] === undefined || headers['if-range'] === etag
    const from = isSame ? Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0) : 0
    response.writeHead(from > 0 ? 206 : 200, { etag, 'content-length': bytes.length - from })
    const piece = bytes.subarray(from, Math.min(bytes.length, from + breakAfter))
    sent += piece.length
    response.write(piece, () => (from + piece.length < bytes.length ? response.destroy() : response.end()))
  }
}

test('an address is imported as a file, and not fetched again until it changes', async () => {
  const place = await openPlace()
  const def = { source: [`${address}/orders.csv?token=secret`], parts: { by: 'rows', rowsMax: 99 } } as const
  serve(Buffer.from('id,n\n1,2\n3,4\n'))
  const first = await place.import({ ...def, source: [...def.source] })
  expect([first.rows, first.source]).toEqual([2, `${address}/orders.csv`])
  const again = await place.import({ ...def, source: [...def.source] })
  expect(again).toEqual(first)
  expect(asked.map(({ headers }) => headers['if-none-match'] !== undefined)).toEqual([false, true])
  serve(Buffer.from('id,n\n5,6\n'))
  expect((await place.import({ ...def, source: [...def.source] })).rows).toBe(3)
})

test('a connection that breaks is gone on with, and each byte is sent once', async () => {
  const { store } = await openPlace()
  const bytes = Buffer.alloc(500_000, 'some text that is long enough, ')
  serve(bytes, 200_000)
  const { digest } = await fetchSource(store, `${address}/big.csv`)
  expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  // What was on its way when a connection broke may be sent again.
  expect(asked.length).toBeGreaterThanOrEqual(3)
  expect(sent).toBeLessThan(2 * bytes.length)
})

test('bytes that change between two pieces are fetched anew, not joined', async () => {
  const { store } = await openPlace()
  const [before, after] = [Buffer.alloc(300_000, 'old '), Buffer.alloc(300_000, 'new ')]
  serve(before, 100_000)
  const old = respond
  respond = (request, response) => {
    if (asked.length > 1) serve(after)
    else return old(request, response)
    respond(request, response)
  }
  const { digest } = await fetchSource(store, `${address}/changing.csv`)
  expect(digest).toBe(`sha256:${createHash('sha256').update(after).digest('hex')}`)
})

test('what is not there is refused at once, without what is secret in the address', async () => {
  const { store } = await openPlace()
  asked.length = 0
  respond = (_, response) => void response.writeHead(404).end()
  const error = (await fetchSource(store, `${address}/no.csv?key=secret`).catch((thrown) => thrown)) as Error
  expect(error.message).toBe(
    `MR_DATA_FETCH: ${address}/no.csv cannot be fetched: the server says 404 Not Found`,
  )
  expect(asked.length).toBe(1)
})

test('an object of S3 is asked with a signature, gone on with after a break, and not fetched again while it is the same', async () => {
  const { store } = await openPlace()
  const s3 = await fakeS3('b')
  const before = { ...process.env }
  Object.assign(process.env, KEYS)
  try {
    const bytes = Buffer.alloc(400_000, 'rows of an object, ')
    s3.objects.set('in/orders.csv', bytes)
    const url = `s3://b/in/orders.csv?endpoint=${s3.url}`
    s3.behaviour.cutAfter = [150_000]
    const { digest } = await fetchSource(store, url)
    expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
    expect(s3.log.length).toBeGreaterThanOrEqual(2)
    expect((await fetchSource(store, url)).digest).toBe(digest)
    await expect(fetchSource(store, `s3://b/in/no.csv?endpoint=${s3.url}`)).rejects.toMatchObject({
      code: 'MR_DATA_FETCH',
    })
  } finally {
    restoreKeys(before)
    await s3.close()
  }
})

test('a pattern of S3 stands for all keys of its shape, on all pages; what the listing says to be as it was is not asked for', async () => {
  const s3 = await fakeS3('b')
  const before = { ...process.env }
  Object.assign(process.env, KEYS)
  try {
    const place = await openPlace()
    const put = (key: string, text: string) => s3.objects.set(key, Buffer.from(text))
    for (let i = 0; i < 25; i++)
      put(`in/year=${2000 + (i % 2)}/city=S%C3%A3o & co/${i}.csv`, `id,n\n${i},${2 * i}\n`)
    put('in/year=2000/', '')
    put('in/year=2000/notes.txt', 'none of it')
    put('out/year=2000/city=x/0.csv', 'id,n\n99,1\n')
    const source = [`s3://b/in/**/*.csv?endpoint=${s3.url}`]
    const def = { source, parts: { by: 'rows', rowsMax: 99 } } as const
    const first = await place.import({ ...def, source })
    const rows = await allRows(place, first)
    expect(rows.map(({ id }) => id).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 25 }, (_, i) => i),
    )
    expect(
      rows.every(
        ({ id, n, year, city }) =>
          n === 2 * Number(id) && year === 2000 + (Number(id) % 2) && city === 'São & co',
      ),
    ).toBe(true)
    const asked = s3.log.filter((line) => line.startsWith('GET in/')).length
    expect([asked, s3.log.filter((line) => line.includes('list-type')).length]).toEqual([25, 3])
    expect(await place.import({ ...def, source })).toEqual(first)
    expect(s3.log.filter((line) => line.startsWith('GET in/')).length).toBe(asked)
    // One that changed and one that is new are fetched, and delivered.
    put('in/year=2000/city=S%C3%A3o & co/0.csv', 'id,n\n100,200\n')
    put('in/year=2001/city=S%C3%A3o & co/new.csv', 'id,n\n101,202\n')
    expect((await place.import({ ...def, source })).rows).toBe(27)
    expect(s3.log.filter((line) => line.startsWith('GET in/')).length).toBe(asked + 2)
    const none = [`s3://b/in/**/*.orc?endpoint=${s3.url}`]
    await expect(place.import({ ...def, source: none })).rejects.toMatchObject({ code: 'MR_DATA_NO_FILES' })
    expect((await inspect([`s3://b/in/year=2001/*/1*.csv?endpoint=${s3.url}`])).rows).toBe(6)
  } finally {
    restoreKeys(before)
    await s3.close()
  }
})

const KEYS = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-central-1' }

function restoreKeys(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(KEYS))
    if (before[name] === undefined) delete process.env[name]
    else process.env[name] = before[name]
}

// ---------------------------------------------------------------- folders that say columns

test('folders say columns', () => {
  expect([
    ...partitionsOf('a/year=2001/city=S%C3%A3o%20Paulo/at=__HIVE_DEFAULT_PARTITION__/x=y.parquet'),
  ]).toEqual([
    ['year', '2001'],
    ['city', 'São Paulo'],
    ['at', null],
  ])
  expect(partitionedName('/data/a/year=2001/b.parquet')).toBe('year=2001/b.parquet')
  expect(partitionedName('/data/a/b.parquet')).toBe('b.parquet')
})

test('partitioned files are one table, with a column for each kind of folder', async () => {
  const place = await openPlace()
  const { mkdirSync } = await import('node:fs')
  for (const [folder, n] of [
    ['year=2001/month=03/city=Bern', 1],
    ['year=2001/month=12/city=7', 2],
    ['year=1999/month=01/city=__HIVE_DEFAULT_PARTITION__', 3],
  ] as const) {
    mkdirSync(`${place.folder}/t/${folder}`, { recursive: true })
    await place.parquet(`t/${folder}/part-0.parquet`, `SELECT ${n} AS n, 'own' AS City2`)
  }
  const version = await place.import({ source: ['t/**/*.parquet'], parts: { by: 'rows', rowsMax: 99 } })
  expect(version.schema.columns.map(({ name, type }) => [name, type])).toEqual([
    ['n', 'int'],
    ['City2', 'string'],
    ['year', 'int'],
    ['month', 'int'],
    ['city', 'string'],
  ])
  expect((await allRows(place, version)).map((row) => [row.n, row.year, row.month, row.city])).toEqual([
    [1, 2001, 3, 'Bern'],
    [2, 2001, 12, '7'],
    [3, 1999, 1, null],
  ])
  // The same bytes in another folder are other rows.
  mkdirSync(`${place.folder}/t/year=2002/month=03/city=Bern`, { recursive: true })
  await place.parquet('t/year=2002/month=03/city=Bern/part-0.parquet', `SELECT 1 AS n, 'own' AS City2`)
  const grown = await place.import({ source: ['t/**/*.parquet'], parts: { by: 'rows', rowsMax: 99 } })
  expect((await allRows(place, grown)).map((row) => [row.n, row.year])).toContainEqual([1, 2002])
  expect(grown.rows).toBe(4)
})
