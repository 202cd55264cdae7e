/** `millrace data inspect`: what files of rows hold and what is odd about them, without importing anything. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import {
  findSources,
  type InspectedColumn,
  type Inspection,
  inspect,
  isCroissant,
  isUrl,
  shownSource,
} from '../../data/index.ts'
import type { DatasetDef, ReadDef } from '../../define/types.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, plural, rowsText } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, oneOf, textOption } from '../options.ts'
import { remarkLines } from '../steps.ts'
import { table } from '../table.ts'

export async function dataInspect(cli: Cli, [names]: readonly unknown[], _options: Options): Promise<Answer> {
  const { paths, read } = await wanted(cli, names as string[])
  cli.meter.begin(paths.length === 1 ? 'Looking at the file' : `Looking at ${paths.length} files`)
  cli.meter.update(0, '')
  const look = await inspect(paths, read, { previewRows: 0, signal: cli.signal })
  cli.meter.end()
  const { preview: _, ...value } = look
  return { value, lines: linesOf(cli, look) }
}

/** How files would be read, before anything is: the same look as `data inspect`, beginning with what was guessed. */
export async function dataPreview(cli: Cli, [names]: readonly unknown[], options: Options): Promise<Answer> {
  const { paths, read } = await wanted(cli, names as string[])
  const previewRows = countOption(options, 'rows', 5, 0, PREVIEW_ROWS_MAX)
  cli.meter.begin(paths.length === 1 ? 'Looking at the file' : `Looking at ${paths.length} files`)
  cli.meter.update(0, '')
  const look = await inspect(paths, { ...read, ...pinsOf(options) }, { previewRows, signal: cli.signal })
  cli.meter.end()
  return { value: look, lines: [...guessLines(cli, look), ...linesOf(cli, look), ...rowLines(cli, look)] }
}

const PREVIEW_ROWS_MAX = 100
const FORMATS = ['parquet', 'orc', 'arrow', 'csv', 'json', 'sheet', 'sqlite'] as const

/** What a person says on the command line of how files are read. */
function pinsOf(options: Options): Partial<ReadDef> {
  const header = options.header === undefined ? undefined : countOption(options, 'header', 1, 0, 1_000_000)
  const pins: Partial<ReadDef> = {
    format: oneOf('--format', textOption(options, 'format'), FORMATS),
    encoding: textOption(options, 'encoding'),
    delimiter: textOption(options, 'delimiter')?.replace('\\t', '\t'),
    quote: textOption(options, 'quote'),
    header: header === 0 ? false : header,
    decimal: oneOf('--decimal', textOption(options, 'decimal'), ['.', ','] as const),
    dates: oneOf('--dates', textOption(options, 'dates'), ['day-first', 'month-first'] as const),
    ragged: oneOf('--ragged', textOption(options, 'ragged'), ['refuse', 'pad'] as const),
    sheet: textOption(options, 'sheet'),
    table: textOption(options, 'table'),
    query: textOption(options, 'query'),
    columns: textOption(options, 'columns')?.split(','),
    missing: textOption(options, 'missing')?.split(','),
  }
  return Object.fromEntries(Object.entries(pins).filter(([, value]) => value !== undefined))
}

function guessLines({ paint, width }: Cli, { files }: Inspection): string[] {
  const lines: string[] = []
  for (const { name, guesses = [] } of files) {
    if (guesses.length === 0) continue
    const cells = guesses.map(({ what, value, sure, why, pin, columns }) => [
      what,
      value,
      sure,
      columns
        ? `${why} (${columns.length > 3 ? plural(columns.length, 'column') : columns.join(', ')})`
        : why,
      pin ?? '',
    ])
    lines.push('', `  ${paint.bold(name)} was read so`, '')
    lines.push(...table(['what', 'guessed', 'how sure', 'since', 'pinned by read:'], cells, { width, paint }))
  }
  return lines
}

function rowLines({ paint, width }: Cli, { preview, schema }: Inspection): string[] {
  if (preview.length === 0) return []
  const shown = schema.columns.slice(0, PREVIEW_COLUMNS).map(({ name }) => name)
  const cells = preview.map((row) => shown.map((name) => cellText(row[name])))
  const more = schema.columns.length - shown.length
  return [
    ...table(shown, cells, { width, paint }),
    ...(more > 0 ? [paint.dim(`  and ${plural(more, 'more column')}`)] : []),
    '',
  ]
}

const PREVIEW_COLUMNS = 8
const CELL_CHARS = 24

function cellText(value: string | number | boolean | null | undefined): string {
  if (value === null || value === undefined) return '–'
  const text = String(value).replaceAll('\n', '⏎')
  return text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS - 1)}…` : text
}

/** Files by path, or those of a dataset of the project, read as its config says. Errors: MR_CLI_NO_FILE, MR_DATA_NO_FILES. */
async function wanted(
  cli: Cli,
  names: readonly string[],
): Promise<{ paths: string[]; read: Partial<DatasetDef['read']> }> {
  const [first] = names
  if (names.length > 1 || isUrl(first) || isCroissant(first) || existsSync(resolve(first)))
    return { paths: names.map(fileAt), read: {} }
  const rt = await cli.open()
  const dataset = rt.project.datasets.find(({ name }) => name === first)
  if (!dataset)
    throw new MillraceError('MR_CLI_NO_FILE', { path: first, why: 'is neither a file nor a dataset' })
  const paths = await findSources(rt.folder, dataset.source)
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', {
      dataset: first,
      folder: rt.folder,
      tried: dataset.source.map(shownSource),
    })
  return { paths, read: dataset.read }
}

function fileAt(name: string): string {
  if (isUrl(name) || isCroissant(name)) return name
  const path = resolve(name)
  if (!existsSync(path)) throw new MillraceError('MR_CLI_NO_FILE', { path: name, why: 'is not there' })
  return path
}

function linesOf(cli: Cli, { rows, columns, files, remarks, format }: Inspection): string[] {
  const { paint, width } = cli
  const cells = columns.map((c) => [
    c.name,
    c.type,
    c.nulls > 0 ? count(c.nulls) : '–',
    count(c.distinct),
    endText(c.min, c.type),
    endText(c.max, c.type),
  ])
  return [
    '',
    `  ${paint.bold(files.map(({ name }) => name).join(', '))}  ${rowsText(rows)}, ${plural(columns.length, 'column')}, ${format}`,
    '',
    ...table(['column', 'type', 'missing', 'values', 'from', 'to'], cells, {
      right: ['missing', 'values'],
      width,
      paint,
    }),
    '',
    ...(remarks.length === 0
      ? [`  ${paint.good('✓')} nothing is odd about these rows`]
      : [`  ${paint.bold(plural(remarks.length, 'remark'))}`, ...remarkLines(cli, remarks, 2)]),
    '',
  ]
}

const VALUE_CHARS = 24

function endText(value: string | number | null, type: InspectedColumn['type']): string {
  if (value === null) return '–'
  if (typeof value === 'number') return Number.isInteger(value) ? count(value) : figure(value)
  if (typeof value !== 'string') return String(value)
  const text = type === 'time' ? value.replace(/\.000Z$/, '') : value
  return text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS - 1)}…` : text
}
