/** A server of models with what runs them, which does not listen yet. */
import type { Socket } from 'node:net'
import { availableParallelism, totalmem } from 'node:os'
import { type Onnx, openOnnx } from '../engine/infer/onnx.ts'
import type { Found } from '../model/repository/found.ts'
import { Access } from '../serve/access/access.ts'
import { followTokenFile } from '../serve/access/token-file.ts'
import type { GrpcServer } from '../serve/grpc/server.ts'
import { createModelServer, type ModelServer } from '../serve/models/model-server.ts'
import type { Siblings } from '../serve/models/siblings.ts'
import { readHosts, selfAmong } from '../serve/placement/hosts.ts'
import { Placement } from '../serve/placement/placement.ts'
import { TlsFiles } from '../serve/tls.ts'
import { Tracer } from '../serve/trace/tracer.ts'
import type { ServeModelsOptions } from './serve-options.ts'

export interface BuiltModels {
  server: ModelServer
  access: Access
  /** Where models are placed on several hosts. */
  placement?: Placement
  grpc?: GrpcServer
  /** Instead of listening: gives what takes connections that another process accepted. */
  adopt(): Promise<{ http: (socket: Socket) => void; grpc?: (socket: Socket) => void }>
  /** Takes no new requests, answers those under way, ends the threads. */
  close(): Promise<void>
}

const MB = 1024 * 1024
const CLOCK = { now: () => Date.now() }

/** A container's limit counts where there is one. */
export function halfOfMemoryMb(): number {
  const bytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  return Math.max(64, Math.floor(bytes / 2 / MB))
}

/** One may end, and its models are still at hand. */
const OWNERS = 2

function placementOf({
  hosts: list,
  join,
  self = '',
  owners = OWNERS,
}: Pick<ServeModelsOptions, 'hosts' | 'join' | 'self' | 'owners'>): Placement | undefined {
  // until others are heard of this host answers for everything
  if (join !== undefined) return new Placement({ hosts: [{ address: self, weight: 1 }], self, owners })
  if (list === undefined) return undefined
  const hosts = readHosts(list)
  return new Placement({ hosts, self: selfAmong(hosts, self), owners })
}

/** To standard error. */
export const printFault = (error: Error): void => void process.stderr.write(`${error.message}\n`)

/** Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME, MR_SERVE_TOKEN_NEEDED, MR_ACCESS_FILE, MR_TLS_FILE. */
export function buildModels(
  options: ServeModelsOptions & { found?: Found; ratePart?: number },
  siblings?: Siblings,
): BuiltModels {
  const {
    threads = availableParallelism(),
    memoryMb = halfOfMemoryMb(),
    bodyMb,
    cacheMb,
    grpcPort,
    tokensFile,
    tls: tlsPaths,
    tenants,
    trace,
    onFault = printFault,
    ...rest
  } = options
  const placement = placementOf(options)
  const tls = tlsPaths && new TlsFiles(tlsPaths, { onFault })
  const tracer = trace && new Tracer({ ...trace, onFault })
  const { access, unfollow } = accessOf({ ...options, onFault })
  let pool: Promise<Onnx> | undefined
  let opened: Onnx | undefined
  const server = createModelServer({
    ...rest,
    access,
    tls,
    tracer,
    threads,
    siblings,
    placement,
    ...(tenants && { tenantOf: (model: string) => model.slice(0, Math.max(0, model.indexOf(tenants))) }),
    clock: CLOCK,
    ...(cacheMb !== undefined && { responseCache: { bytesMax: cacheMb * MB } }),
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
  return {
    server,
    access,
    placement,
    grpc,
    adopt: async () => ({ http: await server.adopt(), ...(grpc && { grpc: grpc.adopt }) }),
    close: async () => {
      unfollow?.()
      tls?.stop()
      await Promise.all([server.close(), grpc?.close()])
      await tracer?.close()
      await (await pool?.catch(() => undefined))?.close()
    },
  }
}

/** Who may ask, by the one token or by those of a file, which is followed until `unfollow`. Errors: MR_ACCESS_FILE. */
function accessOf({
  token,
  tokensFile,
  ratePart,
  onFault,
}: Pick<ServeModelsOptions, 'token' | 'tokensFile'> & {
  ratePart?: number
  onFault: (error: Error) => void
}): { access: Access; unfollow?: () => void } {
  const access = new Access({ token, ratePart, isClosed: tokensFile !== undefined })
  if (tokensFile === undefined) return { access }
  return { access, unfollow: followTokenFile(access, tokensFile, { now: Date.now, onFault }) }
}
