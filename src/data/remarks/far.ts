/** Numbers and instants far from all others of their column, and rows of another period than the others. */
import { grouped } from '../../core/grouped.ts'
import { quoteText } from '../../expr/source-text.ts'
import { farValues } from '../../stats/far-values.ts'
import { type Duck, quote } from '../duck.ts'
import { inWords, REMARK_LIMITS, type Remark } from './remark.ts'

type NamedType = { name: string; type: string }

/** Outermost values that are looked at on each side: a twentieth of the rows within these. */
const TAIL = { min: 50, max: 400, share: 0.05 }
/** A column of fewer rows has no tail. */
const ROWS_MIN = 200

const isTime = ({ type }: NamedType): boolean => type === 'time' || type === 'date'

/** A column as a number; instants in milliseconds. */
function numberOf(column: NamedType): string {
  const c = quote(column.name)
  return isTime(column) ? `CAST(epoch_ms(${c}) AS DOUBLE)` : `CAST(${c} AS DOUBLE)`
}

/** At most one remark a side of a column. Cost: one pass for every twenty columns of numbers and instants. */
export async function farRemarks(
  duck: Duck,
  from: string,
  nRows: number,
  columns: readonly NamedType[],
): Promise<Remark[]> {
  const asked = columns.filter((c) => isTime(c) || c.type === 'int' || c.type === 'float')
  if (asked.length === 0 || nRows < ROWS_MIN) return []
  // Heaps of many columns at once take memory that an import may not have.
  const found: Remark[] = []
  for (let first = 0; first < asked.length; first += COLUMNS_A_QUERY)
    found.push(...(await farOf(duck, from, nRows, asked.slice(first, first + COLUMNS_A_QUERY))))
  return found
}

const COLUMNS_A_QUERY = 20

async function farOf(
  duck: Duck,
  from: string,
  nRows: number,
  asked: readonly NamedType[],
): Promise<Remark[]> {
  const k = Math.max(TAIL.min, Math.min(TAIL.max, Math.floor(nRows * TAIL.share)))
  const middles = await middlesOf(duck, from, nRows, asked)
  const terms = asked.map((column, i) => {
    const x = numberOf(column)
    const { low, high } = middles[i]
    // Only what may be outermost goes through the heaps.
    const only = (side: string) => `FILTER (isfinite(${x})${nRows < FEW_ROWS ? '' : ` AND ${x} ${side}`})`
    return `min(${x}, ${k}) ${only(`<= ${low}`)} AS l${i}, max(${x}, ${k}) ${only(`>= ${high}`)} AS h${i}`
  })
  const row = await duck.one<Record<string, number[] | null>>(`SELECT ${terms.join(', ')} FROM ${from}`)
  return asked.flatMap((column, i) => {
    const { middle } = middles[i]
    if (middle === null) return []
    return [row[`l${i}`], row[`h${i}`]].flatMap((values) => sideRemark(column, values ?? [], middle))
  })
}

/** Rows from which tails are looked for beyond the outer fiftieths alone, and of which some are enough for those and the middle. */
const FEW_ROWS = 100_000
const SAMPLE_ROWS = 50_000
const OUTER = 0.02

interface Middle {
  low: number
  middle: number | null
  high: number
}

/** Outer fiftieths and the middle of each column, of rows spread evenly. */
async function middlesOf(
  duck: Duck,
  from: string,
  nRows: number,
  columns: readonly NamedType[],
): Promise<Middle[]> {
  const step = Math.max(1, Math.floor(nRows / SAMPLE_ROWS))
  const terms = columns.map((column, i) => {
    const x = numberOf(column)
    return `quantile_disc(${x}, [${OUTER}, 0.5, ${1 - OUTER}]) FILTER (isfinite(${x})) AS q${i}`
  })
  const row = await duck.one<Record<string, number[] | null>>(
    `SELECT ${terms.join(', ')} FROM ${from} WHERE rowid % ${step} = 0`,
  )
  return columns.map((_, i) => {
    const [low, middle, high] = row[`q${i}`] ?? [0, null, 0]
    return { low: low ?? 0, middle, high: high ?? 0 }
  })
}

function sideRemark(column: NamedType, values: readonly number[], middle: number): Remark[] {
  const found = farValues(Float64Array.from(values, (x) => Math.abs(x - middle)))
  if (!found) return []
  const far = values.slice(0, found.n)
  const next = valueText(column, values[found.n])
  const { name } = column
  const base = { columns: [name], rows: found.n }
  if (found.n > REMARK_LIMITS.shown && far[0] === far[far.length - 1])
    return [
      {
        ...base,
        kind: 'code-value',
        text: `${grouped(found.n)}${values.length === found.n ? ' or more' : ''} rows have ${valueText(column, far[0])} in ${name}, far from all others (the next is ${next}): does it stand for something else?`,
        fix: `where it does, leave such rows out or say so: checks.holds(col(${quoteText(name)}).ne(${isTime(column) ? `new Date('${new Date(far[0]).toISOString()}')` : far[0]}))`,
      },
    ]
  const texts = [...new Set(far.slice(0, REMARK_LIMITS.shown).map((x) => valueText(column, x)))]
  return [
    {
      ...base,
      kind: 'far-values',
      text: `${inWords(texts)} in ${name} ${found.n === 1 ? 'lies' : 'lie'} far from all others (the next is ${next})`,
      fix:
        far[0] < middle
          ? boundText(column, values[found.n], 'min')
          : boundText(column, values[found.n], 'max'),
    },
  ]
}

/** A check that would put them aside. */
function boundText({ name, type }: NamedType, next: number, side: 'min' | 'max'): string | undefined {
  if (type !== 'int' && type !== 'float') return undefined
  return `checks.holds(col(${quoteText(name)}).${side === 'min' ? 'gte' : 'lte'}(${next})) puts such rows aside`
}

function valueText(column: NamedType, x: number): string {
  if (isTime(column)) return new Date(x).toISOString().replace(/(T00:00:00)?\.000Z$|Z$/, '')
  return grouped(x)
}

/** Share of a usual period's rows below which those at the ends are strays. */
const STRAY_SHARE = 0.001
/** Periods that a set of rows needs before one of them can be unusual. */
const PERIODS_MIN = 3

/** Rows at either end of time in months (or days, where the months are few) that have hardly any. Cost: one pass over the column. */
export async function strayRemarks(duck: Duck, from: string, time: NamedType): Promise<Remark[]> {
  if (!isTime(time)) return []
  for (const unit of ['month', 'day']) {
    const periods = await duck.rows<{ at: string; n: number }>(
      `SELECT strftime(date_trunc('${unit}', ${quote(time.name)}), '${unit === 'month' ? '%Y-%m' : '%Y-%m-%d'}') AS at, count(*) AS n
       FROM ${from} WHERE ${quote(time.name)} IS NOT NULL GROUP BY 1 ORDER BY 1`,
    )
    if (periods.length > PERIODS_MIN) return strays(time.name, unit, periods)
  }
  return []
}

function strays(column: string, unit: string, periods: readonly { at: string; n: number }[]): Remark[] {
  const usual = [...periods].map(({ n }) => n).sort((a, b) => a - b)[Math.floor(periods.length / 2)]
  const few = ({ n }: { n: number }) => n < STRAY_SHARE * usual
  const first = periods.findIndex((p) => !few(p))
  const last = periods.findLastIndex((p) => !few(p))
  return [periods.slice(0, first), periods.slice(last + 1)].flatMap((ends): Remark[] => {
    if (ends.length === 0) return []
    const rows = ends.reduce((sum, { n }) => sum + n, 0)
    const when = ends.length === 1 ? ends[0].at : `${ends[0].at} to ${ends[ends.length - 1].at}`
    return [
      {
        kind: 'stray-rows',
        columns: [column],
        rows,
        text: `${grouped(rows)} ${rows === 1 ? 'row is' : 'rows are'} of ${when}, where a usual ${unit} has ${grouped(usual)}: ${rows === 1 ? 'it seems' : 'they seem'} to belong to another delivery`,
        fix: `import with --period, and checks.inWindow(${quoteText(column)}) puts such rows aside`,
      },
    ]
  })
}
