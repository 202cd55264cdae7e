/** Judges declared checks over rows that lie in files: nothing is loaded, so memory does not grow with the rows. */
import { MillraceError, toError } from '../core/errors.ts'
import type { Column, TimeWindow } from '../core/records.ts'
import type { CheckDef } from '../define/types.ts'
import { columnsOf } from '../expr/ast.ts'
import { closeNames } from '../expr/close-names.ts'
import { raw, type Sql } from '../expr/sql.ts'
import { rowChecksOf } from './checks.ts'
import { type Duck, quote } from './duck.ts'
import type { Tally } from './findings.ts'
import { type Level, quantilesQuestion } from './scan-quantile.ts'
import { askAll, type Pass, type Question } from './scan-questions.ts'
import {
  type AggregateSql,
  frequenciesQuery,
  type Measurement,
  measurementsIn,
  metricSql,
  numberSql,
  valueSql,
} from './table-metrics.ts'

type NamedType = Pick<Column, 'name' | 'type'>
type RuleOf<K extends CheckDef['rule']['kind']> = Extract<CheckDef['rule'], { kind: K }>

/** Rows as a relation: the columns of the dataset, and `_mr_row`, the number of each row from 0. */
export interface Relation {
  /** What stands after FROM. */
  from: string
  columns: readonly NamedType[]
  /** Rows there are. */
  rows: number
  /** Ends of whole-number columns, where the files say them. */
  ends: ReadonlyMap<string, { min: number; max: number }>
}

/** Where keys are looked up: rows of other datasets by name, as a relation with the columns asked for. */
export type OtherRelation = (dataset: string, columns: readonly string[]) => string

export interface Scan {
  duck: Duck
  relation: Relation
  checks: readonly CheckDef[]
  dataset: string
  others: OtherRelation
  period: TimeWindow | null
  /** Failing rows shown of each check. */
  examples: number
}

/** A row that fails, with the values that its check reads. */
export interface ExampleRow {
  row: number
  values: Record<string, unknown>
}

export interface Judgement {
  tallies: Map<string, Tally>
  measured: Map<string, Measurement>
  newest: Map<string, number | null>
  broken: Map<string, string>
  examples: Map<string, ExampleRow[]>
  passes: Pass[]
}

export const ROW = '_mr_row'

/**
 * Row rules, keys of other datasets, uniqueness and plain metrics are judged in one pass over the rows; examples ask once more, in one pass for all. Rules that group rows (`determines`, entropies) read their own columns once. A check that cannot be evaluated is in `broken`, and the others are judged.
 */
export async function judgeRows(scan: Scan): Promise<Judgement> {
  const judgement: Judgement = {
    tallies: new Map(),
    measured: new Map(),
    newest: new Map(),
    broken: new Map(),
    examples: new Map(),
    passes: [],
  }
  const { duck, relation } = scan
  const questions = questionsOf(scan, judgement)
  judgement.passes.push(...(await askAll(duck, relation.from, questions, judgement.broken)))
  for (const grouped of groupedOf(scan, judgement)) await answerGrouped(scan, grouped, judgement)
  return judgement
}

/** Row rules as booleans, those that look keys up among them. */
export function verdictsOf(scan: Scan, broken: Map<string, string>): { check: CheckDef; sql: Sql }[] {
  const { usable, broken: unfit } = rowChecksOf([...scan.checks], scan.period, [...scan.relation.columns])
  for (const [name, why] of unfit) broken.set(name, firstLine(why))
  const keys = scan.checks.flatMap((check) => {
    if (check.rule.kind !== 'exists') return []
    const rule = check.rule
    return attempt(check.name, broken, () => ({ check, sql: raw(existsSql(scan, rule)) }))
  })
  return [...usable, ...keys]
}

function attempt<T>(name: string, broken: Map<string, string>, make: () => T): T[] {
  try {
    return [make()]
  } catch (thrown) {
    broken.set(name, firstLine(toError(thrown).message))
    return []
  }
}

const firstLine = (text: string): string => text.split('\n')[0]!

function questionsOf(scan: Scan, judgement: Judgement): Question[] {
  const { broken } = judgement
  const byRow = verdictsOf(scan, broken).map(({ check, sql }) => rowQuestion(scan, check, sql, judgement))
  const others = scan.checks.flatMap((check) => {
    const { name, rule } = check
    if (rule.kind === 'unique')
      return attempt(name, broken, () => uniqueQuestion(scan, name, rule, judgement))
    if (rule.kind === 'fresh') return attempt(name, broken, () => newestQuestion(scan, name, rule, judgement))
    return rule.kind === 'metric'
      ? attempt(name, broken, () => metricQuestion(scan, name, rule, judgement)).flat()
      : []
  })
  return [...byRow, ...others, ...quantileQuestions(scan, judgement)]
}

function rowQuestion(scan: Scan, check: CheckDef, sql: Sql, { tallies, examples }: Judgement): Question {
  const verdict: Sql = { text: `CAST(${sql.text} AS BOOLEAN)`, params: sql.params }
  const counted = (fn: string): Sql => ({
    text: `coalesce(${fn}(${verdict.text}), 0)`,
    params: verdict.params,
  })
  return {
    names: [check.name],
    aggregates: [counted('count'), counted('count_if')],
    take: ([judged, held]) => {
      const failed = (judged as number) - (held as number)
      tallies.set(check.name, { judged: judged as number, failed })
      if (failed === 0 || scan.examples === 0) return undefined
      return exampleQuestion(scan, check, { text: `NOT ${verdict.text}`, params: verdict.params }, examples)
    },
  }
}

/** The first rows that fail, with the columns that the rule reads. */
function exampleQuestion(
  { relation, examples: limit }: Scan,
  { name, rule }: CheckDef,
  failing: Sql,
  examples: Map<string, ExampleRow[]>,
): Question {
  const read = columnsRead(rule).filter((column) => relation.columns.some((c) => c.name === column))
  const values = read.map((column, i) => `'v${i}': CAST(${quote(column)} AS VARCHAR)`)
  const row = `{${[`'row': ${ROW}`, ...values].join(', ')}}`
  return {
    names: [name],
    aggregates: [
      {
        text: `CAST(to_json(arg_min(${row}, ${ROW}, ${limit}) FILTER (${failing.text})) AS VARCHAR)`,
        params: failing.params,
      },
    ],
    take: ([json]) => void examples.set(name, exampleRows(json, read)),
  }
}

function exampleRows(json: unknown, read: readonly string[]): ExampleRow[] {
  const rows = JSON.parse((json as string | null) ?? '[]') as Record<string, unknown>[]
  return rows.map((row) => exampleOf(row, read))
}

const exampleOf = (row: Record<string, unknown>, read: readonly string[]): ExampleRow => ({
  row: Number(row.row),
  values: Object.fromEntries(read.map((column, i) => [column, row[`v${i}`] ?? null])),
})

function columnsRead(rule: CheckDef['rule']): string[] {
  switch (rule.kind) {
    case 'row':
      return columnsOf(rule.holds)
    case 'inWindow':
    case 'fresh':
      return [rule.column]
    case 'unique':
    case 'exists':
      return rule.columns
    case 'determines':
      return [...rule.columns, rule.column]
    default:
      return []
  }
}

/** Keys of which a part is missing are not judged. */
function existsSql(scan: Scan, rule: RuleOf<'exists'>): string {
  const keys = rule.columns.map((name) => valueSql(columnNamed(scan, name)))
  const own = rule.in === scan.dataset
  const from = own ? scan.relation.from : scan.others(rule.in, rule.of)
  const filled = rule.of.map((name) => `${quote(name)} IS NOT NULL`).join(' AND ')
  const found = `(${keys.join(', ')}) IN (SELECT ${rule.of.length === 1 ? quote(rule.of[0]!) : `(${rule.of.map(quote).join(', ')})`} FROM ${from} WHERE ${filled})`
  return `CASE WHEN ${keys.map((key) => `${key} IS NOT NULL`).join(' AND ')} THEN ${found} END`
}

function columnNamed({ relation }: Scan, name: string): NamedType {
  const found = relation.columns.find((c) => c.name === name)
  if (found) return found
  const columns = relation.columns.map((c) => c.name)
  throw new MillraceError('MR_EXPR_UNKNOWN_COLUMN', {
    column: name,
    close: closeNames(name, columns),
    columns,
  })
}

/** Rows beyond the first of each kind; missing values are equal to one another. */
function uniqueQuestion(scan: Scan, name: string, rule: RuleOf<'unique'>, { tallies }: Judgement): Question {
  const columns =
    rule.columns.length === 0 ? [...scan.relation.columns] : rule.columns.map((c) => columnNamed(scan, c))
  const [only, ...more] = columns
  const values = columns.map(valueSql)
  const distinct =
    more.length === 0
      ? `count(DISTINCT ${values[0]}) + CAST(count(${values[0]}) < count(*) AS INTEGER)`
      : `count(DISTINCT (${values.join(', ')}))`
  const take: Question['take'] = ([rows, kinds]) =>
    void tallies.set(name, { judged: rows as number, failed: (rows as number) - (kinds as number) })
  const plain: Question = { names: [name], aggregates: [raw('count(*)'), raw(distinct)], take }
  const bits = more.length === 0 ? bitsOf(only!, scan.relation) : undefined
  return bits === undefined
    ? plain
    : { names: [name], aggregates: [raw('count(*)'), raw(bits)], take, otherwise: plain }
}

const BITS_MAX = 1 << 29
const BITS_PER_ROW = 64

/** Different whole numbers as bits of a map, where the files say between which ends they lie and the map is small. */
function bitsOf({ name, type }: NamedType, { ends, rows }: Relation): string | undefined {
  const end = ends.get(name)
  if (type !== 'int' || end === undefined) return undefined
  const bits = end.max - end.min + 1
  if (
    !Number.isSafeInteger(end.min) ||
    !Number.isSafeInteger(end.max) ||
    bits > BITS_MAX ||
    bits > rows * BITS_PER_ROW
  )
    return undefined
  const value = `CAST(${quote(name)} AS BIGINT)`
  return `coalesce(bit_count(bitstring_agg(${value}, ${end.min}::BIGINT, ${end.max}::BIGINT)), 0) + CAST(count(${value}) < count(*) AS INTEGER)`
}

function newestQuestion(scan: Scan, name: string, rule: RuleOf<'fresh'>, { newest }: Judgement): Question {
  const column = numberSql(columnNamed(scan, rule.column))
  return {
    names: [name],
    aggregates: [raw(`max(${column})`)],
    take: ([at]) => void newest.set(name, at as number | null),
  }
}

/** None for metrics that group rows, nor for quantiles, which are asked by column. */
function metricQuestion(
  scan: Scan,
  name: string,
  rule: RuleOf<'metric'>,
  { measured }: Judgement,
): Question[] {
  const { metric } = rule
  const put = (measurement: Measurement) => void measured.set(name, measurement)
  const sql = metricSql(metric, scan.relation.columns)
  if (metric.of === 'quantile') return []
  if (metric.of === 'distinct' || metric.of === 'distinctShare')
    return [distinctQuestion(scan, name, rule, put)]
  return sql.kind === 'frequency' ? [] : [aggregateQuestion(name, sql.sql, put)]
}

const boundsOf = ({ min, max }: RuleOf<'metric'>) => ({
  ...(min !== undefined && { min }),
  ...(max !== undefined && { max }),
})

/** Quantiles of one column are asked together. */
function quantileQuestions(scan: Scan, { measured, broken }: Judgement): Question[] {
  const byColumn = new Map<string, Level[]>()
  for (const { name, rule } of scan.checks) {
    if (rule.kind !== 'metric' || rule.metric.of !== 'quantile') continue
    const [column] = rule.metric.columns as [string]
    const fit = attempt(name, broken, () => numberSql(columnNamed(scan, column)))
    if (fit.length > 0)
      byColumn.set(column, [...(byColumn.get(column) ?? []), { name, q: rule.metric.q!, ...boundsOf(rule) }])
  }
  const { rows } = scan.relation
  return [...byColumn].map(([column, levels]) =>
    quantilesQuestion(
      { levels, value: numberSql(columnNamed(scan, column)), rows, row: ROW },
      (name, m) => void measured.set(name, m),
    ),
  )
}

function aggregateQuestion(
  name: string,
  { value, n }: AggregateSql,
  put: (m: Measurement) => void,
): Question {
  return {
    names: [name],
    aggregates: [value, n].map((sql) => raw(`CAST(${sql} AS DOUBLE)`)),
    take: (answers) => void put(measurementsIn({ value0: answers[0], n0: answers[1] }, 1)[0]!),
  }
}

function distinctQuestion(
  scan: Scan,
  name: string,
  { metric }: RuleOf<'metric'>,
  put: (m: Measurement) => void,
): Question {
  const columns = metric.columns.map((c) => columnNamed(scan, c))
  const values = columns.map(valueSql)
  const filled = `FILTER (${values.map((v) => `${v} IS NOT NULL`).join(' AND ')})`
  const bits =
    columns.length === 1 ? bitsOf(columns[0]!, scan.relation)?.replace(/ \+ CAST\(.*$/, '') : undefined
  const key = values.length === 1 ? values[0] : `(${values.join(', ')})`
  const asked = (distinct: string, otherwise?: Question): Question => ({
    names: [name],
    aggregates: [raw(`count(*) ${filled}`), raw(distinct)],
    take: ([n, kinds]) => void put(distinctOf(metric.of, n as number, kinds as number)),
    ...(otherwise && { otherwise }),
  })
  const plain = asked(`count(DISTINCT ${key}) ${filled}`)
  return bits === undefined ? plain : asked(bits, plain)
}

function distinctOf(of: string, n: number, kinds: number): Measurement {
  if (of === 'distinct') return { value: kinds, n }
  return { value: n === 0 ? null : kinds / n, n }
}

interface Grouped {
  name: string
  query: string
  take(row: Record<string, unknown>): void
  /** Query of examples, when some are asked for and the check fails. */
  examples?: string
  read: string[]
}

function groupedOf(scan: Scan, judgement: Judgement): Grouped[] {
  const { broken, measured, tallies } = judgement
  return scan.checks.flatMap((check) => {
    const { name, rule } = check
    if (broken.has(name)) return []
    if (rule.kind === 'determines')
      return attempt(name, broken, () => determinesGrouped(scan, name, rule, judgement))
    if (rule.kind === 'unique' && scan.examples > 0 && (tallies.get(name)?.failed ?? 0) > 0)
      return [repeatsGrouped(scan, name, rule)]
    if (rule.kind !== 'metric' || measured.has(name)) return []
    const { metric } = rule
    return attempt(name, broken, () => {
      const sql = metricSql(metric, scan.relation.columns)
      const query = sql.kind === 'frequency' ? frequenciesQuery(scan.relation.from, [sql.sql]) : ''
      return {
        name,
        query,
        read: [],
        take: (row: Record<string, unknown>) => void measured.set(name, measurementsIn(row, 1)[0]!),
      }
    })
  })
}

async function answerGrouped(
  { duck, examples }: Scan,
  grouped: Grouped,
  judgement: Judgement,
): Promise<void> {
  const began = performance.now()
  try {
    if (grouped.query !== '') grouped.take(await duck.one(grouped.query))
    const failed = judgement.tallies.get(grouped.name)?.failed ?? 0
    if (grouped.examples && examples > 0 && failed > 0)
      judgement.examples.set(
        grouped.name,
        (await duck.rows<Record<string, unknown>>(grouped.examples)).map((row) =>
          exampleOf(row, grouped.read),
        ),
      )
    judgement.passes.push({ checks: 1, ms: performance.now() - began })
  } catch (thrown) {
    judgement.broken.set(grouped.name, firstLine(toError(thrown).message))
  }
}

/** Votes by group: as many rows fail as there are votes that are not for the most frequent value. */
function determinesGrouped(
  scan: Scan,
  name: string,
  rule: RuleOf<'determines'>,
  { tallies }: Judgement,
): Grouped {
  const { losers, votes } = votesSql(scan, rule)
  const query = `SELECT CAST(coalesce(sum(n), 0) AS DOUBLE) AS judged, CAST(coalesce(sum(n - most), 0) AS DOUBLE) AS failed FROM (SELECT sum(c) AS n, max(c) AS most FROM (${votes}) GROUP BY ${rule.columns.map((_, i) => `k${i}`).join(', ')})`
  const read = [...rule.columns, rule.column]
  return {
    name,
    query,
    read,
    take: (row) => void tallies.set(name, { judged: Number(row.judged), failed: Number(row.failed) }),
    examples: `SELECT ${ROW} AS row, ${shownValues(read)} FROM ${failingByVotes(scan, rule, losers)} ORDER BY ${ROW} LIMIT ${scan.examples}`,
  }
}

const shownValues = (read: readonly string[]): string =>
  read.map((column, i) => `CAST(s.${quote(column)} AS VARCHAR) AS v${i}`).join(', ')

/** Counts of each value by group, and the values that are not the most frequent one of theirs; the least of equally frequent ones is right. */
export function votesSql(scan: Scan, rule: RuleOf<'determines'>): { votes: string; losers: string } {
  const values = [...rule.columns, rule.column].map((name) => valueSql(columnNamed(scan, name)))
  const filled = values.map((v) => `${v} IS NOT NULL`).join(' AND ')
  const keys = rule.columns.map((_, i) => `k${i}`).join(', ')
  const list = values.map((v, i) => `${v} AS ${i < rule.columns.length ? `k${i}` : 'v'}`).join(', ')
  const votes = `SELECT ${list}, count(*) AS c FROM ${scan.relation.from} WHERE ${filled} GROUP BY ALL`
  const losers = `SELECT ${keys}, v FROM (SELECT *, row_number() OVER (PARTITION BY ${keys} ORDER BY c DESC, v) AS place FROM (${votes})) WHERE place > 1`
  return { votes, losers }
}

/** Rows as `s` whose value lost. */
export function failingByVotes(scan: Scan, rule: RuleOf<'determines'>, losers: string): string {
  const same = rule.columns.map((name, i) => `l.k${i} = s.${quote(name)}`)
  return `(SELECT * FROM ${scan.relation.from}) s JOIN (${losers}) l ON ${[...same, `l.v = s.${quote(rule.column)}`].join(' AND ')}`
}

/** Rows that repeat an earlier one. */
export function repeatsSql(scan: Scan, rule: RuleOf<'unique'>): { from: string; read: string[] } {
  const read = rule.columns.length === 0 ? scan.relation.columns.map((c) => c.name) : rule.columns
  const keys = read.map((name) => valueSql(columnNamed(scan, name))).join(', ')
  const list = read.map(quote).join(', ')
  const hashes = `SELECT h FROM (SELECT hash(${keys}) AS h FROM ${scan.relation.from}) GROUP BY h HAVING count(*) > 1`
  const candidates = `SELECT ${ROW}, ${list} FROM ${scan.relation.from} WHERE hash(${keys}) IN (${hashes})`
  return {
    from: `(SELECT *, row_number() OVER (PARTITION BY ${keys} ORDER BY ${ROW}) AS place FROM (${candidates})) s WHERE place > 1`,
    read,
  }
}

function repeatsGrouped(scan: Scan, name: string, rule: RuleOf<'unique'>): Grouped {
  const { from, read } = repeatsSql(scan, rule)
  return {
    name,
    query: '',
    read,
    take: () => {},
    examples: `SELECT ${ROW} AS row, ${shownValues(read)} FROM ${from} ORDER BY ${ROW} LIMIT ${scan.examples}`,
  }
}
