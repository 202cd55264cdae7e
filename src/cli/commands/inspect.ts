/** `millrace data inspect`: what files of rows hold and what is odd about them, without importing anything. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { findFiles, type InspectedColumn, type Inspection, inspect } from '../../data/index.ts'
import type { DatasetDef } from '../../define/types.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, plural, rowsText } from '../format.ts'
import type { Options } from '../handler.ts'
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

/** Files by path, or those of a dataset of the project, read as its config says. Errors: MR_CLI_NO_FILE, MR_DATA_NO_FILES. */
async function wanted(
  cli: Cli,
  names: readonly string[],
): Promise<{ paths: string[]; read: Partial<DatasetDef['read']> }> {
  const [first] = names
  if (names.length > 1 || existsSync(resolve(first))) return { paths: names.map(fileAt), read: {} }
  const rt = await cli.open()
  const dataset = rt.project.datasets.find(({ name }) => name === first)
  if (!dataset)
    throw new MillraceError('MR_CLI_NO_FILE', { path: first, why: 'is neither a file nor a dataset' })
  const paths = await findFiles(rt.folder, dataset.source)
  if (paths.length === 0)
    throw new MillraceError('MR_DATA_NO_FILES', {
      dataset: first,
      folder: rt.folder,
      tried: dataset.source,
    })
  return { paths, read: dataset.read }
}

function fileAt(name: string): string {
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
