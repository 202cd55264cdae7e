/**
 * Quantiles of many rows without keeping them: a systematic sample brackets each, and the next pass counts what lies below the bracket and each value inside it.
 * The counts prove the answer, so it is exact whatever the sample was; when a bracket missed, all values are asked for.
 * Source: Munro and Paterson, Selection and sorting with limited storage, 1980 (two passes); the bracket by a sample as in Floyd and Rivest, 1975.
 */
import { raw } from '../expr/sql.ts'
import type { Question } from './scan-questions.ts'
import type { Measurement } from './table-metrics.ts'

export const QUANTILE_LIMITS = {
  /** Rows up to which all values are kept: they fit into memory, and one pass does. */
  wholeRowsMax: 500_000,
  /** Rows of the sample that brackets the quantiles. */
  sampleRows: 100_000,
} as const

/** Standard deviations of a rank in the sample that a bracket spans on either side. */
const BRACKET_WIDTH = 6

/** One quantile of a column, and the check that asks for it. */
export interface Level {
  name: string
  q: number
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
  return asked.rows <= wholeRowsMax ? wholeQuestion(asked, put) : bracketQuestion(asked, put)
}

const namesOf = (levels: readonly Level[]): string[] => levels.map(({ name }) => name)

function wholeQuestion({ levels, value }: QuantilesAsked, put: Put): Question {
  return {
    names: namesOf(levels),
    aggregates: [
      raw(`quantile_disc(${value}, [${levels.map(({ q }) => q).join(', ')}])`),
      raw(`count(${value})`),
    ],
    take: ([found, n]) => {
      for (const [i, { name }] of levels.entries())
        put(name, { value: (found as number[] | null)?.[i] ?? null, n: n as number })
      return undefined
    },
  }
}

interface Bracket extends Level {
  low: number
  high: number
}

function bracketQuestion(asked: QuantilesAsked, put: Put): Question {
  const { levels, value, rows, row } = asked
  const { sampleRows } = asked.limits ?? QUANTILE_LIMITS
  const every = Math.max(1, Math.floor(rows / sampleRows))
  const ends = levels.map(({ q }) => {
    const reach = BRACKET_WIDTH * Math.sqrt((q * (1 - q)) / sampleRows) + 3 / sampleRows
    return [Math.max(0, q - reach), Math.min(1, q + reach)] as const
  })
  const sample = `quantile_disc(${value}, [${ends.flat().join(', ')}]) FILTER (${row} % ${every} = 0)`
  return {
    names: namesOf(levels),
    aggregates: [raw(sample), raw(`count(${value})`)],
    take: ([found, n]) => {
      if (found === null) return wholeQuestion(asked, put)
      const brackets = levels.map(
        (level, i): Bracket => ({
          ...level,
          low: ends[i]![0] === 0 ? Number.NEGATIVE_INFINITY : (found as number[])[2 * i]!,
          high: ends[i]![1] === 1 ? Number.POSITIVE_INFINITY : (found as number[])[2 * i + 1]!,
        }),
      )
      return insideQuestion(asked, brackets, n as number, put)
    },
  }
}

/** Values inside are counted each, so that one which many rows have takes no more room than another. */
function insideQuestion(asked: QuantilesAsked, brackets: readonly Bracket[], n: number, put: Put): Question {
  const { value } = asked
  const isInside = brackets.map(
    ({ low, high }) => `${value} BETWEEN ${doubleSql(low)} AND ${doubleSql(high)}`,
  )
  const inside = `histogram(${value}) FILTER (${isInside.join(' OR ')})`
  const below = brackets.map(({ low }) => raw(`coalesce(count_if(${value} < ${doubleSql(low)}), 0)`))
  return {
    names: namesOf(brackets),
    aggregates: [raw(`map_keys(${inside})`), raw(`map_values(${inside})`), ...below],
    take: ([values, counts, ...before]) => {
      const counted = sorted((values ?? []) as number[], (counts ?? []) as number[])
      const missed: Level[] = []
      for (const [i, bracket] of brackets.entries()) {
        const found = nth(counted, bracket, rankOf(bracket.q, n) - (before[i] as number))
        if (found === undefined) missed.push(bracket)
        else put(bracket.name, { value: found, n })
      }
      return missed.length === 0 ? undefined : wholeQuestion({ ...asked, levels: missed }, put)
    },
  }
}

interface Counted {
  value: number
  n: number
}

function sorted(values: readonly number[], counts: readonly number[]): Counted[] {
  return values.map((value, i) => ({ value, n: counts[i]! })).sort((a, b) => a.value - b.value)
}

/** The value at a place, from 1, among those of a bracket; undefined when the place lies outside. */
function nth(counted: readonly Counted[], { low, high }: Bracket, place: number): number | undefined {
  let left = place
  if (left <= 0) return undefined
  for (const { value, n } of counted) {
    if (value < low) continue
    if (value > high) return undefined
    left -= n
    if (left <= 0) return value
  }
  return undefined
}

/** Place of the quantile among n values in order, from 1. The arithmetic is the engine's own. */
const rankOf = (q: number, n: number): number => Math.max(1, n - Math.floor(n - q * n))

const doubleSql = (x: number): string =>
  Number.isFinite(x) ? `${x.toExponential()}::DOUBLE` : `'${x < 0 ? '-' : ''}inf'::DOUBLE`
