/** Columns that must not become features: names of rows, columns without news, and those that know the answer. */
import type { ModelTask } from '../../core/records.ts'
import type { ColumnFacts, Row, TargetGuess } from './target.ts'

export interface LeftOut {
  column: string
  why: string
}

/** Share of rows whose answer a column may decide alone before it is taken to know it: as training decides. */
const PURITY = 0.995
/** Share of the more frequent answer above which purity says nothing. */
const MAJORITY_MAX = 0.98
/** Distinct values that a column which knows the answer has at most, by row: more are an accident. */
const ROWS_A_VALUE = 20
/** Correlation with a numeric target from which a column is the target in other units. */
const SAME_NUMBER = 0.9999

/** What should be left out, in the order of the columns. `rows` are some rows of the file. */
export function guessLeftOut(
  columns: readonly ColumnFacts[],
  rows: readonly Row[],
  total: number,
  target: Pick<TargetGuess, 'column' | 'task' | 'positive'>,
  time?: string,
): LeftOut[] {
  return columns
    .filter(({ name }) => name !== target.column && name !== time)
    .flatMap((column) => {
      const why = withoutNews(column, total) ?? idWhy(column, total) ?? leakWhy(column, rows, target)
      return why === undefined ? [] : [{ column: column.name, why }]
    })
}

function withoutNews({ distinct, nulls }: ColumnFacts, total: number): string | undefined {
  if (distinct === 0) return 'it is empty'
  return distinct === 1 && nulls === 0 && total > 1 ? 'it is the same in every row' : undefined
}

const ID_NAME = /(^|[_\s-])(id|uuid|guid|key|index|rownum|row_number)$|^unnamed/i

function idWhy({ name, type, distinct, nulls, min, max }: ColumnFacts, total: number): string | undefined {
  if (total <= 100 || nulls > total / 2) return undefined
  const isUnique = distinct > 0.9 * total
  if (type === 'string' && isUnique) return 'it names the row: nearly every row has a value of its own'
  if (type !== 'int' || !isUnique || nulls > 0) return undefined
  const counts = typeof min === 'number' && typeof max === 'number' && max - min < total * 1.1
  return counts || ID_NAME.test(name) ? 'it numbers the rows' : undefined
}

function leakWhy(
  { name, type }: ColumnFacts,
  rows: readonly Row[],
  target: { column: string; task: ModelTask; positive?: unknown },
): string | undefined {
  if (target.task === 'regression')
    return type === 'int' || type === 'float' ? sameNumber(name, rows, target.column) : undefined
  const answerOf =
    target.task === 'multiclass' ? String : (answer: unknown) => answer === (target.positive ?? true)
  const kept = purity(name, rows, target.column, answerOf)
  if (kept === undefined) return undefined
  return `it gives the answer away: alone it decides ${+(100 * kept).toFixed(1)} % of the rows`
}

/** Share of rows that the column alone decides, when that is suspicious. */
function purity(
  column: string,
  rows: readonly Row[],
  target: string,
  answerOf: (value: unknown) => unknown,
): number | undefined {
  const groups = new Map<unknown, Map<unknown, number>>()
  const all = new Map<unknown, number>()
  let n = 0
  for (const row of rows) {
    const value = row[target]
    if (value === null || value === undefined) continue
    const answer = answerOf(value)
    const group = groups.get(row[column]) ?? new Map<unknown, number>()
    groups.set(row[column], group)
    for (const counts of [group, all]) counts.set(answer, (counts.get(answer) ?? 0) + 1)
    n++
  }
  const most = (counts: ReadonlyMap<unknown, number>) => Math.max(0, ...counts.values())
  if (n < 50 || most(all) / n >= MAJORITY_MAX || groups.size > Math.max(all.size, n / ROWS_A_VALUE))
    return undefined
  let decided = 0
  for (const group of groups.values()) decided += most(group)
  return decided / n >= PURITY ? decided / n : undefined
}

function sameNumber(column: string, rows: readonly Row[], target: string): string | undefined {
  const r = correlation(rows, column, target)
  return r !== undefined && Math.abs(r) >= SAME_NUMBER ? 'it is the target in other numbers' : undefined
}

/** Pearson's correlation over the rows that have both; undefined below 50 or when one is constant. */
function correlation(rows: readonly Row[], a: string, b: string): number | undefined {
  let n = 0
  let meanA = 0
  let meanB = 0
  let varA = 0
  let varB = 0
  let both = 0
  for (const row of rows) {
    const [x, y] = [row[a], row[b]]
    if (typeof x !== 'number' || typeof y !== 'number') continue
    n++
    const dx = x - meanA
    const dy = y - meanB
    meanA += dx / n
    meanB += dy / n
    varA += dx * (x - meanA)
    varB += dy * (y - meanB)
    both += dx * (y - meanB)
  }
  return n < 50 || varA === 0 || varB === 0 ? undefined : both / Math.sqrt(varA * varB)
}
