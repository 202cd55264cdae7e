/** A model of others made ready to take tensors and give tensors: ONNX on worker threads, trees on this one. */
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import {
  type Infer,
  type OnnxSource,
  type OnnxTensor,
  type OnnxValue,
  sessionBytes,
} from '../../core/tensors.ts'
import { explainerOf } from '../../model/explain.ts'
import { withoutMaps } from '../../model/graph/maps.ts'
import { externalFile } from '../../model/import/external-data.ts'
import { IMPORT_LIMITS, type ImportedModel } from '../../model/import/imported.ts'
import { describeOnnx, type OnnxDescription } from '../../model/import/onnx-describe.ts'
import { readOnnxFile } from '../../model/import/onnx-file.ts'
import { formatOfFile, readModelFile } from '../../model/import/open.ts'
import { SCALES } from '../../model/links.ts'
import { likeliestOf } from '../../model/measures/classes.ts'
import { configError } from '../../model/repository/config-file.ts'
import type { FoundModel, StatedTensor } from '../../model/repository/found.ts'
import { compileScorer, type Scorer } from '../../model/score.ts'
import { explainTogether } from '../explain-together.ts'
import type { TensorSpec } from '../oip/backend.ts'
import { datatypeOfOnnx } from '../oip/datatypes.ts'

export type Tensors = Record<string, OnnxTensor>

export interface TensorModel {
  platform: string
  /** Memory it takes, about, on all threads together. */
  memoryBytes: number
  /** Threads that hold it: calls at once that pay. */
  replicas: number
  inputs: TensorSpec[]
  outputs: TensorSpec[]
  /** Whether the first axis of every input and output is rows, of any number, so that requests can be put together. */
  hasRows: boolean
  /** Whether that is only what the axes look like, and nothing states it. */
  isUnproven: boolean
  /** Rows that one call takes at most, where the model or its configuration says so. */
  rowsMax?: number
  /** Whether numbers of any datatype, under any name, will do for its only input. */
  isLiberal: boolean
  run(feeds: Tensors): Promise<Tensors>
  /** What each row is answered, and what each input contributed to it. Absent where nothing says so. Errors: MR_SERVE_CLASS, MR_CANCELLED. */
  explain?(feeds: Tensors, asked: ExplainAsked): Promise<object[]>
  close(): void
}

export interface ExplainAsked {
  /** Name in errors. */
  model: string
  /** Class that is explained, by its label or number; by default the likeliest of each row. */
  explainClass?: string
  signal?: AbortSignal
}

export interface OpenOptions {
  /** Opens what runs ONNX, when the first graph needs it. */
  infer: () => Promise<Infer>
  /** Threads that hold a graph of so many bytes. */
  replicas: (bytes: number) => number
}

let opened = 0

/** Opens one version. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID, MR_SERVE_GRAPH, MR_REPOSITORY_CONFIG, and the runtime's (MR_ONNX_…). */
export async function openTensorModel(
  found: FoundModel,
  path: string,
  options: OpenOptions,
): Promise<TensorModel> {
  const file = statSync(path)
  if (!file.isFile()) throw graphError(path, 'a plain file', 'something else')
  const { size } = file
  if (size > IMPORT_LIMITS.fileBytesMax) return await openGraph(found, { path, bytes: size }, path, options)
  const bytes = readFileSync(path)
  if (formatOfFile(bytes) !== 'onnx') return openTrees(readModelFile(bytes), bytes.length)
  const described = describeOnnx(readOnnxFile(bytes))
  try {
    return await openGraph(found, sourceOf(bytes, path, described), path, options)
  } catch (error) {
    throw advised(error, path, described)
  }
}

/** What the runtime could not load, with what is known to keep it from that and what to do. It is tried first: it runs some of what it says it does not. */
function advised(error: unknown, graph: string, { problems: [known] }: OnnxDescription): unknown {
  return known && isMillraceError(error, 'MR_ONNX_LOAD')
    ? new MillraceError('MR_SERVE_GRAPH_UNRUN', { graph, ...known }, { cause: error })
    : error
}

function graphError(graph: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_GRAPH', { graph, need, got })
}

/** A model whose tensors are in files beside it is opened by its path, once these are known to lie in its folder. */
function sourceOf(bytes: Uint8Array, path: string, { external }: OnnxDescription): OnnxSource {
  if (external.length === 0) return withoutMaps(bytes)
  const folder = dirname(path)
  const files = new Set(external.map((tensor) => externalFile(folder, tensor)))
  return { path, bytes: bytes.length + [...files].reduce((sum, file) => sum + statSync(file).size, 0) }
}

// ---------------------------------------------------------------- ONNX

async function openGraph(
  found: FoundModel,
  source: OnnxSource,
  path: string,
  { infer, replicas: replicasOf }: OpenOptions,
): Promise<TensorModel> {
  const runtime = await infer()
  const bytes = source instanceof Uint8Array ? source.length : source.bytes
  const replicas = replicasOf(bytes)
  const id = `${found.name}#${opened++}`
  const signature = await runtime.load(source, { id, replicas })
  const close = () => void runtime.unload(id).catch(() => undefined)
  try {
    const inputs = signature.inputs.map((value) => specOf(value, path))
    const outputs = signature.outputs.map((value) => specOf(value, path))
    const hasRows = batches(found, inputs, outputs)
    return {
      platform: 'onnxruntime_onnx',
      memoryBytes: replicas * sessionBytes(bytes),
      replicas,
      inputs: refined(inputs, found.inputs, found, path),
      outputs: refined(outputs, found.outputs, found, path),
      hasRows,
      isUnproven: !found.batchRowsMax,
      ...(found.batchRowsMax && { rowsMax: found.batchRowsMax }),
      isLiberal: false,
      run: (feeds) =>
        runtime.run(id, feeds).catch((error) => againIfBlameless(error, () => runtime.run(id, feeds))),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/** What a thread owed that died, or was stuck on something before it, is asked once more: a model gives the same whoever runs it. */
function againIfBlameless(error: unknown, run: () => Promise<Tensors>): Promise<Tensors> {
  if (isMillraceError(error, 'MR_ONNX_WORKER') && error.data.mayAskAgain) return run()
  throw error
}

function specOf({ name, type, shape }: OnnxValue, path: string): TensorSpec {
  const datatype = datatypeOfOnnx(type)
  if (datatype === undefined)
    throw graphError(path, 'tensors of types that the inference protocol has', `${name}: ${type}`)
  return { name, datatype, shape: shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1)) }
}

/** Rows are told by an open first axis of all; a configuration that says 0 rows means that there are none. */
function batches(
  { batchRowsMax }: FoundModel,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
): boolean {
  const isOpen = ({ shape }: TensorSpec) => shape.length === 0 || shape[0] === -1
  return batchRowsMax !== 0 && inputs.every(({ shape }) => shape[0] === -1) && outputs.every(isOpen)
}

/** What the graph leaves open is as its configuration states it; what they both say must be the same. */
function refined(
  specs: TensorSpec[],
  stated: readonly StatedTensor[] | undefined,
  { batchRowsMax = 0 }: FoundModel,
  path: string,
): TensorSpec[] {
  for (const { name } of stated ?? []) {
    if (!specs.some((spec) => spec.name === name))
      throw configError(path, `tensor "${name}"`, `one of ${specs.map((spec) => spec.name).join(', ')}`, name)
  }
  return specs.map((spec) => {
    const said = stated?.find(({ name }) => name === spec.name)
    if (!said) return spec
    if (said.datatype !== spec.datatype)
      throw configError(
        path,
        `data_type of "${spec.name}"`,
        `TYPE_${spec.datatype}, as the graph has it`,
        said.datatype,
      )
    const dims = batchRowsMax > 0 ? [-1, ...said.dims] : said.dims
    const fits =
      dims.length === spec.shape.length &&
      dims.every((size, axis) => size < 0 || spec.shape[axis] < 0 || size === spec.shape[axis])
    if (!fits)
      throw configError(path, `dims of "${spec.name}"`, `those of the graph, [${spec.shape}]`, `[${dims}]`)
    return { ...spec, shape: spec.shape.map((size, axis) => (size < 0 ? dims[axis] : size)) }
  })
}

// ---------------------------------------------------------------- trees

/** Names as MLServer's runtimes have them. */
const INPUT = 'input'
const OUTPUT = 'predict'
/** Trees take a few times their text. */
const TREES_PER_BYTE = 5
/** Rows that are scored before the event loop has its turn: other requests, and health, are answered between. */
const TREE_ROWS = 1_024

/** One input `[rows, features]` of doubles, missing ones NaN; one output: the probability, the value, or one number a class. */
function openTrees(imported: ImportedModel, bytes: number): TensorModel {
  const { source, model, features } = imported
  const scorer = compileScorer(model)
  const { nOutputs } = scorer
  return {
    platform: source.split(' ')[0].toLowerCase(),
    memoryBytes: bytes * TREES_PER_BYTE,
    replicas: 1,
    inputs: [{ name: INPUT, datatype: 'FP64', shape: [-1, features.length] }],
    outputs: [{ name: OUTPUT, datatype: 'FP64', shape: nOutputs > 1 ? [-1, nOutputs] : [-1] }],
    hasRows: true,
    isUnproven: false,
    isLiberal: true,
    run: async (feeds) => {
      const matrix = feeds[INPUT].data as Float64Array
      const nRows = matrix.length / features.length
      const out = new Float64Array(nRows * nOutputs)
      for (let row = 0; row < nRows; row += TREE_ROWS) {
        if (row > 0) await setImmediate()
        const end = Math.min(nRows, row + TREE_ROWS)
        const own = matrix.subarray(row * features.length, end * features.length)
        scorer.scoreBatch(own, end - row, out.subarray(row * nOutputs, end * nOutputs))
      }
      const dims = nOutputs > 1 ? [nRows, nOutputs] : [nRows]
      return { [OUTPUT]: { type: 'float64', dims, data: out } }
    },
    explain: (feeds, asked) => explainTrees(imported, scorer, feeds[INPUT].data as Float64Array, asked),
    close: () => undefined,
  }
}

/** Rows that are explained before the event loop has its turn. */
const EXPLAINED_ROWS = 16

async function explainTrees(
  { model, features, classes }: ImportedModel,
  scorer: Scorer,
  matrix: Float64Array,
  { model: name, explainClass, signal }: ExplainAsked,
): Promise<object[]> {
  const { nOutputs } = scorer
  const labels = nOutputs > 1 ? (classes ?? Array.from({ length: nOutputs }, (_, k) => String(k))) : undefined
  const asked = explainClass === undefined ? undefined : classOf(name, labels ?? [], explainClass)
  const explainers = [explainerOf(model)]
  const names = features.map((feature) => feature.name)
  const explained: object[] = []
  for (let row = 0; row * names.length < matrix.length; row++) {
    if (row > 0 && row % EXPLAINED_ROWS === 0) await setImmediate()
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the explanation' })
    const x = matrix.subarray(row * names.length, (row + 1) * names.length)
    const outputs = new Float64Array(nOutputs)
    scorer.scoreBatch(x, 1, outputs)
    const code = asked ?? likeliestOf(outputs, 0, nOutputs)
    const [how] = explainTogether(explainers, names, SCALES[model.link], x, 1, [code])
    const output = outputs[code]
    const said = labels && { label: labels[code] }
    const explanation = { ...how, output, ...(labels && { class: labels[code] }) }
    explained.push({ output, ...said, explanation })
  }
  return explained
}

function classOf(model: string, known: readonly string[], label: string): number {
  const code = known.indexOf(label)
  if (code < 0) throw new MillraceError('MR_SERVE_CLASS', { model, label, known: [...known] })
  return code
}
