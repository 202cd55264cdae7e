/**
 * Matrix kernels of small networks in AssemblyScript: the twin of src/model/network/kernels.ts, bit for bit.
 *
 * All numbers are float32. A product's sums run over `k` in rising order from the bias on, each step rounded: vectors lie across columns, never across
 * `k`, so any blocking gives the same bits. Addresses and strides are in bytes; widths are whole vectors of four, padded with zeros.
 */

const STEP: f64 = 0.010830424696249145 // ln 2 / 64

/**
 * `c[i, j] = bias[j] + sum over k of a[i, k] * b[k, j]`, with `a[i, k]` at `a + i * aRow + k * aStep`. `bias` 0: none.
 * `n` is a multiple of 4.
 */
export function multiply(
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bRow: u32,
  bias: usize,
  c: usize,
  cRow: u32,
  m: u32,
  n: u32,
  k: u32,
): void {
  let j: u32 = 0
  for (; j + 8 <= n; j += 8) {
    const bj = b + (j << 2)
    const cj = c + (j << 2)
    const s0 = bias ? v128.load(bias + (j << 2)) : f32x4.splat(0)
    const s1 = bias ? v128.load(bias + (j << 2), 16) : f32x4.splat(0)
    let i: u32 = 0
    for (; i + 4 <= m; i += 4) block4x8(a + i * aRow, aRow, aStep, bj, bRow, s0, s1, cj + i * cRow, cRow, k)
    for (; i < m; i++) block1x8(a + i * aRow, aStep, bj, bRow, s0, s1, cj + i * cRow, k)
  }
  if (j < n) {
    const start = bias ? v128.load(bias + (j << 2)) : f32x4.splat(0)
    let i: u32 = 0
    for (; i + 4 <= m; i += 4)
      block4x4(a + i * aRow, aRow, aStep, b + (j << 2), bRow, start, c + (j << 2) + i * cRow, cRow, k)
    for (; i < m; i++) block1x4(a + i * aRow, aStep, b + (j << 2), bRow, start, c + (j << 2) + i * cRow, k)
  }
}

function block4x8(
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bRow: u32,
  s0: v128,
  s1: v128,
  c: usize,
  cRow: u32,
  k: u32,
): void {
  let c00 = s0
  let c01 = s1
  let c10 = s0
  let c11 = s1
  let c20 = s0
  let c21 = s1
  let c30 = s0
  let c31 = s1
  let a0 = a
  let a1 = a + aRow
  let a2 = a1 + aRow
  let a3 = a2 + aRow
  for (let left = k; left > 0; left--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let x = v128.load_splat<f32>(a0)
    c00 = f32x4.add(c00, f32x4.mul(x, b0))
    c01 = f32x4.add(c01, f32x4.mul(x, b1))
    x = v128.load_splat<f32>(a1)
    c10 = f32x4.add(c10, f32x4.mul(x, b0))
    c11 = f32x4.add(c11, f32x4.mul(x, b1))
    x = v128.load_splat<f32>(a2)
    c20 = f32x4.add(c20, f32x4.mul(x, b0))
    c21 = f32x4.add(c21, f32x4.mul(x, b1))
    x = v128.load_splat<f32>(a3)
    c30 = f32x4.add(c30, f32x4.mul(x, b0))
    c31 = f32x4.add(c31, f32x4.mul(x, b1))
    a0 += aStep
    a1 += aStep
    a2 += aStep
    a3 += aStep
    b += bRow
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += cRow
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += cRow
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += cRow
  v128.store(c, c30)
  v128.store(c, c31, 16)
}

function block1x8(a: usize, aStep: u32, b: usize, bRow: u32, s0: v128, s1: v128, c: usize, k: u32): void {
  for (let left = k; left > 0; left--) {
    const x = v128.load_splat<f32>(a)
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(b)))
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(b, 16)))
    a += aStep
    b += bRow
  }
  v128.store(c, s0)
  v128.store(c, s1, 16)
}

function block4x4(
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bRow: u32,
  start: v128,
  c: usize,
  cRow: u32,
  k: u32,
): void {
  let c0 = start
  let c1 = start
  let c2 = start
  let c3 = start
  for (let left = k; left > 0; left--) {
    const b0 = v128.load(b)
    c0 = f32x4.add(c0, f32x4.mul(v128.load_splat<f32>(a), b0))
    c1 = f32x4.add(c1, f32x4.mul(v128.load_splat<f32>(a + aRow), b0))
    c2 = f32x4.add(c2, f32x4.mul(v128.load_splat<f32>(a + aRow * 2), b0))
    c3 = f32x4.add(c3, f32x4.mul(v128.load_splat<f32>(a + aRow * 3), b0))
    a += aStep
    b += bRow
  }
  v128.store(c, c0)
  v128.store(c + cRow, c1)
  v128.store(c + cRow * 2, c2)
  v128.store(c + cRow * 3, c3)
}

function block1x4(a: usize, aStep: u32, b: usize, bRow: u32, start: v128, c: usize, k: u32): void {
  for (let left = k; left > 0; left--) {
    start = f32x4.add(start, f32x4.mul(v128.load_splat<f32>(a), v128.load(b)))
    a += aStep
    b += bRow
  }
  v128.store(c, start)
}

/** `to[j] = sum over rows of from[i, j]`, in row order. `n` is a multiple of 4. */
export function sumRows(from: usize, rowBytes: u32, m: u32, n: u32, to: usize): void {
  for (let j: u32 = 0; j < n; j += 4) {
    let sum = f32x4.splat(0)
    let at = from + (j << 2)
    for (let left = m; left > 0; left--) {
      sum = f32x4.add(sum, v128.load(at))
      at += rowBytes
    }
    v128.store(to + (j << 2), sum)
  }
}

/** `to[j, i] = from[i, j]`: `m` rows of `n` values, rows of both without gaps. */
export function transpose(from: usize, m: u32, n: u32, to: usize): void {
  for (let i: u32 = 0; i < m; i++) {
    let at = to + (i << 2)
    for (let j: u32 = 0; j < n; j++) {
      store<f32>(at, load<f32>(from))
      from += 4
      at += m << 2
    }
  }
}

// ---------------------------------------------------------------- activations

/** `to = max(from, 0)`, where what is not a number is 0. `n` is a multiple of 4. */
export function relu(from: usize, to: usize, n: u32): void {
  const zero = f32x4.splat(0)
  for (let i: u32 = 0; i < n << 2; i += 16) {
    const x = v128.load(from + i)
    v128.store(to + i, v128.and(x, f32x4.gt(x, zero)))
  }
}

/** Keeps the slopes where the unit's input was above 0. */
export function reluSlopes(slopes: usize, inputs: usize, n: u32): void {
  const zero = f32x4.splat(0)
  for (let i: u32 = 0; i < n << 2; i += 16)
    v128.store(slopes + i, v128.and(v128.load(slopes + i), f32x4.gt(v128.load(inputs + i), zero)))
}

function exp(x: f64, fractions: usize): f64 {
  const n = Math.floor(x / STEP + 0.5)
  const r = x - n * STEP
  const poly = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0)))))
  const steps = i32(n)
  const power = reinterpret<f64>(i64((steps >> 6) + 1023) << 52)
  return poly * load<f64>(fractions + ((steps & 63) << 3)) * power
}

/** 1 / (1 + e^(-2u)) for u = sqrt(2 / pi) (x + 0.044715 x^3). */
function gate(x: f64, fractions: usize): f64 {
  const u = 1.5957691216057308 * (x + 0.044715 * x * x * x)
  return 1.0 / (1.0 + exp(max(-60.0, min(60.0, -u)), fractions))
}

/** `to = gelu(from)` in the tanh form. `fractions`: 64 doubles 2^(i / 64). */
export function gelu(from: usize, to: usize, n: u32, fractions: usize): void {
  for (let i: u32 = 0; i < n << 2; i += 4) {
    const x = f64(load<f32>(from + i))
    store<f32>(to + i, f32(x * gate(x, fractions)))
  }
}

/** Multiplies slopes by gelu's derivative at the units' inputs. */
export function geluSlopes(slopes: usize, inputs: usize, n: u32, fractions: usize): void {
  for (let i: u32 = 0; i < n << 2; i += 4) {
    const x = f64(load<f32>(inputs + i))
    const g = gate(x, fractions)
    const d = g + x * g * (1.0 - g) * (1.5957691216057308 * (1.0 + 0.134145 * x * x))
    store<f32>(slopes + i, load<f32>(slopes + i) * f32(d))
  }
}

// ---------------------------------------------------------------- steps of the optimiser

/** Moments below these are 0: numbers without full precision are slow. */
const MEAN_MIN: f32 = 1e-30
const SQUARE_MIN: f32 = 1e-35

/** One step of Adam with decoupled decay: `w -= rate * mean / (sqrt(square) + epsilon) + decay * w`. `n` is a multiple of 4. */
export function adam(
  w: usize,
  grad: usize,
  mean: usize,
  square: usize,
  n: u32,
  keepMean: f32,
  keepSquare: f32,
  rate: f32,
  epsilon: f32,
  decay: f32,
): void {
  const km = f32x4.splat(keepMean)
  const im = f32x4.splat(1 - keepMean)
  const ks = f32x4.splat(keepSquare)
  const is = f32x4.splat(1 - keepSquare)
  for (let i: u32 = 0; i < n << 2; i += 16) {
    const g = v128.load(grad + i)
    const p = v128.load(w + i)
    let a = f32x4.add(f32x4.mul(km, v128.load(mean + i)), f32x4.mul(im, g))
    let s = f32x4.add(f32x4.mul(ks, v128.load(square + i)), f32x4.mul(is, f32x4.mul(g, g)))
    a = v128.and(a, f32x4.gt(f32x4.abs(a), f32x4.splat(MEAN_MIN)))
    s = v128.and(s, f32x4.gt(s, f32x4.splat(SQUARE_MIN)))
    v128.store(mean + i, a)
    v128.store(square + i, s)
    const step = f32x4.div(f32x4.mul(f32x4.splat(rate), a), f32x4.add(f32x4.sqrt(s), f32x4.splat(epsilon)))
    v128.store(w + i, f32x4.sub(f32x4.sub(p, step), f32x4.mul(f32x4.splat(decay), p)))
  }
}

/** One step of gradient descent with momentum: `mean = keep * mean + grad; w -= rate * mean + decay * w`. `n` is a multiple of 4. */
export function descend(w: usize, grad: usize, mean: usize, n: u32, keep: f32, rate: f32, decay: f32): void {
  for (let i: u32 = 0; i < n << 2; i += 16) {
    const p = v128.load(w + i)
    let a = f32x4.add(f32x4.mul(f32x4.splat(keep), v128.load(mean + i)), v128.load(grad + i))
    a = v128.and(a, f32x4.gt(f32x4.abs(a), f32x4.splat(MEAN_MIN)))
    v128.store(mean + i, a)
    const step = f32x4.mul(f32x4.splat(rate), a)
    v128.store(w + i, f32x4.sub(f32x4.sub(p, step), f32x4.mul(f32x4.splat(decay), p)))
  }
}
