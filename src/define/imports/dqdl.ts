/** Rulesets in DQDL, the language of AWS Glue Data Quality and Deequ, as checks. */
import { type Anything, col, Expr } from '../../expr/builder.ts'
import { parseExpr } from '../../expr/parse.ts'
import { type Bounds, type Check, checks } from '../checks.ts'
import type { CheckDef } from '../types.ts'
import { type DqdlCondition, type DqdlNode, type DqdlRule, type DqdlValue, parseDqdl } from './dqdl-parse.ts'
import {
  conditional,
  type ImportedChecks,
  instantOf,
  isoTime,
  NotSaid,
  requirePattern,
  withNames,
} from './imported.ts'

/**
 * Reads a ruleset. Rules joined by `and` become checks of their own, since each must hold; those joined by `or` become one check that is judged row by row, as Glue does
 * when it is asked for row-level results. `with threshold` becomes the share that must hold. Errors: MR_DEFINE_IMPORT where the text cannot be read.
 */
export function importDqdl(text: string): ImportedChecks {
  const found: ImportedChecks = { from: 'dqdl', checks: [], left: [], notes: [] }
  for (const node of parseDqdl(text).flatMap(conjuncts)) {
    const notes = new Set<string>()
    try {
      found.checks.push(...checksOf(node, notes).map((check) => check.def))
      found.notes.push(...notes)
    } catch (thrown) {
      if (!(thrown instanceof NotSaid)) throw thrown
      found.left.push({ rule: textOf(node), why: thrown.message })
    }
  }
  return { ...found, checks: withNames(found.checks), notes: [...new Set(found.notes)] }
}

const conjuncts = (node: DqdlNode): DqdlNode[] => (node.op === 'and' ? node.of.flatMap(conjuncts) : [node])

const textOf = (node: DqdlNode): string =>
  node.op === 'rule' ? node.text : node.of.map((of) => `(${textOf(of)})`).join(` ${node.op} `)

type Notes = Set<string>

function checksOf(node: DqdlNode, notes: Notes): Check<Anything>[] {
  if (node.op === 'rule') return [ruleOf(node, notes)].flat()
  notes.add('rules joined by "or" are judged row by row here, not one after the other over all rows')
  return [checks.holds(rowRuleOf(node, notes))]
}

/** A composite as one rule of a row; each of its rules must be one. */
function rowRuleOf(node: DqdlNode, notes: Notes): Expr<boolean> {
  const rules =
    node.op === 'rule' ? [ruleOf(node, notes)].flat().map(holdsOf) : node.of.map((of) => rowRuleOf(of, notes))
  return rules.reduce((a, b) => (node.op === 'or' ? a.or(b) : a.and(b)))
}

function holdsOf({ def }: Check<Anything>): Expr<boolean> {
  if (def.rule.kind !== 'row' || def.atLeast !== 1)
    throw new NotSaid('"or" joins rules that judge rows one by one, and one of these does not')
  return new Expr<boolean>(def.rule.holds)
}

function ruleOf(rule: DqdlRule, notes: Notes): Check<Anything> | Check<Anything>[] {
  const why = Object.hasOwn(UNSAID, rule.type) ? UNSAID[rule.type] : undefined
  if (why) throw new NotSaid(why)
  const maker = Object.hasOwn(MAKERS, rule.type) ? MAKERS[rule.type] : undefined
  if (!maker) throw new NotSaid(`there is no rule type ${rule.type} in the reference`)
  if (rule.condition?.values.some(({ kind }) => kind === 'dynamic'))
    throw new NotSaid('its bound is worked out from earlier runs: the history of metrics watches for that')
  const condition = rule.where === undefined ? undefined : whereOf(rule.where)
  return [maker(rule, notes)].flat().map((check) => thresholded(conditional(check, condition), rule, notes))
}

function whereOf(text: string): Expr<boolean> {
  try {
    return new Expr<boolean>(parseExpr(text))
  } catch {
    throw new NotSaid(`its where clause cannot be read: ${text.slice(0, 64)}`)
  }
}

function thresholded(check: Check<Anything>, { threshold }: DqdlRule, notes: Notes): Check<Anything> {
  if (!threshold) return check
  if (!ROW_KINDS.has(check.def.rule.kind))
    throw new NotSaid('a threshold needs a rule that judges rows one by one')
  const { min } = boundsOf(threshold, notes)
  if (typeof min !== 'number' || min <= 0 || min > 1)
    throw new NotSaid('its threshold asks for no share of rows at least')
  return check.atLeast(min).warn()
}

const ROW_KINDS = new Set<CheckDef['rule']['kind']>(['row', 'unique', 'exists', 'determines'])

// ---------------------------------------------------------------- parameters and conditions

function param({ params, type }: DqdlRule, i = 0): string {
  const name = params[i]
  if (name === undefined) throw new NotSaid(`${type} names no column`)
  return name
}

function conditionOf({ condition, type }: DqdlRule): DqdlCondition {
  if (!condition) throw new NotSaid(`${type} has no condition`)
  return condition
}

const STRICT = 'strict bounds of a number of all rows, and those of "between", include the bound here'

/** Bounds of a number of all rows. */
function boundsOf(
  { operator, isNot, values }: DqdlCondition,
  notes: Notes,
): Bounds & { min?: number; max?: number } {
  if (isNot || operator === '!=' || operator === 'in' || operator === 'matches')
    throw new NotSaid('a number of all rows lies between bounds or nothing is said of it')
  const [first, second] = values.map(numberOf)
  if (operator === '>' || operator === '<' || operator === 'between') notes.add(STRICT)
  if (operator === 'between') return { min: first!, max: second! }
  if (operator === '=') return { min: first!, max: first! }
  return operator.startsWith('>') ? { min: first! } : { max: first! }
}

function numberOf(value: DqdlValue): number {
  if (value.kind === 'number') return value.value
  throw new NotSaid('its bound is no number')
}

const metric =
  (make: (column: string, bounds: Bounds) => Check<Anything>) =>
  (rule: DqdlRule, notes: Notes): Check<Anything> =>
    make(param(rule), boundsOf(conditionOf(rule), notes))

/** Whole numbers have neighbours, so strict bounds of counts are exact. */
function countsOf(rule: DqdlRule, notes: Notes): { min?: number; max?: number } {
  const condition = conditionOf(rule)
  const { min, max } = boundsOf(condition, new Set())
  const isStrict = [min, max].every((bound) => bound === undefined || Number.isInteger(bound))
  if (!isStrict) return boundsOf(condition, notes)
  const low = condition.operator === '>' || condition.operator === 'between' ? 1 : 0
  const high = condition.operator === '<' || condition.operator === 'between' ? 1 : 0
  return { ...(min !== undefined && { min: min + low }), ...(max !== undefined && { max: max - high }) }
}

/** A rule on one value: a number, a text, or an instant. */
function valueRule(value: Expr<Anything>, condition: DqdlCondition): Expr<boolean> {
  const rule = plainRule(value, condition)
  return condition.isNot ? rule.not() : rule
}

function plainRule(value: Expr<Anything>, { operator, values }: DqdlCondition): Expr<boolean> {
  const [first, second] = values
  if (first?.kind === 'keyword') return keywordRule(value, operator, first.value)
  switch (operator) {
    case '=':
      return value.eq(plain(first!))
    case '!=':
      return value.ne(plain(first!))
    case '>':
      return value.gt(plain(first!))
    case '>=':
      return value.ge(plain(first!))
    case '<':
      return value.lt(plain(first!))
    case '<=':
      return value.le(plain(first!))
    case 'between':
      return value.gt(plain(first!)).and(value.lt(plain(second!)))
    case 'in':
      return setRule(value, values)
    case 'matches':
      return value.matches(requirePattern(wholePattern(String(plain(first!)))))
  }
}

/** A pattern has to match the whole value. */
const wholePattern = (pattern: string): string => `^(?:${pattern})$`

function plain(value: DqdlValue): number | string | Date {
  if (value.kind === 'number') return value.value
  if (value.kind === 'text') return isoTime(value.value) ? instantOf(value.value) : value.value
  if (value.kind === 'now')
    throw new NotSaid(
      'its bound moves with the time of the run; checks.fresh bounds the age of the newest row',
    )
  throw new NotSaid('its bound is neither a number, a text nor a date')
}

function setRule(value: Expr<Anything>, values: DqdlValue[]): Expr<boolean> {
  const keywords = values.filter((v) => v.kind === 'keyword')
  const literals = values.filter((v) => v.kind !== 'keyword').map(plain)
  const rules = keywords.map((v) => keywordRule(value, '=', v.value))
  if (literals.length > 0) rules.unshift(value.isIn(literals as string[]))
  return rules.reduce((a, b) => a.or(b))
}

function keywordRule(
  value: Expr<Anything>,
  operator: string,
  keyword: 'NULL' | 'EMPTY' | 'WHITESPACES_ONLY',
): Expr<boolean> {
  if (operator !== '=' && operator !== '!=') throw new NotSaid(`${keyword} is compared by ${operator}`)
  const rule = {
    NULL: () => value.isNull(),
    EMPTY: () => value.eq(''),
    WHITESPACES_ONLY: () => value.matches('^\\s+$'),
  }[keyword]()
  if (operator === '=') return rule
  return keyword === 'NULL' ? value.notNull() : rule.not()
}

// ---------------------------------------------------------------- rule by rule

const NULLS = 'a missing value passes a rule about values here; declare notNull beside it where it must not'

type Maker = (rule: DqdlRule, notes: Notes) => Check<Anything> | Check<Anything>[]

const MAKERS: Record<string, Maker> = {
  RowCount: (rule, notes) => checks.rowCount(countsOf(rule, notes)),
  IsComplete: (rule) => checks.notNull(param(rule)),
  Completeness: completeness,
  IsUnique: (rule) => checks.unique(param(rule)),
  IsPrimaryKey: (rule) => [checks.notNull(...(rule.params as [string])), checks.unique(...rule.params)],
  Uniqueness: metric((column, bounds) => checks.uniqueShare(column, bounds)),
  DistinctValuesCount: (rule, notes) => checks.distinct(param(rule), countsOf(rule, notes)),
  Entropy: metric((column, bounds) => checks.entropy(column, bounds)),
  Mean: metric((column, bounds) => checks.mean(column, bounds)),
  Sum: metric((column, bounds) => checks.sum(column, bounds)),
  StandardDeviation: (rule, notes) => {
    notes.add('a standard deviation is that of a sample here, where Deequ divides by all rows')
    return checks.std(param(rule), boundsOf(conditionOf(rule), notes))
  },
  ColumnCorrelation: (rule, notes) =>
    checks.correlation(param(rule), param(rule, 1), boundsOf(conditionOf(rule), notes)),
  ColumnExists: (rule) => checks.missing(param(rule), { max: 1 }),
  ColumnLength: (rule, notes) => {
    notes.add(NULLS)
    return checks.holds(valueRule(col(param(rule)).length(), conditionOf(rule)))
  },
  ColumnValues: columnValues,
  DataFreshness: freshness,
  ReferentialIntegrity: referential,
}

function completeness(rule: DqdlRule, notes: Notes): Check<Anything> {
  const condition = conditionOf(rule)
  const { min, max } = boundsOf(condition, notes)
  if (min === 1) return checks.notNull(param(rule))
  if (max === undefined && min !== undefined && min > 0 && min < 1)
    return checks.notNull(param(rule)).atLeast(min).warn()
  return checks.missing(param(rule), {
    ...(max !== undefined && { min: tidy(1 - max) }),
    ...(min !== undefined && { max: tidy(1 - min) }),
  })
}

const tidy = (x: number): number => Number(x.toPrecision(12))

function columnValues(rule: DqdlRule, notes: Notes): Check<Anything> {
  const column = param(rule)
  const condition = conditionOf(rule)
  const { operator, isNot, values } = condition
  const [first] = values
  if (first?.kind === 'keyword' && first.value === 'NULL' && operator === '!=' && !isNot)
    return checks.notNull(column)
  notes.add(NULLS)
  const isPlainSet =
    operator === 'in' &&
    !isNot &&
    values.every((v) => v.kind === 'number' || (v.kind === 'text' && !isoTime(v.value)))
  if (isPlainSet) return checks.isIn(column, values.map(plain) as string[])
  if (operator === 'matches' && !isNot)
    return checks.matches(column, requirePattern(wholePattern(String(plain(first!)))))
  return checks.holds(valueRule(col(column), condition))
}

function freshness(rule: DqdlRule, notes: Notes): Check<Anything> {
  const { operator, isNot, values } = conditionOf(rule)
  const [span] = values
  if (isNot || (operator !== '<' && operator !== '<=') || span?.kind !== 'span')
    throw new NotSaid('only the age that the newest row may have at most can be said')
  notes.add('freshness is judged by the newest row here, not by each')
  return checks.fresh(param(rule), `${span.ms / 60_000}m`)
}

/** `"a,b" "other.{x,y}" = 1.0`: these columns occur in those of another dataset. */
function referential(rule: DqdlRule, notes: Notes): Check<Anything> {
  const [, dataset, of] = /^([^.]+)\.\{?([^}]+)\}?$/.exec(param(rule, 1)) ?? []
  if (dataset === undefined || of === undefined) throw new NotSaid('it names no columns of another dataset')
  const names = (text: string) => text.split(',').map((name) => name.trim())
  const check = checks.exists(names(param(rule)) as [string], { in: dataset, of: names(of) })
  const { min } = boundsOf(conditionOf(rule), notes)
  if (min === undefined || min <= 0 || min > 1) throw new NotSaid('it asks for no share of rows at least')
  return min === 1 ? check : check.atLeast(min).warn()
}

const COLUMNS =
  'columns and their types are held by the schema of a version: an import that brings others is refused by itself'
const FILES = 'it is about files; a delivery that came before is known by the digest of its bytes'
const OTHER = 'no check compares two datasets as wholes; checks.exists looks keys up in another one'

/** Rule types that no check says, each with why. */
const UNSAID: Record<string, string> = {
  ColumnCount: COLUMNS,
  ColumnDataType: COLUMNS,
  ColumnNamesMatchPattern: COLUMNS,
  SchemaMatch: COLUMNS,
  RowCountMatch: OTHER,
  DatasetMatch: OTHER,
  AggregateMatch: OTHER,
  CustomSql: 'it is SQL of its own',
  CustomSQL: 'it is SQL of its own',
  UniqueValueRatio:
    'values that occur once as a share of the different ones: checks.uniqueShare and checks.distinctShare take other wholes',
  DetectAnomalies: 'the history of metrics watches for anomalies by itself',
  AllStatistics: 'it is an analyser and no rule',
  FileFreshness: FILES,
  FileMatch: FILES,
  FileUniqueness: FILES,
  FileSize: FILES,
}
