/** Parts as they are read: which columns a part has, and which rows of its file are still the version's. */
import type { Column, ColumnType, Digest, Part } from '../core/records.ts'
import { literal, quoted } from '../expr/sql.ts'
import type { Store } from '../store/ports.ts'

export const DUCK_TYPE: Record<ColumnType, string> = {
  bool: 'BOOLEAN',
  int: 'BIGINT',
  float: 'DOUBLE',
  string: 'VARCHAR',
  time: 'TIMESTAMP',
  date: 'DATE',
  json: 'VARCHAR',
}

/** Types of values that a query makes: JSON is the engine's own there. */
export const DUCK_VALUE: Record<ColumnType, string> = { ...DUCK_TYPE, json: 'JSON' }

/** A part with the paths of its objects. */
export type PartFile = Part & {
  path: string
  /** File that lists the rows which are gone; absent where the version has all rows of the file. */
  gonePath?: string
}

export async function partFiles(store: Pick<Store, 'objects'>, parts: readonly Part[]): Promise<PartFile[]> {
  return await Promise.all(
    parts.map(async (part) => ({
      ...part,
      path: await store.objects.path(part.digest),
      ...(part.gone && { gonePath: await store.objects.path(part.gone.digest) }),
    })),
  )
}

/** Objects that hold the rows of a part: its file, and the list of what is gone of it. */
export const objectsOfPart = ({ digest, gone }: Pick<Part, 'digest' | 'gone'>): Digest[] =>
  gone ? [digest, gone.digest] : [digest]

/** Names the rows of a part: parts of one name hold the same rows in the same order. */
export const partId = (part: Pick<Part, 'digest' | 'gone'>): string => objectsOfPart(part).join('-')

type Paths = Pick<PartFile, 'path' | 'gonePath'>

/** The rows of a part as a relation, in their order. */
export function partRows({ path, gonePath }: Paths): string {
  return gonePath === undefined
    ? `read_parquet(${literal(path)})`
    : `(SELECT * EXCLUDE (file_row_number) FROM ${liveRows(path, gonePath)})`
}

/** The rows of a part as a relation, each with its number among them, from 0, as `file_row_number`. */
export function numberedPartRows({ path, gonePath }: Paths): string {
  return gonePath === undefined
    ? `read_parquet(${literal(path)}, file_row_number = true)`
    : `(SELECT * REPLACE (row_number() OVER () - 1 AS file_row_number) FROM ${liveRows(path, gonePath)})`
}

/** The rows of a part as a relation, each with its place in the file as `file_row_number`. */
export function liveRows(path: string, gonePath?: string): string {
  const rows = `read_parquet(${literal(path)}, file_row_number = true)`
  return gonePath === undefined
    ? rows
    : `(SELECT * FROM ${rows} WHERE file_row_number NOT IN (SELECT row FROM read_parquet(${literal(gonePath)})))`
}

type NamedType = Pick<Column, 'name' | 'type'>

/** Whether a part was written with a column. A column may be called as something that every object has. */
export const hasColumn = ({ stats }: Pick<Part, 'stats'>, name: string): boolean => Object.hasOwn(stats, name)

/** Columns as the select list of a part; those that the part does not have are null. */
export const columnsOfPart = (part: Pick<Part, 'stats'>, columns: readonly NamedType[]): string[] =>
  columns.map(({ name, type }) =>
    hasColumn(part, name) ? quoted(name) : `NULL::${DUCK_TYPE[type]} AS ${quoted(name)}`,
  )
