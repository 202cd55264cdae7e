/** `millrace explain <model>`: what it leans on, how its score depends on it, one row, and what would have to change. */
import { MillraceError } from '../../core/errors.ts'
import {
  type ChangeExplanation,
  type Curve,
  explainChange,
  explainModel,
  explainOneRow,
  type ModelExplanation,
  type RowExplanation,
} from '../../loop/explain.ts'
import { EXPLAIN_LIMITS, type Shown } from '../../loop/explain-opened.ts'
import { findPrediction } from '../../loop/find-prediction.ts'
import type { Runtime } from '../../loop/runtime.ts'
import type { RawRow } from '../../serve/predictor.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, metricWords, orDash, percent } from '../format.ts'
import type { Options } from '../handler.ts'
import { countOption, textOption } from '../options.ts'
import { pad, table } from '../table.ts'

const SHOWN_FEATURES = 20
const BAR = 30

export async function explain(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const model = name as string
  const rt = await cli.open()
  const request = { model, class: textOption(options, 'class') }
  const row = await rowOf(rt, options)
  const wanted = wantedOf(options)
  if (row === undefined) {
    if (wanted !== undefined)
      throw usage(
        "'--above' and '--below' ask for another answer of one row: give it with --row or --prediction",
      )
    return await whole(cli, rt, request, options)
  }
  if (wanted === undefined) {
    const found = await explainOneRow(rt, { ...request, row })
    return { value: found, lines: rowLines(cli, found) }
  }
  const names = (option: string) =>
    textOption(options, option)
      ?.split(',')
      .map((text) => text.trim())
  const found = await explainChange(rt, {
    ...request,
    row,
    wanted,
    fixed: names('fixed'),
    up: names('up'),
    down: names('down'),
  })
  return { value: found, lines: changeLines(cli, found) }
}

async function whole(
  cli: Cli,
  rt: Runtime,
  request: { model: string; class?: string },
  options: Options,
): Promise<Answer> {
  cli.meter.begin(`Explain ${request.model}`)
  const found = await explainModel(rt, {
    ...request,
    rows: countOption(options, 'rows', EXPLAIN_LIMITS.rowsDefault, 10, EXPLAIN_LIMITS.rowsMax),
    feature: textOption(options, 'feature'),
    onProgress: cli.meter.update,
  })
  cli.meter.end()
  return { value: found, lines: modelLines(cli, found) }
}

function usage(why: string): MillraceError {
  return new MillraceError('MR_CLI_USAGE', { why, help: 'millrace explain --help' })
}

async function rowOf(rt: Runtime, options: Options): Promise<RawRow | undefined> {
  const id = textOption(options, 'prediction')
  if (id !== undefined) {
    const found = await findPrediction(rt.store.log, id)
    if (!found) throw new MillraceError('MR_LOOP_PREDICTION_UNKNOWN', { id })
    if (found.unlogged) throw new MillraceError('MR_LOOP_NOT_LOGGED', { id, columns: found.unlogged })
    return found.inputs as RawRow
  }
  const text = textOption(options, 'row')
  if (text === undefined) return undefined
  const row = parsed(text)
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as RawRow
  throw new MillraceError('MR_CLI_VALUE', {
    option: '--row',
    expected: 'a JSON object of columns, such as {"age": 31}',
    got: text,
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function wantedOf(options: Options): { above?: number; below?: number } | undefined {
  const [above, below] = ['above', 'below'].map((name) => {
    const text = textOption(options, name)
    if (text === undefined) return undefined
    const value = Number(text)
    if (text.trim() !== '' && Number.isFinite(value)) return value
    throw new MillraceError('MR_CLI_VALUE', { option: `--${name}`, expected: 'a number', got: text })
  })
  return above === undefined && below === undefined ? undefined : { above, below }
}

// ---------------------------------------------------------------- text

function modelLines({ paint, width }: Cli, found: ModelExplanation): string[] {
  const most = Math.max(...found.features.map((f) => f.contribution), Number.MIN_VALUE)
  const rows = found.features
    .slice(0, SHOWN_FEATURES)
    .map(({ feature, contribution, shuffled, splits }) => [
      feature,
      figure(contribution),
      '█'.repeat(Math.round((BAR * contribution) / most)),
      `${figure(shuffled.value)} ± ${figure(shuffled.interval[1] - shuffled.value)}`,
      orDash(splits, percent),
    ])
  const loss = `${metricWords(found.loss)} when shuffled`
  return [
    '',
    `  ${paint.bold(found.model)}, over ${count(found.rows)} test rows${found.class === null ? '' : ' and all classes'}`,
    '',
    ...table(['feature', 'moves the score by', '', loss, 'of its splits'], rows, {
      right: ['moves the score by', loss, 'of its splits'],
      width,
      paint,
    }),
    ...curvesLines(found, paint),
    '',
  ]
}

const LEVELS_SHOWN = 16

/** All curves have one scale, so that a long bar is a strong effect. */
function curvesLines({ curves, class: of }: ModelExplanation, paint: Cli['paint']): string[] {
  const most = Math.max(...curves.flatMap(({ local }) => local.map(Math.abs)), Number.MIN_VALUE)
  const score = of === null ? 'the score' : `the score of ${of}`
  return curves.flatMap((curve) => [
    '',
    `  ${paint.bold(curve.feature)}: its effect on ${score}, among rows that there are`,
    ...curveLines(curve, most),
  ])
}

/** A curve on its side: a line for each value, a bar from the middle. */
function curveLines({ at, local }: Curve, most: number): string[] {
  const step = Math.max(1, Math.ceil(at.length / LEVELS_SHOWN))
  const shown = Array.from(at.keys()).filter((k) => k % step === 0 || k === at.length - 1)
  const half = BAR / 2
  const names = shown.map((k) => text(at[k]))
  const wide = Math.max(...names.map((name) => name.length), 1)
  return shown.map((k, i) => {
    const length = Math.round((half * Math.abs(local[k])) / most)
    const bar =
      local[k] < 0
        ? `${' '.repeat(half - length)}${'█'.repeat(length)}│${' '.repeat(half)}`
        : `${' '.repeat(half)}│${'█'.repeat(length)}${' '.repeat(half - length)}`
    return `  ${pad(names[i], wide, true)} ${bar} ${signed(local[k])}`
  })
}

function answered(paint: Cli['paint'], found: Pick<RowExplanation, 'model' | 'output' | 'class'>): string {
  const of = found.class === null ? '' : ` for ${found.class}`
  return `  ${paint.bold(`${found.model} answers ${figure(found.output)}`)}${of}`
}

function rowLines({ paint, width }: Cli, found: RowExplanation): string[] {
  const [first, ...others] = found.explanations
  const rows = first.contributions
    .slice(0, SHOWN_FEATURES)
    .map(({ feature, contribution }) => [
      feature,
      text(found.features[feature]),
      signed(contribution),
      ...others.map(({ contributions }) =>
        signed(contributions.find((c) => c.feature === feature)?.contribution ?? 0),
      ),
    ])
  const ways = found.explanations.map(({ method }) => WAYS[method])
  const each = (of: (e: RowExplanation['explanations'][number]) => number) =>
    found.explanations.map((e) => signed(of(e)))
  return [
    '',
    answered(paint, found),
    '',
    ...table(
      ['feature', 'value', ...ways],
      [['where it starts', '', ...each((e) => e.base)], ...rows, ['together', '', ...each(() => found.raw)]],
      { right: ['value', ...ways], width, paint },
    ),
    '',
    ...noteLines(found),
    ...alikeLines(found),
  ]
}

/** What each way of explaining could not do. */
function noteLines({ explanations }: RowExplanation): string[] {
  const notes = explanations.flatMap(({ method, fallback }) =>
    fallback === undefined ? [] : [`  · ${WAYS[method]}: ${fallback}`],
  )
  return notes.length > 0 ? [...notes, ''] : []
}

const WAYS: Record<RowExplanation['explanations'][number]['method'], string> = {
  'tree-path': 'by training',
  interventional: 'against training rows',
  'closed-form': 'adds',
  permutation: 'sampled',
  'integrated-gradients': 'by gradients',
}

function alikeLines({ alike }: RowExplanation): string[] {
  if (alike.length === 0) return []
  return [
    '  Training rows that its trees treat most alike, and what happened there:',
    ...alike.map(
      ({ similarity, target, features }) =>
        `  · ${text(target)}, alike in ${percent(similarity)} of trees: ${Object.entries(features)
          .slice(0, 6)
          .map(([name, value]) => `${name} ${text(value)}`)
          .join(', ')}`,
    ),
    '',
  ]
}

function changeLines({ paint }: Cli, found: ChangeExplanation): string[] {
  const { above, below } = found.wanted
  const asked = [
    ...(above === undefined ? [] : [`at least ${figure(above)}`]),
    ...(below === undefined ? [] : [`at most ${figure(below)}`]),
  ].join(' and ')
  const reached =
    (above === undefined || found.output >= above) && (below === undefined || found.output <= below)
  return [
    '',
    `${answered(paint, found)}, wanted is ${asked}`,
    '',
    ...(found.answers.length > 0
      ? found.answers.flatMap(answerLines)
      : [
          reached
            ? '  It is there already.'
            : '  No change of at most four features was found that gives it.',
        ]),
    '',
  ]
}

function answerLines({ output, plausibility, changes }: ChangeExplanation['answers'][number]): string[] {
  const rare = plausibility < 0.05 ? '; hardly any training row is like that' : ''
  return [
    `  · ${changes.map(({ feature, from, to }) => `${feature} ${text(to)} instead of ${text(from)}`).join(', ')}: ${figure(output)}${rare}`,
  ]
}

function text(value: Shown): string {
  if (value === null) return 'missing'
  if (typeof value === 'string') return value
  return Number.isInteger(value) ? String(value) : figure(value)
}

function signed(x: number): string {
  return `${x < 0 ? '−' : '+'}${figure(Math.abs(x))}`
}
