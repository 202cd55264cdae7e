/** Columns whose values never repeat, where chance alone would have made some repeat. */
import { checks } from '../../define/checks.ts'
import { type Candidate, grouped } from './candidate.ts'
import { filledRows } from './facts.ts'
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
