/** Suites of Great Expectations, 0.x and 1.x, as checks. */
import { MillraceError } from '../../core/errors.ts'
import { type Anything, col, Expr, lit } from '../../expr/builder.ts'
import { parseExpr } from '../../expr/parse.ts'
import { escapePattern } from '../../expr/pattern.ts'
import type { Check } from '../checks.ts'
import { checks } from '../checks.ts'
import {
  conditional,
  type ImportedChecks,
  instantOf,
  isoTime,
  NotSaid,
  requirePattern,
  withNames,
} from './imported.ts'

type Kwargs = Record<string, Anything>
type Made = Check<Anything> | Check<Anything>[]

interface Expectation {
  type: string
  kwargs: Kwargs
  severity?: string
}

/**
 * Reads the JSON of a suite: `{ expectations: [{ expectation_type | type, kwargs }] }`. A suite of a checkpoint or of a validation result, which has them under
 * `expectation_suite` or `results`, is read too. `mostly` becomes the share that must hold; such checks only report, since rows within it are tolerated and not put aside, and so do those
 * of severity `warning` or `info`. Errors: MR_DEFINE_IMPORT when it is no suite.
 */
export function importGreatExpectations(text: string): ImportedChecks {
  const found: ImportedChecks = { from: 'great-expectations', checks: [], left: [], notes: [] }
  for (const expectation of expectationsOf(text)) {
    try {
      const made = [madeOf(expectation)].flat()
      found.checks.push(...made.map((check) => judged(check, expectation).def))
      const note = noteOf(expectation)
      if (note) found.notes.push(note)
    } catch (thrown) {
      if (!(thrown instanceof NotSaid)) throw thrown
      found.left.push({ rule: nameOf(expectation), why: thrown.message })
    }
  }
  return { ...found, checks: withNames(found.checks), notes: [...new Set(found.notes)] }
}

function expectationsOf(text: string): Expectation[] {
  const suite = parsed(text)
  const inner = suite.expectation_suite ?? suite
  const listed = inner.expectations ?? suite.results?.map((r: Anything) => r.expectation_config)
  if (!Array.isArray(listed)) throw notSuite('it has no list of expectations')
  return listed.map((entry: Anything, i) => {
    const type = entry?.expectation_type ?? entry?.type
    if (typeof type !== 'string') throw notSuite(`its expectation ${i + 1} names no type`)
    const severity = entry.severity ?? entry.meta?.severity
    return { type: snake(type), kwargs: entry.kwargs ?? {}, severity }
  })
}

function parsed(text: string): Anything {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null)
      return Array.isArray(value) ? { expectations: value } : value
  } catch (thrown) {
    throw notSuite((thrown as Error).message)
  }
  throw notSuite('it is no object')
}

const notSuite = (why: string) =>
  new MillraceError('MR_DEFINE_IMPORT', { what: 'a suite of Great Expectations', why })

/** `ExpectColumnValuesToBeUnique` as `expect_column_values_to_be_unique`. */
const snake = (type: string): string =>
  type
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/([A-Z])([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()

function nameOf({ type, kwargs }: Expectation): string {
  const on =
    kwargs.column ??
    kwargs.column_list?.join(', ') ??
    [kwargs.column_A, kwargs.column_B].filter(Boolean).join(', ')
  return on ? `${type}(${on})` : type
}

function madeOf(expectation: Expectation): Made {
  const { type, kwargs } = expectation
  const parameter = Object.entries(kwargs).find(([, value]) => value?.$PARAMETER !== undefined)
  if (parameter) throw new NotSaid(`${parameter[0]} is a parameter that is filled in when it runs`)
  const why = Object.hasOwn(UNSAID, type) ? UNSAID[type] : undefined
  if (why) throw new NotSaid(why)
  const maker = Object.hasOwn(MAKERS, type) ? MAKERS[type] : undefined
  if (!maker) throw new NotSaid('it is not among the core expectations')
  return [maker(kwargs)].flat().map((check) => conditional(check, conditionOf(kwargs)))
}

const REPORTED = new Set(['warning', 'info'])

function judged(check: Check<Anything>, { kwargs, severity }: Expectation): Check<Anything> {
  const tolerant = typeof kwargs.mostly === 'number' && kwargs.mostly < 1 && kwargs.mostly > 0
  const judging = tolerant && isByRow(check) ? check.atLeast(kwargs.mostly).warn() : check
  return severity !== undefined && REPORTED.has(severity) ? judging.warn() : judging
}

const isByRow = ({ def }: Check<Anything>): boolean =>
  ['row', 'unique', 'determines', 'exists'].includes(def.rule.kind)

function noteOf({ type, kwargs }: Expectation): string | undefined {
  if (METRICS[type] && (kwargs.strict_min || kwargs.strict_max))
    return 'strict bounds of a number of all rows include the bound here'
  return type.includes('unique') && type !== 'expect_column_unique_value_count_to_be_between'
    ? 'two missing values count as a repetition here: declare notNull beside unique where rows may lack a value'
    : undefined
}

// ---------------------------------------------------------------- values and bounds

const named = (kwargs: Kwargs, key = 'column'): string => {
  const name = kwargs[key]
  if (typeof name !== 'string' || name === '') throw new NotSaid(`it names no ${key}`)
  return name
}

const listed = (kwargs: Kwargs, key: string): Anything[] => {
  if (!Array.isArray(kwargs[key]) || kwargs[key].length === 0) throw new NotSaid(`it has no ${key}`)
  return kwargs[key]
}

/** Bounds that are ISO dates are instants, as Great Expectations takes them for columns of time. */
const literalOf = (value: Anything): number | string | boolean | Date =>
  isoTime(value) ? instantOf(value) : value

function within(value: Expr<Anything>, kwargs: Kwargs): Expr<boolean> {
  const { min_value: min, max_value: max, strict_min, strict_max } = kwargs
  const low = min == null ? undefined : strict_min ? value.gt(literalOf(min)) : value.ge(literalOf(min))
  const high = max == null ? undefined : strict_max ? value.lt(literalOf(max)) : value.le(literalOf(max))
  if (low && high)
    return strict_min || strict_max ? low.and(high) : value.between(literalOf(min), literalOf(max))
  const one = low ?? high
  if (!one) throw new NotSaid('it has neither a least nor a greatest value')
  return one
}

function between(kwargs: Kwargs): Check<Anything> {
  const { min_value: min, max_value: max, strict_min, strict_max } = kwargs
  const column = named(kwargs)
  if (min != null && max != null && !strict_min && !strict_max)
    return checks.between(column, literalOf(min) as number, literalOf(max) as number)
  return checks.holds(within(col(column), kwargs))
}

function bounds({ min_value: min, max_value: max }: Kwargs): { min?: number | Date; max?: number | Date } {
  if (min == null && max == null) throw new NotSaid('it has neither a least nor a greatest value')
  const of = (value: Anything) => (isoTime(value) ? instantOf(value) : (value as number))
  return { ...(min != null && { min: of(min) }), ...(max != null && { max: of(max) }) }
}

function set(kwargs: Kwargs): (number | string | boolean)[] {
  const values = listed(kwargs, 'value_set').filter((value) => value !== null)
  if (values.length === 0 || values.some((value) => typeof value === 'object'))
    throw new NotSaid('its set holds values that are neither numbers nor texts')
  return values
}

// ---------------------------------------------------------------- patterns

/** LIKE of SQL as a pattern: `%` is anything, `_` one character. */
function likePattern(like: string): string {
  const body = [...like].map((c) => (c === '%' ? '(.|\\n)*' : c === '_' ? '.' : escapePattern(c))).join('')
  return `^${body}$`
}

const STRFTIME: Record<string, string> = {
  Y: '[0-9]{4}',
  m: '(0?[1-9]|1[0-2])',
  d: '(0?[1-9]|[12][0-9]|3[01])',
  H: '([01]?[0-9]|2[0-3])',
  I: '(0?[1-9]|1[0-2])',
  M: '[0-5]?[0-9]',
  S: '[0-5]?[0-9]',
  f: '[0-9]{1,6}',
  y: '[0-9]{2}',
  p: '([AaPp][Mm])',
  j: '[0-9]{1,3}',
  z: '(Z|[+-][0-9]{2}:?[0-9]{2})',
  b: '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)',
  B: '(January|February|March|April|May|June|July|August|September|October|November|December)',
  a: '(Mon|Tue|Wed|Thu|Fri|Sat|Sun)',
  A: '(Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)',
  '%': '%',
}

function strftimePattern(format: string): string {
  const body = format.replaceAll(/%(.)|([^%])/gsu, (_, directive?: string, plain?: string) => {
    if (plain !== undefined) return escapePattern(plain)
    const pattern = STRFTIME[directive!]
    if (pattern === undefined) throw new NotSaid(`its format uses %${directive}`)
    return pattern
  })
  return `^${body}$`
}

const matching = (kwargs: Kwargs, pattern: string): Check<Anything> =>
  checks.matches(named(kwargs), requirePattern(pattern))
const notMatching = (kwargs: Kwargs, pattern: string): Check<Anything> =>
  checks.holds(col(named(kwargs)).matches(requirePattern(pattern)).not())

/** `match_on: 'all'` wants each of them, else one suffices. */
function matchingSome(kwargs: Kwargs, patterns: readonly string[]): Check<Anything> {
  const rules = patterns.map((pattern): Expr<boolean> => col(named(kwargs)).matches(requirePattern(pattern)))
  return checks.holds(rules.reduce((a, b) => (kwargs.match_on === 'all' ? a.and(b) : a.or(b))))
}

const matchingNone = (kwargs: Kwargs, patterns: readonly string[]): Check<Anything> =>
  checks.holds(
    patterns
      .map((pattern): Expr<boolean> => col(named(kwargs)).matches(requirePattern(pattern)).not())
      .reduce((a, b) => a.and(b)),
  )

// ---------------------------------------------------------------- one by one

const METRICS: Record<string, (column: string, kwargs: Kwargs) => Check<Anything>> = {
  expect_column_max_to_be_between: (column, kwargs) => checks.max(column, bounds(kwargs)),
  expect_column_min_to_be_between: (column, kwargs) => checks.min(column, bounds(kwargs)),
  expect_column_mean_to_be_between: (column, kwargs) => checks.mean(column, bounds(kwargs)),
  expect_column_median_to_be_between: (column, kwargs) => checks.quantile(column, 0.5, bounds(kwargs)),
  expect_column_stdev_to_be_between: (column, kwargs) => checks.std(column, bounds(kwargs)),
  expect_column_sum_to_be_between: (column, kwargs) => checks.sum(column, bounds(kwargs)),
  expect_column_unique_value_count_to_be_between: (column, kwargs) => checks.distinct(column, bounds(kwargs)),
  expect_column_proportion_of_unique_values_to_be_between: (column, kwargs) =>
    checks.distinctShare(column, bounds(kwargs)),
  expect_column_proportion_of_non_null_values_to_be_between: (column, { min_value, max_value }) =>
    checks.missing(column, {
      ...(max_value != null && { min: lessRounding(1 - max_value) }),
      ...(min_value != null && { max: lessRounding(1 - min_value) }),
    }),
}

const lessRounding = (x: number): number => Number(x.toPrecision(12))

const ROWS: Record<string, (kwargs: Kwargs) => Made> = {
  expect_column_to_exist: (kwargs) => checks.missing(named(kwargs), { max: 1 }),
  expect_column_values_to_not_be_null: (kwargs) => checks.notNull(named(kwargs)),
  expect_column_values_to_be_null: (kwargs) => checks.holds(col(named(kwargs)).isNull()),
  expect_column_values_to_be_unique: (kwargs) => checks.unique(named(kwargs)),
  expect_column_values_to_be_between: between,
  expect_column_values_to_be_in_set: (kwargs) => checks.isIn(named(kwargs), set(kwargs)),
  expect_column_values_to_not_be_in_set: (kwargs) =>
    checks.holds(
      col(named(kwargs))
        .isIn(set(kwargs) as string[])
        .not(),
    ),
  expect_column_distinct_values_to_be_in_set: (kwargs) => checks.isIn(named(kwargs), set(kwargs)),
  expect_column_distinct_values_to_equal_set: (kwargs) => {
    const [column, values] = [named(kwargs), set(kwargs)]
    const n = new Set(values).size
    return [checks.isIn(column, values), checks.distinct(column, { min: n, max: n })]
  },
  expect_column_value_lengths_to_be_between: (kwargs) =>
    checks.holds(within(col(named(kwargs)).length(), kwargs)),
  expect_column_value_lengths_to_equal: (kwargs) =>
    checks.holds(col(named(kwargs)).length().eq(kwargs.value)),
  expect_column_values_to_match_regex: (kwargs) => matching(kwargs, kwargs.regex),
  expect_column_values_to_not_match_regex: (kwargs) => notMatching(kwargs, kwargs.regex),
  expect_column_values_to_match_regex_list: (kwargs) => matchingSome(kwargs, listed(kwargs, 'regex_list')),
  expect_column_values_to_not_match_regex_list: (kwargs) =>
    matchingNone(kwargs, listed(kwargs, 'regex_list')),
  expect_column_values_to_match_like_pattern: (kwargs) => matching(kwargs, likePattern(kwargs.like_pattern)),
  expect_column_values_to_not_match_like_pattern: (kwargs) =>
    notMatching(kwargs, likePattern(kwargs.like_pattern)),
  expect_column_values_to_match_like_pattern_list: (kwargs) =>
    matchingSome(kwargs, listed(kwargs, 'like_pattern_list').map(likePattern)),
  expect_column_values_to_not_match_like_pattern_list: (kwargs) =>
    matchingNone(kwargs, listed(kwargs, 'like_pattern_list').map(likePattern)),
  expect_column_values_to_match_strftime_format: (kwargs) =>
    matching(kwargs, strftimePattern(kwargs.strftime_format)),
  expect_column_pair_values_to_be_equal: (kwargs) =>
    checks.holds(col(named(kwargs, 'column_A')).eq(col(named(kwargs, 'column_B')))),
  expect_column_pair_values_a_to_be_greater_than_b: (kwargs) => {
    const [a, b] = [col(named(kwargs, 'column_A')), col(named(kwargs, 'column_B'))]
    return checks.holds(kwargs.or_equal ? a.ge(b) : a.gt(b))
  },
  expect_column_pair_values_to_be_in_set: (kwargs) => {
    const [a, b] = [col(named(kwargs, 'column_A')), col(named(kwargs, 'column_B'))]
    const both = ([x, y]: Anything[]): Expr<boolean> => equalTo(a, x).and(equalTo(b, y))
    return checks.holds(
      listed(kwargs, 'value_pairs_set')
        .map(both)
        .reduce((one, other) => one.or(other)),
    )
  },
  expect_compound_columns_to_be_unique: (kwargs) => checks.unique(...listed(kwargs, 'column_list')),
  expect_multicolumn_values_to_be_unique: (kwargs) => apart(listed(kwargs, 'column_list')),
  expect_select_column_values_to_be_unique_within_record: (kwargs) => apart(listed(kwargs, 'column_list')),
  expect_multicolumn_sum_to_equal: (kwargs) =>
    checks.holds(
      listed(kwargs, 'column_list')
        .map((name): Expr<Anything> => col(name))
        .reduce((a, b) => a.add(b))
        .eq(kwargs.sum_total),
    ),
  expect_column_quantile_values_to_be_between: quantiles,
  expect_table_row_count_to_be_between: ({ min_value: min, max_value: max }) =>
    checks.rowCount({ ...(min != null && { min }), ...(max != null && { max }) }),
  expect_table_row_count_to_equal: ({ value }) => checks.rowCount({ min: value, max: value }),
}

const equalTo = (column: Expr<Anything>, value: Anything): Expr<boolean> =>
  value === null ? column.isNull() : column.eq(literalOf(value))

/** No two of some columns are equal in a row. */
function apart(columns: readonly string[]): Check<Anything> {
  const rules = columns.flatMap((a, i) => columns.slice(i + 1).map((b): Expr<boolean> => col(a).ne(col(b))))
  if (rules.length === 0) throw new NotSaid('it names one column only')
  return checks.holds(rules.reduce((x, y) => x.and(y)))
}

function quantiles(kwargs: Kwargs): Made {
  const { quantiles: levels, value_ranges: ranges } = kwargs.quantile_ranges ?? {}
  if (!Array.isArray(levels) || !Array.isArray(ranges)) throw new NotSaid('it has no quantile_ranges')
  return levels.map((q, i) =>
    checks.quantile(named(kwargs), q, bounds({ min_value: ranges[i]?.[0], max_value: ranges[i]?.[1] })),
  )
}

const MAKERS: Record<string, (kwargs: Kwargs) => Made> = {
  ...ROWS,
  ...Object.fromEntries(
    Object.entries(METRICS).map(([type, make]) => [type, (kwargs: Kwargs) => make(named(kwargs), kwargs)]),
  ),
}

const TYPED = 'a version has one type a column, and an import that brings another one is refused by itself'
const COLUMNS = 'columns are held by the schema of a version: an import that lacks one is refused by itself'
const DRIFT = 'how far values moved is a matter of drift: see `millrace data diff` and watching'
const ORDERED = 'rows have no order here'

/** Core expectations that no check says, each with why. */
const UNSAID: Record<string, string> = {
  expect_column_values_to_be_of_type: TYPED,
  expect_column_values_to_be_in_type_list: TYPED,
  expect_table_columns_to_match_set: COLUMNS,
  expect_table_columns_to_match_ordered_list: COLUMNS,
  expect_table_column_count_to_be_between: COLUMNS,
  expect_table_column_count_to_equal: COLUMNS,
  expect_column_values_to_be_increasing: ORDERED,
  expect_column_values_to_be_decreasing: ORDERED,
  expect_column_kl_divergence_to_be_less_than: DRIFT,
  expect_column_chisquare_test_p_value_to_be_greater_than: DRIFT,
  expect_column_bootstrapped_ks_test_p_value_to_be_greater_than: DRIFT,
  expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than: DRIFT,
  expect_column_pair_cramers_phi_value_to_be_less_than:
    'it measures dependence by Cramér’s phi; checks.mutualInformation bounds the same dependence in nats',
  expect_column_value_z_scores_to_be_less_than:
    'its bound moves with the mean and the deviation of the rows themselves; checks.between with fixed bounds does not',
  expect_column_most_common_value_to_be_in_set: 'no check looks at the most frequent value alone',
  expect_column_distinct_values_to_contain_set:
    'no check asks that a value occurs at all; checks.distinct bounds how many do',
  expect_column_values_to_be_dateutil_parseable:
    'what a Python library can guess a date from is not to be had here; checks.matches holds one format',
  expect_column_values_to_be_json_parseable: 'no check reads JSON inside of a text',
  expect_column_values_to_match_json_schema: 'no check reads JSON inside of a text',
  expect_table_row_count_to_equal_other_table: 'no check compares the row counts of two datasets',
  unexpected_rows_expectation: 'it is SQL of its own',
  expect_query_results_to_match_comparison: 'it is SQL of its own',
}

// ---------------------------------------------------------------- conditions

/** The condition on rows: a text of pandas, Spark or Great Expectations, or the tree of 1.x. */
function conditionOf({ row_condition: condition }: Kwargs): Expr<boolean> | undefined {
  if (condition == null || condition === '') return undefined
  return typeof condition === 'string' ? conditionText(condition) : conditionTree(condition)
}

function conditionText(text: string): Expr<boolean> {
  const plain = text
    .replaceAll(/col\(\s*["']([^"']+)["']\s*\)/g, '`$1`')
    .replaceAll(/(`[^`]+`|\b\w+)\.not_?null\(\)/gi, '$1 is not null')
    .replaceAll(/(`[^`]+`|\b\w+)\.(is_?null|isna)\(\)/gi, '$1 is null')
    .replaceAll(/(?<!&)&(?!&)/g, ' and ')
    .replaceAll(/(?<!\|)\|(?!\|)/g, ' or ')
  try {
    return new Expr<boolean>(parseExpr(plain))
  } catch {
    throw new NotSaid(`its condition cannot be read: ${text.slice(0, 64)}`)
  }
}

const COMPARED: Record<string, 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'> = {
  '==': 'eq',
  '=': 'eq',
  '!=': 'ne',
  '<': 'lt',
  '<=': 'le',
  '>': 'gt',
  '>=': 'ge',
}

function conditionTree(node: Anything): Expr<boolean> {
  const column = () => col(typeof node.column === 'string' ? node.column : node.column?.name)
  if (
    (node.type === 'and' || node.type === 'or') &&
    Array.isArray(node.conditions) &&
    node.conditions.length > 0
  )
    return node.conditions
      .map(conditionTree)
      .reduce((a: Expr<boolean>, b: Expr<boolean>) => (node.type === 'and' ? a.and(b) : a.or(b)))
  if (node.type === 'nullity') return node.is_null ? column().isNull() : column().notNull()
  const operator = String(node.operator).toLowerCase()
  if (COMPARED[operator]) return column()[COMPARED[operator]](lit(literalOf(node.parameter) as number))
  if (operator === 'in' || operator === 'not_in') {
    const inside = column().isIn(node.parameter as string[])
    return operator === 'in' ? inside : inside.not()
  }
  throw new NotSaid(`its condition cannot be read: ${JSON.stringify(node).slice(0, 64)}`)
}
