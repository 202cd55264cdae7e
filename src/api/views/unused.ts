/** Models that nobody asks any more: what could be retired. Only told; a person takes a model out of the config. */
import type { WindowSummary } from '../../watch/records.ts'

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
