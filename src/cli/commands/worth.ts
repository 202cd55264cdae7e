/** `millrace data worth`: what training rows are worth, which labels are probably wrong, and of what more would help. */
import { MillraceError } from '../../core/errors.ts'
import { modelDef } from '../../loop/runtime.ts'
import { type WorthPlan, worthOfRows, worthPlanOf } from '../../loop/worth.ts'
import type { WorthReport } from '../../train/worth/report.ts'
import type { WorthSpace } from '../../train/worth/specs.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, percent, plural, rowsText, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { versionAsked } from '../locked.ts'
import { countOption, oneOf, textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { pairs, table, wrapped } from '../table.ts'

/** Lines of each table; `--json` has all. */
const SHOWN_MAX = 10
const FOLDS_MAX = 20
const NEIGHBOURS_MAX = 1_000

export async function dataWorth(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const { name: model, from } = modelDef(rt, name as string)
  const { version } = await versionAsked(cli, rt, from, options)
  const asked = {
    model,
    version,
    folds: countOption(options, 'folds', 5, 2, FOLDS_MAX),
    k: countOption(options, 'neighbours', 10, 1, NEIGHBOURS_MAX),
    source: textOption(options, 'source'),
    space: spaceOf(options),
    foldsBy: oneOf<'time' | 'spread'>('--folds-by', textOption(options, 'foldsBy'), ['time', 'spread']),
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

function spaceOf(options: Options): WorthSpace | undefined {
  const [column, layer] = [textOption(options, 'embedding'), textOption(options, 'layer')]
  if (column !== undefined && layer !== undefined)
    throw new MillraceError('MR_CLI_VALUE', {
      option: '--layer',
      expected: 'left out beside --embedding',
      got: layer,
    })
  if (column !== undefined) return { kind: 'column', column }
  if (layer === undefined) return undefined
  return { kind: 'layer', layer: /^[0-9]+$/.test(layer) ? Number(layer) : layer }
}

function planned(cli: Cli, { model, version, folds, borders, k, source, space }: WorthPlan): Answer {
  const runs = { prepare: folds.length + 1, fit: folds.length, judge: 1 }
  return {
    value: {
      dryRun: true,
      model: model.name,
      version,
      folds,
      borders: borders ?? null,
      k,
      source: source ?? null,
      space: space ?? { kind: 'features' },
      runs,
    },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen, but for what was done before:'),
      `  · rows of ${model.from} ${short(version)} that train ${model.name} in ${plural(folds.length, borders ? 'period' : 'fold')}, each prepared and fitted without it`,
      ...(model.each === undefined
        ? []
        : [`  · members of ${model.each.column} with rows enough fitted in each fold, too`]),
      `  · ${plural(k, 'neighbour')} vote on what a row is worth to the validation rows, by ${spaceText(space)}`,
      ...(source === undefined ? [] : [`  · each value of ${source} judged as a whole`]),
    ],
  }
}

function linesOf(cli: Cli, found: WorthReport, path: string): string[] {
  const { notes } = found
  const { paint, width } = cli
  return [
    '',
    ...pairs(factsOf(found), paint, width),
    ...labelLines(cli, found.labels),
    ...jointLines(cli, found),
    ...sourceLines(cli, found.sources),
    ...memberLines(cli, found.members),
    ...shortcutLines(cli, found.shortcuts),
    ...sliceLines(cli, found),
    '',
    ...notes.flatMap((note) => wrapped('  ', note, width).map(paint.dim)),
    `  Findings of each row: ${paint.accent(path)}`,
    '',
  ]
}

function factsOf(found: WorthReport): [string, string][] {
  const { labels, neighbours, duplicates, outliers, space } = found
  return [
    ['labels probably wrong', labelText(labels)],
    [
      'worth',
      `${figure(neighbours.utility)} in all by ${count(neighbours.tests)} validation rows; ${rowsText(neighbours.negative)} do more harm than good`,
    ],
    ...(space.kind === 'features'
      ? []
      : [
          [
            'compared by',
            `${space.kind === 'column' ? space.column : space.layer}, ${count(space.width)} numbers a row`,
          ] as [string, string],
        ]),
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
}

function labelText({ issues, judged, noise, numbers }: WorthReport['labels']): string {
  const of = `${count(issues)} of ${count(judged)}`
  if (!numbers) return `${of}; ${percent(noise)} of labels estimated`
  return `${of}; usually ${figure(numbers.typicalError)} off, ${percent(numbers.explained)} of the variance explained`
}

/** Classes of whose labels a share is estimated to be wrong, the worst first. */
function jointLines(cli: Cli, { classes, labels: { joint } }: WorthReport): string[] {
  if (!joint || classes.length < 3) return []
  const rows = joint
    .map((shares, k) => {
      const all = shares.reduce((sum, share) => sum + share, 0)
      const others = shares.map((share, j) => (j === k ? 0 : share))
      const most = others.indexOf(Math.max(...others))
      return {
        k,
        all,
        wrong: all === 0 ? 0 : 1 - shares[k] / all,
        most,
        share: all === 0 ? 0 : others[most] / all,
      }
    })
    .filter(({ wrong }) => wrong > 0)
    .sort((a, b) => b.wrong - a.wrong)
    .slice(0, SHOWN_MAX)
    .map(({ k, all, wrong, most, share }) => [
      classes[k],
      percent(all),
      percent(wrong),
      `${classes[most]} (${percent(share)})`,
    ])
  if (rows.length === 0) return []
  return [
    '',
    ...table(['class', 'of all labels', 'estimated wrong', 'most of them'], rows, {
      right: ['of all labels', 'estimated wrong'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

function memberLines(cli: Cli, members: WorthReport['members']): string[] {
  if (!members) return []
  const rows = [...members.values]
    .sort((a, b) => b.issues / b.rows - a.issues / a.rows || b.rows - a.rows)
    .slice(0, SHOWN_MAX)
    .map(({ key, own, rows: n, issues, worth }) => [
      key || '–',
      own ? 'own' : 'parent',
      count(n),
      `${count(issues)} (${percent(issues / n)})`,
      figure(worth),
    ])
  return [
    '',
    ...table([members.column, 'model', 'rows', 'labels probably wrong', 'worth'], rows, {
      right: ['rows', 'labels probably wrong', 'worth'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

function shortcutLines(cli: Cli, shortcuts: WorthReport['shortcuts']): string[] {
  if (shortcuts.length === 0) return []
  const rows = shortcuts
    .slice(0, SHOWN_MAX)
    .map(({ feature, class: label, by, where, elsewhere, here, interval: [low, high] }) => [
      label === undefined ? feature : `${feature} (${label})`,
      figure(elsewhere),
      where === '' ? `inside ${by}s` : where,
      `${figure(here)} (${figure(low)} to ${figure(high)})`,
    ])
  return [
    '',
    ...table(['tells the label elsewhere', 'correlation', 'not so in', 'of what it says elsewhere'], rows, {
      right: ['correlation'],
      width: cli.width,
      paint: cli.paint,
    }),
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
    ...table([sources.column, 'rows', 'worth', 'gained with it'], rows, {
      right: ['rows', 'worth'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

function sliceLines(cli: Cli, { slices, labels: { numbers } }: WorthReport): string[] {
  const worthwhile = slices.filter(({ interval }) => interval[0] > 0)
  if (worthwhile.length === 0)
    return ['', '  No slice would surely gain by more rows, as far as its neighbours tell.']
  const rows = worthwhile
    .slice(0, SHOWN_MAX)
    .map(({ feature, slice, rows: n, loss, gain, interval }) => [
      `${feature}: ${slice}`,
      count(n),
      numbers ? figure(loss) : percent(loss),
      gainText(gain, interval),
    ])
  return [
    '',
    ...table(['collect more of', 'rows', numbers ? 'error' : 'wrong', 'gained by as many again'], rows, {
      right: ['rows', numbers ? 'error' : 'wrong'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

const spaceText = (space: WorthSpace | undefined): string =>
  space === undefined
    ? 'the features'
    : space.kind === 'column'
      ? space.column
      : `layer ${space.layer} of the network`

const gainText = (gain: number, [low, high]: [number, number]): string =>
  `${percent(gain)} (${percent(low)} to ${percent(high)})`
