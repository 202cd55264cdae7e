import { afterEach, describe, expect, it } from 'vitest'
import { BLOCKING_MS, CHEAP_MS, CheapCalls, DEAR_MS } from '../../../src/engine/infer/cheap-calls.ts'
import { type Onnx, type OnnxTensor, openOnnx } from '../../../src/engine/infer/onnx.ts'
import { isBounded } from '../../../src/model/import/onnx-bounded.ts'
import { describeOnnx } from '../../../src/model/import/onnx-describe.ts'
import { readOnnxFile } from '../../../src/model/import/onnx-file.ts'
import { fails } from '../../contract/query.ts'
import { logistic, slow } from './onnx-bytes.ts'

const CHEAP = CHEAP_MS / 2
const WINDOW = 32
const times = (n: number, work: () => void) => {
  for (let i = 0; i < n; i++) work()
}
/** Cheap for calls of `elements`. */
const proven = (elements: number) => {
  const calls = new CheapCalls()
  times(WINDOW, () => calls.addAway(elements, CHEAP))
  return calls
}

describe('calls that are cheap', () => {
  it('are so only after a window of them was measured in a worker, for their size and smaller ones', () => {
    const calls = new CheapCalls()
    times(WINDOW - 1, () => calls.addAway(64, CHEAP))
    expect(calls.isCheap(1)).toBe(false)
    expect(calls.addAway(64, CHEAP)).toBe(true)
    expect([1, 33, 64, 65, 4096].map((n) => calls.isCheap(n))).toEqual([true, true, true, false, false])
  })

  it('are not so where most of the window is slow, whatever its fastest took', () => {
    const calls = new CheapCalls()
    times(1_000, () => {
      calls.addAway(64, CHEAP)
      calls.addAway(64, 2 * CHEAP_MS)
      calls.addAway(64, 2 * CHEAP_MS)
    })
    expect(calls.isCheap(64)).toBe(false)
  })

  it('stay so when the machine takes the core away now and then', () => {
    const calls = proven(64)
    times(500, () => {
      times(9, () => calls.addHere(64, CHEAP))
      calls.addHere(64, BLOCKING_MS / 2)
    })
    expect(calls.isCheap(64)).toBe(true)
  })

  it('stay so between the two bounds, so that a model does not go to and fro', () => {
    const calls = proven(64)
    times(500, () => calls.addHere(64, (CHEAP_MS + DEAR_MS) / 2))
    expect(calls.isCheap(64)).toBe(true)
  })

  it('go back once most of them are dear, with all sizes above, and smaller ones stay', () => {
    const calls = proven(1024)
    let n = 0
    while (calls.isCheap(256) && n < WINDOW) {
      calls.addHere(256, 2 * DEAR_MS)
      n++
    }
    expect(n).toBeLessThan(WINDOW)
    expect([128, 256, 1024].map((size) => calls.isCheap(size))).toEqual([true, false, false])
  })

  it('go back at once when one of them blocks, and return as they came: the machine may have blocked it', () => {
    const calls = proven(64)
    expect(calls.addHere(64, BLOCKING_MS)).toBe(true)
    expect(calls.isCheap(64)).toBe(false)
    times(WINDOW, () => calls.addAway(64, CHEAP))
    expect(calls.isCheap(64)).toBe(true)
  })

  it('need four times as many calls to return once they were dear, each time', () => {
    const calls = proven(64)
    for (const needed of [4 * WINDOW, 16 * WINDOW]) {
      while (!calls.addHere(64, 2 * DEAR_MS));
      times(needed - 1, () => calls.addAway(64, CHEAP))
      expect(calls.isCheap(64)).toBe(false)
      calls.addAway(64, CHEAP)
      expect(calls.isCheap(64)).toBe(true)
    }
  })
})

describe('a graph is bounded', () => {
  const bounded = (bytes: Uint8Array) => isBounded(describeOnnx(readOnnxFile(bytes)))

  it('where sizes say what it computes, and not where a value does', () => {
    expect(bounded(logistic([1, 2, 3], 0))).toBe(true)
    expect(bounded(slow())).toBe(false)
    expect(bounded(slow(10))).toBe(false)
  })

  it('by operators of the standard only', () => {
    expect(
      isBounded({
        operators: [
          ['Gemm', 1],
          ['com.microsoft.FusedGemm', 1],
        ],
      }),
    ).toBe(false)
    expect(
      isBounded({
        operators: [
          ['ai.onnx.ml.TreeEnsembleClassifier', 1],
          ['Cast', 2],
        ],
      }),
    ).toBe(true)
  })
})

describe('cheap models on the thread that asks', () => {
  const W = [0.5, -1.25, 2]
  const rows = (n: number, from = 0): Record<string, OnnxTensor> => ({
    x: {
      type: 'float32',
      dims: [n, 3],
      data: Float32Array.from({ length: n * 3 }, (_, i) => (from + i) / 7),
    },
  })
  let onnx: Onnx
  afterEach(() => onnx.close())

  /** Asks until the model runs here. Fails when it never does. */
  const untilHere = async (id: string) => {
    for (let i = 0; i < 20 * WINDOW && !onnx.runsInline(id); i++) await onnx.run(id, rows(1, i))
    expect(onnx.runsInline(id)).toBe(true)
  }

  it('give the same bits as a worker gives, also while they move, and to many at once', async () => {
    onnx = await openOnnx({ workers: 1 })
    await onnx.load(logistic(W, 0.1), { id: 'here', isBounded: true })
    await onnx.load(logistic(W, 0.1), { id: 'away' })
    await untilHere('here')
    const asked = Array.from({ length: 50 }, (_, i) => rows(1, i))
    const [here, away] = await Promise.all(
      ['here', 'away'].map((id) => Promise.all(asked.map((feeds) => onnx.run(id, feeds)))),
    )
    expect(here).toEqual(away)
    expect(onnx.runsInline('away')).toBe(false)
  })

  it('leave the arrays of the caller alone, shared ones too', async () => {
    onnx = await openOnnx({ workers: 1 })
    await onnx.load(logistic(W, 0.1), { id: 'm', isBounded: true })
    await untilHere('m')
    const shared = new Float32Array(new SharedArrayBuffer(12))
    shared.set([1, 2, 3])
    const own = Float32Array.of(1, 2, 3)
    const [a, b] = await Promise.all(
      [shared, own].map((data) => onnx.run('m', { x: { type: 'float32', dims: [1, 3], data } })),
    )
    expect(a).toEqual(b)
    expect([...shared, ...own]).toEqual([1, 2, 3, 1, 2, 3])
  })

  it('are not moved where that is switched off, or the model is not said to be bounded', async () => {
    onnx = await openOnnx({ workers: 1, inline: false })
    await onnx.load(logistic(W, 0.1), { id: 'm', isBounded: true })
    for (let i = 0; i < 3 * WINDOW; i++) await onnx.run('m', rows(1, i))
    expect(onnx.runsInline('m')).toBe(false)
  })

  it('are let go by unloading, also in the middle of calls, and by loading another under the name', async () => {
    onnx = await openOnnx({ workers: 1 })
    await onnx.load(logistic(W, 0.1), { id: 'm', isBounded: true })
    await untilHere('m')
    const asked = Array.from({ length: 20 }, (_, i) => onnx.run('m', rows(1, i)))
    await onnx.unload('m')
    expect((await Promise.all(asked)).length).toBe(20)
    await fails(onnx.run('m', rows(1)), 'MR_ONNX_UNKNOWN')
    await onnx.load(logistic([0, 0, 0], 0), { id: 'm', isBounded: true })
    expect([...(await onnx.run('m', rows(1))).y!.data]).toEqual([0.5])
    await untilHere('m')
    expect([...(await onnx.run('m', rows(1))).y!.data]).toEqual([0.5])
  })

  it('refuse the same inputs by the same codes', async () => {
    onnx = await openOnnx({ workers: 1 })
    await onnx.load(logistic(W, 0.1), { id: 'm', isBounded: true })
    await untilHere('m')
    const wrong = { x: { type: 'float32', dims: [1, 2], data: Float32Array.of(1, 2) } }
    await fails(onnx.run('m', wrong), 'MR_ONNX_INPUT')
  })
})
