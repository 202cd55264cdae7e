/** The questions of `millrace init` for a person at a terminal; each is answered by Enter with the guess. */
import { cancel, confirm, intro, isCancel, outro, select } from '@clack/prompts'
import type { Inspection } from '../data/index.ts'
import type { Cli } from './cli.ts'
import { Cancelled } from './exit.ts'
import { rowsText, share } from './format.ts'
import { guessProject, type ProjectGuess, type Wishes } from './guess/project-guess.ts'
import { guessTarget, rankTargets } from './guess/target.ts'

const SHOWN = 30

/** Asks what was not said on the command line. Errors: Cancelled. */
export async function askProject(
  cli: Cli,
  look: Inspection,
  source: readonly string[],
  wishes: Wishes,
): Promise<ProjectGuess> {
  intro(`${source.join(', ')}: ${rowsText(look.rows)}, ${look.columns.length} columns`)
  const time = wishes.time ?? (await askTime(look))
  const target = wishes.target ?? (await askTarget(look, time))
  const positive = wishes.positive ?? (await askPositive(look, target, wishes))
  const guess = guessProject(look, source, { ...wishes, time, target, positive })
  const isRight = kept(await confirm({ message: `Write millrace.config.ts in ${cli.folder}?` }))
  if (!isRight) throw new Cancelled()
  outro('Written:')
  return guess
}

/** The answer, unless the question was left. */
function kept<T>(answer: T): Exclude<T, symbol> {
  if (!isCancel(answer)) return answer as Exclude<T, symbol>
  cancel('Nothing was written.')
  throw new Cancelled()
}

async function askTime({ timeColumns }: Inspection): Promise<string> {
  if (timeColumns.length === 0) return 'none'
  const options = [
    ...timeColumns.map((name) => ({ value: name, label: name, hint: 'newest rows judge' })),
    { value: 'none', label: 'none', hint: 'rows are divided at random' },
  ]
  return kept(await select({ message: 'Which column says when a row happened?', options }))
}

async function askTarget(look: Inspection, time: string): Promise<string> {
  const ranked = rankTargets(look.columns.filter((c) => c.name !== time))
  const known = new Set(ranked.map(({ column }) => column.name))
  const rest = look.columns.filter((c) => !known.has(c.name) && c.name !== time && c.distinct > 1)
  const options = [
    ...ranked.map(({ column, why }) => ({ value: column.name, label: column.name, hint: why })),
    ...rest.map(({ name, distinct }) => ({ value: name, label: name, hint: `${distinct} values` })),
  ].slice(0, SHOWN)
  return kept(await select({ message: 'What is to be predicted?', options, maxItems: 10 }))
}

/** Only a column of words with several values, or with two, needs a yes. */
async function askPositive(look: Inspection, target: string, wishes: Wishes): Promise<string | undefined> {
  const column = look.columns.find((c) => c.name === target)
  if (!column || column.type === 'bool' || (wishes.task !== undefined && wishes.task !== 'binary'))
    return undefined
  if (column.distinct > 2 && column.type !== 'string') return undefined
  const guessed =
    column.distinct === 2
      ? guessTarget(look.columns, look.preview, { ...wishes, target }).positive
      : undefined
  const values = column.examples.map((value) => ({
    value: String(value),
    label: String(value),
    hint: shareHint(look, target, value),
  }))
  const apart = { value: '', label: 'none: tell them all apart', hint: `one of ${column.distinct} classes` }
  const yes = kept(
    await select({
      message: `Which value of ${target} is the yes?`,
      options: column.distinct > 2 ? [apart, ...values] : values,
      initialValue: guessed === undefined ? undefined : String(guessed),
    }),
  )
  return yes === '' && column.distinct > 2 ? undefined : yes
}

function shareHint({ preview }: Inspection, column: string, value: unknown): string {
  return share(preview.filter((row) => row[column] === value).length / Math.max(1, preview.length))
}
