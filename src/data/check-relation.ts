/** The rows that are judged, as a relation: the columns of a dataset and the number of each row. */

import { columnsOfPart, DUCK_TYPE, numberedPartRows } from '../engine/parts.ts'
import { type Relation, ROW } from './check-scan.ts'
import type { CheckedRows } from './check-types.ts'
import { openDelivery, selectList } from './columns-sql.ts'
import { type Duck, literal, quote } from './duck.ts'
import { named, type OpenFile } from './reader.ts'
import type { OtherRows } from './types.ts'

type NamedType = Relation['columns'][number]

export async function relationFor(duck: Duck, rows: CheckedRows): Promise<Relation> {
  return rows.kind === 'parts' ? partsRelation(rows) : await filesRelation(duck, rows)
}

/** Rows are numbered from 0 in the order of the parts. */
function partsRelation({ schema, parts }: OtherRows): Relation {
  if (parts.length === 0) return noRows(schema.columns)
  let first = 0
  const scans = parts.map((part) => {
    const list = [...columnsOfPart(part, schema.columns), `${first} + file_row_number AS ${ROW}`]
    first += part.rows
    return `SELECT ${list.join(', ')} FROM ${numberedPartRows(part)}`
  })
  return {
    from: `(${scans.join(' UNION ALL ')})`,
    columns: schema.columns,
    rows: first,
    ends: endsOf(schema.columns, parts),
  }
}

function noRows(columns: Relation['columns']): Relation {
  const list = columns.map(({ name, type }) => `CAST(NULL AS ${DUCK_TYPE[type]}) AS ${quote(name)}`)
  const from = `(SELECT ${[...list, `0 AS ${ROW}`].join(', ')} WHERE FALSE)`
  return { from, columns, rows: 0, ends: new Map() }
}

function endsOf(columns: readonly NamedType[], parts: OtherRows['parts']): Relation['ends'] {
  const ends = new Map<string, { min: number; max: number }>()
  for (const { name, type } of columns) {
    if (type !== 'int') continue
    for (const { stats } of parts) widen(ends, name, stats[name]?.min, stats[name]?.max)
  }
  return ends
}

function widen(
  ends: Map<string, { min: number; max: number }>,
  name: string,
  min: unknown,
  max: unknown,
): void {
  if (typeof min !== 'number' || typeof max !== 'number') return
  const before = ends.get(name) ?? { min, max }
  ends.set(name, { min: Math.min(before.min, min), max: Math.max(before.max, max) })
}

/** Files are read as an import reads them: the same types, trimmed texts and missing codes. */
async function filesRelation(
  duck: Duck,
  { files, params, schema }: Extract<CheckedRows, { kind: 'files' }>,
): Promise<Relation> {
  const delivery = await openDelivery(duck, files, params, schema, false)
  const ends = new Map<string, { min: number; max: number }>()
  const scans: string[] = []
  let first = 0
  for (const file of delivery.files) {
    const known = await named(file, () => knownOf(duck, file, ends))
    const list = selectList(file, delivery.columns, params.read.missing)
    scans.push(`SELECT ${list}, ${first} + ${known.number} AS ${ROW} FROM ${known.scan}`)
    first += known.rows
  }
  return { from: `(${scans.join(' UNION ALL ')})`, columns: delivery.columns, rows: first, ends }
}

interface KnownFile {
  rows: number
  scan: string
  /** Number of a row in its file. */
  number: string
}

/** Parquet says how many rows it has and between which ends they lie; of other formats rows are counted, where there are several files to number. */
async function knownOf(
  duck: Duck,
  file: OpenFile,
  ends: Map<string, { min: number; max: number }>,
): Promise<KnownFile> {
  if (file.format !== 'parquet') {
    const { n } = await duck.one<{ n: number }>(`SELECT count(*) AS n FROM ${file.scan}`)
    return { rows: n, scan: file.scan, number: '(row_number() OVER () - 1)' }
  }
  const path = literal(file.path)
  const { n } = await duck.one<{ n: number }>(
    `SELECT CAST(sum(num_rows) AS BIGINT) AS n FROM parquet_file_metadata(${path})`,
  )
  const found = await duck.rows<{ name: string; min: number | null; max: number | null }>(
    `SELECT path_in_schema AS name, CAST(min(TRY_CAST(stats_min_value AS BIGINT)) AS DOUBLE) AS min, CAST(max(TRY_CAST(stats_max_value AS BIGINT)) AS DOUBLE) AS max
     FROM parquet_metadata(${path}) WHERE type IN ('INT32', 'INT64') GROUP BY 1`,
  )
  for (const { name, min, max } of found) widen(ends, name, min, max)
  const plain =
    file.scan === `read_parquet(${path})` && !file.columns.some((c) => c.name === 'file_row_number')
  return plain
    ? { rows: n, scan: `read_parquet(${path}, file_row_number = true)`, number: 'file_row_number' }
    : { rows: n, scan: file.scan, number: '(row_number() OVER () - 1)' }
}
