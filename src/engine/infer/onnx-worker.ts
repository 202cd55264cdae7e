/** A worker thread that owns ONNX sessions. The runtime computes on the thread that calls it, so it gets threads of its own. */
import { parentPort } from 'node:worker_threads'
import { assert, toError } from '../../core/errors.ts'
import { SPARE_LIMITS } from '../../core/spare-buffers.ts'
import type { FromOnnx, OnnxTensor, ToOnnx } from './messages.ts'
import { type InferenceSession, openSession, type Runtime, runSession, signatureOf } from './sessions.ts'

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

const fail = (seq: number, failed: 'absent' | 'load' | 'run', thrown: unknown, spent: ArrayBuffer[] = []) =>
  answer({ seq, failed, message: toError(thrown).message, spent }, spent)

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
    const session = await openSession(ort, source)
    const grownBytes = process.memoryUsage.rss() - beforeBytes
    await sessions.get(id)?.release()
    sessions.set(id, session)
    answer({ seq, signature: signatureOf(session), grownBytes })
  } catch (thrown) {
    fail(seq, 'load', thrown)
  }
}

async function run({ seq, id, feeds }: Extract<ToOnnx, { type: 'run' }>): Promise<void> {
  const session = sessions.get(id)
  if (!session || !runtime) return answer({ seq, failed: 'unknown', message: 'not loaded' })
  const spent = buffersOf(feeds).filter(({ byteLength }) => byteLength >= SPARE_LIMITS.bytesMin)
  try {
    const { outputs: given, ms } = await runSession(await runtime, session, feeds)
    const outputs = own(given)
    answer({ seq, outputs, ms, spent }, [...buffersOf(outputs), ...spent])
  } catch (thrown) {
    fail(seq, 'run', thrown, spent)
  }
}

/** In memory of their own, which can be handed over. */
function own(given: Record<string, OnnxTensor>): Record<string, OnnxTensor> {
  const copied = Object.entries(given).map(([name, tensor]) => [
    name,
    { ...tensor, data: tensor.data.slice() as OnnxTensor['data'] },
  ])
  return Object.fromEntries(copied) as Record<string, OnnxTensor>
}

function buffersOf(tensors: Record<string, OnnxTensor>): ArrayBuffer[] {
  return Object.values(tensors).flatMap(({ data }) =>
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
