/** Draws whose chance falls with rank as `1 / rank`: how models of a fleet are asked for. */
import type { seededRng } from '../../dist/core/rng.js'

/** Ranks from 0, of `n`. */
export function zipf(n: number, rng: ReturnType<typeof seededRng>): () => number {
  const cumulative = new Float64Array(n)
  let sum = 0
  for (let rank = 0; rank < n; rank++) {
    sum += 1 / (rank + 1)
    cumulative[rank] = sum
  }
  return () => {
    const u = rng.next() * sum
    let [low, high] = [0, n - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulative[middle] < u) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Share of asks that a cache of some bytes, least recently used out first, finds; from the ask `from` on. */
export function lruHits(
  asks: readonly number[],
  bytesOf: (item: number) => number,
  bytesMax: number,
  from: number,
): number {
  const held = new Map<number, number>()
  let [bytes, hits] = [0, 0]
  asks.forEach((item, at) => {
    const known = held.get(item)
    const size = known ?? bytesOf(item)
    if (known === undefined) bytes += size
    else {
      hits += Number(at >= from)
      held.delete(item)
    }
    held.set(item, size)
    for (const [oldest, of] of held) {
      if (bytes <= bytesMax) break
      held.delete(oldest)
      bytes -= of
    }
  })
  return hits / (asks.length - from)
}
