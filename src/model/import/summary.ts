import { formOf } from '../forms/registry.ts'
import type { ImportedModel } from './imported.ts'
import { hasOwnModel, modelOfFile } from './onnx.ts'
import { describeOnnx, type OnnxDescription } from './onnx-describe.ts'
import { readOnnxFile } from './onnx-file.ts'
import { formatOfFile, type ModelFileFormat, readModelFile } from './open.ts'

/** What a model file is, for people and for `--json`. */
export interface ModelFileSummary {
  format: ModelFileFormat
  bytes: number
  /** The model as this package scores it by itself; absent when it is a network, or is refused. */
  own?: {
    source: string
    objective: string
    task: string
    kind: string
    nFeatures: number
    nOutputs: number
    link: string
    trees?: number
    nodes?: number
    features: ImportedModel['features']
    classes?: string[]
    notes: string[]
    /** Bytes that a ready scorer takes, about. */
    scorerBytes: number
  }
  /** Why it is not scored here, in the words of the refusal. */
  refused?: string
  onnx?: OnnxDescription
}

/** Reads as much of a file as there is. Errors: MR_MODEL_IMPORT for what is no model file, or is damaged. */
export function summariseModelFile(bytes: Uint8Array): ModelFileSummary {
  const format = formatOfFile(bytes)
  const summary: ModelFileSummary = { format, bytes: bytes.length }
  if (format !== 'onnx') return { ...summary, own: ownOf(readModelFile(bytes)) }
  const file = readOnnxFile(bytes)
  const onnx = describeOnnx(file)
  if (!hasOwnModel(file)) return { ...summary, onnx, refused: 'it is a network: ONNX Runtime scores it' }
  try {
    return { ...summary, onnx, own: ownOf(modelOfFile(file)) }
  } catch (thrown) {
    return { ...summary, onnx, refused: (thrown as Error).message }
  }
}

function ownOf({ model, ...imported }: ImportedModel): ModelFileSummary['own'] {
  const { kind, nFeatures, nOutputs, link } = model
  const size = model.kind === 'TreeEnsemble' ? { trees: model.roots.length, nodes: model.feature.length } : {}
  return {
    ...imported,
    kind,
    nFeatures,
    nOutputs,
    link,
    ...size,
    scorerBytes: formOf(model).scorerBytes(model),
  }
}
