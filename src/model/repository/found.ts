/** Models of others as they lie in a folder: what is there, what of it can be served, and why the rest cannot. Nothing of a model is read yet. */

/** A tensor as a configuration states it; dimensions without the batch axis where there is one. */
export interface StatedTensor {
  name: string
  /** Datatype of the inference protocol: `FP32`, `BYTES`. */
  datatype: string
  dims: number[]
}

export interface FoundVersion {
  version: string
  /** ONNX, LightGBM text or XGBoost JSON or UBJSON, told by its content. */
  path: string
}

export interface FoundModel {
  name: string
  from: 'file' | 'triton' | 'mlflow' | 'mlserver'
  /** In ascending order; the last one answers when no version is asked for. */
  versions: FoundVersion[]
  /** Rows that a batch may have, the first axis being rows; absent where nothing says so. 0: the model is not to be batched. */
  batchRowsMax?: number
  /** Sizes that a batch should have, and how long a request may wait for it, where that is stated. */
  batching?: { preferred: number[]; waitUs: number }
  inputs?: StatedTensor[]
  outputs?: StatedTensor[]
  notes: string[]
}

/** Something that is a model, and cannot be served as it lies there. */
export interface RefusedModel {
  name: string
  path: string
  why: string
  fix: string
}

export interface Found {
  models: FoundModel[]
  refused: RefusedModel[]
}
