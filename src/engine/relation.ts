import type { DatasetVersion, Part, TimeWindow } from '../core/records.ts'
import { join, param, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'
import { columnsOfPart, type PartFile, partFiles, partRows } from './parts.ts'

/**
 * The rows of a dataset version as a relation: parts outside the window are not opened, and the order of rows is that of the parts, always the same.
 *
 * Every column of the version's schema is there, `null` in parts that were written before it was added.
 */
export async function relationOf(
  store: Pick<Store, 'objects'>,
  version: DatasetVersion,
  options: { time?: string; window?: TimeWindow } = {},
): Promise<Sql> {
  const { time, window } = options
  const parts = time && window ? version.parts.filter((part) => touches(part, time, window)) : version.parts
  const rows = await partsRelation(store, version, parts)
  if (!time || !window) return rows
  return sql`select * from (${rows}) where ${quoted(time)} >= epoch_ms(${number(window.fromAt)}) and ${quoted(time)} < epoch_ms(${number(window.toAt)})`
}

async function partsRelation(
  store: Pick<Store, 'objects'>,
  version: DatasetVersion,
  parts: Part[],
): Promise<Sql> {
  const { columns } = version.schema
  if (parts.length === 0) return raw(`select ${columnsOfPart({ stats: {} }, columns).join(', ')} where false`)
  const scans = runsOf(await partFiles(store, parts)).map((run) => {
    const stats = Object.assign({}, ...run.map((part) => part.stats)) as Part['stats']
    return sql`select ${columnsOfPart({ stats }, columns).join(', ')} from ${scanOf(run)}`
  })
  return join(scans, ' union all ')
}

/** Parts next to each other that one scan reads: those of which rows are gone are read alone. */
function runsOf(parts: PartFile[]): PartFile[][] {
  const runs: PartFile[][] = []
  for (const part of parts) {
    const run = runs.at(-1)
    if (run && !part.gonePath && !run[0]!.gonePath) run.push(part)
    else runs.push([part])
  }
  return runs
}

function scanOf(run: PartFile[]): Sql {
  if (run[0]!.gonePath) return raw(partRows(run[0]!))
  const paths = run.map(({ path }) => param(path))
  return sql`read_parquet([${join(paths, ', ')}], union_by_name = true)`
}

/** Whether a part can hold rows of the window, by the range of its time column; parts without that range always can. */
function touches(part: Part, time: string, window: TimeWindow): boolean {
  const { min, max } = part.stats[time] ?? {}
  return typeof min !== 'number' || typeof max !== 'number' || (max >= window.fromAt && min < window.toAt)
}

function number(value: number): Sql {
  return { text: '?::bigint', params: [BigInt(Math.round(value))] }
}
