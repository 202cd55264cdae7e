import { compareText } from '../text.ts'
import { arg, type Fn, type FnSpec } from './spec.ts'

const a = arg('a', 'T')
const b = arg('b', 'T')
const p = arg('p', 'bool')

type Plain = boolean | number | string

function order(left: Plain, right: Plain): number {
  if (typeof left === 'string') return compareText(left, right as string)
  return left < right ? -1 : left > right ? 1 : 0
}

const comparison = (operator: string, doc: string, js: (left: Plain, right: Plain) => boolean): FnSpec => ({
  doc,
  args: [a, b],
  result: 'bool',
  sql: `({0} ${operator} {1})`,
  js: js as FnSpec['js'],
})

const between: FnSpec = {
  doc: 'Whether a value lies between two others, both ends included.',
  args: [a, arg('low', 'T'), arg('high', 'T')],
  result: 'bool',
  sql: '({0} BETWEEN {1} AND {2})',
  closure: ([v, low, high]) => {
    const above = threeValued(v!, low!, (l, r) => order(l, r) >= 0)
    const below = threeValued(v!, high!, (l, r) => order(l, r) <= 0)
    return both(above, below)
  },
}

function threeValued(left: Fn, right: Fn, holds: (l: Plain, r: Plain) => boolean): Fn {
  return (row) => {
    const l = left(row)
    const r = right(row)
    return l === null || r === null ? null : holds(l, r)
  }
}

function both(left: Fn, right: Fn): Fn {
  return (row) => {
    const l = left(row)
    if (l === false) return false
    const r = right(row)
    if (r === false) return false
    return l === null || r === null ? null : true
  }
}

function either(left: Fn, right: Fn): Fn {
  return (row) => {
    const l = left(row)
    if (l === true) return true
    const r = right(row)
    if (r === true) return true
    return l === null || r === null ? null : false
  }
}

function isInClosure([subject, ...list]: Fn[]): Fn {
  const values = list.map((item) => item({}))
  const set = new Set(values)
  return (row) => {
    const v = subject!(row)
    return v === null ? null : set.has(v)
  }
}

/** A function of one column is computed once for each entry of a dictionary, which `IN` is not. Whole numbers in a row are a range. */
function isInSql(count: number, _literals: unknown, [type]: unknown[], [, ...values]: unknown[]): string {
  const ends = type === 'number' ? endsOfRun(values) : undefined
  return ends === undefined
    ? `list_contains([${slots(1, count)}], {0})`
    : `({0} BETWEEN {${1 + ends.low}} AND {${1 + ends.high}} AND trunc({0}) = {0})`
}

/** Places of the least and the greatest value, when the values are whole numbers without a gap. */
function endsOfRun(values: readonly unknown[]): { low: number; high: number } | undefined {
  if (values.length < RUN_MIN || !values.every(Number.isSafeInteger)) return undefined
  const sorted = [...new Set(values as number[])].sort((l, r) => l - r)
  const [low, high] = [sorted[0]!, sorted.at(-1)!]
  return high - low === sorted.length - 1
    ? { low: values.indexOf(low), high: values.indexOf(high) }
    : undefined
}

const RUN_MIN = 3

function branch(args: Fn[]): Fn {
  const otherwise = args.length % 2 === 1 ? args.at(-1)! : () => null
  const pairs = args.length >> 1
  return (row) => {
    for (let i = 0; i < pairs; i++) if (args[2 * i]!(row) === true) return args[2 * i + 1]!(row)
    return otherwise(row)
  }
}

function coalesce(args: Fn[]): Fn {
  return (row) => {
    for (const each of args) {
      const v = each(row)
      if (v !== null) return v
    }
    return null
  }
}

const slots = (from: number, end: number): string =>
  Array.from({ length: end - from }, (_, i) => `{${from + i}}`).join(', ')

function caseText(count: number): string {
  const pairs = Array.from({ length: count >> 1 }, (_, i) => `WHEN {${2 * i}} THEN {${2 * i + 1}}`)
  return `CASE ${pairs.join(' ')} ELSE ${count % 2 === 1 ? `{${count - 1}}` : 'NULL'} END`
}

/** Comparison, boolean logic, missing values and branches. */
export const logic = {
  eq: comparison('=', 'Whether two values are equal.', (l, r) => l === r),
  ne: comparison('<>', 'Whether two values differ.', (l, r) => l !== r),
  lt: comparison(
    '<',
    'Whether the first is less. Strings by code point, false before true.',
    (l, r) => order(l, r) < 0,
  ),
  le: comparison('<=', 'Whether the first is less or equal.', (l, r) => order(l, r) <= 0),
  gt: comparison('>', 'Whether the first is greater.', (l, r) => order(l, r) > 0),
  ge: comparison('>=', 'Whether the first is greater or equal.', (l, r) => order(l, r) >= 0),
  between,
  isIn: {
    doc: 'Whether a value is one of those listed. The list holds literals, none missing.',
    args: [a, arg('values', 'T')],
    restMin: 1,
    result: 'bool',
    sql: isInSql,
    closure: isInClosure,
  },
  and: {
    doc: 'Three-valued and: false beats missing.',
    args: [p, arg('q', 'bool')],
    result: 'bool',
    sql: '({0} AND {1})',
    closure: ([l, r]) => both(l!, r!),
  },
  or: {
    doc: 'Three-valued or: true beats missing.',
    args: [p, arg('q', 'bool')],
    result: 'bool',
    sql: '({0} OR {1})',
    closure: ([l, r]) => either(l!, r!),
  },
  not: {
    doc: 'Negation; missing stays missing.',
    args: [p],
    result: 'bool',
    sql: '(NOT {0})',
    js: (v: boolean) => !v,
  },
  isNull: {
    doc: 'Whether a value is missing. Never missing itself.',
    args: [arg('a', 'any')],
    result: 'bool',
    sql: '({0} IS NULL)',
    closure:
      ([v]) =>
      (row) =>
        v!(row) === null,
  },
  notNull: {
    doc: 'Whether a value is there. Never missing itself.',
    args: [arg('a', 'any')],
    result: 'bool',
    sql: '({0} IS NOT NULL)',
    closure:
      ([v]) =>
      (row) =>
        v!(row) !== null,
  },
  coalesce: {
    doc: 'The first value that is not missing.',
    args: [arg('values', 'T')],
    restMin: 1,
    result: 'T',
    sql: 'coalesce({*})',
    closure: coalesce,
  },
  nullIf: {
    doc: 'The first value, or missing when it equals the second.',
    args: [a, b],
    result: 'T',
    sql: 'CASE WHEN {0} = {1} THEN NULL ELSE {0} END',
    closure:
      ([v, other]) =>
      (row) => {
        const l = v!(row)
        return l !== null && l === other!(row) ? null : l
      },
  },
  case: {
    doc: 'The value behind the first condition that is true, else the last value. Written when(…).then(…).otherwise(…).',
    args: [arg('branches', 'T')],
    restMin: 2,
    result: 'T',
    typeAt: (i, count) => (i % 2 === 0 && i < count - 1 ? 'bool' : 'T'),
    sql: caseText,
    closure: branch,
  },
} satisfies Record<string, FnSpec>
