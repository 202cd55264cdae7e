/** What is said of a merge when it is recorded, and which checks it breaks: one that held on the branch that takes the other and does not hold any more. */
import { MillraceError } from '../core/errors.ts'
import { grouped } from '../core/grouped.ts'
import type { DatasetVersion, Digest, Finding } from '../core/records.ts'
import { type TableMetric, tableMetricText } from '../define/table-metrics.ts'
import type { CheckDef } from '../define/types.ts'
import type { Store } from '../store/ports.ts'
import { findingOf } from './check-data.ts'
import type { CheckedRule } from './check-types.ts'
import type { DeliveryValues } from './delivery-metrics.ts'
import { type DriftCheck, driftFinding } from './drift-check.ts'
import { figure } from './findings.ts'
import { referenceOf } from './judge-delivery.ts'
import { figureOn, isBad } from './merge-checks.ts'
import type { JudgedSide, MergeJudgement } from './merge-types.ts'
import { mergeStats } from './merged-stats.ts'
import { type Delivery, usualFindings } from './metric-history.ts'
import { ancestry, getVersion } from './versions.ts'

/** A check that a merge breaks, with its figures as texts. */
export interface BrokenCheck {
  check: string
  limit: string
  merged: string
  ours: string
  theirs: string
}

export interface MergeVerdicts {
  /** Of the merged version, dated. */
  findings: Finding[]
  /** While there are any nothing moves. */
  broken: BrokenCheck[]
}

export interface JudgedMerge {
  dataset: string
  checks: readonly CheckDef[]
  judgement: MergeJudgement | undefined
  merged: Pick<DatasetVersion, 'schema' | 'parts' | 'rows'>
  ours: Digest
  theirs: Digest
  now: number
}

const NOTHING: MergeVerdicts = { findings: [], broken: [] }

/**
 * Judges a merge by what its rows came to, and what depends on when that is and on the versions before: ages, history, drift. A check of `stop` is broken where it fails on the merged version and not on ours, or
 * cannot be evaluated; one of `quarantine` where more rows fail it than those that both sides brought along. Pure but for reading records. No ref moves.
 */
export async function mergeVerdicts(store: Store, judged: JudgedMerge): Promise<MergeVerdicts> {
  if (judged.judgement === undefined) return NOTHING
  const [ours, theirs] = [await getVersion(store, judged.ours), await getVersion(store, judged.theirs)]
  const verdicts = new Verdicts(store, judged, { ours, theirs })
  const findings: Finding[] = []
  const broken: BrokenCheck[] = []
  for (const check of judged.checks) {
    const merged = await verdicts.of('merged', check)
    if (merged === undefined) continue
    findings.push({ ...merged.finding, at: judged.now })
    if (!(await verdicts.isBroken(check, merged.finding))) continue
    const { name, limit } = { name: check.name, limit: merged.finding.limit }
    const text = async (side: JudgedSide) => (await verdicts.of(side, check))?.figure ?? 'no figure'
    broken.push({
      ...{ check: name, limit, merged: merged.figure },
      ...{ ours: await text('ours'), theirs: await text('theirs') },
    })
  }
  return { findings, broken }
}

/** A verdict with its figure as people read it. */
interface Said {
  finding: Finding
  figure: string
}

type VersionSide = Pick<DatasetVersion, 'schema' | 'parts' | 'rows'> & { parent?: Digest; at: number }

class Verdicts {
  readonly #store: Store
  readonly #judged: JudgedMerge
  readonly #versions: Partial<Record<JudgedSide, VersionSide>>

  constructor(
    store: Store,
    judged: JudgedMerge,
    { ours, theirs }: Record<'ours' | 'theirs', DatasetVersion>,
  ) {
    this.#store = store
    this.#judged = judged
    const before = (version: DatasetVersion): VersionSide => ({
      ...version,
      parent: version.parents[0],
      at: version.createdAt,
    })
    this.#versions = {
      merged: { ...judged.merged, parent: judged.ours, at: judged.now },
      ours: before(ours),
      theirs: before(theirs),
    }
  }

  async of(side: JudgedSide, check: CheckDef): Promise<Said | undefined> {
    const { dataset, judgement, now } = this.#judged
    const late = await this.#late(side, check)
    if (late) return late
    const found = figureOn(judgement!, side, check.name)
    const finding = found && findingOf(dataset, check, found.rule, found.rows, now)
    if (finding === undefined) return undefined
    const text = figureText(check, found!.rule, found!.rows)
    const message = `${check.name}: ${text} in the merged version, ${finding.limit} is asked`
    return { finding: { ...finding, message }, figure: text }
  }

  /** Verdicts by the versions before. */
  async #late(side: JudgedSide, check: CheckDef): Promise<Said | undefined> {
    const version = this.#versions[side]
    if (version === undefined) return undefined
    if (check.rule.kind === 'drift') return await this.#drift(version, check as DriftCheck)
    return check.rule.kind === 'usual' ? await this.#usual(version, check, check.rule.metric) : undefined
  }

  async #drift({ schema, parts, parent }: VersionSide, check: DriftCheck): Promise<Said> {
    const stats = schema.columns.flatMap(({ name }) => {
      const found = mergeStats(parts, name)
      return found ? [[name, found] as const] : []
    })
    const reference = await referenceOf(this.#store, { parent: parent ?? null }, check.rule.against)
    const finding = driftFinding(this.#judged.dataset, check, reference, Object.fromEntries(stats))
    const text = finding.value === null ? 'no figure' : `stability index ${figure(finding.value)}`
    return { finding, figure: text }
  }

  /** Numbers of a whole version are judged by those of the whole versions before it. */
  async #usual(version: VersionSide, check: CheckDef, metric: TableMetric): Promise<Said | undefined> {
    const values = valuesOf(version, metric)
    if (values === undefined) return undefined
    const history: Delivery[] = []
    const parent = version.parent && {
      digest: version.parent,
      version: await getVersion(this.#store, version.parent),
    }
    for await (const { version: before } of ancestry(this.#store, parent || undefined)) {
      if (history.length === HISTORY_VERSIONS_MAX) break
      history.push({
        ...{ event: history.length, at: before.createdAt, values: valuesOf(before, metric) ?? {} },
        ...{ unusual: [], accepted: [], wasRefused: false },
      })
    }
    const { dataset } = this.#judged
    const {
      findings: [finding],
    } = usualFindings(dataset, [check], history.reverse(), { at: version.at, values })
    return { finding: finding!, figure: finding!.value === null ? 'no figure' : figure(finding!.value) }
  }

  async isBroken(check: CheckDef, merged: Finding): Promise<boolean> {
    if (check.onFail === 'quarantine') return this.#bringsMore(check.name)
    if (check.onFail !== 'stop' || !isBad(merged)) return false
    return merged.verdict === 'error' || (await this.of('ours', check))?.finding.verdict !== 'fail'
  }

  /** Whether more rows fail than those that failed on one side or the other, each counted once. */
  #bringsMore(name: string): boolean {
    const failed = (side: JudgedSide) =>
      figureOn(this.#judged.judgement!, side, name)?.rule.tally?.failed ?? 0
    const [merged, ours, theirs] = [failed('merged'), failed('ours'), failed('theirs')]
    return merged > Math.max(ours, theirs, ours + theirs - failed('base'))
  }
}

/** Versions before that a history is made of. */
const HISTORY_VERSIONS_MAX = 200

/** A number of a whole version from the statistics of its parts; undefined for those that they do not tell. */
function valuesOf(
  { parts, rows }: Pick<DatasetVersion, 'parts' | 'rows'>,
  metric: TableMetric,
): DeliveryValues | undefined {
  const text = tableMetricText(metric)
  if (metric.of === 'rows') return { [text]: { value: rows, n: rows } }
  const [column] = metric.columns
  const stats = column === undefined ? undefined : mergeStats(parts, column)
  if (stats === undefined) return undefined
  const n = rows - stats.nulls
  if (metric.of === 'missing') return { [text]: { value: rows === 0 ? null : stats.nulls / rows, n: rows } }
  if (metric.of === 'mean')
    return {
      [text]: { value: stats.mean ?? null, n },
      [`std(${column})`]: { value: stats.std ?? null, n },
    }
  return metric.of === 'std' ? { [text]: { value: stats.std ?? null, n } } : undefined
}

function figureText({ rule: { kind } }: CheckDef, rule: CheckedRule, rows: number): string {
  const { error, measured, newestAt, tally } = rule
  if (error !== undefined) return `cannot be evaluated (${error})`
  if (kind === 'rowCount') return `${grouped(rows)} rows`
  if (newestAt !== undefined)
    return newestAt === null ? 'no row with a time' : `newest row ${new Date(newestAt).toISOString()}`
  if (measured) return measuredText(measured)
  return tally ? `${grouped(tally.failed)} of ${grouped(tally.judged)} rows fail` : 'no figure'
}

function measuredText({ value, infinite, isNear }: NonNullable<CheckedRule['measured']>): string {
  if (infinite !== undefined) return infinite > 0 ? 'infinite' : 'minus infinite'
  return value === null ? 'no value' : `${isNear ? 'about ' : ''}${figure(value)}`
}

export function brokenError(
  { dataset, into, from }: { dataset: string; into: string; from: string },
  broken: readonly BrokenCheck[],
): MillraceError {
  return new MillraceError('MR_DATA_MERGE_CHECKS', {
    dataset,
    from,
    checks: broken.map(({ check }) => check),
    broken: broken.map((each) => brokenSentence(each, into, from)),
  })
}

/** A check that a merge breaks, in one sentence without a full stop. */
export const brokenSentence = (
  { check, limit, merged, ours, theirs }: BrokenCheck,
  into: string,
  from: string,
): string => `${check} (${limit}): ${merged} merged, ${ours} on ${into}, ${theirs} on ${from}`
