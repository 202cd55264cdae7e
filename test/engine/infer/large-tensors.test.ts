/** Inputs large enough that their memory is used again: no call may see those of another. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SPARE_LIMITS } from '../../../src/core/spare-buffers.ts'
import { type Onnx, type OnnxTensor, openOnnx } from '../../../src/engine/infer/onnx.ts'
import { TensorBatcher } from '../../../src/serve/models/tensor-batcher.ts'
import { FLOAT, INT64, initializer, input, model, node, output } from './onnx-bytes.ts'

const WIDTH = SPARE_LIMITS.bytesMin / 4
let onnx: Onnx
beforeAll(async () => {
  onnx = await openOnnx({ workers: 2 })
  const add = model(
    node('Add', ['x', 'one'], ['y']),
    initializer('one', FLOAT, [1], Float32Array.of(1)),
    input('x', FLOAT, ['rows', WIDTH]),
    output('y', FLOAT, ['rows', WIDTH]),
  )
  // fails for every place but 0 and 1
  const at = model(
    node('Gather', ['t', 'p'], ['y']),
    initializer('t', FLOAT, [2], Float32Array.of(5, 6)),
    input('p', INT64, ['n']),
    output('y', FLOAT, ['n']),
  )
  await onnx.load(add, { id: 'add', replicas: 2 })
  await onnx.load(at, { id: 'at', replicas: 2 })
})
afterAll(() => onnx.close())

const rowsOf = (value: number, rows: number): Record<string, OnnxTensor> => ({
  x: { type: 'float32', dims: [rows, WIDTH], data: new Float32Array(rows * WIDTH).fill(value) },
})
const holdsOnly = ({ data }: OnnxTensor, value: number) =>
  (data as Float32Array).every((x) => x === value) ? value : [...new Set(data as Float32Array)]

test('calls at once over two threads each get their own, of changing sizes, while others fail', async () => {
  const ask = async (i: number) => {
    const feeds = rowsOf(i, 1 + (i % 3))
    const { y } = await onnx.run('add', feeds)
    expect([y.dims[0], holdsOnly(y, i + 1)]).toEqual([1 + (i % 3), i + 1])
    expect(holdsOnly(feeds.x, i)).toBe(i)
  }
  const fail = async (i: number) => {
    const data = new BigInt64Array(WIDTH).fill(BigInt(i + 2))
    await expect(onnx.run('at', { p: { type: 'int64', dims: [WIDTH], data } })).rejects.toThrow(/MR_ONNX_RUN/)
  }
  for (let round = 0; round < 4; round++)
    await Promise.all(Array.from({ length: 24 }, (_, i) => (i % 6 === 5 ? fail(i) : ask(100 * round + i))))
})

test('so do requests that were put together', async () => {
  const batcher = new TensorBatcher({
    model: 'add',
    run: (feeds) => onnx.run('add', feeds),
    hasRows: true,
    rowsMax: 8,
    queueRowsMax: 1_000,
    concurrency: 2,
    isStatic: true,
    delayMs: 1,
  })
  for (let round = 0; round < 4; round++)
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const { outputs } = await batcher.infer({ feeds: rowsOf(i, 1 + (i % 2)), rows: 1 + (i % 2) })
        expect(holdsOnly(outputs.y, i + 1)).toBe(i + 1)
      }),
    )
  expect(batcher.control.cost.points().some(({ rows }) => rows > 1)).toBe(true)
})
