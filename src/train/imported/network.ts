/**
 * A file of others as a model: read into a form of this package where it has one, else a network that ONNX Runtime scores whole, whose reading is settled on the rows.
 * Importing a file and taking in what a command left go the same way.
 */
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import { sha256Hex } from '../../core/sha256.ts'
import { type FedGraph, feedGraph, floatsOf, openGraph } from '../../model/graph/open.ts'
import {
  type Answered,
  type AskedReading,
  type DeclaredReading,
  labelsIn,
  planReading,
  settleReading,
} from '../../model/graph/reading.ts'
import type { ImportedModel } from '../../model/import/imported.ts'
import { hasOwnModel, modelOfFile } from '../../model/import/onnx.ts'
import { describeOnnx } from '../../model/import/onnx-describe.ts'
import { type OnnxFile, readOnnxFile } from '../../model/import/onnx-file.ts'
import { formatOfFile, readModelFile } from '../../model/import/open.ts'
import { graphOutputs, matrixOf } from '../../model/ready.ts'
import type { LearnedGraph, LearnInput, LearnRows } from '../learner.ts'

/** A model file as it is to be used. */
export type OpenedFile =
  | { kind: 'model'; imported: ImportedModel }
  /** `why` it is not scored by this package. */
  | { kind: 'network'; graph: OnnxFile; why: string }

/**
 * Opens a model file. ONNX that is no tree ensemble, no linear model and no feed-forward network of ours is a network for ONNX Runtime; so is any ONNX with `runtime`.
 * Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID for files that are damaged or refused.
 */
export function openModelFile(bytes: Uint8Array, runtime?: 'onnx'): OpenedFile {
  if (formatOfFile(bytes) !== 'onnx') return { kind: 'model', imported: readModelFile(bytes) }
  const graph = readOnnxFile(bytes)
  if (runtime === 'onnx') return { kind: 'network', graph, why: 'as declared' }
  try {
    const imported = modelOfFile(graph)
    if (imported.task === 'multiclass') imported.classes ??= labelsIn(graph)
    return { kind: 'model', imported }
  } catch (thrown) {
    if (hasOwnModel(graph) || !(thrown instanceof MillraceError) || thrown.code !== 'MR_MODEL_IMPORT')
      throw thrown
    return { kind: 'network', graph, why: thrown.message }
  }
}

/** Rows that a reading is settled on. */
const SETTLE_ROWS = 1_000

export interface NetworkFile {
  file: string
  bytes: Uint8Array
  graph: OnnxFile
  declared: DeclaredReading
}

/**
 * The network as what was learned. Errors: MR_ONNX_ABSENT without the runtime, and its own; MR_TRAIN_NETWORK, MR_MODEL_ALIGN for networks that do not fit;
 * MR_SERVE_GRAPH, MR_MODEL_MISSING.
 */
export async function networkLearned(
  input: LearnInput,
  { file, bytes, graph, declared }: NetworkFile,
): Promise<LearnedGraph> {
  assert(input.place, 'a network is measured by a worker, which has the runtime')
  const { features, task, classes } = input
  checkRunnable(file, graph)
  const asked: AskedReading = { file, task, features, classes, declared }
  const planned = planReading(graph, asked)
  const infer = await input.place.infer()
  const digest: Digest = `sha256:${sha256Hex(bytes)}`
  const plain = { bytes, digest, nFeatures: features.length }
  const fed = await feedGraph(infer, {
    ...plain,
    reading: { ...planned, columns: [0], link: 'identity' },
  })
  const answered = await answersOf(fed, digest, planned.output, rowsToSettle(input)).finally(fed.close)
  const { reading, notes } = settleReading(planned, answered, asked)
  for (const note of notes) input.note(note)
  const nOutputs = reading.columns.length
  const open = await openGraph(infer, { ...plain, nOutputs, reading })
  return {
    graph: bytes,
    reading,
    nOutputs,
    outputs: (rows, n) => graphOutputs(open, rows, n, { nFeatures: features.length, nOutputs }),
    close: open.close,
  }
}

function checkRunnable(file: string, graph: OnnxFile): void {
  const { external, problems } = describeOnnx(graph)
  const refuse = (expected: string, got: string) =>
    new MillraceError('MR_TRAIN_NETWORK', { file, expected, got })
  if (external.length > 0)
    throw refuse(
      'all data in the file itself (onnx.save(model, path) without external data)',
      `${external.length} tensors in other files`,
    )
  if (problems.length > 0) throw refuse(problems[0].fix, problems[0].problem)
}

/** The rows with most to say: those learned from, else any. */
function rowsToSettle({ train, validate }: LearnInput): LearnRows {
  return train.nRows > 0 ? train : validate
}

async function answersOf(fed: FedGraph, digest: string, output: string, rows: LearnRows): Promise<Answered> {
  const nFeatures = rows.columns.length
  const nRows = Math.min(SETTLE_ROWS, rows.nRows)
  // Spread over all rows, as they may be sorted by what is asked.
  const spread = rows.columns.map((column) =>
    Float64Array.from({ length: nRows }, (_, i) => column[Math.floor((i * rows.nRows) / nRows)]),
  )
  const found = await fed.run(matrixOf(spread, 0, nRows, nFeatures), nRows)
  return { nRows, ...floatsOf(digest, found, output, nRows) }
}
