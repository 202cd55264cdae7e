/** What clients do that few do: scalars, halves, compressed bodies, leaving before the answer, asking for the health of what is not there. */
import { request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MillraceError } from '../../../src/core/errors.ts'
import { WireWriter } from '../../../src/model/import/protobuf.ts'
import type { Gone } from '../../../src/serve/gone.ts'
import { encodeBinary } from '../../../src/serve/oip/datatypes.ts'
import { toHalf } from '../../../src/serve/oip/half.ts'
import { input, model, node, output } from '../../engine/infer/onnx-bytes.ts'
import { lightgbm, type ModelsFixture, serveModels } from './fixture.ts'

const FLOAT = 1
let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels()
  f.put(
    'scalar.onnx',
    model(
      node('Add', ['x', 's'], ['y']),
      input('x', FLOAT, ['n']),
      input('s', FLOAT, []),
      output('y', FLOAT, ['n']),
    ),
  )
  await f.post('/v2/repository/models/scalar/load', {})
})
afterAll(() => f.close())

const ask = { inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [2, 3, 5] }] }
describe('tensors', () => {
  test.each([[[]], [[1]]])('a scalar input is sent with shape %j', async (shape) => {
    const { status, body } = await f.post('/v2/models/scalar/infer', {
      inputs: [
        { name: 'x', shape: [2], datatype: 'FP32', data: [1, 2] },
        { name: 's', shape, datatype: 'FP32', data: [10] },
      ],
    })
    expect({ status, data: body.outputs?.[0].data }).toEqual({ status: 200, data: [11, 12] })
  })

  test('a graph that takes the mean over its open axis answers each request by its own numbers', async () => {
    const mean = [node('ReduceMean', ['x'], ['m']), node('Sub', ['x', 'm'], ['y'])]
    f.put('centred.onnx', model(...mean, input('x', FLOAT, ['n']), output('y', FLOAT, ['n'])))
    await f.post('/v2/repository/models/centred/load', {})
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        f.post('/v2/models/centred/infer', {
          inputs: [{ name: 'x', shape: [2], datatype: 'FP32', data: [i, i + 2] }],
        }),
      ),
    )
    expect(answers.map(({ body }) => body.outputs[0].data)).toEqual(answers.map(() => [-1, 1]))
  })

  test('halves in bytes are numbers to trees', async () => {
    const { nFeatures } = lightgbm.answers as { nFeatures: number }
    const numbers = Array.from({ length: nFeatures }, (_, i) => i / 4)
    const blob = encodeBinary('FP16', Uint16Array.from(numbers, toHalf))
    const shape = [1, nFeatures]
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'input', shape, datatype: 'FP16', parameters: { binary_data_size: blob.length } }],
      }),
    )
    const halves = await f.post('/v2/models/trees/infer', Buffer.concat([head, blob]), {
      'Inference-Header-Content-Length': String(head.length),
    })
    const doubles = await f.post('/v2/models/trees/infer', {
      inputs: [{ name: 'input', shape, datatype: 'FP64', data: numbers }],
    })
    expect(halves.body.outputs).toEqual(doubles.body.outputs)
  })

  test('a body that is compressed is read, and one that grows beyond the limit, or of another coding, is refused', async () => {
    const send = async (body: Buffer, coding: string) =>
      await fetch(`${f.url}/v2/models/late/versions/1/infer`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-encoding': coding },
        body: new Uint8Array(body),
      })
    const plain = Buffer.from(JSON.stringify(ask))
    expect((await send(gzipSync(plain), 'gzip')).status).toBe(200)
    expect((await send(plain, 'identity')).status).toBe(200)
    expect((await send(gzipSync(Buffer.alloc(40 * 1024 * 1024, 32)), 'gzip')).status).toBe(413)
    expect((await send(plain, 'gzip')).status).toBe(400)
    expect((await send(plain, 'zstd')).status).toBe(415)
  })
})

test('a client that goes away is told to the model', async () => {
  const { infer } = f.server.backend
  let signal: Gone | undefined
  f.server.backend.infer = (one) => {
    signal = one.signal
    return new Promise((_, reject) =>
      one.signal?.addEventListener('abort', () =>
        reject(new MillraceError('MR_CANCELLED', { what: 'the request' })),
      ),
    )
  }
  try {
    const asked = request(`${f.url}/v2/models/late/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    asked.on('error', () => undefined)
    asked.end(JSON.stringify(ask))
    await expect.poll(() => signal !== undefined).toBe(true)
    expect(signal?.aborted).toBe(false)
    asked.destroy()
    await expect.poll(() => signal?.aborted).toBe(true)
  } finally {
    f.server.backend.infer = infer
  }
})

test('health of a service that is not there is not found', async () => {
  const named = new WireWriter().text(1, 'no-such-model').done()
  expect((await f.call('/grpc.health.v1.Health/Check', named)).status).toBe(5)
})
