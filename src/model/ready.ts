/** A model version made ready to score rows of features, whatever its format: on this thread, or by ONNX Runtime on its own. */
import type { Digest, ModelVersion } from '../core/records.ts'
import type { Infer } from '../core/tensors.ts'
import { type FittedFeatures, readFitted } from '../expr/features.ts'
import type { Store } from '../store/ports.ts'
import { type FeatureRows, readRow } from './feature-rows.ts'
import { type OpenGraph, openGraph } from './graph/open.ts'
import { type LoadedModel, loadModel } from './load.ts'
import { predictColumns } from './predict.ts'

export interface ReadyModel {
  digest: Digest
  version: ModelVersion
  features: FittedFeatures
  nOutputs: number
  /** Calibrated outputs `[n * nOutputs]`: at once where the model scores on this thread. */
  outputs(rows: FeatureRows, n: number): Float64Array | Promise<Float64Array>
  /** The model itself, where this package scores it. */
  loaded?: LoadedModel
  close(): void
}

export interface ReadyPorts {
  store: Pick<Store, 'getRecord' | 'objects'>
  infer(): Promise<Infer>
}

/**
 * Makes a version ready. `parent` spares reading its graph again for a member. Close it when it is no longer used.
 * Errors: those of `loadModel`, and of `openGraph` for ONNX.
 */
export async function readyModel(
  { store, infer }: ReadyPorts,
  digest: Digest,
  parent?: ReadyModel,
): Promise<ReadyModel> {
  const version = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
  if (version.format === 'onnx') return await readyGraph(store, await infer(), digest, version)
  const loaded = await loadModel(store, digest, parent?.loaded)
  return {
    digest,
    version,
    features: loaded.features,
    nOutputs: loaded.graph.model.nOutputs,
    outputs: (rows, n) => predictColumns(loaded.graph, rows, n),
    loaded,
    close: () => undefined,
  }
}

async function readyGraph(
  store: ReadyPorts['store'],
  infer: Infer,
  digest: Digest,
  version: ModelVersion,
): Promise<ReadyModel> {
  const features = readFitted(await store.getRecord<FittedFeatures>(version.features, 'FittedFeatures'))
  const nFeatures = features.features.length
  const nOutputs = version.classes?.length ?? 1
  const graph = await openGraph(infer, {
    bytes: await store.objects.get(version.graph),
    digest: version.graph,
    nFeatures,
    nOutputs,
    reading: version.reading,
  })
  return {
    ...{ digest, version, features, nOutputs },
    outputs: (rows, n) => graphOutputs(graph, rows, n, { nFeatures, nOutputs }),
    close: graph.close,
  }
}

/** Numbers of features handed over at once: batches of 4,096 rows, fewer where they are wide. */
const BATCH_NUMBERS = 2 ** 20
const BATCH_ROWS = 4_096

/** Outputs of many rows by a graph, in batches. */
export async function graphOutputs(
  graph: Pick<OpenGraph, 'run'>,
  rows: FeatureRows,
  n: number,
  { nFeatures, nOutputs }: { nFeatures: number; nOutputs: number },
): Promise<Float64Array> {
  const out = new Float64Array(n * nOutputs)
  const size = Math.max(1, Math.min(BATCH_ROWS, Math.floor(BATCH_NUMBERS / Math.max(1, nFeatures))))
  for (let from = 0; from < n; from += size) {
    const count = Math.min(size, n - from)
    out.set(await graph.run(matrixOf(rows, from, count, nFeatures), count), from * nOutputs)
  }
  return out
}

/** Rows `[from, from + n)`, row by row. */
export function matrixOf(rows: FeatureRows, from: number, n: number, nFeatures: number): Float64Array {
  const matrix = new Float64Array(n * nFeatures)
  for (let i = 0; i < n; i++) readRow(rows, from + i, matrix.subarray(i * nFeatures, (i + 1) * nFeatures))
  return matrix
}
