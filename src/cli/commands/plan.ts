/** `millrace plan`: everything that is inferred, printed before anything is done. */
import { MillraceError } from '../../core/errors.ts'
import type { Schema, TimeWindow } from '../../core/records.ts'
import { type Remark, relation as relationOf, shownSource } from '../../data/index.ts'
import type { GateDef, ModelDef } from '../../define/types.ts'
import { columnsOf, type ExprType } from '../../expr/ast.ts'
import { format } from '../../expr/format.ts'
import { typeOf } from '../../expr/resolve.ts'
import { LOCK_FILE } from '../../loop/lock-file.ts'
import { datasetDef, modelDef, type Runtime } from '../../loop/runtime.ts'
import { hasClasses } from '../../train/classes.ts'
import { featuresFor } from '../../train/infer-features.ts'
import { columnsToLeave, leakText, withTarget } from '../../train/leaks.ts'
import { type PrepareParams, prepareSpec, spanOf } from '../../train/specs.ts'
import { planSplit, type SplitPlan } from '../../train/split.ts'
import type { Answer, Cli } from '../cli.ts'
import { count, day, duration, percent, plural, rowsText, share, short } from '../format.ts'
import type { Options } from '../handler.ts'
import { versionAsked } from '../locked.ts'
import { type KnownDataset, knownDataset } from '../schemas.ts'
import { pairs } from '../table.ts'

interface PlannedModel {
  model: string
  from: string
  target: string
  task: string
  features: { name: string; expression: string; type: string }[]
  inferred: boolean
  notes: string[]
  each: ModelDef['each'] | null
  trainer: ModelDef['trainer']
  search?: ModelDef['search']
  split: SplitPlan
  gates: string[]
  objectives: string[]
  release: ModelDef['release']
  watch: ModelDef['watch']
}

export async function plan(
  cli: Cli,
  [name]: readonly (unknown | undefined)[],
  options: Options,
): Promise<Answer> {
  const rt = await cli.open()
  const models = name === undefined ? rt.project.models : [modelDef(rt, name as string)]
  const wanted = new Set(models.map((m) => m.from))
  const defs =
    name === undefined ? rt.project.datasets : rt.project.datasets.filter((d) => wanted.has(d.name))
  const datasets = new Map<string, KnownDataset>()
  for (const def of defs) {
    cli.meter.begin(`Looking at ${def.name}`)
    cli.meter.update(0, '')
    const { version } = await versionAsked(cli, rt, def.name, { locked: options.locked })
    datasets.set(def.name, await knownDataset(rt, def, cli.signal, version))
    cli.meter.end()
  }
  const planned: PlannedModel[] = []
  for (const def of models)
    planned.push(await planModel(rt, def, datasets.get(def.from) as KnownDataset, cli.signal))
  return {
    value: {
      dryRun: true,
      project: rt.project.name,
      datasets: [...datasets.values()].map(({ def, digest, version, files }) => ({
        dataset: def.name,
        files,
        version: digest ?? null,
        ...(options.locked === true && { lockedBy: LOCK_FILE }),
        rows: version.rows,
        time: def.time ?? null,
        columns: version.schema.columns,
        exclude: def.exclude,
        checks: def.checks,
      })),
      models: planned,
    },
    lines: [
      '',
      ...[...datasets.values()].flatMap((d) => datasetLines(cli, d)),
      ...planned.flatMap((m) => modelLines(cli, m)),
      `  ${cli.paint.dim('Nothing was done. To do it: millrace up, or millrace run once.')}`,
      '',
    ],
  }
}

async function planModel(
  rt: Runtime,
  def: ModelDef,
  known: KnownDataset,
  signal: AbortSignal,
): Promise<PlannedModel> {
  const { digest, version } = known
  const dataset = datasetDef(rt, def.from)
  const split = planSplit(def.split, dataset.time, spanOf(version, dataset.time))
  const spec = prepareSpec(def, dataset, digest ?? `sha256:${'0'.repeat(64)}`, split)
  const params = spec.params as unknown as PrepareParams
  const leave = await leavingOf(rt, params, known, signal)
  const { plan: features, notes, inferred } = featuresFor(params, version, leave)
  return {
    model: def.name,
    from: def.from,
    target: format(def.target),
    task: taskText(def, version.schema),
    features: features.features.map((f) => ({ name: f.name, expression: format(f.expr), type: f.type })),
    inferred,
    notes,
    each: def.each ?? null,
    trainer: def.trainer,
    ...(def.search && { search: def.search }),
    split,
    gates: def.gates.map(gateText),
    objectives: def.objectives.map(
      (o) =>
        `${o.name}: ${o.goal} ${o.metric}${o.limit === undefined ? '' : ` ${o.limit}`}${o.owner ? ` (${o.owner})` : ''}`,
    ),
    release: def.release,
    watch: def.watch,
  }
}

/** Columns that give the target away, and why: as training will find on the rows it trains on. Errors: MR_TRAIN_LEAK for a feature that was asked for. */
async function leavingOf(
  rt: Runtime,
  params: PrepareParams,
  { version, digest, remarks }: KnownDataset,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const { schema } = version
  if (digest === undefined) return leavingByRemarks(params, remarks)
  const query = await rt.query()
  const from = withTarget(await relationOf(rt.store, version), params, schema)
  const task = hasClasses(params, schema)
    ? 'multiclass'
    : typeOf(params.target, schema) === 'bool'
      ? 'binary'
      : 'regression'
  return await columnsToLeave(query, params, version, { from, task, signal })
}

/** Of files that were only looked at: columns that say the same as the target's. */
function leavingByRemarks(
  { model, target, features, leaksAllowed = [] }: PrepareParams,
  remarks: readonly Remark[],
): Map<string, string> {
  const [column, ...others] = columnsOf(target)
  const same = remarks.find(({ kind, columns }) => kind === 'same-columns' && columns.includes(column))
  if (!same || others.length > 0) return new Map()
  const leaks = same.columns.filter((name) => name !== column && !leaksAllowed.includes(name))
  const asked = features.find(({ expr }) => leaks.includes(columnsOf(expr)[0]))
  if (asked)
    throw new MillraceError('MR_TRAIN_LEAK', { model, feature: asked.name, columns: columnsOf(asked.expr) })
  return new Map(leaks.map((name) => [name, leakText({ name, decided: 1 })]))
}

function taskText({ task, target, group }: ModelDef, schema: Schema): string {
  if (group !== undefined) return `ranking: rows of one "${group}" are ordered against one another`
  if (task !== 'auto') return task
  return TASK_WHY[typeOf(target, schema)]
}

const TASK_WHY: Record<ExprType, string> = {
  bool: 'binary, as the target is a question',
  string: 'multiclass, as the target is text: the model names one of its values',
  number: 'decided by its values: binary when there are two, else regression',
  time: 'regression',
}

function gateText(gate: GateDef): string {
  const { kind, ...rest } = gate
  const limits = Object.entries(rest).filter(([, value]) => value !== undefined && value !== 'auto')
  return `${kind}${limits.length === 0 ? '' : ` (${limits.map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ')})`}`
}

function datasetLines(cli: Cli, { def, digest, version, files }: KnownDataset): string[] {
  const { paint } = cli
  const state =
    digest === undefined
      ? `not imported yet; ${plural(files.length, 'file')} found`
      : `version ${short(digest)}`
  const facts: [string, string | string[]][] = [
    ['rows', `${count(version.rows)} × ${plural(version.schema.columns.length, 'column')}; ${state}`],
    ['source', def.source.map(shownSource).join(', ')],
    ['time', def.time ?? 'none'],
    [
      'checks',
      def.checks.length === 0
        ? 'none'
        : def.checks.map(
            (c) => `${c.name}${c.atLeast < 1 ? ` for ${percent(c.atLeast)}` : ''}: else ${c.onFail}`,
          ),
    ],
  ]
  if (def.exclude.length > 0) facts.push(['left out', def.exclude.join(', ')])
  return [
    `  ${paint.bold(`dataset ${def.name}`)}`,
    '',
    ...pairs(facts, paint, cli.width - 2).map((line) => `  ${line}`),
    '',
  ]
}

function modelLines(cli: Cli, m: PlannedModel): string[] {
  const { paint } = cli
  const facts: [string, string | string[]][] = [
    ['target', m.target],
    ['task', m.task],
    [
      m.inferred ? 'features (inferred)' : 'features',
      m.features.map((f) =>
        f.name === f.expression ? `${f.name}: ${f.type}` : `${f.name} = ${f.expression}: ${f.type}`,
      ),
    ],
    ['trainer', trainerText(m.trainer)],
    ...(m.search ? [['search', searchText(m.search)] as [string, string]] : []),
    ['rows', splitText(m.split)],
    ['gates', m.gates],
    ['release', releaseText(m.release)],
    ['watch', watchText(m.watch)],
  ]
  if (m.notes.length > 0) facts.splice(3, 0, ['notes', m.notes])
  if (m.each)
    facts.splice(3, 0, [
      'family',
      `one model for each ${m.each.column} with at least ${rowsText(m.each.rowsMin)}`,
    ])
  if (m.objectives.length > 0) facts.push(['objectives', m.objectives])
  return [
    `  ${paint.bold(`model ${m.model}`)}`,
    '',
    ...pairs(facts, paint, cli.width - 2).map((line) => `  ${line}`),
    '',
  ]
}

function trainerText(trainer: ModelDef['trainer']): string {
  const { kind, ...settings } = trainer
  return `${kind} (${Object.entries(settings)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ')})`
}

/** `learningRate 0.03 to 0.3, leaves 4 to 32, l2 0, 1 or 10; at most 6 trials by tpe`. */
export function searchText({ space, trials, method }: NonNullable<ModelDef['search']>): string {
  const places = Object.entries(space).map(([name, dimension]) =>
    dimension.kind === 'range'
      ? `${name} ${dimension.min} to ${dimension.max}`
      : `${name} ${dimension.values.slice(0, -1).join(', ')} or ${dimension.values.at(-1)}`,
  )
  return `${places.join('; ')}; at most ${plural(trials, 'trial')} by ${method}, once: what was chosen stays for retrainings`
}

function splitText({ train, validate, test }: SplitPlan): string[] {
  const at = (w: TimeWindow | { share: number }) =>
    'share' in w ? share(w.share) : `${day(w.fromAt)} to ${day(w.toAt - 1)}`
  const rest = train === null ? 'the rest, spread by row' : at(train)
  return [`train on ${rest}`, `validate on ${at(validate)}`, `test on ${at(test)}`]
}

function releaseText({ steps, rowsMin }: ModelDef['release']): string {
  if (steps.length === 0) return 'all traffic at once when the gates pass'
  return `shadow, then ${steps.map(percent).join(', ')}, then all; each step needs ${count(rowsMin)} answers with outcomes`
}

function watchText(watch: ModelDef['watch']): string {
  const when =
    watch.retrain.length === 0
      ? 'never trained again by itself'
      : `trained again on ${watch.retrain.join(', ')}`
  return `every ${watch.window}; outcomes complete after ${duration(watch.outcomeDelayMs).replace(/ 0 min$/, '')}; ${when}; ${watch.owner || 'nobody'} is told`
}
