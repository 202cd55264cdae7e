/** `millrace data poison`: whether training rows were put there to be a backdoor, which, and what turns other rows into their class. */
import { MillraceError } from '../../core/errors.ts'
import {
  lookForPoison,
  POISON_ALPHA,
  type PoisonPlan,
  poisonPlanOf,
  sentenceOf,
  TRIGGER_STEPS,
} from '../../loop/poison.ts'
import { modelDef } from '../../loop/runtime.ts'
import type { ClassReport, PoisonReport, TriggerReport } from '../../train/poison/report.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, figure, percent, plural, rowsText, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { stepLine } from '../steps.ts'
import { pairs, table, wrapped } from '../table.ts'

/** Lines of each table; `--json` has all. */
const SHOWN_MAX = 30
const STEPS_MAX = 100_000

export async function dataPoison(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const { name: model } = modelDef(rt, name as string)
  const asked = {
    model,
    layer: textOption(options, 'layer'),
    alpha: alphaOf(textOption(options, 'alpha')),
    triggerSteps: countOption(options, 'steps', TRIGGER_STEPS, 0, STEPS_MAX),
  }
  const plan = await poisonPlanOf(rt, asked)
  if (options.dryRun === true) return planned(cli, plan)
  const title = `Poison in the rows of ${model}`
  cli.meter.begin(title)
  const { found, report, known } = await lookForPoison(rt, {
    ...asked,
    reason: textOption(options, 'reason') ?? 'asked for on the command line',
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  const ms = cli.meter.end()
  const path = await rt.store.objects.path(found.findings)
  const { paint } = cli
  const mark = found.poisoned > 0 ? paint.bad('✗') : paint.good('✓')
  const head = stepLine(cli, mark, title, `${rowsText(found.rows)} by ${found.layer}`, ms)
  return {
    value: { ...found, report, known, path },
    lines: [head, ...linesOf(cli, found, path)],
    exit: found.poisoned > 0 ? EXIT.refused : EXIT.done,
  }
}

function alphaOf(text: string | undefined): number {
  if (text === undefined) return POISON_ALPHA
  const alpha = Number(text)
  if (alpha > 0 && alpha < 1) return alpha
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--alpha',
    expected: 'a number between 0 and 1',
    got: text,
  })
}

function planned(cli: Cli, plan: PoisonPlan): Answer {
  const { model, version, modelVersion, layer, alpha, triggerSteps } = plan
  return {
    value: {
      dryRun: true,
      model: model.name,
      version,
      modelVersion,
      layer: layer ?? null,
      alpha,
      triggerSteps,
    },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen, but for what was done before:'),
      `  · rows of ${model.from} ${short(version)} that taught ${model.name} ${short(modelVersion)} read by ${layer ?? 'its last hidden layer'}`,
      `  · each class judged, so that a clean one is called poisoned with a chance of ${percent(alpha)} in all`,
      ...(triggerSteps === 0
        ? []
        : [
            `  · what turns rows into a class looked for, in ${plural(triggerSteps, 'step')} a class of pictures`,
          ]),
    ],
  }
}

function linesOf(cli: Cli, found: PoisonReport, path: string): string[] {
  const { paint, width } = cli
  const verdict = sentenceOf(found)
  const judged = [...found.classes].sort((a, b) => (a.p ?? 2) - (b.p ?? 2))
  const rows = judged.slice(0, SHOWN_MAX).map(rowOf)
  const columns = ['class', 'rows', 'verdict', 'p', 'group', 'of its class', 'mark shared', 'looks like']
  return [
    '',
    ...pairs([['verdict', found.poisoned > 0 ? paint.bad(verdict) : verdict]], paint, width),
    '',
    ...table(columns, rows, { right: ['rows', 'p', 'group', 'of its class', 'mark shared'], width, paint }),
    ...triggerLines(cli, found),
    '',
    ...[...found.notes, ...unlikeNotes(found)].flatMap((note) => wrapped('  ', note, width).map(paint.dim)),
    `  Findings of each row: ${paint.accent(path)}`,
    '',
  ]
}

/** Clean classes whose p is as small as that of a poisoned one, which would puzzle. */
function unlikeNotes({ classes, alpha }: PoisonReport): string[] {
  const limit = alpha / classes.length
  const unlike = classes.filter(({ verdict, p }) => verdict === 'clean' && p !== null && p <= limit)
  if (unlike.length === 0) return []
  const names = unlike.map(({ label }) => label).join(', ')
  return [
    `a small p alone poisons no class, as in ${names}: the group must also look like others and bear a mark that is its own`,
  ]
}

/** A chance, so that a small one is not shown as none. */
function chance(p: number): string {
  return p > 0 && p < 0.001 ? p.toExponential(1) : figure(p)
}

function rowOf({ label, rows, verdict, by, p, groupRows, own, shared, looksLike }: ClassReport): string[] {
  const share = (x: number | null) => (x === null ? '–' : percent(x))
  return [
    label,
    count(rows),
    by === 'values' ? 'poisoned by values' : verdict,
    p === null ? '–' : chance(p),
    count(groupRows),
    share(own),
    share(shared),
    looksLike
      .slice(0, 3)
      .map((like) => like.label)
      .join(', '),
  ]
}

function triggerLines(cli: Cli, { triggers }: PoisonReport): string[] {
  const found = triggers.filter(({ verdict }) => verdict === 'trigger')
  if (triggers.length === 0) return []
  if (found.length === 0)
    return [
      '',
      `  Nothing small turns rows into a class, of ${plural(triggers.length, 'class', 'classes')} tried.`,
    ]
  const rows = found
    .slice(0, SHOWN_MAX)
    .map(({ label, size, success, rows, features }) => [
      label,
      success === null ? '–' : percent(success),
      figure(size),
      rows === null ? '–' : count(rows),
      features.slice(0, 4).map(givenText).join(', '),
    ])
  return [
    '',
    ...table(['turns rows into', 'of them', 'size', 'rows with it', 'by'], rows, {
      right: ['of them', 'size', 'rows with it'],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}

const SIGNS = { value: '=', most: '≤', least: '≥' }

function givenText({ feature, is = 'value', value }: TriggerReport['features'][number]): string {
  return `${feature}${SIGNS[is]}${typeof value === 'number' ? numberText(value) : value}`
}

/** Whole numbers as they are. */
function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : figure(value)
}
