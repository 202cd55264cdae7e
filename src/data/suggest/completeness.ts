/** Which columns always have a value, and how often the others have one. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import { type Candidate, percentText } from './candidate.ts'
import { filledShare } from './facts.ts'
import type { ColumnFacts } from './types.ts'

/** Columns that are mostly empty promise nothing. */
const FILLED_MIN = 0.5

export function completeness(facts: ColumnFacts): Candidate[] {
  const share = filledShare(facts)
  if (share < FILLED_MIN) return []
  const all = facts.nulls === 0
  return [
    {
      kind: 'complete',
      check: checks.notNull(facts.name).def,
      columns: [facts.name],
      why: all
        ? `all ${grouped(facts.rows)} rows have a value`
        : `${grouped(facts.nulls)} of ${grouped(facts.rows)} rows have none (${percentText(1 - share)})`,
      failingMax: all ? 0.01 : 1 - FILLED_MIN / 2,
    },
  ]
}
