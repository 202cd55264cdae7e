/** `millrace model diff`: what two versions of a model answer, compared on the same rows. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import type { Behaviour, MovedMetric } from '../../gate/behaviour.ts'
import { type BehaviourFound, behaviourBetween, exportMoves, type VersionSaid } from '../../loop/behaviour.ts'
import { type VersionDiff, versionsBetween } from '../../loop/version-diff.ts'
import type { Answer, Cli } from '../cli.ts'
import {
  count,
  day,
  figure,
  gainText,
  measured,
  metricWords,
  percent,
  plural,
  rowsText,
  short,
} from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { pairs, table, wrapped } from '../table.ts'

/** Lines of each table; `--json` has all. */
const SHOWN_MAX = 10

export async function modelDiff(
  cli: Cli,
  [before, after]: readonly unknown[],
  options: Options,
): Promise<Answer> {
  const file = textOption(options, 'to')
  const path = file && resolve(file)
  if (path && existsSync(path) && options.force !== true)
    throw new MillraceError('MR_CLI_EXISTS', { path: file })
  const rt = await cli.open()
  const [first, second] = [before as string, (after as string | undefined) ?? latestOf(before as string)]
  const title = `${first} and ${second}`
  cli.meter.begin(title)
  const found = await behaviourBetween(rt, {
    ...{ before: first, after: second },
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  if (path) await exportMoves(rt, { before: first, after: second }, path)
  const ms = cli.meter.end()
  const made = await versionsBetween(rt, { before: first, after: second })
  const head = stepLine(cli, cli.paint.good('✓'), title, `${rowsText(found.report.rows)} compared`, ms)
  const wrote = file ? [`  ${cli.paint.good('✓')} wrote what every row was answered to ${file}`] : []
  return {
    value: { ...found, made },
    lines: [head, ...madeLines(cli, made), ...linesOf(cli, found), ...wrote],
  }
}

const latestOf = (name: string): string => `${name.split('@')[0]}@latest`

/** What the versions are made of, where they differ. */
function madeLines({ paint, width }: Cli, { settings, features, inside }: VersionDiff): string[] {
  const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(', ')
  const facts: [string, string][] = [
    ['settings', settings.map((one) => `${one.name} ${one.before ?? '–'} → ${one.after ?? '–'}`).join(', ')],
    ['features new', names(features.added)],
    ['features gone', names(features.removed)],
    ['features changed', names(features.changed)],
    ['inside', insideText(inside)],
  ]
  const shown = facts.filter(([, text]) => text !== '')
  return shown.length > 0 ? ['', ...pairs(shown, paint, width)] : []
}

function insideText(inside: VersionDiff['inside']): string {
  if (inside.kind === 'forms') return 'another form of model'
  if (inside.kind === 'pieces') {
    const { noun, before, after, same } = inside
    return `${plural(after.pieces, noun)} with ${count(after.nodes)} nodes (${count(before.pieces)} with ${count(before.nodes)} before), ${count(same)} the same`
  }
  const { added, removed, reshaped, changed, same } = inside
  const differ = added.length + removed.length + reshaped.length + changed.length
  return `${plural(differ, 'tensor')} changed, ${count(same)} the same`
}

function linesOf(cli: Cli, { before, after, report }: BehaviourFound): string[] {
  const { paint, width } = cli
  const [old, now] = [nameOf(before), nameOf(after)]
  return [
    '',
    ...wrapped('  ', sentenceOf(report, old, now), width),
    '',
    ...table(['metric', old, now, 'gain (95 %)', 'verdict'], report.metrics.map(metricCells), {
      width,
      paint,
    }),
    '',
    ...movesLines(report).map((line) => `  ${line}`),
    ...slicesLines(cli, report),
    ...examplesLines(cli, report, [old, now]),
    '',
    ...[before, after].flatMap((version) =>
      wrapped('  ', `${nameOf(version)} was trained on ${windowText(version)}`, width).map(paint.dim),
    ),
    ...wrapped(
      '  ',
      `Rows are those that tested ${now}; where ${old} was trained on some of them, it looks better than it is.`,
      width,
    ).map(paint.dim),
  ]
}

const nameOf = ({ model, version }: VersionSaid): string => `${model}@v${version}`

function windowText({ trainedOn: { dataset, version, window, rows } }: VersionSaid): string {
  const of = `${rowsText(rows)} of ${dataset} ${short(version)}`
  return window ? `${of}, ${day(window.fromAt)} to ${day(window.toAt)}` : of
}

function sentenceOf({ decisions, moves, rows }: Behaviour, old: string, now: string): string {
  if (!decisions)
    return `${now} answers ${figure(moves.meanAbsolute)} away from ${old} in the mean, and ${moves.mean < 0 ? 'lower' : 'higher'} by ${figure(Math.abs(moves.mean))}.`
  const { changed, broken, mended } = decisions
  const [low, high] = changed.interval!
  const other = decisions.ways.reduce((n, way) => n + way.n, 0)
  return `${now} decides ${count(other)} of ${rowsText(rows)} otherwise than ${old}: ${percent(changed.value)} (${percent(low)} to ${percent(high)}). ${count(mended)} were wrong and are right now, ${count(broken)} were right and are wrong now.`
}

const WORDS = { pass: 'better', fail: 'worse', inconclusive: 'cannot be told', error: 'error' }

const metricCells = (moved: MovedMetric): string[] => [
  metricWords(moved.metric),
  measured(moved.before),
  measured(moved.after),
  gainText(moved),
  WORDS[moved.verdict],
]

function movesLines({ decisions, moves }: Behaviour): string[] {
  const at = (q: number) => figure(moves.quantiles.find((one) => one.q === q)!.value)
  return [
    ...(decisions?.ways ?? []).slice(0, SHOWN_MAX).map(({ from, to, n }) => `${from} → ${to}: ${count(n)}`),
    `outputs moved by ${at(0)} to ${at(1)}, nine of ten by ${at(0.05)} to ${at(0.95)}, half by ${at(0.25)} to ${at(0.75)}`,
  ]
}

function slicesLines({ paint, width }: Cli, { slices, slicesTested }: Behaviour): string[] {
  if (slices.length === 0) return [`  none of ${count(slicesTested)} slices moved more than the rest`]
  const cells = slices
    .slice(0, SHOWN_MAX)
    .map((slice) => [
      `${slice.column} = ${slice.value}`,
      count(slice.rows),
      figure(slice.moved),
      figure(slice.rest),
      figure(slice.shift),
      slice.changed === undefined ? '–' : count(slice.changed),
      measured(slice.loss && { ...slice.loss, n: slice.rows }),
    ])
  const head = ['slice', 'rows', 'moved', 'the rest', 'shift', 'decided otherwise', 'loss (95 %)']
  return [
    '',
    ...table(head, cells, { width, paint, right: head.slice(1, 6) }),
    paint.dim(
      `  of ${count(slicesTested)} slices that were tested; at most one in twenty of these is chance`,
    ),
  ]
}

function examplesLines({ paint, width }: Cli, { examples }: Behaviour, [old, now]: string[]): string[] {
  const show = (x: number | string) => (typeof x === 'string' ? x : figure(x))
  const cells = examples.slice(0, 5).map(({ row, target, before, after, rows }) => [
    count(rows),
    show(before),
    show(after),
    show(target),
    Object.entries(row)
      .map(([name, value]) => `${name} ${value === null ? '–' : String(value)}`)
      .join(', '),
  ])
  return cells.length === 0
    ? []
    : ['', ...table(['rows', old!, now!, 'truth', 'that moved most'], cells, { width, paint })]
}
