/** A fleet whose memory is full before anything is measured: a model that is loaded for the first time is no leak, and no cold request of a server that has run for days. */
import { openLoop } from './open-loop.ts'
import type { Served } from './served.ts'

const MB = 1024 * 1024
const ROUNDS_MAX = 100
const ROUND_S = 5
const FULL = 0.97
/** How often each place is taken anew until what an allocator keeps between blocks of different sizes has come to rest: over 13,000 loads it grew with the first 5,000, of 1,360 held. */
const TURNS = 6

/** Asks until models take all the memory that they may, or all are held; at most each model a few times. */
export async function fill(
  server: Served,
  draw: () => number,
  { rate, memoryBytes, models }: { rate: number; memoryBytes: number; models: number },
): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    await openLoop(server, rate, ROUND_S, draw)
    const bytes = await server.metric('millrace_models_memory_bytes')
    console.error(`  filling: ${Math.round(bytes / MB)} MB held`)
    if (bytes > FULL * memoryBytes || (await server.metric('millrace_models_loaded')) === models) return
  }
}

/** Asks for models of any rank, until each place in memory was taken several times. */
export async function settle(server: Served, draw: () => number, { rate }: { rate: number }): Promise<void> {
  const loads = () => server.metric('millrace_models_loads_total')
  const enough = (await loads()) + TURNS * (await server.metric('millrace_models_loaded'))
  for (let round = 0; round < ROUNDS_MAX && (await loads()) < enough; round++)
    await openLoop(server, rate, ROUND_S, draw)
  console.error(`  settled: ${Math.round(server.rss().now / MB)} MB`)
}
