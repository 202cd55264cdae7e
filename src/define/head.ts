/** `head`: a new last layer on a network that somebody else trained. */
import type { HeadTrainer } from './types.ts'

export interface HeadOptions {
  /** ONNX file of a network, relative to the config's folder. It takes the features of the model in their order. */
  network: string
  /** Hidden layer whose outputs are learned from, counted from 1, or the name of a tensor of the file. Default: `last`. */
  layer?: number | string
  /** Squared penalty on the standardised weights of the head. Default: 1. */
  l2?: number
}

/**
 * Fine-tuning of a head: the layers of an ONNX network stay as they are, and a linear, logistic or multinomial regression on what they make of each row becomes the
 * last one. The whole is one network: scored and explained in process where it is a chain of dense layers, else (convolutions, attention) by ONNX Runtime.
 */
export function head({ network, layer = 'last', l2 = 1 }: HeadOptions): HeadTrainer {
  return { kind: 'head', network, files: [network], layer, l2 }
}
