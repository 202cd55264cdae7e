/** Servers that are measured: how each is started, what it is asked, and how its answer is read. */
import { fileURLToPath } from 'node:url'
import type { BenchModel } from './models.ts'
import type { ServerCommand } from './processes.ts'

export interface Asked {
  path: string
  headers: Record<string, string>
  bodies: Buffer[]
}

export interface Side {
  name: string
  /** Environment of bench/peers that it lives in; none for ours. */
  environment?: string
  /** As its own documents advise; the first that measures better is kept. */
  settings: Setting[]
  /** One server for all models, or one for each. */
  perModel?: boolean
  ask(model: BenchModel): Asked
  /** Elements of the last output. */
  read(answer: Buffer, headers: Headers): number[]
  /** Said beside its figures where it is not the protocol that ours is asked in. */
  protocol?: string
}

export interface Place {
  /** Of the `.onnx` files. */
  folder: string
  port: number
  /** Asked of a side that has one server a model. */
  model?: string
}

export interface Setting {
  name: string
  start(place: Place): ServerCommand
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const binOf = (environment: string, program: string) => at(`../peers/.venv-${environment}/bin/${program}`)
/** Without a shell's variables that would give a runtime more threads than one. */
const ONE_THREAD = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' }
export const TOKEN = 'bench-token-0123456789'

const JSON_TYPE = { 'content-type': 'application/json' }
const BYTES_TYPE = { 'content-type': 'application/octet-stream' }
const isLarge = ({ shape }: BenchModel) => shape.length > 1
const numbersOf = (row: Float32Array) => Array.from(row, (x) => Number(x.toPrecision(7)))
export const bytesOf = (row: Float32Array) => Buffer.from(row.buffer, row.byteOffset, row.byteLength)
const jsonBodies = (model: BenchModel, body: (row: Float32Array) => unknown) =>
  model.rows.map((row) => Buffer.from(JSON.stringify(body(row))))

/** A tensor of the inference protocol, in JSON. */
export function protocolJson(model: BenchModel): Buffer[] {
  const shape = [1, ...model.shape]
  return jsonBodies(model, (row) => ({
    inputs: [{ name: 'x', shape, datatype: 'FP32', data: numbersOf(row) }],
  }))
}

const BINARY_HEAD = 'inference-header-content-length'

/** A tensor of the inference protocol as its binary extension has it, answered in binary. */
export function protocolBinary(model: BenchModel): { headers: Record<string, string>; bodies: Buffer[] } {
  const head = (row: Float32Array) => ({
    inputs: [
      {
        name: 'x',
        shape: [1, ...model.shape],
        datatype: 'FP32',
        parameters: { binary_data_size: row.byteLength },
      },
    ],
    parameters: { binary_data_output: true },
  })
  const heads = jsonBodies(model, head)
  return {
    headers: { ...BYTES_TYPE, [BINARY_HEAD]: String(heads[0].length) },
    bodies: heads.map((json, i) => Buffer.concat([json, bytesOf(model.rows[i])])),
  }
}

interface ProtocolAnswer {
  outputs: { data?: number[]; parameters?: { binary_data_size: number } }[]
}

/** Elements of the last output, which for bytes are the last bytes of the answer. */
export function readProtocol(answer: Buffer, headers: Headers): number[] {
  const length = headers.get(BINARY_HEAD)
  const json = length === null ? answer : answer.subarray(0, Number(length))
  const last = (JSON.parse(json.toString()) as ProtocolAnswer).outputs.at(-1)
  const size = last?.parameters?.binary_data_size
  return size === undefined ? (last?.data?.flat() ?? []) : floatsOf(answer.subarray(answer.length - size))
}

const floatsOf = (bytes: Buffer): number[] => Array.from(new Float32Array(new Uint8Array(bytes).buffer))

// ---------------------------------------------------------------- ours

/** The command line as it is installed, with a token, metrics and gRPC; all that is on by default is on. */
export const OURS: Side = {
  name: 'millrace',
  settings: [{ name: 'defaults', start: startOurs }],
  ask: (model) => ({
    path: `/v2/models/${model.name}/infer`,
    ...(isLarge(model) ? protocolBinary(model) : { headers: JSON_TYPE, bodies: protocolJson(model) }),
  }),
  read: readProtocol,
}

function startOurs({ folder, port }: Place): ServerCommand {
  return {
    command: process.execPath,
    args: [
      at('../../bin/millrace.cjs'),
      'serve',
      folder,
      '--port',
      String(port),
      '--grpc',
      String(port + 1),
      '--token',
      TOKEN,
      '--json',
    ],
    readyUrl: `http://127.0.0.1:${port}/readyz`,
  }
}

// ---------------------------------------------------------------- peers

interface Script {
  environment: string
  /** Beyond `folder`, `port` and `model`. */
  more?: object
  ready: string
}

/** A server that is a script of bench/peers. */
function script(name: string, { environment, more, ready }: Script): Setting['start'] {
  return (place) => ({
    command: binOf(environment, 'python'),
    args: [at(`../peers/${name}.py`), JSON.stringify({ ...place, ...more })],
    env: ONE_THREAD,
    readyUrl: `http://127.0.0.1:${place.port}${ready}`,
  })
}

const FASTAPI: Side = {
  name: 'FastAPI',
  environment: 'serve',
  settings: [
    {
      name: 'uvicorn, uvloop, httptools, orjson, on the loop',
      start: script('serve_fastapi', { environment: 'serve', ready: '/ready' }),
    },
  ],
  ask: (model) =>
    isLarge(model)
      ? { path: `/${model.name}/raw`, headers: BYTES_TYPE, bodies: model.rows.map(bytesOf) }
      : { path: `/${model.name}/infer`, headers: JSON_TYPE, bodies: protocolJson(model) },
  read: (answer, headers) =>
    headers.get('content-type') === 'application/octet-stream'
      ? floatsOf(answer)
      : readProtocol(answer, headers),
  protocol: 'bodies of the protocol, raw floats for conv',
}

const BATCH = 32

const MLSERVER: Side = {
  name: 'MLServer',
  environment: 'serve-mlserver',
  settings: [
    { name: 'parallel_workers 0', workers: 0, batch: 0 },
    { name: 'parallel_workers 1', workers: 1, batch: 0 },
    { name: 'parallel_workers 0, adaptive batching of 32 within 1 ms', workers: 0, batch: BATCH },
  ].map(({ name, ...more }) => ({
    name,
    start: script('serve_mlserver', { environment: 'serve-mlserver', more, ready: '/v2/health/ready' }),
  })),
  ask: (model) => ({
    path: `/v2/models/${model.name}/infer`,
    headers: JSON_TYPE,
    bodies: protocolJson(model),
  }),
  read: readProtocol,
}

const LITSERVE: Side = {
  name: 'LitServe',
  environment: 'serve-litserve',
  settings: [
    { name: 'fast queue', fast: true, batch: 0 },
    { name: 'fast queue, batches of 32 within 1 ms', fast: true, batch: BATCH },
    { name: 'without the fast queue', fast: false, batch: 0 },
  ].map(({ name, ...more }) => ({
    name,
    start: script('serve_litserve', { environment: 'serve-litserve', more, ready: '/health' }),
  })),
  ask: (model) => ({
    path: `/${model.name}`,
    headers: JSON_TYPE,
    bodies: isLarge(model)
      ? jsonBodies(model, (row) => ({
          inputs: [{ shape: [1, ...model.shape], base64: bytesOf(row).toString('base64') }],
        }))
      : protocolJson(model),
  }),
  read: readProtocol,
  protocol: 'bodies of the protocol, base64 in JSON for conv',
}

const BENTOML: Side = {
  name: 'BentoML',
  environment: 'serve-bentoml',
  settings: [
    { name: 'one worker', batch: 0 },
    { name: 'one worker, adaptive batching of 32', batch: BATCH },
  ].map(({ name, batch }) => ({
    name,
    start: ({ folder, port }) => ({
      command: binOf('serve-bentoml', 'bentoml'),
      args: ['serve', 'serve_bentoml:Models', '-p', String(port), '--host', '127.0.0.1'],
      cwd: at('../peers/'),
      env: {
        ...ONE_THREAD,
        BENTOML_DO_NOT_TRACK: 'True',
        SERVE_ARGUMENTS: JSON.stringify({ folder, port, batch }),
      },
      readyUrl: `http://127.0.0.1:${port}/readyz`,
    }),
  })),
  ask: (model) => ({
    path: `/${model.name}`,
    headers: JSON_TYPE,
    bodies: jsonBodies(model, (row) => ({ x: nested(numbersOf(row), [1, ...model.shape]) })),
  }),
  read: (answer) => (JSON.parse(answer.toString()) as number[][]).flat(),
  protocol: 'its own JSON, arrays nested',
}

const RAY: Side = {
  name: 'Ray Serve',
  environment: 'serve-ray',
  settings: [
    { name: 'one replica', batch: 0 },
    { name: 'one replica, batches of 32 within 1 ms', batch: BATCH },
  ].map(({ name, ...more }) => ({
    name,
    start: script('serve_ray', { environment: 'serve-ray', more, ready: '/ready' }),
  })),
  ask: (model) =>
    isLarge(model)
      ? { path: `/${model.name}`, headers: BYTES_TYPE, bodies: model.rows.map(bytesOf) }
      : { path: `/${model.name}`, headers: JSON_TYPE, bodies: protocolJson(model) },
  read: FASTAPI.read,
  protocol: FASTAPI.protocol,
}

const MLFLOW: Side = {
  name: 'MLflow',
  environment: 'serve-mlflow',
  perModel: true,
  settings: [
    {
      name: 'models serve, one worker, onnx flavour',
      start: script('serve_mlflow', { environment: 'serve-mlflow', ready: '/ping' }),
    },
  ],
  ask: (model) => ({
    path: '/invocations',
    headers: JSON_TYPE,
    bodies: jsonBodies(model, (row) => ({ inputs: { x: nested(numbersOf(row), [1, ...model.shape]) } })),
  }),
  read: (answer) => {
    const { predictions } = JSON.parse(answer.toString()) as { predictions: Record<string, number[][]> }
    return (Object.values(predictions).at(-1) ?? []).flat()
  },
  protocol: 'its own JSON, arrays nested',
}

function nested(values: readonly number[], shape: readonly number[]): unknown {
  if (shape.length <= 1) return values
  const size = values.length / shape[0]
  return Array.from({ length: shape[0] }, (_, i) =>
    nested(values.slice(i * size, (i + 1) * size), shape.slice(1)),
  )
}

/** The floor: what Node costs without a server around it. */
const BY_HAND: Side = {
  name: 'Node by hand',
  settings: [
    {
      name: 'node:http, requests of a moment in one call, nothing else',
      start: ({ folder, port }) => ({
        command: process.execPath,
        args: [at('by-hand.mjs'), folder, String(port)],
        readyUrl: `http://127.0.0.1:${port}/`,
      }),
    },
  ],
  ask: MLSERVER.ask,
  read: readProtocol,
}

/** `node:http` that reads the same bodies and computes nothing: no server of Node answers sooner. */
export const NODE_ALONE: Side = {
  ...BY_HAND,
  name: 'node:http alone',
  ask: (model) => ({ ...BY_HAND.ask(model), path: '/nothing' }),
}

export const PEERS: readonly Side[] = [BY_HAND, FASTAPI, MLSERVER, LITSERVE, BENTOML, RAY, MLFLOW]
