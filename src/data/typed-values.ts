/** Values that people type for a column, as texts. */
import type { ColumnType } from '../core/records.ts'
import { DUCK_TYPE } from '../engine/parts.ts'
import { raw, type Sql, sql } from '../expr/sql.ts'

/** As the column writes it; null where the text is no value of it. */
export const typedValue = (type: ColumnType, text: Sql): Sql =>
  sql`cast(try_cast(${text} as ${DUCK_TYPE[type]}) as varchar)`

/** Whole numbers are digits alone: the engine would round a fraction. */
const WHOLE = raw(`'\\s*[+-]?\\d{1,19}\\s*'`)

/** Whether a text that is there is no value of a column. */
export const isNoValue = (type: ColumnType, text: Sql): Sql =>
  type === 'int'
    ? sql`(${typedValue(type, text)} is null or not regexp_full_match(${text}, ${WHOLE}))`
    : sql`(${typedValue(type, text)} is null)`
