/** Keys of an order: names, expressions, `desc(…)` and `asc(…)` of them. */

import type { ExprNode } from '../expr/ast.ts'
import { columnsOf } from '../expr/ast.ts'
import { type Anything, Expr } from '../expr/builder.ts'
import { sql } from '../expr/sql.ts'
import { argumentOf, nodeOfColumn, type Of } from './aggregates.ts'
import type { FrameColumn, Term } from './step.ts'

export interface OrderOptions {
  /** Where rows without a value go. Default: last, whatever the direction. */
  nulls?: 'first' | 'last'
}

/** A key with its direction. */
export class OrderKey<C extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~columns': C
  readonly node: ExprNode
  readonly isDescending: boolean
  readonly nulls: 'first' | 'last'

  constructor(node: ExprNode, isDescending: boolean, { nulls = 'last' }: OrderOptions = {}) {
    this.node = node
    this.isDescending = isDescending
    this.nulls = nulls
    Object.freeze(this)
  }
}

export type Key<C extends string> = Of<Anything, C> | OrderKey<C>

/** From the least: numbers and times by size, texts by code point, false before true. */
export const asc = <const C extends string>(of: Of<Anything, C>, options?: OrderOptions): OrderKey<C> =>
  new OrderKey(nodeOfColumn(of), false, options)
/** From the greatest. */
export const desc = <const C extends string>(of: Of<Anything, C>, options?: OrderOptions): OrderKey<C> =>
  new OrderKey(nodeOfColumn(of), true, options)

export const orderKey = (key: Key<string>): OrderKey =>
  typeof key === 'string' || key instanceof Expr ? asc(key) : key

export function termOf(key: Key<string>, columns: readonly FrameColumn[], verb: string): Term {
  const { node, isDescending, nulls } = orderKey(key)
  const { sql: value } = argumentOf(node, columns, verb)
  const direction = `${isDescending ? 'DESC' : 'ASC'} NULLS ${nulls === 'first' ? 'FIRST' : 'LAST'}`
  return { sql: sql`${value} ${direction}`, columns: columnsOf(node) }
}
