/** Columns of which one never exceeds another, although their values would if they were dealt out anew: an arrival is not before its departure. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import { col } from '../../expr/builder.ts'
import { type Candidate, percentText } from './candidate.ts'
import type { Sample, SampledColumn } from './sample.ts'

const ROWS_MIN = 50
/** Share of rows that break the order when values are dealt out anew, at least: below, the ranges alone keep them apart. */
const CHANCE_MIN = 0.03
const FAILING_MAX = 0.001
/** How far values are dealt, as shares of the rows. */
const SHIFTS = [0.31, 0.5, 0.73]

export function orders(sample: Sample): Candidate[] {
  const pairs = pairsOf(sample)
  const strong = pairs.filter(({ low, high }) => !isImplied(pairs, low, high))
  return strong.map(candidate)
}

interface Pair {
  low: SampledColumn
  high: SampledColumn
  rows: number
  failing: number
  byChance: number
}

function pairsOf({ columns, rows }: Sample): Pair[] {
  const numeric = columns.filter((c) => c.numbers !== undefined && c.distinct > 2)
  return numeric.flatMap((low) =>
    numeric.flatMap((high) => {
      if (low === high || isInstant(low) !== isInstant(high)) return []
      const pair = pairOf(low, high, rows)
      return pair ? [pair] : []
    }),
  )
}

const isInstant = ({ type }: SampledColumn): boolean => type === 'time' || type === 'date'

function pairOf(low: SampledColumn, high: SampledColumn, rows: number): Pair | undefined {
  const real = exceeding(low.numbers!, high.numbers!, 0)
  if (real.rows < ROWS_MIN || real.failing > FAILING_MAX * real.rows || real.equal === real.rows)
    return undefined
  const dealt = SHIFTS.map((share) => exceeding(low.numbers!, high.numbers!, Math.floor(share * rows)))
  const byChance = dealt.reduce((sum, d) => sum + d.failing / Math.max(1, d.rows), 0) / SHIFTS.length
  if (byChance < Math.max(CHANCE_MIN, 20 / real.rows)) return undefined
  return { low, high, rows: real.rows, failing: real.failing, byChance }
}

function exceeding(
  low: Float64Array,
  high: Float64Array,
  shift: number,
): { rows: number; failing: number; equal: number } {
  const n = low.length
  const found = { rows: 0, failing: 0, equal: 0 }
  for (let i = 0; i < n; i++) {
    const [a, b] = [low[i]!, high[(i + shift) % n]!]
    if (Number.isNaN(a) || Number.isNaN(b)) continue
    found.rows++
    if (a > b) found.failing++
    if (a === b) found.equal++
  }
  return found
}

/** a <= c says nothing new beside a <= b and b <= c. */
function isImplied(pairs: readonly Pair[], low: SampledColumn, high: SampledColumn): boolean {
  const has = (a: SampledColumn, b: SampledColumn) =>
    pairs.some((p) => p.low === a && p.high === b && p.failing === 0)
  return pairs.some(
    ({ low: from, high: middle }) =>
      from === low && middle !== high && has(low, middle) && has(middle, high) && !has(middle, low),
  )
}

function candidate({ low, high, rows, failing, byChance }: Pair): Candidate {
  return {
    kind: 'order',
    check: checks.holds(col(low.name).le(col(high.name))).def,
    columns: [low.name, high.name],
    why: `holds in ${failing === 0 ? `all ${grouped(rows)}` : `${grouped(rows - failing)} of ${grouped(rows)}`} rows, and would fail in ${percentText(byChance)} of them by chance`,
    failingMax: 0.01,
  }
}
