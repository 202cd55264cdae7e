/** Training rows as the model has them: what goes in, on one scale, and what one of its layers makes of them. */
import { assert, MillraceError } from '../../core/errors.ts'
import type { Digest, ModelVersion } from '../../core/records.ts'
import { sha256Hex } from '../../core/sha256.ts'
import type { TaskContext } from '../../engine/ports.ts'
import type { HiddenLayer } from '../../model/form.ts'
import { formOf } from '../../model/forms/registry.ts'
import { cutNetwork, EMBEDDING, hiddenTensors } from '../../model/graph/cut.ts'
import { feedGraph, floatsOf } from '../../model/graph/open.ts'
import { type OnnxFile, readOnnxFile } from '../../model/import/onnx-file.ts'
import { loadModel } from '../../model/load.ts'
import type { MatrixHeader, MatrixSlice } from '../../model/matrix.ts'
import { matrixOf } from '../../model/ready.ts'
import type { DenseRows } from '../../stats/whitening.ts'

export interface HiddenRows extends DenseRows {
  /** The layer, for people. */
  name: string
}

/** Wider layers cost more than they tell. */
const WIDTH_MAX = 4_096
const BATCH_ROWS = 256

/** What the asked layer of a version makes of rows. Errors: MR_TRAIN_POISON_LAYER; those of `feedGraph` and `loadModel`. */
export async function hiddenRows(
  context: TaskContext,
  version: ModelVersion,
  rows: MatrixSlice,
  layer: string | null,
): Promise<HiddenRows> {
  if (version.format === 'onnx') return await tensorRows(context, version, rows, layer)
  const { graph } = await loadModel(context.store, context.spec.inputs.model)
  const hidden = formOf(graph.model).hidden?.(graph.model)
  if (!hidden || hidden.width < 1)
    throw refused(version, 'a model with a layer before its answer: trees, networks, ONNX', graph.model.kind)
  if (layer !== null) throw refused(version, `no --layer, as it has one to be read (${hidden.name})`, layer)
  return formRows(context, hidden, rows)
}

function refused({ model }: ModelVersion, expected: string, got: string): MillraceError {
  return new MillraceError('MR_TRAIN_POISON_LAYER', { model, expected, got })
}

function formRows(context: TaskContext, hidden: HiddenLayer, { columns, nRows }: MatrixSlice): HiddenRows {
  const { width, name } = hidden
  const points = new Float64Array(nRows * width)
  for (let from = 0; from < nRows; from += BATCH_ROWS) {
    context.signal.throwIfAborted()
    const n = Math.min(BATCH_ROWS, nRows - from)
    points.set(hidden.rows(matrixOf(columns, from, n, columns.length), n), from * width)
  }
  return { nRows, width, points, name }
}

function tensorOf(version: ModelVersion, file: OnnxFile, layer: string | null): string {
  const hidden = hiddenTensors(file)
  const number = Number(layer)
  const name = layer === null ? hidden.at(-1) : Number.isInteger(number) ? hidden[number - 1] : layer
  if (name !== undefined && file.graph.nodes.some(({ outputs }) => outputs.includes(name))) return name
  const expected =
    hidden.length === 0
      ? 'a network of two layers or more with weights'
      : `a hidden layer from 1 to ${hidden.length}, or the name of a tensor (${hidden.slice(-8).join(', ')})`
  throw refused(version, expected, layer ?? 'none')
}

async function tensorRows(
  context: TaskContext,
  version: ModelVersion,
  { columns, nRows }: MatrixSlice,
  layer: string | null,
): Promise<HiddenRows> {
  const bytes = await context.store.objects.get(version.graph)
  const file = readOnnxFile(bytes)
  const name = tensorOf(version, file, layer)
  const body = cutNetwork(bytes, file, name)
  const digest: Digest = `sha256:${sha256Hex(body)}`
  const nFeatures = columns.length
  const fed = await feedGraph(await context.infer(), {
    bytes: body,
    digest,
    nFeatures,
    reading: version.reading,
  })
  let points: Float64Array | undefined
  let width = 0
  try {
    for (let from = 0; from < nRows; from += BATCH_ROWS) {
      context.signal.throwIfAborted()
      const n = Math.min(BATCH_ROWS, nRows - from)
      const made = floatsOf(digest, await fed.run(matrixOf(columns, from, n, nFeatures), n), EMBEDDING, n)
      width = made.width
      checkNumbers(version, made, name)
      points ??= new Float64Array(nRows * width)
      points.set(made.data, from * width)
      context.progress((0.3 * (from + n)) / nRows, `row ${from + n} of ${nRows} through the network`)
    }
  } finally {
    fed.close()
  }
  assert(points, 'there are rows to look at')
  return { nRows, width, points, name }
}

function checkNumbers(
  version: ModelVersion,
  { data, width }: { data: Float32Array | Float64Array; width: number },
  name: string,
): void {
  if (width > WIDTH_MAX)
    throw refused(
      version,
      `a layer of at most ${WIDTH_MAX} numbers a row: name a later one`,
      `${name} of ${width}`,
    )
  if (!data.every(Number.isFinite))
    throw refused(
      version,
      'a number of each unit for each row (fill missing values in the features)',
      `${name}`,
    )
}

// ---------------------------------------------------------------- inputs

/** Categories of a feature that get a column of their own; others have none. */
const CODES_MAX = 30
/** Share of the rows from which on a value of a number has a column of its own, and how many of a feature have. */
const SHARED_VALUE = 0.005
const VALUES_MAX = 12
/** Deviations from the mean beyond which a number is no farther. */
const FARTHEST = 6

/**
 * What goes into the model as numbers on one scale. Pictures and other inputs of one unit are taken as they are; else numbers by their deviations, a missing one at the
 * mean, with a column for each value that many rows share, and categories as a column each.
 */
export function inputRows(
  { columns, nRows }: MatrixSlice,
  features: MatrixHeader['features'],
  ofOneUnit: boolean,
): DenseRows {
  const made = columns.flatMap((column, j) => {
    if (features[j].type === 'category') return codeColumns(column)
    return ofOneUnit ? [known(column)] : [scaled(column), ...valueColumns(column)]
  })
  const width = made.length
  const points = new Float64Array(nRows * width)
  made.forEach((column, c) => {
    for (let i = 0; i < nRows; i++) points[i * width + c] = column[i]
  })
  return { nRows, width, points }
}

/** Whether numbers of a network's inputs are of one unit: tensors of three axes or more, as pictures are. */
export function hasOneUnit(version: ModelVersion, file: OnnxFile): boolean {
  const names = version.reading?.inputs.map(({ name }) => name)
  const fed = file.graph.inputs.filter(
    ({ name }) => !file.graph.constants.has(name) && (names?.includes(name) ?? true),
  )
  return fed.length === 1 && fed[0].dims.length >= 3
}

function known(column: Float64Array): Float64Array {
  return column.map((x) => (Number.isFinite(x) ? x : 0))
}

function scaled(column: Float64Array): Float64Array {
  const finite = column.filter(Number.isFinite)
  const mean = finite.reduce((sum, x) => sum + x / finite.length, 0)
  const deviation = Math.sqrt(finite.reduce((sum, x) => sum + (x - mean) ** 2 / finite.length, 0))
  const scale = deviation > 1e-12 * Math.abs(mean) ? 1 / deviation : 1
  return column.map((x) =>
    Number.isFinite(x) ? Math.max(-FARTHEST, Math.min(FARTHEST, (x - mean) * scale)) : 0,
  )
}

/** One column a code, most frequent first: two rows that differ are as far apart as two deviations. */
function codeColumns(column: Float64Array): Float64Array[] {
  return frequent(column)
    .slice(0, CODES_MAX)
    .map(([code]) => isColumn(column, code))
}

/** One column for each of the values that many rows have to the last digit, as a trigger has. */
function valueColumns(column: Float64Array): Float64Array[] {
  return frequent(column)
    .filter(([, n]) => n >= SHARED_VALUE * column.length)
    .slice(0, VALUES_MAX)
    .map(([value]) => isColumn(column, value))
}

function frequent(column: Float64Array): [number, number][] {
  const counts = new Map<number, number>()
  for (const code of column) counts.set(code, (counts.get(code) ?? 0) + 1)
  return [...counts].sort(([a, n], [b, m]) => m - n || a - b)
}

function isColumn(column: Float64Array, value: number): Float64Array {
  return column.map((x) => (Object.is(x, value) ? Math.SQRT1_2 : 0))
}
