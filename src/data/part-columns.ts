import type { Column, Part } from '../core/records.ts'
import { quoted } from '../expr/sql.ts'
import { DUCK_TYPE } from './column-types.ts'

type NamedType = Pick<Column, 'name' | 'type'>

/** Whether a part was written with a column. A column may be called as something that every object has. */
export const hasColumn = ({ stats }: Pick<Part, 'stats'>, name: string): boolean => Object.hasOwn(stats, name)

/** Columns as the select list of a part; those that the part does not have are null. */
export const columnsOfPart = (part: Pick<Part, 'stats'>, columns: readonly NamedType[]): string[] =>
  columns.map(({ name, type }) =>
    hasColumn(part, name) ? quoted(name) : `NULL::${DUCK_TYPE[type]} AS ${quoted(name)}`,
  )
