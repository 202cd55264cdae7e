/** Reports that a model has one newest of, by a ref. */
import type { Json } from '../core/canonical.ts'
import { subjects } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import type { Runtime } from './runtime.ts'

export interface NewestReport {
  /** The ref that names the newest. */
  name: string
  report: Digest
  model: string
  /** Type of the event. */
  type: string
  actor: string
}

/** Makes a report the newest, with an event of what `tell` says of it, unless it is that already. */
export async function makeNewest(
  { store }: Pick<Runtime, 'store'>,
  { name, report, model, type, actor }: NewestReport,
  tell: () => { reason: string; data: Json } | Promise<{ reason: string; data: Json }>,
): Promise<void> {
  if ((await store.meta.ref(name))?.digest === report) return
  const told = await tell()
  await store.meta.commit({
    moves: [{ name, to: report }],
    event: { type, subject: subjects.model(model), actor, ...told },
  })
}
