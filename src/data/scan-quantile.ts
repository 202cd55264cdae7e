/**
 * Quantiles of many rows by counting: how many values lie below the least bound, and how many do not exceed the greatest, says on which side the quantile is. So the
 * verdict is exact in one pass that holds no column. The value that is shown is that of a sample; where the counts prove the sample wrong, it is the value of the data next to the bound.
 */
import { raw, type Sql } from '../expr/sql.ts'
import type { Question } from './scan-questions.ts'
import type { Measurement } from './table-metrics.ts'

export const QUANTILE_LIMITS = {
  /** Rows up to which all values are kept, and the value that is shown is exact. */
  wholeRowsMax: 500_000,
  /** Rows of the sample, about: where all have a value, a rank in it is off by less than a hundredth (six standard deviations). */
  sampleRows: 100_000,
} as const

/** Where less than one row in so many has a value, a sample would hold few, and all values are kept. */
const SPARSE = 100

/** One quantile of a column with its bounds, both included, and the check that asks for it. */
export interface Level {
  name: string
  q: number
  min?: number
  max?: number
}

/** All quantiles that are asked of one column. */
export interface QuantilesAsked {
  levels: Level[]
  /** A number, missing as null. */
  value: string
  /** Rows there are. */
  rows: number
  /** Number of the row. */
  row: string
  limits?: { wholeRowsMax: number; sampleRows: number }
}

type Put = (name: string, measurement: Measurement) => void

/** Asks for quantiles of type 1 (values of the data), as `TABLE_METRICS.quantile` says. */
export function quantilesQuestion(asked: QuantilesAsked, put: Put): Question {
  const { wholeRowsMax } = asked.limits ?? QUANTILE_LIMITS
  return asked.rows <= wholeRowsMax ? wholeQuestion(asked, put) : countedQuestion(asked, put)
}

const namesOf = (levels: readonly Level[]): string[] => levels.map(({ name }) => name)

const levelsSql = (levels: readonly Level[]): string => `[${levels.map(({ q }) => q).join(', ')}]`

function wholeQuestion({ levels, value }: QuantilesAsked, put: Put): Question {
  return {
    names: namesOf(levels),
    aggregates: [raw(`quantile_disc(${value}, ${levelsSql(levels)})`), raw(`count(${value})`)],
    take: ([found, n]) => {
      for (const [i, { name }] of levels.entries())
        put(name, { value: (found as number[] | null)?.[i] ?? null, n: n as number })
      return undefined
    },
  }
}

/** Rows are drawn by the hash of their number: no period of the rows can meet one of the sample, and the same rows are drawn each time. */
function countedQuestion(asked: QuantilesAsked, put: Put): Question {
  const { levels, value, rows, row } = asked
  const { sampleRows, wholeRowsMax } = asked.limits ?? QUANTILE_LIMITS
  const drawn = `CASE WHEN hash(${row}) % ${Math.max(1, Math.floor(rows / sampleRows))} = 0 THEN ${value} END`
  return {
    names: namesOf(levels),
    aggregates: [
      raw(`quantile_disc(${drawn}, ${levelsSql(levels)})`),
      raw(`count(${value})`),
      ...levels.flatMap(({ min, max }) => [countSql(value, '<', min), countSql(value, '<=', max)]),
    ],
    take: ([sample, filled, ...counts]) => {
      const n = filled as number
      if (sample === null || n <= Math.max(wholeRowsMax, rows / SPARSE)) return wholeQuestion(asked, put)
      const judged = levels.map((level, i): Judged => {
        const side = sideOf(rankOf(level.q, n), counts[2 * i] as number, counts[2 * i + 1] as number)
        return { level, side, about: (sample as number[])[i]! }
      })
      return settle(asked, judged, (name, near) => put(name, { value: near, n, isNear: true }))
    },
  }
}

/** Without a bound none lies below the least, and all below the greatest. */
function countSql(value: string, than: '<' | '<=', bound: number | undefined): Sql {
  if (bound !== undefined) return raw(`coalesce(count_if(${value} ${than} ${doubleSql(bound)}), 0)`)
  return raw(than === '<' ? '0' : `count(${value})`)
}

/** Where a quantile lies by its bounds. */
type Side = 'below' | 'within' | 'above'

interface Judged {
  level: Level
  /** What the counts prove. */
  side: Side
  /** What the sample says. */
  about: number
}

function sideOf(place: number, below: number, notAbove: number): Side {
  if (below >= place) return 'below'
  return notAbove >= place ? 'within' : 'above'
}

function sideBy(value: number, { min, max }: Level): Side {
  if (value < (min ?? Number.NEGATIVE_INFINITY)) return 'below'
  return value <= (max ?? Number.POSITIVE_INFINITY) ? 'within' : 'above'
}

/** Values on the side that was proven are put; for the others, the values next to the bounds are asked. */
function settle(
  { value }: QuantilesAsked,
  judged: readonly Judged[],
  put: (name: string, near: number) => void,
): Question | undefined {
  const isRight = ({ about, level, side }: Judged): boolean => sideBy(about, level) === side
  for (const each of judged.filter(isRight)) put(each.level.name, each.about)
  const wrong = judged.filter((each) => !isRight(each))
  if (wrong.length === 0) return undefined
  return {
    names: namesOf(wrong.map(({ level }) => level)),
    aggregates: wrong.map((each) => raw(nextSql(value, each))),
    take: (found) => {
      for (const [i, { level }] of wrong.entries()) put(level.name, found[i] as number)
      return undefined
    },
  }
}

/** The value next to the bound that lies between a quantile and its sample. There is one: the quantile itself lies on that side. */
function nextSql(value: string, { side, about, level: { min, max } }: Judged): string {
  const next = (fn: 'min' | 'max', than: string, bound: number): string =>
    `${fn}(CASE WHEN ${value} ${than} ${doubleSql(bound)} THEN ${value} END)`
  if (side === 'below') return next('max', '<', min!)
  if (side === 'above') return next('min', '>', max!)
  return min !== undefined && about < min ? next('min', '>=', min) : next('max', '<=', max!)
}

/** Place of the quantile among n values in order, from 1. The arithmetic is the engine's own. */
const rankOf = (q: number, n: number): number => Math.max(1, n - Math.floor(n - q * n))

const doubleSql = (x: number): string =>
  Number.isFinite(x) ? `${x.toExponential()}::DOUBLE` : `'${x < 0 ? '-' : ''}inf'::DOUBLE`
