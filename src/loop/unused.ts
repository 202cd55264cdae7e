/** Models that nobody asks any more: what could be retired. Only told, and proposed in the journal; a person takes a model out of the config. */
import { subjects } from '../core/names.ts'
import type { JournalEvent } from '../core/records.ts'
import { currentRelease } from '../release/record.ts'
import { readWatch } from '../watch/record.ts'
import type { WindowSummary } from '../watch/records.ts'
import type { Runtime } from './runtime.ts'

/** Days without a prediction from which on it is told. */
export const UNUSED_DAYS = 30
const DAY_MS = 86_400_000

/**
 * Whole days since the last window with a prediction, or since the version went live where that is later; undefined below `UNUSED_DAYS`, and for a model that is not live or is asked now.
 */
export function unusedDays({
  windows,
  liveSince,
  requestsPerSecond,
  now,
}: {
  windows: readonly Pick<WindowSummary, 'window' | 'predictions'>[]
  liveSince: number | null
  requestsPerSecond: number
  now: number
}): number | undefined {
  if (liveSince === null || requestsPerSecond > 0) return undefined
  const asked = windows.findLast(({ predictions }) => predictions > 0)?.window.toAt ?? 0
  const days = Math.floor((now - Math.max(asked, liveSince)) / DAY_MS)
  return days >= UNUSED_DAYS ? days : undefined
}

const UNUSED = 'model.unused'
const ACTOR = 'millrace'

/**
 * Writes into the journal that a model was not asked for in so long, once until it is asked again or released anew. `requestsPerSecond` is what is asked of it now. Gives the event,
 * undefined where there is nothing to be said.
 */
export async function proposeRetiring(
  { store, clock }: Pick<Runtime, 'store' | 'clock'>,
  model: string,
  requestsPerSecond = 0,
): Promise<JournalEvent | undefined> {
  const [current, watch] = await Promise.all([currentRelease(store, model), readWatch(store, model)])
  const liveSince = current?.release.at ?? null
  const windows = watch?.state.windows ?? []
  const now = clock.now()
  const days = unusedDays({ windows, liveSince, requestsPerSecond, now })
  if (days === undefined) return undefined
  const subject = subjects.model(model)
  const predictions = windows.reduce((sum, window) => sum + window.predictions, 0)
  const [said] = await store.meta.events({ subject, types: [UNUSED], newest: true, limit: 1 })
  const data = { days, predictions, release: current?.digest ?? null, at: now }
  const before = said?.data as Partial<typeof data> | undefined
  if (before?.predictions === predictions && before.release === data.release) return undefined
  const reason = `${model} was not asked for in ${days} days: where it is needed no more, take it out of the config`
  const result = await store.meta.commit({ event: { type: UNUSED, subject, actor: ACTOR, reason, data } })
  return result.ok ? result.event : undefined
}
