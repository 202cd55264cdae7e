import type { DenseNetwork } from './network.ts'

/** The network up to a hidden layer (from 1), as one whose outputs are that layer before its activation. With layer 0, none is left. */
export function bodyOf(whole: DenseNetwork, layer: number): DenseNetwork {
  const widths = whole.widths.slice(0, layer)
  const nInputs = whole.base.length
  const sizes = widths.map((units, l) => units * (widths[l - 1] ?? nInputs))
  const sum = (list: number[]) => list.reduce((total, x) => total + x, 0)
  const nOutputs = widths[widths.length - 1]
  return {
    ...whole,
    nOutputs,
    link: 'identity',
    widths,
    weights: whole.weights.slice(0, sum(sizes)),
    biases: whole.biases.slice(0, sum(widths)),
    outputScale: new Float64Array(nOutputs).fill(1),
    outputShift: new Float64Array(nOutputs),
  }
}
