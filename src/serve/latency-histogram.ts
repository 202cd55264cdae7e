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

/** Values that are kept as they came: of thousands of models most were asked a few times, and a row of buckets takes as much as all else that is kept of such a one. */
const FEW = 24

export class LatencyHistogram {
  /** Buckets of the first values, until they are too many. */
  #few: number[] | undefined
  #counts: Uint32Array | undefined
  total = 0

  add(ms: number, times = 1): void {
    const bucket = bucketOf(Math.min(2 ** 31, Math.max(0, ms * 1000)))
    this.total += times
    if (!this.#counts && times === 1 && this.total <= FEW) {
      this.#few ??= []
      this.#few.push(bucket)
    } else this.#all()[bucket] += times
  }

  merge(other: LatencyHistogram): void {
    if (other.total === 0) return
    const own = this.#all()
    for (const bucket of other.#few ?? []) own[bucket]++
    const from = other.#counts
    if (from) for (let b = 0; b < BUCKETS; b++) own[b] += from[b]
    this.total += other.total
  }

  clear(): void {
    if (this.total > 0) this.#counts?.fill(0)
    this.#few = undefined
    this.total = 0
  }

  /** Middle of the bucket that holds the value of rank ⌈share · n⌉, in milliseconds; null when empty. */
  quantileMs(share: number): number | null {
    if (this.total === 0) return null
    const rank = Math.max(1, Math.ceil(share * this.total))
    const few = this.#few
    if (few) return middleMs([...few].sort((a, b) => a - b)[Math.min(rank, few.length) - 1])
    const counts = this.#all()
    let seen = 0
    for (let b = 0; b < BUCKETS; b++) {
      seen += counts[b]
      if (seen >= rank) return middleMs(b)
    }
    return lowOf(BUCKETS - 1) / 1000
  }

  /** Every bucket, with what was kept as it came. */
  #all(): Uint32Array {
    this.#counts ??= new Uint32Array(BUCKETS)
    for (const bucket of this.#few ?? []) this.#counts[bucket]++
    this.#few = undefined
    return this.#counts
  }
}

const middleMs = (bucket: number): number => (lowOf(bucket) + lowOf(bucket + 1)) / 2 / 1000
