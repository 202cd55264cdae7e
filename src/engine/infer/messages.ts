/** What the ONNX pool and its worker threads say to each other, and the values that models take and give. */

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
}

export type ToOnnx =
  | { type: 'load'; seq: number; id: string; bytes: Uint8Array }
  | { type: 'run'; seq: number; id: string; feeds: Record<string, OnnxTensor> }
  | { type: 'unload'; seq: number; id: string }
  | { type: 'close'; seq: number; id: string }

export type FromOnnx =
  | { seq: number; signature: OnnxSignature }
  | { seq: number; outputs: Record<string, OnnxTensor> }
  | { seq: number; unloaded: true }
  | { seq: number; failed: 'absent' | 'load' | 'run' | 'unknown'; message: string }
