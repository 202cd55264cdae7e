/**
 * A new head on a network that somebody else trained: its layers up to one stay as they are, and what they make of a row (its embedding) is what a linear or logistic
 * regression learns from. The regression becomes the network's last layer, so that the whole is one network: scored, gated, served and explained as every other.
 */
import { readFile } from 'node:fs/promises'
import { assert, MillraceError } from '../../core/errors.ts'
import type { ImportedModel } from '../../model/import/imported.ts'
import { CURVES } from '../../model/network/activations.ts'
import { bodyOf as hiddenBody } from '../../model/network/body.ts'
import type { DenseNetwork } from '../../model/network/network.ts'
import { compileScorer } from '../../model/score.ts'
import type { LinearModel } from '../../model/trees.ts'
import { openModelFile } from '../imported/network.ts'
import {
  keptRows,
  type Learned,
  type LearnedGraph,
  type Learner,
  type LearnInput,
  type LearnPlace,
  ownModel,
} from '../learner.ts'
import { fitHead, type Head } from './fit.ts'
import { headedGraph } from './graph.ts'

export const headLearner: Learner<Head> = {
  kind: 'head',
  tasks: ['binary', 'regression', 'multiclass'],
  learn: (input, trainer) => ownModel(learnAny(input, trainer), 'head'),
  learnAny,
  calibrates: async (trainer, _, place) => (await openedOf(trainer, place)).opened.kind !== 'network',
}

/** The network that a head is put on, from the store. */
async function openedOf({ layer, contents }: Head, place: LearnPlace | undefined) {
  assert(place && contents, 'a head is learned by a worker, which has the network')
  const bytes = await readFile(await place.path(Object.values(contents)[0]))
  const isNamed = typeof layer === 'string' && layer !== 'last'
  return { bytes, opened: openModelFile(bytes, isNamed ? 'onnx' : undefined) }
}

/** A chain of dense layers is scored here; a head on any other network, or at a named tensor, makes a new network for ONNX Runtime. */
async function learnAny(input: LearnInput, trainer: Head): Promise<Learned | LearnedGraph> {
  const { network } = trainer
  const { bytes, opened } = await openedOf(trainer, input.place)
  if (opened.kind === 'network') return headedGraph(input, trainer, bytes, opened.graph)
  const { imported } = opened
  const rows = keptRows(input)
  const body = denseBody(imported, input, trainer, rows.columns)
  const fit = fitHead(input, rows, embeddings(body, rows.columns, rows.nRows), trainer)
  input.note(
    `the layers ${body.widths.join('-')} of ${network} (${imported.source}) were taken as they are; the last layer was learned from ${rows.nRows} rows`,
  )
  for (const note of imported.notes) input.note(note)
  return { model: withHead(body, fit) }
}

/** The network of a file up to a hidden layer. Errors: MR_TRAIN_HEAD. */
export function denseBody(
  imported: ImportedModel,
  input: Pick<LearnInput, 'features'>,
  taken: Pick<Head, 'network' | 'layer'>,
  columns: Float64Array[],
): DenseNetwork {
  return bodyOf(wholeOf(imported, input, taken, columns), taken)
}

/** The network of the file, which takes the features of this model in their order. */
function wholeOf(
  imported: ImportedModel,
  { features }: Pick<LearnInput, 'features'>,
  { network }: Pick<Head, 'network'>,
  columns: Float64Array[],
): DenseNetwork {
  const { model } = imported
  if (model.kind !== 'DenseNetwork' || model.widths.length < 2)
    throw refused(network, 'a network of two layers or more', imported.source)
  if (model.nFeatures !== features.length)
    throw refused(
      network,
      `a network of ${features.length} inputs, one a feature`,
      `one of ${model.nFeatures}`,
    )
  const odd = features.find(({ type }) => type !== 'number')
  if (odd) throw refused(network, 'features that are numbers', `"${odd.name}", a category`)
  return (imported.withBase?.(columns) ?? model) as DenseNetwork
}

function refused(network: string, expected: string, got: string): MillraceError {
  return new MillraceError('MR_TRAIN_HEAD', { network, expected, got })
}

/** The network up to a hidden layer, as one whose outputs are that layer before its activation. */
function bodyOf(whole: DenseNetwork, { layer, network }: Pick<Head, 'network' | 'layer'>): DenseNetwork {
  const hidden = whole.widths.length - 1
  const taken = layer === 'last' ? hidden : Number(layer)
  if (!Number.isInteger(taken) || taken < 1 || taken > hidden)
    throw refused(network, `a layer from 1 to ${hidden}, which are its hidden ones`, `layer ${layer}`)
  return hiddenBody(whole, taken)
}

/** One column a unit of the body's last layer, after its activation. */
export function embeddings(body: DenseNetwork, columns: Float64Array[], nRows: number): Float64Array[] {
  const raw = new Float64Array(nRows * body.nOutputs)
  compileScorer(body).rawBatch(columns, nRows, raw)
  const activate = CURVES[body.activation].value
  return Array.from({ length: body.nOutputs }, (_, unit) =>
    Float64Array.from({ length: nRows }, (__, i) => activate(raw[i * body.nOutputs + unit])),
  )
}

function withHead(
  body: DenseNetwork,
  { nOutputs, nFeatures, weights, intercepts, link }: LinearModel,
): DenseNetwork {
  const turned = Float32Array.from(
    { length: weights.length },
    (_, at) => weights[(at % nOutputs) * nFeatures + Math.floor(at / nOutputs)],
  )
  return {
    ...body,
    nOutputs,
    link,
    widths: [...body.widths, nOutputs],
    weights: joined(body.weights, turned),
    biases: joined(body.biases, intercepts),
    outputScale: new Float64Array(nOutputs).fill(1),
    outputShift: new Float64Array(nOutputs),
  }
}

function joined(first: ArrayLike<number>, second: ArrayLike<number>): Float32Array {
  const out = new Float32Array(first.length + second.length)
  out.set(first)
  out.set(second, first.length)
  return out
}
