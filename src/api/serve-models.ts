/** Models of others served from where they lie, over HTTP and gRPC, with what runs them. */
import { availableParallelism, totalmem } from 'node:os'
import type { MillraceError } from '../core/errors.ts'
import { type Onnx, openOnnx } from '../engine/infer/onnx.ts'
import { Access } from '../serve/access/access.ts'
import { followTokenFile } from '../serve/access/token-file.ts'
import { createModelServer, type ModelServer } from '../serve/models/model-server.ts'
import { TlsFiles, type TlsPaths } from '../serve/tls.ts'

export interface ServeModelsOptions {
  /** A model file, a model's folder, or a folder of models. */
  path: string
  /** Default 127.0.0.1. Other than loopback needs a token. */
  host?: string
  /** Default 8080; 0 takes any free one. */
  port?: number
  /** Port for gRPC, 0 for any free one. Default: no gRPC. */
  grpcPort?: number
  token?: string
  /** File of tokens with scopes and limits; read again when it changes. */
  tokensFile?: string
  /** Certificate, key and authority of clients: paths of PEM files. */
  tls?: TlsPaths
  /** What is told of a file that cannot be read again. Default: standard error. */
  onFault?: (error: Error) => void
  /** Threads that run ONNX. Default: one a core. */
  threads?: number
  /** Memory that loaded models may take, as measured. Default: half of what this machine, or its container, has. */
  memoryMb?: number
  /** Time within which an answer is of use: what would take longer is refused at once. */
  latencyMs?: number
  /** Rows of one batch at most. Default: what the model says, else 256. */
  batchRowsMax?: number
  /** Largest request, also unpacked and over gRPC. Default 32. */
  bodyMb?: number
}

export interface ServedModels {
  address: string
  /** `host:port`, where gRPC was asked for. */
  grpcAddress?: string
  backend: ModelServer['backend']
  /** Loads the models that there are, as far as the memory goes; without it each is loaded when it is first asked for. */
  load(onLoaded?: (model: string, error?: MillraceError) => void): Promise<void>
  /** Whether every model that was found can answer. */
  ready(): boolean
  /** Takes no new requests, answers those under way, ends the threads. */
  close(): Promise<void>
}

const MB = 1024 * 1024
const CLOCK = { now: () => Date.now() }

/** A container's limit counts where there is one. */
function halfOfMemoryMb(): number {
  const bytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  return Math.max(64, Math.floor(bytes / 2 / MB))
}

const printFault = (error: Error): void => void process.stderr.write(`${error.message}\n`)

/** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME, MR_SERVE_TOKEN_NEEDED, MR_ACCESS_FILE, MR_PORT_TAKEN. */
export async function serveModels(options: ServeModelsOptions): Promise<ServedModels> {
  const {
    threads = availableParallelism(),
    memoryMb = halfOfMemoryMb(),
    bodyMb,
    grpcPort,
    tokensFile,
    tls: tlsPaths,
    onFault,
    ...rest
  } = options
  const tell = onFault ?? printFault
  const tls = tlsPaths && new TlsFiles(tlsPaths, { onFault: tell })
  const access = new Access({ token: rest.token, isClosed: tokensFile !== undefined })
  const unfollow =
    tokensFile === undefined
      ? undefined
      : followTokenFile(access, tokensFile, { now: Date.now, onFault: tell })
  let pool: Promise<Onnx> | undefined
  let opened: Onnx | undefined
  const server = createModelServer({
    ...rest,
    access,
    tls,
    threads,
    clock: CLOCK,
    limits: {
      modelCacheBytesMax: memoryMb * MB,
      ...(bodyMb !== undefined && { bodyBytesMax: bodyMb * MB }),
    },
    infer: () => {
      pool ??= openOnnx({ workers: threads, memoryMb: memoryMb * threads }).then((onnx) => {
        opened = onnx
        return onnx
      })
      return pool
    },
    threadProblems: () => opened?.problems() ?? [],
  })
  const grpc = grpcPort === undefined ? undefined : server.grpc(grpcPort)
  const close = async () => {
    unfollow?.()
    tls?.stop()
    await Promise.all([server.close(), grpc?.close()])
    await (await pool?.catch(() => undefined))?.close()
  }
  try {
    const address = await server.listen()
    const grpcAddress = await grpc?.listen()
    const { backend, ready } = server
    return {
      address,
      grpcAddress,
      backend,
      ready,
      load: (onLoaded) => backend.shelf.loadAll(onLoaded),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
