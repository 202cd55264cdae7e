/** Values at the edges, and expressions over them made from the function table itself: a function that is registered is thereby covered. */
import type { ExprNode, ExprType } from '../../src/expr/ast.ts'
import { argAt, argTypeAt, FUNCTIONS } from '../../src/expr/functions/index.ts'
import type { FnSpec, LiteralRule } from '../../src/expr/functions/spec.ts'

export const NUMBERS = [
  null,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  2,
  3,
  -8,
  1 / 3,
  0.49999999999999994,
  2.675,
  1e-7,
  1e-17,
  5e-324,
  1e-5,
  0.0001,
  123.456,
  1e15,
  1e16,
  123456789012345680,
  2 ** 53,
  1e21,
  -1e300,
  1.7976931348623157e308,
]

export const STRINGS = [
  null,
  '',
  ' ',
  'a',
  'b',
  'A',
  'Z',
  'abc',
  'aXbX',
  'a,b,c',
  ',',
  ' \t12\n',
  '12',
  '-1.5e3',
  '.5',
  '5.',
  '+7',
  '0x10',
  '1_000',
  '1e999',
  'inf',
  'nan',
  '1 2',
  'é',
  'e\u0301',
  'ß',
  'İ',
  'ŉ',
  'Σ',
  'ΑΣ',
  'ﬁ',
  'ᾳ',
  'ǆ',
  '𝒜',
  '𝒜bc',
  '\uff5e',
  '😀👍🏽',
  '日本語',
  'a\nb',
  '\v',
  '\u00a0x\u00a0',
  "it's",
  '"q"',
  '\\',
  '%_',
  '$1',
]

const utc = (text: string): number => Date.parse(text)

export const TIMES = [
  null,
  0,
  -1,
  999.999,
  -0.001,
  utc('1969-12-31T23:59:59.999Z'),
  utc('1970-01-01T00:00:00Z'),
  // New York 2001: clocks go forward on 1 April at 07:00 UTC, back on 28 October at 06:00 UTC
  utc('2001-04-01T06:59:59.999Z'),
  utc('2001-04-01T07:00:00Z'),
  utc('2001-04-01T02:30:00Z'),
  utc('2001-10-28T05:30:00Z'),
  utc('2001-10-28T06:00:00Z'),
  utc('2001-10-28T06:30:00Z'),
  utc('2001-10-28T01:30:00Z'),
  utc('2001-10-28T01:00:00Z'),
  utc('2001-10-28T02:00:00Z'),
  utc('2001-04-01T03:00:00Z'),
  utc('2001-04-01T02:00:00Z'),
  // Berlin and Lord Howe (half an hour)
  utc('2024-03-31T00:59:59Z'),
  utc('2024-03-31T01:00:00Z'),
  utc('2024-03-31T02:30:00Z'),
  utc('2024-10-27T02:30:00Z'),
  utc('2024-10-27T01:00:00Z'),
  utc('2024-04-06T15:00:00Z'),
  utc('2024-04-07T01:45:00Z'),
  utc('2024-10-06T02:15:00Z'),
  // leap days, and years that are and are not leap years
  utc('2000-02-29T12:00:00Z'),
  utc('1900-02-28T23:59:59Z'),
  utc('1900-03-01T00:00:00Z'),
  utc('2100-02-28T23:00:00Z'),
  utc('2004-12-31T23:59:59.123Z'),
  utc('2004-02-29T00:00:00Z'),
  // ISO weeks at the turn of the year
  utc('2004-12-27T00:00:00Z'),
  utc('2005-01-01T00:00:00Z'),
  utc('2005-01-02T23:59:59Z'),
  utc('2005-01-03T00:00:00Z'),
  utc('2008-12-29T00:00:00Z'),
  utc('2010-01-03T10:00:00Z'),
  utc('2020-12-31T00:00:00Z'),
  // far off
  utc('1700-01-01T00:00:00Z'),
  utc('1883-11-18T17:03:00Z'),
  utc('1938-06-01T00:00:00Z'),
  utc('2200-07-01T12:34:56.789Z'),
  1_000_000_000_000.123,
]

export const BOOLS = [null, true, false]

const ZONES = ['UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'Australia/Lord_Howe']
const PATTERNS = [
  '',
  'a',
  '^a',
  'b$',
  '^$',
  '[A-Z]',
  '[^a-z]',
  '^.$',
  '^..$',
  'a.b',
  '\\d+',
  '^\\s',
  '\\S',
  '\\w',
  '\\W',
  '\\bb',
  '\\Bb',
  'X|,',
  '(a|b)X',
  '(?:,b){1,2}',
  'a{0}b',
  'b??c',
  '[-.]',
  '[\\]\\\\]',
  '\\x61',
  '\\u00e9',
  '\\u{1D49C}',
  '\\n',
  '^[\\w ]+$',
  '"',
  '\\$1',
  '^\\+?[0-9]*\\.?$',
  '[\\s]',
  'Σ|日',
  '\\.',
  '^(?:a|aX|aXb)*X$',
]

const LITERAL_NUMBERS = [0, 1, 2, 3, 7, 10, 15, 1000, 0.1, 2.5, -1.5, 1e6]

/** Literals that keep a rule, at its ends first. */
export function literalsFor(rule: LiteralRule): (number | string)[] {
  switch (rule.kind) {
    case 'number': {
      const ends = [rule.exclusiveMin ? undefined : rule.min, rule.max].filter(
        (v): v is number => v !== undefined,
      )
      const fits = (v: number) =>
        (!rule.integer || Number.isInteger(v)) &&
        (rule.min === undefined || (rule.exclusiveMin ? v > rule.min : v >= rule.min)) &&
        (rule.max === undefined || v <= rule.max)
      return [...new Set([...ends, ...LITERAL_NUMBERS.filter(fits)])]
    }
    case 'oneOf':
      return [...rule.values]
    case 'string':
      return [',', 'X', 'a', 'é', '𝒜', ...(rule.nonEmpty ? [] : [''])]
    case 'pattern':
      return PATTERNS
    case 'zone':
      return ZONES
  }
}

export const TYPES: readonly ExprType[] = ['number', 'string', 'bool', 'time']

/** Names of the columns of the edge rows: three of each type. */
export const COLUMN = {
  number: ['n1', 'n2', 'n3'],
  string: ['s1', 's2', 's3'],
  bool: ['b1', 'b2', 'b3'],
  time: ['t1', 't2', 't3'],
} as const satisfies Record<ExprType, readonly string[]>

export interface EdgeRow {
  id: number
  [column: string]: unknown
}

/** Rows in which every pair of edge values of each type meets at least once. */
export function edgeRows(): EdgeRow[] {
  const size = Math.max(NUMBERS.length, STRINGS.length, TIMES.length)
  const rows: EdgeRow[] = []
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const row: EdgeRow = { id: rows.length }
      const put = (names: readonly string[], values: readonly unknown[]) => {
        row[names[0]!] = values[i % values.length]
        row[names[1]!] = values[j % values.length]
        row[names[2]!] = values[(i * 7 + j * 3 + 1) % values.length]
      }
      put(COLUMN.number, NUMBERS)
      put(COLUMN.string, STRINGS)
      put(COLUMN.bool, BOOLS)
      put(COLUMN.time, TIMES)
      rows.push(row)
    }
  }
  return rows
}

const col = (name: string): ExprNode => ({ op: 'col', name })
const lit = (value: number | string): ExprNode => ({ op: 'lit', value })

/** Every function over columns of every type it takes, with every sample literal, with and without its rest arguments. */
export function coverOf(fn: string, spec: FnSpec): ExprNode[] {
  const counts =
    spec.restMin === undefined
      ? [spec.args.length]
      : [spec.args.length - 1 + spec.restMin, spec.args.length + 2]
  return counts.flatMap((count) => typesTaken(spec).flatMap((type) => callsOf(fn, spec, count, type)))
}

/** What `T` or `any` may be here; one round when the function has neither. */
function typesTaken(spec: FnSpec): readonly ExprType[] {
  if (spec.accepts) return spec.accepts
  return spec.args.some((a) => a.type === 'T' || a.type === 'any') ? TYPES : ['number']
}

function callsOf(fn: string, spec: FnSpec, count: number, free: ExprType): ExprNode[] {
  const choices = Array.from({ length: count }, (_, i): ExprNode[] => {
    const arg = argAt(spec, i)
    if (arg.literal)
      return fn === 'bin' ? [lit([-1, 0.5, 2.5, 1e15][i - 1]!)] : literalsFor(arg.literal).map(lit)
    const type = argTypeAt(spec, i, count)
    const columns = COLUMN[type === 'T' || type === 'any' ? free : type]
    if (fn === 'isIn' && i > 0) return [lit3(free, i)]
    return [col(columns[i % 3]!)]
  })
  return product(choices).map((args) => ({ op: 'call', fn, args }))
}

/** A literal of a type, for lists. */
function lit3(type: ExprType, i: number): ExprNode {
  if (type === 'bool') return { op: 'lit', value: i % 2 === 0 }
  if (type === 'time') return { op: 'lit', value: TIMES[i]!, type: 'time' }
  return lit(type === 'number' ? [0, 2.5, 1 / 3][i % 3]! : ['', '𝒜', 'a'][i % 3]!)
}

function product(choices: ExprNode[][]): ExprNode[][] {
  return choices.reduce<ExprNode[][]>(
    (all, list) => all.flatMap((head) => list.map((item) => [...head, item])),
    [[]],
  )
}

/** All calls that cover the table, by function. */
export function coverAll(): [string, ExprNode[]][] {
  return Object.entries(FUNCTIONS).map(([fn, spec]) => [fn, coverOf(fn, spec)])
}
