/**
 * What a part knows of its columns, from one aggregate query: missing values, extremes, moments, distinct values, and a histogram on the bins that the
 * first version fixed, so that parts and versions compare bin by bin.
 */
import type { Column, ColumnStats, ColumnType, Histogram } from '../core/records.ts'
import { hasMoments } from '../expr/sql.ts'
import { quantileEdges } from '../stats/histogram.ts'
import { type Duck, literal, quote } from './duck.ts'
import type { Reference } from './types.ts'

const BINS = 20
const CATEGORIES = 50
const TEXT_CHARS = 64

type NamedType = Pick<Column, 'name' | 'type'>

/** Fixes the bins of columns that have none yet, from the rows of a relation. Columns without a value get none. */
export async function referencesOf(
  duck: Duck,
  from: string,
  columns: readonly NamedType[],
): Promise<Map<string, Reference>> {
  const references = new Map<string, Reference>()
  for (const { name, type } of columns) {
    const reference = await referenceOf(duck, from, name, type)
    if (reference) references.set(name, reference)
  }
  return references
}

async function referenceOf(
  duck: Duck,
  from: string,
  name: string,
  type: ColumnType,
): Promise<Reference | undefined> {
  if (type === 'bool') return { kind: 'category', categories: ['false', 'true'] }
  if (type === 'int' || type === 'float') return await numericReference(duck, from, name)
  if (type === 'string') return await categoryReference(duck, from, name)
  return undefined
}

/**
 * Edges at every twentieth of the values. A column of few values gets a bin for each of them, since quantiles of such a column would throw the top
 * two together.
 */
async function numericReference(duck: Duck, from: string, name: string): Promise<Reference | undefined> {
  const value = `CAST(${quote(name)} AS DOUBLE)`
  const finite = `FROM ${from} WHERE isfinite(${value})`
  const few = await duck.rows<{ v: number }>(
    `SELECT DISTINCT ${value} AS v ${finite} ORDER BY v LIMIT ${BINS + 1}`,
  )
  if (few.length === 0) return undefined
  if (few.length === 1) return { kind: 'numeric', edges: quantileEdges([few[0]!.v], BINS) }
  if (few.length <= BINS) return { kind: 'numeric', edges: [...few.map((r) => r.v), beyond(few.at(-1)!.v)] }
  const levels = Array.from({ length: BINS + 1 }, (_, i) => i / BINS)
  const { q } = await duck.one<{ q: number[] }>(
    `SELECT quantile_disc(${value}, [${levels.join(', ')}]) AS q ${finite}`,
  )
  return { kind: 'numeric', edges: [...new Set(q)] }
}

const beyond = (x: number): number => Math.min(Number.MAX_VALUE, x + Math.max(1, Math.abs(x)))

async function categoryReference(duck: Duck, from: string, name: string): Promise<Reference | undefined> {
  const rows = await duck.rows<{ v: string }>(
    `SELECT ${quote(name)} AS v FROM ${from} WHERE ${quote(name)} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ${CATEGORIES}`,
  )
  return rows.length === 0 ? undefined : { kind: 'category', categories: rows.map((r) => r.v) }
}

/** The bins that stand in stats. */
export function referenceIn(stats: ColumnStats): Reference | undefined {
  const { histogram } = stats
  if (histogram === undefined) return undefined
  return histogram.kind === 'numeric'
    ? { kind: 'numeric', edges: histogram.edges }
    : { kind: 'category', categories: histogram.categories }
}

/** Columns that one query asks about: DuckDB takes some megabytes for each aggregate with a filter, and a column of numbers has twenty of them. */
const COLUMNS_A_QUERY = 5

/**
 * Statistics of all columns of a relation. Numbers beyond the outer edges count in the outer bins; infinities, and numbers beyond 1e100, are left out of moments. Cost: a pass for every five columns, and
 * one for each column of texts.
 */
export async function profile(
  duck: Duck,
  from: string,
  columns: readonly NamedType[],
  references: ReadonlyMap<string, Reference>,
): Promise<Record<string, ColumnStats>> {
  const stats: Record<string, ColumnStats> = {}
  for (let first = 0; first < columns.length; first += COLUMNS_A_QUERY)
    Object.assign(
      stats,
      await profileSome(duck, from, columns.slice(first, first + COLUMNS_A_QUERY), references),
    )
  return stats
}

async function profileSome(
  duck: Duck,
  from: string,
  columns: readonly NamedType[],
  references: ReadonlyMap<string, Reference>,
): Promise<Record<string, ColumnStats>> {
  const asked = columns.flatMap((column, i) => aggregates(column, i, references.get(column.name)))
  const row = await duck.one<Record<string, unknown>>(
    `SELECT count(*) AS n, ${asked.join(', ')} FROM ${from}`,
  )
  const stats: Record<string, ColumnStats> = {}
  for (const [i, column] of columns.entries()) {
    stats[column.name] = statsOf(row, i)
    const histogram = await histogramOf(duck, from, column, references.get(column.name), row, i)
    if (histogram) stats[column.name]!.histogram = histogram
  }
  return stats
}

function aggregates({ name, type }: NamedType, i: number, reference: Reference | undefined): string[] {
  const value = quote(name)
  const basics = [`count(${value}) AS c${i}`, `approx_count_distinct(${value}) AS d${i}`]
  if (type === 'int' || type === 'float') return [...basics, ...numberAggregates(value, i, reference)]
  if (type === 'time' || type === 'date')
    return [...basics, ...['min', 'max'].map((f) => `CAST(epoch_ms(${f}(${value})) AS DOUBLE) AS ${f}${i}`)]
  if (type === 'json') return basics
  return [
    ...basics,
    ...['min', 'max'].map((f) => `left(CAST(${f}(${value}) AS VARCHAR), ${TEXT_CHARS}) AS ${f}${i}`),
  ]
}

function numberAggregates(value: string, i: number, reference: Reference | undefined): string[] {
  const finite = `FILTER (isfinite(CAST(${value} AS DOUBLE)))`
  const counted = `FILTER (${hasMoments(`CAST(${value} AS DOUBLE)`)})`
  const moments = [
    `CAST(min(${value}) ${finite} AS DOUBLE) AS min${i}`,
    `CAST(max(${value}) ${finite} AS DOUBLE) AS max${i}`,
    `CAST(avg(${value}) ${counted} AS DOUBLE) AS mean${i}`,
    `CAST(stddev_samp(${value}) ${counted} AS DOUBLE) AS std${i}`,
  ]
  if (reference?.kind !== 'numeric') return moments
  const inner = reference.edges.slice(1, -1)
  return [
    ...moments,
    ...inner.map((edge, b) => `count(*) FILTER (${value} < ${numberText(edge)}) AS h${i}_${b}`),
  ]
}

/** With exponent, so that DuckDB takes it as a double and not as a decimal. */
const numberText = (x: number): string => `${x.toExponential()}::DOUBLE`

function statsOf(row: Record<string, unknown>, i: number): ColumnStats {
  const stats: ColumnStats = {
    nulls: Number(row.n) - Number(row[`c${i}`]),
    distinctApprox: Number(row[`d${i}`]),
  }
  for (const name of ['min', 'max', 'mean', 'std'] as const) {
    const value = row[`${name}${i}`]
    if (typeof value === 'string' && (name === 'min' || name === 'max')) stats[name] = value
    if (typeof value === 'number' && Number.isFinite(value)) stats[name] = value
  }
  return stats
}

async function histogramOf(
  duck: Duck,
  from: string,
  column: NamedType,
  reference: Reference | undefined,
  row: Record<string, unknown>,
  i: number,
): Promise<Histogram | undefined> {
  if (reference === undefined) return undefined
  const filled = Number(row[`c${i}`])
  const nulls = Number(row.n) - filled
  if (reference.kind === 'category')
    return await categoryHistogram(duck, from, column.name, reference.categories, filled, nulls)
  const below = [0, ...reference.edges.slice(1, -1).map((_, b) => Number(row[`h${i}_${b}`])), filled]
  return {
    kind: 'numeric',
    edges: reference.edges,
    counts: below.slice(1).map((n, b) => n - below[b]!),
    nulls,
  }
}

async function categoryHistogram(
  duck: Duck,
  from: string,
  name: string,
  categories: string[],
  filled: number,
  nulls: number,
): Promise<Histogram> {
  const value = `CAST(${quote(name)} AS VARCHAR)`
  const rows = await duck.rows<{ v: string; n: number }>(
    `SELECT ${value} AS v, count(*) AS n FROM ${from} WHERE ${value} IN (${categories.map(literal).join(', ')}) GROUP BY 1`,
  )
  const counted = new Map(rows.map((r) => [r.v, r.n]))
  const counts = categories.map((category) => counted.get(category) ?? 0)
  return { kind: 'category', categories, counts, other: filled - counts.reduce((a, b) => a + b, 0), nulls }
}
