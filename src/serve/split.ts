/** The split of traffic: which route answers a key. Pure, so that anyone can recompute who was asked what. */
import type { Release, Route } from '../core/records.ts'
import { mix32 } from '../core/rng.ts'

const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Where a key falls in [0, 1) under a salt: FNV-1a over the UTF-16 units of salt, a separator and key, then a full-avalanche mix,
 * divided by 2^32. The same key falls independently under another salt.
 */
export function splitPoint(salt: string, key: string): number {
  return mix32(fnv(fnv(fnv(FNV_OFFSET, salt), '\u0000'), key)) / 2 ** 32
}

function fnv(state: number, text: string): number {
  let hash = state
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME)
  return hash
}

/** Routes that answer, in the order of the release; shadows and weightless ones do not. */
export function answeringRoutes<R extends Route>(routes: readonly R[]): R[] {
  return routes.filter((route) => route.role !== 'shadow' && route.weight > 0)
}

/**
 * The route that answers a key: the first whose cumulative weight exceeds the key's point. Weights are taken relative to their sum.
 * Undefined when no route answers.
 */
export function pickRoute<R extends Route>(
  release: Pick<Release, 'salt'>,
  routes: readonly R[],
  key: string,
): R | undefined {
  const answering = answeringRoutes(routes)
  if (answering.length <= 1) return answering[0]
  const total = answering.reduce((sum, route) => sum + route.weight, 0)
  const point = splitPoint(release.salt, key) * total
  let reached = 0
  for (const route of answering) {
    reached += route.weight
    if (reached > point) return route
  }
  return answering.at(-1)
}
