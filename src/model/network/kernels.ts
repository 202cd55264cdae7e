/**
 * Matrix kernels of small networks over plain typed arrays: what `kernels/mlp.ts` compiles to WebAssembly, bit for bit.
 *
 * All numbers are float32, in one memory. A product's sums run over `k` in rising order from the bias on, each step rounded. Addresses and strides are
 * in bytes; widths of rows are whole vectors of four, padded with zeros.
 */
import { compileWasm, instantiateWasm, openMemory } from '../../core/wasm.ts'
import { gelu, geluSlope } from './gelu.ts'
import { MLP_KERNELS } from './kernels-wasm.ts'

export interface NetworkKernels {
  /** `c[i, j] = bias[j] + sum over k of a[i, k] * b[k, j]`, with `a[i, k]` at `a + i * aRow + k * aStep`. `bias` 0: none. `n` is a multiple of 4. */
  multiply(
    a: number,
    aRow: number,
    aStep: number,
    b: number,
    bRow: number,
    bias: number,
    c: number,
    cRow: number,
    m: number,
    n: number,
    k: number,
  ): void
  /** `to[j] = sum over rows of from[i, j]`, in row order. */
  sumRows(from: number, rowBytes: number, m: number, n: number, to: number): void
  /** `to[j, i] = from[i, j]`. */
  transpose(from: number, m: number, n: number, to: number): void
  relu(from: number, to: number, n: number): void
  reluSlopes(slopes: number, inputs: number, n: number): void
  /** `fractions`: address of 64 doubles 2^(i / 64). */
  gelu(from: number, to: number, n: number, fractions: number): void
  geluSlopes(slopes: number, inputs: number, n: number, fractions: number): void
  /** `w -= rate * mean / (sqrt(square) + epsilon) + decay * w`. */
  adam(
    w: number,
    grad: number,
    mean: number,
    square: number,
    n: number,
    keepMean: number,
    keepSquare: number,
    rate: number,
    epsilon: number,
    decay: number,
  ): void
  /** `mean = keep * mean + grad; w -= rate * mean + decay * w`. */
  descend(w: number, grad: number, mean: number, n: number, keep: number, rate: number, decay: number): void
}

/** Kernels and the memory they work on. */
export interface Workshop {
  kernels: NetworkKernels
  buffer: ArrayBuffer
  /** Floats by address / 4. */
  floats: Float32Array
  ranOn: 'wasm' | 'js'
}

let compiled: object | null | undefined

/** Opens memory of at least `bytes`, all zero. `wasm` falls back to `js` where the platform lacks SIMD or the memory. */
export function openWorkshop(bytes: number, kernels: 'wasm' | 'js' = 'wasm'): Workshop {
  if (compiled === undefined) compiled = compileWasm(MLP_KERNELS)
  const memory = kernels === 'wasm' && compiled ? openMemory(bytes) : null
  const buffer = memory?.buffer ?? new ArrayBuffer(Math.ceil(bytes / 16) * 16)
  return {
    kernels: memory ? instantiateWasm<NetworkKernels>(compiled, memory) : plainKernels(buffer),
    buffer,
    floats: new Float32Array(buffer),
    ranOn: memory ? 'wasm' : 'js',
  }
}

const round = Math.fround

function plainKernels(buffer: ArrayBuffer): NetworkKernels {
  const f = new Float32Array(buffer)
  return {
    multiply: (a, aRow, aStep, b, bRow, bias, c, cRow, m, n, k) =>
      multiply(
        f,
        [a >> 2, aRow >> 2, aStep >> 2],
        [b >> 2, bRow >> 2],
        bias >> 2,
        [c >> 2, cRow >> 2],
        m,
        n,
        k,
      ),
    sumRows: (from, rowBytes, m, n, to) => {
      const sums = f.subarray(to >> 2, (to >> 2) + n).fill(0)
      for (let i = 0, at = from >> 2; i < m; i++, at += rowBytes >> 2)
        for (let j = 0; j < n; j++) sums[j] += f[at + j]
    },
    transpose: (from, m, n, to) => {
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) f[(to >> 2) + j * m + i] = f[(from >> 2) + i * n + j]
    },
    relu: (from, to, n) => {
      for (let i = 0; i < n; i++) f[(to >> 2) + i] = f[(from >> 2) + i] > 0 ? f[(from >> 2) + i] : 0
    },
    reluSlopes: (slopes, inputs, n) => {
      for (let i = 0; i < n; i++) if (!(f[(inputs >> 2) + i] > 0)) f[(slopes >> 2) + i] = 0
    },
    gelu: (from, to, n) => {
      for (let i = 0; i < n; i++) f[(to >> 2) + i] = gelu(f[(from >> 2) + i])
    },
    geluSlopes: (slopes, inputs, n) => {
      for (let i = 0; i < n; i++) f[(slopes >> 2) + i] *= round(geluSlope(f[(inputs >> 2) + i]))
    },
    adam: (w, grad, mean, square, n, keepMean, keepSquare, rate, epsilon, decay) =>
      adam(f, w >> 2, grad >> 2, mean >> 2, square >> 2, n, keepMean, keepSquare, rate, epsilon, decay),
    descend: (w, grad, mean, n, keep, rate, decay) =>
      descend(f, w >> 2, grad >> 2, mean >> 2, n, keep, rate, decay),
  }
}

function multiply(
  f: Float32Array,
  [a, aRow, aStep]: [number, number, number],
  [b, bRow]: [number, number],
  bias: number,
  [c, cRow]: [number, number],
  m: number,
  n: number,
  k: number,
): void {
  for (let i = 0, ci = c; i < m; i++, ci += cRow) {
    for (let j = 0; j < n; j++) f[ci + j] = bias ? f[bias + j] : 0
    for (let s = 0, bs = b, as = a + i * aRow; s < k; s++, bs += bRow, as += aStep) {
      const x = f[as]
      for (let j = 0; j < n; j++) f[ci + j] += round(x * f[bs + j])
    }
  }
}

/** Moments below these are 0: numbers without full precision are slow. */
const MEAN_MIN = round(1e-30)
const SQUARE_MIN = round(1e-35)

function adam(
  f: Float32Array,
  w: number,
  grad: number,
  mean: number,
  square: number,
  n: number,
  ...[keepMean, keepSquare, rate, epsilon, decay]: number[]
): void {
  const [km, ks, step, eps, lost] = [keepMean, keepSquare, rate, epsilon, decay].map(round)
  const [im, is] = [round(1 - km), round(1 - ks)]
  for (let i = 0; i < n; i++) {
    const g = f[grad + i]
    const p = f[w + i]
    const a = round(round(km * f[mean + i]) + round(im * g))
    const s = round(round(ks * f[square + i]) + round(is * round(g * g)))
    f[mean + i] = Math.abs(a) > MEAN_MIN ? a : 0
    f[square + i] = s > SQUARE_MIN ? s : 0
    const down = round(round(step * f[mean + i]) / round(round(Math.sqrt(f[square + i])) + eps))
    f[w + i] = round(round(p - down) - round(lost * p))
  }
}

function descend(
  f: Float32Array,
  w: number,
  grad: number,
  mean: number,
  n: number,
  ...[keep, rate, decay]: number[]
): void {
  const [kept, step, lost] = [keep, rate, decay].map(round)
  for (let i = 0; i < n; i++) {
    const p = f[w + i]
    const a = round(round(kept * f[mean + i]) + f[grad + i])
    f[mean + i] = Math.abs(a) > MEAN_MIN ? a : 0
    f[w + i] = round(round(p - round(step * f[mean + i])) - round(lost * p))
  }
}
