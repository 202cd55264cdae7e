/** What a frame will do: its SQL, and the bytes that it will read. */
import { stat } from 'node:fs/promises'
import type { SqlValue } from '../engine/ports.ts'
import { parseIso } from '../expr/calendar.ts'
import { literal, type Sql } from '../expr/sql.ts'
import type { Condition } from './condition-types.ts'
import { canHold } from './conditions.ts'
import { frameType } from './frame-types.ts'
import { placeRead, takenBy } from './sources/far-place.ts'
import type { FarPlace } from './sources/far-types.ts'
import type { Scope, Source } from './step.ts'

/** Columns of files behind addresses in a plan, of which their own part tells. */
const FAR = /\bfar\d+:\d+/

export interface SourceRead {
  source: string
  /** Columns that are read; absent where the format has no columns apart (CSV, JSON). */
  columns?: string[]
  columnsAll?: number
  /** Groups of rows that conditions do not rule out, and all there are. */
  rowGroups?: number
  rowGroupsAll?: number
  /** Parts of a version that are not opened, and all it has. */
  partsSkipped?: number
  parts?: number
  files: number
  bytes: number
  bytesAll: number
}

export interface Explained {
  sql: string
  params: SqlValue[]
  reads: SourceRead[]
  /** Of all sources. */
  bytes: number
  bytesAll: number
  toString(): string
}

export async function explain(scope: Scope, rows: Sql): Promise<Explained> {
  const plan = await scope.far.plan(rows)
  const scans = scansOf(plan)
  const reads: SourceRead[] = []
  for (const source of scope.sources) {
    const { far } = source
    reads.push(far ? await farRead(source.name, far, plan) : await readOf(scope, source, scans))
  }
  const bytes = reads.reduce((total, read) => total + read.bytes, 0)
  const bytesAll = reads.reduce((total, read) => total + read.bytesAll, 0)
  const explained = { sql: farSql(scope.sources, rows.text), params: rows.params, reads, bytes, bytesAll }
  return Object.defineProperty(explained, 'toString', { value: () => textOf(explained), enumerable: false })
}

/** Files behind addresses stand by their names. */
const farSql = (sources: readonly Source[], text: string): string =>
  sources.reduce(
    (sofar, { far, name }) =>
      far ? sofar.replaceAll(far.text, () => `SELECT * FROM read_parquet(${literal(name)})`) : sofar,
    text,
  )

async function farRead(source: string, far: FarPlace, plan: string): Promise<SourceRead> {
  const { wholes, ...read } = placeRead(far, new Set(takenBy(plan, far)))
  const bytes = await bytesOfFiles(wholes)
  return {
    source,
    files: far.files.length,
    ...read,
    bytes: read.bytes + bytes,
    bytesAll: read.bytesAll + bytes,
  }
}

async function bytesOfFiles(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size))
  return sizes.reduce((total, size) => total + size, 0)
}

function textOf({ sql: text, params, reads, bytes, bytesAll }: Omit<Explained, 'toString'>): string {
  const lines = reads.map((read) => {
    const columns = read.columns
      ? `, columns ${read.columns.join(', ')} (${read.columns.length} of ${read.columnsAll})`
      : ''
    const groups =
      read.rowGroupsAll === undefined ? '' : `, ${read.rowGroups} of ${read.rowGroupsAll} groups of rows`
    const parts =
      read.parts === undefined ? '' : `, ${read.parts - read.partsSkipped!} of ${read.parts} parts`
    return `  ${read.source}: ${read.bytes} of ${read.bytesAll} bytes${parts}${groups}${columns}`
  })
  const bound =
    params.length > 0
      ? `\nparameters: ${JSON.stringify(params, (_, v) => (typeof v === 'bigint' ? String(v) : v))}`
      : ''
  return `${text}${bound}\nreads ${bytes} of ${bytesAll} bytes:\n${lines.join('\n')}`
}

interface PlanNode {
  name: string
  children: PlanNode[]
  extra_info: Record<string, string | string[]>
}

interface Scan {
  kind: string
  columns: string[]
  /** What the engine asks of rows while it reads them, as it writes it. */
  filters: string
  taken: boolean
}

/** Scans of the engine's plan with the columns that each reads, for conditions too. */
function scansOf(plan: string): Scan[] {
  const scans: Scan[] = []
  const visit = (node: PlanNode): void => {
    const kind = /READ_(PARQUET|CSV|JSON)|TABLE_SCAN|PARQUET_SCAN/.exec(
      `${node.name} ${node.extra_info.Function ?? ''}`,
    )
    if (kind && !FAR.test(JSON.stringify(node.extra_info)))
      scans.push({
        kind: (kind[1] ?? node.name).toLowerCase(),
        columns: listOf(node.extra_info.Projections),
        filters: listOf(node.extra_info.Filters).join(' '),
        taken: false,
      })
    for (const child of node.children) visit(child)
  }
  for (const root of JSON.parse(plan) as PlanNode[]) visit(root)
  return scans
}

const listOf = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : value.split('\n').filter((name) => name !== '')

async function readOf(scope: Scope, source: Source, scans: Scan[]): Promise<SourceRead> {
  const files = await filesOf(scope, source.files)
  const about = {
    source: source.name,
    files: files.length,
    ...(source.parts !== undefined && { parts: source.parts, partsSkipped: source.partsSkipped }),
  }
  if (source.kind === 'parquet') return { ...about, ...(await parquetRead(scope, source, files, scans)) }
  const bytes = await bytesOfFiles(files)
  return { ...about, bytes, bytesAll: bytes }
}

async function filesOf(scope: Scope, paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    const rows = /[*?[]/.test(path)
      ? await scope.tables.rows<{ file: string }>({ text: 'SELECT file FROM glob(?)', params: [path] })
      : [{ file: path }]
    found.push(...rows.map(({ file }) => file))
  }
  return found
}

type ChunkRow = {
  file: string
  rowGroup: number
  column: string
  bytes: number
  min: string | null
  max: string | null
}

type Chunks = Pick<SourceRead, 'columns' | 'columnsAll' | 'rowGroups' | 'rowGroupsAll' | 'bytes' | 'bytesAll'>

async function parquetRead(
  scope: Scope,
  source: Source,
  files: readonly string[],
  scans: Scan[],
): Promise<Chunks> {
  if (files.length === 0)
    return { columns: [], columnsAll: 0, rowGroups: 0, rowGroupsAll: 0, bytes: 0, bytesAll: 0 }
  const list = `[${files.map(() => '?').join(', ')}]`
  const chunks = await scope.tables.rows<ChunkRow>({
    text: `SELECT file_name AS file, row_group_id AS "rowGroup", path_in_schema AS "column", total_compressed_size AS bytes,
      coalesce(stats_min_value, stats_min) AS min, coalesce(stats_max_value, stats_max) AS max FROM parquet_metadata(${list})`,
    params: [...files],
  })
  const types = new Map(
    (
      await scope.tables.describe({
        text: `SELECT * FROM read_parquet(${list}, union_by_name = true)`,
        params: [...files],
      })
    ).map(({ name, type }) => [name, type] as const),
  )
  const all = [...new Set(chunks.map(topOf))]
  const columns = takeScan(scans, all)
  const out = new Set(chunks.filter((chunk) => isRuledOut(chunk, source.conditions, types)).map(groupOf))
  const read = chunks.filter((chunk) => !out.has(groupOf(chunk)) && columns.includes(topOf(chunk)))
  const groups = new Set(chunks.map(groupOf))
  return {
    columns,
    columnsAll: all.length,
    rowGroups: groups.size - out.size,
    rowGroupsAll: groups.size,
    bytes: read.reduce((total, chunk) => total + chunk.bytes, 0),
    bytesAll: chunks.reduce((total, chunk) => total + chunk.bytes, 0),
  }
}

const topOf = ({ column }: ChunkRow): string => column.split(', ')[0]!
const groupOf = ({ file, rowGroup }: ChunkRow): string => `${rowGroup} ${file}`

/** The plan's scan of these columns. Sources that are read twice have two. One that the engine left out altogether reads nothing. */
function takeScan(scans: Scan[], all: readonly string[]): string[] {
  const fits = (scan: Scan) =>
    !scan.taken && scan.kind.includes('parquet') && scan.columns.every((name) => all.includes(name))
  const scan = scans.find(fits)
  if (!scan) return []
  scan.taken = true
  return all.filter((name) => scan.columns.includes(name) || isNamed(name, scan.filters))
}

/** Whether the text names the column, as a word or in quotes. */
function isNamed(name: string, filters: string): boolean {
  const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'u').test(filters)
}

function isRuledOut(
  chunk: ChunkRow,
  conditions: readonly Condition[],
  types: ReadonlyMap<string, string>,
): boolean {
  return conditions.some((condition) => {
    const type = types.get(chunk.column)
    if (condition.column !== chunk.column || type === undefined) return false
    const own = frameType(type).type
    return !canHold(condition, { type: own, min: clearOf(own, chunk.min), max: clearOf(own, chunk.max) })
  })
}

function clearOf(type: string, text: string | null): number | undefined {
  if (text === null) return undefined
  if (type === 'int' || type === 'float') return Number.isNaN(Number(text)) ? undefined : Number(text)
  if (type === 'time' || type === 'date') return parseIso(text.replace(' ', 'T')) ?? undefined
  return undefined
}
