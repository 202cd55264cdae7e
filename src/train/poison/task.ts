/**
 * Task `train.poison`: whether rows of a class were put there to be a backdoor, which rows, and what turns other rows into that class.
 *
 * One layer of the trained model is read for every training row; classes are then judged one by one. Rows that validate or test the model are not looked at for this.
 */
import { assert, MillraceError } from '../../core/errors.ts'
import type { DatasetVersion, ModelVersion } from '../../core/records.ts'
import type { Task, TaskContext } from '../../engine/ports.ts'
import { readOnnxFile } from '../../model/import/onnx-file.ts'
import { type MatrixFile, type MatrixSlice, openMatrix, type PreparedPlan } from '../../model/matrix.ts'
import {
  type ClassFinding,
  FOREIGN_LIMITS,
  type ForeignFindings,
  foreignGroups,
} from '../../stats/foreign-groups.ts'
import { bearsTrigger, type LabelTrigger, labelTriggers } from '../../stats/label-triggers.ts'
import type { RowColumn } from '../rows-file.ts'
import { loadPool, writePoolRows } from '../worth/pool.ts'
import type { ClassReport, PoisonReport } from './report.ts'
import { POISON_CODE, type PoisonParams } from './specs.ts'
import { findTriggers } from './triggers.ts'
import { hasOneUnit, hiddenRows, inputRows } from './views.ts'

export const poisonTask: Task = {
  name: 'train.poison',
  code: POISON_CODE,
  async run(context) {
    const { store, spec } = context
    const params = spec.params as unknown as PoisonParams
    const plan = await store.getRecord<PreparedPlan>(spec.inputs.plan, 'PreparedPlan')
    if (plan.task !== 'binary' && plan.task !== 'multiclass')
      throw new MillraceError('MR_TRAIN_POISON_TASK', { model: plan.model, task: plan.task })
    const matrix = openMatrix(await store.objects.path(spec.inputs.matrix))
    try {
      const { report, numbers, columns } = await judge(context, params, plan, matrix)
      const query = await context.query()
      const rows = await writePoolRows(query, context, { key: params.key, rows: numbers, columns })
      const found: PoisonReport = { ...report, findings: rows }
      return { outputs: { report: await store.putRecord(found), rows } }
    } finally {
      matrix.close()
    }
  },
}

interface Judged {
  report: Omit<PoisonReport, 'findings'>
  numbers: Float64Array
  columns: RowColumn[]
}

async function judge(
  context: TaskContext,
  params: PoisonParams,
  plan: PreparedPlan,
  matrix: MatrixFile,
): Promise<Judged> {
  const { store, spec, signal } = context
  const model = await store.getRecord<ModelVersion>(spec.inputs.model, 'ModelVersion')
  const version = await store.getRecord<DatasetVersion>(spec.inputs.version, 'DatasetVersion')
  checkFeatures(model, matrix)
  context.progress(0, 'reading rows')
  const pool = await loadPool(await context.query(), context, version, { ...params, folds: 1, k: 1 })
  const train = matrix.slice('train')
  assert(train.nRows === pool.nRows, 'the rows that train are the rows of the pool')
  const hidden = await hiddenRows(context, model, train, params.layer)
  const file = model.format === 'onnx' ? readOnnxFile(await store.objects.get(model.graph)) : null
  const isOneUnit = file !== null && hasOneUnit(model, file)
  const classes = plan.classes ?? ['0', '1']
  const layer = foreignGroups(
    {
      hidden,
      inputs: inputRows(train, matrix.header.features, isOneUnit),
      labels: train.target,
      nClasses: classes.length,
    },
    {
      seed: spec.seed,
      alpha: params.alpha,
      onClass: (n) => {
        signal.throwIfAborted()
        context.progress(0.3 + (0.4 * n) / classes.length, `class ${n} of ${classes.length}`)
      },
    },
  )
  const values = isOneUnit ? [] : valuesOfRows(matrix, train, classes.length, params.alpha)
  const triggers = await findTriggers(context, { params, model, matrix, classes, file, values })
  const found = withValues(layer, values, train)
  const poisoned = found.flags.reduce((n, flag) => n + flag, 0)
  return {
    report: {
      kind: 'PoisonReport',
      model: plan.model,
      version: spec.inputs.model,
      dataset: spec.inputs.version,
      layer: hidden.name,
      width: hidden.width,
      rows: pool.nRows,
      alpha: params.alpha,
      poisoned,
      classes: found.classes.map((one, k) => ({
        ...classReport(one, classes[k], classes),
        by: saidBy(
          layer.classes[k],
          values.some(({ label }) => label === k),
        ),
      })),
      triggers: triggers.found,
      notes: [...notesOf(found), ...triggers.notes],
    },
    numbers: pool.rows,
    columns: rowColumns(found, train.target, classes),
  }
}

function valuesOfRows(matrix: MatrixFile, { columns, target }: MatrixSlice, nClasses: number, alpha: number) {
  const types = matrix.header.features.map(({ type }) => type)
  return labelTriggers({ columns, types, labels: target, nClasses }, { alpha }).found
}

/** What the layer says, with the rows of a class that bear values which turn rows into it. */
function withValues(
  layer: ForeignFindings,
  values: LabelTrigger[],
  { columns, target }: MatrixSlice,
): ForeignFindings {
  const flags = layer.flags.slice()
  target.forEach((label, row) => {
    if (values.some((one) => one.label === label && bearsTrigger(one, columns, row))) flags[row] = 1
  })
  const classes = layer.classes.map((one, label): ClassFinding => {
    const own = values.filter((value) => value.label === label)
    if (own.length === 0) return one
    const groupRows = flags.reduce((n, flag, row) => n + (target[row] === label ? flag : 0), 0)
    const p = Math.min(...own.map((value) => value.p), Number.isNaN(one.p) ? 1 : one.p)
    return { ...one, verdict: 'poisoned', p, groupRows }
  })
  return { ...layer, flags, classes }
}

function saidBy({ verdict }: ClassFinding, hasValues: boolean): ClassReport['by'] {
  if (verdict === 'poisoned') return hasValues ? 'both' : 'layer'
  return hasValues ? 'values' : null
}

/** Rows are prepared as the config says now, which must be how the model was trained. */
function checkFeatures({ model, featureInfo }: ModelVersion, { header }: MatrixFile): void {
  const trained = featureInfo.map(({ name }) => name)
  const now = header.features.map(({ name }) => name)
  if (trained.join('\n') !== now.join('\n'))
    throw new MillraceError('MR_TRAIN_POISON_FEATURES', { model, trained: trained.length, now: now.length })
}

const orNull = (x: number) => (Number.isNaN(x) ? null : x)

function classReport(
  found: ClassFinding,
  label: string,
  classes: readonly string[],
): Omit<ClassReport, 'by'> {
  return {
    ...found,
    label,
    p: orNull(found.p),
    own: orNull(found.own),
    shared: orNull(found.shared),
    marked: orNull(found.marked),
    markedElsewhere: orNull(found.markedElsewhere),
    looksLike: found.looksLike.map(({ label: k, rows }) => ({ label: classes[k], rows })),
  }
}

function rowColumns({ flags, odds }: ForeignFindings, given: Float64Array, classes: string[]): RowColumn[] {
  return [
    { name: 'given', type: 'varchar', values: given, texts: classes },
    { name: 'poison', type: 'boolean', values: flags },
    { name: 'poison_odds', type: 'double', values: odds },
  ]
}

function notesOf({ classes }: ForeignFindings): string[] {
  const few = classes.filter(({ verdict }) => verdict === 'inconclusive').length
  const judged = classes.length - few
  return [
    ...(few > 0
      ? [`nothing is said of ${few} classes with fewer than ${FOREIGN_LIMITS.classRowsMin} rows`]
      : []),
    ...(judged < 5
      ? [
          'with fewer than five classes groups are compared with other groups, and p counts those of a class that were looked at',
        ]
      : []),
  ]
}
