/** The small numbers that only a running server knows. Views take them as an argument, so that a command can print the same views without one. */
import type { Jobs } from '../../engine/ports.ts'
import type { CostCurve } from '../../serve/models/cost-curve.ts'
import type { LiveNumbers } from '../../serve/serve-stats.ts'

/** Numbers of one version. The 90th percentile is there where it is counted. */
export type VersionNumbers = LiveNumbers & { latencyMsP90?: number | null }

export interface LiveSource {
  /** Numbers of the last seconds over all models. */
  total(): LiveNumbers
  /** The same by version of a model that was asked lately. */
  versions(model: string): Map<number, VersionNumbers>
  /** What scoring of a model costs by rows, where it was asked. */
  cost?(model: string): CostCurve | undefined
  workers: Jobs['workers']
  startedAt: number
  /** Where clients reach the server, e.g. `http://127.0.0.1:8080`. */
  address: string
  /** What runs the ports, by name: `query: DuckDB 1.5.5`. */
  engines?: Record<string, string>
}

const SILENT: LiveNumbers = {
  requestsPerSecond: 0,
  predictionsPerSecond: 0,
  latencyMsP50: null,
  latencyMsP99: null,
}

/** What a command that serves nothing passes. */
export function notServing(workers: Jobs['workers'], startedAt: number, address = ''): LiveSource {
  return { total: () => SILENT, versions: () => new Map(), workers, startedAt, address }
}

/** Requests a second over all versions of a model, and the latencies of the one that is live. */
export function trafficOf(
  live: LiveSource,
  model: string,
  version: number | null,
): {
  requestsPerSecond: number
  rowsPerSecond: number
  latencyMs: { p50: number; p90: number | null; p99: number } | null
} {
  const versions = live.versions(model)
  const requestsPerSecond = [...versions.values()].reduce((sum, v) => sum + v.requestsPerSecond, 0)
  const rowsPerSecond = [...versions.values()].reduce((sum, v) => sum + v.predictionsPerSecond, 0)
  const own = version === null ? undefined : versions.get(version)
  if (own?.latencyMsP50 == null || own.latencyMsP99 == null)
    return { requestsPerSecond, rowsPerSecond, latencyMs: null }
  const [p50, p99] = [own.latencyMsP50, own.latencyMsP99]
  return { requestsPerSecond, rowsPerSecond, latencyMs: { p50, p90: own.latencyMsP90 ?? null, p99 } }
}
