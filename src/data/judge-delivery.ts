/** What is said of a delivery when it is recorded: what depends on when that is and on what came before joins what its rows said. */
import { isMillraceError } from '../core/errors.ts'
import type { DatasetVersion, Digest, Finding } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import type { Store } from '../store/ports.ts'
import { type DriftCheck, driftFinding } from './drift-check.ts'
import { freshFinding } from './findings.ts'
import { type DeliveryMetrics, deliveries, usualFindings } from './metric-history.ts'
import type { DatasetImport } from './types.ts'
import { getVersion, resolveVersion } from './versions.ts'

export interface JudgedDelivery {
  /** Dated. */
  findings: Finding[]
  /** Names of the `stop` checks that refuse it. */
  refusedBy: string[]
  /** Object with its numbers; absent where the import is of an older version. */
  metrics?: Digest
  /** Metrics that their history did not let expect. */
  unusual: string[]
}

/** Adds the verdicts on freshness, history and drift. Puts the numbers of the delivery into the store; no ref moves. */
export async function judgeDelivery(
  store: Store,
  done: DatasetImport,
  checks: readonly CheckDef[],
  now: number,
): Promise<JudgedDelivery> {
  const { dataset } = done
  const kept = done.metrics && { at: done.metrics.at ?? now, values: done.metrics.values }
  // What broke when it was measured has been said.
  const told = new Set(done.findings.map(({ check }) => check))
  const open = checks.filter(({ name }) => !told.has(name))
  const usual = kept && (await judgeUsual(store, dataset, open, kept))
  const late = [
    ...freshFindings(done, checks, now),
    ...(usual?.findings ?? []),
    ...(await driftFindings(store, done, checks)),
  ]
  const stops = new Set(checks.filter((check) => check.onFail === 'stop').map((check) => check.name))
  const refusedBy = late.filter((f) => stops.has(f.check) && f.verdict === 'fail').map((f) => f.check)
  const metrics: DeliveryMetrics | undefined = kept && { kind: 'DeliveryMetrics', dataset, ...kept }
  return {
    findings: [...done.findings, ...late].map((finding) => ({ ...finding, at: now })),
    refusedBy: [...done.refusedBy, ...refusedBy],
    ...(metrics && { metrics: await store.putRecord(metrics) }),
    unusual: usual?.unusual ?? [],
  }
}

function freshFindings(done: DatasetImport, checks: readonly CheckDef[], now: number): Finding[] {
  return checks.flatMap((check) => {
    if (check.rule.kind !== 'fresh') return []
    const newestAt = done.newest[check.rule.column] ?? null
    return [freshFinding(done.dataset, check, newestAt, done.delivered.rows, now)]
  })
}

async function judgeUsual(
  store: Store,
  dataset: string,
  checks: readonly CheckDef[],
  kept: Pick<DeliveryMetrics, 'at' | 'values'>,
): Promise<{ findings: Finding[]; unusual: string[] } | undefined> {
  if (!checks.some(({ rule }) => rule.kind === 'usual')) return undefined
  return usualFindings(dataset, checks, await deliveries(store, dataset), kept)
}

async function driftFindings(
  store: Store,
  done: DatasetImport,
  checks: readonly CheckDef[],
): Promise<Finding[]> {
  const asked = checks.filter((check): check is DriftCheck => check.rule.kind === 'drift')
  return await Promise.all(
    asked.map(async (check) => {
      const reference = await referenceOf(store, done, check.rule.against)
      return driftFinding(done.dataset, check, reference, done.deliveredStats ?? {})
    }),
  )
}

/** Undefined where there is no such version, or none yet: `flights@main~3` of the first three. */
export async function referenceOf(
  store: Store,
  { parent }: Pick<DatasetImport, 'parent'>,
  against: string,
): Promise<{ version: DatasetVersion; name: string } | undefined> {
  if (parent === null) return undefined
  if (against === 'previous') return { version: await getVersion(store, parent), name: 'the version before' }
  try {
    return { version: (await resolveVersion(store, against)).version, name: against }
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_DATA_VERSION')) return undefined
    throw thrown
  }
}
