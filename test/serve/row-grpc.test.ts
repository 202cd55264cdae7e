/** Released models over gRPC, without clients of others (test/system/inference-clients.test.ts has those). */
import { type ClientHttp2Session, connect } from 'node:http2'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import { WireWriter } from '../../src/model/import/protobuf.ts'
import { encodeBinary } from '../../src/serve/oip/datatypes.ts'
import { createServer } from '../../src/serve/server.ts'
import { CLOCK, type Fixture, logged, serving } from './fixture.ts'
import { rowModels } from './row-models.ts'

let f: Fixture
let client: ClientHttp2Session
beforeAll(async () => {
  f = await serving(rowModels, { load: undefined, grpcPort: 0 })
  client = connect(`http://${f.server.grpcAddress()}`)
})
afterAll(async () => {
  client.close()
  await f.close()
})

const delayOf = (hours: number[], id: string, mask?: boolean[]): Uint8Array => {
  const tensor = (name: string, datatype: string) =>
    new WireWriter().text(1, name).text(2, datatype).int(3, hours.length)
  const message = new WireWriter().text(1, 'delay').text(3, id).message(5, tensor('hour', 'INT64'))
  if (mask) message.message(5, tensor('hour.missing', 'BOOL'))
  message.bytes(7, encodeBinary('INT64', hours))
  if (mask) message.bytes(7, encodeBinary('BOOL', mask))
  return message.done()
}

function call(message: Uint8Array, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; answer: Buffer }>((resolve, reject) => {
    const stream = client.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ModelInfer',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    })
    const chunks: Buffer[] = []
    let status = -1
    const keep = (said: Record<string, unknown>) => {
      if (said['grpc-status'] !== undefined) status = Number(said['grpc-status'])
    }
    stream.on('response', keep).on('trailers', keep).on('error', reject)
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve({ status, answer: Buffer.concat(chunks) }))
    const frame = Buffer.alloc(5)
    frame.writeUInt32BE(message.length, 1)
    stream.end(Buffer.concat([frame, message]))
  })
}

test('an integer that is missing in bytes is said by a tensor of its own, and logged as missing', async () => {
  const { status, answer } = await call(delayOf([15, 15], 'masked', [false, true]))
  expect(status).toBe(0)
  expect(answer.includes(Buffer.from(encodeBinary('FP64', [15, 10])))).toBe(true)
  const block = (await logged<PredictionBlock>(f.store, 'predictions')).at(-1)
  expect(block).toMatchObject({ ids: ['masked:0', 'masked:1'], inputs: { hour: [15, null] } })
})

test('what is asked after its deadline is neither computed nor logged', async () => {
  const { status } = await call(delayOf([15], 'too-late'), { 'grpc-timeout': '1n' })
  expect(status).toBe(4)
  const http = await f.post('/v2/models/delay/infer', {
    id: 'too-late-too',
    parameters: { timeout: 0.001 },
    inputs: [{ name: 'hour', datatype: 'INT64', shape: [1], data: [15] }],
  })
  expect(http).toMatchObject({ status: 504, body: { code: 'MR_SERVE_DEADLINE' } })
  const ids = (await logged<PredictionBlock>(f.store, 'predictions')).flatMap((block) => block.ids)
  expect(ids.filter((id) => id.startsWith('too-late'))).toEqual([])
})

test('a port for gRPC that is taken is an error that names it, and the server closes as if it had not been asked', async () => {
  const grpcPort = Number(f.server.grpcAddress()?.split(':')[1])
  const second = createServer({ store: f.store, clock: CLOCK, port: 0, grpcPort })
  await expect(second.listen()).rejects.toThrow(/MR_PORT_TAKEN/)
  await second.close()
})
