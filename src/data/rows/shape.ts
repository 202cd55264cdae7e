/** Which rows a dataset takes, and how each is written into the log: one line of JSON with the dataset's columns, or an error that names row and field. */
import { excerpt, MillraceError } from '../../core/errors.ts'
import type { Column, ColumnType } from '../../core/records.ts'
import { closeNames } from '../../expr/close-names.ts'
import { isReservedColumn } from '../columns-sql.ts'
import { dayText, instantText } from './instants.ts'
import { ROWS_LIMITS } from './limits.ts'

export interface ShapeOptions {
  dataset: string
  /** Columns of the newest version; none before the first. */
  columns: readonly Column[]
  /** Column of time, whose epoch milliseconds become instants also before there is a version. */
  time?: string
  newColumns: 'refuse' | 'take'
}

/** A value as JSON of its type; undefined for one that is not of it. Null is dealt with before. */
type Write = (value: unknown) => string | undefined

interface Known {
  name: string
  /** `"name":` */
  key: string
  write: Write
  expected: string
  /** Whether a line has it also where the row does not: a column that is never null must be in each file. */
  always: boolean
  /** Whether every object has something of that name, so that only what is its own counts. */
  inherited: boolean
}

/** Not for several threads of control at once: before there is a version, what a row has settles what the next may have. */
export class RowShape {
  readonly #options: ShapeOptions
  readonly #known: Known[]
  /** Names in lower case, since the engine does not tell `a` from `A`. */
  readonly #names: Map<string, string>

  constructor(options: ShapeOptions) {
    this.#options = options
    this.#known = options.columns.map(({ name, type, nullable }) => knownOf(name, type, !nullable))
    this.#names = new Map(options.columns.map(({ name }) => [name.toLowerCase(), name]))
    const { time } = options
    if (time !== undefined && !this.#names.has(time.toLowerCase())) this.#add(time, 'time')
  }

  /** Lines of rows. Nothing is settled by rows of which one is refused. Errors: MR_ROWS_FIELD, MR_ROWS_UNKNOWN_FIELD. */
  lines(rows: readonly unknown[]): string[] {
    const before = this.#known.length
    try {
      return rows.map((row, i) => this.#line(row, i + 1))
    } catch (thrown) {
      for (const { name } of this.#known.splice(before)) this.#names.delete(name.toLowerCase())
      throw thrown
    }
  }

  #line(row: unknown, iRow: number): string {
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw new MillraceError('MR_ROWS_FIELD', {
        row: iRow,
        field: '(the row)',
        expected: 'an object',
        got: shown(row),
      })
    let found = 0
    let text = ''
    for (const column of this.#known) {
      const value =
        column.inherited && !Object.hasOwn(row, column.name) ? undefined : (row as Row)[column.name]
      if (value === undefined) {
        if (column.always) text += `,${column.key}null`
        continue
      }
      found++
      text += `,${column.key}${value === null ? 'null' : (column.write(value) ?? refuse(column, iRow, value))}`
    }
    const names = Object.keys(row)
    if (names.length > found) text += this.#more(row as Row, names, iRow)
    return text === '' ? '{}' : `{${text.slice(1)}}`
  }

  /** Fields that no column has yet. */
  #more(row: Row, names: readonly string[], iRow: number): string {
    let text = ''
    for (const name of names) {
      if (this.#known.some((column) => column.name === name)) continue
      const value = row[name]
      if (value === undefined) continue
      const column = this.#take(name, value, iRow)
      text += `,${column.key}${value === null ? 'null' : (column.write(value) ?? refuse(column, iRow, value))}`
    }
    return text
  }

  #take(name: string, value: unknown, iRow: number): Known {
    const { columns, dataset, newColumns } = this.#options
    const twin = this.#names.get(name.toLowerCase())
    const isRefused = columns.length > 0 && newColumns === 'refuse'
    if (
      twin !== undefined ||
      isRefused ||
      isReservedColumn(name) ||
      name.trim() !== name ||
      name === '' ||
      !isWhole(name)
    )
      throw new MillraceError('MR_ROWS_UNKNOWN_FIELD', {
        ...{ row: iRow, field: excerpt(name), dataset },
        near: twin === undefined ? closeNames(name, [...this.#names.values()]) : [twin],
      })
    if (this.#known.length >= ROWS_LIMITS.columnsMax)
      throw new MillraceError('MR_LIMIT', {
        limit: 'columnsMax',
        max: ROWS_LIMITS.columnsMax,
        got: this.#known.length + 1,
        unit: 'columns',
      })
    // A field that has only been null so far may become anything.
    return value === null ? knownOf(name, 'json', false) : this.#add(name, kindOf(value))
  }

  #add(name: string, type: Kind): Known {
    const column = knownOf(name, type, false)
    this.#known.push(column)
    this.#names.set(name.toLowerCase(), name)
    return column
  }
}

type Row = Record<string, unknown>

/** Half a surrogate pair, which UTF-8 cannot write. */
const HALF = /[\ud800-\udfff]/u

const isWhole = (text: string): boolean => !HALF.test(text)
/** `number` is one that may be whole or not: which, the version settles. */
type Kind = ColumnType | 'number'

function kindOf(value: unknown): Kind {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number' || typeof value === 'bigint') return 'number'
  return typeof value === 'string' ? 'string' : 'json'
}

function knownOf(name: string, type: Kind, always: boolean): Known {
  const { write, expected } = KINDS[type]
  return { name, key: `${JSON.stringify(name)}:`, write, expected, always, inherited: name in {} }
}

function refuse(column: Known, row: number, value: unknown): never {
  throw new MillraceError('MR_ROWS_FIELD', {
    row,
    field: excerpt(column.name),
    expected: column.expected,
    got: shown(value),
  })
}

function shown(value: unknown): string {
  if (typeof value === 'string')
    return isWhole(value) ? `the text ${excerpt(JSON.stringify(value))}` : 'a text with half a character'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value)
}

const INT64 = /^-?\d{1,19}$/
const INT64_MAX = 2n ** 63n - 1n

/** Whole numbers that JSON may have rounded are refused: as text they keep all digits. */
function writeInt(value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  if (typeof value === 'string' && !INT64.test(value)) return undefined
  if (typeof value !== 'bigint' && typeof value !== 'string') return undefined
  const n = BigInt(value)
  return n <= INT64_MAX && n >= -INT64_MAX - 1n ? String(n) : undefined
}

/** A number beyond what doubles have was infinite when JSON was read. */
function writeNumber(value: unknown): string | undefined {
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'number') return undefined
  return Number.isFinite(value) ? String(value) : undefined
}

function writeText(value: unknown): string | undefined {
  return typeof value === 'string' && isWhole(value) ? JSON.stringify(value) : undefined
}

function writeTime(value: unknown): string | undefined {
  const text = typeof value === 'string' || typeof value === 'number' ? instantText(value) : undefined
  return text && `"${text}"`
}

function writeDay(value: unknown): string | undefined {
  const text = typeof value === 'string' ? dayText(value) : undefined
  return text && `"${text}"`
}

function writeJson(value: unknown): string | undefined {
  if (typeof value === 'bigint') return String(value)
  if (!isSound(value, ROWS_LIMITS.depthMax)) return undefined
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? Number(one) : one))
}

function isSound(value: unknown, levels: number): boolean {
  if (typeof value === 'string') return isWhole(value)
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return value !== undefined
  if (levels === 0) return false
  return Object.entries(value).every(([name, one]) => isWhole(name) && isSound(one, levels - 1))
}

const KINDS: Record<Kind, { write: Write; expected: string }> = {
  bool: {
    write: (value) => (typeof value === 'boolean' ? String(value) : undefined),
    expected: 'true or false',
  },
  int: { write: writeInt, expected: 'a whole number (beyond 2^53 as text)' },
  float: { write: writeNumber, expected: 'a finite number' },
  number: { write: writeNumber, expected: 'a finite number, as in the rows before' },
  string: { write: writeText, expected: 'a text' },
  time: {
    write: writeTime,
    expected: 'an instant: ISO 8601 (without a zone it is UTC), or epoch milliseconds',
  },
  date: { write: writeDay, expected: 'a day: YYYY-MM-DD' },
  json: { write: writeJson, expected: `JSON of at most ${ROWS_LIMITS.depthMax} levels` },
}
