/**
 * Task `train.worth`: what each training row is worth, which labels are probably wrong, which rows are copies or far from all others, which features give the target
 * away, and of what kind of rows more would help.
 *
 * Labels are judged by probabilities of models that did not learn from them, one a fold. Worth is exact for nearest neighbours on the model's own features or on a
 * vector of each row, tested on the validation rows; rows that test the model are not looked at.
 */
import { assert, MillraceError } from '../../core/errors.ts'
import type { DatasetVersion, ModelVersion } from '../../core/records.ts'
import type { Task, TaskContext } from '../../engine/ports.ts'
import type { FittedFeatures } from '../../expr/features.ts'
import { type MatrixFile, openMatrix, type PreparedPlan } from '../../model/matrix.ts'
import { outlierRows } from '../../stats/near-rows.ts'
import type { RowColumn } from '../rows-file.ts'
import { outOfSample } from './answers.ts'
import { copiesOf } from './copies.ts'
import { LABEL_JUDGES, type LabelFindings } from './labels.ts'
import { judgeByNeighbours, SOURCES_MAX } from './neighbours.ts'
import { spreadPoints } from './points.ts'
import { identifiersOf, loadPool, type Pool, writePoolRows } from './pool.ts'
import type { MemberReport, WorthReport } from './report.ts'
import { shortcutsOf } from './shortcuts.ts'
import { slicingOfMembers, slicingsOf } from './slices.ts'
import { spaceOf } from './space.ts'
import { WORTH_CODE, type WorthParams } from './specs.ts'
import { VOTING } from './votes.ts'

/** Distances that worth may take: 50,000 training rows by 5,000 tests. Of more, fewer tests are looked at, and fewer rows as neighbours of outliers. */
export const WORTH_LIMITS = { distances: 250_000_000, testsMax: 5_000, testsMin: 200, members: 200 }

/** How well a feature alone must tell the target to be named a leak. */
const LEAK_AUC = 0.95

export const worthTask: Task = {
  name: 'train.worth',
  code: WORTH_CODE,
  async run(context) {
    const params = context.spec.params as unknown as WorthParams
    const plan = await context.store.getRecord<PreparedPlan>(context.spec.inputs.plan, 'PreparedPlan')
    const matrix = openMatrix(await context.store.objects.path(context.spec.inputs.matrix))
    try {
      const { found, numbers, columns } = await judge(context, params, plan, matrix)
      const query = await context.query()
      context.progress(0.97, 'writing what was found of each row')
      const rows = await writePoolRows(query, context, { key: params.key, rows: numbers, columns })
      const report: WorthReport = { ...found, findings: rows }
      return { outputs: { report: await context.store.putRecord(report), rows } }
    } finally {
      matrix.close()
    }
  },
}

async function judge(
  context: TaskContext,
  params: WorthParams,
  plan: PreparedPlan,
  matrix: MatrixFile,
): Promise<{
  found: Omit<WorthReport, 'findings'>
  numbers: Float64Array
  columns: RowColumn[]
}> {
  const [labelJudge, vote] = [LABEL_JUDGES[plan.task], VOTING[plan.task]]
  if (!labelJudge || !vote)
    throw new MillraceError('MR_TRAIN_WORTH_TASK', { model: plan.model, task: plan.task })
  const { version: versionDigest } = context.spec.inputs
  const version = await context.store.getRecord<DatasetVersion>(versionDigest, 'DatasetVersion')
  const query = await context.query()
  context.progress(0, 'reading rows')
  // Vectors come before the pool: both load rows under one name.
  const { points: allPoints, report: space } = await spaceOf(context, query, {
    params,
    version,
    plan,
    matrix,
  })
  const pool = await loadPool(query, context, version, params)
  checkSources(params, pool)
  const train = matrix.slice('train')
  const validate = matrix.slice('validate')
  assert(train.nRows === pool.nRows, 'the rows that train are the rows of the pool')
  const answers = await outOfSample(context, plan, pool, train.target, params.folds)
  const labels = labelJudge.find(answers, train.target)
  const points = allPoints.train
  const { rows: test, picked } = spreadPoints(allPoints.validate, testsFor(pool.nRows))
  const named = await namedFeatures(context, matrix)
  const keys = keysOfValidate(matrix)
  const neighbours = judgeByNeighbours({
    train: points,
    test,
    picked,
    voting: vote(train.target, test.labels, params.k),
    k: params.k,
    sources: pool.sources,
    slicings: [
      ...(pool.members && params.pool.each
        ? [slicingOfMembers(params.pool.each.column, pool.members, keys, validate.nRows)]
        : []),
      ...slicingsOf(named, train, validate),
    ],
    loss: labels.loss,
    onRow: (n) =>
      context.progress(0.3 + (0.5 * n) / test.nRows, `worth by ${n} of ${test.nRows} validation rows`),
  })
  const outliers = outlierRows(points, {
    k: params.k,
    referenceMax: testsFor(pool.nRows),
    onRow: (n) => context.progress(0.8 + (0.1 * n) / pool.nRows, `distances of ${n} of ${pool.nRows} rows`),
  })
  context.progress(0.9, 'copies')
  const copies = copiesOf(points, outliers, params.k, train.target, labelJudge.differ(labels))
  context.progress(0.95, 'shortcuts')
  const found: Omit<WorthReport, 'findings'> = {
    kind: 'WorthReport',
    model: plan.model,
    dataset: versionDigest,
    task: plan.task,
    classes: answers.classes,
    space,
    rows: pool.nRows,
    folds: params.folds,
    labels: labels.report,
    neighbours: neighbours.report,
    duplicates: copies.report,
    outliers: { rows: outliers.nOutliers, limit: Number.isFinite(outliers.limit) ? outliers.limit : 0 },
    leaks: await leaksOf(context),
    identifiers: await identifiersOf(
      query,
      version,
      plan.signature.inputs.map(({ name }) => name),
      pool.nRows,
    ),
    ...(params.source !== undefined && { sources: { column: params.source, values: neighbours.sources } }),
    ...(pool.members &&
      params.pool.each && {
        members: {
          column: params.pool.each.column,
          values: memberReports(context, pool.members, labels, neighbours.worth),
        },
      }),
    shortcuts: shortcutsOf({
      features: matrix.header.features,
      columns: train.columns,
      target: train.target,
      classes: answers.classes,
      sources: pool.sources,
      times: pool.times,
    }),
    slices: neighbours.slices,
    notes: [...notesOf(params, pool, labels, test.nRows, validate.nRows), ...neighbours.notes],
  }
  const label = (
    values: Float64Array,
  ): { values: ArrayLike<number> } & ({ type: 'varchar'; texts: string[] } | { type: 'double' }) =>
    answers.classes.length > 0
      ? { type: 'varchar', texts: answers.classes, values: values.map((x) => (Number.isNaN(x) ? -1 : x)) }
      : { type: 'double', values }
  const columns: RowColumn[] = [
    { name: 'fold', type: 'integer', values: pool.fold },
    { name: 'given', ...label(train.target) },
    { name: 'suggested', ...label(labels.suggested) },
    { name: 'confidence', type: 'double', values: labels.confidence },
    { name: 'margin', type: 'double', values: labels.margin },
    { name: 'label_issue', type: 'boolean', values: labels.flags },
    {
      name: 'issue_rank',
      type: 'integer',
      values: Float64Array.from(labels.ranks, (rank) => rank || Number.NaN),
    },
    { name: 'worth', type: 'double', values: neighbours.worth },
    { name: 'distance', type: 'double', values: outliers.distances },
    { name: 'outlier', type: 'boolean', values: outliers.flags },
    { name: 'copy_group', type: 'integer', values: orMissing(copies.exact.groupOf) },
    { name: 'near_group', type: 'integer', values: orMissing(copies.near.groupOf) },
    { name: 'conflicting', type: 'boolean', values: copies.conflicting },
  ]
  return { found, numbers: pool.rows, columns }
}

/** The member of each validation row, by where its rows lie in the matrix. */
function keysOfValidate({ header }: MatrixFile): (iTest: number) => string {
  const first = header.splits.validate.rowStart
  const keys = new Map<number, string>()
  for (const [key, { validate }] of Object.entries(header.members))
    for (let row = validate.rowStart; row < validate.rowEnd; row++) keys.set(row - first, key)
  return (iTest) => keys.get(iTest) ?? ''
}

function memberReports(
  { spec }: TaskContext,
  { codes, names }: NonNullable<Pool['members']>,
  { flags }: LabelFindings,
  worth: Float64Array,
): MemberReport[] {
  const own = new Set(
    Object.keys(spec.inputs).flatMap((name) => /^fold\d+:member:(.*)$/s.exec(name)?.[1] ?? []),
  )
  const found = names.map(
    (key): MemberReport => ({
      key: key ?? '',
      own: own.has(key ?? ''),
      rows: 0,
      issues: 0,
      worth: 0,
    }),
  )
  codes.forEach((code, i) => {
    found[code].rows++
    found[code].issues += flags[i]
    found[code].worth += worth[i]
  })
  return found
    .filter(({ rows }) => rows > 0)
    .sort((a, b) => b.rows - a.rows || (a.key < b.key ? -1 : 1))
    .slice(0, WORTH_LIMITS.members)
}

function checkSources({ pool: { model }, source }: WorthParams, { sources }: Pool): void {
  if (source !== undefined && sources && sources.names.length > SOURCES_MAX + 1)
    throw new MillraceError('MR_TRAIN_WORTH_SOURCES', {
      model,
      column: source,
      max: SOURCES_MAX,
      got: sources.names.length - 1,
    })
}

function testsFor(nRows: number): number {
  const { distances, testsMax, testsMin } = WORTH_LIMITS
  return Math.min(testsMax, Math.max(testsMin, Math.floor(distances / nRows)))
}

async function namedFeatures({ store, spec }: TaskContext, matrix: MatrixFile) {
  const fitted = await store.getRecord<FittedFeatures>(spec.inputs.features, 'FittedFeatures')
  const states = new Map(fitted.features.map(({ name, state }) => [name, state]))
  return matrix.header.features.map((feature) => {
    const state = states.get(feature.name)
    return state?.kind === 'category' ? { ...feature, values: state.values } : feature
  })
}

/** As the first fold's card says: each feature alone, on rows that were not learned from. */
async function leaksOf({ store, spec }: TaskContext): Promise<WorthReport['leaks']> {
  const model = spec.inputs['fold0:model']
  const { card } = await store.getRecord<ModelVersion>(model, 'ModelVersion')
  return Object.entries(card.featureAuc)
    .filter(([, auc]) => auc >= LEAK_AUC)
    .map(([feature, auc]) => ({ feature, auc }))
    .sort((a, b) => b.auc - a.auc)
}

function orMissing(groupOf: Int32Array): Float64Array {
  return Float64Array.from(groupOf, (group) => (group < 0 ? Number.NaN : group))
}

function notesOf(
  { membersLeft = 0 }: WorthParams,
  pool: Pool,
  { report }: LabelFindings,
  tests: number,
  validated: number,
): string[] {
  const unjudged = pool.nRows - report.judged
  return [
    ...(unjudged > 0 ? [`${unjudged} labels are not judged: no row of another fold has their class`] : []),
    ...(tests < validated ? [`worth is by ${tests} of ${validated} validation rows, spread evenly`] : []),
    ...(membersLeft > 0
      ? [`${membersLeft} members are judged by their parent: fitting each in every fold would take too long`]
      : []),
  ]
}
