/** SQL with positional parameters (`?`), ready for one engine. Literals travel as parameters, never as text. */
export interface Sql {
  text: string
  params: SqlValue[]
}
export type SqlValue = null | boolean | number | bigint | string | Date
