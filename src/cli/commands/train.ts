/** `millrace train` and `millrace gate`: a model is made, and judged. */
import { MillraceError } from '../../core/errors.ts'
import type { Finding } from '../../core/records.ts'
import { opens } from '../../core/verdicts.ts'
import { gateReport } from '../../loop/release.ts'
import { modelDef } from '../../loop/runtime.ts'
import type { Answer, Cli } from '../cli.ts'
import { EXIT } from '../exit.ts'
import { count, figure, findingLines, orDash, sign } from '../format.ts'
import type { Options } from '../handler.ts'
import { versionAsked } from '../locked.ts'
import { textOption } from '../options.ts'
import { latestBundle, trainedAnswer, trainStep } from '../steps.ts'
import { table } from '../table.ts'

export async function train(cli: Cli, [name]: readonly unknown[], options: Options): Promise<Answer> {
  if (options.dryRun === true)
    return await (await import('./plan.ts')).plan(cli, [name as string], { locked: options.locked })
  const rt = await cli.open()
  const model = modelDef(rt, name as string)
  const asked = await versionAsked(cli, rt, model.from, options)
  const reason = textOption(options, 'reason') ?? 'asked for on the command line'
  const trained = await trainStep(cli, rt, {
    model: model.name,
    ...asked,
    reason,
    search: options.search === true,
  })
  return trainedAnswer(cli, model.name, trained)
}

export async function gate(cli: Cli, [name]: readonly unknown[]): Promise<Answer> {
  const rt = await cli.open()
  const { name: model } = modelDef(rt, name as string)
  const bundle = await latestBundle(rt, model)
  if (!bundle) throw new MillraceError('MR_API_NOT_TRAINED', { model })
  const { findings } = await gateReport(rt, bundle)
  const passed = opens(findings)
  const { paint } = cli
  const verdict = passed ? paint.good('open: it may be released') : paint.bad('closed: it is not released')
  return {
    value: { model, version: bundle.version, passed, findings },
    lines: [
      '',
      `  ${paint.bold(`The gates of ${model} v${bundle.version}`)} are ${verdict}`,
      '',
      ...findingTable(cli, findings),
      '',
    ],
    exit: passed ? EXIT.done : EXIT.refused,
  }
}

const ORDER: Record<Finding['verdict'], number> = { error: 0, fail: 1, inconclusive: 2, pass: 3 }

/** Findings, worst first; what those say that are not open follows in whole sentences. */
export function findingTable(cli: Cli, findings: readonly Finding[]): string[] {
  const sorted = findings.toSorted((a, b) => ORDER[a.verdict] - ORDER[b.verdict])
  const rows = sorted.map((f) => [
    sign(f.verdict, cli.paint),
    `${f.check}${f.slice === undefined ? '' : ` (${f.slice})`}`,
    orDash(f.value, figure),
    count(f.n),
    f.limit || '–',
  ])
  const closed = sorted.filter((f) => f.verdict !== 'pass').flatMap((f) => findingLines(cli, f))
  return [
    ...table(['', 'check', 'value', 'rows', 'must hold'], rows, {
      right: ['value', 'rows'],
      width: cli.width,
      paint: cli.paint,
    }),
    ...(closed.length === 0 ? [] : ['', ...closed]),
  ]
}
