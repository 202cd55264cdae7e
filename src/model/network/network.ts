import type { ModelBase } from '../form.ts'
import type { Activation } from './activations.ts'

/** Standardised inputs are held to this many deviations, so that a stray or infinite value cannot flood the layers. */
export const INPUT_MAX = 8

/** How one feature becomes inputs of the first layer. */
export type InputEncoding =
  /** `(x - shift) * scale` held to [-8, 8], a missing value 0; with `flag` a second input that is 1 where the value is missing. */
  | { kind: 'number'; shift: number; scale: number; flag: boolean }
  /** One input a code, and a last one for other codes and missing values. `codes` rising. */
  | { kind: 'oneHot'; codes: Int32Array }
  /** `width` inputs from row `index of the code` of `table`; the last row is for other codes and missing values. `table`: `[(nCodes + 1) * width]`. */
  | { kind: 'embedding'; codes: Int32Array; width: number; table: Float32Array }

/**
 * A multilayer perceptron over encoded features, in float32: each layer is `activation(bias + inputs · weights)`, the last without activation.
 * Raw scores are `outputShift + outputScale * last layer`, in doubles.
 */
export interface DenseNetwork extends ModelBase {
  kind: 'DenseNetwork'
  encodings: InputEncoding[]
  /** Mean of each input over the training rows: where explanations start from. `[nInputs]` */
  base: Float32Array
  activation: Activation
  /** Units of each layer, the outputs last. */
  widths: number[]
  /** Layer after layer, `[nIn * nOut]` by input. */
  weights: Float32Array
  /** Layer after layer, `[nOut]`. */
  biases: Float32Array
  outputScale: Float64Array
  outputShift: Float64Array
}

/** Inputs of one feature. */
export function inputsOf(encoding: InputEncoding): number {
  switch (encoding.kind) {
    case 'number':
      return encoding.flag ? 2 : 1
    case 'oneHot':
      return encoding.codes.length + 1
    case 'embedding':
      return encoding.width
  }
}

export function inputCount(encodings: readonly InputEncoding[]): number {
  return encodings.reduce((sum, encoding) => sum + inputsOf(encoding), 0)
}

/** Place of a code among the rising `codes`; `codes.length` for any other value and for a missing one. */
export function codeIndex(codes: Int32Array, value: number): number {
  let low = 0
  let high = codes.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (codes[middle] < value) low = middle + 1
    else high = middle
  }
  return low < codes.length && codes[low] === value ? low : codes.length
}

/** Standardised value of a number. */
export function standardised(x: number, shift: number, scale: number): number {
  if (Number.isNaN(x)) return 0
  const value = (x - shift) * scale
  return Number.isNaN(value) ? 0 : Math.max(-INPUT_MAX, Math.min(INPUT_MAX, value))
}

/** Writes the inputs of the row at `rows[from]` to `out[at]`, which is zero there. */
export function encodeRow(
  encodings: readonly InputEncoding[],
  rows: Float64Array,
  from: number,
  out: Float32Array,
  at: number,
): void {
  let to = at
  for (let j = 0; j < encodings.length; j++) {
    const encoding = encodings[j]
    const x = rows[from + j]
    if (encoding.kind === 'number') {
      out[to] = standardised(x, encoding.shift, encoding.scale)
      if (encoding.flag) out[to + 1] = Number.isNaN(x) ? 1 : 0
    } else if (encoding.kind === 'oneHot') {
      out[to + codeIndex(encoding.codes, x)] = 1
    } else {
      const { width, table } = encoding
      const row = codeIndex(encoding.codes, x) * width
      for (let k = 0; k < width; k++) out[to + k] = table[row + k]
    }
    to += inputsOf(encoding)
  }
}
