/** `millrace backtest`: the same model on windows of different age, tested on one later window. */
import { MillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { DatasetVersion, TimeWindow } from '../../core/records.ts'
import { type BacktestReport, backtest as testBack } from '../../loop/backtest.ts'
import {
  ageMonthsOf,
  type BacktestPlan,
  type BacktestWindow,
  planAges,
  planRolling,
  windowLabel,
} from '../../loop/backtest-plan.ts'
import { datasetDef, modelDef, type Runtime } from '../../loop/runtime.ts'
import { spanOf } from '../../train/specs.ts'
import type { Answer, Cli } from '../cli.ts'
import { decayPlot } from '../decay-plot.ts'
import { count, day, figure, measured, metricWords } from '../format.ts'
import type { Options } from '../handler.ts'
import { spanText, textOption, windowOf } from '../options.ts'
import { table, wrapped } from '../table.ts'

export async function backtest(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const rt = await cli.open()
  const { name: model } = modelDef(rt, name as string)
  const plan = await planOf(rt, model, options)
  if (options.dryRun === true) return planned(cli, model, plan)
  cli.meter.begin(`Backtest ${model}`)
  const { report, digest } = await testBack(rt, {
    model,
    ...plan,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: cli.meter.update,
  })
  cli.meter.end()
  return { value: { ...report, digest }, lines: linesOf(cli, report) }
}

/** One of three ways to say which windows: by name, by age, or rolling through the data. */
async function planOf(rt: Runtime, model: string, options: Options): Promise<BacktestPlan> {
  const ways = ['train', 'ages', 'sliding', 'expanding'].filter(
    (way) => textOption(options, way) !== undefined,
  )
  if (ways.length !== 1) throw usage(whichWay(ways, textOption(options, 'test')))
  const text = textOption(options, ways[0]) as string
  if (ways[0] === 'sliding' || ways[0] === 'expanding') {
    const width = spanText(`--${ways[0]}`, text)
    const step = textOption(options, 'step')
    return planRolling({
      scheme: ways[0],
      width,
      step: step === undefined ? width : spanText('--step', step),
      span: await dataSpan(rt, model),
    })
  }
  const test = windowOf('--test', needed(options, 'test'))
  const parts = text.split(',').map((part) => part.trim())
  if (ways[0] === 'train') return { windows: await windowsOf(rt, model, parts, test), tests: [test] }
  const width = textOption(options, 'width') ?? '1mo'
  const ages = parts.map((age) => ({ label: age, age: spanText('--ages', age) }))
  return planAges(test, ages, spanText('--width', width))
}

/** All that is missing at once: what to train on, and for two of the ways also what to test on. */
function whichWay(given: readonly string[], test: string | undefined): string {
  const got = given.length === 0 ? 'none' : given.map((way) => `'--${way}'`).join(' and ')
  const also = test === undefined ? "; '--train' and '--ages' also need '--test <window>'" : ''
  return `one of '--train', '--ages', '--sliding' and '--expanding' is needed, got ${got}${also}`
}

function needed(options: Options, name: string): string {
  const text = textOption(options, name)
  if (text !== undefined) return text
  throw usage(`option '--${name}' is needed`)
}

function usage(why: string): MillraceError {
  return new MillraceError('MR_CLI_USAGE', { why, help: 'millrace backtest --help' })
}

async function windowsOf(
  rt: Runtime,
  model: string,
  names: string[],
  test: TimeWindow,
): Promise<BacktestWindow[]> {
  const windows: BacktestWindow[] = []
  for (const name of names) {
    const window =
      name === 'all'
        ? { fromAt: (await dataSpan(rt, model)).fromAt, toAt: test.fromAt }
        : windowOf('--train', name)
    if (window.toAt > test.fromAt)
      throw new MillraceError('MR_CLI_VALUE', {
        option: '--train',
        expected: `a window that is over before the test begins on ${day(test.fromAt)}`,
        got: name,
      })
    const ageMonths = name === 'all' ? null : ageMonthsOf(window, test)
    windows.push({ label: labelOf(name, ageMonths), window, ageMonths })
  }
  return windows
}

function labelOf(name: string, ageMonths: number | null): string {
  if (ageMonths === null) return 'all before'
  return ageMonths === 0 ? name : `${name} (${ageMonths} ${ageMonths === 1 ? 'month' : 'months'} ago)`
}

/** What the model's data cover. */
async function dataSpan(rt: Runtime, model: string): Promise<TimeWindow> {
  const dataset = datasetDef(rt, modelDef(rt, model).from)
  const ref = await rt.store.meta.ref(refs.dataset(dataset.name))
  if (!ref) throw new MillraceError('MR_LOOP_NO_DATA', { dataset: dataset.name })
  const span = spanOf(await rt.store.getRecord<DatasetVersion>(ref.digest, 'DatasetVersion'), dataset.time)
  if (!span) throw new MillraceError('MR_TRAIN_NO_TIME', {})
  return span
}

function planned(cli: Cli, model: string, { windows, tests }: BacktestPlan): Answer {
  return {
    value: { dryRun: true, model, tests, windows },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen:'),
      ...windows.map(
        ({ label, window }) => `  · train on ${label}: ${day(window.fromAt)} to ${day(window.toAt - 1)}`,
      ),
      ...tests.map((test) => `  · test on ${day(test.fromAt)} to ${day(test.toAt - 1)}`),
    ],
  }
}

function linesOf(cli: Cli, report: BacktestReport): string[] {
  const several = report.tests.length > 1
  return [
    '',
    ...(several ? byPeriod(cli, report) : onePeriod(cli, report)),
    '',
    ...decayPlot(report, cli),
    ...wrapped('  ', report.lesson, cli.width),
    '',
  ]
}

function onePeriod(cli: Cli, report: BacktestReport): string[] {
  const [lead, loss] = [metricWords(report.leadMetric), metricWords(report.lossMetric)]
  const rows = report.rows.map((r) => [
    r.label,
    count(r.rowsTrained),
    measured(r.lead),
    figure(r.loss.value),
    figure(r.meanPredicted),
    figure(r.meanActual),
  ])
  return table(['trained on', 'rows', lead, loss, 'promised', 'happened'], rows, {
    right: ['rows', loss, 'promised', 'happened'],
    width: cli.width,
    paint: cli.paint,
  })
}

/** A line a window and a column a period: down a column, models of different age on the same rows. */
function byPeriod(cli: Cli, { rows, tests, leadMetric }: BacktestReport): string[] {
  const labels = [...new Set(rows.map((row) => row.label))]
  const periods = tests.map((test) => windowLabel(test))
  const cell = (label: string, test: TimeWindow) => {
    const row = rows.find((r) => r.label === label && r.test.fromAt === test.fromAt)
    return row ? figure(row.lead.value) : ''
  }
  const lines = labels.map((label) => [
    label,
    count(rows.find((r) => r.label === label)?.rowsTrained ?? 0),
    ...tests.map((test) => cell(label, test)),
  ])
  return [
    `  ${metricWords(leadMetric)}, by the period tested on`,
    '',
    ...table(['trained on', 'rows', ...periods], lines, {
      right: ['rows', ...periods],
      width: cli.width,
      paint: cli.paint,
    }),
  ]
}
