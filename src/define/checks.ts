import type { ExprNode } from '../expr/ast.ts'
import { type Anything, col, type Expr, nodeOf } from '../expr/builder.ts'
import { format } from '../expr/format.ts'
import { type Duration, durationMs } from './durations.ts'
import type { CheckDef } from './types.ts'

/**
 * One declared check. Each call returns a new one. A row fails a row rule only when the rule says false: where it cannot be
 * decided because a value is missing, the row passes (as SQL's CHECK); `notNull` is the rule for missing values.
 */
export class Check<Cols extends string = string> {
  /** Exists for the type checker alone. */
  declare readonly '~columns': Cols
  readonly def: CheckDef

  constructor(def: CheckDef) {
    this.def = def
  }

  toJSON(): CheckDef {
    return this.def
  }

  /** Share of rows that must hold, above 0 and at most 1. Default: 1. */
  atLeast(share: number): Check<Cols> {
    return this.with({ atLeast: share })
  }
  /** Name in reports and in the reasons of quarantined rows. Default: the rule as text. */
  named(name: string): Check<Cols> {
    return this.with({ name })
  }
  /** Only report. */
  warn(): Check<Cols> {
    return this.with({ onFail: 'warn' })
  }
  /** Refuse the version when the share is missed. */
  stop(): Check<Cols> {
    return this.with({ onFail: 'stop' })
  }
  /** Put failing rows aside, with the reason, and go on. */
  quarantine(): Check<Cols> {
    return this.with({ onFail: 'quarantine' })
  }
  /** Who is told. */
  owner(owner: string): Check<Cols> {
    return this.with({ owner })
  }

  private with(change: Partial<CheckDef>): Check<Cols> {
    return new Check({ ...this.def, ...change })
  }
}

type OnFail = CheckDef['onFail']
type Bound = number | string | Date

function check<C extends string>(name: string, rule: CheckDef['rule'], onFail: OnFail): Check<C> {
  return new Check({ name, rule, atLeast: 1, onFail })
}

function rowCheck<C extends string>(name: string, holds: ExprNode): Check<C> {
  return check(name, { kind: 'row', holds }, 'quarantine')
}

const shown = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value))

/** Checks of data. Row rules and `unique` quarantine by default, `rowCount` stops, `fresh` warns. */
export const checks = {
  /** No value is missing in any of these columns. */
  notNull<const C extends string>(...columns: [C, ...C[]]): Check<C> {
    const rules = columns.map((column) => col(column).notNull() as Expr<boolean, C>)
    return rowCheck(`notNull(${columns.join(', ')})`, rules.reduce((all, rule) => all.and(rule)).node)
  },
  /** Values lie between two bounds, both included: numbers, texts, or times (Date). */
  between<const C extends string>(column: C, low: Bound, high: Bound): Check<C> {
    return rowCheck(`between(${column}, ${shown(low)}, ${shown(high)})`, col(column).between(low, high).node)
  },
  /** Values are among those listed. */
  isIn<const C extends string>(column: C, values: readonly (number | string | boolean)[]): Check<C> {
    const holds = nodeOf(col(column).isIn(values))
    return rowCheck(`isIn(${column}, ${values.length} values)`, holds)
  },
  /** The pattern is found in each text; anchor it with ^ and $ for the whole. */
  matches<const C extends string>(column: C, pattern: string | RegExp): Check<C> {
    const shownPattern = typeof pattern === 'string' ? pattern : pattern.source
    return rowCheck(`matches(${column}, ${shownPattern})`, col(column).matches(pattern).node)
  },
  /** No two rows are equal in these columns; in all columns when none is named. */
  unique<const C extends string = never>(...columns: C[]): Check<C> {
    return check(`unique(${columns.join(', ')})`, { kind: 'unique', columns }, 'quarantine')
  },
  /** The version has so many rows. */
  rowCount(bounds: { min?: number; max?: number }): Check<never> {
    const { min, max } = bounds
    return check(`rowCount(${min ?? 0} to ${max ?? 'any'})`, { kind: 'rowCount', min, max }, 'stop')
  },
  /** The newest row is not older than this at import. */
  fresh<const C extends string>(column: C, age: Duration): Check<C> {
    const ageMsMax = durationMs(age, `checks.fresh('${column}')`)
    return check(`fresh(${column}, ${age})`, { kind: 'fresh', column, ageMsMax }, 'warn')
  },
  /** No row strays outside the window of time that is imported. */
  inWindow<const C extends string>(column: C): Check<C> {
    return check(`inWindow(${column})`, { kind: 'inWindow', column }, 'quarantine')
  },
  /** Any rule over a row, written as an expression. */
  holds<C extends string>(rule: Expr<boolean, C>): Check<C> {
    return rowCheck(format(rule.node), rule.node)
  },
}

/** The plain form of what a config lists: a check, or one already plain. */
export function checkDefOf(check: Check<Anything> | CheckDef): CheckDef {
  return check instanceof Check ? check.def : check
}
