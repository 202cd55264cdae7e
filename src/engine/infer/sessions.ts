/** Sessions of ONNX Runtime, as worker threads and the thread that answers requests both have them. */
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import type { OnnxData, OnnxSignature, OnnxTensor, OnnxValue } from './messages.ts'

export type Runtime = typeof import('onnxruntime-node')
export type { InferenceSession } from 'onnxruntime-node'

/** One thread a session: many small models share the machine best so, and a pool of workers gives the parallelism. */
const SESSION: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  logSeverityLevel: 3,
}

/** The runtime reads a file itself, so that what it holds beside the model need not pass through memory of ours. */
export async function openSession(ort: Runtime, source: Uint8Array | string): Promise<InferenceSession> {
  return typeof source === 'string'
    ? await ort.InferenceSession.create(source, SESSION)
    : await ort.InferenceSession.create(source, SESSION)
}

export function signatureOf(session: InferenceSession): OnnxSignature {
  return {
    inputs: session.inputMetadata.map(describe),
    outputs: session.outputMetadata.map(describe),
  }
}

function describe(value: InferenceSession.ValueMetadata): OnnxValue {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: [...value.shape] }
    : { name: value.name, type: 'other', shape: [] }
}

/** What a call gave, and the milliseconds that the runtime computed. Outputs that are no tensors are left out. */
export interface Ran {
  outputs: Record<string, OnnxTensor>
  ms: number
}

export async function runSession(
  { Tensor }: Runtime,
  session: InferenceSession,
  feeds: Record<string, OnnxTensor>,
): Promise<Ran> {
  const tensors: Record<string, Tensor> = {}
  for (const [name, { type, data, dims }] of Object.entries(feeds))
    tensors[name] = new Tensor(type as 'float32', data as Float32Array, dims)
  let begunMs = performance.now()
  // the runtime computes in a `setImmediate` of its own, which comes right behind this one: what the event loop did before is not the model's
  setImmediate(() => {
    begunMs = performance.now()
  })
  const results = await session.run(tensors)
  const ms = performance.now() - begunMs
  return { outputs: plain(results), ms }
}

function plain(results: InferenceSession.ReturnType): Record<string, OnnxTensor> {
  const outputs: Record<string, OnnxTensor> = {}
  for (const [name, value] of Object.entries(results)) {
    const { type, dims, data } = value as Tensor
    if (type !== undefined) outputs[name] = { type, dims: [...dims], data: data as OnnxData }
  }
  return outputs
}
