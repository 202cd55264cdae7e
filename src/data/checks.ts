/** Data checks as questions to the engine. Row rules become boolean columns of the load; all others are asked afterwards. */

import type { Column, TimeWindow } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import type { ExprNode } from '../expr/ast.ts'
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
    return toDuckDb(asRange(check.rule.holds, columns), {
      schema,
      expect: 'bool',
      isClean: true,
      place: `check "${check.name}"`,
    })
  if (check.rule.kind !== 'inWindow' || period === null) return undefined
  return { text: windowText(check.rule.column, period), params: [] }
}

/** Half-open, as all windows are. */
export function windowText(column: string, window: TimeWindow): string {
  return `(${quote(column)} >= ${instant(window.fromAt)} AND ${quote(column)} < ${instant(window.toAt)})`
}

/** Epoch milliseconds as DuckDB's instant. */
export const instant = (at: number): string => `make_timestamp_ms(${Math.round(at)})`

/** Values up to which a list is compared one by one. */
const LISTED_MAX = 8

/** A list of whole numbers without a gap, asked of whole numbers, as the range that it is: the engine compares a list value by value. */
function asRange(holds: ExprNode, columns: readonly Pick<Column, 'name' | 'type'>[]): ExprNode {
  if (holds.op !== 'call' || holds.fn !== 'isIn' || holds.args.length <= LISTED_MAX) return holds
  const [subject, ...list] = holds.args
  const isWhole = subject!.op === 'col' && columns.find((c) => c.name === subject.name)?.type === 'int'
  const values = new Set(
    list.map((item) =>
      item.op === 'lit' && Number.isSafeInteger(item.value) ? Number(item.value) : Number.NaN,
    ),
  )
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  if (!isWhole || high - low + 1 !== values.size) return holds
  return {
    op: 'call',
    fn: 'between',
    args: [subject!, { op: 'lit', value: low }, { op: 'lit', value: high }],
  }
}
