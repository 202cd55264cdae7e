/** A check as the line of a config that declares it. */
import type { ExprNode } from '../expr/ast.ts'
import { Expr } from '../expr/builder.ts'
import { quoteText, sourceText } from '../expr/source-text.ts'
import { type Check, checks } from './checks.ts'
import type { Duration } from './durations.ts'
import type { CheckDef } from './types.ts'

/** What a line says, and the check that it makes by itself; the rest is said by methods. */
interface Written {
  text: string
  made: Check
}

/** `checks.between('age', 0, 120).atLeast(0.99).warn()`: run, it gives the same check. Names that it needs stand in `importsOf`. */
export function checkText(check: CheckDef): string {
  const { text, made } = writtenRule(check.rule)
  const { name, atLeast, onFail } = made.def
  return [
    text,
    check.name === name ? '' : `.named(${quoteText(check.name)})`,
    check.atLeast === atLeast ? '' : `.atLeast(${check.atLeast})`,
    check.onFail === onFail ? '' : `.${check.onFail}()`,
    check.owner === undefined ? '' : `.owner(${quoteText(check.owner)})`,
  ].join('')
}

/** Names that lines of checks take from `millrace`. */
export function importsOf(lines: readonly string[]): string[] {
  const all = lines.join('\n').replaceAll(/'(?:[^'\\\n]|\\.)*'/g, "''")
  return ['checks', 'coalesce', 'col', 'lit', 'time', 'when'].filter((name) =>
    new RegExp(`(?<![.\\w$])${name}\\b`).test(all),
  )
}

function writtenRule(rule: CheckDef['rule']): Written {
  switch (rule.kind) {
    case 'row':
      return writtenRow(rule.holds)
    case 'unique':
      return { text: `checks.unique(${listText(rule.columns)})`, made: checks.unique(...rule.columns) }
    case 'rowCount':
      return { text: `checks.rowCount(${boundsText(rule)})`, made: checks.rowCount(rule) }
    case 'fresh':
      return writtenFresh(rule)
    case 'inWindow':
      return { text: `checks.inWindow(${quoteText(rule.column)})`, made: checks.inWindow(rule.column) }
    case 'exists':
      return writtenExists(rule)
    case 'determines':
      return {
        text: `checks.determines(${oneOrList(rule.columns)}, ${quoteText(rule.column)})`,
        made: checks.determines(rule.columns as [string], rule.column),
      }
    case 'metric':
      return writtenMetric(rule)
    case 'usual':
      return writtenUsual(rule)
    case 'drift':
      return writtenDrift(rule)
  }
}

type Rule<K extends CheckDef['rule']['kind']> = Extract<CheckDef['rule'], { kind: K }>

function writtenFresh({ column, ageMsMax }: Rule<'fresh'>): Written {
  const age = durationText(ageMsMax)
  return { text: `checks.fresh(${quoteText(column)}, '${age}')`, made: checks.fresh(column, age) }
}

function writtenExists({ columns, in: dataset, of }: Rule<'exists'>): Written {
  const isSame = of.length === columns.length && of.every((name, i) => name === columns[i])
  const where = isSame ? { in: dataset } : { in: dataset, of }
  const ofText = isSame ? '' : `, of: ${oneOrList(of)}`
  return {
    text: `checks.exists(${oneOrList(columns)}, { in: ${quoteText(dataset)}${ofText} })`,
    made: checks.exists(columns as [string], where),
  }
}

function writtenUsual({ kind: _, metric, ...given }: Rule<'usual'>): Written {
  const { of, columns, q } = metric
  const options = objectText({ ...(q !== undefined && { q }), ...given })
  const args = [quoteText(of), ...(columns.length > 0 ? [oneOrList(columns)] : []), ...options]
  const made =
    of === 'rows' ? checks.usual('rows', given) : checks.usual(of, columns as [string], { q, ...given })
  return { text: `checks.usual(${args.join(', ')})`, made }
}

function writtenDrift({ columns, against, alpha, psiMin }: Rule<'drift'>): Written {
  const made = checks.drift({ columns, against, alpha, psiMin })
  const plain = checks.drift().def.rule as Rule<'drift'>
  const options = objectText({
    ...(columns.length > 0 && { columns }),
    ...(against !== plain.against && { against }),
    ...(alpha !== plain.alpha && { alpha }),
    ...(psiMin !== plain.psiMin && { psiMin }),
  })
  return { text: `checks.drift(${options.join('')})`, made }
}

/** The object as an argument; none where it is empty. */
function objectText(options: Record<string, string | number | readonly string[]>): string[] {
  const entries = Object.entries(options).map(
    ([name, value]) =>
      `${name}: ${typeof value === 'number' ? value : typeof value === 'string' ? quoteText(value) : `[${value.map(quoteText).join(', ')}]`}`,
  )
  return entries.length === 0 ? [] : [`{ ${entries.join(', ')} }`]
}

/** Metrics whose function takes the columns one by one; of the others it takes one column or a list. */
const PAIRED = new Set(['correlation', 'mutualInformation'])

function writtenMetric({ metric, ...bounds }: Rule<'metric'>): Written {
  const { of, columns, q } = metric
  const made = checks.metric(metric, bounds)
  if (of === 'rows')
    return { text: `checks.metric({ of: 'rows', columns: [] }, ${boundsText(bounds)})`, made }
  const named = PAIRED.has(of) ? listText(columns) : oneOrList(columns)
  const quantile = of === 'quantile' ? `, ${q}` : ''
  return { text: `checks.${of}(${named}${quantile}, ${boundsText(bounds)})`, made }
}

function writtenRow(holds: ExprNode): Written {
  return (
    writtenNotNull(holds) ??
    writtenBetween(holds) ??
    writtenIsIn(holds) ??
    writtenMatches(holds) ?? {
      text: `checks.holds(${sourceText(holds)})`,
      made: checks.holds(new Expr<boolean>(holds)),
    }
  )
}

function writtenNotNull(holds: ExprNode): Written | undefined {
  const columns = notNullColumns(holds)
  if (!columns) return undefined
  return { text: `checks.notNull(${listText(columns)})`, made: checks.notNull(...(columns as [string])) }
}

/** Columns of a rule that says that they all have values, in its order. */
export function notNullColumns(holds: ExprNode): string[] | undefined {
  if (holds.op !== 'call') return undefined
  const [first, second] = holds.args
  if (holds.fn === 'notNull' && first?.op === 'col') return [first.name]
  if (holds.fn !== 'and' || !first || !second) return undefined
  const [before, last] = [notNullColumns(first), notNullColumns(second)]
  return before && last?.length === 1 ? [...before, ...last] : undefined
}

type Literal = Extract<ExprNode, { op: 'lit' }>
const isBound = (node: ExprNode | undefined): node is Literal =>
  node?.op === 'lit' && (typeof node.value === 'number' || typeof node.value === 'string')

function writtenBetween(holds: ExprNode): Written | undefined {
  if (holds.op !== 'call' || holds.fn !== 'between') return undefined
  const [of, low, high] = holds.args
  if (of?.op !== 'col' || !isBound(low) || !isBound(high)) return undefined
  return {
    text: `checks.between(${quoteText(of.name)}, ${boundText(low)}, ${boundText(high)})`,
    made: checks.between(of.name, boundOf(low), boundOf(high)),
  }
}

const boundOf = ({ value, type }: Literal): number | string | Date =>
  type === 'time' ? new Date(value as number) : (value as number | string)

function boundText({ value, type }: Literal): string {
  if (type === 'time') return `new Date('${new Date(value as number).toISOString()}')`
  return typeof value === 'string' ? quoteText(value) : String(value)
}

function writtenIsIn(holds: ExprNode): Written | undefined {
  if (holds.op !== 'call' || holds.fn !== 'isIn') return undefined
  const [of, ...values] = holds.args
  const areLiterals = values.every(
    (v): v is Literal => v.op === 'lit' && v.value !== null && v.type !== 'time',
  )
  if (of?.op !== 'col' || values.length === 0 || !areLiterals) return undefined
  const list = values.map(({ value }) => value as string | number | boolean)
  const shown = list.map((value) => (typeof value === 'string' ? quoteText(value) : String(value)))
  return {
    text: `checks.isIn(${quoteText(of.name)}, [${shown.join(', ')}])`,
    made: checks.isIn(of.name, list),
  }
}

function writtenMatches(holds: ExprNode): Written | undefined {
  if (holds.op !== 'call' || holds.fn !== 'matches') return undefined
  const [of, pattern] = holds.args
  if (of?.op !== 'col' || pattern?.op !== 'lit' || typeof pattern.value !== 'string') return undefined
  return {
    text: `checks.matches(${quoteText(of.name)}, ${quoteText(pattern.value)})`,
    made: checks.matches(of.name, pattern.value),
  }
}

const listText = (names: readonly string[]): string => names.map(quoteText).join(', ')
const oneOrList = (names: readonly string[]): string =>
  names.length === 1 ? quoteText(names[0]!) : `[${listText(names)}]`

function boundsText({ min, max }: { min?: number; max?: number }): string {
  const entries = [min === undefined ? '' : `min: ${min}`, max === undefined ? '' : `max: ${max}`]
  return `{ ${entries.filter(Boolean).join(', ')} }`
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const

function durationText(ms: number): Duration {
  const unit = UNITS.find(([, size]) => ms % size === 0 && ms > 0)
  return unit ? `${ms / unit[1]}${unit[0]}` : `${ms}ms`
}
