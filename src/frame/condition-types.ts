/** Conditions on a column by which files, groups of rows and parts are left out. */
import type { ExprNode } from '../expr/ast.ts'

export type Compared = 'eq' | 'lt' | 'le' | 'gt' | 'ge'

/** `column op literal`. */
export interface Comparison {
  column: string
  op: Compared
  literal: Literal
}

/** What no row without a value of the column passes: a comparison, one of several values, any value. */
export type Condition =
  | Comparison
  | { column: string; op: 'in'; literals: readonly Literal[] }
  | { column: string; op: 'present' }

export type Literal = Extract<ExprNode, { op: 'lit' }>
