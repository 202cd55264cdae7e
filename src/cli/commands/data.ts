/** `millrace data …`: versions of data, their history and their health. */
import { MillraceError } from '../../core/errors.ts'
import { DELIVERY_MODES, findSources, log, resolveVersion, show, shownSource } from '../../data/index.ts'
import { datasetDef, type Runtime } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import {
  bytes,
  count,
  day,
  figure,
  findingLines,
  minute,
  orDash,
  plural,
  rowsText,
  short,
} from '../format.ts'
import type { Options } from '../handler.ts'
import { nameAsked } from '../locked.ts'
import { countOption, oneOf, textOption, windowOf } from '../options.ts'
import { importStep } from '../steps.ts'
import { table } from '../table.ts'
import { logOfFiles, namesFiles, showFiles } from './files.ts'

export async function dataImport(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const datasets =
    name === undefined
      ? rt.project.datasets.filter(({ source }) => source.length > 0)
      : [datasetDef(rt, name as string)]
  const files = options.file as unknown as string[] | undefined
  const request = {
    files,
    select: windowOption(options, 'select'),
    period: windowOption(options, 'period'),
    mode: oneOf('--mode', textOption(options, 'mode'), DELIVERY_MODES),
    branch: textOption(options, 'branch'),
    message: textOption(options, 'message'),
  }
  if (options.dryRun === true) return await plannedImport(cli, rt, datasets, files)
  cli.meter.expect(datasets.length)
  const done = []
  for (const { name: dataset } of datasets) {
    const { digest, known, version } = await importStep(cli, rt, { dataset, ...request })
    done.push({
      dataset,
      version: digest,
      known,
      rows: version.rows,
      rowsQuarantined: version.rowsQuarantined,
      findings: version.findings,
    })
  }
  return { value: { event: 'done', datasets: done } }
}

function windowOption(options: Options, name: string) {
  const text = textOption(options, name)
  return text === undefined ? undefined : windowOf(`--${name}`, text)
}

async function plannedImport(
  cli: Cli,
  rt: Runtime,
  datasets: readonly { name: string; source: string[] }[],
  given: string[] | undefined,
): Promise<Answer> {
  const found = await Promise.all(
    datasets.map(async ({ name, source }) => {
      const files = (await findSources(rt.folder, given ?? source)).map(shownSource)
      if (files.length === 0)
        throw new MillraceError('MR_DATA_NO_FILES', {
          dataset: name,
          folder: rt.folder,
          tried: (given ?? source).map(shownSource),
        })
      return { dataset: name, files }
    }),
  )
  return {
    value: { dryRun: true, imports: found },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen:'),
      ...found.flatMap(({ dataset, files }) => [
        `  · import into ${dataset}, unless it was imported before:`,
        ...files.map((file) => `      ${file}`),
      ]),
    ],
  }
}

export async function dataLog(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const limit = countOption(options, 'limit', 20)
  const rt = await cli.open()
  const { store } = rt
  const dataset = name as string
  if (await namesFiles(store, dataset)) return await logOfFiles(cli, rt, dataset, limit)
  await resolveVersion(store, dataset)
  const rows = await log(store, dataset, limit)
  const lines = table(
    ['version', 'at', 'rows', 'added', 'put aside', 'parts', 'new', 'message'],
    rows.map((r) => [
      short(r.digest),
      minute(r.at),
      count(r.rows),
      plus(r.rowsAdded),
      count(r.rowsQuarantined),
      count(r.parts),
      count(r.partsNew),
      r.message,
    ]),
    { right: ['rows', 'added', 'put aside', 'parts', 'new'], width: cli.width, paint: cli.paint },
  )
  return { value: rows, lines: ['', ...lines, ''] }
}

const plus = (n: number): string => (n > 0 ? `+${count(n)}` : count(n))

export async function dataShow(cli: Cli, [given]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const name = await nameAsked(cli, rt, given as string, options)
  const { store } = rt
  if (await namesFiles(store, name)) return await showFiles(cli, rt, name)
  const page = await show(store, name)
  const { paint, width } = cli
  const columns = page.columns.map(({ name: column, type, profile, parent }) => [
    column,
    type,
    profile.nulls > 0 ? count(profile.nulls) : '–',
    count(Math.round(profile.distinctApprox)),
    ...(['min', 'max'] as const).map((end) => endText(profile[end], type)),
    orDash(profile.mean),
    parent === undefined ? '–' : orDash(parent.psi),
  ])
  return {
    value: page,
    lines: [
      '',
      `  ${paint.bold(`${page.dataset} ${short(page.digest)}`)}  ${rowsText(page.rows)} in ${plural(page.parts.length, 'part')}, ${bytes(page.parts.reduce((n, p) => n + p.bytes, 0))}, imported ${minute(page.createdAt)} UTC${page.rowsQuarantined > 0 ? `; ${count(page.rowsQuarantined)} put aside` : ''}`,
      '',
      ...table(['column', 'type', 'missing', 'values', 'from', 'to', 'mean', 'moved (psi)'], columns, {
        right: ['missing', 'values', 'mean', 'moved (psi)'],
        width,
        paint,
      }),
      ...(page.findings.length > 0 ? [''] : []),
      ...page.findings.flatMap((f) => findingLines(cli, f)),
      '',
    ],
  }
}

const VALUE_CHARS = 24

function endText(value: number | string | undefined, type: string): string {
  if (value === undefined) return '–'
  if (typeof value === 'string')
    return value.length > VALUE_CHARS ? `${value.slice(0, VALUE_CHARS - 1)}…` : value
  if (type === 'time') return minute(value)
  if (type === 'date') return day(value)
  return Number.isInteger(value) ? count(value) : figure(value)
}
