/**
 * Task `train.worth`: what each training row is worth, which labels are probably wrong, which rows are copies or far from all others, which features give the target
 * away, and of what kind of rows more would help.
 *
 * Labels are judged by probabilities of models that did not learn from them, one a fold. Worth is exact for a classifier by nearest neighbours on the model's own features,
 * tested on the validation rows; rows that test the model are not looked at.
 */
import { assert, MillraceError } from '../../core/errors.ts'
import type { DatasetVersion, ModelVersion } from '../../core/records.ts'
import type { Task, TaskContext } from '../../engine/ports.ts'
import type { FittedFeatures } from '../../expr/features.ts'
import { raw } from '../../expr/sql.ts'
import { type MatrixFile, openMatrix, type PreparedPlan } from '../../model/matrix.ts'
import type { PointRows } from '../../stats/distance-blocks.ts'
import { nearRows, outlierRows, type RowGroups } from '../../stats/near-rows.ts'
import { median } from '../../stats/quantiles.ts'
import { type RowColumn, writeRows } from '../rows-file.ts'
import { findLabelIssues, type LabelFindings, outOfSample } from './answers.ts'
import { judgeByNeighbours, SOURCES_MAX } from './neighbours.ts'
import { pointsBy, spreadPoints } from './points.ts'
import { identifiersOf, loadPool, type Pool } from './pool.ts'
import type { DuplicateReport, WorthReport } from './report.ts'
import { slicingsOf } from './slices.ts'
import { WORTH_CODE, type WorthParams } from './specs.ts'

/** Distances that worth may take: 50,000 training rows by 5,000 tests. Of more, fewer tests are looked at. */
export const WORTH_LIMITS = { distances: 250_000_000, testsMax: 5_000, testsMin: 200 }

/** How well a feature alone must tell the target to be named a leak. */
const LEAK_AUC = 0.95

export const worthTask: Task = {
  name: 'train.worth',
  code: WORTH_CODE,
  async run(context) {
    const params = context.spec.params as unknown as WorthParams
    const plan = await context.store.getRecord<PreparedPlan>(context.spec.inputs.plan, 'PreparedPlan')
    checkTask(plan)
    const matrix = openMatrix(await context.store.objects.path(context.spec.inputs.matrix))
    try {
      const { found, numbers, columns } = await judge(context, params, plan, matrix)
      const query = await context.query()
      const rows = await writeRows(query, context, {
        table: 'mr_pool',
        key: params.key,
        rows: numbers,
        columns,
      })
      await query.exec(raw('drop table mr_pool'))
      const report: WorthReport = { ...found, findings: rows }
      return { outputs: { report: await context.store.putRecord(report), rows } }
    } finally {
      matrix.close()
    }
  },
}

function checkTask({ model, task }: PreparedPlan): void {
  if (task !== 'binary' && task !== 'multiclass')
    throw new MillraceError('MR_TRAIN_WORTH_TASK', { model, task })
}

async function judge(
  context: TaskContext,
  params: WorthParams,
  plan: PreparedPlan,
  matrix: MatrixFile,
): Promise<{ found: Omit<WorthReport, 'findings'>; numbers: Float64Array; columns: RowColumn[] }> {
  const { version: versionDigest } = context.spec.inputs
  const version = await context.store.getRecord<DatasetVersion>(versionDigest, 'DatasetVersion')
  const query = await context.query()
  context.progress(0, 'reading rows')
  const pool = await loadPool(query, context, version, params)
  checkSources(params, pool)
  const train = matrix.slice('train')
  const validate = matrix.slice('validate')
  assert(train.nRows === pool.nRows, 'the rows that train are the rows of the pool')
  const answers = await outOfSample(context, plan, pool, train.target, params.folds)
  const labels = findLabelIssues(answers, train.target)
  const place = pointsBy(matrix.header.features, train)
  const points = place(train)
  const { rows: test, picked } = spreadPoints(place(validate), testsFor(pool.nRows))
  const neighbours = judgeByNeighbours({
    train: points,
    test,
    picked,
    k: params.k,
    sources: pool.sources,
    slicings: slicingsOf(await namedFeatures(context, matrix), train, validate),
    wrong: Int8Array.from(labels.suggested, (said, i) => (said < 0 ? -1 : Number(said !== train.target[i]))),
    onRow: (n) =>
      context.progress(0.3 + (0.5 * n) / test.nRows, `worth by ${n} of ${test.nRows} validation rows`),
  })
  context.progress(0.8, 'copies and outliers')
  const outliers = outlierRows(points, { k: params.k })
  const copies = copiesOf(points, outliers.distances, train.target)
  const found: Omit<WorthReport, 'findings'> = {
    kind: 'WorthReport',
    model: plan.model,
    dataset: versionDigest,
    classes: answers.classes,
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
    slices: neighbours.slices,
    notes: [...notesOf(pool, labels, test.nRows, validate.nRows), ...neighbours.notes],
  }
  const columns: RowColumn[] = [
    { name: 'fold', type: 'integer', values: pool.fold },
    { name: 'given', type: 'varchar', values: train.target, texts: answers.classes },
    { name: 'suggested', type: 'varchar', values: labels.suggested, texts: answers.classes },
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

/** A row in ten thousand may be near by chance, of rows that lie evenly in as many dimensions as there are numbers; never more than a tenth of the usual distance. */
const NEAR_CHANCE = 1e-4
const NEAR_SHARE_MAX = 0.1
/** Rows that distances were taken to. */
const REFERENCE_ROWS = 5_000

function copiesOf(points: PointRows, distances: Float64Array, codes: Float64Array) {
  const exact = nearRows(points, 0)
  const { nNumbers, nRows } = points
  const usual = median(distances) * Math.min(1, REFERENCE_ROWS / nRows) ** (1 / Math.max(1, nNumbers))
  const share = Math.min(NEAR_SHARE_MAX, NEAR_CHANCE ** (1 / Math.max(1, nNumbers)))
  const radius = nNumbers === 0 ? 0 : (share * usual) / Math.sqrt(nNumbers)
  const near = nearRows(points, radius)
  const conflicting = conflictsOf(near, codes)
  const report: DuplicateReport = {
    exact: { rows: exact.nRows, groups: exact.nGroups },
    near: { rows: near.nRows, groups: near.nGroups, radius },
    conflicting: conflicting.reduce((n, flag) => n + flag, 0),
  }
  return { exact, near, conflicting, report }
}

/** Rows in a group whose labels differ. */
function conflictsOf({ groupOf, nGroups }: RowGroups, codes: Float64Array): Uint8Array {
  const first = new Float64Array(nGroups).fill(-1)
  const mixed = new Uint8Array(nGroups)
  groupOf.forEach((group, i) => {
    if (group < 0) return
    if (first[group] < 0) first[group] = codes[i]
    else if (first[group] !== codes[i]) mixed[group] = 1
  })
  return Uint8Array.from(groupOf, (group) => (group < 0 ? 0 : mixed[group]))
}

function orMissing(groupOf: Int32Array): Float64Array {
  return Float64Array.from(groupOf, (group) => (group < 0 ? Number.NaN : group))
}

function notesOf(pool: Pool, { report }: LabelFindings, tests: number, validated: number): string[] {
  const unjudged = pool.nRows - report.judged
  return [
    ...(unjudged > 0 ? [`${unjudged} labels are not judged: no row of another fold has their class`] : []),
    ...(tests < validated ? [`worth is by ${tests} of ${validated} validation rows, spread evenly`] : []),
  ]
}
