/** What a hidden layer of a network makes of rows, for whoever compares rows by it. */

import { cutNetwork } from '../../model/graph/cut.ts'
import { openModelFile } from '../imported/network.ts'
import type { LearnRows } from '../learner.ts'
import type { Head } from './fit.ts'
import { type EmbedInput, embedded, tensorOf } from './graph.ts'
import { denseBody, embeddings } from './learner.ts'

export interface Embedded {
  /** Name of the layer's tensor, or the widths of the layers up to it. */
  tensor: string
  /** One column a number. */
  columns: Float64Array[]
}

/**
 * Runs rows through a network up to a layer: chains of dense layers here, any other network by ONNX Runtime. Errors: MR_TRAIN_HEAD for layers that are not there, wide ones, and
 * features that the network does not take; those of ONNX Runtime.
 */
export async function embedRows(
  input: EmbedInput,
  { network, layer, bytes }: Pick<Head, 'network' | 'layer'> & { bytes: Uint8Array },
  rows: Pick<LearnRows, 'columns' | 'nRows'>,
): Promise<Embedded> {
  const isNamed = typeof layer === 'string' && layer !== 'last'
  const opened = openModelFile(bytes, isNamed ? 'onnx' : undefined)
  if (opened.kind === 'network') {
    const tensor = tensorOf(opened.graph, { network, layer })
    const columns = await embedded(input, { network }, cutNetwork(bytes, opened.graph, tensor), rows)
    return { tensor, columns }
  }
  const body = denseBody(opened.imported, input, { network, layer }, rows.columns)
  return { tensor: `layers ${body.widths.join('-')}`, columns: embeddings(body, rows.columns, rows.nRows) }
}
