/** `millrace init`: looks at files and writes a config that a person can read and change. */
import { existsSync, statSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { ModelTask } from '../../core/records.ts'
import { type Inspection, inspect, isUrl, sourceToKeep } from '../../data/index.ts'
import type { Answer, Cli } from '../cli.ts'
import { day, listed, rowsText, share } from '../format.ts'
import { configText, targetText } from '../guess/config-text.ts'
import { guessProject, type ProjectGuess, type Wishes } from '../guess/project-guess.ts'
import type { Options } from '../handler.ts'
import { withNames } from '../header.ts'
import { oneOf, textOption } from '../options.ts'
import { remarkLines } from '../steps.ts'
import { pairs } from '../table.ts'
import { typesText } from '../types-text.ts'

/** Rows looked at closely; all rows count for types, gaps and values. */
const ROWS_CLOSELY = 20_000
const CONFIG = 'millrace.config.ts'

interface Written {
  path: string
  /** What was done: `new`, `added to`, `kept`. */
  state: 'new' | 'added' | 'kept'
  text: string
}

export async function init(cli: Cli, [files]: readonly unknown[], options: Options): Promise<Answer> {
  const dir = resolve(textOption(options, 'dir') ?? cli.folder)
  const isDry = options.dryRun === true
  const config = join(dir, CONFIG)
  if (existsSync(config) && options.force !== true && !isDry)
    throw new MillraceError('MR_CLI_EXISTS', { path: config })
  const paths = (files as string[]).map((file) => requireFile(file))
  const { look, source } = await lookAt(cli, paths, dir, options)
  const wishes = wishesOf(options)
  const asked = cli.isInteractive && options.yes !== true
  const guess = asked
    ? await (await import('../ask.ts')).askProject(cli, look, source, wishes)
    : guessProject(look, source, wishes)
  const written = await filesFor(dir, guess, look)
  if (!isDry) for (const file of written) await write(file)
  return {
    value: {
      dir,
      dryRun: isDry,
      guess,
      notes: look.notes,
      files: written.map(({ path, state }) => ({ path, state })),
      config: configText(guess),
    },
    lines: reportLines(cli, guess, look, written, dir, isDry),
  }
}

function requireFile(file: string): string {
  if (isUrl(file)) return file
  const path = resolve(file)
  if (!existsSync(path)) throw new MillraceError('MR_CLI_NO_FILE', { path: file, why: 'is not there' })
  if (statSync(path).isDirectory())
    throw new MillraceError('MR_CLI_NO_FILE', { path: file, why: 'is a folder, not a file' })
  return path
}

function wishesOf(options: Options): Wishes {
  return {
    target: textOption(options, 'target'),
    positive: textOption(options, 'positive'),
    task: oneOf<ModelTask>('--task', textOption(options, 'task'), ['binary', 'regression', 'multiclass']),
    time: textOption(options, 'time'),
    name: textOption(options, 'name'),
    model: textOption(options, 'model'),
  }
}

async function lookAt(
  cli: Cli,
  paths: string[],
  dir: string,
  options: Options,
): Promise<{ look: Inspection; source: string[] }> {
  cli.meter.begin(paths.length === 1 ? 'Looking at the file' : `Looking at ${paths.length} files`)
  cli.meter.update(0, '')
  const see = (at: string[]) => inspect(at, {}, { previewRows: ROWS_CLOSELY, signal: cli.signal })
  const look = await see(paths)
  const names = textOption(options, 'columns')
  const read = names === undefined ? paths : await withNames(paths, look, names, join(dir, 'data'))
  const seen = names === undefined ? look : await see(read)
  cli.meter.end()
  return { look: seen, source: read.map((path) => fromFolder(dir, path)) }
}

/** A path as the config should name it: relative where it is near, whole where it is far. */
function fromFolder(dir: string, path: string): string {
  if (isUrl(path)) return sourceToKeep(path)
  const near = relative(dir, path).replaceAll('\\', '/')
  return isAbsolute(near) || near.startsWith('../../../') ? path : near
}

async function filesFor(dir: string, guess: ProjectGuess, look: Inspection): Promise<Written[]> {
  const inputs = look.schema.columns.filter((c) => isInput(guess, c.name))
  const { task, classes } = guess.target
  const model = { name: guess.model, task, classes: classes?.toSorted(), description: '', inputs }
  const types = typesText([{ name: guess.dataset, columns: look.schema.columns }], [model])
  const written: Written[] = [
    { path: join(dir, CONFIG), state: 'new', text: configText(guess) },
    { path: join(dir, 'millrace-env.d.ts'), state: 'new', text: types },
    await ignoreFile(dir),
  ]
  if (!existsSync(join(dir, 'package.json'))) written.push(packageFile(dir, guess.name))
  return written
}

function isInput({ target, leftOut }: ProjectGuess, column: string): boolean {
  return column !== target.column && !leftOut.some((left) => left.column === column)
}

async function ignoreFile(dir: string): Promise<Written> {
  const path = join(dir, '.gitignore')
  const before = existsSync(path) ? await readFile(path, 'utf8') : ''
  if (/^\/?\.millrace\/?$/m.test(before)) return { path, state: 'kept', text: before }
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  return { path, state: before === '' ? 'new' : 'added', text: `${before}${gap}.millrace/\n` }
}

function packageFile(dir: string, name: string): Written {
  const content = {
    name: name.toLowerCase(),
    private: true,
    type: 'module',
    scripts: { start: 'millrace up' },
    dependencies: { millrace: '^0.1.0' },
  }
  return { path: join(dir, 'package.json'), state: 'new', text: `${JSON.stringify(content, null, 2)}\n` }
}

async function write({ path, state, text }: Written): Promise<void> {
  if (state === 'kept') return
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

// ---------------------------------------------------------------- what is said

const DELIMITERS: Record<string, string> = { ',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'bars' }

function reportLines(
  cli: Cli,
  guess: ProjectGuess,
  look: Inspection,
  written: Written[],
  dir: string,
  isDry: boolean,
): string[] {
  const { paint } = cli
  const here = relative(process.cwd(), dir)
  const verb = {
    new: isDry ? 'would write' : 'wrote',
    added: isDry ? 'would add to' : 'added to',
    kept: 'kept',
  }
  return [
    '',
    `  ${paint.bold(guess.source.join(', '))}  ${rowsText(look.rows)}, ${look.columns.length} columns, ${dialect(look)}`,
    ...notesOf(look).map((note) => `  ${paint.dim(note)}`),
    ...remarkLines(cli, look.remarks, 2),
    '',
    ...pairs(facts(guess), paint, cli.width),
    '',
    ...written.map(
      ({ path, state }) =>
        `  ${isDry ? paint.dim('·') : paint.good('✓')} ${verb[state]} ${relative(process.cwd(), path) || path}`,
    ),
    '',
    ...(isDry
      ? configText(guess)
          .split('\n')
          .map((line) => `  ${paint.dim('│')} ${line}`)
      : []),
    `  Next: ${paint.accent(here === '' ? 'millrace up' : `millrace up --project ${here}`)}`,
    '',
  ]
}

/** What should be known of how the files are written; what is odd about their rows comes behind it. */
function notesOf({ notes, remarks }: Inspection): string[] {
  const odd = new Set(remarks.map(({ text }) => text))
  return notes.filter((note) => !odd.has(note)).map(shortened)
}

/** Blanks in many columns are one fact. */
function shortened(note: string): string {
  const padded = /^blanks around values are trimmed in (.*)$/.exec(note)?.[1].split(', ')
  return padded && padded.length > 3 ? `blanks around values are trimmed in ${padded.length} columns` : note
}

function dialect({ format, read, files }: Inspection): string {
  const packed = files.some((f) => f.gzip) ? ', gzip' : ''
  if (format !== 'csv') return `${format}${packed}`
  const delimiter = read.delimiter ?? ','
  return `csv with ${DELIMITERS[delimiter] ?? JSON.stringify(delimiter)}${packed}`
}

function taskWords({ task, share: part, classes = [] }: ProjectGuess['target']): string {
  const often = part === undefined ? '' : share(part)
  if (task === 'multiclass')
    return `one of ${classes.length} classes: ${listed(classes, 6)}${often && `; the first in ${often} of the rows`}`
  if (task !== 'binary') return 'a number (regression)'
  return `yes or no${often && `, yes in ${often} of the rows`}`
}

function facts(guess: ProjectGuess): [string, string | string[]][] {
  const { target, time, split, leftOut } = guess
  const rows: [string, string | string[]][] = [
    ['target', [targetText(guess), `${target.why}`]],
    ['task', taskWords(target)],
    [
      'time',
      time
        ? `${time.column}, ${day(time.fromAt)} to ${day(time.toAt)}: ${time.why}`
        : 'none, so rows are divided at random',
    ],
    [
      'split',
      split.by === 'time'
        ? `the newest ${split.test.replace('d', ' days')} test, the ${split.validate.replace('d', ' days')} before validate`
        : `${share(1 - split.validate - split.test)} train, ${share(split.validate)} validate, ${share(split.test)} test`,
    ],
  ]
  if (leftOut.length > 0) rows.push(['left out', leftOut.map(({ column, why }) => `${column}: ${why}`)])
  return rows
}
