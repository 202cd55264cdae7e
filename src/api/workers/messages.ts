/** What the primary process and its workers say to each other. A `connection` comes with its socket. */
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Found } from '../../model/repository/found.ts'
import type { RatePart, RateUse } from '../../serve/access/rate-bucket.ts'
import type { ModelMetadata } from '../../serve/oip/backend.ts'
import type { Host } from '../../serve/placement/rendezvous.ts'
import type { ServeModelsOptions } from '../serve-options.ts'

/** What a connection speaks. */
export type Wire = 'http' | 'grpc'

/** What a worker is made of: plain data, which a process can be sent. */
export interface WorkerOptions extends ServeModelsOptions {
  /** What it has of each token's rate at first. */
  ratePart?: number
  /** What is served, as all workers have it: folders that nobody has loaded yet are not looked at. */
  found: Found
}

/** What is asked of one worker by the primary, or of all of them by one through the primary. */
export type Ask =
  | { what: 'metrics' }
  | { what: 'metadata'; model: string }
  /** Until models take `bytesMax`, where that is said. */
  | { what: 'load-all'; bytesMax?: number }
  | { what: 'load'; model: string }
  /** A load in two steps, so that all workers change over together or none does. */
  | { what: 'prepare' | 'commit' | 'abort'; model: string }
  | { what: 'unload'; model: string }
  | { what: 'readiness' }

export interface Answers {
  metrics: string
  metadata: ModelMetadata
  'load-all': null
  load: null
  prepare: null
  commit: null
  abort: null
  unload: null
  readiness: Readiness
}

/** What keeps a process from answering. */
export interface Health {
  /** Models that cannot be served, each with why. */
  models: Record<string, string>
  threads: string[]
}

/** The health of all workers together. */
export interface Readiness extends Health {
  ready: boolean
  workers: { alive: number; wanted: number; problems: string[] }
}

export type ToWorker =
  | { type: 'start'; options: WorkerOptions }
  | { type: 'connection'; id: number; wire: Wire }
  | { type: 'ask'; seq: number; ask: Ask }
  | ({ type: 'answer'; seq: number } & Answered)
  /** Its parts of rates from now on. */
  | { type: 'rates'; parts: RatePart[] }
  /** What it places models on from now on. */
  | { type: 'hosts'; hosts: readonly Host[] }
  | { type: 'close' }

export type FromWorker =
  | { type: 'started' }
  | { type: 'failed'; error: SentError }
  | { type: 'took'; id: number }
  /** Connections that ended. */
  | { type: 'ended'; http: number; grpc: number }
  | { type: 'beat'; health: Health }
  /** What was asked of rates since it said so last. */
  | { type: 'rates'; uses: RateUse[] }
  /** One model of `load-all`. */
  | { type: 'loaded'; model: string; error?: SentError }
  | { type: 'ask'; seq: number; ask: Ask }
  | ({ type: 'answer'; seq: number } & Answered)

export type Answered = { value: unknown } | { error: SentError }

/** An error as another process can raise it again. */
export interface SentError {
  code: string
  data: object
}

export function sentError(thrown: unknown): SentError {
  if (isMillraceError(thrown)) return { code: thrown.code, data: thrown.data }
  return { code: 'MR_SERVE_WORKER', data: { why: toError(thrown).message } }
}

export function raisedError({ code, data }: SentError): MillraceError {
  return new MillraceError(code as 'MR_SERVE_WORKER', data as { why: string })
}
