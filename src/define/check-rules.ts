/** What the rule of a data check must keep: columns that are there and of the right type, bounds that can be met, datasets that exist. */
import { MillraceError } from '../core/errors.ts'
import type { Column, Schema } from '../core/records.ts'
import { resolve } from '../expr/resolve.ts'
import { RULE_KINDS } from './rule-kinds.ts'
import { checkValue, count, describe, type Rule } from './rules.ts'
import { tableMetricSpec, tableMetricText } from './table-metrics.ts'
import type { CheckDef } from './types.ts'

/** What is known when a dataset's checks are looked at. */
export interface KnownData {
  /** Columns by dataset, of those that were imported. */
  schemas: Readonly<Record<string, Schema>>
  /** Datasets of the project. */
  datasets: readonly string[]
}

type RuleOf<K extends CheckDef['rule']['kind']> = Extract<CheckDef['rule'], { kind: K }>

/** Checks that each throw one fault; the caller collects them. */
export function checkFaults(
  place: string,
  check: CheckDef,
  schema: Schema | undefined,
  known: KnownData,
): (() => void)[] {
  const at = { place, schema, known }
  return [...tableFaults(place, check), ...byKind(check.rule, at)]
}

interface At {
  place: string
  schema: Schema | undefined
  known: KnownData
}

/** One number of all rows has no share of rows that may fail, and no rows to put aside. */
function tableFaults(place: string, check: CheckDef): (() => void)[] {
  const kind = RULE_KINDS[check.rule.kind]
  if (kind === undefined || kind.judges === 'rows') return []
  return [
    () =>
      checkValue(
        `${place}.atLeast of a check that judges no rows`,
        { kind: 'oneOf', values: [1] },
        check.atLeast,
      ),
    () =>
      checkValue(
        `${place}.onFail of a check that judges no rows`,
        { kind: 'oneOf', values: ['stop', 'warn'] },
        check.onFail,
      ),
  ]
}

function byKind(rule: CheckDef['rule'], at: At): (() => void)[] {
  switch (rule.kind) {
    case 'row':
      return [() => resolve(rule.holds, { schema: at.schema, expect: 'bool', place: at.place })]
    case 'unique':
      return columnFaults(rule.columns, at)
    case 'fresh':
    case 'inWindow':
      return [
        () =>
          resolve({ op: 'col', name: rule.column }, { schema: at.schema, expect: 'time', place: at.place }),
      ]
    case 'rowCount':
      return boundFaults(rule, at.place, count(0))
    case 'metric':
      return metricFaults(rule, at)
    case 'usual':
      return measuredFaults(rule, at)
    case 'drift':
      return columnFaults(rule.columns, at)
    case 'exists':
      return existsFaults(rule, at)
    case 'determines':
      return [
        () => requireSome(`${at.place}.rule.columns`, rule.columns),
        ...columnFaults([...rule.columns, rule.column], at),
      ]
    default:
      return [
        () =>
          checkValue(
            `${at.place}.rule.kind`,
            { kind: 'oneOf', values: Object.keys(RULE_KINDS) },
            (rule as CheckDef['rule']).kind,
          ),
      ]
  }
}

function columnFaults(columns: readonly string[], { place, schema }: At): (() => void)[] {
  return columns.map((name) => () => void resolve({ op: 'col', name }, { schema, place }))
}

function requireSome(place: string, columns: readonly string[]): void {
  checkValue(`${place}: how many`, count(1), columns.length)
}

function boundFaults(
  { min, max }: { min?: number; max?: number },
  place: string,
  each: Rule,
): (() => void)[] {
  const given = (['min', 'max'] as const).flatMap((end) => {
    const value = end === 'min' ? min : max
    return value === undefined ? [] : [() => checkValue(`${place}.rule.${end}`, each, value)]
  })
  if (given.length < 2) return given
  return [
    ...given,
    () => checkValue(`${place}.rule.max`, { ...(each as { kind: 'number' }), min: min! }, max),
  ]
}

function metricFaults(rule: RuleOf<'metric'>, at: At): (() => void)[] {
  const spec = tableMetricSpec(rule.metric.of)
  if (spec === undefined) return []
  const { floor, ceiling } = spec
  const reachable: Rule = {
    kind: 'number',
    ...(floor !== undefined && { min: floor }),
    ...(ceiling !== undefined && { max: ceiling }),
  }
  return [
    ...measuredFaults(rule, at),
    () => requireBound(at.place, rule),
    ...boundFaults(rule, at.place, reachable),
  ]
}

type Measured = RuleOf<'metric'> | RuleOf<'usual'>

/** What any rule over a metric must keep. */
function measuredFaults(rule: Measured, at: At): (() => void)[] {
  const { metric } = rule
  const spec = tableMetricSpec(metric.of)
  if (spec === undefined) return []
  const [least, most] = spec.columns
  return [
    () => checkValue(`${at.place}.rule.metric.columns: how many`, count(least, most), metric.columns.length),
    () => checkQ(at.place, rule),
    ...columnFaults(metric.columns, at),
    ...metric.columns.map((name) => () => checkTakes(name, rule, at)),
  ]
}

/** A quantile says which; no other metric has one. */
function checkQ(place: string, { metric }: Measured): void {
  if (metric.of === 'quantile')
    checkValue(`${place}.rule.metric.q`, { kind: 'number', min: 0, max: 1 }, metric.q)
  else if (metric.q !== undefined)
    checkValue(`${place}.rule.metric.of with q`, { kind: 'oneOf', values: ['quantile'] }, metric.of)
}

function requireBound(place: string, { min, max }: RuleOf<'metric'>): void {
  if (min === undefined && max === undefined)
    checkValue(`${place}.rule.min or max`, { kind: 'number' }, undefined)
}

const TAKEN: Record<'numbers' | 'measures' | 'anything', readonly Column['type'][]> = {
  numbers: ['int', 'float', 'bool'],
  measures: ['int', 'float', 'bool', 'time', 'date'],
  anything: ['int', 'float', 'bool', 'time', 'date', 'string', 'json'],
}

function checkTakes(name: string, { metric }: Measured, { place, schema }: At): void {
  const type = schema?.columns.find((c) => c.name === name)?.type
  const taken = TAKEN[tableMetricSpec(metric.of).takes]
  if (type === undefined || taken.includes(type)) return
  throw new MillraceError('MR_EXPR_TYPE', {
    expr: tableMetricText(metric),
    expected: describe({ kind: 'oneOf', values: taken }),
    got: type,
    place,
  })
}

function existsFaults(rule: RuleOf<'exists'>, at: At): (() => void)[] {
  const other = at.known.schemas[rule.in]
  return [
    () => requireSome(`${at.place}.rule.columns`, rule.columns),
    () =>
      checkValue(
        `${at.place}.rule.of: how many`,
        count(rule.columns.length, rule.columns.length),
        rule.of.length,
      ),
    () => requireDataset(rule, at),
    ...columnFaults(rule.columns, at),
    ...columnFaults(rule.of, { ...at, schema: other, place: `${at.place}: ${rule.in}` }),
  ]
}

function requireDataset(rule: RuleOf<'exists'>, { place, known }: At): void {
  if (known.datasets.includes(rule.in)) return
  throw new MillraceError('MR_DEFINE_UNKNOWN', {
    place: `${place}.rule.in`,
    kind: 'dataset',
    name: rule.in,
    known: [...known.datasets],
  })
}
