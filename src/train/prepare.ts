/**
 * Task `train.prepare`: from a dataset version to a training matrix.
 *
 * Reads the rows of the three splits once into the worker's engine, learns the fitted features from the training rows alone, evaluates all features in SQL
 * (training rows cross-fitted, so that no row's own target is in its features) and writes matrix, features, plan and the raw rows of the test split.
 */

import { join } from 'node:path'
import { assert, MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { isMemberKey } from '../core/names.ts'
import type { DatasetVersion, Digest, ModelTask, Schema, Signature, TimeWindow } from '../core/records.ts'
import { hasMembers } from '../define/trainer-traits.ts'
import type { Query, Sql, Task, TaskContext } from '../engine/ports.ts'
import { relationOf } from '../engine/relation.ts'
import type { ExprNode } from '../expr/ast.ts'
import { keyToDuckDb, toDuckDb } from '../expr/duckdb.ts'
import {
  type FeaturePlan,
  type FittedFeatures,
  featureSelectSql,
  fitSql,
  fittedFrom,
  trainingSelectSql,
} from '../expr/features.ts'
import { typeOf } from '../expr/resolve.ts'
import { literal, quoted, raw, sql } from '../expr/sql.ts'
import {
  type MatrixHeader,
  type PreparedPlan,
  type RowRange,
  SPLITS,
  type Split,
  writeMatrix,
} from '../model/matrix.ts'
import { ordered, type RowsSql, takeBranch } from './branch-rows.ts'
import { type Classes, codeClasses, hasClasses } from './classes.ts'
import { concat } from './columns.ts'
import { featuresFor, inputsOf } from './infer-features.ts'
import { columnsToLeave } from './leaks.ts'
import { learnerOf } from './learners.ts'
import { PREPARE_CODE, type PrepareParams } from './specs.ts'
import type { SplitPlan } from './split.ts'

/** Groups that each split of a model that ranks needs. */
const GROUPS_MIN = 3
/** Folds of the cross-fitting of rates. */
const FOLDS = 5

export const prepareTask: Task = {
  name: 'train.prepare',
  code: PREPARE_CODE,
  async run(context) {
    const params = context.spec.params as unknown as PrepareParams
    const version = await context.store.getRecord<DatasetVersion>(
      context.spec.inputs.version,
      'DatasetVersion',
    )
    const query = await context.query()
    let { plan, notes } = featuresFor(params, version)
    context.progress(0, 'reading rows')
    await loadRows(query, context, version, params)
    const classes = hasClasses(params, version.schema)
      ? await classesOf(query, params, version.rows, context.signal)
      : undefined
    const seen = await countRows(query)
    const task = classes ? 'multiclass' : taskOf(params, version.schema, seen)
    checkTrainer(params, task)
    checkRows(params, task, seen, version.rows)
    const leave = await columnsToLeave(query, params, version, {
      from: TRAINING_ROWS,
      task,
      signal: context.signal,
    })
    if (leave.size > 0) ({ plan, notes } = featuresFor(params, version, leave))
    if (params.task === 'auto' && task === 'binary' && typeOf(params.target, version.schema) === 'number')
      notes.push('the target is a number that is always 0 or 1, so this is a classifier')
    if (classes) notes.push(...classNotes(params, classes))
    if (params.each && !hasMembers(params.trainer))
      notes.push(
        `a model by ${params.trainer} has no members of its own: every key is answered by the parent`,
      )
    context.progress(0.4, 'learning features')
    const schema = rowsSchema(version)
    const fitted = await learn(query, plan, schema, context.signal)
    context.progress(0.6, 'evaluating features')
    const { header, columns } = await evaluate(query, fitted, params, schema, context.signal)
    const outputs = await write(context, query, {
      version,
      params,
      task,
      fitted,
      header,
      columns,
      notes,
      classes,
    })
    await query.exec(raw('drop table mr_rows'))
    return { outputs }
  },
}

const TRAINING_ROWS = raw('(select * from mr_rows where mr_split = 0)')

function checkTrainer({ model, trainer }: PrepareParams, task: ModelTask): void {
  const { tasks } = learnerOf(trainer)
  if (!tasks.includes(task)) throw new MillraceError('MR_TRAIN_TASK', { model, trainer, task, tasks })
}

/** Errors: MR_TRAIN_TARGET when no row has a class, else as `codeClasses`. */
async function classesOf(
  query: Query,
  params: PrepareParams,
  rows: number,
  signal: AbortSignal,
): Promise<Classes> {
  checkRows(params, 'multiclass', await countRows(query), rows)
  return await codeClasses(query, params, signal)
}

function classNotes({ task }: PrepareParams, { labels, notes }: Classes): string[] {
  const why = `the target is text, so this model names one of ${labels.length} classes`
  const two = labels.length === 2 ? `; for a yes or no, ask: col('column').eq('${labels[1]}')` : ''
  return [...(task === 'auto' ? [`${why}${two}`] : []), ...notes]
}

const TARGET: ExprNode = { op: 'col', name: 'mr_target' }

/** Columns of `mr_rows`: those of the version, and the target as a number. */
function rowsSchema(version: DatasetVersion): Schema {
  return { columns: [...version.schema.columns, { name: 'mr_target', type: 'float', nullable: false }] }
}

async function learn(
  query: Query,
  plan: FeaturePlan,
  schema: Schema,
  signal: AbortSignal,
): Promise<FittedFeatures> {
  const answers: Record<string, Record<string, unknown>[]> = {}
  for (const { id, sql: question } of fitSql(
    plan,
    TARGET,
    '(select * from mr_rows where mr_split = 0)',
    schema,
  )) {
    answers[id] = await query.rows(question, signal)
  }
  return fittedFrom(plan, answers)
}

/**
 * One scan: the columns, target, split, fold and member key of every row that is used, in a fixed order. All columns are kept, since slices and the live
 * version may look at others than the candidate. Rows without a finite target are left out.
 */
export async function loadRows(
  query: Query,
  context: TaskContext,
  version: DatasetVersion,
  params: PrepareParams,
): Promise<void> {
  const relation = await relationOf(context.store, version, {
    time: params.split.time,
    window: coveredBy(params.split),
  })
  const rowsOf = rowsSql(params, version.schema)
  await query.exec(
    sql`create or replace table mr_rows as ${ordered(rowsOf(relation, raw('row_number() over ()'), splitSql(params.split)))}`,
    context.signal,
  )
  const { branch, split, group } = params
  if (branch)
    await takeBranch(query, context, version, { ...branch, split, grouped: group !== undefined }, rowsOf)
}

function rowsSql(params: PrepareParams, schema: Schema): RowsSql {
  const key = params.each
    ? sql`coalesce(${keyToDuckDb({ op: 'col', name: params.each.column }, { schema })}, '')`
    : raw("''")
  const columns = raw(schema.columns.map((c) => quoted(c.name)).join(', '))
  const coded = hasClasses(params, schema)
  const label = coded ? keyToDuckDb(params.target, { schema }) : raw('cast(null as varchar)')
  const target = coded
    ? raw('cast(null as double)')
    : sql`cast(${toDuckDb(params.target, { schema })} as double)`
  const { group, first, at } = groupSql(params, schema)
  return (relation, number, split) => sql`select * exclude (mr_at, mr_first) from (
      select *, ${split} as mr_split, mr_first % ${String(FOLDS)} as mr_fold
      from (select *, ${first} as mr_first, ${at} as mr_at
        from (select ${columns}, ${target} as mr_target, ${label} as mr_label, ${key} as mr_key, ${group} as mr_group, mr_n
          from (select *, ${number} as mr_n from (${relation})))
        where mr_group is not null)
    ) where mr_split is not null and ${coded ? 'mr_label is not null' : 'isfinite(mr_target)'}`
}

/**
 * The group of a row, and the row number and the time that decide its split and fold: its own, or those of its group's first row, so that no split
 * divides a group.
 */
function groupSql({ group, split }: PrepareParams, schema: Schema): { group: Sql; first: Sql; at: Sql } {
  const time = raw(split.time === undefined ? 'null' : `epoch_ms(${quoted(split.time)})`)
  if (group === undefined) return { group: raw("''"), first: raw('mr_n'), at: time }
  const within = raw('over (partition by mr_group)')
  return {
    group: keyToDuckDb({ op: 'col', name: group }, { schema }),
    first: sql`min(mr_n) ${within}`,
    at: sql`min(${time}) ${within}`,
  }
}

/** The smallest window that holds all windows of the split; undefined when a share takes rows from everywhere. */
function coveredBy(split: SplitPlan): TimeWindow | undefined {
  const windows = [split.train, split.validate, split.test].filter(
    (w): w is TimeWindow => w !== null && 'fromAt' in w,
  )
  if (windows.length === 0 || split.train === null) return undefined
  return { fromAt: Math.min(...windows.map((w) => w.fromAt)), toAt: Math.max(...windows.map((w) => w.toAt)) }
}

/** 0 train, 1 validate, 2 test, null for rows that are in none. Shares go by the golden-ratio sequence of the row number (of a group, of its first row): stable and evenly spread. */
function splitSql(split: SplitPlan): Sql {
  const spread = '((mr_first * 2654435769) % 4294967296) / 4294967296.0'
  const within = (w: TimeWindow) => `mr_at >= ${w.fromAt} and mr_at < ${w.toAt}`
  const cases = split.skipShare ? [`when ${spread} < ${split.skipShare} then null`] : []
  let shareFrom = split.skipShare ?? 0
  for (const [name, code] of [
    ['test', 2],
    ['validate', 1],
  ] as const) {
    const rule = split[name]
    const inTrain = split.train ? `${within(split.train)} and ` : ''
    if ('fromAt' in rule) cases.push(`when ${within(rule)} then ${code}`)
    else {
      const from = rule.from ?? shareFrom
      cases.push(`when ${inTrain}${spread} >= ${from} and ${spread} < ${from + rule.share} then ${code}`)
      shareFrom = from + rule.share
    }
  }
  cases.push(split.train ? `when ${within(split.train)} then 0` : 'else 0')
  return raw(`case ${cases.join(' ')} end`)
}

/** What the rows that are used look like, by split code. */
interface SplitCount {
  n: number
  low: number
  high: number
  /** Rows whose target is neither 0 nor 1. */
  between: number
  groups: number
}

async function countRows(query: Query): Promise<Map<number, SplitCount>> {
  const counts = await query.rows<Record<'split' | keyof SplitCount, number>>(
    raw(
      `select mr_split as split, count(*) as n, min(mr_target) as low, max(mr_target) as high,
        count(*) filter (mr_target not in (0, 1)) as between, count(distinct mr_group) as groups from mr_rows group by 1`,
    ),
  )
  return new Map(
    counts.map(({ split, n, low, high, between, groups }) => [
      Number(split),
      {
        n: Number(n),
        low: Number(low),
        high: Number(high),
        between: Number(between),
        groups: Number(groups),
      },
    ]),
  )
}

/** A boolean target makes a classifier, and so does a number that is always 0 or 1; any other number a regression. */
function taskOf(params: PrepareParams, schema: Schema, seen: ReadonlyMap<number, SplitCount>): ModelTask {
  if (params.task !== 'auto') return params.task
  if (typeOf(params.target, schema) === 'bool') return 'binary'
  return [...seen.values()].every((split) => split.between === 0) ? 'binary' : 'regression'
}

function checkRows(
  params: PrepareParams,
  task: ModelTask,
  seen: ReadonlyMap<number, SplitCount>,
  rowsOfVersion: number,
): void {
  const { model } = params
  if (seen.size === 0 && rowsOfVersion > 0)
    throw new MillraceError('MR_TRAIN_TARGET', { model, missing: rowsOfVersion, rows: rowsOfVersion })
  for (const [code, split, need] of [
    [0, 'train', 20],
    [1, 'validate', 5],
    [2, 'test', 5],
  ] as const) {
    const { n: got, groups } = seen.get(code) ?? { n: 0, groups: 0 }
    if (got < need) throw new MillraceError('MR_TRAIN_TOO_FEW_ROWS', { model, split, need, got })
    if (params.group !== undefined && groups < GROUPS_MIN)
      throw new MillraceError('MR_TRAIN_GROUPS', {
        model,
        split,
        need: GROUPS_MIN,
        got: groups,
        group: params.group,
      })
  }
  if (task !== 'binary') return
  const rows = [...seen.values()].reduce((sum, split) => sum + split.n, 0)
  const other = [...seen.values()].reduce((sum, split) => sum + split.between, 0)
  if (other > 0) throw new MillraceError('MR_TRAIN_TARGET_VALUES', { model, other, rows })
  const { low, high, n } = seen.get(0) as SplitCount
  if (low === high) throw new MillraceError('MR_TRAIN_ONE_CLASS', { model, value: low, rows: n })
}

/** Numbers the groups of a split in the order of their rows; a group whose rows go to different members counts for each. */
const GROUP_NUMBER = 'cast(dense_rank() over (order by mr_key, mr_group) as double)'

/** Features of each split in member order, one split after another. */
async function evaluate(
  query: Query,
  fitted: FittedFeatures,
  params: PrepareParams,
  schema: Schema,
  signal: AbortSignal,
): Promise<{ header: MatrixHeader; columns: Float64Array[] }> {
  const names = fitted.features.map((f) => f.name)
  const extra = {
    mr_target: raw('mr_target'),
    ...(params.group !== undefined && { mr_group_number: raw(GROUP_NUMBER) }),
  }
  const options = { extra, orderBy: raw('mr_order') }
  const rows = (code: number) => `(select * from mr_rows where mr_split = ${code})`
  const selects = [
    trainingSelectSql(fitted, rows(0), { ...options, target: TARGET, fold: raw('mr_fold'), schema }),
    featureSelectSql(fitted, rows(1), options),
    featureSelectSql(fitted, rows(2), options),
  ]
  const parts: Float64Array[][] = []
  for (const select of selects) {
    const result = await query.columns(select, { signal })
    parts.push([...names, ...Object.keys(extra)].map((name) => numbersOf(result.columns[name])))
  }
  const header = await headerOf(
    query,
    fitted,
    params,
    parts.map((p) => p[0].length),
  )
  return { header, columns: parts[0].map((_, i) => concat(parts.map((p) => p[i]))) }
}

async function headerOf(
  query: Query,
  fitted: FittedFeatures,
  params: PrepareParams,
  lengths: number[],
): Promise<MatrixHeader> {
  const starts = [0, lengths[0], lengths[0] + lengths[1]]
  const splits = Object.fromEntries(
    SPLITS.map((s, i) => [s, { rowStart: starts[i], rowEnd: starts[i] + lengths[i] }]),
  ) as Record<Split, RowRange>
  return {
    nRows: lengths[0] + lengths[1] + lengths[2],
    features: fitted.features.map((f) => ({ name: f.name, type: f.type })),
    grouped: params.group !== undefined,
    splits,
    members: Object.fromEntries(membersOf(await rowsByKey(query, starts), params)),
  }
}

type Ranges = Record<Split, RowRange>

/** The rows of one key, and whether its training rows know more than one target. */
interface KeyRows {
  ranges: Ranges
  mixed: boolean
}

/** Where the rows of each key lie, in every split; keys are in the order of the rows. */
async function rowsByKey(query: Query, starts: number[]): Promise<Map<string, KeyRows>> {
  const counts = await query.rows<{ split: number; key: string; n: number; mixed: boolean }>(
    raw(
      `select mr_split as split, mr_key as key, count(*) as n, min(mr_target) < max(mr_target) as mixed
        from mr_rows group by 1, 2 order by 1, 2`,
    ),
  )
  const next = [...starts]
  const keys = new Map<string, KeyRows>()
  for (const { split, key, n, mixed } of counts) {
    const code = Number(split)
    const found = keys.get(key) ?? { ranges: noRanges(), mixed: false }
    keys.set(key, found)
    found.ranges[SPLITS[code]] = { rowStart: next[code], rowEnd: next[code] + Number(n) }
    if (code === 0) found.mixed = mixed
    next[code] += Number(n)
  }
  return keys
}

function noRanges(): Ranges {
  return Object.fromEntries(SPLITS.map((s) => [s, { rowStart: 0, rowEnd: 0 }])) as Ranges
}

/** Members with enough training rows that differ in the target, most rows first. */
function membersOf(keys: ReadonlyMap<string, KeyRows>, params: PrepareParams): [string, Ranges][] {
  const { each, trainer } = params
  if (!each || !hasMembers(trainer)) return []
  return [...keys]
    .filter(([key, { ranges, mixed }]) => mixed && rowsOf(ranges.train) >= each.rowsMin && isMemberKey(key))
    .map(([key, { ranges }]): [string, Ranges] => [key, ranges])
    .sort(([a, x], [b, y]) => rowsOf(y.train) - rowsOf(x.train) || (a < b ? -1 : 1))
    .slice(0, Math.min(each.membersMax, LIMITS.membersMax))
}

function rowsOf(range: RowRange): number {
  return range.rowEnd - range.rowStart
}

interface Made {
  version: DatasetVersion
  params: PrepareParams
  task: ModelTask
  fitted: FittedFeatures
  header: MatrixHeader
  columns: Float64Array[]
  notes: string[]
  classes?: Classes
}

async function write(context: TaskContext, query: Query, made: Made): Promise<Record<string, Digest>> {
  const { header, params, columns } = made
  const path = join(
    context.store.scratch,
    `matrix-${context.spec.inputs.version.slice(7, 19)}-${process.hrtime.bigint()}`,
  )
  writeMatrix(path, header, columns)
  const rowsPath = `${path}.parquet`
  await query.exec({
    text: `copy (select * exclude (mr_split, mr_fold, mr_n, mr_order, mr_label, mr_group) from mr_rows where mr_split = 2 order by mr_order) to ${literal(rowsPath)} (format parquet, compression zstd)`,
    params: [],
  })
  const [matrix, rows] = [
    await context.store.objects.putFile(path),
    await context.store.objects.putFile(rowsPath),
  ]
  const { rowStart, rowEnd } = header.splits.train
  const target = columns[header.features.length].subarray(rowStart, rowEnd)
  const { classes } = made
  const plan: PreparedPlan = {
    kind: 'PreparedPlan',
    model: params.model,
    task: made.task,
    signature: signatureOf(made),
    each: params.each?.column,
    members: Object.entries(header.members)
      .map(([key, range]) => ({ key, rows: rowsOf(range.train) }))
      .sort((a, b) => b.rows - a.rows || (a.key < b.key ? -1 : 1)),
    rows: Object.fromEntries(SPLITS.map((s) => [s, rowsOf(header.splits[s])])) as Record<Split, number>,
    baseRate: classes ? Math.max(...classes.counts) / target.length : mean(target),
    ...(classes && { classes: classes.labels, classCounts: classes.counts }),
    ...(params.group !== undefined && { group: params.group }),
    window: params.split.train ?? undefined,
    notes: made.notes,
  }
  const [features, planDigest] = await context.store.putRecords([made.fitted, plan])
  return { matrix: matrix.digest, rows: rows.digest, features, plan: planDigest }
}

const OUTPUTS: Record<ModelTask, Signature['outputs']> = {
  binary: [
    { name: 'probability', type: 'float', description: 'calibrated probability that the target is true' },
  ],
  regression: [{ name: 'value', type: 'float', description: 'predicted value of the target' }],
  multiclass: [
    { name: 'label', type: 'string', description: 'the likeliest class' },
    { name: 'probabilities', type: 'float', description: 'calibrated probability of each class' },
  ],
  ranking: [
    { name: 'score', type: 'float', description: 'rows of one group in falling order of it are the ranking' },
  ],
}

function signatureOf({ version, params, fitted, task }: Made): Signature {
  const names = inputsOf(fitted, params)
  return {
    inputs: names.map((name) => {
      const column = version.schema.columns.find((c) => c.name === name)
      return { name, type: column?.type ?? 'string', nullable: true }
    }),
    outputs: OUTPUTS[task],
  }
}

function mean(values: Float64Array): number {
  return values.reduce((sum, y) => sum + y, 0) / values.length
}

function numbersOf(column: { kind: string; values?: unknown }): Float64Array {
  assert(column.kind === 'number', `a feature is a number column, got ${column.kind}`)
  return column.values as Float64Array
}
