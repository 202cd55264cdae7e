/** Operators of image networks, run forward and back. Values lie item after item, each of the operator's shape. */

import { sigmoidFast } from '../../stats/exp.ts'
import type { OnnxNode } from '../import/onnx-file.ts'

export interface Constant {
  dims: number[]
  data: Float64Array
}

/** A tensor that depends on the input: sizes of an item, without the axis of rows. */
export interface LiveShape {
  dims: number[]
}

/** What an operator was given, by place; constants as they are. */
export type Given = { live: LiveShape } | { constant: Constant }

export interface Operator {
  /** Sizes of an item that comes out. */
  dims: number[]
  forward(inputs: Float64Array[], n: number): Float64Array
  /** Slope of what is asked by each live input, of its slope by the output. */
  back(slope: Float64Array, inputs: Float64Array[], output: Float64Array, n: number): Float64Array[]
}

/** Makes an operator, or says what is not supported. */
type Make = (node: OnnxNode, given: Given[]) => Operator | string

export const sizeOf = (dims: readonly number[]) => dims.reduce((product, size) => product * size, 1)

const int = (node: OnnxNode, name: string, fallback: number) => node.attributes.get(name)?.int ?? fallback
const ints = (node: OnnxNode, name: string, fallback: number[]) => {
  const found = node.attributes.get(name)?.ints ?? []
  return found.length > 0 ? found : fallback
}

function liveDims(given: Given | undefined): number[] | undefined {
  return given && 'live' in given ? given.live.dims : undefined
}

// ---------------------------------------------------------------- item by item

/** An operator on each number by itself; `slope` of a number and what it became. */
function each(value: (x: number) => number, slope: (x: number, y: number) => number): Make {
  return (_, [given]) => {
    const dims = liveDims(given)
    if (!dims) return 'a constant'
    return {
      dims,
      forward: ([x]) => x.map(value),
      back: (d, [x], y) => [d.map((v, i) => v * slope(x[i], y[i]))],
    }
  }
}

const tanh = (x: number) => 2 * sigmoidFast(2 * x) - 1

const leaky: Make = (node, given) => {
  const alpha = node.attributes.get('alpha')?.float ?? 0.01
  return each(
    (x) => (x > 0 ? x : alpha * x),
    (x) => (x > 0 ? 1 : alpha),
  )(node, given)
}

const clip: Make = (node, given) => {
  const bound = (at: number, name: string, fallback: number) => {
    const found = given[at]
    if (found && 'constant' in found) return found.constant.data[0] ?? fallback
    return node.attributes.get(name)?.float ?? fallback
  }
  const [low, high] = [bound(1, 'min', Number.NEGATIVE_INFINITY), bound(2, 'max', Number.POSITIVE_INFINITY)]
  return each(
    (x) => Math.max(low, Math.min(high, x)),
    (x) => (x > low && x < high ? 1 : 0),
  )(node, given)
}

/** The same numbers in other sizes. */
function reshaped(dims: number[]): Operator {
  return { dims, forward: ([x]) => x, back: (d) => [d] }
}

const flatten: Make = (node, [given]) => {
  const dims = liveDims(given)
  return dims && int(node, 'axis', 1) === 1 ? reshaped([sizeOf(dims)]) : 'another axis than 1'
}

const reshape: Make = (_, [given, shape]) => {
  const dims = liveDims(given)
  if (!dims || !shape || !('constant' in shape)) return 'a shape that is computed'
  const asked = [...shape.constant.data].slice(1)
  const known = asked.reduce(
    (product, size, i) => product * (size === -1 ? 1 : size === 0 ? dims[i] : size),
    1,
  )
  const made = asked.map((size, i) => (size === -1 ? sizeOf(dims) / known : size === 0 ? dims[i] : size))
  return sizeOf(made) === sizeOf(dims) ? reshaped(made) : 'rows put together'
}

const same: Make = (_, [given]) => {
  const dims = liveDims(given)
  return dims ? reshaped(dims) : 'a constant'
}

// ---------------------------------------------------------------- sums and products

/** A constant as numbers of each place of an item; undefined where it differs by row. */
function spreadOver({ dims, data }: Constant, item: number[]): Float64Array | undefined {
  if (data.length === 1) return new Float64Array(sizeOf(item)).fill(data[0])
  const own = dims.length > item.length ? dims.slice(dims.length - item.length) : dims
  if (sizeOf(own) !== data.length) return undefined
  const padded = [...new Array<number>(item.length - own.length).fill(1), ...own]
  if (padded.some((size, axis) => size !== 1 && size !== item[axis])) return undefined
  const steps = padded.map((size, axis) => (size === 1 ? 0 : sizeOf(padded.slice(axis + 1))))
  return Float64Array.from({ length: sizeOf(item) }, (_, at) => {
    let place = 0
    for (let axis = item.length - 1, left = at; axis >= 0; axis--) {
      place += (left % item[axis]) * steps[axis]
      left = Math.floor(left / item[axis])
    }
    return data[place]
  })
}

/** Two live tensors, or one and a constant; `sign` and `power` of the second. */
function combined(way: 'add' | 'sub' | 'mul' | 'div'): Make {
  return (_, [a, b]) => {
    const [da, db] = [liveDims(a), liveDims(b)]
    if (da && db) return way === 'add' && da.join() === db.join() ? sumOf(da) : 'two tensors of a row'
    const dims = da ?? db
    const constant = [a, b].find((given) => given && 'constant' in given)
    if (!dims || !constant || !('constant' in constant)) return 'two constants'
    const values = spreadOver(constant.constant, dims)
    if (!values || (!da && (way === 'sub' || way === 'div'))) return 'a constant of another shape'
    return affine(dims, way, values)
  }
}

function sumOf(dims: number[]): Operator {
  return { dims, forward: ([x, y]) => x.map((v, i) => v + y[i]), back: (d) => [d, d] }
}

function affine(dims: number[], way: 'add' | 'sub' | 'mul' | 'div', values: Float64Array): Operator {
  const size = values.length
  const scale = way === 'mul' ? values : way === 'div' ? values.map((v) => 1 / v) : undefined
  const offset = way === 'add' ? values : way === 'sub' ? values.map((v) => -v) : undefined
  return {
    dims,
    forward: ([x]) => x.map((v, i) => (scale ? v * scale[i % size] : v + (offset as Float64Array)[i % size])),
    back: (d) => [scale ? d.map((v, i) => v * scale[i % size]) : d],
  }
}

const batchNormal: Make = (node, [given, ...rest]) => {
  const dims = liveDims(given)
  const four = rest.map((one) => (one && 'constant' in one ? one.constant.data : undefined))
  const [scale, bias, mean, variance] = four
  if (!dims || !scale || !bias || !mean || !variance) return 'statistics that are computed'
  const epsilon = node.attributes.get('epsilon')?.float ?? 1e-5
  const area = sizeOf(dims.slice(1))
  const gain = scale.map((s, c) => s / Math.sqrt(variance[c] + epsilon))
  const by = (i: number) => Math.floor(i / area) % dims[0]
  return {
    dims,
    forward: ([x]) => x.map((v, i) => (v - mean[by(i)]) * gain[by(i)] + bias[by(i)]),
    back: (d) => [d.map((v, i) => v * gain[by(i)])],
  }
}

const matrix: Make = (node, [given, weights, bias]) => {
  const dims = liveDims(given)
  if (dims?.length !== 1 || !weights || !('constant' in weights)) return 'a product of two tensors'
  const isGemm = node.operator === 'Gemm'
  if (isGemm && int(node, 'transA', 0) !== 0) return 'transA'
  const { dims: shape, data } = weights.constant
  const isTurned = isGemm && int(node, 'transB', 0) === 1
  const nOut = isTurned ? shape[0] : shape[1]
  const nIn = dims[0]
  if (data.length !== nIn * nOut) return 'weights of another shape'
  const alpha = isGemm ? (node.attributes.get('alpha')?.float ?? 1) : 1
  const beta = isGemm ? (node.attributes.get('beta')?.float ?? 1) : 1
  const w = Float64Array.from({ length: nIn * nOut }, (_, at) => {
    const [o, i] = [Math.floor(at / nIn), at % nIn]
    return alpha * (isTurned ? data[o * nIn + i] : data[i * nOut + o])
  })
  const b = bias && 'constant' in bias ? spreadOver(bias.constant, [nOut]) : new Float64Array(nOut)
  if (!b) return 'a bias of another shape'
  return dense(
    w,
    b.map((x) => beta * x),
    nIn,
    nOut,
  )
}

function dense(w: Float64Array, b: Float64Array, nIn: number, nOut: number): Operator {
  return {
    dims: [nOut],
    forward: ([x], n) => {
      const out = new Float64Array(n * nOut)
      for (let r = 0; r < n; r++)
        for (let o = 0; o < nOut; o++) {
          let sum = b[o]
          for (let i = 0; i < nIn; i++) sum += w[o * nIn + i] * x[r * nIn + i]
          out[r * nOut + o] = sum
        }
      return out
    },
    back: (d, _inputs, _output, n) => {
      const out = new Float64Array(n * nIn)
      for (let r = 0; r < n; r++)
        for (let o = 0; o < nOut; o++) {
          const v = d[r * nOut + o]
          if (v === 0) continue
          for (let i = 0; i < nIn; i++) out[r * nIn + i] += v * w[o * nIn + i]
        }
      return [out]
    },
  }
}

// ---------------------------------------------------------------- windows over pictures

interface Windows {
  height: number
  width: number
  kernel: [number, number]
  stride: [number, number]
  top: number
  left: number
  outHeight: number
  outWidth: number
}

/** How windows lie over a picture `[channels, height, width]`; a sentence where that is not known here. */
function windowsOf(node: OnnxNode, dims: number[], kernel: number[]): Windows | string {
  if (dims.length !== 3 || kernel.length !== 2) return 'other than two axes of a picture'
  if (ints(node, 'dilations', [1, 1]).some((d) => d !== 1)) return 'dilations'
  if (int(node, 'ceil_mode', 0) !== 0) return 'ceil_mode'
  const [sy, sx] = ints(node, 'strides', [1, 1])
  const [, height, width] = dims
  const auto = node.attributes.get('auto_pad')?.text ?? 'NOTSET'
  let [top, left, bottom, right] = ints(node, 'pads', [0, 0, 0, 0])
  if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
    const missing = (size: number, k: number, s: number) =>
      Math.max(0, (Math.ceil(size / s) - 1) * s + k - size)
    const [my, mx] = [missing(height, kernel[0], sy), missing(width, kernel[1], sx)]
    const first = (m: number) => (auto === 'SAME_UPPER' ? Math.floor(m / 2) : Math.ceil(m / 2))
    ;[top, left] = [first(my), first(mx)]
    ;[bottom, right] = [my - top, mx - left]
  }
  return {
    ...{ height, width, kernel: [kernel[0], kernel[1]], stride: [sy, sx], top, left },
    outHeight: Math.floor((height + top + bottom - kernel[0]) / sy) + 1,
    outWidth: Math.floor((width + left + right - kernel[1]) / sx) + 1,
  }
}

/** Places `[from, to)` of an output row whose window has the input at `shift` inside. */
function within(size: number, stride: number, shift: number, out: number): [number, number] {
  const from = Math.max(0, Math.ceil(-shift / stride))
  return [from, Math.max(from, Math.min(out, Math.floor((size - 1 - shift) / stride) + 1))]
}

const convolution: Make = (node, [given, weights, bias]) => {
  const dims = liveDims(given)
  if (!dims || !weights || !('constant' in weights)) return 'weights that are computed'
  const { dims: shape, data } = weights.constant
  const [nOut, nEach] = shape
  const at = windowsOf(node, dims, shape.slice(2))
  if (typeof at === 'string') return at
  const groups = int(node, 'group', 1)
  const b = bias && 'constant' in bias ? bias.constant.data : new Float64Array(nOut)
  const [inSize, outArea] = [sizeOf(dims), at.outHeight * at.outWidth]
  /** Calls back for each weight and row of an output picture: places in weights, input and output, and how many there are. */
  const walk = (visit: (w: number, x: number, y: number, count: number) => void) => {
    for (let o = 0; o < nOut; o++)
      for (let e = 0; e < nEach; e++) {
        const c = Math.floor(o / (nOut / groups)) * nEach + e
        for (let ky = 0; ky < at.kernel[0]; ky++) {
          const [y0, y1] = within(at.height, at.stride[0], ky - at.top, at.outHeight)
          for (let kx = 0; kx < at.kernel[1]; kx++) {
            const [x0, x1] = within(at.width, at.stride[1], kx - at.left, at.outWidth)
            const w = ((o * nEach + e) * at.kernel[0] + ky) * at.kernel[1] + kx
            for (let oy = y0; oy < y1; oy++)
              visit(
                w,
                (c * at.height + oy * at.stride[0] + ky - at.top) * at.width +
                  x0 * at.stride[1] +
                  kx -
                  at.left,
                o * outArea + oy * at.outWidth + x0,
                x1 - x0,
              )
          }
        }
      }
  }
  const step = at.stride[1]
  return {
    dims: [nOut, at.outHeight, at.outWidth],
    forward: ([x], n) => {
      const out = new Float64Array(n * nOut * outArea)
      for (let r = 0; r < n; r++) {
        for (let o = 0; o < nOut; o++) out.fill(b[o], (r * nOut + o) * outArea, (r * nOut + o + 1) * outArea)
        const [fromX, fromY] = [r * inSize, r * nOut * outArea]
        walk((w, ix, iy, count) => {
          const weight = data[w]
          for (let k = 0, i = fromX + ix, j = fromY + iy; k < count; k++, i += step) out[j++] += weight * x[i]
        })
      }
      return out
    },
    back: (d, _inputs, _output, n) => {
      const out = new Float64Array(n * inSize)
      for (let r = 0; r < n; r++) {
        const [fromX, fromY] = [r * inSize, r * nOut * outArea]
        walk((w, ix, iy, count) => {
          const weight = data[w]
          for (let k = 0, i = fromX + ix, j = fromY + iy; k < count; k++, i += step) out[i] += weight * d[j++]
        })
      }
      return [out]
    },
  }
}

/** Calls back for each window: its place in the output, and the places of its inputs. */
function eachWindow(
  dims: number[],
  at: Windows,
  n: number,
  visit: (out: number, places: number[]) => void,
): void {
  for (let plane = 0, out = 0; plane < n * dims[0]; plane++)
    for (let oy = 0; oy < at.outHeight; oy++)
      for (let ox = 0; ox < at.outWidth; ox++, out++) {
        const places: number[] = []
        for (let ky = 0; ky < at.kernel[0]; ky++)
          for (let kx = 0; kx < at.kernel[1]; kx++) {
            const y = oy * at.stride[0] + ky - at.top
            const x = ox * at.stride[1] + kx - at.left
            if (y >= 0 && y < at.height && x >= 0 && x < at.width)
              places.push((plane * at.height + y) * at.width + x)
          }
        visit(out, places)
      }
}

const maxPool: Make = (node, [given]) => {
  const dims = liveDims(given)
  const at = dims ? windowsOf(node, dims, ints(node, 'kernel_shape', [])) : 'a constant'
  if (!dims || typeof at === 'string') return at as string
  const outDims = [dims[0], at.outHeight, at.outWidth]
  const largest = (x: Float64Array, places: number[]) =>
    places.reduce((best, i) => (x[i] > x[best] ? i : best), places[0])
  return {
    dims: outDims,
    forward: ([x], n) => {
      const out = new Float64Array(n * sizeOf(outDims))
      eachWindow(dims, at, n, (o, places) => {
        out[o] = x[largest(x, places)]
      })
      return out
    },
    back: (d, [x], _output, n) => {
      const out = new Float64Array(x.length)
      eachWindow(dims, at, n, (o, places) => {
        out[largest(x, places)] += d[o]
      })
      return [out]
    },
  }
}

function meanOver(dims: number[], at: Windows, countsPad: boolean): Operator {
  const outDims = [dims[0], at.outHeight, at.outWidth]
  const area = at.kernel[0] * at.kernel[1]
  const share = (places: number[]) => 1 / (countsPad ? area : places.length)
  return {
    dims: outDims,
    forward: ([x], n) => {
      const out = new Float64Array(n * sizeOf(outDims))
      eachWindow(dims, at, n, (o, places) => {
        out[o] = places.reduce((sum, i) => sum + x[i], 0) * share(places)
      })
      return out
    },
    back: (d, [x], _output, n) => {
      const out = new Float64Array(x.length)
      eachWindow(dims, at, n, (o, places) => {
        for (const i of places) out[i] += d[o] * share(places)
      })
      return [out]
    },
  }
}

const averagePool: Make = (node, [given]) => {
  const dims = liveDims(given)
  const at = dims ? windowsOf(node, dims, ints(node, 'kernel_shape', [])) : 'a constant'
  return !dims || typeof at === 'string'
    ? (at as string)
    : meanOver(dims, at, int(node, 'count_include_pad', 0) === 1)
}

const globalAverage: Make = (_, [given]) => {
  const dims = liveDims(given)
  if (dims?.length !== 3) return 'other than two axes of a picture'
  const [, height, width] = dims
  const whole: Windows = {
    ...{ height, width, kernel: [height, width], stride: [1, 1], top: 0, left: 0 },
    ...{ outHeight: 1, outWidth: 1 },
  }
  return meanOver(dims, whole, false)
}

/** By ONNX's names. */
export const OPERATORS: Record<string, Make | undefined> = {
  Relu: each(
    (x) => (x > 0 ? x : 0),
    (x) => (x > 0 ? 1 : 0),
  ),
  LeakyRelu: leaky,
  Clip: clip,
  Sigmoid: each(sigmoidFast, (_, y) => y * (1 - y)),
  Tanh: each(tanh, (_, y) => 1 - y * y),
  Flatten: flatten,
  Reshape: reshape,
  Identity: same,
  Dropout: same,
  Add: combined('add'),
  Sub: combined('sub'),
  Mul: combined('mul'),
  Div: combined('div'),
  BatchNormalization: batchNormal,
  Gemm: matrix,
  MatMul: matrix,
  Conv: convolution,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: globalAverage,
}
