/** How models of others are served: plain data, but for whom faults are told. */

import type { MetricAlias } from '../serve/metrics-alias.ts'
import type { TrialOf } from '../serve/models/trial.ts'
import type { TlsPaths } from '../serve/tls.ts'
import type { TraceSettings } from '../serve/trace/otel-env.ts'

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
  /** Peers under whose names `/metrics` shows its numbers too. */
  metricAliases?: readonly MetricAlias[]
  /** Where spans of requests go, and of which; see `traceSettings`. Default: nowhere. */
  trace?: TraceSettings
  /** Certificate, key and authority of clients: paths of PEM files. */
  tls?: TlsPaths
  /** What is told of a file that cannot be read again. Default, and always with several workers: standard error. */
  onFault?: (error: Error) => void
  /** Threads that run ONNX, of all workers together. Default: one a core. */
  threads?: number
  /** Memory that loaded models may take, of all workers together, as measured. Default: half of what this machine, or its container, has. */
  memoryMb?: number
  /** All hosts that serve the same models, `a:8080,b:8080=2`, the same list on each: requests go to those that own their model. */
  hosts?: string
  /** This host among them; where it joins, its address as others reach it. Default then: what it listens on. */
  self?: string
  /** A store that hosts tell of themselves in, in the place of `hosts`: requests go to those that own their model of the hosts that are there. */
  join?: string
  /** Share of this host beside the others, where it joins. Default: its memory for models in GiB. */
  weight?: number
  /** Hosts that own a model. Default 2. */
  owners?: number
  /** What ends the part of a model's name that says whose it is: tenants share memory and requests under way evenly. Default: the tenant of the token that asks. */
  tenants?: string
  /** Time within which an answer is of use: what would take longer is refused at once. */
  latencyMs?: number
  /** Rows of one batch at most. Default: what the model says, else 256. */
  batchRowsMax?: number
  /** Versions that are asked before others ask them. Default: those that would take the place of one that answers. */
  trial?: TrialOf
  /** Time that a request waits for others while a thread is free. Stated, batches have `batchRowsMax` rows, and not as many as were found to be best. */
  batchDelayMs?: number
  /** Answers are kept within so much memory, of all workers together, and what comes again is not computed again. Default: none are. */
  cacheMb?: number
  /** Largest request, also unpacked and over gRPC. Default 32. */
  bodyMb?: number
}
