/** `millrace data quarantine`: rows that were put aside, and what is done with them. */
import { MAIN } from '../../core/names.ts'
import type { ColumnType, DatasetVersion } from '../../core/records.ts'
import { type QuarantineFilter, readQuarantine, resolveVersion } from '../../data/index.ts'
import { parseExpr } from '../../expr/parse.ts'
import {
  editQuarantine,
  parseFix,
  type QuarantineRequest,
  type QuarantineVerb,
} from '../../loop/quarantine.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, day, minute, rowsText } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, oneOf, rowNumbers, textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { table, wrapped } from '../table.ts'

const ACTS = ['list', 'release', 'fix', 'drop'] as const
const LISTED = 20
const LISTED_MAX = 1000

type Found = Awaited<ReturnType<typeof readQuarantine>>

export async function dataQuarantine(
  cli: Cli,
  [name, given]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const act = oneOf('act', given as string | undefined, ACTS)
  const filter = filterOf(options)
  return act === undefined || act === 'list'
    ? await listed(cli, name as string, filter, countOption(options, 'rows', act ? LISTED : 0, 0, LISTED_MAX))
    : await done(cli, name as string, act, filter, options)
}

function filterOf(options: Options): QuarantineFilter {
  const where = textOption(options, 'where')
  const row = textOption(options, 'row')
  return {
    ...(options.failed !== undefined && { reasons: options.failed as unknown as string[] }),
    ...(where !== undefined && { where: parseExpr(where) }),
    ...(row !== undefined && { rows: rowNumbers('--row', row) }),
  }
}

async function listed(cli: Cli, name: string, filter: QuarantineFilter, limit: number): Promise<Answer> {
  const rt = await cli.open()
  const { digest, version } = await resolveVersion(rt.store, name)
  const found = await readQuarantine(rt.store, await rt.query(), digest, {
    ...filter,
    limit,
    signal: cli.signal,
  })
  return { value: { version: digest, ...found }, lines: linesOf(cli, version, found) }
}

function linesOf(cli: Cli, { dataset, schema }: DatasetVersion, found: Found): string[] {
  const { paint, width } = cli
  if (found.total === 0) return [`  ${paint.good('✓')} ${dataset}: no row was put aside`]
  const reasons = Object.entries(found.byReason).map(([reason, n]) => [reason, count(n)])
  const rows = found.rows.map((r) => [
    count(r.row),
    ...r.values.map((value, j) => cellText(value, schema.columns[j]!.type)),
    r.reasons.join('; '),
  ])
  const some = found.matched < found.total ? `, ${count(found.matched)} of them are meant` : ''
  return [
    '',
    `  ${paint.bold(`${dataset}: ${rowsText(found.total)} put aside`)}${some}`,
    '',
    ...table(['reason', 'rows'], reasons, { right: ['rows'], paint }),
    ...(rows.length > 0 ? [''] : []),
    ...table(['row', ...found.columns, 'reasons'], rows, { right: ['row'], width, paint }),
    '',
  ]
}

const CELL_CHARS = 40

/** A value of a row: times as people read them, long texts cut. */
export function cellText(value: Found['rows'][number]['values'][number], type: ColumnType): string {
  if (value === null) return '–'
  if (typeof value === 'number' && type === 'time') return minute(value)
  if (typeof value === 'number' && type === 'date') return day(value)
  const text = String(value)
  return text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS - 1)}…` : text
}

async function done(
  cli: Cli,
  name: string,
  verb: QuarantineVerb,
  filter: QuarantineFilter,
  options: Options,
): Promise<Answer> {
  const [dataset, branch = MAIN] = name.split('@')
  const dryRun = options.dryRun === true
  const rt = await cli.open()
  const request: QuarantineRequest = {
    ...filter,
    dataset: dataset!,
    branch,
    verb,
    all: options.all === true,
    set: ((options.set as unknown as string[] | undefined) ?? []).map(parseFix),
    reason: textOption(options, 'reason') ?? 'by hand on the command line',
    actor: await cli.actor(),
    dryRun,
    signal: cli.signal,
    onProgress: cli.meter.update,
  }
  const title = `${TITLES[verb]} ${dataset}`
  cli.meter.begin(title)
  const result = await editQuarantine(rt, request)
  const ms = cli.meter.end()
  const [first, ...more] = result.effects
  const mark = result.done ? cli.paint.good('✓') : cli.paint.dim('·')
  return {
    value: { dataset, branch, verb, ...result },
    lines: [
      ...(dryRun ? [cli.paint.dim('  Nothing is changed; this is what would happen:')] : []),
      stepLine(cli, mark, title, first!, ms),
      ...more.flatMap((effect) => wrapped('      ', effect, cli.width).map(cli.paint.dim)),
    ],
  }
}

const TITLES: Record<QuarantineVerb, string> = { release: 'Release', fix: 'Fix', drop: 'Drop' }
