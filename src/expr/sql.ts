import { MOMENTS_MAX } from '../core/limits.ts'

/** SQL with positional parameters (`?`), ready for one engine. Literals travel as parameters, never as text. */
export interface Sql {
  text: string
  params: SqlValue[]
}
export type SqlValue = null | boolean | number | bigint | string | Date

/** Text without parameters. */
export const raw = (text: string): Sql => ({ text, params: [] })

/** A value. */
export const param = (value: SqlValue): Sql => ({ text: '?', params: [value] })

/** Any number of values of one type of DuckDB's, as one list. */
export const listParam = (values: readonly unknown[], type: string): Sql => ({
  text: `cast(cast(? as json) as ${type}[])`,
  params: [JSON.stringify(values)],
})

/** A text as a SQL literal: only for names of files and for numbers of our own, never for what a user compares with. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** An identifier as DuckDB reads it: double quotes, doubled inside. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Whether a number has a part in moments: the engine refuses a whole query where a square is none. */
export const hasMoments = (value: string): string => `(${value} BETWEEN -${MOMENTS_MAX} AND ${MOMENTS_MAX})`

/**
 * Fills `{0}`, `{1}`, … of a template with pieces and `{*}` with all of them joined by commas. Parameters follow the order in which
 * the pieces occur in the text, so a piece may be used more than once.
 */
export function fill(template: string, pieces: readonly Sql[]): Sql {
  const params: SqlValue[] = []
  const take = (piece: Sql): string => {
    params.push(...piece.params)
    return piece.text
  }
  const text = template.replace(/\{(\d+|\*)\}/g, (_, at: string) =>
    at === '*' ? pieces.map(take).join(', ') : take(pieces[Number(at)]!),
  )
  return { text, params }
}

/** Pieces in a row with text between. */
export function join(pieces: readonly Sql[], between: string): Sql {
  return { text: pieces.map((p) => p.text).join(between), params: pieces.flatMap((p) => p.params) }
}

/** A tagged template: strings are text, `Sql` values are spliced with their parameters. */
export function sql(strings: TemplateStringsArray, ...parts: (Sql | string)[]): Sql {
  const pieces = parts.map((part) => (typeof part === 'string' ? raw(part) : part))
  return {
    text: strings.map((s, i) => s + (pieces[i]?.text ?? '')).join(''),
    params: pieces.flatMap((p) => p.params),
  }
}
