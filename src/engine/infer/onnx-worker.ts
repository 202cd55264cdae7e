/** A worker thread that owns ONNX sessions. The runtime computes on the thread that calls it, so it gets threads of its own. */
import { parentPort } from 'node:worker_threads'
import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { assert, toError } from '../../core/errors.ts'
import type { FromOnnx, OnnxData, OnnxTensor, OnnxValue, ToOnnx } from './messages.ts'

type Runtime = typeof import('onnxruntime-node')

/** One thread a session: many small models share the machine best so, and a pool of workers gives the parallelism. */
const SESSION: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  enableCpuMemArena: false,
  logSeverityLevel: 3,
}

assert(parentPort, 'this module runs in a worker thread')
// The runtime's own code takes halves in a Float16Array where there is one, as of Node 24, and its binding takes them for empty: without the name it takes their bits.
Reflect.deleteProperty(globalThis, 'Float16Array')
const port = parentPort
const sessions = new Map<string, InferenceSession>()
let runtime: Promise<Runtime> | undefined
/** Messages are answered in the order they came. */
let tail: Promise<void> = Promise.resolve()

port.on('message', (message: ToOnnx) => {
  tail = tail.then(() => handle(message))
})

async function handle(message: ToOnnx): Promise<void> {
  if (message.type === 'load') await load(message)
  else if (message.type === 'run') await run(message)
  else if (message.type === 'unload') await unload(message)
  else await close()
}

function answer(message: FromOnnx, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

const fail = (seq: number, failed: 'absent' | 'load' | 'run', thrown: unknown) =>
  answer({ seq, failed, message: toError(thrown).message })

async function load({ seq, id, source }: Extract<ToOnnx, { type: 'load' }>): Promise<void> {
  runtime ??= import('onnxruntime-node')
  let ort: Runtime
  try {
    ort = await runtime
  } catch (thrown) {
    return fail(seq, 'absent', thrown)
  }
  try {
    const beforeBytes = process.memoryUsage.rss()
    const session = await create(ort, source)
    const grownBytes = process.memoryUsage.rss() - beforeBytes
    await sessions.get(id)?.release()
    sessions.set(id, session)
    const signature = {
      inputs: session.inputMetadata.map(describe),
      outputs: session.outputMetadata.map(describe),
    }
    answer({ seq, signature, grownBytes })
  } catch (thrown) {
    fail(seq, 'load', thrown)
  }
}

/** The runtime reads a file itself, so that what it holds beside the model need not pass through memory of ours. */
async function create(ort: Runtime, source: Uint8Array | string): Promise<InferenceSession> {
  return typeof source === 'string'
    ? await ort.InferenceSession.create(source, SESSION)
    : await ort.InferenceSession.create(source, SESSION)
}

function describe(value: InferenceSession.ValueMetadata): OnnxValue {
  return value.isTensor
    ? { name: value.name, type: value.type, shape: [...value.shape] }
    : { name: value.name, type: 'other', shape: [] }
}

async function run({ seq, id, feeds }: Extract<ToOnnx, { type: 'run' }>): Promise<void> {
  const session = sessions.get(id)
  if (!session || !runtime) return answer({ seq, failed: 'unknown', message: 'not loaded' })
  try {
    const { Tensor } = await runtime
    const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new Tensor(type as 'float32', data as Float32Array, dims),
    ])
    const outputs = plain(await session.run(Object.fromEntries(tensors) as Record<string, Tensor>))
    answer({ seq, outputs }, buffersOf(outputs))
  } catch (thrown) {
    fail(seq, 'run', thrown)
  }
}

/** Tensors as plain values in memory of their own, which can be handed over. Outputs that are no tensors are left out. */
function plain(results: InferenceSession.ReturnType): Record<string, OnnxTensor> {
  const outputs: Record<string, OnnxTensor> = {}
  for (const [name, value] of Object.entries(results)) {
    const { type, dims, data } = value as Tensor
    if (type !== undefined)
      outputs[name] = { type, dims: [...dims], data: (data as Float32Array).slice() as OnnxData }
  }
  return outputs
}

function buffersOf(outputs: Record<string, OnnxTensor>): ArrayBuffer[] {
  return Object.values(outputs).flatMap(({ data }) =>
    Array.isArray(data) ? [] : [data.buffer as ArrayBuffer],
  )
}

/** The thread ends by itself: one that is ended from outside while the runtime computes takes the whole process with it. */
async function close(): Promise<void> {
  for (const session of sessions.values()) await session.release()
  sessions.clear()
  port.close()
}

async function unload({ seq, id }: Extract<ToOnnx, { type: 'unload' }>): Promise<void> {
  await sessions.get(id)?.release()
  sessions.delete(id)
  answer({ seq, unloaded: true })
}
