/** `ModelInfer` of the inference protocol over gRPC: one message as bytes, asked once and read, or many times by `h2load`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WireWriter, wireFields } from '../../dist/model/import/protobuf.js'
import { refuseAs } from '../../dist/model/import/refusal.js'
import type { BenchModel } from './models.ts'
import { CLIENT_CORE } from './processes.ts'
import { bytesOf, TOKEN } from './sides.ts'
import { outputOf } from './wrk.ts'

const PATH = '/inference.GRPCInferenceService/ModelInfer'
const HEADERS = { 'content-type': 'application/grpc', te: 'trailers', authorization: `Bearer ${TOKEN}` }
/** Fields of the messages. */
const ASK = { model: 1, inputs: 5, raw: 7 }
const TENSOR = { name: 1, datatype: 2, shape: 3, contents: 5 }
const ANSWER = { outputs: 5, raw: 6 }
const FLOATS = 6
const FRAME_HEAD = 5

const text = (value: string) => new TextEncoder().encode(value)

/** The first row of a model as one framed message, its values in raw bytes. */
export function inferMessage(model: BenchModel): Buffer {
  const tensor = new WireWriter()
  tensor.bytes(TENSOR.name, text('x'))
  tensor.bytes(TENSOR.datatype, text('FP32'))
  for (const size of [1, ...model.shape]) tensor.int(TENSOR.shape, BigInt(size))
  const ask = new WireWriter()
  ask.bytes(ASK.model, text(model.name))
  ask.bytes(ASK.inputs, tensor.done())
  ask.bytes(ASK.raw, bytesOf(model.rows[0]))
  const body = ask.done()
  const head = Buffer.alloc(FRAME_HEAD)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

/** Elements of the last output. Throws where the status is not 0. */
export async function askOnce(port: number, message: Buffer): Promise<number[]> {
  const session = connect(`http://127.0.0.1:${port}`)
  try {
    const stream = session.request({ ':method': 'POST', ':path': PATH, ...HEADERS })
    const parts: Buffer[] = []
    let status = ''
    const note = (headers: Record<string, unknown>) => {
      if (headers['grpc-status'] !== undefined)
        status = `${headers['grpc-status']} ${headers['grpc-message'] ?? ''}`
    }
    stream.on('response', note).on('trailers', note)
    stream.on('data', (part: Buffer) => parts.push(part))
    stream.end(message)
    await new Promise((resolve, reject) => stream.once('end', resolve).once('error', reject))
    if (!status.startsWith('0')) throw new Error(`gRPC on port ${port} answered ${status}`)
    return floatsOf(Buffer.concat(parts).subarray(FRAME_HEAD))
  } finally {
    session.close()
  }
}

const refuse = refuseAs('answer')

function floatsOf(answer: Uint8Array): number[] {
  const fields = [...wireFields(answer, refuse)]
  const raw = fields.filter(({ field }) => field === ANSWER.raw).at(-1)
  if (raw?.wire === 2) return Array.from(new Float32Array(new Uint8Array(raw.bytes).buffer))
  const output = fields.filter(({ field }) => field === ANSWER.outputs).at(-1)
  const inOutput = output?.wire === 2 ? [...wireFields(output.bytes, refuse)] : []
  const contents = inOutput.find(({ field }) => field === TENSOR.contents)
  const values = contents?.wire === 2 ? [...wireFields(contents.bytes, refuse)] : []
  const packed = values.find(({ field }) => field === FLOATS)
  return packed?.wire === 2 ? Array.from(new Float32Array(new Uint8Array(packed.bytes).buffer)) : []
}

export interface GrpcWindow {
  requests: number
  failed: number
  meanMs: number
}

/** One request at a time on each of `connections` connections. */
export async function loadGrpc(
  port: number,
  message: Buffer,
  { connections, seconds }: { connections: number; seconds: number },
): Promise<GrpcWindow> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-grpc-'))
  const file = join(folder, 'message')
  writeFileSync(file, message)
  const headers = Object.entries(HEADERS).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  try {
    const args = [
      '-c',
      String(connections),
      '-m',
      '1',
      '-t',
      '1',
      '-D',
      String(seconds),
      '-d',
      file,
      ...headers,
    ]
    const url = `http://127.0.0.1:${port}${PATH}`
    const said = await outputOf('taskset', ['-c', String(CLIENT_CORE), 'h2load', ...args, url])
    const [, succeeded, failed] = /(\d+) succeeded, (\d+) failed/.exec(said) ?? []
    const [, mean, unit] = /time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s)\b/.exec(said) ?? []
    if (succeeded === undefined || mean === undefined) throw new Error(`h2load said:\n${said}`)
    const perMs = { us: 1e-3, ms: 1, s: 1e3 }[unit as 'us' | 'ms' | 's']
    return { requests: Number(succeeded), failed: Number(failed), meanMs: Number(mean) * perMs }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
