/** CPU time of this process, and rounds that alternate two sides so that a noisy machine is noisy for both. */

export interface Spent {
  /** Seconds of CPU of all threads of this process. */
  cpu: number
  /** Seconds on the wall. */
  wall: number
}

/** Runs `work` after a collection of garbage (when `--expose-gc` is on) and says what it took. */
export async function spentOn<T>(work: () => T | Promise<T>): Promise<Spent & { result: T }> {
  globalThis.gc?.()
  const cpuBegun = process.cpuUsage()
  const wallBegun = performance.now()
  const result = await work()
  const { user, system } = process.cpuUsage(cpuBegun)
  return { cpu: (user + system) / 1e6, wall: (performance.now() - wallBegun) / 1000, result }
}

/** CPU seconds a call of `work`, from the fastest of `rounds` rounds of `calls` calls, after one round to warm up. */
export function cpuPerCall(
  work: () => void,
  { calls, rounds = 5 }: { calls: number; rounds?: number },
): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = -1; round < rounds; round++) {
    const begun = process.cpuUsage()
    for (let i = 0; i < calls; i++) work()
    const { user, system } = process.cpuUsage(begun)
    if (round >= 0) best = Math.min(best, (user + system) / 1e6 / calls)
  }
  return best
}

export interface Sides<A, B> {
  ours: () => Promise<A>
  theirs: () => Promise<B>
}

/**
 * `pairs` times A B B A: ours, theirs, theirs, ours. Both sides are run `2 * pairs` times; all results come back, by side. Take the one with the least CPU time by
 * `least`.
 */
export async function alternate<A, B>(
  { ours, theirs }: Sides<A, B>,
  { pairs = 1 }: { pairs?: number } = {},
): Promise<{ ours: A[]; theirs: B[] }> {
  const results: { ours: A[]; theirs: B[] } = { ours: [], theirs: [] }
  for (let pair = 0; pair < pairs; pair++) {
    results.ours.push(await ours())
    results.theirs.push(await theirs(), await theirs())
    results.ours.push(await ours())
  }
  return results
}

/** The round that took the least CPU time. */
export function least<T extends { cpu: number }>(rounds: T[]): T {
  return rounds.reduce((best, round) => (round.cpu < best.cpu ? round : best))
}
