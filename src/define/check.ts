/** Validation of a project: every fault found, each with the place where it is. */
import { isMillraceError, MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Schema } from '../core/records.ts'
import type { ExprType } from '../expr/ast.ts'
import { planFeatures } from '../expr/features.ts'
import { resolve, resolveKey, typeOf } from '../expr/resolve.ts'
import { checkFaults, type KnownData } from './check-rules.ts'
import { METRICS } from './metrics.ts'
import { checkValue, count, notNegative, positive, type Rule, share } from './rules.ts'
import { SEARCH_RULES, searchChecks } from './search-check.ts'
import { TABLE_METRICS } from './table-metrics.ts'
import { checkTrainer, TRAINER_RULES } from './trainer-rules.ts'
import { ONLINE_TRAINERS } from './trainer-traits.ts'
import type { CheckDef, DatasetDef, GateDef, ModelDef, ObjectiveDef, ProjectDef } from './types.ts'

const name: Rule = { kind: 'name' }
const given: Rule = { kind: 'text', nonEmpty: true }

/** What each value of a config must keep, by its place below a dataset, a check, a model, a gate … `*` stands for each item of a list. */
export const RULES = {
  project: {
    name,
    'serve.host': given,
    'serve.port': count(0, 65_535),
    'serve.grpc': count(0, 65_535),
    'serve.cache.mb': count(1, 1_000_000),
    'serve.cache.entries': count(1, 1_000_000_000),
    'serve.cache.ttlMs': positive,
    'remotes.*': given,
  },
  dataset: {
    name,
    'source.*': given,
    time: given,
    'key.*': given,
    'exclude.*': given,
    'parts.by': { kind: 'oneOf', values: ['month', 'day', 'rows'] },
    'parts.rowsMax': count(1, 100_000_000),
    'read.format': { kind: 'oneOf', values: ['parquet', 'orc', 'arrow', 'csv', 'json', 'sheet', 'sqlite'] },
    'read.delimiter': given,
    'read.encoding': given,
    'read.sheet': given,
    'read.columns.*': given,
    'read.table': given,
    'read.query': given,
    'read.quote': given,
    'read.header': { kind: 'either', rules: [count(1, 1_000_000), { kind: 'oneOf', values: [false] }] },
    'read.decimal': { kind: 'oneOf', values: ['.', ','] },
    'read.dates': { kind: 'oneOf', values: ['day-first', 'month-first'] },
    'read.ragged': { kind: 'oneOf', values: ['refuse', 'pad'] },
    'stream.sealRows': count(1, 4_000_000),
    'stream.sealEveryMs': positive,
    'stream.newColumns': { kind: 'oneOf', values: ['refuse', 'take'] },
    'about.description': given,
    'about.license': given,
    'about.citation': given,
    'about.url': given,
    'about.creators.*': given,
    'about.keywords.*': given,
    'about.version': given,
  },
  check: {
    name: given,
    atLeast: { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
    onFail: { kind: 'oneOf', values: ['quarantine', 'stop', 'warn'] },
    'rule.min': { kind: 'number' },
    'rule.max': { kind: 'number' },
    'rule.in': name,
    'rule.of.*': given,
    'rule.metric.of': { kind: 'oneOf', values: Object.keys(TABLE_METRICS) },
    'rule.metric.columns.*': given,
    'rule.metric.q': { kind: 'number', min: 0, max: 1 },
    'rule.season': { kind: 'oneOf', values: ['day', 'week', 'year', 'none'] },
    'rule.alpha': share,
    'rule.pointsMin': count(3, 1_000),
    'rule.against': given,
    'rule.psiMin': notNegative,
    'rule.ageMsMax': positive,
    'rule.column': given,
    'rule.columns.*': given,
  },
  model: {
    name,
    from: given,
    task: { kind: 'oneOf', values: ['auto', 'binary', 'regression', 'multiclass', 'ranking'] },
    group: given,
    'each.column': given,
    'each.rowsMin': count(1),
    'each.membersMax': count(1, 1_000_000),
    calibrate: {
      kind: 'oneOf',
      values: ['auto', 'isotonic', 'platt', 'beta', 'temperature', 'vector', 'none'],
    },
    'trainer.kind': { kind: 'oneOf', values: Object.keys(TRAINER_RULES) },
    'split.by': { kind: 'oneOf', values: ['time', 'random'] },
    'split.validateMs': positive,
    'split.testMs': positive,
    'split.validateShare': share,
    'split.testShare': share,
    'release.steps.*': share,
    'release.rowsMin': count(1),
    'release.tolerance': notNegative,
    'release.alpha': share,
    'watch.window': { kind: 'oneOf', values: ['day', 'week', 'month'] },
    'watch.outcomeDelayMs': notNegative,
    'watch.cooldownMs': notNegative,
    'watch.retrain.*': {
      kind: 'oneOf',
      values: ['drift', 'quality', 'daily', 'weekly', 'monthly', 'online'],
    },
    'watch.checkpoint.rows': count(1, 1_000_000),
    'watch.checkpoint.everyMs': positive,
    'watch.alpha': share,
    'serve.log.sample': { kind: 'number', min: 0, exclusiveMin: true, max: 1 },
    'serve.log.redact.*': given,
    'serve.log.hash.*': given,
    seed: count(0, 2 ** 32 - 1),
  },
  gate: {
    kind: {
      kind: 'oneOf',
      values: [
        'beatsBaseline',
        'noWorseThanLive',
        'metric',
        'calibration',
        'slices',
        'size',
        'latency',
        'noLeak',
      ],
    },
    tolerance: notNegative,
    min: { kind: 'number' },
    max: { kind: 'number' },
    column: given,
    floor: { kind: 'number' },
    rowsMin: count(1),
    bytesMax: count(1),
    msMax: positive,
    aucMax: { kind: 'number', min: 0.5, exclusiveMin: true, max: 1 },
  },
  objective: {
    name: given,
    goal: { kind: 'oneOf', values: ['maximize', 'minimize', 'under', 'over'] },
    limit: { kind: 'number' },
  },
} as const satisfies Record<string, Record<string, Rule>>

/** Faults of a project, in order of the config; empty when it is sound. Columns and types are checked too where `schemas` has the dataset. */
export function checkProject(
  def: ProjectDef,
  schemas: Readonly<Record<string, Schema>> = {},
): MillraceError[] {
  const faults = new Faults()
  faults.rules('project', RULES.project, def)
  for (const [limit, value] of Object.entries(def.limits)) {
    faults.try(() => checkLimit(limit, value))
  }
  faults.names('datasets', def.datasets)
  faults.names('models', def.models)
  const known = { schemas, datasets: def.datasets.map((d) => d.name) }
  for (const dataset of def.datasets) checkDataset(faults, dataset, known)
  for (const model of def.models) checkModel(faults, model, def.datasets, schemas[model.from])
  return faults.found
}

/** `checkProject` that throws the first fault. */
export function assertProject(def: ProjectDef, schemas: Readonly<Record<string, Schema>> = {}): void {
  const [first] = checkProject(def, schemas)
  if (first !== undefined) throw first
}

class Faults {
  readonly found: MillraceError[] = []

  /** Runs a check; a coded error becomes a fault. */
  try(check: () => void): void {
    try {
      check()
    } catch (error) {
      if (!isMillraceError(error)) throw error
      this.found.push(error)
    }
  }

  rules(place: string, rules: Readonly<Record<string, Rule>>, subject: unknown): void {
    for (const [path, rule] of Object.entries(rules)) {
      for (const [at, value] of valuesAt(subject, path.split('.')))
        this.try(() => checkValue(`${place}.${at}`, rule, value))
    }
  }

  names(place: string, items: readonly { name: string }[]): void {
    const seen = new Set<string>()
    for (const item of items) {
      const key = String(item.name).toLowerCase()
      if (seen.has(key)) this.found.push(new MillraceError('MR_DEFINE_DUPLICATE', { place, name: item.name }))
      seen.add(key)
    }
  }

  unknown(place: string, kind: string, wanted: string, known: readonly string[]): void {
    if (known.includes(wanted)) return
    this.found.push(new MillraceError('MR_DEFINE_UNKNOWN', { place, kind, name: wanted, known: [...known] }))
  }
}

/** Values at a path, with their own places; a path that leads nowhere yields none, since optional parts may be absent. */
function valuesAt(subject: unknown, path: readonly string[]): [string, unknown][] {
  const [head, ...rest] = path
  if (head === undefined) return [['', subject]]
  const entries: [string, unknown][] =
    head === '*'
      ? Object.entries(subject as unknown[])
      : isObject(subject) && head in subject
        ? [[head, subject[head]]]
        : []
  return entries
    .filter(([, value]) => value !== undefined)
    .flatMap(([key, value]) =>
      valuesAt(value, rest).map(([at, v]): [string, unknown] => [at === '' ? key : `${key}.${at}`, v]),
    )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

function checkLimit(limit: string, value: unknown): void {
  if (!Object.hasOwn(LIMITS, limit)) {
    throw new MillraceError('MR_DEFINE_UNKNOWN', {
      place: 'project.limits',
      kind: 'limit',
      name: limit,
      known: Object.keys(LIMITS),
    })
  }
  checkValue(`project.limits.${limit}`, count(1), value)
}

function checkDataset(faults: Faults, dataset: DatasetDef, known: KnownData): void {
  const schema = known.schemas[dataset.name]
  const place = `datasets.${dataset.name}`
  faults.rules(place, RULES.dataset, dataset)
  if (dataset.source.length === 0 && !dataset.stream)
    faults.try(() => checkValue(`${place}.source`, given, ''))
  if (dataset.parts.by !== 'rows' && dataset.time === undefined) {
    faults.try(() => checkValue(`${place}.time`, given, undefined))
  }
  for (const column of [
    ...(dataset.time === undefined ? [] : [dataset.time]),
    ...dataset.key,
    ...dataset.exclude,
  ]) {
    faults.try(() => checkColumn(place, column, schema))
  }
  faults.names(`${place}.checks`, dataset.checks)
  for (const check of dataset.checks)
    checkCheck(faults, `${place}.checks.${check.name}`, check, schema, known)
}

function checkCheck(
  faults: Faults,
  place: string,
  check: CheckDef,
  schema: Schema | undefined,
  known: KnownData,
): void {
  faults.rules(place, RULES.check, check)
  for (const fault of checkFaults(place, check, schema, known)) faults.try(fault)
}

function checkColumn(place: string, column: string, schema: Schema | undefined): void {
  resolve({ op: 'col', name: column }, { schema, place })
}

function checkModel(
  faults: Faults,
  model: ModelDef,
  datasets: readonly DatasetDef[],
  schema: Schema | undefined,
): void {
  const place = `models.${model.name}`
  faults.rules(place, RULES.model, model)
  checkTrainerParts(faults, `${place}.trainer`, model.trainer, model.task)
  if (model.watch.retrain.includes('online')) {
    faults.unknown(
      `${place}.watch.retrain: online`,
      'trainer that learns online',
      model.trainer.kind,
      ONLINE_TRAINERS,
    )
  }
  faults.rules(`${place}.search`, SEARCH_RULES, model.search)
  for (const check of searchChecks(`${place}.search`, model)) faults.try(check)
  faults.unknown(
    `${place}.from`,
    'dataset',
    model.from,
    datasets.map((d) => d.name),
  )
  faults.try(() => checkTarget(`${place}.target`, model, schema))
  faults.try(() => checkGroup(place, model, schema))
  faults.names(`${place}.features`, model.features)
  for (const feature of model.features) {
    faults.try(() => checkValue(`${place}.features name`, given, feature.name))
    faults.try(() => checkFeature(`${place}.features`, feature, schema))
  }
  if (model.each !== undefined) faults.try(() => checkColumn(`${place}.each`, model.each!.column, schema))
  for (const column of model.leaksAllowed ?? [])
    faults.try(() => checkColumn(`${place}.leaksAllowed`, column, schema))
  checkLog(faults, place, model, schema)
  checkSplit(faults, place, model, datasets)
  checkSteps(faults, place, model.release.steps)
  faults.names(`${place}.objectives`, model.objectives)
  for (const objective of model.objectives)
    checkObjective(faults, `${place}.objectives.${objective.name}`, objective)
  model.gates.forEach((gate, i) => {
    checkGate(faults, `${place}.gates.${i}`, gate, schema)
  })
}

/** What a log must keep: the columns that the log shows elsewhere, whole groups, and all of a row that is learned from. */
function checkLog(faults: Faults, place: string, model: ModelDef, schema: Schema | undefined): void {
  const { log } = model.serve ?? {}
  if (!log) return
  const hidden = [...log.redact, ...log.hash]
  for (const column of hidden) faults.try(() => checkColumn(`${place}.serve.log`, column, schema))
  const refuse = (at: string, expected: string, got: string) =>
    faults.try(() => {
      throw new MillraceError('MR_DEFINE_VALUE', { place: `${place}.serve.log.${at}`, expected, got })
    })
  const shown = [model.each?.column, model.group].filter((column) => column !== undefined)
  for (const column of hidden.filter((one) => shown.includes(one)))
    refuse('redact', 'another column: the log names the member and the group of each answer', column)
  for (const column of log.redact.filter((one) => log.hash.includes(one)))
    refuse('hash', 'a column that is not left out as well', column)
  if (model.group !== undefined && log.sample < 1)
    refuse('sample', '1 for a model that ranks: groups are kept whole', String(log.sample))
  if (model.watch.retrain.includes('online') && hidden.length > 0)
    refuse('redact', 'none for a model that learns online: it learns from the log', hidden.join(', '))
}

/** Target types that each task takes. */
const TARGETS: Record<ModelDef['task'], readonly ExprType[]> = {
  auto: ['bool', 'number', 'string'],
  binary: ['bool', 'number'],
  regression: ['bool', 'number'],
  multiclass: ['bool', 'number', 'string'],
  ranking: ['bool', 'number'],
}

/** A trainer and those it is made of. */
function checkTrainerParts(
  faults: Faults,
  place: string,
  trainer: ModelDef['trainer'],
  task: ModelDef['task'],
): void {
  faults.rules(place, TRAINER_RULES[trainer.kind] ?? {}, trainer)
  faults.try(() => checkTrainer(trainer, task, place))
  if (!('of' in trainer)) return
  trainer.of.forEach((part, i) => {
    checkTrainerParts(faults, `${place}.of.${i}`, part, task)
  })
}

function checkTarget(place: string, { target, task }: ModelDef, schema: Schema | undefined): void {
  if (schema === undefined) resolve(target, { place })
  const allowed = TARGETS[task] ?? TARGETS.auto
  const type = schema === undefined ? 'number' : typeOf(target, schema, place)
  if (allowed.includes(type)) return
  throw new MillraceError('MR_EXPR_TYPE', {
    expr: 'the target',
    expected: `${allowed.slice(0, -1).join(', ')} or ${allowed.at(-1)}`,
    got: type,
    place,
  })
}

/** A model that ranks has a group and no other model has one. */
function checkGroup(place: string, { task, group }: ModelDef, schema: Schema | undefined): void {
  if (group !== undefined) checkColumn(`${place}.group`, group, schema)
  if ((task === 'ranking') === (group !== undefined)) return
  throw new MillraceError('MR_DEFINE_GROUP', { place, task })
}

function checkFeature(
  place: string,
  feature: ModelDef['features'][number],
  schema: Schema | undefined,
): void {
  if (schema !== undefined) {
    planFeatures([feature], schema, place)
  } else if (feature.expr.op === 'fit') {
    resolveKey(feature.expr.arg, { place: `${place}.${feature.name}` })
  } else {
    resolve(feature.expr, { place: `${place}.${feature.name}` })
  }
}

function checkSplit(faults: Faults, place: string, model: ModelDef, datasets: readonly DatasetDef[]): void {
  const { split } = model
  if (split.by === 'random') {
    const left = split.validateShare + split.testShare
    faults.try(() => checkValue(`${place}.split: validate and test together`, share, left))
    return
  }
  const dataset = datasets.find((d) => d.name === model.from)
  if (dataset !== undefined && dataset.time === undefined) {
    faults.try(() =>
      checkValue(
        `${place}.split.by of a dataset without a time`,
        { kind: 'oneOf', values: ['random'] },
        'time',
      ),
    )
  }
}

function checkSteps(faults: Faults, place: string, steps: readonly number[]): void {
  steps.forEach((step, i) => {
    const min = steps[i - 1]
    if (min === undefined) return
    const above: Rule = { kind: 'number', min, exclusiveMin: true, max: 1, exclusiveMax: true }
    faults.try(() => checkValue(`${place}.release.steps.${i}`, above, step))
  })
}

function checkObjective(faults: Faults, place: string, objective: ObjectiveDef): void {
  faults.rules(place, RULES.objective, objective)
  faults.unknown(`${place}.metric`, 'metric', objective.metric, Object.keys(METRICS))
  if ((objective.goal === 'under' || objective.goal === 'over') && objective.limit === undefined) {
    faults.try(() => checkValue(`${place}.limit`, { kind: 'number' }, undefined))
  }
}

function checkGate(faults: Faults, place: string, gate: GateDef, schema: Schema | undefined): void {
  faults.rules(place, RULES.gate, gate)
  if ('metric' in gate) faults.unknown(`${place}.metric`, 'metric', gate.metric, metricsOf(gate.kind))
  if (gate.kind === 'slices') faults.try(() => checkColumn(place, gate.column, schema))
  if (gate.kind === 'metric' && gate.min === undefined && gate.max === undefined) {
    faults.try(() => checkValue(`${place}.min or max`, { kind: 'number' }, undefined))
  }
}

/** Names that a gate may have as its metric: what a model costs has no rows to compare or to slice, and bounds are on one that is named. */
function metricsOf(gate: GateDef['kind']): string[] {
  if (gate === 'metric') return Object.keys(METRICS)
  const onRows = Object.values(METRICS).filter(({ unit }) => unit !== 'ms' && unit !== 'bytes')
  return ['auto', ...onRows.map(({ name }) => name)]
}
