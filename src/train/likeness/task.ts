/**
 * Task `train.likeness`: how like the newest rows each training row is. Trees learn to tell training rows from those that validate and test (whose labels are not looked
 * at); of each row the answer is out of sample. Whether they differ at all is asked first: where the two cannot be told apart, no row is called stale.
 */
import { assert } from '../../core/errors.ts'
import type { DatasetVersion, Digest, RunSpec } from '../../core/records.ts'
import { seededRng } from '../../core/rng.ts'
import { rowsWhere } from '../../core/rows-where.ts'
import type { Task, TaskContext } from '../../engine/ports.ts'
import type { FittedFeatures } from '../../expr/features.ts'
import { type MatrixFile, type MatrixSlice, openMatrix } from '../../model/matrix.ts'
import { predictColumns } from '../../model/predict.ts'
import { aucInterval } from '../../stats/delong.ts'
import { auc } from '../../stats/metrics.ts'
import { concat } from '../columns.ts'
import { trainGbdt } from '../gbdt/train.ts'
import { asJson, type Prepared } from '../specs.ts'
import { loadPool, writePoolRows } from '../worth/pool.ts'
import type { WorthParams } from '../worth/specs.ts'

export const LIKENESS_CODE = 'likeness-1'

export interface LikenessReport {
  kind: 'LikenessReport'
  model: string
  dataset: Digest
  /** Parquet with what was found of each row, `train/rows-file.ts`. */
  findings: Digest
  /** Training rows, and rows that they were compared with. */
  rows: number
  newest: number
  /** How well the two are told apart out of sample: 0.5 is not at all. */
  auc: { value: number; interval: [number, number] }
  /** Rows called stale. */
  stale: number
  /** Features that tell the two apart by themselves, such as a date, and are left out. */
  leftOut: string[]
  /** What was found, in one sentence. */
  sentence: string
}

export type LikenessParams = Pick<WorthParams, 'pool' | 'key'>

export function likenessSpec(version: Digest, prepared: Prepared, params: LikenessParams): RunSpec {
  const { matrix, features } = prepared
  return {
    kind: 'RunSpec',
    task: 'train.likeness',
    code: LIKENESS_CODE,
    inputs: { version, matrix, features },
    params: asJson(params),
    seed: 0,
  }
}

/** Below it rows cannot be told apart well enough to name any of them. */
const AUC_MIN = 0.55
/** A feature that alone tells the two apart as well as this names the time and not what the rows are like. */
const ALONE_MAX = 0.95
/** A row of a kind that is ten times rarer among the newest rows than among those that train. */
const STALE_BELOW = 0.1
const FOLDS = 3
/** Rows of either side that trees learn from. */
const LEARN_MAX = 100_000
const TREES = { trees: 60, leaves: 15, minRowsInLeaf: 50, learningRate: 0.1 }

export const likenessTask: Task = {
  name: 'train.likeness',
  code: LIKENESS_CODE,
  async run(context) {
    const { store, spec } = context
    const params = spec.params as unknown as LikenessParams
    const version = await store.getRecord<DatasetVersion>(spec.inputs.version!, 'DatasetVersion')
    const query = await context.query()
    context.progress(0, 'reading rows')
    const pool = await loadPool(query, context, version, { ...params, folds: 1, k: 1 })
    const matrix = openMatrix(await store.objects.path(spec.inputs.matrix!))
    try {
      const found = await judge(context, matrix)
      assert(found.likeness.length === pool.nRows, 'the rows that train are the rows of the pool')
      const order = Array.from(pool.rows.keys()).sort((a, b) => pool.rows[a]! - pool.rows[b]!)
      const inOrder = (values: ArrayLike<number>) => Float64Array.from(order, (i) => values[i]!)
      const findings = await writePoolRows(query, context, {
        key: params.key,
        rows: inOrder(pool.rows),
        columns: [
          { name: 'likeness', type: 'double', values: inOrder(found.likeness) },
          { name: 'stale', type: 'boolean', values: inOrder(found.stale) },
        ],
      })
      const { likeness: _, stale, ...rest } = found
      const report: LikenessReport = {
        kind: 'LikenessReport',
        model: params.pool.model,
        dataset: spec.inputs.version!,
        findings,
        ...rest,
        stale: stale.reduce((n, flag) => n + flag, 0),
      }
      return { outputs: { report: await store.putRecord(report), findings } }
    } finally {
      matrix.close()
    }
  },
}

interface Judged extends Pick<LikenessReport, 'rows' | 'newest' | 'auc' | 'leftOut' | 'sentence'> {
  /** Chance of a row among the newest as a multiple of its chance among those that train. */
  likeness: Float64Array
  stale: Uint8Array
}

async function judge(context: TaskContext, matrix: MatrixFile): Promise<Judged> {
  const train = matrix.slice('train')
  const newest = joined(matrix.slice('validate'), matrix.slice('test'))
  const { used, leftOut } = await featuresFor(context, matrix, train, newest)
  const chances = outOfSample(context, matrix, used, train, newest)
  const labels = Float64Array.from(chances, (_, i) => Number(i >= train.nRows))
  const told = aucInterval(chances, labels)
  const auc = { value: told.value, interval: told.interval as [number, number] }
  const isTold = auc.interval[0] > AUC_MIN
  const share = train.nRows / newest.nRows
  const likeness = chances.subarray(0, train.nRows).map((p) => (p / Math.max(1e-12, 1 - p)) * share)
  const stale = Uint8Array.from(likeness, (ratio) => Number(isTold && ratio < STALE_BELOW))
  const n = stale.reduce((sum, flag) => sum + flag, 0)
  const sentence = isTold
    ? `rows that train and the newest are told apart with an AUC of ${auc.value.toFixed(3)}: ${n} are of kinds ten times rarer now`
    : `rows that train and the newest are hardly told apart (AUC ${auc.value.toFixed(3)}): none is called stale`
  return { rows: train.nRows, newest: newest.nRows, auc, leftOut, sentence, likeness, stale }
}

type Rows = Pick<MatrixSlice, 'nRows' | 'columns'>

const joined = (a: Rows, b: Rows): Rows => ({
  nRows: a.nRows + b.nRows,
  columns: a.columns.map((column, j) => concat([column, b.columns[j]!])),
})

/**
 * Features to tell rows apart by. Rates are left out, since training rows carry cross-fitted ones and the others do not; so are numbers that tell the two apart alone, as
 * those do that grow with time.
 */
async function featuresFor(
  { store, spec }: TaskContext,
  matrix: MatrixFile,
  train: Rows,
  newest: Rows,
): Promise<{ used: number[]; leftOut: string[] }> {
  const fitted = await store.getRecord<FittedFeatures>(spec.inputs.features!, 'FittedFeatures')
  const rates = new Set(fitted.features.filter(({ state }) => state?.kind === 'rate').map(({ name }) => name))
  const used: number[] = []
  const leftOut: string[] = []
  matrix.header.features.forEach(({ name, type }, j) => {
    if (rates.has(name)) return
    if (type === 'number' && alone(train.columns[j]!, newest.columns[j]!) > ALONE_MAX) leftOut.push(name)
    else used.push(j)
  })
  return { used, leftOut }
}

function alone(a: Float64Array, b: Float64Array): number {
  const known = (values: Float64Array) => values.filter((x) => !Number.isNaN(x))
  const [x, y] = [known(a), known(b)]
  if (x.length === 0 || y.length === 0) return 0.5
  const found = auc(concat([x, y]), concat([new Float64Array(x.length), new Float64Array(y.length).fill(1)]))
  return Math.max(found, 1 - found)
}

/** Chance of each row to be of the newest, by trees that learned from the other folds; training rows first. */
function outOfSample(
  context: TaskContext,
  matrix: MatrixFile,
  used: readonly number[],
  train: Rows,
  newest: Rows,
): Float64Array {
  const n = train.nRows + newest.nRows
  const columns = used.map((j) => concat([train.columns[j]!, newest.columns[j]!]))
  const categorical = used.map((j) => matrix.header.features[j]!.type === 'category')
  const chances = new Float64Array(n).fill(newest.nRows / n)
  if (used.length === 0) return chances
  const folds = foldsOf(n)
  const stride = Math.max(1, Math.ceil(Math.max(train.nRows, newest.nRows) / LEARN_MAX))
  for (let fold = 0; fold < FOLDS; fold++) {
    context.progress(0.2 + (0.6 * fold) / FOLDS, `telling rows from the newest, fold ${fold + 1} of ${FOLDS}`)
    const learn = rowsWhere(n, (i) => folds[i] !== fold && i % stride === 0)
    const { model } = trainGbdt(
      {
        nRows: learn.length,
        columns: columns.map((column) => Float64Array.from(learn, (i) => column[i]!)),
        categorical,
        target: Float64Array.from(learn, (i) => Number(i >= train.nRows)),
      },
      TREES,
      { signal: context.signal },
    )
    const asked = rowsWhere(n, (i) => folds[i] === fold)
    const answers = predictColumns(
      { model, calibration: null },
      columns.map((column) => Float64Array.from(asked, (i) => column[i]!)),
      asked.length,
    )
    asked.forEach((row, i) => {
      chances[row] = answers[i]!
    })
  }
  return chances
}

/** Folds by chance from a fixed seed, so that neighbours in time do not share one by a rhythm of theirs. */
function foldsOf(n: number): Uint8Array {
  const rng = seededRng(1)
  return Uint8Array.from({ length: n }, () => rng.nextInt(FOLDS))
}
