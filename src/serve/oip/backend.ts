/** What the Open Inference Protocol asks of whatever answers it, over HTTP and gRPC alike: models that take rows, and models that take tensors. */

import type { Json } from '../../core/canonical.ts'
import type { ModelTask, SignatureField } from '../../core/records.ts'
import type { Gone } from '../gone.ts'
import type { RequestSpan } from '../trace/span.ts'

export interface TensorSpec {
  name: string
  datatype: string
  /** -1 is any size. */
  shape: number[]
}

export interface ModelMetadata {
  name: string
  versions: string[]
  platform: string
  inputs: TensorSpec[]
  outputs: TensorSpec[]
  parameters?: Record<string, Json>
}

/** What a document says of a model. */
export interface ModelDescription {
  metadata: ModelMetadata
  /** Whether its answers can be explained. */
  isExplained: boolean
  /** Of a model that takes rows. */
  rows?: { task: ModelTask; inputs: readonly SignatureField[]; classes?: readonly string[] }
}

/** A tensor as it was sent: values of JSON, or bytes of the datatype's layout. As many elements as the shape has, where it is not bytes. */
export interface SentTensor {
  name: string
  datatype: string
  shape: number[]
  values: readonly Json[] | Uint8Array
}

export interface InferAsk {
  /** Name as it was asked for. */
  model: string
  version?: string
  id?: string
  inputs: readonly SentTensor[]
  /** Outputs asked for by name; undefined for the usual ones. */
  outputs?: readonly string[]
  /** Whether rows are explained beside what they are answered, and which class of several; by default the likeliest of each row. */
  explain?: boolean
  explainClass?: string
  /** Share from which a yes or no is a yes. */
  threshold?: number
  /** Sticky key, id and trace of the request. */
  key?: string
  requestId?: string
  /** How often it was asked before under its id. */
  attempt?: number
  trace?: string
  /** Whose share of the memory the request counts to. */
  tenant?: string
  /** When it came, in `performance.now()` milliseconds. */
  cameMs?: number
  /** Of a request that is traced. */
  span?: RequestSpan
  /** Time by which the answer is of use, in `performance.now()` milliseconds. */
  deadlineMs?: number
  /** Aborted when the client is gone. */
  signal?: Gone
}

/** Output that holds the explanation of each row as JSON, where one was asked for. */
export const EXPLANATION_OUTPUT = 'explanation'

export interface Explained {
  model: string
  version: string
  id: string
  /** One a row: what was answered, with its explanation. */
  explanations: readonly object[]
}

export interface AnswerTensor {
  name: string
  datatype: string
  shape: number[]
  data: ArrayLike<number | bigint | boolean | string>
}

export interface InferAnswer {
  model: string
  version: string
  id: string
  parameters?: Record<string, Json>
  /** What the request waited for its model to be loaded. */
  loadMs?: number
  outputs: AnswerTensor[]
}

export interface RepositoryEntry {
  name: string
  version: string
  state: 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING'
  reason: string
}

/** Counts and nanoseconds since the model was loaded, as the statistics extension has them. */
export interface ModelStatistics {
  name: string
  version: string
  lastInferenceMs: number
  inferences: number
  executions: number
  success: Spent
  fail: Spent
  queue: Spent
  input: Spent
  compute: Spent
  output: Spent
  /** Answers of the response cache: how many, and the time of looking. Of misses without the time of keeping. */
  cacheHit: Spent
  cacheMiss: Spent
  batches: { size: number; compute: Spent }[]
}

export interface Spent {
  count: number
  ns: number
}

/** Loading and unloading by name, where models can. */
export interface Repository {
  index(onlyReady: boolean): RepositoryEntry[]
  load(model: string): Promise<void>
  unload(model: string): Promise<void>
}

export interface OipBackend {
  /** Extensions of the protocol that it has. */
  readonly extensions: readonly string[]
  /** Throws what keeps the model from answering now. */
  modelReady(model: string, version?: string): Promise<void>
  metadata(model: string, version?: string): Promise<ModelMetadata>
  /** What a document says of a model. */
  describe(model: string, version?: string): Promise<ModelDescription>
  infer(ask: InferAsk): Promise<InferAnswer>
  /** The same in pieces of some rows, all by one version, where rows can be told apart. What nobody asks for any more is not computed. */
  stream(ask: InferAsk): AsyncGenerator<InferAnswer>
  /** Errors: as `infer`, MR_SERVE_CLASS, and MR_SERVE_EXPLAIN or MR_SERVE_EXPLAIN_GRAPH for a model that has no explanations. */
  explain(ask: InferAsk): Promise<Explained>
  /** Models that there are, by name. */
  names(): string[]
  /** Whether tensors are columns of rows: ones that no metadata names are let through, and counted. */
  readonly isByRow: boolean
  /** Refuses at once, before its body is read, a request that could not be answered in time. Errors: MR_SERVE_LATENCY. */
  admit?(model: string, version?: string): void
  /** What batches are made and why, JSON. Throws as `metadata` does. */
  batching?(model: string, version?: string): Promise<object>
  /** An error that was met before `infer` was asked. */
  failed(model: string, error: unknown): void
  readonly repository?: Repository
  /** Rows that a call of a loaded model takes at most; 0 where it takes none, or any number. */
  rowsMax?(model: string, version?: string): number
  /** Of one model, or of all. */
  statistics?(model?: string, version?: string): ModelStatistics[]
}

/** Errors met before the backend is asked are counted there all the same. */
export async function failing<R>(backend: OipBackend, model: string, work: () => R | Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    backend.failed(model, error)
    throw error
  }
}
