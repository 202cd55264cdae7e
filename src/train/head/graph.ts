/** A head on a network of any operators: ONNX Runtime makes the embeddings, and the head becomes nodes of a new file. */
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { sha256Hex } from '../../core/sha256.ts'
import { cutNetwork, EMBEDDING, HEADED, hiddenTensors } from '../../model/graph/cut.ts'
import { feedGraph, floatsOf } from '../../model/graph/open.ts'
import { planReading } from '../../model/graph/reading.ts'
import { type OnnxFile, readOnnxFile } from '../../model/import/onnx-file.ts'
import { matrixOf } from '../../model/ready.ts'
import { networkLearned } from '../imported/network.ts'
import { keptRows, type LearnedGraph, type LearnInput, type LearnRows } from '../learner.ts'
import { fitHead, type Head } from './fit.ts'

/** The regression costs the square of this for each row. */
const WIDTH_MAX = 4_096
const BATCH_ROWS = 256

/**
 * Learns a head on a hidden tensor of a network and gives the network up to there with it, as `networkLearned` reads it.
 * Errors: MR_TRAIN_HEAD for layers that are not there, wide ones and answers that are no numbers; those of `networkLearned`.
 */
export async function headedGraph(
  input: LearnInput,
  trainer: Head,
  bytes: Uint8Array,
  file: OnnxFile,
): Promise<LearnedGraph> {
  const tensor = tensorOf(file, trainer)
  const rows = keptRows(input)
  const columns = await embedded(input, trainer, cutNetwork(bytes, file, tensor), rows)
  const model = fitHead(input, rows, columns, trainer)
  input.note(
    `${trainer.network} was taken as it is up to "${tensor}", ${columns.length} numbers a row; the last layer was learned from ${rows.nRows} rows`,
  )
  const headed = cutNetwork(bytes, file, tensor, model)
  return networkLearned(input, {
    file: trainer.network,
    bytes: headed,
    graph: readOnnxFile(headed),
    declared: { output: HEADED, ...(model.link !== 'identity' && { gives: 'probabilities' }) },
  })
}

export function tensorOf(file: OnnxFile, { layer, network }: Pick<Head, 'network' | 'layer'>): string {
  const hidden = hiddenTensors(file)
  const name = layer === 'last' ? hidden.at(-1) : typeof layer === 'number' ? hidden[layer - 1] : layer
  const isThere = file.graph.nodes.some(({ outputs }) => outputs.includes(name ?? ''))
  if (name !== undefined && isThere) return name
  const expected =
    typeof layer === 'string' && layer !== 'last'
      ? 'the name of a tensor that a node of the network makes'
      : hidden.length === 0
        ? 'a network of two layers or more with weights'
        : `a layer from 1 to ${hidden.length}, which are its hidden ones (${hidden.join(', ')})`
  throw new MillraceError('MR_TRAIN_HEAD', { network, expected, got: `layer ${layer}` })
}

/** What the runtime needs to know of the rows. */
export type EmbedInput = Pick<LearnInput, 'features' | 'task' | 'classes' | 'place' | 'signal' | 'progress'>

/** One column a number of the embedding. */
export async function embedded(
  input: EmbedInput,
  { network }: Pick<Head, 'network'>,
  body: Uint8Array,
  rows: Pick<LearnRows, 'columns' | 'nRows'>,
): Promise<Float64Array[]> {
  const { features, task, classes, place, signal } = input
  assert(place, 'a head is learned by a worker, which has the runtime')
  const graph = readOnnxFile(body)
  const planned = planReading(graph, {
    file: network,
    task,
    features,
    classes,
    declared: { output: EMBEDDING },
  })
  const digest: Digest = `sha256:${sha256Hex(body)}`
  const reading = { ...planned, columns: [0], link: 'identity' as const }
  const fed = await feedGraph(await place.infer(), {
    bytes: body,
    digest,
    nFeatures: features.length,
    reading,
  })
  try {
    const out: Float64Array[] = []
    for (let from = 0; from < rows.nRows; from += BATCH_ROWS) {
      signal.throwIfAborted()
      const n = Math.min(BATCH_ROWS, rows.nRows - from)
      const { data, width } = floatsOf(
        digest,
        await fed.run(matrixOf(rows.columns, from, n, features.length), n),
        EMBEDDING,
        n,
      )
      checkNumbers(network, data, width)
      while (out.length < width) out.push(new Float64Array(rows.nRows))
      for (let i = 0; i < n; i++) for (let k = 0; k < width; k++) out[k][from + i] = data[i * width + k]
      input.progress((0.5 * (from + n)) / rows.nRows, `row ${from + n} of ${rows.nRows} through the network`)
    }
    return out
  } finally {
    fed.close()
  }
}

function checkNumbers(network: string, data: Float32Array | Float64Array, width: number): void {
  if (width > WIDTH_MAX)
    throw new MillraceError('MR_TRAIN_HEAD', {
      network,
      expected: `a layer of at most ${WIDTH_MAX} numbers a row: name a later one`,
      got: `${width}`,
    })
  if (!data.every(Number.isFinite))
    throw new MillraceError('MR_TRAIN_HEAD', {
      network,
      expected: 'a number of each unit for each row; fill missing values in the features (fill(0))',
      got: 'rows without',
    })
}
