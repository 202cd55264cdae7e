/** `millrace data worth`: what training rows are worth, which labels are probably wrong, and of what more would help. */
import { resolveVersion } from '../../data/index.ts'
import { modelDef } from '../../loop/runtime.ts'
import { type WorthPlan, worthOfRows, worthPlanOf } from '../../loop/worth.ts'
import type { WorthReport } from '../../train/worth/report.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, percent, plural, rowsText, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { pairs, table, wrapped } from '../table.ts'

/** Lines of each table; `--json` has all. */
const SHOWN_MAX = 10
const FOLDS_MAX = 20
const NEIGHBOURS_MAX = 1_000

export async function dataWorth(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const { name: model } = modelDef(rt, name as string)
  const on = textOption(options, 'on')
  const asked = {
    model,
    version: on === undefined ? undefined : (await resolveVersion(rt.store, on)).digest,
    folds: countOption(options, 'folds', 5, 2, FOLDS_MAX),
    k: countOption(options, 'neighbours', 10, 1, NEIGHBOURS_MAX),
    source: textOption(options, 'source'),
  }
  if (options.dryRun === true) return planned(cli, await worthPlanOf(rt, asked))
  const title = `Worth of the rows of ${model}`
  cli.meter.begin(title)
  const { found, report, known } = await worthOfRows(rt, {
    ...asked,
    reason: textOption(options, 'reason') ?? 'asked for on the command line',
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  const ms = cli.meter.end()
  const path = await rt.store.objects.path(found.findings)
  const head = stepLine(cli, cli.paint.good('✓'), title, `${rowsText(found.rows)} judged`, ms)
  return { value: { ...found, report, known, path }, lines: [head, ...linesOf(cli, found, path)] }
}

function planned(cli: Cli, { model, version, folds, k, source }: WorthPlan): Answer {
  const runs = { prepare: folds.length + 1, fit: folds.length, judge: 1 }
  return {
    value: { dryRun: true, model: model.name, version, folds, k, source: source ?? null, runs },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen, but for what was done before:'),
      `  · rows of ${model.from} ${short(version)} that train ${model.name} in ${plural(folds.length, 'fold')}, each prepared and fitted without it`,
      `  · ${plural(k, 'neighbour')} vote on what a row is worth to the validation rows`,
      ...(source === undefined ? [] : [`  · each value of ${source} judged as a whole`]),
    ],
  }
}

function linesOf(cli: Cli, found: WorthReport, path: string): string[] {
  const { labels, neighbours, duplicates, outliers, notes } = found
  const { paint, width } = cli
  const facts: [string, string][] = [
    [
      'labels probably wrong',
      `${count(labels.issues)} of ${count(labels.judged)}; ${percent(labels.noise)} of labels estimated`,
    ],
    [
      'worth',
      `${figure(neighbours.utility)} in all by ${count(neighbours.tests)} validation rows; ${rowsText(neighbours.negative)} do more harm than good`,
    ],
    [
      'copies',
      `${count(duplicates.exact.rows)} exact, ${count(duplicates.near.rows)} with near ones; ${count(duplicates.conflicting)} with different labels`,
    ],
    ['outliers', count(outliers.rows)],
    ...found.leaks.map(({ feature, auc }): [string, string] => [
      'gives the target away',
      `${feature} (AUC alone ${figure(auc)})`,
    ]),
    ...found.identifiers.map(({ column, distinct }): [string, string] => [
      'numbers the rows',
      `${column} (${percent(distinct)} distinct)`,
    ]),
  ]
  return [
    '',
    ...pairs(facts, paint, width),
    ...labelLines(cli, labels),
    ...sourceLines(cli, found.sources),
    ...sliceLines(cli, found.slices),
    '',
    ...notes.flatMap((note) => wrapped('  ', note, width).map(paint.dim)),
    `  Findings of each row: ${paint.accent(path)}`,
    '',
  ]
}

function labelLines(cli: Cli, { pairs: found }: WorthReport['labels']): string[] {
  if (found.length === 0) return []
  const rows = found.slice(0, SHOWN_MAX).map(({ given, suggested, rows: n }) => [given, suggested, count(n)])
  return [
    '',
    ...table(['given', 'probably', 'rows'], rows, { right: ['rows'], width: cli.width, paint: cli.paint }),
  ]
}

function sourceLines(cli: Cli, sources: WorthReport['sources']): string[] {
  if (!sources) return []
  const rows = sources.values
    .slice(0, SHOWN_MAX)
    .map(({ value, rows: n, worth, gain, interval }) => [
      value ?? '–',
      count(n),
      figure(worth),
      gainText(gain, interval),
    ])
  return [
    '',
    ...table([sources.column, 'rows', 'worth', 'votes gained with it'], rows, {
      right: ['rows', 'worth'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

function sliceLines(cli: Cli, slices: WorthReport['slices']): string[] {
  const worthwhile = slices.filter(({ interval }) => interval[0] > 0)
  if (worthwhile.length === 0)
    return ['', '  No slice would surely gain by more rows, as far as its neighbours tell.']
  const rows = worthwhile
    .slice(0, SHOWN_MAX)
    .map(({ feature, slice, rows: n, wrong, gain, interval }) => [
      `${feature}: ${slice}`,
      count(n),
      percent(wrong),
      gainText(gain, interval),
    ])
  return [
    '',
    ...table(['collect more of', 'rows', 'wrong', 'votes gained by as many again'], rows, {
      right: ['rows', 'wrong'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

const gainText = (gain: number, [low, high]: [number, number]): string =>
  `${percent(gain)} (${percent(low)} to ${percent(high)})`
