/** Hostile bytes for a connection: requests of HTTP/1.1 and calls of gRPC as they lie on the wire, with one thing wrong, or many. */
import { deflateSync, gzipSync } from 'node:zlib'
import { changed, LENGTHS, pick, type Rng, randomBytes } from './hostile.ts'

/** What is sent in parts, and how the connection ends then: with a FIN, by being reset, or by being reset in the middle. */
export interface WireCase {
  what: string
  parts: Buffer[]
  end: 'fin' | 'reset'
}

export interface Asked {
  method: string
  path: string
  body: unknown
}

/** Eighty megabytes of nothing in eighty kilobytes: more than a body may have. */
const BOMB = gzipSync(Buffer.alloc(80 * 1024 * 1024))

type Changes = { headers: [string, string][]; body: Buffer; head?: string }

/** Lies about a request, by what they lie about. */
const LIES: Record<string, (rng: Rng, body: Buffer) => Changes> = {
  'content-length': (rng, body) => ({
    headers: [
      [
        'content-length',
        pick(rng, [
          ...LENGTHS,
          String(body.length + 1 + rng.nextInt(100)),
          String(Math.max(0, body.length - 3)),
        ]),
      ],
      ...(rng.next() < 0.2 ? ([['content-length', '7']] as [string, string][]) : []),
    ],
    body,
  }),
  'both lengths': (_, body) => ({
    headers: [
      ['content-length', String(body.length)],
      ['transfer-encoding', 'chunked'],
    ],
    body: Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]),
  }),
  chunks: (rng, body) => ({
    headers: [['transfer-encoding', pick(rng, ['chunked', 'chunked, chunked', 'gzip, chunked', 'xchunked'])]],
    body: Buffer.concat([
      Buffer.from(
        pick(rng, [
          `${body.length.toString(16)}\r\n`,
          'ffffffffffffffffff\r\n',
          '-1\r\n',
          'zz\r\n',
          '5;x=y\r\n',
        ]),
      ),
      body,
      Buffer.from(pick(rng, ['\r\n0\r\n\r\n', '\r\n', '0\r\n\r\n', '\r\n0\r\nx: y\r\n\r\n'])),
    ]),
  }),
  'content-encoding': (rng, body) => {
    const packed = pick(rng, [
      gzipSync(body),
      deflateSync(body),
      gzipSync(body).subarray(0, 9),
      body,
      Buffer.alloc(0),
    ])
    return {
      headers: [
        [
          'content-encoding',
          pick(rng, ['gzip', 'deflate', 'br', 'gzip, gzip', 'identity', 'GZIP', '__proto__', '']),
        ],
        ['content-length', String(packed.length)],
      ],
      body: packed,
    }
  },
  'binary length': (rng, body) => ({
    headers: [
      [
        'inference-header-content-length',
        pick(rng, [...LENGTHS, String(rng.nextInt(body.length + 9)), String(body.length)]),
      ],
      ['content-length', String(body.length + 12)],
    ],
    body: Buffer.concat([body, randomBytes(rng, 12)]),
  }),
  bomb: () => ({
    headers: [
      ['content-encoding', 'gzip'],
      ['content-length', String(BOMB.length)],
    ],
    body: BOMB,
  }),
  'a flood of headers': (rng, body) => ({
    headers: [
      ...Array.from({ length: pick(rng, [10, 90, 2_500]) }, (_, i): [string, string] => [
        `x-${i}`,
        'y'.repeat(rng.nextInt(40)),
      ]),
      ['content-length', String(body.length)],
    ],
    body,
  }),
  'odd headers': (rng, body) => ({
    headers: [
      pick<[string, string]>(rng, [
        ['x', 'y'.repeat(100_000)],
        ['x\0', '1'],
        ['x', '\0'],
        ['x', '\r\n y'],
        ['', 'x'],
        ['host', 'evil.example'],
        ['expect', '100-continue'],
        ['expect', 'a miracle'],
        ['upgrade', 'h2c'],
        ['authorization', 'Bearer x'.repeat(50)],
        ['traceparent', '00-'.padEnd(200, 'f')],
        ['content-type', 'application/json; charset=\xff'],
        ['__proto__', 'x'],
        ['if-none-match', '*'.repeat(500)],
      ]),
      ['content-length', String(body.length)],
    ],
    body,
  }),
  'the first line': (rng, body) => ({
    head: pick(rng, [
      'GET',
      'FLY / HTTP/1.1',
      `GET /${'a'.repeat(70_000)} HTTP/1.1`,
      'GET http://evil.example/v2 HTTP/1.1',
      'GET /v2 HTTP/9.9',
      'POST /v2/models/%zz/infer HTTP/1.1',
      'POST /v2/models/../../etc/passwd/infer HTTP/1.1',
      'OPTIONS * HTTP/1.1',
      'CONNECT evil.example:443 HTTP/1.1',
      'TRACE / HTTP/1.1',
      'PUT /v2/models/late/infer HTTP/1.1',
      'DELETE /v2/models/late HTTP/1.0',
      'POST /v2/models/late//infer?a=%00&a[]=1 HTTP/1.1',
    ]),
    headers: [['content-length', String(body.length)]],
    body,
  }),
  nothing: (_, body) => ({ headers: [['content-length', String(body.length)]], body }),
}

const LATIN = 'latin1'

export function httpCase(rng: Rng, asked: Asked): WireCase {
  if (rng.next() < 0.05) return { what: 'noise', parts: [randomBytes(rng, 1 + rng.nextInt(400))], end: 'fin' }
  let { body } = asked
  for (let i = rng.nextInt(3); i > 0; i--) body = changed(rng, body)
  const text = Buffer.from(JSON.stringify(body) ?? '')
  const what =
    rng.next() < 0.02
      ? 'bomb'
      : pick(
          rng,
          Object.keys(LIES).filter((name) => name !== 'bomb'),
        )
  const lie = LIES[what](rng, text)
  const type = pick(rng, [
    'application/json',
    'application/json',
    'application/octet-stream',
    'text/plain',
    'a/b+json',
    '',
  ])
  const own = new Set(lie.headers.map(([name]) => name))
  const headers: [string, string][] = [
    ...(own.has('host') ? [] : ([['host', 'localhost']] as [string, string][])),
    ...(own.has('content-type') || type === '' ? [] : ([['content-type', type]] as [string, string][])),
    ...lie.headers,
    ['connection', 'close'],
  ]
  const head = `${lie.head ?? `${asked.method} ${asked.path} HTTP/1.1`}\r\n${headers.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`
  return { what, ...cut(rng, Buffer.concat([Buffer.from(head, LATIN), lie.body])) }
}

/** Whole, in two parts, or cut off with the connection. */
function cut(rng: Rng, bytes: Buffer): Pick<WireCase, 'parts' | 'end'> {
  const at = rng.nextInt(bytes.length + 1)
  return pick(rng, [
    () => ({ parts: [bytes], end: 'fin' as const }),
    () => ({ parts: [bytes], end: 'fin' as const }),
    () => ({ parts: [bytes.subarray(0, at), bytes.subarray(at)], end: 'fin' as const }),
    () => ({ parts: [bytes.subarray(0, at)], end: 'fin' as const }),
    () => ({ parts: [bytes.subarray(0, at)], end: 'reset' as const }),
  ])()
}

// ---------------------------------------------------------------- HTTP/2

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const SETTINGS = 4
const HEADERS = 1
const DATA = 0
const RESET = 3
const PING = 6
const WINDOW = 8
const CONTINUATION = 9
const END_STREAM = 1
const END_HEADERS = 4

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array,
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(length & 0xffffff, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream >>> 0, 5)
  return Buffer.concat([head, payload])
}

/** Literal fields that are not indexed (RFC 7541, section 6.2.2), of at most 126 bytes each. */
const fields = (of: [string, string][]): Buffer =>
  Buffer.concat(
    of.flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    ]),
  )

const callFields = (rng: Rng): Buffer =>
  fields([
    [':method', pick(rng, ['POST', 'POST', 'GET', ''])],
    [':scheme', 'http'],
    [
      ':path',
      pick(rng, [
        '/inference.GRPCInferenceService/ModelInfer',
        '/inference.GRPCInferenceService/ModelStreamInfer',
        '/',
        'x',
      ]),
    ],
    [':authority', 'localhost'],
    ['content-type', pick(rng, ['application/grpc', 'application/grpc+proto', 'text/html'])],
    ['te', 'trailers'],
    ...(rng.next() < 0.2 ? ([['content-length', pick(rng, LENGTHS)]] as [string, string][]) : []),
  ])

/** A message behind its five bytes, one of which may lie. */
function message(rng: Rng, given: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head[0] = pick(rng, [0, 0, 1, 2, 255])
  head.writeUInt32BE(pick(rng, [given.length, given.length, given.length + 1, 0xffffffff, 0x7fffffff, 0]), 1)
  return Buffer.concat([head, given])
}

const FLOODS: Record<string, (rng: Rng, given: Uint8Array) => Buffer[]> = {
  'random frames': (rng) =>
    Array.from({ length: 1 + rng.nextInt(8) }, () =>
      frame(
        rng.nextInt(13),
        rng.nextInt(256),
        pick(rng, [0, 1, 2, 3, 0x7fffffff]),
        randomBytes(rng, rng.nextInt(60)),
        pick(rng, [0, 5, 8, 60, 0xffffff]),
      ),
    ),
  'a rapid reset': (rng) =>
    Array.from({ length: pick(rng, [3, 300]) }, (_, i) =>
      Buffer.concat([
        frame(HEADERS, END_HEADERS, 2 * i + 1, callFields(rng)),
        frame(RESET, 0, 2 * i + 1, Buffer.from([0, 0, 0, 8])),
      ]),
    ),
  'headers without an end': (rng) => [
    frame(HEADERS, 0, 1, callFields(rng)),
    ...Array.from({ length: pick(rng, [2, 400]) }, (_, i) =>
      frame(CONTINUATION, 0, 1, fields([[`x-${i}`, 'y'.repeat(100)]])),
    ),
  ],
  'many headers': (rng) => [
    frame(
      HEADERS,
      END_HEADERS,
      1,
      Buffer.concat([
        callFields(rng),
        fields(Array.from({ length: 120 }, (_, i) => [`x-${i}`, 'y'.repeat(100)])),
      ]),
    ),
    frame(DATA, END_STREAM, 1, Buffer.alloc(5)),
  ],
  pings: (rng) => Array.from({ length: pick(rng, [5, 2_000]) }, () => frame(PING, 0, 0, Buffer.alloc(8))),
  settings: (rng) =>
    Array.from({ length: pick(rng, [5, 500]) }, () => frame(SETTINGS, 0, 0, randomBytes(rng, 6))),
  windows: () => Array.from({ length: 3 }, () => frame(WINDOW, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))),
  calls: (rng, given) =>
    Array.from({ length: 1 + rng.nextInt(6) }, (_, i) => {
      const stream = 2 * i + 1
      const sent = message(rng, given)
      const half = rng.nextInt(sent.length + 1)
      return Buffer.concat([
        frame(HEADERS, END_HEADERS, stream, callFields(rng)),
        pick(rng, [
          () => frame(DATA, END_STREAM, stream, sent),
          () =>
            Buffer.concat([
              frame(DATA, 0, stream, sent.subarray(0, half)),
              frame(DATA, END_STREAM, stream, sent.subarray(half)),
            ]),
          () =>
            Buffer.concat([
              frame(DATA, 0, stream, sent.subarray(0, half)),
              frame(RESET, 0, stream, Buffer.from([0, 0, 0, 8])),
            ]),
          () => frame(DATA, 0, stream, sent.subarray(0, half)),
          () => frame(HEADERS, END_HEADERS | END_STREAM, stream, fields([['grpc-timeout', '1n']])),
        ])(),
      ])
    }),
}

/** Frames of HTTP/2 around a message of the protocol. */
export function frameCase(rng: Rng, given: Uint8Array): WireCase {
  const what = pick(rng, Object.keys(FLOODS))
  const preface = rng.next() < 0.05 ? randomBytes(rng, 24) : PREFACE
  const bytes = Buffer.concat([preface, frame(SETTINGS, 0, 0, Buffer.alloc(0)), ...FLOODS[what](rng, given)])
  return { what: `HTTP/2, ${what}`, ...cut(rng, bytes) }
}
