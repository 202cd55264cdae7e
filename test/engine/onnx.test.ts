import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Onnx,
  type OnnxOptions,
  type OnnxTensor,
  openOnnx,
  requireRuntime,
} from '../../src/engine/infer/onnx.ts'
import { fails } from '../contract/query.ts'
import { logistic, slow } from './infer/onnx-bytes.ts'

const W = [0.5, -1.25, 2]
const B = 0.1
const expected = (rows: number[][]) =>
  rows.map((row) => 1 / (1 + Math.exp(-(row.reduce((sum, v, i) => sum + v * W[i]!, 0) + B))))
const feed = (rows: number[][]): Record<string, OnnxTensor> => ({
  x: { type: 'float32', dims: [rows.length, 3], data: Float32Array.from(rows.flat()) },
})

let onnx: Onnx
const open = async (options: Partial<OnnxOptions> = {}) => {
  onnx = await openOnnx({ workers: 1, ...options })
  return onnx
}
afterEach(() => onnx?.close())

async function expectScores(id: string, rows: number[][]): Promise<void> {
  const { y } = await onnx.run(id, feed(rows))
  const got = [...(y!.data as Float32Array)]
  expect(y!.dims).toEqual([rows.length, 1])
  for (const [i, value] of expected(rows).entries()) expect(got[i]).toBeCloseTo(value, 6)
}

describe('ONNX models in worker threads', () => {
  it('tell their signature and score batches of any size', async () => {
    await open({ workers: 2 })
    const signature = await onnx.load(logistic(W, B), { id: 'late', replicas: 2 })
    expect(signature).toEqual({
      inputs: [{ name: 'x', type: 'float32', shape: ['rows', 3] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['rows', 1] }],
    })
    const rows = Array.from({ length: 50 }, (_, i) => [i / 10, -i, i % 3])
    await Promise.all([
      expectScores('late', rows),
      expectScores('late', rows.slice(0, 1)),
      expectScores('late', [[0, 0, 0]]),
    ])
  })

  it('leave the arrays of the caller alone, shared ones too', async () => {
    await open()
    await onnx.load(Buffer.from(logistic(W, B)), { id: 'late' })
    const shared = new Float32Array(new SharedArrayBuffer(12))
    shared.set([1, 2, 3])
    await onnx.run('late', { x: { type: 'float32', dims: [1, 3], data: shared } })
    expect([...shared]).toEqual([1, 2, 3])
    await expectScores('late', [[1, 2, 3]])
  })

  it('are replaced, forgotten, and unknown afterwards', async () => {
    await open()
    await onnx.load(logistic([0, 0, 0], 0), { id: 'late' })
    await onnx.load(logistic(W, B), { id: 'late' })
    await expectScores('late', [[1, 1, 1]])
    await onnx.unload('late')
    await onnx.unload('late')
    await fails(onnx.run('late', feed([[1, 1, 1]])), 'MR_ONNX_UNKNOWN')
  })

  it('refuse inputs that do not fit, naming the input', async () => {
    await open()
    await onnx.load(logistic(W, B), { id: 'late' })
    const x = feed([[1, 2, 3]]).x!
    const wrongs: Record<string, OnnxTensor>[] = [
      {},
      { x, z: x },
      { x: { ...x, type: 'float64' } },
      { x: { ...x, dims: [3] } },
      { x: { ...x, dims: [1, 4] } },
      { x: { ...x, dims: [2, 3] } },
      { x: { ...x, data: Float64Array.of(1, 2, 3) } },
    ]
    for (const wrong of wrongs) {
      await fails(onnx.run('late', wrong), 'MR_ONNX_INPUT')
    }
    await expectScores('late', [[1, 2, 3]])
  })

  it('are refused when their bytes are not a model, or memory does not suffice', async () => {
    await open({ memoryMb: 1 })
    await fails(onnx.load(new TextEncoder().encode('no model'), { id: 'bad' }), 'MR_ONNX_LOAD')
    await fails(onnx.run('bad', {}), 'MR_ONNX_UNKNOWN')
    for (let i = 0; i < 5; i++) await onnx.load(logistic(W, B), { id: `m${i}` })
    await fails(onnx.load(logistic(W, B), { id: 'm5' }), 'MR_ONNX_MEMORY')
    await onnx.unload('m4')
    await onnx.load(logistic(W, B), { id: 'm5' })
    await expectScores('m0', [[1, 2, 3]])
  })

  it('cost only their own requests when one is stuck: its thread is replaced within a second', async () => {
    await open({ stuckMs: 400 })
    await onnx.load(logistic(W, B), { id: 'late' })
    await onnx.load(slow(1_500_000), { id: 'stuck' })
    const from = performance.now()
    const stuck = fails(
      onnx.run('stuck', { x: { type: 'float32', dims: [], data: Float32Array.of(0) } }),
      'MR_ONNX_WORKER',
    )
    const behind = fails(onnx.run('late', feed([[1, 2, 3]])), 'MR_ONNX_WORKER')
    await Promise.all([stuck, behind])
    expect(performance.now() - from).toBeLessThan(1_400)
    await expectScores('late', [[1, 2, 3]])
  })

  it('refuse more requests than a thread takes', async () => {
    await open()
    await onnx.load(logistic(W, B), { id: 'late' })
    const crowd = await Promise.allSettled(
      Array.from({ length: 1100 }, () => onnx.run('late', feed([[1, 2, 3]]))),
    )
    const refused = crowd.filter((one) => one.status === 'rejected')
    expect(refused.length).toBe(1100 - 1024)
    expect(refused[0]!.reason).toMatchObject({ code: 'MR_ONNX_BUSY' })
  })

  it('say how to install the runtime when it is absent', async () => {
    const error = await fails(
      Promise.resolve().then(() => requireRuntime('onnxruntime-not-there')),
      'MR_ONNX_ABSENT',
    )
    expect(error).toMatchObject({
      fix: 'npm install onnxruntime-node@1.30.0 --onnxruntime-node-install=skip',
    })
  })
})

const mnist = join(import.meta.dirname, '../../../shared/data/mnist-t10k')
it('reads digits as well as the model is known to', async ({ skip }) => {
  if (!existsSync(mnist)) {
    console.log('skipped: ../shared/data/mnist-t10k is absent')
    skip()
  }
  await open()
  const { inputs, outputs } = await onnx.load(readFileSync(join(mnist, 'mnist.onnx')), { id: 'mnist' })
  const images = gunzipSync(readFileSync(join(mnist, 't10k-images-idx3-ubyte.gz'))).subarray(16)
  const labels = gunzipSync(readFileSync(join(mnist, 't10k-labels-idx1-ubyte.gz'))).subarray(8)
  const n = 200
  const right = await Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const data = Float32Array.from(images.subarray(i * 784, (i + 1) * 784))
      const scores = await onnx.run('mnist', {
        [inputs[0]!.name]: { type: 'float32', dims: [1, 1, 28, 28], data },
      })
      const digits = [...(scores[outputs[0]!.name]!.data as Float32Array)]
      return digits.indexOf(Math.max(...digits)) === labels[i]
    }),
  )
  expect(right.filter(Boolean).length / n).toBeGreaterThanOrEqual(0.98)
})
