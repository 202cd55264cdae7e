/** `millrace status`: how everything is, in one sentence and a table; or one model. */
import type { Fleet, FleetRow, ModelPage } from '../../api/contract.ts'
import { fleetView, modelView, notServing } from '../../api/views/index.ts'
import { TASK_WORDS } from '../../api/views/words.ts'
import { LEAD_OF } from '../../model/measure.ts'
import type { Answer, Cli } from '../cli.ts'
import {
  bytes,
  count,
  day,
  figure,
  findingLines,
  measured,
  metricWords,
  orDash,
  percent,
  plural,
  rowsText,
  short,
  sign,
} from '../format.ts'
import { pairs, table, wrapped } from '../table.ts'

export async function status(cli: Cli, [name]: readonly unknown[]): Promise<Answer> {
  const rt = await cli.open()
  const live = notServing(() => rt.jobs.workers(), Date.now())
  if (name === undefined) {
    const fleet = await fleetView(rt, live)
    return { value: fleet, lines: fleetLines(cli, fleet) }
  }
  const page = await modelView(rt, name as string, live)
  return { value: page, lines: modelLines(cli, page) }
}

function fleetLines(cli: Cli, fleet: Fleet): string[] {
  const { paint } = cli
  const mark = { good: paint.good('●'), watch: paint.warn('●'), act: paint.bad('●') }[fleet.health]
  const lines = ['', ...wrapped(`  ${mark} `, fleet.sentence, cli.width).map(paint.bold)]
  if (fleet.models.length > 0)
    lines.push('', ...table(HEAD, fleet.models.map(modelRow), { right: RIGHT, width: cli.width, paint }))
  if (fleet.datasets.length > 0) {
    const rows = fleet.datasets.map((d) => [
      d.dataset,
      count(d.rows),
      count(d.versions),
      bytes(d.bytes),
      count(d.rowsQuarantined),
      d.window ? `${day(d.window.fromAt)} to ${day(d.window.toAt - 1)}` : '–',
      d.importedAt === null ? 'never' : day(d.importedAt),
    ])
    lines.push(
      '',
      ...table(['data', 'rows', 'versions', 'size', 'put aside', 'time', 'imported'], rows, {
        right: ['rows', 'versions', 'size', 'put aside'],
        width: cli.width,
        paint,
      }),
    )
  }
  for (const { model, unusedDays } of fleet.models)
    if (unusedDays !== undefined)
      lines.push(
        '',
        ...wrapped(
          `  ${paint.dim('·')} `,
          `${model} was not asked for in ${plural(unusedDays, 'day')}: where it is needed no more, take it out of the config`,
          cli.width,
        ),
      )
  for (const alert of fleet.attention)
    lines.push(
      '',
      ...wrapped(`  ${paint.warn('▲')} `, alert.finding.message, cli.width),
      `    ${paint.dim(alert.action ?? `millrace alerts ack ${alert.id}`)}`,
    )
  return [...lines, '']
}

const HEAD = ['model', 'live', 'release', 'quality', 'on', 'predictions', 'members', 'alerts', 'trained']
const RIGHT = ['predictions', 'members', 'alerts']

function modelRow(row: FleetRow): string[] {
  const last = row.quality.findLast((point) => point.value !== null)
  return [
    row.model,
    row.liveVersion === null ? '–' : `v${row.liveVersion}`,
    row.release?.state ?? 'none',
    last?.value == null
      ? `${metricWords(row.qualityMetric)} –`
      : `${metricWords(row.qualityMetric)} ${figure(last.value)}`,
    last ? plural(last.n, 'outcome') : '–',
    count(row.predictions),
    row.members > 0 ? count(row.members) : '–',
    count(row.alerts),
    row.trainedAt === null ? 'never' : day(row.trainedAt),
  ]
}

function modelLines(cli: Cli, page: ModelPage): string[] {
  const { paint } = cli
  const routes = page.release?.routes.map(
    (r) => `v${r.version} ${r.role}${r.weight > 0 ? ` ${percent(r.weight)}` : ''}`,
  )
  const facts: [string, string | string[]][] = [
    ['task', `${TASK_WORDS[page.task]}${page.classes ? ` (${page.classes.length})` : ''}`],
    ['release', page.release ? `${page.release.state}: ${routes?.join(', ')}` : 'none'],
    ['owner', page.owner || 'nobody; set watch.owner in the config'],
    ['size', bytes(page.speed.modelBytes)],
  ]
  const versions = page.versions.slice(0, 10).map((v) => {
    const lead = leadOf(page)
    return [
      `v${v.version}`,
      v.state,
      measured(v.metrics[lead]),
      count(v.trainedOn.rows),
      day(v.createdAt),
      short(v.bundle),
      v.reason,
    ]
  })
  return [
    '',
    ...wrapped('  ', page.sentence, cli.width).map(paint.bold),
    ...(page.description === '' ? [] : [`  ${paint.dim(page.description)}`]),
    '',
    ...pairs(facts, paint, cli.width),
    ...section(
      paint.bold('Versions'),
      table(['version', 'state', metricWords(leadOf(page)), 'rows', 'made', 'bundle', 'why'], versions, {
        right: ['rows'],
        width: cli.width,
        paint,
      }),
    ),
    ...section(paint.bold('Classes'), classLines(cli, page)),
    ...section(
      paint.bold('Gates'),
      page.gates.filter((f) => f.slice === undefined).flatMap((f) => findingLines(cli, f)),
    ),
    ...section(
      paint.bold('What it goes by'),
      table(
        ['feature', 'mean effect'],
        page.importance.slice(0, 10).map((f) => [f.feature, figure(f.meanAbs)]),
        { right: ['mean effect'], paint },
      ),
    ),
    ...section(
      paint.bold('Drift'),
      table(
        ['column', 'psi', 'rows', ''],
        page.drift.slice(0, 10).map((d) => [d.column, orDash(d.psi), rowsText(d.n), sign(d.verdict, paint)]),
        { right: ['psi'], paint },
      ),
    ),
    '',
    ...Object.values(page.commands).map((command) => `  ${paint.dim(command)}`),
    '',
  ]
}

const CLASSES_SHOWN = 20

/** What is told of each class, most frequent in training first. */
function classLines({ paint, width }: Cli, { classes = [] }: ModelPage): string[] {
  if (classes.length === 0) return []
  const rows = classes
    .toSorted((a, b) => (b.trainRows ?? 0) - (a.trainRows ?? 0))
    .slice(0, CLASSES_SHOWN)
    .map((c) => [
      c.label,
      c.trainRows === null ? 'none' : count(c.trainRows),
      c.recall ? percent(c.recall.value) : '–',
      c.precision ? percent(c.precision.value) : '–',
      c.said === null ? '–' : count(c.said),
      c.happened === null ? '–' : count(c.happened),
    ])
  const names = ['class', 'trained on', 'found', 'right when said', 'said', 'happened']
  return table(names, rows, { right: names.slice(1), width, paint })
}

function leadOf(page: ModelPage): string {
  return page.quality.metrics[0]?.name ?? LEAD_OF[page.task]
}

function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', `  ${title}`, ...lines]
}
