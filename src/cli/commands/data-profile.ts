/** `millrace data profile`: what is in each column of a version, from the sketches of its parts. */
import { MillraceError } from '../../core/errors.ts'
import { type ColumnProfile, profileVersion, type VersionProfile } from '../../data/index.ts'
import type { Answer, Cli } from '../cli.ts'
import {
  count,
  day,
  figure,
  findingLines,
  minute,
  orDash,
  plural,
  rowsText,
  share,
  short,
} from '../format.ts'
import type { Options } from '../handler.ts'
import { nameAsked } from '../locked.ts'
import { table } from '../table.ts'

const QUANTILES_SHOWN = ['0.05', '0.25', '0.5', '0.75', '0.95']
const FREQUENT_SHOWN = 3
const VALUE_CHARS = 20

export async function dataProfile(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const name = await nameAsked(cli, rt, given as string, options)
  cli.meter.begin(`Profile ${name}`)
  const found = await profileVersion(rt, name, {
    signal: cli.signal,
    onProgress: (done, note) => cli.meter.update(done, note),
  })
  cli.meter.end()
  const profile = { ...found, columns: chosen(found, options.column as unknown as string[] | undefined) }
  return { value: profile, lines: linesOf(cli, profile) }
}

function chosen({ columns }: VersionProfile, names: string[] | undefined): ColumnProfile[] {
  const known = columns.map((column) => column.name)
  for (const name of names ?? [])
    if (!known.includes(name)) throw new MillraceError('MR_LOOP_UNKNOWN', { what: 'column', name, known })
  return names === undefined ? columns : columns.filter((column) => names.includes(column.name))
}

function linesOf(cli: Cli, profile: VersionProfile): string[] {
  const { paint, width } = cli
  const rows = profile.columns.map((column) => [
    column.name,
    column.nulls === 0 ? '–' : share(column.nulls / profile.rows),
    count(column.distinct),
    shown(column, column.min),
    ...QUANTILES_SHOWN.map((rank) => shown(column, column.quantiles?.[rank])),
    shown(column, column.max),
    shown(column, column.mean),
    orDash(column.std),
    frequentText(column, profile.rows),
  ])
  const head = [
    'column',
    'missing',
    'distinct',
    'min',
    '5 %',
    '25 %',
    '50 %',
    '75 %',
    '95 %',
    'max',
    'mean',
    'std',
    'often',
  ]
  const read = profile.partsRead > 0 ? `; ${plural(profile.partsRead, 'part')} had to be read` : ''
  return [
    '',
    `  ${paint.bold(`${profile.dataset} ${short(profile.digest)}`)}  ${rowsText(profile.rows)} in ${plural(profile.parts, 'part')}${read}`,
    '',
    ...table(head, rows, { right: head.slice(1, -1), width, paint }),
    ...(profile.stretches.length > 0 ? [''] : []),
    ...profile.stretches.flatMap((finding) => findingLines(cli, finding)),
    '',
  ]
}

function shown({ type }: ColumnProfile, value: number | string | undefined): string {
  if (value === undefined) return '–'
  if (typeof value === 'string') return cut(value)
  if (type === 'time') return minute(value)
  if (type === 'date') return day(value)
  return Number.isInteger(value) ? count(value) : figure(value)
}

function frequentText(column: ColumnProfile, rows: number): string {
  const { type, frequent } = column
  const isNumeric = column.mean !== undefined
  return frequent
    .slice(0, FREQUENT_SHOWN)
    .filter(({ countMin }) => countMin >= 0.001 * rows)
    .map(({ value, countMin }) => {
      const label =
        isNumeric && (type === 'time' || type === 'date') ? shown(column, Number(value)) : cut(value)
      return `${label} ${share(countMin / rows)}`
    })
    .join(', ')
}

const cut = (text: string): string =>
  text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS - 1)}…` : text
