/** `millrace data diff`: what changed between two versions, by key and cell. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Column, DatasetVersion } from '../../core/records.ts'
import { type ChangedRow, type DatasetDiff, diff, resolveVersion, shownCell } from '../../data/index.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, orDash, plural, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { pairs, table } from '../table.ts'
import { diffOfFiles, namesFiles } from './files.ts'

const ROWS_SHOWN = 5

export async function dataDiff(cli: Cli, [from, to]: readonly unknown[], options: Options): Promise<Answer> {
  const file = textOption(options, 'to')
  const path = file && resolve(file)
  if (path && existsSync(path) && options.force !== true)
    throw new MillraceError('MR_CLI_EXISTS', { path: file })
  const rt = await cli.open()
  if (await namesFiles(rt.store, from as string))
    return await diffOfFiles(cli, rt, from as string, to as string | undefined)
  const a = await resolveVersion(rt.store, from as string)
  const b = await resolveVersion(rt.store, (to as string | undefined) ?? a.version.dataset)
  cli.meter.begin(`Diff ${b.version.dataset}`)
  cli.meter.update(0, 'comparing rows')
  const found = await diff(rt.store, await rt.query(), a.digest, b.digest, {
    key: textOption(options, 'key')
      ?.split(',')
      .map((column) => column.trim()),
    sampleRows: countOption(options, 'rows', ROWS_SHOWN),
    path,
    signal: cli.signal,
  })
  cli.meter.end()
  const wrote = file ? [`  ${cli.paint.good('✓')} wrote all changes to ${file}`, ''] : []
  return { value: found, lines: [...diffLines(cli, found, typesOf(a.version, b.version)), ...wrote] }
}

type Types = ReadonlyMap<string, Column['type']>

const typesOf = (...versions: DatasetVersion[]): Types =>
  new Map(versions.flatMap(({ schema }) => schema.columns.map(({ name, type }) => [name, type] as const)))

function diffLines(cli: Cli, d: DatasetDiff, types: Types): string[] {
  const { paint } = cli
  const { added, removed, changed } = d.schema
  const facts: [string, string][] = [
    ['rows', rowsFact(cli, d)],
    [
      'parts',
      `${plural(d.partsAdded.length, 'part')} new, ${count(d.partsRemoved.length)} gone, ${count(d.partsSame)} the same`,
    ],
  ]
  for (const [what, names] of [
    ['columns new', added],
    ['columns gone', removed],
    ['columns changed', changed],
  ] as const)
    if (names.length > 0) facts.push([what, names.join(', ')])
  if (d.keyed && d.keyed.cells.length > 0)
    facts.push(['cells', d.keyed.cells.map(({ column, rows }) => `${column} ${count(rows)}`).join(', ')])
  return [
    '',
    `  ${paint.bold(`${short(d.from)} → ${short(d.to)}`)}`,
    '',
    ...pairs(facts, paint, cli.width),
    ...rowLines(cli, d, types),
    ...movedLines(cli, d),
    '',
  ]
}

function rowsFact({ paint }: Cli, d: DatasetDiff): string {
  if (!d.keyed) return `${paint.good(`+${count(d.rowsAdded)}`)}  ${paint.bad(`−${count(d.rowsRemoved)}`)}`
  const { inserted, deleted, updated, key } = d.keyed
  return `${paint.good(`+${count(inserted)}`)}  ${paint.bad(`−${count(deleted)}`)}  ${paint.accent(`~${count(updated)}`)} ${paint.dim(`by ${key.join(', ')}`)}`
}

/** Some rows, with a sign each. */
function rowLines({ paint, width }: Cli, { keyed, sample }: DatasetDiff, types: Types): string[] {
  const plain = (row: Record<string, unknown>) =>
    Object.entries(row)
      .map(([name, value]) => `${name} ${text(value, types.get(name))}`)
      .join(', ')
  const rows = [
    ...(keyed?.sample ?? []).map((row) => `${paint.accent('~')} ${changeText(row, types)}`),
    ...sample.added.map((row) => `${paint.good('+')} ${plain(row)}`),
    ...sample.removed.map((row) => `${paint.bad('−')} ${plain(row)}`),
  ]
  if (rows.length === 0) return []
  return ['', ...rows.map((row) => `  ${cutTo(row, width)}`)]
}

function changeText({ key, cells }: ChangedRow, types: Types): string {
  const names = Object.entries(key).map(([name, value]) => text(value, types.get(name)))
  const changes = Object.entries(cells).map(([name, { from, to }]) => {
    const type = types.get(name)
    return `${name} ${text(from, type)} → ${text(to, type)}`
  })
  return `${names.join(', ')}: ${changes.join(', ')}`
}

const text = (value: unknown, type: Column['type'] | undefined): string =>
  String(shownCell(value, type) ?? '–')

/** Colours stand at the beginning alone, so that the end can be cut. */
const cutTo = (line: string, width: number): string =>
  line.length > width - 4 ? `${line.slice(0, Math.max(20, width - 5))}…` : line

function movedLines({ paint, width }: Cli, d: DatasetDiff): string[] {
  const moved = d.columns
    .filter((c) => (c.psi ?? 0) > 0 || c.nullsFrom !== c.nullsTo)
    .toSorted((x, y) => (y.psi ?? 0) - (x.psi ?? 0))
    .map((c) => [
      c.column,
      orDash(c.psi),
      orDash(c.meanFrom),
      orDash(c.meanTo),
      count(c.nullsFrom),
      count(c.nullsTo),
    ])
  const lines = table(
    ['column', 'moved (psi)', 'mean before', 'mean now', 'missing before', 'missing now'],
    moved,
    {
      right: ['moved (psi)', 'mean before', 'mean now', 'missing before', 'missing now'],
      width,
      paint,
    },
  )
  return lines.length > 0 ? ['', ...lines] : []
}
