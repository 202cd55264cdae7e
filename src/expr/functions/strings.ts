import { toLower, toUpper } from '../letter-case.ts'
import { md5Prefix } from '../md5.ts'
import { compilePattern, duckPattern, isWholePattern } from '../pattern.ts'
import { lengthOf, NUMBER_TEXT_SQL, numberText, sliceOf } from '../text.ts'
import { arg, type FnSpec, literal, text } from './spec.ts'

const BLANKS = ' \t\n\v\f\r'
const BLANKS_SQL = `' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)`

function trim(s: string): string {
  let start = 0
  let end = s.length
  while (start < end && BLANKS.includes(s[start]!)) start++
  while (end > start && BLANKS.includes(s[end - 1]!)) end--
  return s.slice(start, end)
}

/** What `tryNumber` reads, after blanks are cut: sign, digits with a point, exponent. No hexadecimal, separators, `inf` or `nan`. */
const NUMBER_TEXT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const NUMBER_SQL = `^[ \\t\\n\\x0B\\f\\r]*[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?[ \\t\\n\\x0B\\f\\r]*$`

function tryNumber(s: string): number | null {
  const body = trim(s)
  return NUMBER_TEXT.test(body) ? Number(body) : null
}

const part = arg('part', 'string')

const test = (doc: string, sql: string, js: (s: string, p: string) => boolean): FnSpec => ({
  doc,
  args: [text, part],
  result: 'bool',
  sql,
  js: js as FnSpec['js'],
})

const change = (doc: string, sql: string, js: (s: string) => string): FnSpec => ({
  doc,
  args: [text],
  result: 'string',
  sql,
  js: js as FnSpec['js'],
})

const count = { kind: 'number', integer: true, min: 0, max: 1_000_000 } as const

/** Text, by code point. */
export const strings = {
  lower: change('Small letters, each code point by itself (simple mapping).', 'lower({0})', toLower),
  upper: change('Capital letters, each code point by itself (simple mapping).', 'upper({0})', toUpper),
  trim: change(
    'Without blanks (space, tab, line ends, form feed) at both ends.',
    `trim({0}, ${BLANKS_SQL})`,
    trim,
  ),
  length: {
    doc: 'Number of code points.',
    args: [text],
    result: 'number',
    sql: 'CAST(length({0}) AS DOUBLE)',
    js: lengthOf as FnSpec['js'],
  },
  contains: test(
    'Whether the second occurs in the first; the empty text does.',
    'contains({0}, {1})',
    (s, p) => s.includes(p),
  ),
  startsWith: test('Whether the first begins with the second.', 'starts_with({0}, {1})', (s, p) =>
    s.startsWith(p),
  ),
  endsWith: test('Whether the first ends with the second.', 'ends_with({0}, {1})', (s, p) => s.endsWith(p)),
  matches: {
    doc: 'Whether a regular expression is found anywhere in the text. The common part of RE2 and ECMAScript; ASCII classes.',
    args: [text, literal('pattern', { kind: 'pattern' })],
    result: 'bool',
    sql: (_count, [pattern]) =>
      isWholePattern(String(pattern)) ? 'regexp_full_match({0}, {1})' : 'regexp_matches({0}, {1})',
    sqlLiteral: (pattern) => duckPattern(String(pattern)),
    bind: ((pattern: string) => compilePattern(pattern)) as FnSpec['bind'],
  },
  replace: {
    doc: 'The text with every occurrence of one part replaced by another; an empty part changes nothing.',
    args: [text, part, arg('by', 'string')],
    result: 'string',
    sql: 'replace({0}, {1}, {2})',
    js: ((s: string, p: string, by: string) => (p === '' ? s : s.split(p).join(by))) as FnSpec['js'],
  },
  slice: {
    doc: 'Code points from start up to, not including, end, both counted from 0.',
    args: [text, literal('start', count), literal('end', count)],
    result: 'string',
    sql: 'substr({0}, CAST({1} AS BIGINT) + 1, greatest(CAST({2} AS BIGINT) - CAST({1} AS BIGINT), 0))',
    bind: ((start: number, end: number) => (s: string) => sliceOf(s, start, end)) as FnSpec['bind'],
  },
  concat: {
    doc: 'All texts one after the other; missing when any is.',
    args: [arg('texts', 'string')],
    restMin: 1,
    result: 'string',
    sql: (n) => `(${Array.from({ length: n }, (_, i) => `{${i}}`).join(' || ')})`,
    js: ((...parts: string[]) => parts.join('')) as FnSpec['js'],
  },
  splitPart: {
    doc: 'One of the parts between separators, counted from 0; missing when there are fewer.',
    args: [text, literal('separator', { kind: 'string', nonEmpty: true }), literal('index', count)],
    result: 'string',
    sql: 'string_split({0}, {1})[CAST({2} AS BIGINT) + 1]',
    bind: ((separator: string, index: number) => (s: string) =>
      s.split(separator)[index] ?? null) as FnSpec['bind'],
  },
  hashBucket: {
    doc: 'Stable bucket in [0, n): the first 32 bits of MD5 over the UTF-8 text, modulo n. Equal on every engine.',
    args: [text, literal('n', { kind: 'number', integer: true, min: 1, max: 2 ** 31 })],
    result: 'number',
    sql: "CAST(('0x' || substr(md5({0}), 1, 8))::BIGINT % CAST({1} AS BIGINT) AS DOUBLE)",
    bind: ((n: number) => (s: string) => md5Prefix(s) % n) as FnSpec['bind'],
  },
  string: {
    doc: 'Text of a number (1, 0.5, 1e+16), of a boolean (true, false) or of a text (itself).',
    args: [arg('a', 'any')],
    accepts: ['string', 'number', 'bool'],
    result: 'string',
    sql: (_count, _literals, [type]) => (type === 'number' ? NUMBER_TEXT_SQL : 'CAST({0} AS VARCHAR)'),
    js: ((v: string | number | boolean) =>
      typeof v === 'number' ? numberText(v) : String(v)) as FnSpec['js'],
  },
  tryNumber: {
    doc: 'The number a text spells in decimal notation, blanks around it allowed; missing when it is none.',
    args: [text],
    result: 'number',
    sql: `CASE WHEN regexp_matches({0}, '${NUMBER_SQL}') THEN TRY_CAST(trim({0}, ${BLANKS_SQL}) AS DOUBLE) END`,
    js: tryNumber as FnSpec['js'],
  },
} satisfies Record<string, FnSpec>
