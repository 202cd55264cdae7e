/** ONNX graphs as scorers of feature matrices, over the pool of workers. */
import { MillraceError } from '../core/errors.ts'
import type { Onnx, OnnxSignature, OnnxTensor } from '../engine/infer/onnx.ts'
import { describeOnnx } from '../model/import/onnx-describe.ts'
import { readOnnxFile } from '../model/import/onnx-file.ts'
import type { GraphRunner } from './load-predictor.ts'

/** Bytes on this side of a graph; its session is in the workers, which bound it themselves. */
const HANDLE_BYTES = 4_096

/**
 * A runner over a pool. Graphs take features as one float tensor `[n, k]`, or as `k` inputs of `[n, 1]` in the order of the features; numbers
 * as 32- or 64-bit floats or integers. The output is the last tensor of floats: `[n]` or `[n, 1]`, or `[n, 2]` whose second column is the
 * probability of the positive class (as converters of scikit-learn, LightGBM and XGBoost write it); of several classes `[n, classes]`.
 * Errors: those of the pool; MR_SERVE_GRAPH for graphs of another form.
 */
export function onnxGraphs(pool: Pick<Onnx, 'load' | 'run' | 'unload'>): GraphRunner {
  let opened = 0
  return {
    open: async ({ bytes, digest, nFeatures, nOutputs = 1 }) => {
      const id = `${digest}#${opened++}`
      checkFile(digest, bytes)
      const signature = await pool.load(bytes, { id })
      const close = () => void pool.unload(id).catch(() => undefined)
      try {
        checkSignature(digest, signature, nFeatures)
      } catch (error) {
        close()
        throw error
      }
      const run = async (matrix: Float64Array, nRows: number) =>
        outputOf(digest, await pool.run(id, feedsOf(signature, matrix, nRows, nFeatures)), nRows, nOutputs)
      return { bytes: bytes.length + HANDLE_BYTES, run, close }
    },
  }
}

/** Nothing that a file says makes the runtime open another; what it cannot run is named before it tries. */
function checkFile(digest: string, bytes: Uint8Array): void {
  const { external, problems } = describeOnnx(readOnnxFile(bytes))
  if (external.length > 0)
    throw graphError(digest, 'constants in the file itself', `${external.length} tensors in other files`)
  if (problems.length > 0) throw graphError(digest, problems[0].fix, problems[0].problem)
}

type Make = (values: ArrayLike<number>) => OnnxTensor['data']
const MAKERS: Record<string, Make | undefined> = {
  float32: (values) => Float32Array.from(values),
  float64: (values) => Float64Array.from(values),
  int32: (values) => Int32Array.from(values),
  int64: (values) => BigInt64Array.from(Array.from(values, (value) => BigInt(Math.trunc(value)))),
}

function graphError(graph: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_GRAPH', { graph, need, got })
}

function checkSignature(digest: string, { inputs }: OnnxSignature, nFeatures: number): void {
  if (inputs.length !== 1 && inputs.length !== nFeatures) {
    throw graphError(digest, `one input or ${nFeatures}`, `${inputs.length}`)
  }
  const odd = inputs.find((input) => MAKERS[input.type] === undefined)
  if (odd) throw graphError(digest, `inputs of ${Object.keys(MAKERS).join(', ')}`, `${odd.name}: ${odd.type}`)
}

function feedsOf(
  { inputs }: OnnxSignature,
  matrix: Float64Array,
  nRows: number,
  nFeatures: number,
): Record<string, OnnxTensor> {
  if (inputs.length === 1) {
    const [{ name, type }] = inputs
    return { [name]: { type, dims: [nRows, nFeatures], data: (MAKERS[type] as Make)(matrix) } }
  }
  return Object.fromEntries(
    inputs.map(({ name, type }, j) => {
      const column = Float64Array.from({ length: nRows }, (_, i) => matrix[i * nFeatures + j])
      return [name, { type, dims: [nRows, 1], data: (MAKERS[type] as Make)(column) }]
    }),
  )
}

function outputOf(
  digest: string,
  outputs: Record<string, OnnxTensor>,
  nRows: number,
  nOutputs: number,
): Float64Array {
  const floats = Object.values(outputs).filter(({ type }) => type === 'float32' || type === 'float64')
  const last = floats.at(-1)
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
