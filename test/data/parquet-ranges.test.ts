/** Columns of a Parquet file behind an address: bytes are counted by the server that sends them. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inspect } from '../../src/data/inspect.ts'
import { allRows, openPlace } from './fixture.ts'

let server: Server
let address: string
let bytes: Buffer = Buffer.alloc(0)
let next: Buffer | undefined
let sent = 0
let requests = 0
let hasRanges = true

/** Heeds `If-Match` and `If-None-Match`, and ranges when it is let to. */
beforeAll(async () => {
  server = createServer(({ headers }, response) => {
    if (requests++ === 1 && next) bytes = next
    const etag = `"${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}"`
    if (headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end()
    if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
      return void response.writeHead(412).end()
    const [, from, to] = /bytes=(\d*)-(\d*)/.exec(headers.range ?? '') ?? []
    const isPart = hasRanges && from !== undefined
    const begin = !isPart ? 0 : from === '' ? Math.max(0, bytes.length - Number(to)) : Number(from)
    const end = !isPart || from === '' || to === '' ? bytes.length : Number(to) + 1
    sent += end - begin
    const range = isPart ? { 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` } : {}
    response.writeHead(isPart ? 206 : 200, { etag, 'content-length': end - begin, ...range })
    response.end(bytes.subarray(begin, end))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/wide.parquet`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const COLUMNS = 200
const ASKED = ['c5', 'c77', 'c199']
const wide = (rows: number, seed: number) =>
  `SELECT ${Array.from({ length: COLUMNS }, (_, c) => `CAST(hash(i * ${COLUMNS} + ${c} + ${seed}) % 1000000007 AS BIGINT) AS c${c}`).join(', ')}, [i, i + 1] AS pair, {'a': i, 'b': 'x' || i} AS duo FROM range(${rows}) r(i)`

function serve(now: Buffer, afterFirst?: Buffer): void {
  ;[bytes, next, sent, requests, hasRanges] = [now, afterFirst, 0, 0, true]
}

test('three of two hundred columns cost three two-hundredths of the bytes, and are what the whole file has', async () => {
  const place = await openPlace()
  serve(readFileSync(await place.parquet('wide.parquet', wide(30_000, 1))))
  const def = {
    source: [address],
    read: { missing: [], columns: ASKED },
    parts: { by: 'rows', rowsMax: 99_999 },
  } as const
  const given = { ...def, source: [...def.source], read: { missing: [], columns: [...ASKED] } }
  const version = await place.import(given)
  const share = sent / bytes.length
  expect(share, `${sent} of ${bytes.length} bytes`).toBeLessThan((1.5 * ASKED.length) / COLUMNS)
  expect(version.schema.columns.map(({ name }) => name)).toEqual(ASKED)
  const local = await openPlace()
  local.file('wide.parquet', bytes)
  const whole = await local.import({ ...given, source: ['wide.parquet'] })
  expect(whole.parts.map(({ digest }) => digest)).toEqual(version.parts.map(({ digest }) => digest))
  expect((await allRows(place, version)).length).toBe(30_000)
  // As it was: one request, and no byte.
  const [before, asked] = [sent, requests]
  expect(await place.import(given)).toEqual(version)
  expect([sent, requests]).toEqual([before, asked + 1])
})

test('nested columns come with all that is in them, and a server without ranges gives the whole', async () => {
  const place = await openPlace()
  serve(readFileSync(await place.parquet('wide.parquet', wide(3_000, 2))))
  const read = { columns: ['pair', 'duo', 'c0'] }
  const look = await inspect([address], read)
  expect(sent).toBeLessThan(bytes.length / 4)
  serve(bytes)
  hasRanges = false
  const again = await inspect([address], read)
  expect(sent).toBeGreaterThanOrEqual(bytes.length)
  expect(again.preview).toEqual(look.preview)
  expect(look.schema.columns.map(({ name, type }) => [name, type])).toEqual([
    ['c0', 'int'],
    ['pair', 'json'],
    ['duo', 'json'],
  ])
  serve(bytes)
  await expect(inspect([address], { columns: ['c0', 'c2000'] })).rejects.toMatchObject({
    code: 'MR_DATA_COLUMN_MISSING',
  })
})

test('a file that changes between two ranges is begun anew, never joined', async () => {
  const place = await openPlace()
  const old = readFileSync(await place.parquet('old.parquet', wide(3_000, 3)))
  const after = readFileSync(await place.parquet('new.parquet', wide(3_000, 4)))
  serve(old, after)
  const read = { columns: ['c1', 'c150'] }
  const look = await inspect([address], read)
  serve(after)
  expect((await inspect([address], read)).columns).toEqual(look.columns)
})
