/** A model's configuration as clients of Triton ask for it. */
import type { ModelMetadata, OipBackend, TensorSpec } from './backend.ts'

export interface ModelConfig {
  name: string
  platform: string
  /** 0 where a request has no axis of rows. */
  maxBatchSize: number
  /** Dimensions are without the axis of rows where there is one. */
  input: TensorSpec[]
  output: TensorSpec[]
}

/** Errors: those of `metadata`. */
export async function configOf(backend: OipBackend, model: string, version?: string): Promise<ModelConfig> {
  const metadata = await backend.metadata(model, version)
  const maxBatchSize = backend.rowsMax?.(model, version) ?? 0
  return { ...tensorsOf(metadata, maxBatchSize > 0), maxBatchSize }
}

function tensorsOf({ name, platform, inputs, outputs }: ModelMetadata, hasRows: boolean) {
  const own = (spec: TensorSpec) => (hasRows ? { ...spec, shape: spec.shape.slice(1) } : spec)
  return { name, platform, input: inputs.map(own), output: outputs.map(own) }
}

/** Triton's name of what runs ONNX; of others, what wrote the model. */
export function backendOf(platform: string): string {
  return platform === 'onnxruntime_onnx' ? 'onnxruntime' : platform
}

/** As JSON has it, with the names of the configuration's own types. */
export function configJson({ name, platform, maxBatchSize, input, output }: ModelConfig): unknown {
  const tensors = (specs: TensorSpec[]) =>
    specs.map((spec) => ({
      name: spec.name,
      data_type: `TYPE_${spec.datatype === 'BYTES' ? 'STRING' : spec.datatype}`,
      dims: spec.shape,
    }))
  return {
    name,
    platform,
    backend: backendOf(platform),
    max_batch_size: maxBatchSize,
    input: tensors(input),
    output: tensors(output),
  }
}
