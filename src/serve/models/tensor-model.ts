/** A model of others made ready to take tensors and give tensors: ONNX on worker threads, trees on this one. */
import { stat } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { assert, isMillraceError, MillraceError } from '../../core/errors.ts'
import {
  type Infer,
  type OnnxSource,
  type OnnxTensor,
  type OnnxValue,
  sessionBytes,
} from '../../core/tensors.ts'
import { explainerOf } from '../../model/explain.ts'
import { IMPORT_LIMITS } from '../../model/import/imported.ts'
import { SCALES } from '../../model/links.ts'
import { likeliestOf } from '../../model/measures/classes.ts'
import { configError } from '../../model/repository/config-file.ts'
import type { FoundModel, StatedTensor } from '../../model/repository/found.ts'
import { compileScorer, type Scorer, scorerBytes, unpackScorer } from '../../model/score.ts'
import { explainTogether } from '../explain-together.ts'
import type { Gone } from '../gone.ts'
import type { TensorSpec } from '../oip/backend.ts'
import { datatypeOfOnnx } from '../oip/datatypes.ts'
import type { Explanation } from '../predictor.ts'
import type { ReadAs, ReadModel } from './read-model.ts'

export type Tensors = Record<string, OnnxTensor>

export interface TensorModel {
  platform: string
  /** Memory it takes now, as it was counted. */
  readonly memoryBytes: number
  /** Memory it takes beside that, as its file lets expect: of sessions, on all threads together. */
  expectedBytes: number
  /** What the process grew by while it was loaded, where that could be told. */
  grownBytes?: number
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
  explain?(feeds: Tensors, asked: ExplainAsked): Promise<ExplainedRow[]>
  close(): void
}

/** What one row is answered, and how it came about. */
export interface ExplainedRow {
  output: number
  label?: string
  explanation: Explanation
}

export interface ExplainAsked {
  /** Name in errors. */
  model: string
  /** Class that is explained, by its label or number; by default the likeliest of each row. */
  explainClass?: string
  signal?: Gone
}

type ReadGraph = Extract<ReadModel, { kind: 'graph' }>
type ReadScored = Extract<ReadModel, { kind: 'scored' }>
type ReadPacked = Extract<ReadModel, { kind: 'packed' }>

export interface OpenOptions {
  /** Reads a file, off this thread where it is large. */
  read: (path: string, as: ReadAs) => Promise<ReadModel>
  /** Opens what runs ONNX, when the first graph needs it. */
  infer: () => Promise<Infer>
  /** Makes room for a model of so many bytes counted, and so many expected, or throws what keeps it out. */
  admit: (memoryBytes: number, expectedBytes: number) => Promise<void>
  /** Threads that hold a graph of so many bytes. */
  replicas: (bytes: number) => number
}

/** What the objects of a ready model take beside its scorer or session, as measured over hundreds: closures, its batcher, its statistics and their histograms. */
const READY_BYTES = 14_000

let opened = 0

/** Opens one version. Errors: MR_MODEL_IMPORT, MR_MODEL_INVALID, MR_SERVE_GRAPH, MR_REPOSITORY_CONFIG, and the runtime's (MR_ONNX_…). */
export async function openTensorModel(
  found: FoundModel,
  path: string,
  options: OpenOptions,
): Promise<TensorModel> {
  const file = await stat(path)
  if (!file.isFile()) throw graphError(path, 'a plain file', 'something else')
  const { size } = file
  if (size > IMPORT_LIMITS.fileBytesMax) return await openGraph(found, { path, bytes: size }, path, options)
  const read = await options.read(path, 'packed')
  if (read.kind !== 'graph') return await openScored(read, path, options)
  try {
    const own = { ...options, isBounded: read.isBounded }
    return await openGraph(found, await sourceOf(read, path), path, own)
  } catch (error) {
    throw advised(error, path, read.problem)
  }
}

/** What the runtime could not load, with what is known to keep it from that and what to do. It is tried first: it runs some of what it says it does not. */
function advised(error: unknown, graph: string, known: ReadGraph['problem']): unknown {
  return known && isMillraceError(error, 'MR_ONNX_LOAD')
    ? new MillraceError('MR_SERVE_GRAPH_UNRUN', { graph, ...known }, { cause: error })
    : error
}

function graphError(graph: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_GRAPH', { graph, need, got })
}

/** A model whose tensors are in files beside it is opened by its path: they are known to lie in its folder. */
async function sourceOf({ bytes, external }: ReadGraph, path: string): Promise<OnnxSource> {
  if (external.length === 0) return bytes
  const sizes = await Promise.all(external.map(async (file) => (await stat(file)).size))
  return { path, bytes: sizes.reduce((sum, size) => sum + size, bytes.length) }
}

// ---------------------------------------------------------------- ONNX

async function openGraph(
  found: FoundModel,
  source: OnnxSource,
  path: string,
  { infer, admit, replicas: replicasOf, isBounded = false }: OpenOptions & { isBounded?: boolean },
): Promise<TensorModel> {
  const runtime = await infer()
  const bytes = source instanceof Uint8Array ? source.length : source.bytes
  const replicas = replicasOf(bytes)
  const expectedBytes = replicas * sessionBytes(bytes)
  // the runtime keeps what it was given, for threads that take the place of others
  const memoryBytes = READY_BYTES + (source instanceof Uint8Array ? bytes : 0)
  await admit(memoryBytes, expectedBytes)
  const id = `${found.name}#${opened++}`
  const signature = await runtime.load(source, { id, replicas, isBounded })
  const close = () => void runtime.unload(id).catch(() => undefined)
  try {
    const inputs = signature.inputs.map((value) => specOf(value, path))
    const outputs = signature.outputs.map((value) => specOf(value, path))
    const hasRows = batches(found, inputs, outputs)
    return {
      platform: 'onnxruntime_onnx',
      memoryBytes,
      expectedBytes,
      grownBytes: signature.grownBytes,
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
/** Rows that are scored before the event loop has its turn: other requests, and health, are answered between. */
const TREE_ROWS = 1_024

/** One input `[rows, features]` of doubles, missing ones NaN; one output: the probability, the value, or one number a class. */
async function openScored(
  own: ReadScored | ReadPacked,
  path: string,
  { admit, read }: OpenOptions,
): Promise<TensorModel> {
  const source = own.kind === 'packed' ? own.source : own.imported.source
  const again = reread(own, path, read)
  await admit((own.kind === 'packed' ? own.kernel.bytes : scorerBytes(own.imported.model)) + READY_BYTES, 0)
  const scorer =
    own.kind === 'packed'
      ? (unpackScorer(own.kernel) ?? compileScorer((await again()).model))
      : compileScorer(own.imported.model)
  const { nFeatures } = scorer
  const { nOutputs } = scorer
  let running = 0
  let isClosed = false
  const giveBack = () => {
    if (isClosed && running === 0) scorer.close()
  }
  const score = async (matrix: Float64Array, nRows: number): Promise<Float64Array> => {
    const out = new Float64Array(nRows * nOutputs)
    for (let row = 0; row < nRows; row += TREE_ROWS) {
      if (row > 0) await setImmediate()
      const end = Math.min(nRows, row + TREE_ROWS)
      const own = matrix.subarray(row * nFeatures, end * nFeatures)
      scorer.scoreBatch(own, end - row, out.subarray(row * nOutputs, end * nOutputs))
    }
    return out
  }
  return {
    platform: source.split(' ')[0].toLowerCase(),
    get memoryBytes() {
      return scorer.bytes + READY_BYTES
    },
    expectedBytes: 0,
    replicas: 1,
    inputs: [{ name: INPUT, datatype: 'FP64', shape: [-1, nFeatures] }],
    outputs: [{ name: OUTPUT, datatype: 'FP64', shape: nOutputs > 1 ? [-1, nOutputs] : [-1] }],
    hasRows: true,
    isUnproven: false,
    isLiberal: true,
    run: async (feeds) => {
      assert(!isClosed, 'a model is not asked after it was closed')
      const matrix = feeds[INPUT].data as Float64Array
      const nRows = matrix.length / nFeatures
      running++
      try {
        const data = await score(matrix, nRows)
        return { [OUTPUT]: { type: 'float64', dims: nOutputs > 1 ? [nRows, nOutputs] : [nRows], data } }
      } finally {
        running--
        giveBack()
      }
    },
    explain: async (feeds, asked) =>
      await explainTrees(await again(), scorer, feeds[INPUT].data as Float64Array, asked),
    close: () => {
      isClosed = true
      giveBack()
    },
  }
}

/** Explanations need the model as it was read, several times the bytes of its scorer: it is not kept for them, but read again when the collector has taken it. */
function reread(
  own: ReadScored | ReadPacked,
  path: string,
  read: OpenOptions['read'],
): () => Promise<ReadScored['imported']> {
  let kept = own.kind === 'scored' ? new WeakRef(own.imported) : undefined
  const wanted = stat(path).then(({ mtimeMs, size }) => ({ mtimeMs, size }))
  wanted.catch(() => undefined)
  return async () => {
    const held = kept?.deref()
    if (held) return held
    const [was, now] = [await wanted, await stat(path)]
    const again = await read(path, 'whole')
    if (was.mtimeMs !== now.mtimeMs || was.size !== now.size || again.kind !== 'scored')
      throw new MillraceError('MR_SERVE_READ', { path, reason: 'it changed since it was loaded' })
    kept = new WeakRef(again.imported)
    return again.imported
  }
}

/** Rows that are explained before the event loop has its turn. */
const EXPLAINED_ROWS = 16

async function explainTrees(
  { model, features, classes }: ReadScored['imported'],
  scorer: Scorer,
  matrix: Float64Array,
  { model: name, explainClass, signal }: ExplainAsked,
): Promise<ExplainedRow[]> {
  const { nOutputs } = scorer
  const labels = nOutputs > 1 ? (classes ?? Array.from({ length: nOutputs }, (_, k) => String(k))) : undefined
  const asked = explainClass === undefined ? undefined : classOf(name, labels ?? [], explainClass)
  const explainers = [explainerOf(model)]
  const names = features.map((feature) => feature.name)
  const explained: ExplainedRow[] = []
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
