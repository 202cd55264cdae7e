import type { DatasetVersion, Part, TimeWindow } from '../core/records.ts'
import { join, param, quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'

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
  const known = (name: string) => parts.some((part) => Object.hasOwn(part.stats, name))
  const absent = (c: DatasetVersion['schema']['columns'][number]) =>
    `null::${SQL_TYPES[c.type]} as ${quoted(c.name)}`
  const columns = version.schema.columns.map((c) => (known(c.name) ? quoted(c.name) : absent(c))).join(', ')
  if (parts.length === 0) return raw(`select ${columns} where false`)
  const paths = await Promise.all(parts.map((part) => store.objects.path(part.digest)))
  const list = join(
    paths.map((path) => param(path)),
    ', ',
  )
  return sql`select ${columns} from read_parquet([${list}], union_by_name = true)`
}

const SQL_TYPES = {
  bool: 'boolean',
  int: 'bigint',
  float: 'double',
  string: 'varchar',
  time: 'timestamp',
  date: 'date',
  json: 'varchar',
} as const

/** Whether a part can hold rows of the window, by the range of its time column; parts without that range always can. */
function touches(part: Part, time: string, window: TimeWindow): boolean {
  const { min, max } = part.stats[time] ?? {}
  return typeof min !== 'number' || typeof max !== 'number' || (max >= window.fromAt && min < window.toAt)
}

function number(value: number): Sql {
  return { text: '?::bigint', params: [BigInt(Math.round(value))] }
}
