/** ONNX graphs as scorers of feature matrices, over whatever runs ONNX. */
import { MillraceError } from '../../core/errors.ts'
import type { Digest, GraphReading } from '../../core/records.ts'
import type { Infer, OnnxSignature, OnnxTensor, OnnxValue } from '../../core/tensors.ts'
import { describeOnnx } from '../import/onnx-describe.ts'
import { readOnnxFile } from '../import/onnx-file.ts'
import { finishRows } from '../links.ts'
import { withoutMaps } from './maps.ts'

/** Bytes on this side of a graph; its session is with the runtime, which bounds it itself. */
const HANDLE_BYTES = 4_096

export interface GraphFile {
  bytes: Uint8Array
  digest: Digest
  nFeatures: number
  /** Outputs of the model; default 1. */
  nOutputs?: number
  reading?: GraphReading
}

export interface OpenGraph {
  /** Memory on this side, about. */
  bytes: number
  /** Outputs `[nRows * nOutputs]`, row by row, of a row-major matrix. */
  run(matrix: Float64Array, nRows: number): Promise<Float64Array>
  close(): void
}

/** A graph whose tensors are fed with features; what comes out is not looked at. */
export interface FedGraph {
  run(matrix: Float64Array, nRows: number): Promise<Record<string, OnnxTensor>>
  close(): void
}

let opened = 0

/**
 * Opens a graph as a scorer. Without a reading, inputs are the features in their order, and the output is the last tensor of floats: `[n]` or `[n, 1]`, or `[n, 2]`
 * whose second column is the probability of the positive class; of several classes `[n, classes]`. Errors: those of `feedGraph`; MR_SERVE_GRAPH for outputs of another form.
 */
export async function openGraph(infer: Infer, file: GraphFile): Promise<OpenGraph> {
  const { digest, reading, nOutputs = 1 } = file
  const fed = await feedGraph(infer, file)
  return {
    bytes: file.bytes.length + HANDLE_BYTES,
    close: fed.close,
    run: async (matrix, nRows) => {
      const outputs = await fed.run(matrix, nRows)
      return reading
        ? readOutputs(digest, outputs, nRows, reading)
        : lastFloats(digest, outputs, nRows, nOutputs)
    },
  }
}

/**
 * Loads a graph and feeds it. An input takes its columns as one tensor: `[n, k]`, `[n]`, or any shape whose axes after the first make `k`; numbers as 32- or 64-bit
 * floats or integers. Where the first axis is fixed, rows go in batches of its size, the last filled up with copies of its last row.
 * Errors: those of the runtime; MR_SERVE_GRAPH for data in other files, operators that no runtime knows, and inputs of other forms; MR_MODEL_MISSING for a
 * missing value where an input takes integers.
 */
export async function feedGraph(
  infer: Infer,
  { bytes, digest, nFeatures, reading }: GraphFile,
): Promise<FedGraph> {
  const id = `${digest}#${opened++}`
  checkFile(digest, bytes)
  const signature = await infer.load(withoutMaps(bytes), { id })
  const close = () => void infer.unload(id).catch(() => undefined)
  try {
    const feeds = feedsFor(digest, signature, nFeatures, reading)
    const batch = batchOf(digest, signature)
    const runOnce = (matrix: Float64Array, nRows: number) =>
      infer.run(id, Object.fromEntries(feeds.map((feed) => [feed.name, feed.tensor(matrix, nRows)])))
    return { close, run: batch === undefined ? runOnce : inBatches(runOnce, batch, nFeatures) }
  } catch (error) {
    close()
    throw error
  }
}

/** Nothing that a file says makes the runtime open another; what it cannot run is named before it tries. */
function checkFile(digest: string, bytes: Uint8Array): void {
  const { external, problems } = describeOnnx(readOnnxFile(bytes))
  if (external.length > 0)
    throw graphError(digest, 'constants in the file itself', `${external.length} tensors in other files`)
  if (problems.length > 0) throw new MillraceError('MR_SERVE_GRAPH_UNRUN', { graph: digest, ...problems[0] })
}

function graphError(graph: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_GRAPH', { graph, need, got })
}

// ---------------------------------------------------------------- inputs

type Make = (values: Float64Array, input: string) => OnnxTensor['data']

/** Element types that inputs may have, and how doubles become them. */
const MAKERS: Record<string, Make | undefined> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  int32: (values, input) => Int32Array.from(whole(values, input, 'int32')),
  int64: (values, input) => BigInt64Array.from(Array.from(whole(values, input, 'int64'), BigInt)),
}

export const INPUT_TYPES: readonly string[] = Object.keys(MAKERS)

function whole(values: Float64Array, input: string, type: string): Float64Array {
  if (!values.every(Number.isFinite)) throw new MillraceError('MR_MODEL_MISSING', { input, type })
  return values.map(Math.trunc)
}

interface Feed {
  name: string
  tensor(matrix: Float64Array, nRows: number): OnnxTensor
}

function feedsFor(
  digest: string,
  { inputs }: OnnxSignature,
  nFeatures: number,
  reading: GraphReading | undefined,
): Feed[] {
  if (!reading && inputs.length !== 1 && inputs.length !== nFeatures)
    throw graphError(digest, `one input or ${nFeatures}`, `${inputs.length}`)
  const all = Array.from({ length: nFeatures }, (_, j) => j)
  return inputs.map((input, i) => {
    const features = reading
      ? reading.inputs.find(({ name }) => name === input.name)?.features
      : inputs.length === 1
        ? all
        : [i]
    if (!features)
      throw graphError(digest, `inputs ${reading?.inputs.map(({ name }) => name).join(', ')}`, input.name)
    const make = MAKERS[input.type]
    if (!make) throw graphError(digest, `inputs of ${INPUT_TYPES.join(', ')}`, `${input.name}: ${input.type}`)
    const shape = rowShape(digest, input, features.length)
    const isAll = features.length === nFeatures && features.every((j, k) => j === k)
    return {
      name: input.name,
      tensor: (matrix, nRows) => ({
        type: input.type,
        dims: [nRows, ...shape],
        data: make(isAll ? matrix : picked(matrix, nRows, nFeatures, features), input.name),
      }),
    }
  })
}

function picked(matrix: Float64Array, nRows: number, nFeatures: number, features: number[]): Float64Array {
  const out = new Float64Array(nRows * features.length)
  let at = 0
  for (let i = 0; i < nRows; i++) for (const j of features) out[at++] = matrix[i * nFeatures + j]
  return out
}

/** Sizes of the axes after the first, which hold `width` numbers together; one of them may be open. */
function rowShape(digest: string, { name, shape }: OnnxValue, width: number): number[] {
  if (shape.length === 0) return [width]
  const sizes = shape.slice(1).map((size) => (typeof size === 'number' && size >= 0 ? size : undefined))
  const known = sizes.reduce<number>((product, size) => product * (size ?? 1), 1)
  const open = sizes.filter((size) => size === undefined).length
  const fits = open === 0 ? known === width : known > 0 && open === 1 && width % known === 0
  if (!fits)
    throw graphError(digest, `${width} numbers a row in input ${name}`, `the shape [${shape.join(', ')}]`)
  return sizes.map((size) => size ?? width / known)
}

/** Rows that a graph takes at once, where its first axis is fixed. */
function batchOf(digest: string, { inputs }: OnnxSignature): number | undefined {
  const fixed = new Set(
    inputs.flatMap(({ shape }) => (typeof shape[0] === 'number' && shape[0] >= 0 ? [shape[0]] : [])),
  )
  if (fixed.size === 0) return undefined
  const [size] = fixed
  if (fixed.size > 1 || size < 1)
    throw graphError(digest, 'one number of rows in all inputs', [...fixed].join(', '))
  return size
}

type Run = FedGraph['run']

function inBatches(run: Run, size: number, nFeatures: number): Run {
  return async (matrix, nRows) => {
    const parts: { outputs: Record<string, OnnxTensor>; rows: number }[] = []
    for (let from = 0; from < nRows; from += size) {
      const rows = Math.min(size, nRows - from)
      const part = matrix.slice(from * nFeatures, (from + rows) * nFeatures)
      parts.push({ outputs: await run(rows === size ? part : filledUp(part, size, nFeatures), size), rows })
    }
    return joined(parts, size)
  }
}

function filledUp(part: Float64Array, size: number, nFeatures: number): Float64Array {
  const whole = new Float64Array(size * nFeatures)
  const last = part.subarray(part.length - nFeatures)
  for (let i = 0; i < size; i++) whole.set(last, i * nFeatures)
  whole.set(part)
  return whole
}

/** Float outputs of batches behind one another, without the rows that filled them up. */
function joined(
  parts: { outputs: Record<string, OnnxTensor>; rows: number }[],
  size: number,
): Record<string, OnnxTensor> {
  const nRows = parts.reduce((sum, { rows }) => sum + rows, 0)
  const found: Record<string, OnnxTensor> = {}
  for (const name of Object.keys(parts[0]?.outputs ?? {})) {
    const tensors = parts.map(({ outputs, rows }) => ({ tensor: outputs[name], rows }))
    const { type, data } = tensors[0].tensor
    if (!isFloats(tensors[0].tensor) || data.length % size !== 0) continue
    const width = data.length / size
    const values = tensors.flatMap(({ tensor, rows }) => [
      ...(tensor.data as Float32Array).subarray(0, rows * width),
    ])
    const all = type === 'float32' ? Float32Array.from(values) : Float64Array.from(values)
    found[name] = { type, dims: [nRows, width], data: all }
  }
  return found
}

// ---------------------------------------------------------------- outputs

function isFloats({ type }: OnnxTensor): boolean {
  return type === 'float32' || type === 'float64'
}

/** Numbers of an output, and how many a row has. Errors: MR_SERVE_GRAPH when it is no tensor of floats with as many for each row. */
export function floatsOf(
  digest: string,
  outputs: Record<string, OnnxTensor>,
  name: string,
  nRows: number,
): { data: Float32Array | Float64Array; width: number } {
  const tensor = outputs[name]
  const width = tensor ? tensor.data.length / nRows : 0
  if (!tensor || !isFloats(tensor) || !Number.isInteger(width) || width < 1)
    throw graphError(
      digest,
      `an output ${name} of floats, as many for each of ${nRows} rows`,
      tensor ? `${tensor.type}[${tensor.dims.join(', ')}]` : 'none',
    )
  return { data: tensor.data as Float32Array | Float64Array, width }
}

function readOutputs(
  digest: string,
  outputs: Record<string, OnnxTensor>,
  nRows: number,
  { output, columns, less, link }: GraphReading,
): Float64Array {
  const { data, width } = floatsOf(digest, outputs, output, nRows)
  const widest = Math.max(...columns, less ?? 0)
  if (widest >= width) throw graphError(digest, `${widest + 1} numbers a row`, `${width}`)
  return readColumns(data, nRows, width, { columns, less, link })
}

/** Outputs `[nRows * columns]` of the columns of a tensor `[nRows, width]`. */
function readColumns(
  data: ArrayLike<number>,
  nRows: number,
  width: number,
  { columns, less, link }: Pick<GraphReading, 'columns' | 'less' | 'link'>,
): Float64Array {
  const n = columns.length
  const out = new Float64Array(nRows * n)
  for (let i = 0; i < nRows; i++)
    for (let k = 0; k < n; k++)
      out[i * n + k] = data[i * width + columns[k]] - (less === undefined ? 0 : data[i * width + less])
  finishRows(out, nRows, n, { link })
  return out
}

function lastFloats(
  digest: string,
  outputs: Record<string, OnnxTensor>,
  nRows: number,
  nOutputs: number,
): Float64Array {
  const last = Object.values(outputs).filter(isFloats).at(-1)
  const width = last ? last.data.length / nRows : 0
  const allowed = nOutputs > 1 ? [nOutputs] : [1, 2]
  if (!last || !allowed.includes(width)) {
    const got = last ? `[${last.dims.join(', ')}]` : 'none'
    throw graphError(digest, `a float output of ${allowed.map((w) => `[${nRows}, ${w}]`).join(' or ')}`, got)
  }
  const data = last.data as Float32Array | Float64Array
  if (nOutputs > 1) return Float64Array.from(data)
  return Float64Array.from({ length: nRows }, (_, i) => data[i * width + width - 1])
}
