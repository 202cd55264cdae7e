/** Which columns have few values that no new one joins, and which of their values are likely misspelt. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import { editDistance } from '../../expr/close-names.ts'
import type { Candidate } from './candidate.ts'
import { filledRows } from './facts.ts'
import type { ColumnFacts } from './types.ts'

const VALUES_MAX = 120
/** Rows that a value stands for on average, at least. */
const ROWS_PER_VALUE = 5
/** Share of rows with a value that was seen once: Good and Turing's estimate of the share that new values will have. */
const UNSEEN_MAX = 0.01
/** A misspelt value is this much rarer than the one that was meant. */
const RARER = 20
/** A slip that is made more often than this is a value, unless there are several slips: `ISLAND` is no slip of `INLAND`. */
const REPEATED_MAX = 2
const SCATTERED_MIN = 3
/** Slips are all different, so that each is rare: a value of more rows than this is meant. */
const SLIP_ROWS_MAX = 3
const SLIP_SHARE_MAX = 0.005
const LONG_SLIP_SHARE_MAX = 0.02
/** Shorter ones are codes, of which each letter counts. */
const SLIP_CHARS_MIN = 4
const SUSPECTS_SHARE_MAX = 0.1
const FAILING_MAX = 0.1

export function sets(facts: ColumnFacts): Candidate[] {
  const n = filledRows(facts)
  if (facts.type !== 'string' || facts.distinct < 2) return []
  const suspects = new Set<string | number>(misspelt(facts.values).map(({ value }) => value))
  const kept = facts.values.filter(({ value }) => !suspects.has(value))
  const once = kept.filter(({ rows }) => rows === 1).length
  const isSet =
    kept.length >= 1 &&
    kept.length <= VALUES_MAX &&
    facts.values.length === facts.distinct &&
    n >= ROWS_PER_VALUE * kept.length &&
    once / n <= UNSEEN_MAX
  const suspectRows = facts.values
    .filter(({ value }) => suspects.has(value))
    .reduce((sum, { rows }) => sum + rows, 0)
  if (!isSet || suspectRows > SUSPECTS_SHARE_MAX * n) return []
  const values = kept.map(({ value }) => String(value)).sort()
  return [
    {
      kind: 'set',
      check: checks.isIn(facts.name, values).named(`isIn(${facts.name}, ${values.length} values)`).def,
      columns: [facts.name],
      why: `${grouped(n)} rows have ${kept.length === 1 ? 'one value' : `${kept.length} values`}${unseenText(once)}${suspectText(facts, suspects)}`,
      unseen: once / n,
      failingMax: suspects.size === 0 ? 0.02 : FAILING_MAX,
    },
  ]
}

const unseenText = (once: number): string =>
  once === 0 ? ', each of them more than once' : `, ${once} of them once`

function suspectText({ values }: ColumnFacts, suspects: ReadonlySet<string | number>): string {
  if (suspects.size === 0) return ''
  const [first] = values.filter(({ value }) => suspects.has(value))
  return `; ${suspects.size} rare ones are spelt almost like frequent ones, such as "${String(first!.value).slice(0, 24)}"`
}

/** Rare values one or two letters away from one that is far more frequent. Values that differ in digits alone are taken for codes. */
export function misspelt(values: ColumnFacts['values']): { value: string; meant: string }[] {
  const texts = values.filter((v): v is { value: string; rows: number } => typeof v.value === 'string')
  const found: { value: string; meant: string }[] = []
  const total = texts.reduce((sum, { rows }) => sum + rows, 0)
  for (const rare of texts.filter((text) => isRare(text, total))) {
    const meant = texts.find((often) => often.rows >= RARER * rare.rows && isSlip(rare.value, often.value))
    if (meant) found.push({ value: rare.value, meant: meant.value })
  }
  const rowsOf = new Map(texts.map(({ value, rows }) => [value, rows]))
  const scattered = found.length >= SCATTERED_MIN
  return withoutDimensions(found.filter(({ value }) => scattered || rowsOf.get(value)! <= REPEATED_MAX))
}

/** One substitution in one place that many values share is a part of a code and no slip: `al-1` and `ak-1`, `al-2` and `ak-2`. */
function withoutDimensions(found: { value: string; meant: string }[]): { value: string; meant: string }[] {
  const meant = new Map<string, Set<string>>()
  const edits = found.map((slip) => editOf(slip.value, slip.meant))
  for (const [i, edit] of edits.entries())
    meant.set(edit, (meant.get(edit) ?? new Set()).add(found[i]!.meant))
  const isDimension = (edit: string): boolean =>
    meant.get(edit)!.size >= Math.max(DIMENSION.valuesMin, DIMENSION.shareMin * found.length)
  return found.filter((_, i) => !isDimension(edits[i]!))
}

const DIMENSION = { valuesMin: 5, shareMin: 0.2 }

/** Where two texts begin to differ, and the letters there. */
function editOf(a: string, b: string): string {
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  return `${at}:${b[at] ?? ''}>${a[at] ?? ''}`
}

function isRare({ value, rows }: { value: string; rows: number }, total: number): boolean {
  const share = value.length >= LONG_CHARS ? LONG_SLIP_SHARE_MAX : SLIP_SHARE_MAX
  return rows <= Math.max(SLIP_ROWS_MAX, share * total)
}

const LONG_CHARS = 8
const WORDY_CHARS = 40

function isSlip(rare: string, often: string): boolean {
  const longest = Math.max(rare.length, often.length)
  const letters = longest >= WORDY_CHARS ? Math.ceil(longest / 15) : longest >= LONG_CHARS ? 2 : 1
  if (longest < SLIP_CHARS_MIN || Math.abs(rare.length - often.length) > letters) return false
  if (withoutDigits(rare) === withoutDigits(often)) return false
  return editDistance(rare, often) <= letters
}

const withoutDigits = (text: string): string => text.replaceAll(/\d+/g, '')
