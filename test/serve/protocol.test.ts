import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PredictionBlock } from '../../src/core/log-blocks.ts'
import type { ModelVersion, SignatureField } from '../../src/core/records.ts'
import { assemblePredictor } from '../../src/serve/assemble.ts'
import { decodeBinary, encodeBinary } from '../../src/serve/oip/datatypes.ts'
import { type Fixture, logged, putBundle, release, route, serving, versionRecord } from './fixture.ts'

/** value = hour + 100 · weekend + length of origin; -1 where hour is missing. */
const FIELDS: SignatureField[] = [
  { name: 'hour', type: 'float', nullable: true },
  { name: 'weekend', type: 'bool', nullable: false },
  { name: 'origin', type: 'string', nullable: false },
]

let f: Fixture

beforeAll(async () => {
  f = await serving(
    async (store) => {
      const signature = {
        inputs: FIELDS,
        outputs: [{ name: 'value', type: 'float' as const, description: '' }],
      }
      const graph = await store.objects.put(Buffer.from('sum'))
      const digest = await store.putRecord(versionRecord('sum', graph, { task: 'regression', signature }))
      await release(store, 'sum', [route(await putBundle(store, 'sum', 4, digest), 4)])
      const numbers = FIELDS.filter((field) => field.type === 'float').concat({
        name: 'extra',
        type: 'float',
        nullable: true,
      })
      const wide = await store.putRecord(
        versionRecord('wide', graph, { task: 'binary', signature: { ...signature, inputs: numbers } }),
      )
      await release(store, 'wide', [route(await putBundle(store, 'wide', 1, wide), 1)])
    },
    {
      load: async (digest) => {
        const version = await f_store().getRecord<ModelVersion>(digest, 'ModelVersion')
        return assemblePredictor({
          digest,
          version,
          inputs: version.signature.inputs,
          bytes: 100,
          coerce: (row) => row,
          featureNames: ['x'],
          features: (row, out, offset) => {
            const { hour, weekend, origin, extra } = row as Record<string, never>
            out[offset] =
              hour === null || hour === undefined
                ? -1
                : Number(hour) + (weekend ? 100 : 0) + (extra ? Number(extra) / 10 : 0)
            if (origin) out[offset] += String(origin).length
          },
          score: (matrix) => Float64Array.from(matrix),
          explain: async (matrix) =>
            Array.from(matrix, (x) => ({
              base: 1,
              contributions: [{ feature: 'x', value: x, contribution: x - 1 }],
              raw: x,
              output: x,
              residual: 0,
              method: 'closed-form' as const,
              exact: true,
              scale: 'output',
            })),
        })
      },
    },
  )
})
afterAll(() => f.close())
const f_store = () => f.store

const json = (over: object = {}) => ({
  id: 'req-1',
  inputs: [
    { name: 'hour', datatype: 'FP64', shape: [2], data: [9, null] },
    { name: 'weekend', datatype: 'BOOL', shape: [2, 1], data: [[true], [false]] },
    { name: 'origin', datatype: 'BYTES', shape: [2], data: ['ATL', 'Zürich'] },
  ],
  ...over,
})

test('answers tensors by column name, echoes the id, and numbers the rows of a named request', async () => {
  const { status, body } = await f.post('/v2/models/sum/infer', json())
  expect(status).toBe(200)
  expect(body).toEqual({
    model_name: 'sum',
    model_version: '4',
    id: 'req-1',
    parameters: { version: 4, route: 'live' },
    outputs: [{ name: 'value', datatype: 'FP64', shape: [2], data: [112, 5] }],
  })
  const block = (await logged<PredictionBlock>(f.store, 'predictions')).at(-1)
  expect(block?.ids).toEqual(['req-1:0', 'req-1:1'])
})

test('gives the outputs that are asked for', async () => {
  const { body } = await f.post(
    '/v2/models/sum/infer',
    json({ outputs: [{ name: 'id' }, { name: 'value' }] }),
  )
  expect(body.outputs.map((o: { name: string; data: unknown }) => [o.name, o.data])).toEqual([
    ['id', ['req-1:0', 'req-1:1']],
    ['value', [112, 5]],
  ])
})

test('takes binary tensors and answers in binary where asked, with the same numbers as JSON', async () => {
  const blobs = [
    encodeBinary('FP32', [9, Number.NaN]),
    encodeBinary('BOOL', [true, false]),
    encodeBinary('BYTES', ['ATL', 'Zürich']),
  ]
  const head = Buffer.from(
    JSON.stringify({
      inputs: ['hour', 'weekend', 'origin'].map((name, i) => ({
        name,
        datatype: ['FP32', 'BOOL', 'BYTES'][i],
        shape: [2],
        parameters: { binary_data_size: blobs[i].length },
      })),
      outputs: [{ name: 'value', parameters: { binary_data: true } }],
    }),
  )
  const answer = await fetch(`${f.url}/v2/models/sum/infer`, {
    method: 'POST',
    body: Buffer.concat([head, ...blobs]),
    headers: {
      'Inference-Header-Content-Length': String(head.length),
      'content-type': 'application/octet-stream',
    },
  })
  expect(answer.status).toBe(200)
  const length = Number(answer.headers.get('inference-header-content-length'))
  const bytes = Buffer.from(await answer.arrayBuffer())
  const info = JSON.parse(bytes.subarray(0, length).toString())
  expect(info.outputs[0]).toEqual({
    name: 'value',
    datatype: 'FP64',
    shape: [2],
    parameters: { binary_data_size: 16 },
  })
  expect(decodeBinary('FP64', bytes.subarray(length))).toEqual([112, 5])
})

test('every datatype survives its bytes', () => {
  const values: Record<string, (number | boolean | string)[]> = {
    FP32: [1.5, -0.25],
    FP64: [Math.PI, -1e300],
    INT8: [-128, 127],
    INT16: [-32768, 32767],
    INT32: [-2147483648, 2147483647],
    INT64: [-(2 ** 53 - 1), 2 ** 53 - 1],
    UINT8: [0, 255],
    UINT16: [0, 65535],
    UINT32: [0, 4294967295],
    UINT64: [0, 2 ** 53 - 1],
    BOOL: [true, false],
    BYTES: ['', 'ünïcode 😀'],
  }
  for (const [datatype, data] of Object.entries(values))
    expect(decodeBinary(datatype, encodeBinary(datatype, data))).toEqual(data)
})

test('the byte order is little-endian, as the extension says', () => {
  expect([...encodeBinary('INT32', [1])]).toEqual([1, 0, 0, 0])
  expect([...encodeBinary('BYTES', ['ab'])]).toEqual([2, 0, 0, 0, 0x61, 0x62])
})

test('one tensor of all columns is taken in the order of the signature', async () => {
  const inputs = [
    {
      name: 'input-0',
      datatype: 'FP32',
      shape: [2, 2],
      data: [
        [0.1, 2],
        [0.3, 4],
      ],
    },
  ]
  const { body } = await f.post('/v2/models/wide/infer', { inputs })
  expect(body.outputs[0].data[0]).toBeCloseTo(0.3)
  expect(body.outputs[1]).toEqual({ name: 'label', datatype: 'BOOL', shape: [2], data: [false, true] })
})

test('metadata, readiness and the server say what they are', async () => {
  expect((await f.get('/v2')).body).toMatchObject({
    name: 'millrace',
    extensions: expect.arrayContaining(['binary_tensor_data']),
  })
  expect((await f.get('/v2/models/sum')).body).toEqual({
    name: 'sum',
    versions: ['4'],
    platform: 'millrace_linear',
    inputs: [
      { name: 'hour', datatype: 'FP64', shape: [-1] },
      { name: 'weekend', datatype: 'BOOL', shape: [-1] },
      { name: 'origin', datatype: 'BYTES', shape: [-1] },
    ],
    outputs: [
      { name: 'value', datatype: 'FP64', shape: [-1] },
      { name: 'id', datatype: 'BYTES', shape: [-1] },
      { name: 'member', datatype: 'BYTES', shape: [-1] },
    ],
  })
  expect((await f.get('/v2/models/sum/ready')).body).toEqual({ name: 'sum', ready: true })
  expect((await f.get('/v2/models/sum/versions/4/ready')).status).toBe(200)
  expect((await f.get('/v2/models/none/ready')).status).toBe(404)
  expect((await f.get('/v2/health/live')).body).toEqual({ live: true })
  expect((await f.get('/v2/health/ready')).body).toEqual({ ready: true })
})

test('explains rows and tensors with parts that add up', async () => {
  const plain = await f.post('/v2/models/sum/explain', { row: { hour: 3, weekend: false, origin: 'A' } })
  const tensors = await f.post('/v2/models/sum/explain', json())
  for (const answer of [...plain.body.explanations, ...tensors.body.explanations]) {
    const { base, contributions, raw, residual } = answer.explanation
    expect(
      base +
        contributions.reduce((sum: number, c: { contribution: number }) => sum + c.contribution, 0) +
        residual,
    ).toBe(raw)
  }
  const asked = await f.post('/predict/sum?explain=1', { hour: 3, weekend: false, origin: 'A' })
  expect(asked.body).toMatchObject({ output: 4, explanation: { raw: 4, output: 4 } })
})

const TENSOR = { name: 'hour', datatype: 'FP64', shape: [1], data: [1] }
const refusals: [string, object, string, RegExp][] = [
  ['an unknown datatype', { inputs: [{ ...TENSOR, datatype: 'FP8' }] }, 'MR_SERVE_TENSOR', /datatype/],
  [
    'data that are not as many as the shape says',
    { inputs: [{ ...TENSOR, shape: [3] }] },
    'MR_SERVE_TENSOR',
    /3 elements/,
  ],
  ['a shape that is none', { inputs: [{ ...TENSOR, shape: [-1] }] }, 'MR_SERVE_TENSOR', /whole numbers/],
  [
    'tensors of different length',
    { inputs: [TENSOR, { name: 'origin', datatype: 'BYTES', shape: [2], data: ['a', 'b'] }] },
    'MR_SERVE_TENSOR',
    /shape \[1\]/,
  ],
  ['numbers for a text column', { inputs: [{ ...TENSOR, name: 'origin' }] }, 'MR_SERVE_TENSOR', /BYTES/],
  ['no inputs', { inputs: [] }, 'MR_SERVE_BODY', /inputs/],
  [
    'more binary bytes than there are',
    { inputs: [{ name: 'hour', datatype: 'FP64', shape: [1], parameters: { binary_data_size: 8 } }] },
    'MR_SERVE_TENSOR',
    /0 bytes/,
  ],
  [
    'an output that the model does not have',
    { inputs: [TENSOR], outputs: [{ name: 'score' }] },
    'MR_SERVE_TENSOR',
    /outputs/,
  ],
]
test.each(refusals)('refuses %s, readable by clients of the protocol', async (_, body, code, detail) => {
  const answer = await f.post('/v2/models/sum/infer', body)
  expect(answer.body).toMatchObject({
    code,
    status: 400,
    detail: expect.stringMatching(detail),
    error: expect.stringContaining(code),
  })
})
