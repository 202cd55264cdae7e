/** The checks of a dataset on live traffic: the rules that deliveries are held to, asked of what clients send. Off the path of requests, of the rows that the log keeps. */
import type { DatasetVersion, Finding, SignatureField } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { columnsOf, type Row } from '../expr/ast.ts'
import { toClosure } from '../expr/closure.ts'
import { binomialSf } from '../stats/distributions.ts'
import { wilson } from '../stats/intervals.ts'

/** Rows that were judged and that failed. */
export interface Tally {
  judged: number
  failed: number
}

/** A row rule over columns that requests have. */
export interface TrafficCheck {
  name: string
  /** Columns that it reads. */
  columns: readonly string[]
  /** Null where the row cannot be judged. */
  holds: (row: Row) => boolean | null
  /** Share of rows that may fail, as the dataset declares it. */
  allowed: number
  /** What deliveries up to the training version came to, before bad rows were put aside; null where the check is newer. */
  training: Tally | null
  owner?: string
}

/** Points of the failing share beyond that of the deliveries, or what is allowed, that matter. */
export const CHECK_MATTERS = 0.01
/** Live rows that a check needs. */
export const CHECK_ROWS_MIN = 100

/**
 * The row rules of a dataset that speak of inputs of a model alone; the others need columns that a request does not have, such as the target.
 * `versions` are the training version and those before it.
 */
export function trafficChecks(
  checks: readonly CheckDef[],
  inputs: readonly SignatureField[],
  versions: readonly Pick<DatasetVersion, 'findings'>[],
): TrafficCheck[] {
  const known = new Set(inputs.map((input) => input.name))
  return checks.flatMap(({ name, rule, atLeast, owner }) => {
    if (rule.kind !== 'row') return []
    const columns = columnsOf(rule.holds)
    if (!columns.every((column) => known.has(column))) return []
    const value = toClosure(rule.holds, { schema: { columns: [...inputs] } })
    const holds = (row: Row) => {
      const held = value(row)
      return held === null ? null : held === true
    }
    return [
      {
        name,
        columns,
        holds,
        allowed: 1 - atLeast,
        training: deliveredTally(name, versions),
        ...(owner !== undefined && { owner }),
      },
    ]
  })
}

function deliveredTally(check: string, versions: readonly Pick<DatasetVersion, 'findings'>[]): Tally | null {
  const found = versions.flatMap((version) =>
    version.findings.filter((f) => f.check === check && f.value !== null),
  )
  if (found.length === 0) return null
  const judged = found.reduce((sum, f) => sum + f.n, 0)
  return { judged, failed: found.reduce((sum, f) => sum + Math.round(f.n * (1 - f.value!)), 0) }
}

export interface TrafficVerdict {
  finding: Omit<Finding, 'verdict' | 'message'>
  /** Chance of so many failing rows if their share were no larger than what matters allows. */
  pValue: number
  matters: boolean
  message: string
}

/** What the rows of a window say of a check, to be decided with all other tests of the window. Undefined with too few rows. */
export function trafficVerdict(
  check: TrafficCheck,
  tally: Tally,
  { subject, at }: { subject: string; at: number },
): TrafficVerdict | undefined {
  const judged = Math.round(tally.judged)
  const failed = Math.min(judged, Math.round(tally.failed))
  if (judged < CHECK_ROWS_MIN) return undefined
  const trained =
    check.training && check.training.judged > 0 ? check.training.failed / check.training.judged : null
  const limit = Math.min(1, Math.max(trained ?? 0, check.allowed) + CHECK_MATTERS)
  const { value, interval } = wilson(failed, judged)
  return {
    finding: {
      kind: 'Finding',
      check: 'watch.check',
      subject,
      slice: check.name,
      value,
      interval,
      limit: `<= ${percent(limit)} of rows fail`,
      n: judged,
      at,
    },
    pValue: failed === 0 ? 1 : binomialSf(failed - 1, judged, limit),
    matters: value > limit,
    message: `${check.name}: ${percent(value)} of the live rows fail (${percent(interval[0])} to ${percent(interval[1])}), ${trained === null ? 'which no delivery was asked for' : `${percent(trained)} of those delivered for training did`}`,
  }
}

const percent = (x: number): string => `${Number((100 * x).toPrecision(3))} %`
