/** Which rows a training uses: a version of the dataset, and as much of its history as the model wants. */
import { MillraceError } from '../core/errors.ts'
import { refs } from '../core/names.ts'
import type { DatasetVersion, Digest } from '../core/records.ts'
import type { ModelDef } from '../define/types.ts'
import { spanOf } from '../train/specs.ts'
import type { Runtime } from './runtime.ts'
import { shift } from './spans.ts'

/** The rows that a retrain uses: all of them, or the newest months. */
export function historyOf(model: ModelDef, version: DatasetVersion, time: string | undefined) {
  const span = spanOf(version, time)
  if (!span || model.watch.history === 'all') return span
  return {
    fromAt: Math.max(span.fromAt, shift(span.toAt, { months: model.watch.history }, -1)),
    toAt: span.toAt,
  }
}

export async function dataFor(
  rt: Runtime,
  model: ModelDef,
  wanted: Digest | undefined,
): Promise<{ digest: Digest; version: DatasetVersion }> {
  const digest = wanted ?? (await rt.store.meta.ref(refs.dataset(model.from)))?.digest
  if (!digest) throw new MillraceError('MR_LOOP_NO_DATA', { dataset: model.from })
  return { digest, version: await rt.store.getRecord<DatasetVersion>(digest, 'DatasetVersion') }
}
