/** Patterns that texts follow: formats that are known by name, and else the runs of letters and digits that nearly all of them share. */
import { grouped } from '../../core/grouped.ts'
import { checks } from '../../define/checks.ts'
import { escapePattern } from '../../expr/pattern.ts'
import { type Candidate, percentText } from './candidate.ts'
import { filledRows } from './facts.ts'
import type { ColumnFacts } from './types.ts'

/** Share of rows that a pattern covers at least; the rest is suspected. */
const COVERED_MIN = 0.9
const SHAPES_MAX = 4
const VALUES_MIN = 3
const ROWS_MIN = 20
/** A shape of this many runs is a sentence and not a code. */
const RUNS_MAX = 13

const OCTET = '(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'

/** Narrow ones before wide ones. */
const FORMATS: readonly { name: string; pattern: string }[] = [
  { name: 'dates', pattern: '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$' },
  { name: 'dates', pattern: '^(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])/[0-9]{4}$' },
  { name: 'dates', pattern: '^(0?[1-9]|[12][0-9]|3[01])[.](0?[1-9]|1[0-2])[.][0-9]{4}$' },
  { name: 'times of day', pattern: '^(0?[1-9]|1[0-2]):[0-5][0-9] ?[ap][.]?m[.]?$' },
  { name: 'times of day', pattern: '^(0?[1-9]|1[0-2]):[0-5][0-9] ?[AP][.]?M[.]?$' },
  { name: 'times of day', pattern: '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$' },
  {
    name: 'instants',
    pattern:
      '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$',
  },
  { name: 'UUIDs', pattern: '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$' },
  { name: 'mail addresses', pattern: '^[^@ ]+@[^@ ]+[.][A-Za-z]{2,}$' },
  { name: 'web addresses', pattern: '^https?://[^ ]+$' },
  { name: 'IP addresses', pattern: `^${OCTET}[.]${OCTET}[.]${OCTET}[.]${OCTET}$` },
  { name: 'phone numbers', pattern: '^([(][0-9]{3}[)] ?|[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}$' },
  { name: 'zip codes', pattern: '^[0-9]{5}(-[0-9]{4})?$' },
]

export function patterns(facts: ColumnFacts): Candidate[] {
  const texts = facts.values.filter((v): v is Text => typeof v.value === 'string')
  const rows = filledRows(facts)
  if (facts.type !== 'string' || texts.length < VALUES_MIN || rows < ROWS_MIN) return []
  const learned = formatOf(texts) ?? learnPattern(texts)
  if (!learned) return []
  return [
    {
      kind: 'pattern',
      check: checks.matches(facts.name, learned.pattern).def,
      columns: [facts.name],
      why: `${percentText(learned.share)} of ${grouped(rows)} rows are ${learned.what}`,
      failingMax: 2 * (1 - COVERED_MIN),
    },
  ]
}

interface Text {
  value: string
  rows: number
}

export interface LearnedPattern {
  pattern: string
  /** Share of the rows that follow it. */
  share: number
  what: string
}

/** The first format of `FORMATS` that nearly all rows follow. */
function formatOf(texts: readonly Text[]): LearnedPattern | undefined {
  const total = rowsOf(texts)
  for (const { name, pattern } of FORMATS) {
    const regex = new RegExp(pattern, 'u')
    const share = rowsOf(texts.filter(({ value }) => regex.test(value))) / total
    if (share >= COVERED_MIN) return { pattern, share, what: name }
  }
  return undefined
}

const rowsOf = (texts: readonly Text[]): number => texts.reduce((sum, { rows }) => sum + rows, 0)

/**
 * A pattern of few alternatives, each a shape: runs of digits and letters with the lengths that were seen, and other characters as they are. A run of letters that
 * is the same in all texts of a shape stays a word. Undefined where texts have no such shapes in common, or where the pattern would be no narrower than "any letters".
 */
export function learnPattern(texts: readonly Text[]): LearnedPattern | undefined {
  const total = rowsOf(texts)
  const shapes = [...shapesOf(texts).values()].sort((a, b) => b.rows - a.rows || (a.key < b.key ? -1 : 1))
  const kept: Shape[] = []
  let covered = 0
  for (const shape of shapes) {
    if (covered >= 0.995 * total || kept.length === SHAPES_MAX || shape.rows < 0.02 * total) break
    kept.push(shape)
    covered += shape.rows
  }
  if (covered < COVERED_MIN * total || kept.some((s) => s.runs.length > RUNS_MAX) || kept.some(isPlainWord))
    return undefined
  const alternatives = kept.map(shapePattern)
  const body = alternatives.length === 1 ? alternatives[0]! : `(${alternatives.join('|')})`
  return {
    pattern: `^${body}$`,
    share: covered / total,
    what: `of ${kept.length === 1 ? 'one shape' : `${kept.length} shapes`}, such as "${kept[0]!.example.slice(0, 32)}"`,
  }
}

interface Run {
  kind: 'digits' | 'letters' | 'other'
  text: string
}

interface Shape {
  key: string
  rows: number
  example: string
  runs: { kind: Run['kind']; texts: Map<string, number>; shortest: number; longest: number }[]
}

/** Different texts of a run that are counted. */
const WORDS_KEPT = 500
/** Share of a shape's rows that have the same word, where it is one. */
const WORD_SHARE = 0.9
const SHORT_WORD_SHARE = 0.99
const SLIP_CHARS_MIN = 4

function shapesOf(texts: readonly Text[]): Map<string, Shape> {
  const shapes = new Map<string, Shape>()
  for (const { value, rows } of texts) {
    const runs = runsOf(value)
    const key = runs.map((run) => (run.kind === 'other' ? run.text : run.kind)).join('\u0000')
    let shape = shapes.get(key)
    if (!shape) {
      shape = {
        key,
        rows: 0,
        example: value,
        runs: runs.map((run) => ({
          kind: run.kind,
          texts: new Map<string, number>(),
          shortest: run.text.length,
          longest: 0,
        })),
      }
      shapes.set(key, shape)
    }
    shape.rows += rows
    for (const [i, { text }] of runs.entries()) see(shape.runs[i]!, text, rows)
  }
  return shapes
}

function see(run: Shape['runs'][number], text: string, rows: number): void {
  if (run.texts.size < WORDS_KEPT || run.texts.has(text))
    run.texts.set(text, (run.texts.get(text) ?? 0) + rows)
  run.shortest = Math.min(run.shortest, text.length)
  run.longest = Math.max(run.longest, text.length)
}

/** A text cut into runs of digits, of ASCII letters, and single other characters. */
function runsOf(text: string): Run[] {
  return [...text.matchAll(/([0-9]+)|([A-Za-z]+)|([^0-9A-Za-z])/gu)].map(([run, digits, letters]) => ({
    kind: digits !== undefined ? 'digits' : letters !== undefined ? 'letters' : 'other',
    text: run,
  }))
}

/** Any words are like it: nothing is said. */
const isPlainWord = (shape: Shape): boolean =>
  shape.runs.every((run) => (run.kind === 'other' ? run.texts.has(' ') : run.kind === 'letters')) &&
  shape.runs.some((run) => run.kind === 'letters' && wordOf(run, shape.rows) === undefined)

const shapePattern = (shape: Shape): string => shape.runs.map((run) => runPattern(run, shape.rows)).join('')

function runPattern(run: Shape['runs'][number], rows: number): string {
  const { kind, texts, shortest, longest } = run
  const word = kind === 'digits' ? undefined : wordOf(run, rows)
  if (word !== undefined) return escapePattern(word)
  if (kind === 'digits') return `[0-9]${times(shortest, longest)}`
  return `${lettersOf(texts)}${times(shortest, longest)}`
}

/** The text that nearly all rows of a shape have in this run. */
function wordOf({ texts }: Shape['runs'][number], rows: number): string | undefined {
  for (const [text, n] of texts) {
    const isLong = text.length >= SLIP_CHARS_MIN
    if (n >= (isLong ? WORD_SHARE : SHORT_WORD_SHARE) * rows) return text
  }
  return undefined
}

function lettersOf(texts: ReadonlyMap<string, number>): string {
  const all = [...texts.keys()].join('')
  if (all === all.toLowerCase()) return '[a-z]'
  return all === all.toUpperCase() ? '[A-Z]' : '[A-Za-z]'
}

/** How often a run's characters repeat. Lengths that vary much are not held to what was seen. */
function times(shortest: number, longest: number): string {
  if (shortest === longest) return shortest === 1 ? '' : `{${shortest}}`
  return longest - shortest <= 3 && longest <= 12 ? `{${shortest},${longest}}` : '+'
}
