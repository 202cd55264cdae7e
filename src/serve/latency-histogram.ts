/** Latencies as counts in log-linear buckets: constant memory, mergeable, quantiles within 1/16 of the true value. */

const SUB_BITS = 4
const SUB = 1 << SUB_BITS
const OCTAVES = 26

/** Buckets of `LatencyHistogram`. Values from 1 µs to about 18 minutes fall in their own bucket; beyond, in the last. */
export const BUCKETS = SUB * (OCTAVES + 1)

/** The bucket of a time in microseconds: exact below 16, then 16 buckets an octave. */
export function bucketOf(us: number): number {
  const value = us >>> 0
  if (value < SUB) return value
  const octave = 31 - Math.clz32(value) - SUB_BITS
  return Math.min(BUCKETS - 1, SUB + octave * SUB + ((value >>> octave) - SUB))
}

/** Lower end of a bucket in microseconds; the bucket is `[lowOf(b), lowOf(b + 1))`. */
export function lowOf(bucket: number): number {
  if (bucket < SUB) return bucket
  const octave = Math.floor((bucket - SUB) / SUB)
  return (SUB + ((bucket - SUB) % SUB)) * 2 ** octave
}

export class LatencyHistogram {
  /** Made with the first time: of thousands of models most have histograms of nothing. */
  #counts: Uint32Array | undefined
  total = 0

  add(ms: number, times = 1): void {
    this.#counts ??= new Uint32Array(BUCKETS)
    this.#counts[bucketOf(Math.min(2 ** 31, Math.max(0, ms * 1000)))] += times
    this.total += times
  }

  merge(other: LatencyHistogram): void {
    const from = other.#counts
    if (!from || other.total === 0) return
    this.#counts ??= new Uint32Array(BUCKETS)
    for (let b = 0; b < BUCKETS; b++) this.#counts[b] += from[b]
    this.total += other.total
  }

  clear(): void {
    if (this.total > 0) this.#counts?.fill(0)
    this.total = 0
  }

  /** Middle of the bucket that holds the value of rank ⌈share · n⌉, in milliseconds; null when empty. */
  quantileMs(share: number): number | null {
    const counts = this.#counts
    if (this.total === 0 || !counts) return null
    const rank = Math.max(1, Math.ceil(share * this.total))
    let seen = 0
    for (let b = 0; b < BUCKETS; b++) {
      seen += counts[b]
      if (seen >= rank) return (lowOf(b) + lowOf(b + 1)) / 2 / 1000
    }
    return lowOf(BUCKETS - 1) / 1000
  }
}
