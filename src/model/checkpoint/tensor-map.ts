/** Which files have tensors, and where. */
import { readOnnxTensors } from './onnx-tensors.ts'
import { readSafetensors } from './safetensors.ts'
import type { ByteSource, TensorMap } from './source.ts'

const READERS: Readonly<Record<string, (source: ByteSource) => Promise<TensorMap>>> = {
  safetensors: readSafetensors,
  onnx: readOnnxTensors,
}

/** Whether a file of this name may have tensors. */
export function isModelFile(name: string): boolean {
  return readerOf(name) !== undefined
}

/** Tensors of a file, read by the end of its name. Errors: MR_CHECKPOINT. */
export async function tensorMapOf(name: string, source: ByteSource): Promise<TensorMap> {
  return await readerOf(name)!(source)
}

const readerOf = (name: string) => READERS[name.slice(name.lastIndexOf('.') + 1).toLowerCase()]
