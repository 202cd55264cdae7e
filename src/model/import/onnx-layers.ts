/** Dense layers while a network is read: scales and shifts become part of their weights. */
import { onnxRefusal as refuse } from './onnx-file.ts'

export interface Layer {
  nIn: number
  nOut: number
  /** `[nIn * nOut]` by input. */
  weights: Float64Array
  biases: Float64Array
}

/** `x * scale + offset` by column; one number stands for all columns. */
export interface Affine {
  scale: Float64Array
  offset: Float64Array
}

/** Values of two columns of numbers, one of which may stand for all. */
export function paired(
  place: string,
  a: Float64Array,
  b: Float64Array,
  of: (a: number, b: number) => number,
): Float64Array {
  const length = Math.max(a.length, b.length)
  if ((a.length !== 1 && a.length !== length) || (b.length !== 1 && b.length !== length))
    throw refuse(place, `${length} numbers or one`, `${Math.min(a.length, b.length)}`)
  return Float64Array.from({ length }, (_, j) => of(a[a.length === 1 ? 0 : j], b[b.length === 1 ? 0 : j]))
}

export function wide(place: string, { scale, offset }: Affine, width: number): Affine {
  const none = new Float64Array(width)
  const whole = {
    scale: paired(place, scale, none, (x) => x),
    offset: paired(place, offset, none, (x) => x),
  }
  if (whole.scale.length !== width || whole.offset.length !== width)
    throw refuse(place, `${width} numbers or one`, `${Math.max(scale.length, offset.length)}`)
  return whole
}

export function mapLayer(layer: Layer, { scale, offset }: Affine): void {
  layer.weights = layer.weights.map((w, at) => w * scale[at % layer.nOut])
  layer.biases = layer.biases.map((b, k) => b * scale[k] + offset[k])
}

/** The layer with a scale and a shift of its inputs made part of it. */
export function foldIn(layer: Layer, { scale, offset }: Affine): void {
  const { nIn, nOut, weights, biases } = layer
  for (let i = 0; i < nIn; i++)
    for (let k = 0; k < nOut; k++) {
      biases[k] += offset[i] * weights[i * nOut + k]
      weights[i * nOut + k] *= scale[i]
    }
}

/** Two layers without an activation between them are one. */
export function product(first: Layer, second: Layer): Layer {
  const { nIn, nOut: middle } = first
  const { nOut } = second
  const through = (rows: Float64Array, n: number) => {
    const out = new Float64Array(n * nOut)
    for (let i = 0; i < n; i++)
      for (let m = 0; m < middle; m++)
        for (let k = 0; k < nOut; k++)
          out[i * nOut + k] += rows[i * middle + m] * second.weights[m * nOut + k]
    return out
  }
  const biases = through(first.biases, 1).map((b, k) => b + second.biases[k])
  return { nIn, nOut, weights: through(first.weights, nIn), biases }
}

/** The second output less the first: a softmax of two is a sigmoid of it. */
export function difference({ nIn, weights, biases }: Layer): Layer {
  return {
    nIn,
    nOut: 1,
    weights: Float64Array.from({ length: nIn }, (_, i) => weights[2 * i + 1] - weights[2 * i]),
    biases: Float64Array.of(biases[1] - biases[0]),
  }
}

export function turned(numbers: Float64Array, rows: number, columns: number): Float64Array {
  return Float64Array.from(numbers, (_, i) => numbers[(i % rows) * columns + Math.floor(i / rows)])
}
