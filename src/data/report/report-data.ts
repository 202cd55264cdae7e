/** What a report of a version shows, gathered from the store. */
import type { Digest, TimeWindow, Verdict } from '../../core/records.ts'
import type { Query } from '../../engine/ports.ts'
import type { Store } from '../../store/ports.ts'
import { type DatasetVersionPage, type QuarantineRows, show } from '../pages.ts'
import { readQuarantine } from '../quarantine.ts'
import { ancestry, type LogRow, logRow, type NamedVersion, resolveVersion } from '../versions.ts'

/** Versions back that a report looks. */
export const REPORT_HISTORY_MAX = 30
/** Rows put aside that it can show. */
export const REPORT_ROWS_MAX = 500

export interface VersionReport extends DatasetVersionPage {
  window: TimeWindow | null
  source: string
  message: string
  /** Newest first. */
  history: LogRow[]
  /** By the name of a check: what was found in this version and those before, oldest first. */
  verdicts: Record<string, { at: number; verdict: Verdict; value: number | null; digest: Digest }[]>
  quarantine: QuarantineRows
}

/** `name` as for `resolveVersion`; `rows` put aside are shown with their values, 20 by default. Cost: the records of 30 versions, and one scan of the rows aside. */
export async function versionReport(
  store: Store,
  query: Query,
  name: string,
  { rows = 20, signal }: { rows?: number; signal?: AbortSignal } = {},
): Promise<VersionReport> {
  const found = await resolveVersion(store, name)
  const { digest, version } = found
  const page = await show(store, digest)
  const before: NamedVersion[] = []
  for await (const one of ancestry(store, found)) {
    before.push(one)
    if (before.length === REPORT_HISTORY_MAX) break
  }
  return {
    ...page,
    window: version.window ?? null,
    source: version.source,
    message: version.message,
    history: await Promise.all(before.map((one) => logRow(store, one.digest, one.version))),
    verdicts: verdictsOf(before),
    quarantine: await readQuarantine(store, query, digest, {
      limit: Math.min(rows, REPORT_ROWS_MAX),
      signal,
    }),
  }
}

function verdictsOf(versions: readonly NamedVersion[]): VersionReport['verdicts'] {
  const verdicts: VersionReport['verdicts'] = {}
  for (const { digest, version } of versions.toReversed())
    for (const { check, verdict, value } of version.findings) {
      verdicts[check] ??= []
      verdicts[check].push({ at: version.createdAt, verdict, value, digest })
    }
  return verdicts
}
