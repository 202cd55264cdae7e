/** `millrace data suggest`: checks inferred from data, tried on held-out rows, as a change of the config. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { findSources, headOf, shownSource, suggestChecks, suggestForVersion } from '../../data/index.ts'
import type { Dropped, Suggestion, SuggestionKind, SuggestReport } from '../../data/suggest/types.ts'
import { checkText } from '../../define/check-text.ts'
import type { DatasetDef } from '../../define/types.ts'
import { datasetDef } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { type ConfigEdit, mergeNotNull, planChecks, undeclared, writeConfig } from '../edit/write-checks.ts'
import { count, plural, rowsText } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { wrapped } from '../table.ts'

const KINDS = [
  'complete',
  'range',
  'set',
  'pattern',
  'unique',
  'determines',
  'order',
  'fresh',
] as const satisfies readonly SuggestionKind[]

export async function dataSuggest(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const asked = name as string
  kindsOf(options)
  return isFile(asked) ? await suggestFile(cli, asked, options) : await suggestDataset(cli, asked, options)
}

/** A name of a dataset has no dot or slash of a path in it. */
const isFile = (name: string): boolean => existsSync(resolve(name)) || /[/\\*?]|\.[a-z]+(\.gz)?$/i.test(name)

async function suggestFile(cli: Cli, file: string, options: Options): Promise<Answer> {
  if (options.write === true)
    throw new MillraceError('MR_CLI_USAGE', {
      why: '--write needs a dataset of the config, not a file',
      help: 'millrace help data suggest',
    })
  const paths = await findSources(process.cwd(), [file])
  if (paths.length === 0)
    throw new MillraceError('MR_CLI_NO_FILE', { path: shownSource(file), why: 'is not there' })
  const title = `Checks for ${shownSource(file)}`
  const report = await metered(cli, title, (onProgress) =>
    suggestChecks(paths, { time: textOption(options, 'time'), signal: cli.signal, onProgress }),
  )
  return answer(cli, report, chosen(report.suggestions, options))
}

async function suggestDataset(cli: Cli, name: string, options: Options): Promise<Answer> {
  const rt = await cli.open()
  const def = datasetDef(rt, name.split('@')[0]!)
  const common = { time: textOption(options, 'time') ?? def.time, key: def.key, signal: cli.signal }
  const isImported = (await headOf(rt.store, def.name)) !== undefined
  const report = await metered(cli, `Checks for ${name}`, async (onProgress) =>
    isImported
      ? await suggestForVersion(rt.store, name, { ...common, onProgress })
      : await suggestChecks(await sourceOf(def, rt.folder), { ...common, read: def.read, onProgress }),
  )
  const fresh = new Set(
    undeclared(
      report.suggestions.map(({ check }) => check),
      def.checks,
    ),
  )
  const suggestions = chosen(report.suggestions, options).filter(({ check }) => fresh.has(check))
  if (suggestions.length === 0) return answer(cli, report, suggestions)
  const edit = await planChecks(
    await cli.load(),
    def.name,
    suggestions.map(({ check }) => check),
  )
  if (options.write === true) await writeConfig(edit)
  return answer(cli, report, suggestions, {
    ...edit,
    written: options.write === true,
    kinds: options.kinds === undefined ? '' : ` --kinds ${String(options.kinds)}`,
  })
}

async function sourceOf({ name, source }: DatasetDef, folder: string): Promise<string[]> {
  const paths = await findSources(folder, source)
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', { dataset: name, folder, tried: source.map(shownSource) })
  return paths
}

async function metered(
  cli: Cli,
  title: string,
  work: (onProgress: (done: number, note: string) => void) => Promise<SuggestReport>,
): Promise<SuggestReport> {
  cli.meter.begin(title)
  cli.meter.update(0, 'reading the rows')
  const report = await work((done, note) => cli.meter.update(done, note))
  const ms = cli.meter.end()
  cli.line(stepLine(cli, cli.paint.good('✓'), title, `${rowsText(report.rows)} looked at`, ms))
  return report
}

/** Those of the kinds asked for. Errors: MR_CLI_VALUE. */
function chosen(suggestions: readonly Suggestion[], options: Options): Suggestion[] {
  const kinds = kindsOf(options)
  return suggestions.filter(({ kind }) => kinds === undefined || kinds.includes(kind))
}

function kindsOf(options: Options): string[] | undefined {
  const text = textOption(options, 'kinds')
  if (text === undefined) return undefined
  const kinds = text.split(',').map((kind) => kind.trim())
  const unknown = kinds.find((kind) => !KINDS.includes(kind as SuggestionKind))
  if (unknown !== undefined)
    throw new MillraceError('MR_CLI_VALUE', {
      option: '--kinds',
      expected: `some of ${KINDS.join(', ')}, with commas between`,
      got: unknown,
    })
  return kinds
}

/** `kinds`: the option as it was given, for the hint. */
type Edited = ConfigEdit & { written: boolean; kinds: string }

function answer(cli: Cli, report: SuggestReport, suggestions: readonly Suggestion[], edit?: Edited): Answer {
  const lines = mergeNotNull(suggestions.map(({ check }) => check)).map(checkText)
  return {
    value: {
      ...report,
      suggestions: suggestions.map((s) => ({ ...s, text: checkText(s.check) })),
      lines,
      config: edit
        ? { path: edit.path, dataset: edit.dataset, diff: edit.diff, written: edit.written }
        : null,
    },
    lines: [
      ...evidenceLines(cli, report, suggestions),
      ...(suggestions.length === 0 ? [] : changeLines(cli, lines, edit)),
    ],
  }
}

function evidenceLines(cli: Cli, report: SuggestReport, suggestions: readonly Suggestion[]): string[] {
  const { paint, width } = cli
  return [
    '',
    `  ${paint.bold(plural(suggestions.length, 'check'))}${report.rows === 0 ? '' : `, learned from ${rowsText(report.split.fitted)} and tried on ${heldOutText(report)}`}`,
    '',
    ...KINDS.flatMap((kind) =>
      kindLines(
        cli,
        suggestions.filter((s) => s.kind === kind),
      ),
    ),
    ...report.dropped.flatMap((dropped) => droppedLines(cli, dropped)),
    ...(report.dropped.length > 0 ? [''] : []),
    ...report.notes.flatMap((note) => wrapped(`  ${paint.warn('!')} `, note, width)),
    ...(report.notes.length > 0 ? [''] : []),
  ]
}

const heldOutText = ({ split }: SuggestReport): string =>
  split.by === 'time'
    ? `the newest ${count(split.heldOut)} by ${split.column}`
    : `${count(split.heldOut)} others, drawn at random`

/** Columns that always have a value are one line; every other check is one with its evidence below. */
function kindLines(cli: Cli, suggestions: readonly Suggestion[]): string[] {
  const isPlain = (s: Suggestion) => s.kind === 'complete' && !s.loosened
  const plain = suggestions.filter(isPlain)
  const lines = suggestions.filter((s) => !isPlain(s)).flatMap((s) => suggestionLines(cli, s))
  if (plain.length === 0) return lines
  const [line] = mergeNotNull(plain.map(({ check }) => check)).map(checkText)
  return [
    ...wrapped('  ', line!, cli.width),
    ...evidence(
      cli,
      'no value is missing in any row',
      plain.reduce((a, b) => (b.falseAlarms.atMost > a.falseAlarms.atMost ? b : a)),
    ),
    ...lines,
  ]
}

function suggestionLines(cli: Cli, suggestion: Suggestion): string[] {
  return [
    ...wrapped('  ', checkText(suggestion.check), cli.width),
    ...evidence(cli, suggestion.why, suggestion),
  ]
}

function evidence(cli: Cli, why: string, suggestion: Suggestion): string[] {
  return wrapped('      ', `${why}${triedText(suggestion)}`, cli.width).map(cli.paint.dim)
}

function triedText({ heldOut, falseAlarms, kind, loosened }: Suggestion): string {
  if (kind === 'fresh') return ''
  const failing = `; ${heldOut.failing === 0 ? 'none' : count(heldOut.failing)} of ${count(heldOut.rows)} held-out rows fail`
  return loosened
    ? `${failing}, which it has room for`
    : `${failing}, so at most ${shareText(falseAlarms.atMost)} of sound ones will`
}

const shareText = (share: number): string => `${Number((100 * share).toPrecision(2))} %`

function droppedLines(cli: Cli, { check, why }: Dropped): string[] {
  return wrapped(`  ${cli.paint.dim('–')} `, `${check} is not suggested: ${why}`, cli.width).map(
    cli.paint.dim,
  )
}

function changeLines(cli: Cli, lines: readonly string[], edit: Edited | undefined): string[] {
  const { paint } = cli
  if (!edit)
    return ['  For the config:', '', '    checks: [', ...lines.map((line) => `      ${line},`), '    ],', '']
  const painted = edit.diff.map((line) =>
    line.startsWith('+') ? paint.good(line) : line.startsWith('-') ? paint.bad(line) : paint.dim(line),
  )
  const done = edit.written
    ? `  ${paint.good('✓')} wrote ${edit.path}`
    : `  Write it: ${paint.accent(`millrace data suggest ${edit.dataset}${edit.kinds} --write`)}`
  return [...painted.map((line) => `  ${line}`), '', done, '']
}
