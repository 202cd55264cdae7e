/** What distances between rows are taken on: the model's features, a column of vectors, or what a hidden layer of the model's network makes of the features. */
import { readFile } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.ts'
import type { DatasetVersion } from '../../core/records.ts'
import type { Query, TaskContext } from '../../engine/ports.ts'
import { quoted, raw } from '../../expr/sql.ts'
import type { MatrixFile, MatrixSlice, PreparedPlan } from '../../model/matrix.ts'
import type { LabelledPoints } from '../../stats/knn-shapley.ts'
import { embedRows } from '../head/embed.ts'
import { placeOf } from '../learner.ts'
import { loadRows } from '../prepare.ts'
import { pointsBy } from './points.ts'
import type { SpaceReport } from './report.ts'
import type { WorthParams } from './specs.ts'

export interface Space {
  points: { train: LabelledPoints; validate: LabelledPoints }
  report: SpaceReport
}

export interface SpaceAsked {
  params: WorthParams
  version: DatasetVersion
  plan: PreparedPlan
  matrix: MatrixFile
}

/** Numbers a vector may have. */
export const VECTOR_MAX = 4_096

export async function spaceOf(
  context: TaskContext,
  query: Query,
  { params, version, plan, matrix }: SpaceAsked,
): Promise<Space> {
  const [train, validate] = [matrix.slice('train'), matrix.slice('validate')]
  const { space } = params
  if (!space) {
    const place = pointsBy(matrix.header.features, train)
    const points = { train: place(train), validate: place(validate) }
    return { points, report: { kind: 'features', width: points.train.width } }
  }
  const vectors =
    space.kind === 'column'
      ? await vectorsOf(context, query, params, version, space.column)
      : await layerOf(context, plan, matrix, space.layer, [train, validate])
  const width = vectors.train.length
  const points = onOneScale(vectors, train, validate)
  return {
    points,
    report: space.kind === 'column' ? { ...space, width } : { kind: 'layer', layer: vectors.name, width },
  }
}

/** One column a number of the vector. */
interface Vectors {
  name: string
  train: Float64Array[]
  validate: Float64Array[]
}

/** Lists of numbers, or texts of them such as `[0.5, -1]`. Errors: MR_TRAIN_WORTH_VECTOR. */
async function vectorsOf(
  context: TaskContext,
  query: Query,
  { whole }: WorthParams,
  version: DatasetVersion,
  column: string,
): Promise<Vectors> {
  if (!whole) throw new MillraceError('MR_TRAIN_WORTH_VECTOR', { column, why: 'its rows are not known' })
  await loadRows(query, context, version, whole)
  const list = `try_cast(${quoted(column)} as double[])`
  const used = 'mr_rows where mr_split in (0, 1)'
  const [seen] = await query.rows<Record<'least' | 'most' | 'bad' | 'n', number | null>>(
    raw(
      `select min(len(v)) as least, max(len(v)) as most, count(*) as n,
        count(*) filter (v is null or len(list_filter(v, lambda x: x is null or not isfinite(x))) > 0) as bad from (select ${list} as v from ${used})`,
    ),
  )
  const [least, most, bad, n] = [seen.least, seen.most, seen.bad, seen.n].map((x) => Number(x ?? 0))
  const why =
    bad > 0
      ? `${bad} of ${n} rows have no list of numbers in it`
      : least !== most
        ? `its lists have from ${least} to ${most} numbers`
        : most < 1 || most > VECTOR_MAX
          ? `its lists have ${most} numbers, and 1 to ${VECTOR_MAX} can be compared`
          : undefined
  if (why !== undefined) throw new MillraceError('MR_TRAIN_WORTH_VECTOR', { column, why })
  const parts = await Promise.all([0, 1].map((split) => columnsOf(query, list, split, most)))
  await query.exec(raw('drop table mr_rows'))
  return { name: column, train: parts[0], validate: parts[1] }
}

async function columnsOf(query: Query, list: string, split: number, width: number): Promise<Float64Array[]> {
  const terms = Array.from({ length: width }, (_, i) => `v[${i + 1}] as c${i}`)
  const { columns } = await query.columns(
    raw(
      `select ${terms.join(', ')} from (select ${list} as v, mr_order from mr_rows where mr_split = ${split}) order by mr_order`,
    ),
  )
  return terms.map((_, i) => {
    const column = columns[`c${i}`]
    return column.kind === 'number' ? column.values : new Float64Array(0)
  })
}

/** Errors: MR_TRAIN_WORTH_VECTOR for models without a network, and those of a head. */
async function layerOf(
  context: TaskContext,
  { task, classes }: PreparedPlan,
  { header }: MatrixFile,
  layer: number | string,
  slices: readonly MatrixSlice[],
): Promise<Vectors> {
  const { network } = context.spec.inputs
  if (!network)
    throw new MillraceError('MR_TRAIN_WORTH_VECTOR', {
      column: String(layer),
      why: 'the model is of no network whose layers can be read',
    })
  const bytes = await readFile(await context.store.objects.path(network))
  const embedded = []
  for (const slice of slices)
    embedded.push(
      await embedRows(
        {
          features: header.features,
          task,
          classes,
          place: placeOf(context),
          signal: context.signal,
          progress: (done, note) => context.progress(0.1 * done, note),
        },
        { network: 'the network', layer, bytes },
        slice,
      ),
    )
  return { name: embedded[0].tensor, train: embedded[0].columns, validate: embedded[1].columns }
}

/** Vectors keep their shape: all their numbers are divided by one deviation, and lie around the mean of the training rows. */
function onOneScale(vectors: Vectors, train: MatrixSlice, validate: MatrixSlice): Space['points'] {
  const width = vectors.train.length
  const means = vectors.train.map((column) => column.reduce((sum, x) => sum + x, 0) / column.length)
  const squares = vectors.train.reduce(
    (sum, column, c) => sum + column.reduce((s, x) => s + (x - means[c]) ** 2, 0) / column.length,
    0,
  )
  const deviation = Math.sqrt(squares / width) || 1
  const place = (columns: Float64Array[], { nRows, target }: MatrixSlice): LabelledPoints => {
    const points = new Float64Array(nRows * width)
    columns.forEach((column, c) => {
      for (let i = 0; i < nRows; i++) points[i * width + c] = (column[i] - means[c]) / deviation
    })
    return { nRows, width, nNumbers: width, points, labels: target }
  }
  return { train: place(vectors.train, train), validate: place(vectors.validate, validate) }
}
