/** Columns whose values never repeat, where chance alone would have made some repeat. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import type { Candidate } from './candidate.ts'
import { filledRows } from './facts.ts'
import type { Sample, SampledColumn } from './sample.ts'
import type { ColumnFacts } from './types.ts'

const ROWS_MIN = 30
/** Repetitions that values drawn at random from the same span would have. */
const EXPECTED_MIN = 10
/** Longer texts are prose, which does not repeat anyway. */
const CHARS_MAX = 64

/** Numbers with a fraction measure and do not name; whole numbers and texts may. */
export function unique(facts: ColumnFacts): Candidate[] {
  const n = filledRows(facts)
  const isCandidate = facts.type === 'int' || facts.type === 'string'
  if (!isCandidate || n < ROWS_MIN || facts.distinct !== n || !isTelling(facts, n)) return []
  return [
    {
      kind: 'unique',
      check: checks.unique(facts.name).def,
      columns: [facts.name],
      why: `no value repeats in ${grouped(n)} rows`,
      failingMax: 0,
    },
  ]
}

function isTelling({ numbers, values }: ColumnFacts, n: number): boolean {
  if (numbers) {
    const span = numbers.at(-1)! - numbers[0]! + 1
    return (n * (n - 1)) / 2 / span >= EXPECTED_MIN
  }
  const chars = values.reduce((sum, { value }) => sum + String(value).length, 0) / Math.max(1, values.length)
  return chars <= CHARS_MAX
}

/** Two columns that name a row together, where neither does alone: a source and a flight. The pair with the fewest values, when chance would have made it repeat. */
export function uniquePair({ columns, rows }: Sample): Candidate[] {
  const usable = columns.filter(
    (c) => c.type !== 'float' && c.type !== 'bool' && c.filled >= FILLED_MIN && c.distinct >= 2,
  )
  const repeats = usable.map(repetition)
  const pairs = usable.flatMap((a, i) =>
    usable.slice(i + 1).flatMap((b, j) => {
      const expected = ((rows * (rows - 1)) / 2) * repeats[i]! * repeats[i + 1 + j]!
      const canBe = rows >= ROWS_MIN && expected >= EXPECTED_MIN && a.distinct * b.distinct >= rows
      return canBe && neverMeetTwice(a, b) ? [{ a, b, expected }] : []
    }),
  )
  const [best] = pairs.toSorted((x, y) => x.a.distinct + x.b.distinct - (y.a.distinct + y.b.distinct))
  if (!best) return []
  const names = [best.a.name, best.b.name]
  return [
    {
      kind: 'unique',
      check: checks.unique(...names).def,
      columns: names,
      why: `no pair of values repeats in ${grouped(rows)} rows, where chance would have made ${grouped(Math.round(best.expected))} repeat`,
      failingMax: 0,
    },
  ]
}

const FILLED_MIN = 0.99

/** Chance that two rows have the same value. */
function repetition({ codes, distinct }: SampledColumn): number {
  const counts = new Float64Array(distinct + 1)
  for (const code of codes) counts[code]!++
  let sum = 0
  for (const n of counts) sum += (n / codes.length) ** 2
  return sum
}

function neverMeetTwice(a: SampledColumn, b: SampledColumn): boolean {
  const seen = new Set<number>()
  for (let row = 0; row < a.codes.length; row++) {
    const pair = a.codes[row]! * (b.distinct + 1) + b.codes[row]!
    if (a.codes[row] === 0 || b.codes[row] === 0) continue
    if (seen.has(pair)) return false
    seen.add(pair)
  }
  return true
}
