/** One value spelt in several ways, such as `>50K` and `>50K.`. */
import { grouped } from '../../core/grouped.ts'
import { quoteText } from '../../expr/source-text.ts'
import { type Duck, quote } from '../duck.ts'
import { inWords, REMARK_LIMITS, type Remark, shownText } from './remark.ts'

export interface Spelling {
  value: string
  rows: number
}

/** Case, blanks, hyphens and a stop at the end do not tell values apart. */
export function plainSpelling(value: string): string {
  return value
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .replace(/[ .,;:!?]+$/, '')
    .trim()
}

/** Values that are one but for their spelling, the most frequent spelling first, the groups with most rows of other spellings first. */
export function spellingsOf(values: readonly Spelling[]): Spelling[][] {
  const groups = new Map<string, Spelling[]>()
  for (const value of values) {
    const plain = plainSpelling(value.value)
    if (plain === '') continue
    const group = groups.get(plain)
    if (group) group.push(value)
    else groups.set(plain, [value])
  }
  const others = (group: Spelling[]) => group.slice(1).reduce((sum, { rows }) => sum + rows, 0)
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => group.sort((a, b) => b.rows - a.rows || (a.value < b.value ? -1 : 1)))
    .sort((a, b) => others(b) - others(a) || (a[0].value < b[0].value ? -1 : 1))
}

export interface SpellingAsked {
  from: string
  column: string
  /** Relations by file with the same column, to say where a spelling is. */
  files: readonly { name: string; rows: string }[]
  /** Spellings that rows of the dataset have already. */
  before: readonly string[]
}

/** At most one remark. Cost: a pass over the column, and one over each file when there is something to say. */
export async function spellingRemark(
  duck: Duck,
  { from, column, files, before }: SpellingAsked,
): Promise<Remark[]> {
  const c = quote(column)
  const values = await duck.rows<Spelling>(
    `SELECT ${c} AS value, count(*) AS rows FROM ${from} WHERE ${c} IS NOT NULL GROUP BY 1 ORDER BY 1`,
  )
  const fresh = new Set(values.map(({ value }) => value))
  const known = before.filter((value) => !fresh.has(value)).map((value) => ({ value, rows: 0 }))
  const groups = spellingsOf([...values, ...known]).filter((group) => group.some(({ rows }) => rows > 0))
  if (groups.length === 0) return []
  const shown = groups.slice(0, REMARK_LIMITS.shown)
  const only = files.length > 1 ? await placesOf(duck, column, shown.flat(), files) : new Map()
  const texts = shown.map((group) =>
    inWords(
      group.map(
        ({ value, rows }) =>
          `${shownText(value)} (${rows === 0 ? 'in earlier rows' : grouped(rows)}${only.get(value) ?? ''})`,
      ),
    ),
  )
  const more = groups.length - shown.length
  const rows = groups.reduce((sum, group) => sum + group.slice(1).reduce((n, s) => n + s.rows, 0), 0)
  return [
    {
      kind: 'spelling',
      columns: [column],
      rows,
      text: `${column} spells ${groups.length === 1 ? 'one value' : `${grouped(groups.length)} values`} in several ways: ${texts.join('; ')}${more > 0 ? `; and ${grouped(more)} more` : ''}`,
      fix: `write one of them in the source, or ask for all: col(${quoteText(column)}).isIn([${shown[0].map(({ value }) => quoteText(value)).join(', ')}])`,
    },
  ]
}

/** The file of each value that only one file has. */
async function placesOf(
  duck: Duck,
  column: string,
  values: readonly Spelling[],
  files: SpellingAsked['files'],
): Promise<Map<string, string>> {
  const found = new Map<string, string[]>()
  for (const { name, rows } of files) {
    const there = await duck.rows<{ v: string }>({
      text: `SELECT DISTINCT ${quote(column)} AS v FROM ${rows} WHERE ${quote(column)} IN (${values.map(() => '?').join(', ')})`,
      params: values.map(({ value }) => value),
    })
    for (const { v } of there) found.set(v, [...(found.get(v) ?? []), name])
  }
  return new Map(
    [...found].flatMap(([value, names]) => (names.length === 1 ? [[value, `, all in ${names[0]}`]] : [])),
  )
}
