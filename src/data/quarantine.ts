/** Rows that were put aside: which there are, and which of them an edit is about. */
import { MillraceError } from '../core/errors.ts'
import type { DatasetVersion, Digest } from '../core/records.ts'
import { columnsOfPart, numberedPartRows, partFiles } from '../engine/parts.ts'
import type { Query } from '../engine/ports.ts'
import type { ExprNode } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { join, listParam, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { plainCell, type QuarantineRows } from './pages.ts'
import { getVersion } from './versions.ts'

/** Which of the rows aside are meant; all conditions that are given have to hold. */
export interface QuarantineFilter {
  /** Numbers, as `readQuarantine` gives them. */
  rows?: readonly number[]
  /** Rows with any of these reasons. */
  reasons?: readonly string[]
  where?: ExprNode
}

export interface QuarantineAsk extends QuarantineFilter {
  /** Rows at most. Default: 100. */
  limit?: number
  /** Only rows numbered below: the `next` of the page before. */
  before?: number
  signal?: AbortSignal
}

/**
 * Rows that were put aside up to a version, newest delivery first, with their reasons; `byReason` counts all that the filter leaves. Cost: one scan of the rows aside.
 * Errors: MR_EXPR_… for a filter that does not fit the columns.
 */
export async function readQuarantine(
  store: Store,
  query: Query,
  digest: Digest,
  ask: QuarantineAsk = {},
): Promise<QuarantineRows> {
  const version = await getVersion(store, digest)
  const columns = version.schema.columns.map((c) => c.name)
  const none = { columns, rows: [], total: version.rowsQuarantined, matched: 0, byReason: {}, next: null }
  if (version.quarantine.length === 0) return none
  const all = await filtered(store, version, ask)
  const limit = Math.trunc(ask.limit ?? 100)
  const below = ask.before === undefined ? raw('') : sql`WHERE _mr_row < ${number(ask.before)}`
  const list = ['_mr_row', ...columns.map(quoted), 'CAST(to_json(_reasons) AS VARCHAR) AS _reasons'].join(
    ', ',
  )
  const rows = await query.rows(
    sql`SELECT ${raw(list)} FROM (${all}) ${below} ORDER BY _mr_row DESC LIMIT ${raw(String(limit + 1))}`,
    ask.signal,
  )
  const counts = await countsOf(query, all, ask.signal)
  const shown = rows.slice(0, limit)
  return {
    ...none,
    rows: shown.map((row) => ({
      row: Number(row._mr_row),
      values: columns.map((c) => plainCell(row[c])),
      reasons: JSON.parse(row._reasons as string) as string[],
    })),
    ...counts,
    next: rows.length > limit ? Number(shown.at(-1)?._mr_row ?? 0) : null,
  }
}

async function countsOf(
  query: Query,
  all: Sql,
  signal: AbortSignal | undefined,
): Promise<Pick<QuarantineRows, 'matched' | 'byReason'>> {
  const [sum] = await query.rows<{ n: number }>(sql`SELECT count(*) AS n FROM (${all})`, signal)
  const reasons = await query.rows<{ reason: string; n: number }>(
    sql`SELECT reason, count(*) AS n FROM (SELECT unnest(_reasons) AS reason FROM (${all})) GROUP BY reason ORDER BY n DESC, reason`,
    signal,
  )
  return {
    matched: Number(sum!.n),
    byReason: Object.fromEntries(reasons.map((r) => [r.reason, Number(r.n)])),
  }
}

/** Numbers of the rows aside that a filter means, ascending. Errors: MR_DATA_SELECTION_ROWS, MR_EXPR_…. */
export async function chooseQuarantined(
  store: Store,
  query: Query,
  version: DatasetVersion,
  filter: QuarantineFilter,
  signal?: AbortSignal,
): Promise<{ row: number }[]> {
  const wrong = filter.rows?.find((row) => !(row >= 0 && row < version.rowsQuarantined))
  if (wrong !== undefined)
    throw new MillraceError('MR_DATA_SELECTION_ROWS', {
      version: `what was put aside of ${version.dataset}`,
      row: wrong,
      rows: version.rowsQuarantined,
    })
  if (version.quarantine.length === 0) return []
  const rows = await query.rows<{ row: number }>(
    sql`SELECT _mr_row AS row FROM (${await filtered(store, version, filter)}) ORDER BY 1`,
    signal,
  )
  return rows.map(({ row }) => ({ row: Number(row) }))
}

const number = (n: number): Sql => ({ text: 'CAST(? AS BIGINT)', params: [BigInt(Math.trunc(n))] })

/** The rows aside that a filter leaves, with their numbers as `_mr_row` and their reasons as `_reasons`. */
async function filtered(store: Store, version: DatasetVersion, filter: QuarantineFilter): Promise<Sql> {
  const tests: Sql[] = []
  if (filter.rows) tests.push(sql`_mr_row IN (SELECT unnest(${listParam(filter.rows, 'BIGINT')}))`)
  if (filter.reasons) tests.push(sql`list_has_any(_reasons, ${listParam(filter.reasons, 'VARCHAR')})`)
  if (filter.where)
    tests.push(toDuckDb(filter.where, { schema: version.schema, expect: 'bool', place: 'the filter' }))
  const all = await numberedRows(store, version)
  return tests.length === 0 ? all : sql`SELECT * FROM (${all}) WHERE ${join(tests, ' AND ')}`
}

async function numberedRows(store: Store, version: DatasetVersion): Promise<Sql> {
  let start = 0
  const scans: Sql[] = []
  for (const part of await partFiles(store, version.quarantine)) {
    const list = columnsOfPart(part, version.schema.columns).join(', ')
    scans.push(
      raw(`SELECT ${list}, _reasons, file_row_number + ${start} AS _mr_row FROM ${numberedPartRows(part)}`),
    )
    start += part.rows
  }
  return join(scans, ' UNION ALL ')
}
