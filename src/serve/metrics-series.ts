/** What is counted of requests, by model, version and route: found by three look-ups that make nothing, so that counting costs a request next to nothing. */

/** Upper ends of the histograms, in seconds. */
export const BOUNDS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const

/** A traced request of a bucket: the last one. */
export interface Exemplar {
  traceId: string
  seconds: number
  /** Epoch milliseconds. */
  at: number
}

/** Times in buckets. Constant memory; a time of NaN is not counted. */
export class SecondsHistogram {
  /** Of each bucket alone, the last of what is beyond all ends. */
  readonly counts: number[] = new Array<number>(BOUNDS_S.length + 1).fill(0)
  readonly exemplars: (Exemplar | undefined)[] = []
  sumS = 0
  total = 0

  add(seconds: number): void {
    if (!(seconds >= 0)) return
    this.counts[bucketOf(seconds)]++
    this.sumS += seconds
    this.total++
  }

  /** Keeps a traced request as the example of its bucket. */
  show(exemplar: Exemplar): void {
    this.exemplars[bucketOf(exemplar.seconds)] = exemplar
  }
}

function bucketOf(seconds: number): number {
  let bucket = 0
  while (bucket < BOUNDS_S.length && seconds > BOUNDS_S[bucket]) bucket++
  return bucket
}

/** Times of one answered request, in seconds. */
export interface Timing {
  requestS: number
  /** Waiting for its batch; 0 where nothing waits. */
  queueS: number
  /** Computing, of its whole batch where several were put together. */
  computeS: number
}

/** What one version of a model answered by one route. */
export class Answered {
  readonly request = new SecondsHistogram()
  readonly queue = new SecondsHistogram()
  readonly compute = new SecondsHistogram()
  rows = 0

  add(rows: number, { requestS, queueS, computeS }: Timing): void {
    this.rows += rows
    this.request.add(requestS)
    this.queue.add(queueS)
    this.compute.add(computeS)
  }
}

/** What of one model failed with one code. */
export class Failed {
  readonly request = new SecondsHistogram()
  count = 0
}

interface Entry<V> {
  value: V
  usedAt: number
}

/** A table of what is counted under two or three names. Beyond `max` the entry used longest ago leaves: names come from clients. */
export class SeriesTable<V> {
  readonly #max: number
  readonly #make: () => V
  readonly #entries = new Map<string, Map<string | number, Map<string, Entry<V>>>>()
  #size = 0
  #tick = 0

  constructor(max: number, make: () => V) {
    this.#max = max
    this.#make = make
  }

  use(a: string, b: string | number, c: string): V {
    const entry = this.#entries.get(a)?.get(b)?.get(c) ?? this.#add(a, b, c)
    entry.usedAt = ++this.#tick
    return entry.value
  }

  *entries(): Generator<[a: string, b: string, c: string, value: V]> {
    for (const [a, byB] of this.#entries)
      for (const [b, byC] of byB) for (const [c, { value }] of byC) yield [a, String(b), c, value]
  }

  #add(a: string, b: string | number, c: string): Entry<V> {
    if (this.#size >= this.#max) this.#dropOldest()
    const entry = { value: this.#make(), usedAt: 0 }
    const byB = this.#entries.get(a) ?? new Map()
    const byC = byB.get(b) ?? new Map()
    this.#entries.set(a, byB.set(b, byC.set(c, entry)))
    this.#size++
    return entry
  }

  /** Cost: one look at every entry, once a new name comes to a full table. */
  #dropOldest(): void {
    let oldest: { a: string; b: string | number; c: string; usedAt: number } | undefined
    for (const [a, byB] of this.#entries)
      for (const [b, byC] of byB)
        for (const [c, { usedAt }] of byC) if (!oldest || usedAt < oldest.usedAt) oldest = { a, b, c, usedAt }
    if (!oldest) return
    const byB = this.#entries.get(oldest.a)
    const byC = byB?.get(oldest.b)
    byC?.delete(oldest.c)
    if (byC?.size === 0) byB?.delete(oldest.b)
    if (byB?.size === 0) this.#entries.delete(oldest.a)
    this.#size--
  }
}
