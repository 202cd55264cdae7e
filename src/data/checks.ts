/** Data checks: which rows fail, and what is said about it. Row rules become boolean columns of the load; table rules are asked afterwards. */

import { subjects } from '../core/names.ts'
import type { Column, Finding, TimeWindow } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import type { Sql } from '../expr/sql.ts'
import { quote } from './duck.ts'
import type { ImportParams } from './types.ts'

/** A check whose verdict on each row is one boolean expression; null means that the row cannot be judged. */
export interface RowCheck {
  check: CheckDef
  sql: Sql
}

export type UniqueCheck = CheckDef & { rule: { kind: 'unique' } }

/** Rows that were judged and that failed. */
export interface Tally {
  judged: number
  failed: number
}

/**
 * The checks of a delivery: the declared ones, and those that a declaration implies. A key says that its columns are unique; a period says that rows
 * outside it are strays. Both put rows aside.
 */
export function checksOf(params: ImportParams): CheckDef[] {
  const implied: CheckDef[] = []
  const kinds = (kind: string) => params.checks.filter((c) => c.rule.kind === kind)
  if (params.key.length > 0 && !kinds('unique').some((c) => sameColumns(c, params.key))) {
    implied.push({
      name: 'unique key',
      rule: { kind: 'unique', columns: params.key },
      atLeast: 1,
      onFail: 'quarantine',
    })
  }
  if (params.period && params.time !== null && kinds('inWindow').length === 0) {
    implied.push({
      name: 'in period',
      rule: { kind: 'inWindow', column: params.time },
      atLeast: 1,
      onFail: 'quarantine',
    })
  }
  return [...params.checks, ...implied]
}

function sameColumns(check: CheckDef, key: string[]): boolean {
  const columns = check.rule.kind === 'unique' ? check.rule.columns : []
  return columns.length === key.length && key.every((name) => columns.includes(name))
}

/** Compiles the row rules. One that cannot be compiled is returned with why, and its verdict is `error`. */
export function rowChecksOf(
  checks: CheckDef[],
  period: TimeWindow | null,
  columns: Pick<Column, 'name' | 'type'>[],
): { usable: RowCheck[]; broken: Map<string, string> } {
  const usable: RowCheck[] = []
  const broken = new Map<string, string>()
  for (const check of checks) {
    try {
      const sql = rowRule(check, period, columns)
      if (sql) usable.push({ check, sql })
    } catch (thrown) {
      broken.set(check.name, (thrown as Error).message)
    }
  }
  return { usable, broken }
}

function rowRule(
  check: CheckDef,
  period: TimeWindow | null,
  columns: Pick<Column, 'name' | 'type'>[],
): Sql | undefined {
  const schema = { columns: columns.map((c) => ({ ...c, nullable: true })) }
  if (check.rule.kind === 'row')
    return toDuckDb(check.rule.holds, { schema, expect: 'bool', place: `check "${check.name}"` })
  if (check.rule.kind !== 'inWindow' || period === null) return undefined
  return { text: windowText(check.rule.column, period), params: [] }
}

/** Half-open, as all windows are. */
export function windowText(column: string, window: TimeWindow): string {
  return `(${quote(column)} >= ${instant(window.fromAt)} AND ${quote(column)} < ${instant(window.toAt)})`
}

/** Epoch milliseconds as DuckDB's instant. */
export const instant = (at: number): string => `make_timestamp_ms(${Math.round(at)})`

/** Verdict of a rule that holds for a share of the rows. */
export function shareFinding(dataset: string, check: CheckDef, tally: Tally): Finding {
  const { judged, failed } = tally
  const value = judged === 0 ? null : (judged - failed) / judged
  const verdict = value === null ? 'inconclusive' : value >= check.atLeast ? 'pass' : 'fail'
  return finding(
    dataset,
    check,
    value,
    `>= ${check.atLeast} of rows`,
    judged,
    verdict,
    shareText(check, tally),
  )
}

function shareText(check: CheckDef, { judged, failed }: Tally): string {
  if (judged === 0) return `${check.name}: no row could be judged`
  if (failed === 0) return `${check.name}: holds for all ${grouped(judged)} rows`
  const share = `${grouped(failed)} of ${grouped(judged)} rows ${failing(check)} (${percent(failed / judged)})`
  return check.onFail === 'quarantine' ? `${share}; quarantined` : share
}

function failing(check: CheckDef): string {
  if (check.rule.kind === 'unique') {
    const { columns } = check.rule
    return columns.length === 0
      ? 'repeat another row exactly'
      : `repeat the ${columns.join(', ')} of another row`
  }
  return check.rule.kind === 'inWindow' ? 'lie outside the period that was delivered' : `fail "${check.name}"`
}

/** Verdict on how many rows came. */
export function rowCountFinding(dataset: string, check: CheckDef, rows: number): Finding {
  const { min, max } = check.rule as { min?: number; max?: number }
  const limit = [min === undefined ? '' : `>= ${min}`, max === undefined ? '' : `<= ${max}`]
    .filter(Boolean)
    .join(' and ')
  const holds = rows >= (min ?? 0) && rows <= (max ?? Number.POSITIVE_INFINITY)
  const text = `${check.name}: ${grouped(rows)} rows were delivered, ${holds ? 'as' : 'but'} ${limit || 'any number'} is asked`
  return finding(dataset, check, rows, limit, rows, holds ? 'pass' : 'fail', text)
}

/** Verdict on the age of the newest row, judged at `now`. */
export function freshFinding(
  dataset: string,
  check: CheckDef,
  newestAt: number | null,
  rows: number,
  now: number,
): Finding {
  const { ageMsMax } = check.rule as { ageMsMax: number }
  const limit = `<= ${ageMsMax} ms old`
  if (newestAt === null)
    return finding(dataset, check, null, limit, 0, 'inconclusive', `${check.name}: no row has a time`)
  const age = now - newestAt
  const text = `${check.name}: the newest row is ${hours(age)} old, at most ${hours(ageMsMax)} is asked`
  return { ...finding(dataset, check, age, limit, rows, age <= ageMsMax ? 'pass' : 'fail', text), at: now }
}

const hours = (ms: number): string =>
  Math.abs(ms) < 3_600_000 ? `${(ms / 60_000).toFixed(1)} minutes` : `${(ms / 3_600_000).toFixed(1)} hours`

/** A check that crashed: its verdict is `error`, which opens nothing. */
export function errorFinding(dataset: string, check: CheckDef, why: string): Finding {
  return finding(
    dataset,
    check,
    null,
    `>= ${check.atLeast} of rows`,
    0,
    'error',
    `${check.name} could not be evaluated: ${why}`,
  )
}

function finding(
  dataset: string,
  check: CheckDef,
  value: number | null,
  limit: string,
  n: number,
  verdict: Finding['verdict'],
  message: string,
): Finding {
  return {
    kind: 'Finding',
    check: check.name,
    subject: subjects.dataset(dataset),
    value,
    limit,
    n,
    verdict,
    message,
    at: 0,
  }
}

/** `1437410` as `1,437,410`. */
export const grouped = (n: number): string => n.toLocaleString('en-US')

/** Two significant digits at the small end: `0.0002 %`. */
function percent(share: number): string {
  const value = share * 100
  return `${value >= 0.1 ? value.toFixed(1) : Number(value.toPrecision(1)).toFixed(Math.min(12, Math.ceil(-Math.log10(value))))} %`
}
