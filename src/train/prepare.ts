/**
 * Task `train.prepare`: from a dataset version to a training matrix.
 *
 * Reads the rows of the three splits once into the worker's engine, learns the fitted features from the training rows alone, evaluates all features in SQL
 * (training rows cross-fitted, so that no row's own target is in its features) and writes matrix, features, plan and the raw rows of the test split.
 */
import { join } from 'node:path'
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { isMemberKey } from '../core/names.ts'
import type { DatasetVersion, Digest, ModelTask, Schema, Signature, TimeWindow } from '../core/records.ts'
import type { Query, Sql, Task, TaskContext } from '../engine/ports.ts'
import { relationOf } from '../engine/relation.ts'
import { columnsOf, type ExprNode } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import {
  type FeaturePlan,
  type FittedFeatures,
  featureSelectSql,
  fitSql,
  fittedFrom,
  trainingSelectSql,
} from '../expr/features.ts'
import { quoted, raw, sql } from '../expr/sql.ts'
import {
  type MatrixHeader,
  type PreparedPlan,
  type RowRange,
  SPLITS,
  type Split,
  writeMatrix,
} from '../model/matrix.ts'
import { featuresFor, leakyColumns, taskOf } from './infer-features.ts'
import { PREPARE_CODE, type PrepareParams } from './specs.ts'
import type { SplitPlan } from './split.ts'

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
    const task = taskOf(params, version.schema)
    const query = await context.query()
    let { plan, notes, inferred } = featuresFor(params, version)
    context.progress(0, 'reading rows')
    await loadRows(query, context, version, params, inputsOf(plan, params))
    await requireRows(query, params, task)
    if (inferred && task === 'binary') {
      const leaks = await leakyColumns(query, inputsOf(plan, params))
      if (leaks.size > 0) ({ plan, notes } = featuresFor(params, version, leaks))
    }
    context.progress(0.4, 'learning features')
    const schema = rowsSchema(version)
    const fitted = await learn(query, plan, schema, context.signal)
    context.progress(0.6, 'evaluating features')
    const { header, columns } = await evaluate(query, fitted, params, schema)
    const outputs = await write(context, query, { version, params, task, fitted, header, columns, notes })
    await query.exec(raw('drop table mr_rows'))
    return { outputs }
  },
}

function inputsOf(plan: Pick<FeaturePlan, 'features'>, params: PrepareParams): string[] {
  const names = new Set(plan.features.flatMap((f) => columnsOf(f.expr)))
  if (params.each) names.add(params.each.column)
  return [...names]
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

/** One scan: raw inputs, target, split, fold and member key of every row that is used, in a fixed order. */
async function loadRows(
  query: Query,
  context: TaskContext,
  version: DatasetVersion,
  params: PrepareParams,
  inputs: string[],
): Promise<void> {
  const relation = await relationOf(context.store, version, {
    time: params.split.time,
    window: coveredBy(params.split),
  })
  const key = params.each ? raw(`coalesce(cast(${quoted(params.each.column)} as varchar), '')`) : raw("''")
  const columns = raw(inputs.map(quoted).join(', '))
  await query.exec(
    sql`create or replace table mr_rows as select *, row_number() over (order by mr_key, mr_n) as mr_order from (
      select ${columns}, cast(${toDuckDb(params.target, { schema: version.schema })} as double) as mr_target, ${splitSql(params.split)} as mr_split,
        mr_n % ${String(FOLDS)} as mr_fold, ${key} as mr_key, mr_n
      from (select *, row_number() over () as mr_n from (${relation}))
    ) where mr_split is not null and mr_target is not null and not isnan(mr_target)`,
    context.signal,
  )
}

/** The smallest window that holds all windows of the split; undefined when a share takes rows from everywhere. */
function coveredBy(split: SplitPlan): TimeWindow | undefined {
  const windows = [split.train, split.validate, split.test].filter(
    (w): w is TimeWindow => w !== null && 'fromAt' in w,
  )
  if (windows.length === 0 || split.train === null) return undefined
  return { fromAt: Math.min(...windows.map((w) => w.fromAt)), toAt: Math.max(...windows.map((w) => w.toAt)) }
}

/** 0 train, 1 validate, 2 test, null for rows that are in none. Shares go by the golden-ratio sequence of the row number: stable and evenly spread. */
function splitSql(split: SplitPlan): Sql {
  const spread = '((mr_n * 2654435769) % 4294967296) / 4294967296.0'
  const within = (w: TimeWindow) =>
    `epoch_ms(${quoted(split.time as string)}) >= ${w.fromAt} and epoch_ms(${quoted(split.time as string)}) < ${w.toAt}`
  const cases: string[] = []
  let shareFrom = 0
  for (const [name, code] of [
    ['test', 2],
    ['validate', 1],
  ] as const) {
    const rule = split[name]
    const inTrain = split.train ? `${within(split.train)} and ` : ''
    if ('fromAt' in rule) cases.push(`when ${within(rule)} then ${code}`)
    else {
      cases.push(
        `when ${inTrain}${spread} >= ${shareFrom} and ${spread} < ${shareFrom + rule.share} then ${code}`,
      )
      shareFrom += rule.share
    }
  }
  cases.push(split.train ? `when ${within(split.train)} then 0` : 'else 0')
  return raw(`case ${cases.join(' ')} end`)
}

async function requireRows(query: Query, params: PrepareParams, task: ModelTask): Promise<void> {
  const counts = await query.rows<{ split: number; n: number; low: number; high: number }>(
    raw(
      'select mr_split as split, count(*) as n, min(mr_target) as low, max(mr_target) as high from mr_rows group by 1',
    ),
  )
  const of = (code: number) => counts.find((c) => Number(c.split) === code)
  for (const [code, split, need] of [
    [0, 'train', 20],
    [1, 'validate', 5],
    [2, 'test', 5],
  ] as const) {
    const got = Number(of(code)?.n ?? 0)
    if (got < need)
      throw new MillraceError('MR_TRAIN_TOO_FEW_ROWS', { model: params.model, split, need, got })
  }
  const train = of(0)
  if (train && task === 'binary' && train.low === train.high) {
    throw new MillraceError('MR_TRAIN_ONE_CLASS', {
      model: params.model,
      value: Number(train.low),
      rows: Number(train.n),
    })
  }
}

/** Features of each split in member order, one split after another. */
async function evaluate(
  query: Query,
  fitted: FittedFeatures,
  params: PrepareParams,
  schema: Schema,
): Promise<{ header: MatrixHeader; columns: Float64Array[] }> {
  const names = fitted.features.map((f) => f.name)
  const options = { extra: { mr_target: raw('mr_target') }, orderBy: raw('mr_order') }
  const rows = (code: number) => `(select * from mr_rows where mr_split = ${code})`
  const selects = [
    trainingSelectSql(fitted, rows(0), { ...options, target: TARGET, fold: raw('mr_fold'), schema }),
    featureSelectSql(fitted, rows(1), options),
    featureSelectSql(fitted, rows(2), options),
  ]
  const parts: Float64Array[][] = []
  for (const select of selects) {
    const result = await query.columns(select)
    parts.push([...names, 'mr_target'].map((name) => numbersOf(result.columns[name])))
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
  const members: MatrixHeader['members'] = {}
  if (params.each) {
    const counts = await query.rows<{ split: number; key: string; n: number }>(
      raw('select mr_split as split, mr_key as key, count(*) as n from mr_rows group by 1, 2 order by 1, 2'),
    )
    const next = [...starts]
    const ranges: MatrixHeader['members'] = {}
    for (const { split, key, n } of counts) {
      ranges[key] ??= Object.fromEntries(SPLITS.map((s) => [s, { rowStart: 0, rowEnd: 0 }])) as Record<
        Split,
        RowRange
      >
      ranges[key][SPLITS[Number(split)]] = {
        rowStart: next[Number(split)],
        rowEnd: next[Number(split)] + Number(n),
      }
      next[Number(split)] += Number(n)
    }
    for (const key of largest(ranges, params)) members[key] = ranges[key]
  }
  return {
    nRows: lengths[0] + lengths[1] + lengths[2],
    features: fitted.features.map((f) => ({ name: f.name, type: f.type })),
    splits,
    members,
  }
}

/** Keys of members with enough training rows, most rows first. */
function largest(ranges: MatrixHeader['members'], params: PrepareParams): string[] {
  const rowsOf = (key: string) => ranges[key].train.rowEnd - ranges[key].train.rowStart
  const max = Math.min(params.each?.membersMax ?? 0, LIMITS.membersMax)
  return Object.keys(ranges)
    .filter((key) => rowsOf(key) >= (params.each?.rowsMin ?? 0) && isMemberKey(key))
    .sort((a, b) => rowsOf(b) - rowsOf(a) || (a < b ? -1 : 1))
    .slice(0, max)
}

interface Made {
  version: DatasetVersion
  params: PrepareParams
  task: ModelTask
  fitted: FittedFeatures
  header: MatrixHeader
  columns: Float64Array[]
  notes: string[]
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
    text: `copy (select * exclude (mr_split, mr_fold, mr_n, mr_order) from mr_rows where mr_split = 2 order by mr_order) to '${rowsPath.replaceAll("'", "''")}' (format parquet, compression zstd)`,
    params: [],
  })
  const [matrix, rows] = [
    await context.store.objects.putFile(path),
    await context.store.objects.putFile(rowsPath),
  ]
  const target = columns[columns.length - 1].subarray(
    header.splits.train.rowStart,
    header.splits.train.rowEnd,
  )
  const plan: PreparedPlan = {
    kind: 'PreparedPlan',
    model: params.model,
    task: made.task,
    signature: signatureOf(made),
    each: params.each?.column,
    members: Object.entries(header.members).map(([key, r]) => ({
      key,
      rows: r.train.rowEnd - r.train.rowStart,
    })),
    rows: Object.fromEntries(
      SPLITS.map((s) => [s, header.splits[s].rowEnd - header.splits[s].rowStart]),
    ) as Record<Split, number>,
    baseRate: target.reduce((sum, y) => sum + y, 0) / target.length,
    window: params.split.train ?? undefined,
    notes: made.notes,
  }
  const [features, planDigest] = await context.store.putRecords([made.fitted, plan])
  return { matrix: matrix.digest, rows: rows.digest, features, plan: planDigest }
}

function signatureOf({ version, params, fitted, task }: Made): Signature {
  const names = inputsOf(fitted, params)
  return {
    inputs: names.map((name) => {
      const column = version.schema.columns.find((c) => c.name === name)
      return { name, type: column?.type ?? 'string', nullable: true }
    }),
    outputs:
      task === 'binary'
        ? [
            {
              name: 'probability',
              type: 'float',
              description: 'calibrated probability that the target is true',
            },
          ]
        : [{ name: 'value', type: 'float', description: 'predicted value of the target' }],
  }
}

function numbersOf(column: { kind: string; values?: unknown }): Float64Array {
  if (column.kind === 'number') return column.values as Float64Array
  if (column.kind === 'bool') return Float64Array.from(column.values as Int8Array)
  throw new Error(`assertion failed: a feature is a number column, got ${column.kind}`)
}

function concat(parts: Float64Array[]): Float64Array {
  const out = new Float64Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
