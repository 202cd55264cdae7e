import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { type NetworkKernels, openWorkshop } from '../../../src/model/network/kernels.ts'
import { EXP_FRACTIONS } from '../../../src/stats/exp.ts'

const FRACTIONS_AT = 400_000

/** Runs the same calls on both kinds of kernel over the same random memory, and gives both memories. */
function onBoth(seed: number, work: (kernels: NetworkKernels) => void): [Float32Array, Float32Array] {
  const run = (kind: 'wasm' | 'js') => {
    const { kernels, floats, buffer, ranOn } = openWorkshop(FRACTIONS_AT + 512, kind)
    expect(ranOn).toBe(kind)
    const rng = seededRng(seed)
    for (let i = 0; i < FRACTIONS_AT / 4; i++) floats[i] = rng.normal() * (rng.next() < 0.05 ? 1e-32 : 1)
    new Float64Array(buffer, FRACTIONS_AT, 64).set(EXP_FRACTIONS)
    work(kernels)
    return floats.slice(0, FRACTIONS_AT / 4)
  }
  return [run('wasm'), run('js')]
}

function expectSameBits(a: Float32Array, b: Float32Array): void {
  expect(Array.from(a.keys()).filter((i) => !Object.is(a[i], b[i]))).toEqual([])
}

test('products have the same bits from WebAssembly and from plain loops, for any size', () => {
  for (const [m, n, k] of [
    [1, 4, 1],
    [3, 4, 7],
    [4, 8, 16],
    [37, 20, 33],
    [256, 64, 5],
    [5, 12, 0],
  ]) {
    const [wasm, js] = onBoth(m, (kernels) => {
      kernels.multiply(16, 4 * k, 4, 80_000, 4 * n, 64, 120_000, 4 * n, m, n, k)
      kernels.multiply(16, 4, 4 * m, 80_000, 4 * n, 0, 200_000, 4 * n, m, n, k)
    })
    expectSameBits(wasm, js)
  }
})

test('a product is the sum over k, rounded to float32 at each step, from the bias on', () => {
  const { kernels, floats } = openWorkshop(4096)
  floats.set([1, 2, 3, 4, 5, 6], 4) // a: two rows of three
  floats.set([1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1], 16) // b: three rows of four
  floats.set([10, 20, 30, 2 ** 24], 32)
  kernels.multiply(16, 12, 4, 64, 16, 128, 256, 16, 2, 4, 3)
  // 2^24 + 1 is not a float32: added one by one, 1 + 2 + 3 leaves 2^24 + 4 where the exact sum is 2^24 + 6; so with 4 + 5 + 6.
  expect(Array.from(floats.subarray(64, 72))).toEqual([11, 22, 33, 2 ** 24 + 4, 14, 25, 36, 2 ** 24 + 14])
})

test('activations, their slopes and steps of both optimisers have the same bits', () => {
  const [wasm, js] = onBoth(9, (kernels) => {
    kernels.relu(0, 40_000, 1000)
    kernels.reluSlopes(50_000, 0, 1000)
    kernels.gelu(0, 60_000, 1000, FRACTIONS_AT)
    kernels.geluSlopes(70_000, 0, 1000, FRACTIONS_AT)
    kernels.sumRows(0, 64, 300, 16, 100_000)
    kernels.transpose(0, 12, 20, 110_000)
    kernels.relu(200_000, 200_000, 400)
    kernels.adam(120_000, 130_000, 140_000, 200_000, 400, 0.9, 0.999, 1e-3, 1e-8, 1e-4)
    kernels.descend(150_000, 160_000, 170_000, 400, 0.9, 0.1, 1e-4)
  })
  expectSameBits(wasm, js)
})

/** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) and its derivative by Python's math module, for the inputs of the test. */
const GELU: [number, number, number][] = [
  [-3, -0.0036373920817729943, -0.011584166630969516],
  [-1, -0.15880800939172324, -0.08296408384578255],
  [-0.25, -0.100324649298315, 0.30464590484893955],
  [0, 0, 0.5],
  [0.5, 0.34571400982514394, 0.8673699035346424],
  [1, 0.8411919906082768, 1.0829640838457826],
  [2.5, 2.484915733910001, 1.037951576212666],
  [4, 3.9999297540518075, 1.000335123197122],
]

test('gelu and its slope are those of the formula with tanh', () => {
  const { kernels, floats, buffer } = openWorkshop(4096)
  new Float64Array(buffer, 2048, 64).set(EXP_FRACTIONS)
  floats.set(
    GELU.map(([x]) => x),
    4,
  )
  floats.fill(1, 64, 72)
  kernels.gelu(16, 128, 8, 2048)
  kernels.geluSlopes(256, 16, 8, 2048)
  GELU.forEach(([, value, slope], i) => {
    expect(floats[32 + i]).toBeCloseTo(value, 6)
    expect(floats[64 + i]).toBeCloseTo(slope, 6)
  })
})
