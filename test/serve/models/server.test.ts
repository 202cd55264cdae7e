import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readMessage, textOf, type WireField, WireWriter } from '../../../src/model/import/protobuf.ts'
import { refuseAs } from '../../../src/model/import/refusal.ts'
import { encodeBinary } from '../../../src/serve/oip/datatypes.ts'
import { toHalf } from '../../../src/serve/oip/half.ts'
import { logistic } from '../../engine/infer/onnx-bytes.ts'
import { lightgbm, type ModelsFixture, serveModels } from './fixture.ts'

let f: ModelsFixture
beforeAll(async () => {
  f = await serveModels()
})
afterAll(() => f.close())

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))
const x = (rows: number[][], datatype = 'FP32') => ({
  inputs: [{ name: 'x', shape: [rows.length, 3], datatype, data: rows }],
})

describe('over HTTP', () => {
  test('what is found is listed with why the rest cannot be served, and the server is ready only when all can', async () => {
    const { body } = await f.post('/v2/repository/index', {})
    expect(
      body
        .map((m: { name: string; version: string; state: string }) => `${m.name} ${m.version} ${m.state}`)
        .sort(),
    ).toEqual([
      'addsub 1 READY',
      'halves 1 READY',
      'late 1 READY',
      'late 2 READY',
      'other 1 READY',
      'pickled  UNAVAILABLE',
      'texts 1 READY',
      'trees 1 READY',
    ])
    const ready = await f.get('/readyz')
    expect(ready.status).toBe(503)
    expect(ready.body.models.pickled).toContain('sklearn')
    expect((await f.get('/livez')).status).toBe(200)
  })

  test('metadata is the graph, a version is answered by its number, and the newest one without', async () => {
    expect((await f.get('/v2/models/late')).body).toEqual({
      name: 'late',
      versions: ['1', '2'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    })
    const newest = await f.post('/v2/models/late/infer', { id: 'a', ...x([[1, 2, 3]]) })
    expect(newest.body).toMatchObject({ model_name: 'late', model_version: '2', id: 'a' })
    expect(newest.body.outputs[0].data[0]).toBeCloseTo(sigmoid(2), 6)
    const first = await f.post('/v2/models/late/versions/1/infer', x([[1, 2, 3]]))
    expect(first.body.outputs[0].data[0]).toBeCloseTo(sigmoid(1), 6)
    expect((await f.get('/v2/models/late/config')).body).toMatchObject({
      max_batch_size: 4,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [3] }],
    })
  })

  test('binary in and out, whole numbers, texts and halves', async () => {
    const two = (a: number[], b: number[]) => ({
      inputs: [
        { name: 'INPUT0', shape: [1, 2], datatype: 'INT32', data: a },
        { name: 'INPUT1', shape: [1, 2], datatype: 'INT32', data: b },
      ],
      outputs: [{ name: 'OUTPUT1' }],
    })
    expect((await f.post('/v2/models/addsub/infer', two([5, 7], [1, 2]))).body.outputs).toEqual([
      { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 2], data: [4, 5] },
    ])
    const texts = { inputs: [{ name: 's', shape: [2], datatype: 'BYTES', data: ['Zürich', ''] }] }
    expect((await f.post('/v2/models/texts/infer', texts)).body.outputs[0].data).toEqual(['Zürich', ''])
    const blob = encodeBinary('FP16', Uint16Array.of(toHalf(1.5), toHalf(-2)))
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 's', shape: [2], datatype: 'FP16', parameters: { binary_data_size: 4 } }],
      }),
    )
    const halves = await f.post('/v2/models/halves/infer', Buffer.concat([head, blob]), {
      'Inference-Header-Content-Length': String(head.length),
      'content-type': 'application/octet-stream',
    })
    expect(halves.body.outputs[0]).toEqual({ name: 't', datatype: 'FP16', shape: [2], data: [1.5, -2] })
  })

  test("trees answer LightGBM's own probabilities, under any name, in floats and doubles", async () => {
    const { rows, predictions } = answersOf()
    const ask = (name: string, datatype: string) =>
      f.post('/v2/models/trees/infer', {
        inputs: [{ name, shape: [rows.length, rows[0].length], datatype, data: rows }],
      })
    const { body } = await ask('input', 'FP64')
    expect(body.outputs[0].data).toEqual(predictions.map((p) => expect.closeTo(p, 14)))
    expect((await ask('anything', 'FP64')).body.outputs[0].data).toEqual(body.outputs[0].data)
    expect((await ask('input', 'FP32')).status).toBe(200)
  })

  test('the protocols before V2 answer the same', async () => {
    const want = [[sigmoid(2)], [sigmoid(-1)]].map(([p]) => [expect.closeTo(p, 6)])
    const rows = [
      [1, 2, 3],
      [0, -1, 0],
    ]
    expect((await f.post('/v1/models/late:predict', { instances: rows })).body).toEqual({ predictions: want })
    expect((await f.post('/v1/models/late:predict', { inputs: rows })).body).toEqual({ predictions: want })
    const columns = await f.post('/v1/models/addsub:predict', {
      inputs: { INPUT0: [[1, 2]], INPUT1: [[3, 4]] },
    })
    expect(columns.body).toEqual({ predictions: [{ OUTPUT0: [4, 6], OUTPUT1: [-2, -2] }] })
    const byRow = await f.post('/v1/models/addsub:predict', {
      instances: [{ INPUT0: [1, 2], INPUT1: [3, 4] }],
    })
    expect(byRow.body).toEqual(columns.body)
    expect((await f.post('/invocations', { instances: rows })).body.code).toBe('MR_SERVE_BODY')
    const split = { dataframe_split: { columns: ['a', 'b', 'c'], data: rows } }
    expect((await f.post('/v1/models/late:predict', split)).body).toEqual({ predictions: want })
  })

  test.each([
    ['an unknown model', '/v2/models/none/infer', x([[1, 2, 3]]), 404, 'MR_SERVE_MODEL_UNKNOWN'],
    [
      'an unknown version',
      '/v2/models/late/versions/9/infer',
      x([[1, 2, 3]]),
      404,
      'MR_SERVE_VERSION_UNKNOWN',
    ],
    ['a model that cannot be served', '/v2/models/pickled/infer', x([[1, 2, 3]]), 503, 'MR_SERVE_UNLOADED'],
    [
      'a configuration that the graph does not have',
      '/v2/models/other/infer',
      x([[1, 2, 3]]),
      422,
      'MR_REPOSITORY_CONFIG',
    ],
    ['another datatype', '/v2/models/late/infer', x([[1, 2, 3]], 'FP64'), 400, 'MR_SERVE_TENSOR'],
    [
      'another width',
      '/v2/models/late/infer',
      { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'another rank',
      '/v2/models/late/infer',
      { inputs: [{ name: 'x', shape: [3], datatype: 'FP32', data: [1, 2, 3] }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'no rows',
      '/v2/models/late/infer',
      { inputs: [{ name: 'x', shape: [0, 3], datatype: 'FP32', data: [] }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'more rows than the configuration has',
      '/v2/models/late/infer',
      x(Array(5).fill([1, 2, 3])),
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'another name',
      '/v2/models/late/infer',
      { inputs: [{ name: 'z', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'one input of two',
      '/v2/models/addsub/infer',
      { inputs: [{ name: 'INPUT0', shape: [1, 2], datatype: 'INT32', data: [1, 2] }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'inputs of unlike rows',
      '/v2/models/addsub/infer',
      {
        inputs: [
          { name: 'INPUT0', shape: [1, 2], datatype: 'INT32', data: [1, 2] },
          { name: 'INPUT1', shape: [2, 2], datatype: 'INT32', data: [1, 2, 3, 4] },
        ],
      },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'an output that is not there',
      '/v2/models/late/infer',
      { ...x([[1, 2, 3]]), outputs: [{ name: 'q' }] },
      400,
      'MR_SERVE_TENSOR',
    ],
    [
      'arrays of unequal length',
      '/v1/models/late:predict',
      { instances: [[1, 2, 3], [1]] },
      400,
      'MR_SERVE_BODY',
    ],
    ['a verb that is not there', '/v1/models/late:fly', { instances: [] }, 404, 'MR_SERVE_PATH'],
  ])('%s is refused with a code', async (_, path, body, status, code) => {
    expect((await f.post(path, body)).body).toMatchObject({ status, code })
  })

  test('what was unloaded by name stays so until it is loaded, and a changed file takes the place of what answered', async () => {
    await f.post('/v2/repository/models/addsub/unload', {})
    expect((await f.get('/v2/models/addsub/ready')).body.code).toBe('MR_SERVE_UNLOADED')
    await f.post('/v2/repository/models/addsub/load', {})
    expect((await f.get('/v2/models/addsub/ready')).status).toBe(200)
    f.put('late/3/model.onnx', logistic([0, 0, 1], 0))
    await f.post('/v2/repository/models/late/load', {})
    expect((await f.post('/v2/models/late/infer', x([[1, 2, 3]]))).body.outputs[0].data[0]).toBeCloseTo(
      sigmoid(3),
      6,
    )
    f.put('late/3/model.onnx', logistic([0, 0, -1], 0))
    await f.post('/v2/repository/models/late/load', {})
    expect((await f.post('/v2/models/late/infer', x([[1, 2, 3]]))).body.outputs[0].data[0]).toBeCloseTo(
      sigmoid(-3),
      6,
    )
    f.put('late/3/model.onnx', 'broken')
    expect((await f.post('/v2/repository/models/late/load', {})).status).toBeGreaterThanOrEqual(400)
    expect((await f.post('/v2/models/late/infer', x([[1, 2, 3]]))).body.outputs[0].data[0]).toBeCloseTo(
      sigmoid(-3),
      6,
    )
  })

  test('a hundred swaps under load: no request is lost, none mixes versions', async () => {
    let stop = false
    const seen = new Set<number>()
    const client = async () => {
      while (!stop) {
        const { status, body } = await f.post(
          '/v2/models/other2/infer',
          x([
            [1, 1, 1],
            [1, 1, 1],
          ]),
        )
        expect(status).toBe(200)
        const [a, b] = body.outputs[0].data
        expect(a).toBe(b)
        seen.add(Math.round(Math.log(a / (1 - a))))
      }
    }
    f.put('other2.onnx', logistic([1, 1, 1], 0))
    await f.post('/v2/repository/models/other2/load', {})
    const clients = [client(), client(), client()]
    for (let i = 0; i < 100; i++) {
      f.put('other2.onnx', logistic([1, 1, (i % 5) - 2], 0))
      expect((await f.post('/v2/repository/models/other2/load', {})).status).toBe(200)
    }
    stop = true
    await Promise.all(clients)
    expect([...seen].every((n) => n >= 0 && n <= 4)).toBe(true)
    expect(seen.size).toBeGreaterThan(1)
  }, 60_000)

  test('statistics count requests, rows, batches and faults', async () => {
    await f.post('/v2/models/texts/infer', {
      inputs: [{ name: 's', shape: [3], datatype: 'BYTES', data: ['a', 'b', 'c'] }],
    })
    await f.post('/v2/models/texts/infer', {
      inputs: [{ name: 'wrong', shape: [1], datatype: 'BYTES', data: ['a'] }],
    })
    const [stats] = (await f.get('/v2/models/texts/stats')).body.model_stats
    expect(stats.inference_stats.fail.count).toBeGreaterThan(0)
    expect(stats.inference_count).toBeGreaterThanOrEqual(3)
    expect(stats.batch_stats.map((b: { batch_size: number }) => b.batch_size)).toContain(3)
    expect(stats.inference_stats.compute_infer.ns).toBeGreaterThan(0)
  })
})

/** Rows of numbers with what LightGBM said of them; JSON has no infinities, so rows with one are left out. */
function answersOf(): { rows: (number | null)[][]; predictions: number[] } {
  const { nFeatures, rows, output } = lightgbm.answers as {
    nFeatures: number
    rows: unknown[]
    output: number[]
  }
  const all = output.map((prediction, i) => ({
    row: rows.slice(i * nFeatures, (i + 1) * nFeatures),
    prediction,
  }))
  const kept = all.filter(({ row }) => row.every((value) => typeof value === 'number' || value === null))
  expect(kept.length).toBeGreaterThan(20)
  return {
    rows: kept.map(({ row }) => row as (number | null)[]),
    predictions: kept.map(({ prediction }) => prediction),
  }
}

const refuseBytes = refuseAs('the test')

describe('over gRPC', () => {
  const named = (name: string) => new WireWriter().text(1, name).done()
  const inferBytes = (raw: boolean, data = Float32Array.of(1, 2, 3), shape = [1, 3]) => {
    const tensor = new WireWriter().text(1, 'x').text(2, 'FP32')
    for (const size of shape) tensor.int(3, size)
    const bytes = new Uint8Array(data.buffer)
    if (!raw) tensor.message(5, new WireWriter().bytes(6, bytes))
    const message = new WireWriter().text(1, 'late').text(2, '1').text(3, 'r').message(5, tensor)
    return (raw ? message.bytes(7, bytes) : message).done()
  }
  const fieldsOf = (bytes: Uint8Array) => {
    const fields = new Map<number, WireField[]>()
    const keep = (field: WireField) => fields.set(field.field, [...(fields.get(field.field) ?? []), field])
    readMessage(
      bytes,
      null,
      Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [n, (_: null, field: WireField) => keep(field)])),
      refuseBytes,
    )
    return fields
  }
  const text = (field: WireField | undefined) => (field ? textOf(field, refuseBytes) : undefined)

  test('raw tensors are answered raw, typed ones typed', async () => {
    const raw = fieldsOf((await f.call('ModelInfer', inferBytes(true))).answer)
    const bytes = raw.get(6)?.[0] as { bytes: Uint8Array }
    expect(new DataView(new Uint8Array(bytes.bytes).buffer).getFloat32(0, true)).toBeCloseTo(sigmoid(1), 6)
    expect([text(raw.get(1)?.[0]), text(raw.get(2)?.[0]), text(raw.get(3)?.[0])]).toEqual(['late', '1', 'r'])
    const typed = fieldsOf((await f.call('ModelInfer', inferBytes(false))).answer)
    expect(typed.get(6)).toBeUndefined()
    expect(typed.get(5)).toHaveLength(1)
  })

  test.each([
    ['an unknown model', 'ModelMetadata', named('none'), 5, 'MR_SERVE_MODEL_UNKNOWN'],
    ['an unknown method', 'Fly', named('x'), 12, 'MR_SERVE_GRPC_METHOD'],
    ['a wrong shape', 'ModelInfer', inferBytes(true, Float32Array.of(1, 2), [1, 2]), 3, 'MR_SERVE_TENSOR'],
    [
      'a shape beyond its bytes',
      'ModelInfer',
      inferBytes(true, Float32Array.of(1), [1, 3]),
      3,
      'MR_SERVE_TENSOR',
    ],
    ['bytes that are no message', 'ModelInfer', Uint8Array.of(0x0a, 0xff, 0x01), 3, 'MR_SERVE_BODY'],
    ['no name', 'ModelInfer', new Uint8Array(0), 5, 'MR_SERVE_MODEL_UNKNOWN'],
  ])('%s has its status', async (_, method, message, status, code) => {
    const answer = await f.call(method, message)
    expect(answer.status).toBe(status)
    expect(answer.text).toContain(code)
  })

  test('a frame that lies of its length, is cut, or says a compression that is not there', async () => {
    const lying = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])
    expect(await f.call('ServerLive', lying, { 'x-raw': '1' })).toMatchObject({
      status: 8,
      text: expect.stringContaining('MR_LIMIT'),
    })
    const cut = Buffer.from([0, 0, 0, 0, 9, 1])
    expect(await f.call('ServerLive', cut, { 'x-raw': '1' })).toMatchObject({ status: 3 })
    const packed = Buffer.from([1, 0, 0, 0, 1, 1])
    expect(await f.call('ServerLive', packed, { 'x-raw': '1', 'grpc-encoding': 'snappy' })).toMatchObject({
      status: 12,
    })
    expect(await f.call('ServerLive', packed, { 'x-raw': '1', 'grpc-encoding': 'gzip' })).toMatchObject({
      status: 3,
    })
    expect((await f.call('ServerLive', new Uint8Array(0))).answer).toEqual(Buffer.of(8, 1))
  })

  test('health is by server and by model', async () => {
    const check = '/grpc.health.v1.Health/Check'
    expect((await f.call(check, new Uint8Array(0))).answer).toEqual(Buffer.of(8, 2))
    expect((await f.call(check, named('texts'))).answer).toEqual(Buffer.of(8, 1))
  })

  test('a timeout that has passed is said, not worked for', async () => {
    expect(await f.call('ModelInfer', inferBytes(true), { 'grpc-timeout': '1n' })).toMatchObject({
      status: 4,
    })
  })
})

test('off loopback a token is needed, over both', async () => {
  const g = await serveModels({ token: 'secret' })
  try {
    expect((await g.get('/v2')).status).toBe(401)
    expect((await g.get('/livez')).status).toBe(200)
    expect((await g.call('ServerMetadata', new Uint8Array(0))).status).toBe(16)
    expect(
      (await g.call('ServerMetadata', new Uint8Array(0), { authorization: 'Bearer secret' })).status,
    ).toBe(0)
  } finally {
    await g.close()
  }
})
