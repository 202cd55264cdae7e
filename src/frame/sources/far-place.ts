/** What stands in SQL for files behind addresses until it is known what a question takes of them. */
import type { ColumnType } from '../../core/records.ts'
import { literal, quoted } from '../../expr/sql.ts'
import type { Condition } from '../condition-types.ts'
import { canHoldBetween } from '../conditions.ts'
import { frameType } from '../frame-types.ts'
import { bytesOf, type FarHow, fetchPart, type Part, type PartedFile } from './far-files.ts'
import type { FarColumn, FarPlace } from './far-types.ts'

const mark = (id: number, i: number | string): string => `far${id}:${i}`

/** Rows of a file without rows, whose columns are those marks. Conditions do not go below a limit, so that plans tell of columns which conditions alone take. */
export function textOf(id: number, columns: readonly FarColumn[], path: string): string {
  const items = columns.map(({ name }, i) => `"${mark(id, i)}" AS ${quoted(name)}`)
  return `SELECT ${items.join(', ')} FROM (SELECT * FROM read_parquet(${literal(path)}) LIMIT ${Number.MAX_SAFE_INTEGER})`
}

export const marked = (id: number, columns: readonly FarColumn[]): string =>
  columns.map(({ name }, i) => `${quoted(name)} AS "${mark(id, i)}"`).join(', ')

/** Names of the columns that a plan takes. */
export function takenBy(plan: string, { id, columns }: FarPlace): string[] {
  const found = new Set([...plan.matchAll(new RegExp(mark(id, '(\\d+)'), 'g'))].map(([, i]) => Number(i)))
  return columns.filter((_, i) => found.has(i)).map(({ name }) => name)
}

export const readSql = (paths: readonly string[], isHive: boolean): string =>
  `read_parquet([${paths.map(literal).join(', ')}], union_by_name = true, hive_partitioning = ${isHive})`

/** The rows with the columns that are taken; asking for any other column fails, so that nothing is ever taken for missing. */
export async function fetchedText(place: FarPlace, taken: ReadonlySet<string>, how: FarHow): Promise<string> {
  const items = place.columns.map(({ name, duck }) =>
    taken.has(name) ? quoted(name) : `CAST(error('a column was not fetched') AS ${duck}) AS ${quoted(name)}`,
  )
  return `SELECT ${items.join(', ')} FROM ${await rowsOf(place, taken, how)}`
}

async function rowsOf(place: FarPlace, taken: ReadonlySet<string>, how: FarHow): Promise<string> {
  const rows = taken.size === 0 ? rowsCounted(place) : undefined
  if (rows !== undefined) return `range(${rows})`
  const paths: string[] = []
  for (const file of place.files)
    paths.push(file.kind === 'whole' ? file.path : await fetchPart(file, partOf(place, file, taken), how))
  return readSql(paths, place.isHive)
}

/** Undefined where a file does not say it. */
function rowsCounted(place: FarPlace): number | undefined {
  let rows = 0
  for (const file of place.files) {
    if (file.kind === 'whole') return undefined
    for (const i of groupsOf(place, file)) rows += file.facts.groups[i]!.rows
  }
  return rows
}

/** A file without any column that is taken gives its rows all the same, by its smallest column. */
function partOf(place: FarPlace, file: PartedFile, taken: ReadonlySet<string>): Part {
  const own = file.facts.columns.filter((name) => taken.has(name))
  const groups = groupsOf(place, file)
  if (own.length > 0 || file.facts.columns.length === 0) return { columns: own, groups }
  const sizes = file.facts.columns.map((name) => bytesOf(file, { columns: [name], groups }))
  return { columns: [file.facts.columns[sizes.indexOf(Math.min(...sizes))]!], groups }
}

/** Groups of rows that what is said of them, and of their folders, does not rule out. */
function groupsOf({ columns, conditions, isHive }: FarPlace, { facts, name }: PartedFile): Set<number> {
  const types = new Map(columns.map(({ name, duck }) => [name, frameType(duck).type]))
  const kept = new Set<number>()
  const isElsewhere = (condition: Condition) =>
    isHive && !folderCanHold(condition, name, types.get(condition.column))
  if (conditions.some(isElsewhere)) return kept
  facts.groups.forEach(({ chunks }, i) => {
    const isKept = conditions.every((condition) => {
      const [chunk, type] = [chunks.get(condition.column), types.get(condition.column)]
      if (!chunk || !type) return true
      return !chunk.isEmpty && (!chunk.bounds || canHoldBetween(condition, type, chunk.bounds))
    })
    if (isKept) kept.add(i)
  })
  return kept
}

/** Of a column of the folders' names; what is written with signs of its own is not judged. */
function folderCanHold(condition: Condition, name: string, type: ColumnType | undefined): boolean {
  const said = name.split('/').find((segment) => segment.startsWith(`${condition.column}=`))
  const value = said?.slice(condition.column.length + 1)
  if (value === undefined || !/^[\w.-]+$/.test(value) || value.startsWith('__')) return true
  if (type === 'int')
    return canHoldBetween(condition, type, { kind: 'number', low: Number(value), high: Number(value) })
  const bytes = Buffer.from(value)
  return type !== 'string' || canHoldBetween(condition, type, { kind: 'text', low: bytes, high: bytes })
}

/** What explain says of a place. */
export function placeRead(place: FarPlace, taken: ReadonlySet<string>) {
  const parts = place.files.filter((file) => file.kind === 'parts')
  const isCount = taken.size === 0 && parts.length === place.files.length
  const all = parts.map((file) => {
    const part = isCount ? { columns: [], groups: groupsOf(place, file) } : partOf(place, file, taken)
    const every = new Set(file.facts.groups.keys())
    return {
      bytes: bytesOf(file, part),
      bytesAll: bytesOf(file, { columns: file.facts.columns, groups: every }),
      groups: part.groups.size,
      groupsAll: every.size,
    }
  })
  const total = (key: 'bytes' | 'bytesAll' | 'groups' | 'groupsAll') =>
    all.reduce((sum, one) => sum + one[key], 0)
  return {
    columns: place.columns.map(({ name }) => name).filter((name) => taken.has(name)),
    columnsAll: place.columns.length,
    rowGroups: total('groups'),
    rowGroupsAll: total('groupsAll'),
    bytes: total('bytes'),
    bytesAll: total('bytesAll'),
    wholes: place.files.flatMap((file) => (file.kind === 'whole' ? [file.path] : [])),
  }
}
