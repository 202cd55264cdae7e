/** A model version made ready from the store: its record, its features and its graph, with the parent's trees in front where it is a member. */
import type { Digest, ModelVersion } from '../core/records.ts'
import type { FittedFeatures } from '../expr/features.ts'
import { readFitted } from '../expr/features.ts'
import type { Store } from '../store/ports.ts'
import { decodeModel } from './format.ts'
import { type Graph, memberGraph } from './predict.ts'

export interface LoadedModel {
  digest: Digest
  version: ModelVersion
  features: FittedFeatures
  graph: Graph
}

/**
 * Reads a model version that this package scores by itself. `parent` spares reading the base graph again when it is that of the parent.
 * Errors: the store's (missing, corrupt), MR_MODEL_FORMAT, MR_MODEL_INVALID, MR_EXPR_STATE.
 */
export async function loadModel(
  store: Pick<Store, 'getRecord' | 'objects'>,
  digest: Digest,
  parent?: LoadedModel,
): Promise<LoadedModel> {
  const version = await store.getRecord<ModelVersion>(digest, 'ModelVersion')
  const features =
    version.features === parent?.version.features
      ? parent.features
      : readFitted(await store.getRecord<FittedFeatures>(version.features, 'FittedFeatures'))
  const own = decodeModel(await store.objects.get(version.graph))
  if (version.base === undefined) return { digest, version, features, graph: own }
  const base =
    parent?.version.graph === version.base
      ? parent.graph.model
      : decodeModel(await store.objects.get(version.base)).model
  return { digest, version, features, graph: memberGraph(base, own) }
}
