import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CostCurve } from '../../../src/serve/models/cost-curve.ts'
import { TensorBatcher } from '../../../src/serve/models/tensor-batcher.ts'
import type { Tensors } from '../../../src/serve/models/tensor-model.ts'
import { arrayOfJson, decodeBinary, encodeBinary, jsonOf } from '../../../src/serve/oip/datatypes.ts'
import { fromHalf, toHalf } from '../../../src/serve/oip/half.ts'

describe('half-precision numbers', () => {
  test('every half survives', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const x = fromHalf(bits)
      if (!Number.isNaN(x)) expect(toHalf(x)).toBe(bits)
    }
  })

  // IEEE 754-2008: 65504 is the largest half, 2^-24 the smallest, ties go to even
  test.each([
    [65504, 0x7bff],
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1 / 3, 0x3555],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1.5 * 2 ** -24, 0x0002],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [-0, 0x8000],
    [Number.NEGATIVE_INFINITY, 0xfc00],
    [2 ** -14 - 2 ** -26, 0x0400],
  ])('%d is %d', (x, bits) => {
    expect(toHalf(x)).toBe(bits)
  })

  test('the nearest one is taken', () => {
    fc.assert(
      fc.property(fc.double({ min: -65000, max: 65000, noNaN: true }), (x) => {
        const bits = toHalf(x)
        const off = Math.abs(fromHalf(bits) - x)
        for (const near of [bits - 1, bits + 1])
          if ((near & 0x7fff) < 0x7c00 && near >= 0)
            expect(off).toBeLessThanOrEqual(Math.abs(fromHalf(near) - x))
      }),
    )
  })
})

describe('datatypes', () => {
  test('whole numbers out of range, halves of numbers, and texts among numbers are found with their place', () => {
    expect(arrayOfJson('UINT8', [0, 255, 256])).toEqual({ wrongAt: 2 })
    expect(arrayOfJson('INT32', [1, 1.5])).toEqual({ wrongAt: 1 })
    expect(arrayOfJson('FP32', [1, '2'])).toEqual({ wrongAt: 1 })
    expect(arrayOfJson('BYTES', ['a', 1])).toEqual({ wrongAt: 1 })
    expect(arrayOfJson('BOOL', [true, 0, 2])).toEqual({ wrongAt: 2 })
    expect(arrayOfJson('INT64', [2 ** 53])).toEqual(BigInt64Array.of(2n ** 53n))
    expect(arrayOfJson('INT64', [2 ** 64])).toEqual({ wrongAt: 0 })
  })

  test('JSON keeps all digits of whole numbers, and has no infinities', () => {
    expect(jsonOf('INT64', BigInt64Array.of(2n ** 62n, -1n))).toBe('[4611686018427387904,-1]')
    expect(jsonOf('FP32', Float32Array.of(0.5, Number.NaN, Number.POSITIVE_INFINITY))).toBe('[0.5,null,null]')
    expect(jsonOf('BOOL', Uint8Array.of(1, 0))).toBe('[true,false]')
    expect(jsonOf('FP16', Uint16Array.of(0x3c00))).toBe('[1]')
  })

  test('bytes at any place of a larger buffer are read, and texts that are no UTF-8 are not', () => {
    const bytes = encodeBinary('FP64', [1.5, -2])
    const shifted = Buffer.concat([Buffer.of(7), bytes]).subarray(1)
    expect(decodeBinary('FP64', shifted)).toEqual([1.5, -2])
    expect(decodeBinary('BYTES', Buffer.from([1, 0, 0, 0, 0xff]))).toBeUndefined()
    expect(decodeBinary('BYTES', Buffer.from([9, 0, 0, 0, 65]))).toBeUndefined()
  })
})

describe('cost curve', () => {
  test('finds the fixed and the row part of what it sees, and follows when they change', () => {
    const curve = new CostCurve()
    for (let i = 0; i < 200; i++) curve.add(1 + (i % 50), 10 + 0.2 * (1 + (i % 50)))
    expect(curve.line().fixedMs).toBeCloseTo(10, 6)
    expect(curve.line().perRowMs).toBeCloseTo(0.2, 6)
    expect(curve.rowsWithin(20)).toBe(50)
    for (let i = 0; i < 600; i++) curve.add(1 + (i % 50), 5 + 0.4 * (1 + (i % 50)))
    expect(curve.line().perRowMs).toBeCloseTo(0.4, 2)
  })

  test('knows nothing at first, and never says that more rows cost less', () => {
    const curve = new CostCurve()
    expect(curve.rowsWithin(1)).toBe(Number.POSITIVE_INFINITY)
    curve.add(1, 10)
    curve.add(50, 5)
    expect(curve.line().perRowMs).toBeGreaterThanOrEqual(0)
    expect(curve.costMs(1)).toBeGreaterThan(0)
  })
})

const tensor = (values: number[], width = 1): Tensors => ({
  x: { type: 'float32', dims: [values.length / width, width], data: Float32Array.from(values) },
})

/** Doubles its input; each call takes some turns of the event loop. */
function doubler(log: number[] = []) {
  return async ({ x }: Tensors): Promise<Tensors> => {
    log.push(x.dims[0])
    await new Promise((resolve) => setTimeout(resolve, 2))
    return { y: { ...x, data: (x.data as Float32Array).map((v) => 2 * v) } }
  }
}

describe('batches of tensors', () => {
  const options = { model: 'm', hasRows: true, rowsMax: 8, queueRowsMax: 1_000, concurrency: 1 }

  test('whatever comes while the model is busy is one batch, each request gets its own rows, and no batch is larger than it may be', async () => {
    const sizes: number[] = []
    const batcher = new TensorBatcher({ ...options, run: doubler(sizes) })
    const asks = Array.from({ length: 40 }, (_, i) =>
      batcher.infer({ feeds: tensor([i, i + 0.5].slice(0, 1 + (i % 2))), rows: 1 + (i % 2) }),
    )
    const answers = await Promise.all(asks)
    answers.forEach(({ outputs }, i) => {
      expect(Array.from(outputs.y.data as Float32Array)).toEqual([2 * i, 2 * i + 1].slice(0, 1 + (i % 2)))
      expect(outputs.y.dims).toEqual([1 + (i % 2), 1])
    })
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8)
    expect(sizes.length).toBeLessThan(12)
    expect(sizes.reduce((a, b) => a + b)).toBe(60)
  })

  test('requests of other widths, and of a model without rows, go alone', async () => {
    const sizes: number[] = []
    const batcher = new TensorBatcher({ ...options, run: doubler(sizes) })
    batcher.control.cost.add(1, 1)
    await Promise.all(
      [1, 2, 1].map((width) => batcher.infer({ feeds: tensor([1, 2], width), rows: 2 / width })),
    )
    expect(sizes.sort()).toEqual([1, 4])
    const alone = new TensorBatcher({ ...options, hasRows: false, run: doubler(sizes) })
    sizes.length = 0
    await Promise.all([1, 2, 3].map((x) => alone.infer({ feeds: tensor([x]), rows: 1 })))
    expect(sizes).toEqual([1, 1, 1])
  })

  test('a model whose outputs do not keep their rows is asked with one request at a time from then on', async () => {
    const sizes: number[] = []
    const sum = async ({ x }: Tensors): Promise<Tensors> => {
      sizes.push(x.dims[0])
      const total = (x.data as Float32Array).reduce((a, b) => a + b, 0)
      return { y: { type: 'float32', dims: [1], data: Float32Array.of(total) } }
    }
    const batcher = new TensorBatcher({ ...options, run: sum })
    const answers = await Promise.all([1, 2, 3].map((x) => batcher.infer({ feeds: tensor([x]), rows: 1 })))
    expect(answers.map(({ outputs }) => (outputs.y.data as Float32Array)[0])).toEqual([1, 2, 3])
    expect(sizes).toEqual([1, 2, 1, 1])
  })

  test('a fault of a batch is the fault of each of its requests, and the next ones are answered', async () => {
    let calls = 0
    const run = async (feeds: Tensors) => {
      if (calls++ === 0) throw new Error('no')
      return await doubler()(feeds)
    }
    const batcher = new TensorBatcher({ ...options, run })
    batcher.control.cost.add(1, 1)
    const failed = await Promise.allSettled([1, 2].map((x) => batcher.infer({ feeds: tensor([x]), rows: 1 })))
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect((await batcher.infer({ feeds: tensor([4]), rows: 1 })).outputs.y.data).toEqual(Float32Array.of(8))
  })

  test('a full queue, a passed deadline and a client that went away each end their own request alone', async () => {
    const batcher = new TensorBatcher({ ...options, queueRowsMax: 3, rowsMax: 1, run: doubler() })
    const gone = new AbortController()
    const ask = (more: object = {}) => batcher.infer({ feeds: tensor([1]), rows: 1, ...more })
    const asks = [ask(), ask({ deadlineMs: performance.now() + 0.01 }), ask({ signal: gone.signal })]
    expect(() => ask()).toThrow(expect.objectContaining({ code: 'MR_SERVE_BUSY' }))
    gone.abort()
    const ended = await Promise.allSettled(asks)
    expect(ended.map((one) => (one.status === 'rejected' ? one.reason.code : 'answered'))).toEqual([
      'answered',
      'MR_SERVE_DEADLINE',
      'MR_CANCELLED',
    ])
    expect((await ask()).outputs.y.dims).toEqual([1, 1])
  })

  test('a stated latency bounds the batch by what was seen, and refuses at once what could not be kept', async () => {
    const sizes: number[] = []
    const batcher = new TensorBatcher({ ...options, rowsMax: 1_000, latencyMs: 20, run: doubler(sizes) })
    for (let i = 0; i < 100; i++) batcher.control.cost.add(1 + (i % 10), 10 + (1 + (i % 10)))
    const asks = Array.from({ length: 60 }, () => {
      try {
        return batcher.infer({ feeds: tensor([1]), rows: 1 }).then(() => 'answered')
      } catch (error) {
        return Promise.resolve((error as { code: string }).code)
      }
    })
    const ended = await Promise.all(asks)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10)
    expect(ended.filter((one) => one === 'MR_SERVE_LATENCY').length).toBeGreaterThan(20)
    expect(ended.filter((one) => one === 'answered').length).toBeGreaterThan(0)
  })
})
