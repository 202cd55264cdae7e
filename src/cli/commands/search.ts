/** `millrace search`: parameters of a model's trainer are chosen by trials. */
import { durationMs } from '../../define/durations.ts'
import type { SearchDef } from '../../define/types.ts'
import { modelDef } from '../../loop/runtime.ts'
import { paramsText, type SearchReport, type TrialRow } from '../../loop/search.ts'
import { rankTrials } from '../../train/search/methods.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, figure, metricWords, orDash, plural } from '../format.ts'
import type { Options } from '../handler.ts'
import { versionAsked } from '../locked.ts'
import { countOption, oneOf, textOption } from '../options.ts'
import { searchStep } from '../steps.ts'
import { table } from '../table.ts'

/** Rows of the table; `--json` has all. */
const SHOWN_MAX = 20
const TRIALS_MAX = 10_000
const METHODS: readonly SearchDef['method'][] = ['random', 'halving', 'tpe']

export async function search(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  const trials = options.trials === undefined ? undefined : countOption(options, 'trials', 1, 1, TRIALS_MAX)
  const method = oneOf('--method', textOption(options, 'method'), METHODS)
  const time = textOption(options, 'time')
  const timeMs = time === undefined ? undefined : durationMs(time, '--time')
  const rt = await cli.open()
  const { name: model, from } = modelDef(rt, name as string)
  const asked = await versionAsked(cli, rt, from, options)
  const reason = textOption(options, 'reason') ?? 'asked for on the command line'
  const report = await searchStep(cli, rt, { model, ...asked, reason, trials, method, timeMs })
  return { value: { ...report, event: 'done' }, lines: linesOf(cli, report) }
}

const STATES: Record<TrialRow['state'], string> = {
  done: 'measured',
  stopped: 'stopped early',
  failed: 'failed',
}

function linesOf(cli: Cli, report: SearchReport): string[] {
  const ranked = rankTrials(report.trials) as TrialRow[]
  const rows = ranked
    .slice(0, SHOWN_MAX)
    .map((t) => [
      count(t.number + 1),
      orDash(t.value, figure),
      STATES[t.state],
      t.error ?? paramsText(t.params),
    ])
  const hidden = ranked.length - rows.length
  const { train, test } = report.folds.at(-1) as SearchReport['folds'][number]
  return [
    '',
    ...table(['trial', metricWords(report.metric), 'state', 'parameters'], rows, {
      right: ['trial', metricWords(report.metric)],
      width: cli.width,
      paint: cli.paint,
    }),
    ...(hidden > 0 ? [cli.paint.dim(`  and ${plural(hidden, 'more trial')}; --json has all`)] : []),
    '',
    `  ${plural(report.looks, 'measurement')} on ${plural(report.folds.length, 'part')} of the training window; rows that validate or test were not read.`,
    ...(train && test ? [] : ['  Without a time column the parts are taken by a spread of the rows.']),
    ...(report.endedBy === 'time' ? ['  The time was over before all trials were made.'] : []),
    '',
    `  Next: ${cli.paint.accent(`millrace train ${report.model}`)}`,
  ]
}
