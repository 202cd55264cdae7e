/** Which column is to be predicted, and what is the yes. A guess that says why. */
import { MillraceError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { ModelTask } from '../../core/records.ts'
import type { InspectedColumn } from '../../data/index.ts'

export type Row = Readonly<Record<string, unknown>>

/** Which facts of a column the guesses look at. */
export type ColumnFacts = Pick<
  InspectedColumn,
  'name' | 'type' | 'nulls' | 'distinct' | 'min' | 'max' | 'examples'
>

export interface TargetGuess {
  column: string
  task: ModelTask
  /** The value that is the yes; undefined for a bool column that is its own yes, and for regressions. */
  positive?: string | number | false
  /** Share of the yes among the rows looked at, of several classes that of the most frequent one; undefined for regressions. */
  share?: number
  /** Values that are told apart, most frequent first, where they are classes. */
  classes?: string[]
  why: string
}

export interface TargetWishes {
  target?: string
  positive?: string
  task?: ModelTask
}

/** Distinct numbers above which a column of numbers is a quantity. */
const QUANTITY_FROM = 12

const YES_NO_NAMES = words(
  'y target label class outcome income survived survival default defaulted churn churned exited attrition fraud is_fraud late delayed cancelled canceled converted conversion clicked click bought purchased subscribed deposit approved spam response responded won win returned diabetes disease diagnosis readmitted',
)
const QUANTITY_NAMES = words(
  'y target label outcome price value cost amount sales revenue demand quantity count total score rating quality duration delay age rent salary wage load consumption power mpg',
)
const CLASS_NAMES = words(
  'y target label class classes species type kind category variety cultivar weather status grade cut segment topic language genre digit activity cause reason',
)
/** Different words from which a column names things and no classes, unless it was asked for. */
const CLASSES_GUESSED = 30
const YES_WORDS = words('yes y true t positive pos bad default churn churned fraud spam late good won')
const NO_WORDS = words('no n false f 0 -1 negative neg none ham')

function words(text: string): string[] {
  return text.split(' ')
}

/** Errors: MR_CLI_TARGET_UNKNOWN, MR_CLI_TARGET_NONE, MR_CLI_TARGET_VALUES, MR_CLI_TASK, MR_CLI_POSITIVE. */
export function guessTarget(
  columns: readonly ColumnFacts[],
  rows: readonly Row[],
  wishes: TargetWishes = {},
): TargetGuess {
  if (wishes.target !== undefined) {
    const column = columnNamed(columns, wishes.target, '--target')
    return describe(column, rows, wishes, 'it was asked for')
  }
  const [best] = rankTargets(columns)
  if (!best) throw new MillraceError('MR_CLI_TARGET_NONE', { columns: columns.map((c) => c.name) })
  return describe(best.column, rows, wishes, best.why)
}

export function columnNamed<C extends { name: string }>(
  columns: readonly C[],
  name: string,
  option: string,
): C {
  const found = columns.find((c) => c.name === name)
  if (found) return found
  throw new MillraceError('MR_CLI_TARGET_UNKNOWN', {
    option,
    column: name,
    known: columns.map((c) => c.name),
  })
}

/** Columns that a model could predict, likeliest first, with the reason. */
export function rankTargets(
  columns: readonly ColumnFacts[],
): { column: ColumnFacts; score: number; why: string }[] {
  return columns
    .map((column, i) => ({ column, ...scoreOf(column, i === columns.length - 1) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || columns.indexOf(b.column) - columns.indexOf(a.column))
}

const KINDS = {
  two: { names: YES_NO_NAMES, score: 20, last: 50, why: 'it has two values' },
  classes: { names: CLASS_NAMES, score: 12, last: 25, why: 'it names a class' },
  quantity: { names: QUANTITY_NAMES, score: 5, last: 50, why: 'it is a quantity' },
} as const

type Kind = keyof typeof KINDS

function scoreOf(column: ColumnFacts, isLast: boolean): { score: number; why: string } {
  const kind = kindOf(column)
  if (kind === 'other') return { score: 0, why: '' }
  const byName = nameScore(column.name, kind)
  const reasons = [
    byName > 0 ? 'its name says so' : '',
    isLast ? 'it is the last column' : '',
    KINDS[kind].why,
  ].filter(Boolean)
  return { score: byName + (isLast ? KINDS[kind].last : 0) + KINDS[kind].score, why: reasons.join(', ') }
}

/** What a column could be the target of: `two` values, some `classes`, a `quantity`, or none of these. */
function kindOf({ type, distinct }: ColumnFacts): Kind | 'other' {
  if (distinct === 2 && type !== 'time' && type !== 'date' && type !== 'json') return 'two'
  if (type === 'string' && distinct > 2 && distinct <= CLASSES_GUESSED) return 'classes'
  const isNumber = type === 'int' || type === 'float'
  return isNumber && distinct > QUANTITY_FROM ? 'quantity' : 'other'
}

function nameScore(name: string, kind: Kind): number {
  const known: readonly string[] = KINDS[kind].names
  const whole = name.toLowerCase().replace(/[^a-z0-9]+/g, '_')
  if (['y', 'target', 'label'].includes(whole)) return 100
  if (known.includes(whole)) return 60
  const last = whole.split('_').at(-1) as string
  return known.includes(last) || /^(is|has)_/.test(whole) ? 40 : 0
}

function describe(column: ColumnFacts, rows: readonly Row[], wishes: TargetWishes, why: string): TargetGuess {
  const task = taskOf(column, wishes)
  const { name } = column
  if (task === 'regression') return { column: name, task, why }
  const values = valuesOf(rows, column)
  if (task === 'multiclass') return describeClasses(name, values, why)
  if (column.type === 'bool') return describeBool(name, rows, wishes.positive, why)
  const { value, why: because } =
    wishes.positive === undefined ? guessPositive(values) : namedValue(column, values, wishes.positive)
  const said = `${why}; the yes is ${JSON.stringify(value)}: ${because}`
  return { column: name, task, positive: value, share: shareOf(rows, name, value), why: said }
}

function describeClasses(column: string, values: { value: Value; n: number }[], why: string): TargetGuess {
  const total = values.reduce((sum, { n }) => sum + n, 0)
  const classes = values.map(({ value }) => String(value))
  const share = total === 0 ? {} : { share: values[0].n / total }
  return { column, task: 'multiclass', classes, ...share, why }
}

/** A column of true and false, however the file spells them. */
function describeBool(
  column: string,
  rows: readonly Row[],
  wish: string | undefined,
  why: string,
): TargetGuess {
  const wanted = wish?.trim().toLowerCase()
  const isNo = wanted !== undefined && NO_WORDS.includes(wanted)
  if (wanted !== undefined && !isNo && !YES_WORDS.includes(wanted) && wanted !== '1')
    throw new MillraceError('MR_CLI_POSITIVE', { column, value: wanted, known: ['true', 'false'] })
  const share = shareOf(rows, column, !isNo)
  return { column, task: 'binary', share, why, ...(isNo ? { positive: false } : {}) }
}

function taskOf(column: ColumnFacts, { task, positive }: TargetWishes): ModelTask {
  const { name, type, distinct } = column
  const isNumber = type === 'int' || type === 'float'
  if (task === 'regression') {
    if (!isNumber || distinct < 2) throw new MillraceError('MR_CLI_TASK', { column: name, type, task })
    return task
  }
  if (type === 'time' || type === 'date' || type === 'json')
    throw new MillraceError('MR_CLI_TASK', { column: name, type, task: task ?? 'binary' })
  if (distinct < 2) throw valuesError(column)
  if (task === 'multiclass') return manyClasses(column)
  if (positive !== undefined || distinct === 2) return 'binary'
  if (task === 'binary') throw valuesError(column)
  return isNumber ? 'regression' : manyClasses(column)
}

function manyClasses({ name, distinct }: ColumnFacts): 'multiclass' {
  if (distinct <= LIMITS.classesMax) return 'multiclass'
  throw new MillraceError('MR_CLI_CLASSES', { column: name, distinct, max: LIMITS.classesMax })
}

function valuesError({ name, distinct, examples }: ColumnFacts): MillraceError {
  const texts = examples.map(String)
  const yes = texts.find((text) => YES_WORDS.includes(text.toLowerCase())) ?? texts[0] ?? ''
  return new MillraceError('MR_CLI_TARGET_VALUES', { column: name, distinct, examples: texts, yes })
}

type Value = string | number

/** Values of the target, most frequent first. */
function valuesOf(rows: readonly Row[], { name, examples }: ColumnFacts): { value: Value; n: number }[] {
  const counts = new Map<Value, number>(
    examples.filter((e) => e !== null).map((value) => [value as Value, 0]),
  )
  for (const row of rows) {
    const value = row[name] as Value | null
    if (value !== null && value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].map(([value, n]) => ({ value, n })).sort((a, b) => b.n - a.n)
}

function guessPositive(values: { value: Value; n: number }[]): { value: Value; why: string } {
  const spelt = (known: string[]) => values.filter(({ value }) => known.includes(String(value).toLowerCase()))
  const yes = spelt(YES_WORDS)
  if (yes.length === 1) return { value: yes[0].value, why: 'it reads like a yes' }
  const no = spelt(NO_WORDS)
  if (no.length === 1 && values.length === 2)
    return {
      value: (values.find((v) => v !== no[0]) as { value: Value }).value,
      why: 'the other reads like a no',
    }
  return { value: (values.at(-1) as { value: Value }).value, why: 'it is the rarer one' }
}

function namedValue(
  column: ColumnFacts,
  values: { value: Value }[],
  wanted: string,
): { value: Value; why: string } {
  const found = values.find(({ value }) => String(value) === wanted.trim())
  if (found) return { value: found.value, why: 'it was asked for' }
  throw new MillraceError('MR_CLI_POSITIVE', {
    column: column.name,
    value: wanted,
    known: values.map(({ value }) => String(value)),
  })
}

function shareOf(rows: readonly Row[], column: string, positive: Value | boolean): number | undefined {
  const known = rows.filter((row) => row[column] !== null && row[column] !== undefined)
  return known.length === 0
    ? undefined
    : known.filter((row) => row[column] === positive).length / known.length
}
