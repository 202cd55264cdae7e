/** Columns that say nothing, name the rows, or say what another says already. */
import { grouped } from '../../core/grouped.ts'
import { quoteText } from '../../expr/source-text.ts'
import { type Duck, quote } from '../duck.ts'
import { inWords, REMARK_LIMITS, type Remark, shownText } from './remark.ts'

type NamedType = { name: string; type: string }

export interface ColumnCount {
  name: string
  type: string
  /** Values that are there, and about how many of them are distinct. */
  filled: number
  distinct: number
}

/** Counts of all columns in one pass. */
export async function countColumns(
  duck: Duck,
  from: string,
  columns: readonly NamedType[],
): Promise<ColumnCount[]> {
  if (columns.length === 0) return []
  const terms = columns.map(
    ({ name }, i) => `count(${quote(name)}) AS n${i}, approx_count_distinct(${quote(name)}) AS d${i}`,
  )
  const row = await duck.one<Record<string, number>>(`SELECT ${terms.join(', ')} FROM ${from}`)
  return columns.map(({ name, type }, i) => ({ name, type, filled: row[`n${i}`]!, distinct: row[`d${i}`]! }))
}

/** Distinct share from which a column names the rows, and what an estimate of it may be off. */
const IDENTIFIER_SHARE = 0.95
const ESTIMATE_OFF = 0.1
const ROWS_MIN = 100

/** Columns of texts or whole numbers in which nearly every row has a value of its own; distinct values are counted where an estimate says so. */
export async function identifierRemarks(
  duck: Duck,
  from: string,
  nRows: number,
  counts: readonly ColumnCount[],
): Promise<(Remark & { unique: boolean })[]> {
  if (nRows < ROWS_MIN) return []
  const asked = counts.filter(
    ({ type, distinct, filled }) =>
      (type === 'string' || type === 'int') &&
      filled === nRows &&
      distinct >= (IDENTIFIER_SHARE - ESTIMATE_OFF) * nRows,
  )
  const remarks: (Remark & { unique: boolean })[] = []
  for (const { name } of asked) {
    const { d } = await duck.one<{ d: number }>(`SELECT count(DISTINCT ${quote(name)}) AS d FROM ${from}`)
    if (d < IDENTIFIER_SHARE * nRows) continue
    const unique = d === nRows
    remarks.push({
      kind: 'identifier',
      columns: [name],
      rows: nRows,
      unique,
      text: unique
        ? `${name} is another value in every row: it names the row and is no feature`
        : `${name} has ${grouped(d)} values in ${grouped(nRows)} rows: it seems to name the rows`,
      fix: `${unique ? 'key' : 'exclude'}: [${quoteText(name)}]`,
    })
  }
  return remarks
}

/** Share of the rows from which one value is as good as all. */
const CONSTANT_SHARE = 0.995

/** Columns with one value, no value, or one in 99.5 % of the rows, of at least 200. Cost: a pass over each column that one in 20,000 rows says so of. */
export async function constantRemarks(
  duck: Duck,
  from: string,
  nRows: number,
  counts: readonly ColumnCount[],
  sample: Sample,
): Promise<Remark[]> {
  const remarks: Remark[] = []
  for (const [i, { name, type, filled }] of counts.entries()) {
    const base = {
      kind: 'constant' as const,
      columns: [name],
      rows: nRows,
      fix: `exclude: [${quoteText(name)}]`,
    }
    if (filled === 0) remarks.push({ ...base, text: `${name} has no value at all` })
    else if (type !== 'json' && looksConstant(sample.codes[i])) {
      const { v, n } = await duck.one<{ v: string | null; n: number }>(
        `SELECT left(CAST(${quote(name)} AS VARCHAR), 64) AS v, count(*) AS n FROM ${from} GROUP BY ${quote(name)} ORDER BY 2 DESC, 1 LIMIT 1`,
      )
      const said = v === null ? 'no value' : shownText(v)
      if (n === nRows) remarks.push({ ...base, text: `${name} has only one value` })
      else if (n >= CONSTANT_SHARE * nRows && nRows >= 1 / (1 - CONSTANT_SHARE))
        remarks.push({
          ...base,
          rows: n,
          text: `${name} is ${said} in all but ${grouped(nRows - n)} of ${grouped(nRows)} rows`,
        })
    }
  }
  return remarks
}

function looksConstant(codes: Int32Array): boolean {
  const counts = new Map<number, number>()
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1)
  return Math.max(0, ...counts.values()) >= (CONSTANT_SHARE - 0.003) * codes.length
}

/** Some rows, spread evenly, with the values of each column numbered; no value is a value. */
export interface Sample {
  nRows: number
  codes: Int32Array[]
  distinct: number[]
}

const SAMPLE_ROWS = 20_000

export async function sampleRows(
  duck: Duck,
  from: string,
  nRows: number,
  columns: readonly NamedType[],
): Promise<Sample> {
  const step = Math.max(1, Math.ceil(nRows / SAMPLE_ROWS))
  const terms = columns.map(({ name }, i) => `CAST(${quote(name)} AS VARCHAR) AS c${i}`)
  const rows = await duck.rows<Record<string, string | null>>(
    `SELECT ${terms.join(', ')} FROM ${from} WHERE rowid % ${step} = 0`,
  )
  const known = columns.map(() => new Map<string | null, number>())
  const codes = columns.map((_, i) =>
    Int32Array.from(rows, (row) => {
      const value = row[`c${i}`]
      const code = known[i].get(value) ?? known[i].size
      known[i].set(value, code)
      return code
    }),
  )
  return { nRows: rows.length, codes, distinct: known.map(({ size }) => size) }
}

/** Rows a value that two columns must share at least, on average, for their agreement to be no accident. */
const ROWS_A_VALUE = 20

/** Pairs of columns of which each value of one goes with one value of the other, both ways. Cost: pairs of a sample, and a pass over each pair that agrees there. */
export async function sameColumnRemarks(
  duck: Duck,
  from: string,
  nRows: number,
  columns: readonly NamedType[],
  sample: Sample,
): Promise<Remark[]> {
  const places = [...columns.keys()].filter(
    (i) => sample.distinct[i] > 1 && sample.distinct[i] * ROWS_A_VALUE <= sample.nRows,
  )
  const groups: number[][] = []
  for (const i of places.slice(0, REMARK_LIMITS.pairColumns)) {
    const group = groups.find(([first]) => saySame(sample, first, i))
    if (group) group.push(i)
    else groups.push([i])
  }
  const remarks: Remark[] = []
  for (const group of groups) {
    const names = await reallySame(
      duck,
      from,
      group.map((i) => columns[i].name),
    )
    if (names.length < 2) continue
    remarks.push({
      kind: 'same-columns',
      columns: names,
      rows: nRows,
      text: `${inWords(names)} say the same: each value of one goes with one value of the other${names.length > 2 ? 's' : ''}`,
      fix: `keep one as a feature; none where another is the target`,
    })
  }
  return remarks
}

function saySame({ codes, distinct }: Sample, a: number, b: number): boolean {
  if (distinct[a] !== distinct[b]) return false
  const to = new Int32Array(distinct[a]).fill(-1)
  const back = new Int32Array(distinct[b]).fill(-1)
  for (let i = 0; i < codes[a].length; i++) {
    const [x, y] = [codes[a][i], codes[b][i]]
    if (to[x] < 0 && back[y] < 0) {
      to[x] = y
      back[y] = x
    } else if (to[x] !== y) return false
  }
  return true
}

/** Those that agree with the first in all rows. */
async function reallySame(duck: Duck, from: string, names: string[]): Promise<string[]> {
  const [first, ...others] = names
  const same = [first]
  for (const name of others) {
    const [a, b] = [quote(first), quote(name)]
    const { pairs, x, y } = await duck.one<Record<'pairs' | 'x' | 'y', number>>(
      `SELECT count(*) AS pairs, count(DISTINCT a) + max((a IS NULL)::INT) AS x, count(DISTINCT b) + max((b IS NULL)::INT) AS y
       FROM (SELECT DISTINCT ${a} AS a, ${b} AS b FROM ${from})`,
    )
    if (pairs === x && pairs === y) same.push(name)
  }
  return same
}

/** Rows equal in all columns to one before them. Cost: one pass and a set of hashes. */
export async function duplicateRemarks(
  duck: Duck,
  from: string,
  nRows: number,
  columns: readonly NamedType[],
): Promise<Remark[]> {
  if (nRows > REMARK_LIMITS.duplicateRows || columns.length === 0) return []
  const { n } = await duck.one<{ n: number }>(
    `SELECT count(*) - count(DISTINCT hash(${columns.map(({ name }) => quote(name)).join(', ')})) AS n FROM ${from}`,
  )
  if (n === 0) return []
  return [
    {
      kind: 'duplicate-rows',
      columns: [],
      rows: n,
      text: `${grouped(n)} ${n === 1 ? 'row is' : 'rows are'} equal in all columns to one before`,
      fix: 'checks.unique() puts them aside',
    },
  ]
}
