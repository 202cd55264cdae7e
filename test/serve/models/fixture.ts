/** A folder of models of others with a server on it, over HTTP and gRPC, on the runtime itself. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { type Onnx, openOnnx } from '../../../src/engine/infer/onnx.ts'
import type { GrpcServer } from '../../../src/serve/grpc/server.ts'
import {
  createModelServer,
  type ModelServer,
  type ModelServerOptions,
} from '../../../src/serve/models/model-server.ts'
import { input, logistic, model, node, output } from '../../engine/infer/onnx-bytes.ts'

const MODELS = fileURLToPath(new URL('../../reference/models/', import.meta.url))
const STRING = 8
const FLOAT16 = 10
const INT32 = 6

/** Bytes and recorded answers of a model that LightGBM wrote. */
export const lightgbm = {
  text: gunzipSync(readFileSync(join(MODELS, 'lightgbm-2.3-binary.txt.gz'))),
  answers: JSON.parse(
    gunzipSync(readFileSync(join(MODELS, 'lightgbm-2.3-binary.answers.json.gz'))).toString(),
  ),
}

/** Adds and subtracts two inputs, as Triton's own example does. */
const addSub = model(
  node('Add', ['INPUT0', 'INPUT1'], ['OUTPUT0']),
  node('Sub', ['INPUT0', 'INPUT1'], ['OUTPUT1']),
  input('INPUT0', INT32, ['n', 2]),
  input('INPUT1', INT32, ['n', 2]),
  output('OUTPUT0', INT32, ['n', 2]),
  output('OUTPUT1', INT32, ['n', 2]),
)

const identity = (type: number) =>
  model(node('Identity', ['s'], ['t']), input('s', type, ['n']), output('t', type, ['n']))

export interface Answered {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever JSON came
  body: any
}

export interface ModelsFixture {
  root: string
  url: string
  grpcUrl: string
  server: ModelServer
  /** The runtime under it, once a graph was asked for. */
  pool(): Promise<Onnx>
  put(path: string, content: string | Uint8Array): void
  drop(path: string): void
  get(path: string): Promise<Answered>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answered>
  /** One message of the wire, and what comes back. */
  call(
    method: string,
    message: Uint8Array,
    headers?: Record<string, string>,
  ): Promise<{ status: number; text: string; answer: Uint8Array }>
  close(): Promise<void>
}

export async function serveModels(
  options: Partial<ModelServerOptions> = {},
  memoryMb = 1024,
): Promise<ModelsFixture> {
  const root = mkdtempSync(join(tmpdir(), 'millrace-models-'))
  const put = (path: string, content: string | Uint8Array) => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  put('late/1/model.onnx', logistic([1, 0, 0], 0))
  put('late/2/model.onnx', logistic([0, 1, 0], 0))
  put(
    'late/config.pbtxt',
    'max_batch_size: 4 version_policy { all {} } input { name: "x" data_type: TYPE_FP32 dims: [3] }',
  )
  put('addsub.onnx', addSub)
  put('texts.onnx', identity(STRING))
  put('halves.onnx', identity(FLOAT16))
  put('trees.txt', lightgbm.text)
  put('pickled/MLmodel', 'flavors:\n  sklearn:\n    pickled_model: model.pkl\n')
  put('other/1/model.onnx', logistic([1, 1, 1], 0))
  put('other/config.pbtxt', 'input { name: "x" data_type: TYPE_INT64 dims: [3] }')
  let pool: Promise<Onnx> | undefined
  let onnx: Onnx | undefined
  const opened = () => {
    pool ??= openOnnx({ workers: 1, memoryMb }).then((one) => {
      onnx = one
      return one
    })
    return pool
  }
  const server = createModelServer({
    path: root,
    clock: { now: () => Date.now() },
    port: 0,
    threads: 1,
    infer: opened,
    threadProblems: () => onnx?.problems() ?? [],
    ...options,
  })
  const grpc: GrpcServer = server.grpc(0)
  const [url, grpcUrl] = await Promise.all([server.listen(), grpc.listen()])
  const client = connect(`http://${grpcUrl}`)
  client.on('error', () => undefined)
  const answered = async (response: Response) => ({ status: response.status, body: await response.json() })
  return {
    root,
    url,
    grpcUrl,
    server,
    pool: opened,
    put,
    drop: (path) => rmSync(join(root, path), { recursive: true }),
    get: async (path) => await answered(await fetch(url + path)),
    post: async (path, body, headers = {}) =>
      await answered(
        await fetch(url + path, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body),
        }),
      ),
    call: async (method, message, headers = {}) =>
      await new Promise((resolve, reject) => {
        const path = method.startsWith('/') ? method : `/inference.GRPCInferenceService/${method}`
        const stream = client.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc',
          te: 'trailers',
          ...headers,
        })
        const chunks: Buffer[] = []
        let said: Record<string, unknown> = {}
        const keep = (more: Record<string, unknown>) => {
          said = { ...said, ...more }
        }
        stream.on('response', keep)
        stream.on('trailers', keep)
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('error', reject)
        stream.on('end', () =>
          resolve({
            status: Number(said['grpc-status']),
            text: decodeURIComponent(String(said['grpc-message'] ?? '')),
            answer: Buffer.concat(chunks).subarray(5),
          }),
        )
        const frame = Buffer.alloc(5)
        frame.writeUInt32BE(message.length, 1)
        stream.end(headers['x-raw'] ? message : Buffer.concat([frame, message]))
      }),
    close: async () => {
      client.close()
      await Promise.all([server.close(), grpc.close()])
      await (await pool)?.close()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
