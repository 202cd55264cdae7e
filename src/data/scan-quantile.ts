/**
 * A quantile of many rows without keeping them: a systematic sample brackets it, and the next pass counts what lies below the bracket and keeps what lies inside.
 * The counts prove the answer, so it is exact whatever the sample was; when the bracket missed, all values are asked for.
 * Source: Munro and Paterson, Selection and sorting with limited storage, 1980 (two passes); the bracket by a sample as in Floyd and Rivest, 1975.
 */
import { raw } from '../expr/sql.ts'
import type { Question } from './scan-questions.ts'
import type { Measurement } from './table-metrics.ts'

export const QUANTILE_LIMITS = {
  /** Rows up to which all values are kept: they fit into memory, and one pass does. */
  wholeRowsMax: 1_000_000,
  /** Rows of the sample that brackets the quantile. */
  sampleRows: 150_000,
} as const
/** Standard deviations of a rank in the sample that the bracket spans on either side. */
const BRACKET_WIDTH = 6

export interface QuantileAsked {
  name: string
  /** A number, missing as null. */
  value: string
  q: number
  /** Rows there are. */
  rows: number
  /** Number of the row. */
  row: string
  limits?: { wholeRowsMax: number; sampleRows: number }
}

/** Asks for the quantile of type 1 (a value of the data), as `TABLE_METRICS.quantile` says. */
export function quantileQuestion(asked: QuantileAsked, put: (measurement: Measurement) => void): Question {
  const { wholeRowsMax } = asked.limits ?? QUANTILE_LIMITS
  return asked.rows <= wholeRowsMax ? wholeQuestion(asked, put) : bracketQuestion(asked, put)
}

function wholeQuestion({ name, value, q }: QuantileAsked, put: (measurement: Measurement) => void): Question {
  return {
    name,
    aggregates: [raw(`quantile_disc(${value}, ${q})`), raw(`count(${value})`)],
    take: ([quantile, n]) => void put({ value: quantile as number | null, n: n as number }),
  }
}

function bracketQuestion(asked: QuantileAsked, put: (measurement: Measurement) => void): Question {
  const { name, value, q, rows, row } = asked
  const { sampleRows } = asked.limits ?? QUANTILE_LIMITS
  const every = Math.max(1, Math.floor(rows / sampleRows))
  const reach = BRACKET_WIDTH * Math.sqrt((q * (1 - q)) / sampleRows) + 3 / sampleRows
  const levels = [Math.max(0, q - reach), Math.min(1, q + reach)]
  const sample = `quantile_disc(${value}, [${levels.join(', ')}]) FILTER (${row} % ${every} = 0)`
  return {
    name,
    aggregates: [raw(sample), raw(`count(${value})`)],
    take: ([bracket, n]) => {
      const [low, high] = (bracket ?? [null, null]) as (number | null)[]
      if (low == null || high == null) return wholeQuestion(asked, put)
      return insideQuestion(
        asked,
        {
          low: levels[0] === 0 ? Number.NEGATIVE_INFINITY : low,
          high: levels[1] === 1 ? Number.POSITIVE_INFINITY : high,
          n: n as number,
        },
        put,
      )
    },
  }
}

interface Bracket {
  low: number
  high: number
  n: number
}

/** Values inside are counted each, so that one which many rows have takes no more room than another. */
function insideQuestion(
  asked: QuantileAsked,
  { low, high, n }: Bracket,
  put: (measurement: Measurement) => void,
): Question {
  const { name, value, q } = asked
  const [a, b] = [low, high].map(doubleSql)
  const inside = `histogram(${value}) FILTER (${value} BETWEEN ${a} AND ${b})`
  return {
    name,
    aggregates: [raw(`count_if(${value} < ${a})`), raw(`map_keys(${inside})`), raw(`map_values(${inside})`)],
    take: ([below, values, counts]) => {
      const found = nth(
        (values ?? []) as number[],
        (counts ?? []) as number[],
        rankOf(q, n) - ((below ?? 0) as number),
      )
      return found === undefined ? wholeQuestion(asked, put) : void put({ value: found, n })
    },
  }
}

/** The value at a place, from 1, among values that occur so often; undefined when the place lies outside. */
function nth(values: readonly number[], counts: readonly number[], place: number): number | undefined {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!)
  let left = place
  if (left <= 0) return undefined
  for (const i of order) {
    left -= counts[i]!
    if (left <= 0) return values[i]
  }
  return undefined
}

/** Place of the quantile among n values in order, from 1. The arithmetic is the engine's own. */
const rankOf = (q: number, n: number): number => Math.max(1, n - Math.floor(n - q * n))

const doubleSql = (x: number): string =>
  Number.isFinite(x) ? `${x.toExponential()}::DOUBLE` : `'${x < 0 ? '-' : ''}inf'::DOUBLE`
