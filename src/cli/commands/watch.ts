/** `millrace watch` and `millrace alerts`: how a model does in production, and who should look. */
import { loopActions } from '../../api/actions.ts'
import { alertsView } from '../../api/views/index.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Alert } from '../../core/records.ts'
import { modelDef } from '../../loop/runtime.ts'
import { LEAD_OF } from '../../model/measure.ts'
import { readWatch } from '../../watch/record.ts'
import type { WindowSummary } from '../../watch/records.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, day, figure, listed, metricWords, minute, orDash, plural, sign } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption } from '../options.ts'
import { table } from '../table.ts'

const WINDOWS = 20

export async function watch(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const limit = countOption(options, 'limit', WINDOWS)
  const rt = await cli.open()
  const { name: model, watch: how } = modelDef(rt, name as string)
  const state = (await readWatch(rt.store, model))?.state
  const windows = (state?.windows ?? []).slice(-limit)
  const lines =
    windows.length === 0
      ? [`  No ${how.window} of ${model} is over yet. A window is judged when its outcomes have come in.`]
      : windowLines(cli, windows)
  return { value: { model, window: how.window, windows }, lines: ['', ...lines, ''] }
}

function windowLines(cli: Cli, windows: readonly WindowSummary[]): string[] {
  const lead = windows.findLast((w) => w.expected)?.expected?.metric ?? LEAD_OF.binary
  const rows = windows.map((w) => [
    day(w.window.fromAt),
    `v${w.version}`,
    count(w.predictions),
    count(w.joined),
    orDash(w.metrics[lead]?.value),
    orDash(w.expected?.value),
    w.joined > 0 ? figure(w.meanPredicted) : '–',
    w.joined > 0 ? figure(w.meanActual) : '–',
    listed(w.drift.filter((d) => d.verdict === 'fail').map((d) => d.column)) || '–',
    `${sign(w.verdict, cli.paint)} ${w.verdict}`,
  ])
  const metric = metricWords(lead)
  const head = [
    'from',
    'version',
    'predictions',
    'outcomes',
    metric,
    'expected',
    'promised',
    'happened',
    'drift in',
    'verdict',
  ]
  return table(head, rows, {
    right: ['predictions', 'outcomes', metric, 'expected', 'promised', 'happened'],
    width: cli.width,
    paint: cli.paint,
  })
}

export async function alerts(cli: Cli, [act, id]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const all = await alertsView(rt)
  if (act === undefined)
    return listOf(cli, options.all === true ? all : all.filter((a) => a.state !== 'resolved'))
  if (act !== 'ack')
    throw new MillraceError('MR_CLI_VALUE', { option: 'the act', expected: '"ack"', got: String(act) })
  if (id === undefined)
    throw new MillraceError('MR_CLI_USAGE', {
      why: "missing required argument 'id'",
      help: 'millrace alerts --help',
    })
  const alert = alertNamed(all, id as string)
  const isDry = options.dryRun === true
  const seen = isDry ? alert : await loopActions(rt).acknowledge(alert.id, { actor: await cli.actor() })
  const text = isDry
    ? `would be acknowledged: ${alert.finding.message}`
    : `${seen.state}: ${alert.finding.message}`
  return { value: { dryRun: isDry, alert: seen }, lines: [`  ${cli.paint.good('✓')} ${text}`] }
}

/** An alert by its id or the beginning of it. */
function alertNamed(all: readonly Alert[], id: string): Alert {
  const found = all.filter((a) => a.id === id || a.id.startsWith(id))
  if (found.length === 1) return found[0]
  if (found.length === 0) throw new MillraceError('MR_WATCH_ALERT_UNKNOWN', { id })
  throw new MillraceError('MR_CLI_VALUE', {
    option: 'the id',
    expected: `a longer beginning of one, as ${found.length} alerts begin so`,
    got: id,
  })
}

function listOf(cli: Cli, found: readonly Alert[]): Answer {
  if (found.length === 0)
    return { value: [], lines: [`  ${cli.paint.good('●')} Nothing needs you: no alert is open.`] }
  const rows = found.map((a) => [
    a.id.slice(0, 12),
    a.state,
    minute(a.raisedAt),
    a.finding.subject.replace(/^models\//, ''),
    a.owner || '–',
    affected(a),
    a.finding.message,
  ])
  return {
    value: found,
    lines: [
      '',
      ...table(['id', 'state', 'raised', 'about', 'owner', 'affects', 'what'], rows, {
        width: cli.width,
        paint: cli.paint,
      }),
      '',
      `  ${cli.paint.dim('Seen one: millrace alerts ack <id>')}`,
      '',
    ],
  }
}

function affected({ affected: places }: Alert): string {
  return places.length > 1 ? plural(places.length, 'place') : '–'
}
