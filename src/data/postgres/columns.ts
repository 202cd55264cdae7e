/** How columns of PostgreSQL are asked for, so that each of their values has one text that does not depend on settings of the server. */
import { MillraceError } from '../../core/errors.ts'

/** What the values of a column are, as the copy says of itself. */
export type CopiedKind =
  | 'bool'
  | 'int'
  | 'single'
  | 'double'
  | 'date'
  | 'timestamp'
  | 'json'
  | 'bytes'
  | 'text'

export interface PostgresType {
  /** As `format_type` writes it. */
  name: string
  /** `b` base, `c` composite, `e` enum, `p` pseudo, `r` range, `m` multirange. */
  type: string
  isArray: boolean
}

export interface PostgresColumn {
  name: string
  oid: number
  /** Modifier of the type, -1 without. */
  modifier: number
}

export interface CopiedColumn {
  name: string
  kind: CopiedKind
  /** What is selected. */
  sql: string
}

/** Types that PostgreSQL itself has, by their numbers, which never change (pg_type.dat of its sources). */
const BUILT_IN: Record<number, { kind: CopiedKind; sql?: (column: string) => string }> = {
  16: { kind: 'bool' },
  17: { kind: 'bytes' },
  20: { kind: 'int' },
  21: { kind: 'int' },
  23: { kind: 'int' },
  26: { kind: 'int' },
  114: { kind: 'json' },
  700: { kind: 'single' },
  701: { kind: 'double' },
  // Money is written as the server's locale says.
  790: { kind: 'double', sql: (column) => `${column}::numeric` },
  // Blanks behind a `char(n)` are no part of its value.
  1042: { kind: 'text', sql: (column) => `${column}::text` },
  1082: { kind: 'date' },
  1114: { kind: 'timestamp' },
  1184: { kind: 'timestamp', sql: (column) => `${column} AT TIME ZONE 'UTC'` },
  3802: { kind: 'json' },
}
const NUMERIC = 1700
/** Digits that 64 bits hold whatever they are. */
const INT_DIGITS = 18

/** Errors: MR_DATA_PG_TYPE for pseudo-types, which are no types of columns that a table can have. */
export function copiedColumn(
  { name, oid, modifier }: PostgresColumn,
  type: PostgresType,
  source: string,
): CopiedColumn {
  const column = identifier(name)
  if (oid === NUMERIC) {
    const isWhole = modifier >= 4 && scaleOf(modifier) <= 0 && digitsOf(modifier) <= INT_DIGITS
    return isWhole
      ? { name, kind: 'int', sql: `nullif(${column}, 'NaN')` }
      : { name, kind: 'double', sql: column }
  }
  const known = BUILT_IN[oid]
  if (known) return { name, kind: known.kind, sql: known.sql?.(column) ?? column }
  if (type.type === 'p') throw new MillraceError('MR_DATA_PG_TYPE', { source, column: name, type: type.name })
  if (type.isArray || type.type === 'c') return { name, kind: 'json', sql: `to_json(${column})` }
  return { name, kind: 'text', sql: column }
}

/** The lower eleven bits, with a sign since PostgreSQL 15. */
const scaleOf = (modifier: number): number => (((modifier - 4) & 0x7ff) ^ 1024) - 1024

/** Digits before the point. */
const digitsOf = (modifier: number): number => (((modifier - 4) >> 16) & 0xffff) - scaleOf(modifier)

export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** First line of a copy: a cell for each column that says what it is, as JSON. */
export function headerOf(columns: readonly CopiedColumn[]): string {
  const cells = columns.map(({ name, kind }) => JSON.stringify({ name, kind }).replaceAll('"', '""'))
  return `"${cells.join('","')}"\n`
}

/** Errors: whatever JSON.parse throws, where the line is no such header. */
export function parseHeader(line: string): Pick<CopiedColumn, 'name' | 'kind'>[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"/g)].map(
    ([, cell]) => JSON.parse(cell!.replaceAll('""', '"')) as Pick<CopiedColumn, 'name' | 'kind'>,
  )
}

/** How a value that is not there stands in a copy; a text that looks like it is quoted. */
export const NOTHING = '\\N'
