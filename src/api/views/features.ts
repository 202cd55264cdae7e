/** A model's features as people read them: expressions as text, categories by their values instead of their codes. */
import type { Histogram, ModelVersion } from '../../core/records.ts'
import { type FittedFeature, type FittedFeatures, readFitted } from '../../expr/features.ts'
import type { Store } from '../../store/ports.ts'
import { remember } from './remember.ts'

/** Name of the code that all values share which were rare or unseen in training. */
const OTHER = 'other values'

/** The fitted pipeline of a version; undefined when its object is not a pipeline of ours. */
export async function fittedOf(store: Store, version: ModelVersion): Promise<FittedFeatures> {
  const read = async () =>
    readFitted(await store.getRecord<FittedFeatures>(version.features, 'FittedFeatures'))
  return await remember(store, 'fitted', version.features, read, 64)
}

/** A histogram over category codes with the values they stand for. Others are returned as they are. */
export function namedHistogram(histogram: Histogram, feature: FittedFeature | undefined): Histogram {
  if (histogram.kind !== 'category' || feature?.state?.kind !== 'category') return histogram
  const { values } = feature.state
  const named = (code: string) => (/^\d+$/.test(code) ? (values[Number(code)] ?? OTHER) : code)
  return { ...histogram, categories: histogram.categories.map(named) }
}
