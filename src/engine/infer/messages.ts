/** What the ONNX pool and its worker threads say to each other. */
import type { OnnxSignature, OnnxTensor } from '../../core/tensors.ts'

export type { OnnxData, OnnxSignature, OnnxSource, OnnxTensor, OnnxValue } from '../../core/tensors.ts'

export type ToOnnx =
  | { type: 'load'; seq: number; id: string; source: Uint8Array | string }
  | { type: 'run'; seq: number; id: string; feeds: Record<string, OnnxTensor> }
  | { type: 'unload'; seq: number; id: string }
  | { type: 'close'; seq: number; id: string }

export type FromOnnx =
  | { seq: number; signature: OnnxSignature; grownBytes: number }
  /** `ms`: what the runtime computed. `spent`: the memory of large inputs, to be used again. */
  | { seq: number; outputs: Record<string, OnnxTensor>; ms: number; spent: ArrayBuffer[] }
  | { seq: number; unloaded: true }
  | {
      seq: number
      failed: 'absent' | 'load' | 'run' | 'unknown'
      message: string
      spent?: ArrayBuffer[]
    }
