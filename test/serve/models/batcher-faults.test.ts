/** What goes wrong in a batch touches nobody else, and what nobody waits for is not waited for. */
import { expect, test } from 'vitest'
import { MillraceError } from '../../../src/core/errors.ts'
import { TensorBatcher } from '../../../src/serve/models/tensor-batcher.ts'
import type { Tensors } from '../../../src/serve/models/tensor-model.ts'

const options = { model: 'm', hasRows: true, rowsMax: 256, queueRowsMax: 1_000, concurrency: 1 }
const row = (value: number): Tensors => ({
  x: { type: 'float32', dims: [1, 1], data: Float32Array.of(value) },
})
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Answers its input; refuses a batch that holds a negative number, as a graph refuses an index out of range. */
async function picky({ x }: Tensors): Promise<Tensors> {
  await sleep(2)
  if ((x.data as Float32Array).some((value) => value < 0))
    throw new MillraceError('MR_ONNX_RUN', { id: 'm', message: 'indices element out of data bounds' })
  return { y: x }
}

test('a request that the model cannot answer fails alone, whatever it was put together with', async () => {
  const batcher = new TensorBatcher({ ...options, run: picky })
  const asks = Array.from({ length: 30 }, (_, i) =>
    batcher.infer({ feeds: row(i === 17 ? -1 : i), rows: 1 }).then(
      ({ outputs }) => (outputs.y.data as Float32Array)[0],
      (error: MillraceError) => error.code,
    ),
  )
  expect(await Promise.all(asks)).toEqual(
    Array.from({ length: 30 }, (_, i) => (i === 17 ? 'MR_ONNX_RUN' : i)),
  )
})

test('a deadline that passes in the queue is said when it passes, not when the model is free', async () => {
  let free: () => void = () => undefined
  const isFree = new Promise<void>((resolve) => {
    free = resolve
  })
  const batcher = new TensorBatcher({
    ...options,
    run: async ({ x }) => {
      await isFree
      return { y: x }
    },
  })
  const first = batcher.infer({ feeds: row(1), rows: 1 })
  await sleep(10)
  const from = performance.now()
  while (performance.now() - from < 20); // so that the timer counts from well before
  const asked = [-1, 0.5, 5, 30].map((ms) =>
    batcher.infer({ feeds: row(2), rows: 1, deadlineMs: performance.now() + ms }),
  )
  const ended = await Promise.allSettled(asked)
  expect(ended.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(
    Array(4).fill('MR_SERVE_DEADLINE'),
  )
  free()
  expect((await first).outputs.y.data).toEqual(Float32Array.of(1))
})

test('a client that went away leaves the queue at once, and with it the place it took there', async () => {
  const batcher = new TensorBatcher({
    ...options,
    queueRowsMax: 1,
    run: async ({ x }) => {
      await sleep(200)
      return { y: x }
    },
  })
  const first = batcher.infer({ feeds: row(1), rows: 1 })
  await sleep(10)
  const gone = new AbortController()
  const left = batcher.infer({ feeds: row(2), rows: 1, signal: gone.signal })
  left.catch(() => undefined)
  expect(() => batcher.infer({ feeds: row(3), rows: 1 })).toThrow('MR_SERVE_BUSY')
  gone.abort()
  const third = batcher.infer({ feeds: row(3), rows: 1 })
  await expect(left).rejects.toMatchObject({ code: 'MR_CANCELLED' })
  expect((await third).outputs.y.data).toEqual(Float32Array.of(3))
  await first
})

test('no call is made so long that its thread would be taken for stuck: the first is one request, the others as many rows as end in time', async () => {
  const sizes: number[] = []
  const batcher = new TensorBatcher({
    ...options,
    callMsMax: 200,
    run: async ({ x }) => {
      sizes.push(x.dims[0])
      await sleep(20 * x.dims[0])
      return { y: x }
    },
  })
  await Promise.all(Array.from({ length: 40 }, (_, i) => batcher.infer({ feeds: row(i), rows: 1 })))
  expect(sizes[0]).toBe(1)
  expect(Math.max(...sizes.slice(0, 3))).toBeLessThanOrEqual(20)
  expect(sizes.reduce((a, b) => a + b)).toBe(40)
})

/** Numbers a thousand times what they are, less what a fold of all rows up to each says. */
const folding =
  (fold: (values: number[], i: number) => number, sizes: number[]) =>
  async ({ x }: Tensors) => {
    sizes.push(x.dims[0])
    await sleep(1)
    const values = [...(x.data as Float32Array)]
    const data = Float32Array.from(values, (value, i) => value - fold(values, i))
    return { y: { ...x, data } }
  }
const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length
const before = (values: number[], i: number) => values[i - 1] ?? 0

test.each([
  ['is averaged over', mean, (i: number) => 1 + (i % 3)],
  ['is time', before, (i: number) => 1 + (i % 3)],
  ['is averaged over, of requests that are all the same', mean, () => 7],
  ['is time, of requests that are all the same', before, () => 7],
  ['is time, of requests of ones', before, () => 1],
])(
  'an open axis that %s is found out before anyone is answered with the rows of others',
  async (_, fold, valueAt) => {
    const sizes: number[] = []
    const batcher = new TensorBatcher({ ...options, isUnproven: true, run: folding(fold, sizes) })
    const asks = Array.from({ length: 20 }, (_, i) => batcher.infer({ feeds: row(valueAt(i)), rows: 1 }))
    const alone = Array.from({ length: 20 }, (_, i) => valueAt(i) - fold([valueAt(i)], 0))
    expect((await Promise.all(asks)).map(({ outputs }) => (outputs.y.data as Float32Array)[0])).toEqual(alone)
    expect(sizes.filter((size) => size > 1)).toEqual([2])
  },
)

test('rows that stay apart are put together once that was seen, also where the sums of kernels differ in their last digits', async () => {
  const sizes: number[] = []
  const batcher = new TensorBatcher({
    ...options,
    isUnproven: true,
    run: async ({ x }) => {
      sizes.push(x.dims[0])
      await sleep(1)
      return { y: { ...x, data: (x.data as Float32Array).map((v) => v * (1 + 1e-6 * x.dims[0])) } }
    },
  })
  await Promise.all(Array.from({ length: 20 }, () => batcher.infer({ feeds: row(7), rows: 1 })))
  expect(sizes.slice(0, 2)).toEqual([1, 2])
  expect(Math.max(...sizes)).toBeGreaterThan(2)
})
