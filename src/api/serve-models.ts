/** Models of others served from where they lie, over HTTP and gRPC, by one process or several. */
import type { MillraceError } from '../core/errors.ts'
import type { FoundModel, RefusedModel } from '../model/repository/found.ts'
import type { ModelServer } from '../serve/models/model-server.ts'
import type { ModelMetadata } from '../serve/oip/backend.ts'
import { buildModels, halfOfMemoryMb, printFault } from './build-models.ts'
import { type Joined, type JoinOptions, joinHosts, selfOf } from './join-hosts.ts'
import type { ServeModelsOptions } from './serve-options.ts'
import { sharesOf } from './workers/shares.ts'

export type { ServeModelsOptions } from './serve-options.ts'

/** What serves models, be it one process or several. */
export interface Served {
  address: string
  /** `host:port`, where gRPC was asked for. */
  grpcAddress?: string
  found: readonly FoundModel[]
  refused: readonly RefusedModel[]
  /** What a model takes and gives. */
  metadata(model: string): Promise<ModelMetadata>
  /** Loads the models that there are, as far as the memory goes; without it each is loaded when it is first asked for. */
  load(onLoaded?: (model: string, error?: MillraceError) => void): Promise<void>
  /** Whether every model that was found can answer. */
  ready(): boolean
  /** Takes no new requests, answers those under way, ends the threads. */
  close(): Promise<void>
}

export interface ServedModels extends Served {
  backend: ModelServer['backend']
}

/** Serves by this process alone. Errors: MR_REPOSITORY_PATH, MR_REPOSITORY_EMPTY, MR_REPOSITORY_NAME, MR_SERVE_TOKEN_NEEDED, MR_ACCESS_FILE, MR_PORT_TAKEN. */
export async function serveModels(options: ServeModelsOptions): Promise<ServedModels> {
  const { server, grpc, placement, close } = buildModels(options)
  let joined: Joined | undefined
  const leave = async () => {
    try {
      await joined?.leave()
    } finally {
      await close()
    }
  }
  try {
    const address = await server.listen()
    const grpcAddress = await grpc?.listen()
    if (placement && options.join !== undefined) {
      placement.self = selfOf(options, new URL(address).host)
      joined = await joinHosts(joinOf(options, placement.self, (hosts) => placement.replace(hosts)))
    }
    const { backend, ready } = server
    return {
      address,
      grpcAddress,
      get found() {
        return backend.shelf.found
      },
      get refused() {
        return backend.shelf.refused
      },
      backend,
      ready,
      metadata: (model) => backend.metadata(model),
      load: (onLoaded) => backend.shelf.loadAll(onLoaded),
      close: leave,
    }
  } catch (error) {
    await leave()
    throw error
  }
}

export interface ServedByWorkers extends Served {
  /** Process ids of the workers that there are now. */
  pids(): number[]
}

/**
 * Serves by several processes that share the port, the threads and the memory. One that ends is replaced; `/metrics`, `/readyz` and loading by name are of all together.
 * Errors: those of `serveModels`.
 */
export async function serveByWorkers(
  options: ServeModelsOptions & { workers: number },
): Promise<ServedByWorkers> {
  const { Primary } = await import('./workers/primary.ts')
  const { threads: _, memoryMb: __, onFault: ___, ...rest } = options
  const shares = sharesOf(options)
  const primary = new Primary({ ...rest, share: (worker) => shares[worker] })
  let joined: Joined | undefined
  const leave = async () => {
    try {
      await joined?.leave()
    } finally {
      await primary.close()
    }
  }
  try {
    const addresses = await primary.listen()
    if (primary.self !== undefined && options.join !== undefined)
      joined = await joinHosts(joinOf(options, primary.self, (hosts) => primary.replaceHosts(hosts)))
    return {
      ...addresses,
      get found() {
        return primary.found.models
      },
      get refused() {
        return primary.found.refused
      },
      metadata: (model) => primary.metadata(model),
      load: (onLoaded) => primary.load(onLoaded),
      ready: () => primary.readiness().ready,
      pids: () => primary.pids(),
      close: leave,
    }
  } catch (error) {
    await leave()
    throw error
  }
}

/** How this host tells of itself: its weight is its memory, unless that is said. */
function joinOf(
  {
    join = '',
    memoryMb = halfOfMemoryMb(),
    weight = memoryMb / 1_024,
    onFault = printFault,
  }: ServeModelsOptions,
  self: string,
  onHosts: JoinOptions['onHosts'],
): JoinOptions {
  return {
    store: join,
    clock: { now: () => Date.now() },
    self: { address: self, weight, memoryMb },
    onHosts,
    onFault,
  }
}
