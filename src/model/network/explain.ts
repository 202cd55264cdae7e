import { CURVES } from './activations.ts'
import { type DenseNetwork, encodeRow, inputCount, inputsOf } from './network.ts'

/** Pieces of a path at most; beyond, the rest of the path is taken as one, and the residual says what that costs. */
const PIECES_MAX = 20_000
/** Points of the quadrature where the path is smooth. */
const SMOOTH_POINTS = 64

interface DenseLayer {
  nIn: number
  nOut: number
  /** `[nIn * nOut]` by input. */
  weights: Float64Array
  bias: Float64Array
}

export interface NetworkExplanations {
  /** Raw score of each output at the mean inputs. */
  bases: Float64Array
  /** Contributions by feature to one output. */
  explain(x: Float64Array, output: number): Float64Array
}

/**
 * Integrated gradients of raw scores by feature, on the straight line from the mean inputs to the row's: `(x - base) * integral of the gradient`, inputs of
 * a feature added up. In doubles.
 *
 * `relu`: the path is a chain of linear pieces, each found where the next unit changes sides, so that the integral is exact but for rounding.
 * Others: the midpoint rule over 64 points. Contributions add up to `f(x) - f(base)`; as rule of sharing they are the Aumann-Shapley values of this one
 * path, an approximation of Shapley values over training rows.
 * Cost: about two passes a unit (`relu`) or three a point (others). Source: Sundararajan, Taly and Yan 2017.
 */
export function networkExplanations(model: DenseNetwork): NetworkExplanations {
  const layers = layersOf(model)
  const nInputs = inputCount(model.encodings)
  const from = Float64Array.from(model.base)
  const { outputScale, outputShift } = model
  const { value, slope, isPiecewise } = CURVES[model.activation]
  const bases = lastSums(layers, from, value).map((sum, k) => outputShift[k] + outputScale[k] * sum)
  const encoded = new Float32Array(nInputs)
  const explain = (x: Float64Array, output: number) => {
    encoded.fill(0)
    encodeRow(model.encodings, x, 0, encoded, 0)
    const way = Float64Array.from(encoded, (to, i) => to - from[i])
    const gradient = isPiecewise
      ? piecewiseGradient(layers, from, way, output)
      : smoothGradient(layers, from, way, output, value, slope)
    return byFeature(
      model,
      gradient.map((g, i) => g * way[i] * outputScale[output]),
    )
  }
  return { bases, explain }
}

function layersOf({ encodings, widths, weights, biases }: DenseNetwork): DenseLayer[] {
  let nIn = inputCount(encodings)
  let atWeight = 0
  let atBias = 0
  return widths.map((nOut) => {
    const layer = {
      nIn,
      nOut,
      weights: Float64Array.from(weights.subarray(atWeight, atWeight + nIn * nOut)),
      bias: Float64Array.from(biases.subarray(atBias, atBias + nOut)),
    }
    atWeight += nIn * nOut
    atBias += nOut
    nIn = nOut
    return layer
  })
}

function byFeature({ encodings }: DenseNetwork, inputs: Float64Array): Float64Array {
  let at = 0
  return Float64Array.from(encodings, (encoding) => {
    const end = at + inputsOf(encoding)
    let sum = 0
    for (; at < end; at++) sum += inputs[at]
    return sum
  })
}

/** `start + inputs · weights`. */
function through(
  { nIn, nOut, weights }: DenseLayer,
  inputs: Float64Array,
  start?: Float64Array,
): Float64Array {
  const sums = start ? start.slice() : new Float64Array(nOut)
  for (let i = 0, at = 0; i < nIn; i++, at += nOut) {
    const x = inputs[i]
    if (x === 0) continue
    for (let j = 0; j < nOut; j++) sums[j] += x * weights[at + j]
  }
  return sums
}

function lastSums(layers: DenseLayer[], inputs: Float64Array, value: (z: number) => number): Float64Array {
  return layers.reduce((x, layer, l) => {
    const sums = through(layer, x, layer.bias)
    return l + 1 < layers.length ? sums.map(value) : sums
  }, inputs)
}

/** Gradient of one output by the inputs, where each hidden unit has the slope given. */
function gradientThrough(layers: DenseLayer[], slopes: Float64Array[], output: number): Float64Array {
  let gradient: Float64Array = new Float64Array(layers[layers.length - 1].nOut)
  gradient[output] = 1
  for (let l = layers.length - 1; l >= 0; l--) {
    const { nIn, nOut, weights } = layers[l]
    const before = new Float64Array(nIn)
    for (let i = 0, at = 0; i < nIn; i++, at += nOut) {
      if (l > 0 && slopes[l - 1][i] === 0) continue
      let sum = 0
      for (let j = 0; j < nOut; j++) sum += weights[at + j] * gradient[j]
      before[i] = l > 0 ? sum * slopes[l - 1][i] : sum
    }
    gradient = before
  }
  return gradient
}

/** Mean gradient along the path of a network of relus. */
function piecewiseGradient(
  layers: DenseLayer[],
  from: Float64Array,
  way: Float64Array,
  output: number,
): Float64Array {
  const mean = new Float64Array(from.length)
  let t = 0
  for (let piece = 0; t < 1; piece++) {
    const { slopes, end } = pieceAt(layers, from, way, t)
    const next = piece < PIECES_MAX ? Math.min(1, end) : 1
    const gradient = gradientThrough(layers, slopes, output)
    for (let i = 0; i < mean.length; i++) mean[i] += (next - t) * gradient[i]
    t = next
  }
  return mean
}

/**
 * The linear piece that begins at `t`: the slope of each hidden unit on it, and where it ends. A unit whose input is 0 to rounding is on the side that it moves to.
 */
function pieceAt(layers: DenseLayer[], from: Float64Array, way: Float64Array, t: number) {
  let x: Float64Array = from.map((start, i) => start + t * way[i])
  let dx: Float64Array = way
  let end = Number.POSITIVE_INFINITY
  const slopes = layers.slice(0, -1).map((layer) => {
    const z = through(layer, x, layer.bias)
    const dz = through(layer, dx)
    const slope = new Float64Array(layer.nOut)
    for (let j = 0; j < layer.nOut; j++) {
      const onEdge = Math.abs(z[j]) <= 1e-12 * (1 + Math.abs(dz[j]))
      slope[j] = (onEdge ? dz[j] > 0 : z[j] > 0) ? 1 : 0
      const left = -z[j] / dz[j]
      if (!onEdge && left > 0) end = Math.min(end, t + left)
    }
    x = z.map((sum, j) => sum * slope[j])
    dx = dz.map((sum, j) => sum * slope[j])
    return slope
  })
  return { slopes, end: Math.max(end, t + 1e-9) }
}

function smoothGradient(
  layers: DenseLayer[],
  from: Float64Array,
  way: Float64Array,
  output: number,
  value: (z: number) => number,
  slope: (z: number) => number,
): Float64Array {
  const mean = new Float64Array(from.length)
  for (let point = 0; point < SMOOTH_POINTS; point++) {
    const t = (point + 0.5) / SMOOTH_POINTS
    let x: Float64Array = from.map((start, i) => start + t * way[i])
    const slopes = layers.slice(0, -1).map((layer) => {
      const z = through(layer, x, layer.bias)
      x = z.map(value)
      return z.map(slope)
    })
    const gradient = gradientThrough(layers, slopes, output)
    for (let i = 0; i < mean.length; i++) mean[i] += gradient[i] / SMOOTH_POINTS
  }
  return mean
}
