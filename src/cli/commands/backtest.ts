/** `millrace backtest`: the same model on windows of different age, tested on one later window. */
import { MillraceError } from '../../core/errors.ts'
import { refs } from '../../core/names.ts'
import type { DatasetVersion, TimeWindow } from '../../core/records.ts'
import { type BacktestReport, type BacktestRequest, backtest as testBack } from '../../loop/backtest.ts'
import { datasetDef, modelDef, type Runtime } from '../../loop/runtime.ts'
import { spanOf } from '../../train/specs.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, day, figure, measured, metricWords } from '../format.ts'
import type { Options } from '../handler.ts'
import { textOption, windowOf } from '../options.ts'
import { table } from '../table.ts'

const MONTH_MS = 30.44 * 86_400_000

export async function backtest(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const test = windowOf('--test', needed(options, 'test'))
  const names = needed(options, 'train')
    .split(',')
    .map((text) => text.trim())
  const rt = await cli.open()
  const { name: model } = modelDef(rt, name as string)
  const windows = await windowsOf(rt, model, names, test)
  if (options.dryRun === true) return planned(cli, model, windows, test)
  cli.meter.begin(`Backtest ${model}`)
  const { report, digest } = await testBack(rt, {
    model,
    test,
    windows,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: cli.meter.update,
  })
  cli.meter.end()
  return { value: { ...report, digest }, lines: linesOf(cli, report) }
}

function needed(options: Options, name: string): string {
  const text = textOption(options, name)
  if (text !== undefined) return text
  throw new MillraceError('MR_CLI_USAGE', {
    why: `option '--${name}' is needed`,
    help: 'millrace backtest --help',
  })
}

async function windowsOf(
  rt: Runtime,
  model: string,
  names: string[],
  test: TimeWindow,
): Promise<BacktestRequest['windows']> {
  const windows: BacktestRequest['windows'] = []
  for (const name of names) {
    const window = name === 'all' ? await allBefore(rt, model, test) : windowOf('--train', name)
    if (window.toAt > test.fromAt)
      throw new MillraceError('MR_CLI_VALUE', {
        option: '--train',
        expected: `a window that is over before the test begins on ${day(test.fromAt)}`,
        got: name,
      })
    const ageMonths =
      name === 'all' ? null : Math.max(0, Math.round((test.fromAt - window.fromAt) / MONTH_MS))
    windows.push({ label: labelOf(name, ageMonths), window, ageMonths })
  }
  return windows
}

function labelOf(name: string, ageMonths: number | null): string {
  if (ageMonths === null) return 'all before'
  return ageMonths === 0 ? name : `${name} (${ageMonths} ${ageMonths === 1 ? 'month' : 'months'} ago)`
}

async function allBefore(rt: Runtime, model: string, test: TimeWindow): Promise<TimeWindow> {
  const dataset = datasetDef(rt, modelDef(rt, model).from)
  const ref = await rt.store.meta.ref(refs.dataset(dataset.name))
  if (!ref) throw new MillraceError('MR_LOOP_NO_DATA', { dataset: dataset.name })
  const span = spanOf(await rt.store.getRecord<DatasetVersion>(ref.digest, 'DatasetVersion'), dataset.time)
  if (!span) throw new MillraceError('MR_TRAIN_NO_TIME', {})
  return { fromAt: span.fromAt, toAt: test.fromAt }
}

function planned(cli: Cli, model: string, windows: BacktestRequest['windows'], test: TimeWindow): Answer {
  return {
    value: { dryRun: true, model, test, windows },
    lines: [
      cli.paint.dim('  Nothing is changed; this is what would happen:'),
      ...windows.map(
        ({ label, window }) => `  · train on ${label}: ${day(window.fromAt)} to ${day(window.toAt - 1)}`,
      ),
      `  · test each on ${day(test.fromAt)} to ${day(test.toAt - 1)}`,
    ],
  }
}

function linesOf(cli: Cli, report: BacktestReport): string[] {
  const [lead, loss] = [metricWords(report.leadMetric), metricWords(report.lossMetric)]
  const rows = report.rows.map((r) => [
    r.label,
    count(r.rowsTrained),
    measured(r.lead),
    figure(r.loss.value),
    figure(r.meanPredicted),
    figure(r.meanActual),
  ])
  return [
    '',
    ...table(['trained on', 'rows', lead, loss, 'promised', 'happened'], rows, {
      right: ['rows', loss, 'promised', 'happened'],
      width: cli.width,
      paint: cli.paint,
    }),
    '',
    `  ${report.lesson}`,
    '',
  ]
}
