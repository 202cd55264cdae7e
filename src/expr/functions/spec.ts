import type { ExprType, Value } from '../ast.ts'
import type { SqlValue } from '../sql.ts'

/** Compiled closure over one row. */
export type Fn = (row: Readonly<Record<string, unknown>>) => Value

/** A literal argument's constraint, described once: the check, the message and the docs row follow from it. */
export type LiteralRule =
  | { kind: 'number'; min?: number; max?: number; integer?: boolean; exclusiveMin?: boolean }
  | { kind: 'oneOf'; values: readonly string[] }
  | { kind: 'string'; nonEmpty?: boolean }
  /** Refuses by throwing its own coded error. */
  | { kind: 'pattern' }
  | { kind: 'zone' }

/** `T` stands for one type that all arguments marked so share; `any` takes each type. */
export interface ArgSpec {
  name: string
  type: ExprType | 'T' | 'any'
  /** Present: the argument must be written as a literal. Literals come after all other arguments. */
  literal?: LiteralRule
}

/**
 * One function of the language: its types, its text, its SQL and its JavaScript, in one place.
 *
 * JavaScript is given one way: `js` and `bind` see arguments that are not missing (a missing one makes the result missing before they are
 * called); `bind` gets the literal arguments once and returns the function of the others; `closure` sees the compiled arguments and decides itself.
 */
export interface FnSpec {
  doc: string
  args: readonly ArgSpec[]
  /** The last of `args` may be given this many times or more; absent: exactly once. */
  restMin?: number
  result: ExprType | 'T'
  /** Type of one argument when it depends on the position. */
  typeAt?: (index: number, count: number) => ArgSpec['type']
  /**
   * DuckDB template with `{0}`, `{1}`, …, or `{*}`; or what writes the template from the number of arguments, the literals, the types, and the values of
   * arguments that are written as such.
   */
  sql:
    | string
    | ((
        count: number,
        literals: Literal[],
        types: (ExprType | undefined)[],
        values: (Value | undefined)[],
      ) => string)
  /** Types that an `any` argument takes; a column of unknown type is read as the first. Absent: all types. */
  accepts?: readonly ExprType[]
  /** Literals must rise strictly from one to the next. */
  ascending?: true
  /** How a literal travels to SQL when not as it is written. */
  sqlLiteral?: (value: Literal) => SqlValue
  js?: (...values: never[]) => Value
  bind?: (...literals: never[]) => (...values: never[]) => Value
  closure?: (args: Fn[], literals: Literal[]) => Fn
  /**
   * Arguments that are not missing can give NaN, which then becomes missing. `passes`: NaN in, NaN out as well, so that a chain of
   * such functions is checked once, at its end.
   */
  nan?: 'makes' | 'passes'
  /** Units in the last place by which the two engines' libraries may differ; absent means equal to the bit. */
  ulps?: number
}

export type Literal = boolean | number | string

export const arg = (name: string, type: ArgSpec['type']): ArgSpec => ({ name, type })
export const literal = (name: string, rule: LiteralRule): ArgSpec => ({
  name,
  type: rule.kind === 'number' ? 'number' : 'string',
  literal: rule,
})
export const x = arg('x', 'number')
export const y = arg('y', 'number')
export const text = arg('text', 'string')
export const at = arg('at', 'time')
