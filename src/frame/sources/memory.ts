/** Rows and columns in memory as a frame: they go into the engine once, when they are first asked for. */
import { randomUUID } from 'node:crypto'
import { MillraceError } from '../../core/errors.ts'
import type { ColumnType } from '../../core/records.ts'
import type { LoadedColumn } from '../../engine/ports.ts'
import { quoted, raw, type Sql } from '../../expr/sql.ts'
import { type Scope, type Step, setOnce } from '../step.ts'
import { entered } from './enter.ts'

export interface MemoryOptions {
  /** Types of columns; those that are left out are told from the values: whole numbers `int`, others `float`, Date `time`, objects and lists `json`. */
  types?: Readonly<Record<string, ColumnType>>
}

/** Columns by name: typed arrays or lists of equal length. */
export type ColumnsIn = Readonly<Record<string, ArrayLike<unknown>>>

export function rowsStep(rows: readonly object[], options: MemoryOptions): Step {
  const names = new Set<string>(Object.keys(options.types ?? {}))
  for (const row of rows) for (const name of Object.keys(row)) names.add(name)
  const columns = [...names].map((name) => {
    const values = rows.map((row) => (row as Record<string, unknown>)[name])
    return { name, values, type: options.types?.[name] ?? typeOfValues(values, name) }
  })
  return loadedStep(columns, rows.length)
}

export function columnsStep(columns: ColumnsIn, options: MemoryOptions): Step {
  const entries = Object.entries(columns)
  const nRows = entries[0]?.[1].length ?? 0
  for (const [name, { length }] of entries)
    if (length !== nRows)
      throw new MillraceError('MR_FRAME_LENGTH', { column: name, expected: nRows, got: length })
  const loaded = entries.map(([name, values]) => ({
    name,
    values,
    type: options.types?.[name] ?? typeOfArray(values) ?? typeOfValues(values, name),
  }))
  return loadedStep(loaded, nRows)
}

/** A step over columns in memory; `columns` is kept as long as the frame is. */
function loadedStep(columns: readonly LoadedColumn[], nRows: number): Step {
  if (columns.length === 0) throw new MillraceError('MR_FRAME_EMPTY', { verb: 'frame' })
  const step: Step = {
    verb: 'memory',
    async write(scope, conditions) {
      const relation = await madeOnce(scope, step, (table) => scope.tables.load(table, columns, nRows))
      scope.sources.push({ name: `${nRows} rows in memory`, kind: 'memory', files: [], conditions })
      return await entered(scope, relation)
    },
  }
  return step
}

/** A table that was made for a step; made at its first use. */
export async function madeOnce(
  scope: Scope,
  step: Step,
  make: (table: string) => Promise<void>,
): Promise<Sql> {
  return await setOnce(scope.made, step, async () => {
    const table = `frame ${scope.made.size + 1} ${randomUUID()}`
    await make(table)
    return raw(`SELECT * FROM ${quoted(table)}`)
  })
}

function typeOfArray(values: ArrayLike<unknown>): ColumnType | undefined {
  if (values instanceof Float64Array || values instanceof Float32Array) return 'float'
  return ArrayBuffer.isView(values) ? 'int' : undefined
}

const KINDS: Record<string, ColumnType> = { boolean: 'bool', bigint: 'int', string: 'string' }

/** The narrowest type that holds all values. Errors: MR_FRAME_VALUES where they are of several kinds. */
function typeOfValues(values: ArrayLike<unknown>, column: string): ColumnType {
  const found = new Set<ColumnType>()
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value !== null && value !== undefined) found.add(typeOfValue(value))
  }
  if (found.size === 2 && found.has('int') && found.has('float')) return 'float'
  if (found.size <= 1) return [...found][0] ?? 'string'
  throw new MillraceError('MR_FRAME_VALUES', { column, types: [...found] })
}

function typeOfValue(value: unknown): ColumnType {
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'int' : 'float'
  if (value instanceof Date) return 'time'
  return KINDS[typeof value] ?? 'json'
}
