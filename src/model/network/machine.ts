/** A network laid out in the memory of its kernels: forward passes for scoring, and backward passes and steps for training. */
import { mix32 } from '../../core/rng.ts'
import { EXP_FRACTIONS } from '../../stats/exp.ts'
import { type Activation, CURVES } from './activations.ts'
import { openWorkshop, type Workshop } from './kernels.ts'

export interface NetworkShape {
  nInputs: number
  /** Units of each layer, the outputs last. */
  widths: readonly number[]
  activation: Activation
}

export interface MachineOptions {
  /** Rows of a pass at most. */
  batchRows: number
  /** Whether there is room for backward passes. */
  training?: boolean
  /** Floats of further parameters, stepped with the rest. */
  extraFloats?: number
  kernels?: 'wasm' | 'js'
}

/** A layer; widths are padded to whole vectors, addresses are in bytes. */
interface Layer {
  nIn: number
  nOut: number
  padIn: number
  padOut: number
  weights: number
  bias: number
  /** Rows that enter, rows before the activation, and rows that leave. */
  inputs: number
  sums: number
  outputs: number
}

export interface NetworkMachine {
  readonly ranOn: Workshop['ranOn']
  readonly floats: Float32Array
  /** Floats from one input row to the next, and where the first begins. */
  readonly inputWidth: number
  readonly inputAt: number
  /** The same of rows of the last layer, and of its slopes. */
  readonly outputWidth: number
  readonly outputAt: number
  readonly slopeAt: number
  /** Slopes of the inputs after `backward`, row by row like the inputs. */
  readonly inputSlopeAt: number
  /** Further parameters and their gradients. */
  readonly extraAt: number
  readonly extraGradientAt: number
  loadParameters(weights: Float32Array, biases: Float32Array): void
  readParameters(): { weights: Float32Array; biases: Float32Array }
  /** Passes the first `n` rows of inputs through all layers. With `drop` a share of the hidden units is left out, by a hash of `salt`. */
  forward(n: number, drop?: { share: number; salt: number }): void
  /** From slopes of the loss by output to gradients of all parameters; `toInputs` adds the slopes of the inputs. */
  backward(n: number, toInputs: boolean, drop?: { share: number; salt: number }): void
  /** Steps all parameters by their gradients. */
  adam(rate: number, decay: number): void
  descend(rate: number, momentum: number, decay: number): void
}

const pad4 = (n: number) => Math.ceil(n / 4) * 4

/** Bytes from where a network lies; address 0 stands for "none". */
const FIRST = 64

const KEEP_MEAN = 0.9
const KEEP_SQUARE = 0.999
const EPSILON = 1e-8

/** Lays a network out. Cost of memory: 4 bytes a parameter (16 in training) and `batchRows` rows of all layers. */
export function openMachine(shape: NetworkShape, options: MachineOptions): NetworkMachine {
  const { layers, map } = layOut(shape, options)
  const workshop = openWorkshop(map.end, options.kernels)
  const { kernels, floats, buffer } = workshop
  new Float64Array(buffer, map.fractions, 64).set(EXP_FRACTIONS)
  const last = layers[layers.length - 1]
  const activate = (layer: Layer, n: number) => {
    const size = n * layer.padOut
    if (shape.activation === 'relu') kernels.relu(layer.sums, layer.outputs, size)
    else if (shape.activation === 'gelu') kernels.gelu(layer.sums, layer.outputs, size, map.fractions)
    else applyCurve(floats, layer.sums >> 2, layer.outputs >> 2, size, CURVES[shape.activation].value)
  }
  const slopesThrough = (layer: Layer, slopes: number, n: number) => {
    const size = n * layer.padOut
    if (shape.activation === 'relu') kernels.reluSlopes(slopes, layer.sums, size)
    else if (shape.activation === 'gelu') kernels.geluSlopes(slopes, layer.sums, size, map.fractions)
    else applySlope(floats, slopes >> 2, layer.sums >> 2, size, CURVES[shape.activation].slope)
  }
  let meanPower = 1
  let squarePower = 1
  return {
    ranOn: workshop.ranOn,
    floats,
    inputWidth: layers[0].padIn,
    inputAt: layers[0].inputs >> 2,
    outputWidth: last.padOut,
    outputAt: last.sums >> 2,
    slopeAt: map.slopes[layers.length] >> 2,
    inputSlopeAt: map.slopes[0] >> 2,
    extraAt: map.extra >> 2,
    extraGradientAt: (map.extra + map.toGradient) >> 2,
    loadParameters: (weights, biases) => {
      eachParameter(layers, (at, isBias, i) => {
        floats[at] = isBias ? biases[i] : weights[i]
      })
    },
    readParameters: () => {
      const weights = new Float32Array(layers.reduce((sum, { nIn, nOut }) => sum + nIn * nOut, 0))
      const biases = new Float32Array(layers.reduce((sum, { nOut }) => sum + nOut, 0))
      eachParameter(layers, (at, isBias, i) => {
        if (isBias) biases[i] = floats[at]
        else weights[i] = floats[at]
      })
      return { weights, biases }
    },
    forward: (n, drop) => {
      layers.forEach((layer, l) => {
        const { inputs, padIn, weights, padOut, bias, sums } = layer
        kernels.multiply(inputs, padIn * 4, 4, weights, padOut * 4, bias, sums, padOut * 4, n, padOut, padIn)
        if (layer === last) return
        activate(layer, n)
        if (drop) dropUnits(floats, layer.outputs >> 2, n * padOut, drop.share, mix32(drop.salt + l))
      })
    },
    backward: (n, toInputs, drop) => {
      for (let l = layers.length - 1; l >= 0; l--) {
        const { inputs, padIn, weights, padOut, bias } = layers[l]
        const slopes = map.slopes[l + 1]
        const gradient = weights + map.toGradient
        kernels.multiply(inputs, 4, padIn * 4, slopes, padOut * 4, 0, gradient, padOut * 4, padIn, padOut, n)
        kernels.sumRows(slopes, padOut * 4, n, padOut, bias + map.toGradient)
        if (l === 0 && !toInputs) return
        kernels.transpose(weights, padIn, padOut, map.turned)
        kernels.multiply(
          slopes,
          padOut * 4,
          4,
          map.turned,
          padIn * 4,
          0,
          map.slopes[l],
          padIn * 4,
          n,
          padIn,
          padOut,
        )
        if (l === 0) return
        if (drop) dropUnits(floats, map.slopes[l] >> 2, n * padIn, drop.share, mix32(drop.salt + l - 1))
        slopesThrough(layers[l - 1], map.slopes[l], n)
      }
    },
    adam: (rate, decay) => {
      meanPower *= KEEP_MEAN
      squarePower *= KEEP_SQUARE
      const at = map.parameters
      const step = (rate * Math.sqrt(1 - squarePower)) / (1 - meanPower)
      const [gradient, mean, square] = [1, 2, 3].map((copy) => at + copy * map.toGradient)
      kernels.adam(at, gradient, mean, square, map.nParameters, KEEP_MEAN, KEEP_SQUARE, step, EPSILON, decay)
    },
    descend: (rate, momentum, decay) => {
      const at = map.parameters
      kernels.descend(
        at,
        at + map.toGradient,
        at + 2 * map.toGradient,
        map.nParameters,
        momentum,
        rate,
        decay,
      )
    },
  }
}

interface MemoryMap {
  fractions: number
  parameters: number
  nParameters: number
  extra: number
  /** Bytes from a parameter to its gradient; as many again to each moment. */
  toGradient: number
  /** Slopes of what enters layer `l`; the last are those of the outputs. */
  slopes: number[]
  turned: number
  end: number
}

function layOut(shape: NetworkShape, options: MachineOptions): { layers: Layer[]; map: MemoryMap } {
  const { batchRows, training = false, extraFloats = 0 } = options
  let end = FIRST
  const take = (floats: number) => {
    const at = end
    end += Math.ceil(floats / 4) * 16
    return at
  }
  const fractions = take(128)
  const parameters = end
  const layers: Layer[] = shape.widths.map((nOut, l) => {
    const nIn = l === 0 ? shape.nInputs : shape.widths[l - 1]
    const [padIn, padOut] = [pad4(nIn), pad4(nOut)]
    const weights = take(padIn * padOut)
    return { nIn, nOut, padIn, padOut, weights, bias: take(padOut), inputs: 0, sums: 0, outputs: 0 }
  })
  const extra = take(extraFloats)
  const toGradient = end - parameters
  if (training) take((3 * toGradient) / 4)
  let inputs = take(batchRows * layers[0].padIn)
  // Without training relu works in place; gelu needs what it started from in backward passes only too.
  layers.forEach((layer, l) => {
    layer.inputs = inputs
    layer.sums = take(batchRows * layer.padOut)
    layer.outputs = training && l + 1 < layers.length ? take(batchRows * layer.padOut) : layer.sums
    inputs = layer.outputs
  })
  const slopeRows = training ? batchRows : 0
  const slopes = [layers[0].padIn, ...layers.map(({ padOut }) => padOut)].map((width) =>
    take(slopeRows * width),
  )
  const turned = take(training ? Math.max(...layers.map(({ padIn, padOut }) => padIn * padOut)) : 0)
  return {
    layers,
    map: {
      fractions,
      parameters,
      nParameters: toGradient / 4,
      extra,
      toGradient,
      slopes,
      turned,
      end,
    },
  }
}

/** Visits parameters with their place in memory, and their index among all weights or all biases. */
function eachParameter(
  layers: readonly Layer[],
  visit: (at: number, isBias: boolean, index: number) => void,
): void {
  let iWeight = 0
  let iBias = 0
  for (const { nIn, nOut, padOut, weights, bias } of layers) {
    for (let i = 0; i < nIn; i++)
      for (let j = 0; j < nOut; j++) visit((weights >> 2) + i * padOut + j, false, iWeight++)
    for (let j = 0; j < nOut; j++) visit((bias >> 2) + j, true, iBias++)
  }
}

function applyCurve(
  f: Float32Array,
  from: number,
  to: number,
  n: number,
  value: (x: number) => number,
): void {
  for (let i = 0; i < n; i++) f[to + i] = value(f[from + i])
}

function applySlope(
  f: Float32Array,
  slopes: number,
  sums: number,
  n: number,
  slope: (x: number) => number,
): void {
  for (let i = 0; i < n; i++) f[slopes + i] *= Math.fround(slope(f[sums + i]))
}

/** Inverted dropout: sets a share to 0 by a hash of place and salt, and scales the rest, so that scoring needs no change. */
function dropUnits(floats: Float32Array, at: number, n: number, share: number, salt: number): void {
  const limit = share * 2 ** 32
  const scale = Math.fround(1 / (1 - share))
  for (let i = 0; i < n; i++) floats[at + i] = mix32(i ^ salt) < limit ? 0 : floats[at + i] * scale
}
