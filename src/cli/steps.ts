/** The steps that `run`, `up`, `train` and `data import` share: each shows where it stands and leaves one line. */
import { refs } from '../core/names.ts'
import type { Finding, ModelBundle, ModelVersion } from '../core/records.ts'
import type { Remark } from '../data/index.ts'
import type { TrainerDef } from '../define/types.ts'
import { type ImportRequest, type ImportResult, importData } from '../loop/data.ts'
import { type ReleaseResult, releaseLatest } from '../loop/release.ts'
import { modelDef, type Runtime } from '../loop/runtime.ts'
import {
  chosenParams,
  type SearchReport,
  type SearchRequest,
  searchModel,
  sentenceOf,
} from '../loop/search.ts'
import { type Trained, type TrainProgress, trainModel } from '../loop/train.ts'
import { LEAD_OF } from '../model/measure.ts'
import type { Answer, Cli } from './cli.ts'
import { EXIT } from './exit.ts'
import { count, day, duration, findingLines, measured, metricWords, plural, rowsText } from './format.ts'
import { pad, wrapped } from './table.ts'

/** `✓ Import titanic        891 rows in 1 part  0.4 s`. */
export function stepLine(cli: Cli, mark: string, title: string, text: string, ms?: number): string {
  const time = ms === undefined ? '' : `  ${cli.paint.dim(duration(ms))}`
  return wrapped(`  ${mark} ${cli.paint.bold(pad(title, cli.titleWidth))}  `, text + time, cli.width).join(
    '\n',
  )
}

export async function importStep(
  cli: Cli,
  rt: Runtime,
  request: Omit<ImportRequest, 'signal' | 'onProgress' | 'actor'>,
): Promise<ImportResult> {
  const title = `Import ${request.dataset}`
  cli.meter.begin(title)
  const result = await importData(rt, {
    ...request,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: cli.meter.update,
  })
  const ms = cli.meter.end()
  const { version, known, digest } = result
  const value = {
    event: 'imported',
    dataset: request.dataset,
    version: digest,
    known,
    rows: version.rows,
    rowsQuarantined: version.rowsQuarantined,
    remarks: result.remarks,
  }
  cli.event(
    value,
    known
      ? stepLine(
          cli,
          cli.paint.dim('·'),
          title,
          `nothing new; ${rowsText(version.rows)} since ${day(version.createdAt)}`,
        )
      : stepLine(cli, cli.paint.good('✓'), title, importedText(result), ms),
  )
  if (known) return result
  for (const finding of notable(version.findings)) cli.line(findingLines(cli, finding, 6).join('\n'))
  for (const line of remarkLines(cli, result.remarks, 6)) cli.line(line)
  return result
}

/** What is odd about rows, and what to do about it. */
export function remarkLines(cli: Cli, remarks: readonly Remark[], indent: number): string[] {
  const space = ' '.repeat(indent)
  return remarks.flatMap(({ text, fix }) => [
    ...wrapped(`${space}${cli.paint.dim('·')} `, text, cli.width),
    ...(fix === undefined ? [] : wrapped(`${space}  `, fix, cli.width).map(cli.paint.dim)),
  ])
}

function importedText({ version, changed }: ImportResult): string {
  const aside =
    version.rowsQuarantined > 0 ? `; ${count(version.rowsQuarantined)} put aside with reasons` : ''
  const by = changed
    ? ` (+${count(changed.added)} ~${count(changed.updated)} −${count(changed.deleted)})`
    : ''
  return `${rowsText(version.rows)}${by} in ${plural(version.parts.length, 'part')}${aside}`
}

const notable = (findings: readonly Finding[]) =>
  findings.filter((f) => f.verdict !== 'pass' || (f.value ?? 1) < 1)

/** What a command answers that made a version: what to do next, and an exit that says whether its gates are open. */
export function trainedAnswer(cli: Cli, model: string, { passed, bundle, report, known }: Trained): Answer {
  const next = passed ? `millrace release ${model}` : `millrace gate ${model}`
  return {
    value: { event: 'done', model, version: bundle.version, known, passed, findings: report.findings, next },
    lines: ['', `  Next: ${cli.paint.accent(next)}`],
    exit: passed ? EXIT.done : EXIT.refused,
  }
}

export async function trainStep(
  cli: Cli,
  rt: Runtime,
  request: {
    model: string
    version?: Trained['digest']
    lockedBy?: string
    reason: string
    search?: boolean
    trainer?: TrainerDef
  },
): Promise<Trained> {
  if (request.trainer === undefined && (await searchesFirst(rt, request)))
    await searchStep(cli, rt, { ...request })
  const title = `Train ${request.model}`
  const isFamily = modelDef(rt, request.model).each !== undefined
  cli.meter.begin(title)
  const { search: _, ...training } = request
  const trained = await trainModel(rt, {
    ...training,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: (p) => cli.meter.update(shareOf(p, isFamily), p.note),
  })
  const ms = cli.meter.end()
  const parent = await rt.store.getRecord<ModelVersion>(trained.bundle.parent, 'ModelVersion')
  const { bundle, report, passed, known } = trained
  cli.event(
    {
      event: 'trained',
      model: bundle.model,
      version: bundle.version,
      bundle: trained.digest,
      known,
      passed,
      metrics: report.promise.metrics,
      findings: report.findings,
    },
    stepLine(cli, known ? cli.paint.dim('·') : cli.paint.good('✓'), title, trainedText(trained, parent), ms),
  )
  if (!known)
    for (const note of trained.plan.notes)
      cli.line(wrapped('      ', note, cli.width).map(cli.paint.dim).join('\n'))
  for (const finding of report.findings.filter((f) => f.slice === undefined))
    cli.line(findingLines(cli, finding, 6).join('\n'))
  return trained
}

/** Whether parameters are to be chosen before the model is trained. */
async function searchesFirst(
  rt: Runtime,
  { model, search }: { model: string; search?: boolean },
): Promise<boolean> {
  const def = modelDef(rt, model)
  return search === true || (def.search !== undefined && (await chosenParams(rt, def)) === undefined)
}

/** Searches parameters with a line of progress, and a line an event for each trial that is over. */
export async function searchStep(
  cli: Cli,
  rt: Runtime,
  request: Pick<SearchRequest, 'model' | 'version' | 'lockedBy' | 'reason' | 'trials' | 'method' | 'timeMs'>,
): Promise<SearchReport> {
  const title = `Search ${request.model}`
  cli.meter.begin(title)
  const { report, digest } = await searchModel(rt, {
    ...request,
    actor: await cli.actor(),
    signal: cli.signal,
    onProgress: ({ done, note }) => cli.meter.update(done, note),
  })
  const ms = cli.meter.end()
  const { trials, best, metric, looks, endedBy } = report
  cli.event(
    {
      event: 'searched',
      model: report.model,
      report: digest,
      trials: trials.length,
      looks,
      metric,
      endedBy,
      best: trials[best],
    },
    stepLine(cli, cli.paint.good('✓'), title, sentenceOf(report), ms),
  )
  return report
}

function trainedText({ bundle, report, known }: Trained, parent: ModelVersion): string {
  const lead = LEAD_OF[parent.task]
  const members = Object.keys(bundle.members).length
  const family =
    bundle.each === undefined
      ? ''
      : `, a parent and ${plural(members, 'member')} of their own (${count(Object.keys(bundle.held).length)} share the parent)`
  const what = known
    ? `v${bundle.version} is this model already`
    : `v${bundle.version} from ${rowsText(parent.trainedOn.rows)}`
  return `${what}${family}; ${metricWords(lead)} ${measured(report.promise.metrics[lead])} on rows it never saw`
}

const SINGLE: Record<TrainProgress['stage'], [from: number, span: number]> = {
  prepare: [0, 0.25],
  parent: [0.25, 0.6],
  members: [0.85, 0],
  gate: [0.85, 0.15],
}
const FAMILY: typeof SINGLE = {
  prepare: [0, 0.15],
  parent: [0.15, 0.35],
  members: [0.5, 0.4],
  gate: [0.9, 0.1],
}

/** Share of a whole training from the share of a stage. */
function shareOf({ stage, done }: TrainProgress, isFamily: boolean): number {
  const [from, span] = (isFamily ? FAMILY : SINGLE)[stage]
  return from + span * done
}

export async function releaseStep(
  cli: Cli,
  rt: Runtime,
  model: string,
  reason?: string,
): Promise<ReleaseResult> {
  const result = await releaseLatest(rt, { model, reason, actor: await cli.actor() })
  const mark = result.done ? cli.paint.good('✓') : cli.paint.dim('·')
  cli.event(
    { event: 'released', model, done: result.done, state: result.release.state, effects: result.effects },
    stepLine(cli, mark, `Release ${model}`, result.effects.join('; ')),
  )
  return result
}

/** What closed gates mean and what to do, for a model that is not released. */
export function refusedLine(cli: Cli, model: string, version: number): string {
  return stepLine(
    cli,
    cli.paint.bad('✗'),
    `Release ${model}`,
    `v${version} is not released: its gates are closed. See \`millrace gate ${model}\`.`,
  )
}

/** The newest bundle of a model, whether or not it is released. */
export async function latestBundle(
  rt: Pick<Runtime, 'store'>,
  model: string,
): Promise<ModelBundle | undefined> {
  const ref = await rt.store.meta.ref(refs.latest(model))
  return ref && (await rt.store.getRecord<ModelBundle>(ref.digest, 'ModelBundle'))
}
