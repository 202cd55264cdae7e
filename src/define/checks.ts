import type { ExprNode } from '../expr/ast.ts'
import { type Anything, col, type Expr, nodeOf } from '../expr/builder.ts'
import { format } from '../expr/format.ts'
import { type Duration, durationMs } from './durations.ts'
import { RULE_KINDS } from './rule-kinds.ts'
import { type TableMetric, tableMetricText } from './table-metrics.ts'
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

type Bound = number | string | Date

/** From `min` to `max`, both included; one of them may be left out. Instants as Date. */
export interface Bounds {
  min?: number | Date
  max?: number | Date
}

function check<C extends string>(name: string, rule: CheckDef['rule']): Check<C> {
  return new Check({ name, rule, atLeast: 1, onFail: RULE_KINDS[rule.kind].onFail })
}

function rowCheck<C extends string>(name: string, holds: ExprNode): Check<C> {
  return check(name, { kind: 'row', holds })
}

function metricCheck<C extends string>(metric: TableMetric, bounds: Bounds): Check<C> {
  const { min, max } = { min: numberOf(bounds.min), max: numberOf(bounds.max) }
  const range = [
    min === undefined ? '' : ` >= ${shown(bounds.min)}`,
    max === undefined ? '' : ` <= ${shown(bounds.max)}`,
  ]
  return check(`${tableMetricText(metric)}${range.filter(Boolean).join(' and')}`, {
    kind: 'metric',
    metric,
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  })
}

const numberOf = (bound: number | Date | undefined): number | undefined =>
  bound instanceof Date ? bound.getTime() : bound

const shown = (value: unknown): string => (value instanceof Date ? value.toISOString() : String(value))

export interface UsualOptions {
  /** A season that is known of; found in the deliveries where there are enough, when left out. */
  season?: 'day' | 'week' | 'year' | 'none'
  /** Chance of an alarm for a usual delivery. Default: 0.0005. */
  alpha?: number
  /** Deliveries that are known before one is judged. Default: 8. */
  pointsMin?: number
}

function usualCheck(metric: 'rows', options?: UsualOptions): Check<never>
function usualCheck<const C extends string>(
  metric: Exclude<TableMetric['of'], 'rows'>,
  columns: C | readonly [C, ...C[]],
  options?: UsualOptions & { q?: number },
): Check<C>
function usualCheck(
  of: TableMetric['of'],
  columns: string | readonly string[] | UsualOptions = [],
  options: UsualOptions & { q?: number } = {},
): Check<string> {
  const isNamed = typeof columns === 'string' || Array.isArray(columns)
  const { q, season, alpha, pointsMin } = isNamed ? options : { ...(columns as UsualOptions), q: undefined }
  const metric = {
    of,
    columns: isNamed ? listOf<string>(columns as string | readonly string[]) : [],
    ...(q !== undefined && { q }),
  }
  const given = Object.entries({ season, alpha, pointsMin }).filter(([, value]) => value !== undefined)
  return check(`usual(${tableMetricText(metric)})`, { kind: 'usual', metric, ...Object.fromEntries(given) })
}

/**
 * Checks of data. Rules that judge rows quarantine by default, `rowCount` stops, `fresh` and checks of one number of all rows warn. What each means by a missing value:
 * docs/concepts/checks.md.
 */
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
    return check(`unique(${columns.join(', ')})`, { kind: 'unique', columns })
  },
  /** The version has so many rows. */
  rowCount(bounds: { min?: number; max?: number }): Check<never> {
    const { min, max } = bounds
    return check(`rowCount(${min ?? 0} to ${max ?? 'any'})`, { kind: 'rowCount', min, max })
  },
  /** The newest row is not older than this at import. */
  fresh<const C extends string>(column: C, age: Duration): Check<C> {
    const ageMsMax = durationMs(age, `checks.fresh('${column}')`)
    return check(`fresh(${column}, ${age})`, { kind: 'fresh', column, ageMsMax })
  },
  /** No row strays outside the window of time that is imported. */
  inWindow<const C extends string>(column: C): Check<C> {
    return check(`inWindow(${column})`, { kind: 'inWindow', column })
  },
  /** Any rule over a row, written as an expression. */
  holds<C extends string>(rule: Expr<boolean, C>): Check<C> {
    return rowCheck(format(rule.node), rule.node)
  },

  /** Values of these columns, taken together, occur in another dataset: in the columns `of`, those of the same names by default. */
  exists<const C extends string>(
    columns: C | readonly [C, ...C[]],
    where: { in: string | { name: string }; of?: string | readonly string[] },
  ): Check<C> {
    const own = listOf<string>(columns)
    const of = listOf(where.of ?? own)
    const dataset = typeof where.in === 'string' ? where.in : where.in.name
    const name = `exists(${own.join(', ')} in ${dataset}${where.of === undefined ? '' : `.${of.join(', ')}`})`
    return check(name, { kind: 'exists', columns: own, in: dataset, of })
  },
  /** Rows that agree in these columns agree in `column` too: a zip code has one city. */
  determines<const C extends string>(columns: C | readonly [C, ...C[]], column: C): Check<C> {
    const own = listOf<string>(columns)
    return check(`determines(${own.join(', ')} -> ${column})`, { kind: 'determines', columns: own, column })
  },

  /**
   * A number of the new rows is what the deliveries before let expect: `checks.usual('rows')`, `checks.usual('mean', 'delay', { season: 'week' })`. Seasons are found
   * where there is enough, or declared. Judged from the ninth delivery on; an unusual value is learned only once a person accepts it. docs/concepts/history.md
   */
  usual: usualCheck,
  /**
   * The new rows are spread over their values as those of an earlier version, all columns together held to `alpha`. Default: against the version before, 0.01 for
   * `alpha`, and a population stability index of 0.02 that a change must reach.
   */
  drift<const C extends string = never>(
    options: { columns?: readonly C[]; against?: string; alpha?: number; psiMin?: number } = {},
  ): Check<C> {
    const { columns = [], against = 'previous', alpha = 0.01, psiMin = 0.02 } = options
    const name = `drift(${columns.length === 0 ? 'all columns' : columns.join(', ')}${against === 'previous' ? '' : ` from ${against}`})`
    return check(name, { kind: 'drift', columns: [...columns], against, alpha, psiMin })
  },

  /** Any number of the new rows, between bounds. */
  metric(metric: TableMetric, bounds: Bounds): Check<string> {
    return metricCheck(metric, bounds)
  },
  /** Share of rows without a value. */
  missing<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'missing', columns: [column] }, bounds)
  },
  mean<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'mean', columns: [column] }, bounds)
  },
  /** Standard deviation of a sample. */
  std<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'std', columns: [column] }, bounds)
  },
  /** The least value. */
  min<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'min', columns: [column] }, bounds)
  },
  /** The greatest value. */
  max<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'max', columns: [column] }, bounds)
  },
  sum<const C extends string>(column: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'sum', columns: [column] }, bounds)
  },
  /** The least value that a share `q` of all values does not exceed: 0.5 for the median. */
  quantile<const C extends string>(column: C, q: number, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'quantile', columns: [column], q }, bounds)
  },
  /** Number of different values. */
  distinct<const C extends string>(columns: C | readonly [C, ...C[]], bounds: Bounds): Check<C> {
    return metricCheck({ of: 'distinct', columns: listOf<string>(columns) }, bounds)
  },
  /** Different values as a share of all values. */
  distinctShare<const C extends string>(columns: C | readonly [C, ...C[]], bounds: Bounds): Check<C> {
    return metricCheck({ of: 'distinctShare', columns: listOf<string>(columns) }, bounds)
  },
  /** Share of the values that occur exactly once. */
  uniqueShare<const C extends string>(columns: C | readonly [C, ...C[]], bounds: Bounds): Check<C> {
    return metricCheck({ of: 'uniqueShare', columns: listOf<string>(columns) }, bounds)
  },
  /** Of the frequencies of the values, in nats. */
  entropy<const C extends string>(columns: C | readonly [C, ...C[]], bounds: Bounds): Check<C> {
    return metricCheck({ of: 'entropy', columns: listOf<string>(columns) }, bounds)
  },
  /** Pearson's correlation of two columns of numbers. */
  correlation<const C extends string>(a: C, b: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'correlation', columns: [a, b] }, bounds)
  },
  /** How much one column says of another, in nats. */
  mutualInformation<const C extends string>(a: C, b: C, bounds: Bounds): Check<C> {
    return metricCheck({ of: 'mutualInformation', columns: [a, b] }, bounds)
  },
}

const listOf = <T>(value: T | readonly T[]): T[] => (Array.isArray(value) ? [...value] : [value as T])

/** The plain form of what a config lists: a check, or one already plain. */
export function checkDefOf(check: Check<Anything> | CheckDef): CheckDef {
  return check instanceof Check ? check.def : check
}
