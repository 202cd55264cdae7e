/** Values that ONNX models take and give, and what scores with them. */

/** Values of a tensor: a typed array of the type's width (bool as bytes, float16 as its bits), or strings. */
export type OnnxData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | string[]

export interface OnnxTensor {
  /** ONNX's name of the element type: `float32`, `int64`, `string`, … */
  type: string
  /** Sizes by axis; their product is the number of values. */
  dims: number[]
  data: OnnxData
}

/** What a model says about one input or output. Symbolic axes have a name, unknown ones are ''. Sequences and maps have type `other`. */
export interface OnnxValue {
  name: string
  type: string
  shape: (number | string)[]
}

export interface OnnxSignature {
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  /** What the process grew by while the session was made, where nothing else was seen to change that. */
  grownBytes?: number
}

/** A model's bytes, or a file that the runtime opens itself, with its tensors in files beside it; `bytes` is what they all are together. */
export type OnnxSource = Uint8Array | { path: string; bytes: number }

/** What runs ONNX models off this thread; `engine/infer` says more. */
export interface Infer {
  /** Loads a model under an id, replacing what the id held. The caller keeps its bytes. Errors: MR_ONNX_LOAD, MR_ONNX_MEMORY, MR_ONNX_ABSENT, MR_ONNX_WORKER. */
  load(
    source: OnnxSource,
    options: { id: string; replicas?: number; isBounded?: boolean },
  ): Promise<OnnxSignature>
  /** Scores one batch. The caller keeps its arrays, and changes none before it is answered; outputs are the caller's. Errors: MR_ONNX_UNKNOWN, MR_ONNX_INPUT, MR_ONNX_RUN, MR_ONNX_BUSY, MR_ONNX_WORKER, MR_ONNX_STUCK. */
  run(id: string, feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>
  /** Forgets a model; unknown is fine. */
  unload(id: string): Promise<void>
}

/** A session was measured to take two to five times its file, and about 130 kB at least. */
const SESSION_PER_BYTE = 5
const SESSION_BYTES = 200_000
/** Large files are mostly weights, which a session holds once, and once more while it is made. */
const LARGE_BYTES = 64 * 1024 * 1024
const LARGE_PER_BYTE = 2

/** Memory that a session of a model takes, about, by the bytes of the model. */
export function sessionBytes(bytes: number): number {
  return bytes * (bytes < LARGE_BYTES ? SESSION_PER_BYTE : LARGE_PER_BYTE) + SESSION_BYTES
}
