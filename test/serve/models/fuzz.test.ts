/**
 * What a hostile client sends: each case is a valid request with something changed, over HTTP and gRPC, and each must be answered with a code or an answer, never with a fault of the
 * server's own, and never not at all. MILLRACE_FUZZ_CASES says how many; a failing case prints its seed, which is then kept below.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { WireWriter } from '../../../src/model/import/protobuf.ts'
import { encodeBinary } from '../../../src/serve/oip/datatypes.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { broken, casesOf, changed, LENGTHS, pick, type Rng } from '../fuzz/hostile.ts'
import { type ModelsFixture, serveModels } from './fixture.ts'

const CASES = casesOf(400)
/** Seeds that once failed. */
const KEPT: readonly number[] = []

const faults: MillraceError[] = []
let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels({ onFault: (error) => faults.push(error) })
})
afterAll(() => f.close())

const NAMES = [
  'late',
  'addsub',
  'texts',
  'halves',
  'trees',
  'pickled',
  'none',
  '..%2f..%2fetc%2fpasswd',
  '%00',
  'a'.repeat(900),
  '__proto__',
  'late/../late',
  '%E0%A4%A',
  '',
]
const PATHS = [
  '/v2/models/NAME/infer',
  '/v2/models/NAME/versions/1/infer',
  '/v2/models/NAME/versions/99999999999999999999/infer',
  '/v2/models/NAME',
  '/v2/models/NAME/config',
  '/v2/models/NAME/stats',
  '/v1/models/NAME:predict',
  '/invocations',
  '/v2/repository/index',
  '/v2/repository/models/NAME/load',
  '/v2/health/ready',
]
function validBody(rng: Rng): Record<string, unknown> {
  const rows = 1 + rng.nextInt(3)
  return pick(rng, [
    () => ({
      id: 'a',
      inputs: [{ name: 'x', shape: [rows, 3], datatype: 'FP32', data: Array(rows * 3).fill(0.5) }],
      outputs: [{ name: 'y' }],
      parameters: { binary_data_output: true },
    }),
    () => ({
      inputs: ['INPUT0', 'INPUT1'].map((name) => ({
        name,
        shape: [rows, 2],
        datatype: 'INT32',
        data: Array(rows * 2).fill(1),
      })),
    }),
    () => ({ inputs: [{ name: 's', shape: [rows], datatype: 'BYTES', data: Array(rows).fill('é') }] }),
    () => ({ instances: Array(rows).fill([1, 2, 3]) }),
    () => ({ dataframe_split: { columns: ['a', 'b', 'c'], data: Array(rows).fill([1, 2, 3]) } }),
  ])()
}

async function httpCase(rng: Rng): Promise<number> {
  const path = pick(rng, PATHS).replace('NAME', pick(rng, rng.next() < 0.6 ? NAMES.slice(0, 5) : NAMES))
  let body: unknown = validBody(rng)
  for (let i = 0; i < 1 + rng.nextInt(3); i++) body = changed(rng, body)
  const text = Buffer.from(JSON.stringify(body) ?? '')
  const headers: Record<string, string> = {
    'content-type': pick(rng, [
      'application/json',
      'application/octet-stream',
      'text/plain',
      'application/x+json',
    ]),
  }
  let bytes: Uint8Array = text
  if (rng.next() < 0.4) {
    const blob = encodeBinary('FP32', [1, 2, 3])
    bytes = Buffer.concat([
      Buffer.from(
        JSON.stringify({
          inputs: [
            {
              name: 'x',
              shape: [1, 3],
              datatype: pick(rng, ['FP32', 'FP64', 'BYTES', 'INT64']),
              parameters: { binary_data_size: pick(rng, [12, 11, 13, -1, 1e9, null]) },
            },
          ],
        }),
      ),
      blob,
    ])
    headers['inference-header-content-length'] =
      rng.next() < 0.5 ? String(bytes.length - blob.length) : pick(rng, LENGTHS)
  }
  if (rng.next() < 0.4) bytes = broken(rng, bytes)
  const method =
    path.includes('infer') ||
    path.includes('predict') ||
    path.includes('repository') ||
    path === '/invocations'
      ? 'POST'
      : 'GET'
  const answer = await fetch(f.url + path, {
    method,
    headers,
    ...(method === 'POST' && { body: new Uint8Array(bytes) }),
  })
  await answer.arrayBuffer()
  return answer.status
}

const METHODS = [
  'ModelInfer',
  'ModelMetadata',
  'ModelConfig',
  'ModelReady',
  'ModelStatistics',
  'RepositoryIndex',
  'ServerLive',
  'ModelStreamInfer',
  'Fly',
  '/grpc.health.v1.Health/Check',
]

function validMessage(rng: Rng): Uint8Array {
  const tensor = new WireWriter()
    .text(1, 'x')
    .text(2, pick(rng, ['FP32', 'INT64', 'BYTES', 'BOOL', 'nope']))
    .int(3, 1)
    .int(3, pick(rng, [3, 0, -1, 2 ** 40]))
  if (rng.next() < 0.5)
    tensor.message(
      5,
      new WireWriter().bytes(pick(rng, [1, 3, 6, 8]), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
    )
  const message = new WireWriter()
    .text(1, pick(rng, NAMES.slice(0, 7)))
    .text(2, pick(rng, ['', '1', '9']))
    .message(5, tensor)
  if (rng.next() < 0.5) message.bytes(7, Buffer.alloc(12))
  return message.done()
}

async function grpcCase(rng: Rng): Promise<number> {
  const message = rng.next() < 0.3 ? validMessage(rng) : broken(rng, validMessage(rng))
  const frame = Buffer.concat([
    Buffer.from([rng.nextInt(3) === 0 ? 1 : 0, 0, 0, message.length >> 8, message.length & 255]),
    message,
  ])
  const raw = rng.next() < 0.4 ? broken(rng, frame) : frame
  const headers = {
    'x-raw': '1',
    ...(rng.next() < 0.3 && { 'grpc-encoding': pick(rng, ['gzip', 'deflate', 'br', '']) }),
    ...(rng.next() < 0.2 && { 'grpc-timeout': pick(rng, ['1n', '10S', 'x', '99999999H']) }),
  }
  return (await f.call(pick(rng, METHODS), raw, headers)).status
}

async function runCase(seed: number): Promise<void> {
  const rng = seededRng(seed)
  const before = faults.length
  const isHttp = rng.next() < 0.5
  const status = await (isHttp ? httpCase(rng) : grpcCase(rng))
  const isFault = isHttp ? status === 500 : status === 13 || Number.isNaN(status)
  if (isFault || faults.length > before)
    throw new Error(
      `seed ${seed}: ${isHttp ? 'HTTP' : 'gRPC'} ${status}; ${faults.at(-1)?.message} ${String((faults.at(-1)?.cause as Error)?.stack)}`,
    )
}

test(`${CASES} hostile requests over HTTP and gRPC are each answered with a code`, async () => {
  for (const seed of KEPT) await runCase(seed)
  const AT_ONCE = 8
  for (let from = 0; from < CASES; from += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, CASES - from) }, (_, i) => runCase(from + i)))
  expect((await f.get('/livez')).status).toBe(200)
  const { body } = await f.post('/v2/models/late/infer', {
    inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [0, 0, 0] }],
  })
  expect(body.outputs[0].data).toEqual([0.5])
}, 3_600_000)

test('damaged graphs are refused with a code, and the models beside them go on', async () => {
  const rng = seededRng(11)
  const whole = logistic([1, 2, 3], 0.5)
  for (let i = 0; i < Math.max(30, CASES / 100); i++) {
    f.put('broken.onnx', i % 3 === 0 ? broken(rng, broken(rng, whole)) : broken(rng, whole))
    const { status, body } = await f.post('/v2/repository/models/broken/load', {})
    if (status !== 200) expect(body.code, JSON.stringify(body)).toMatch(/^MR_(?!SERVE_INTERNAL)/)
  }
  expect(faults).toEqual([])
}, 3_600_000)
