/** What was answered before, by a key that says all that it depends on: within limits of bytes, entries and time. What was used longest ago leaves first. */
import type { Gauge } from './metrics.ts'

export interface CacheLimits {
  bytesMax: number
  entriesMax: number
  ttlMs: number
}

/** 64 MB, a million entries, an hour. */
export const CACHE_LIMITS: CacheLimits = {
  bytesMax: 64 * 1024 * 1024,
  entriesMax: 1_000_000,
  ttlMs: 3_600_000,
}

interface Entry<V> {
  value: V
  bytes: number
  untilMs: number
}

/** What an entry takes beside its numbers: key, objects and its place in the map. */
const ENTRY_BYTES = 240

export class KeptAnswers<V> {
  readonly #limits: CacheLimits
  readonly #now: () => number
  readonly #entries = new Map<string, Entry<V>>()
  #bytes = 0
  hits = 0
  misses = 0
  evictions = 0

  /** `now` is a clock that only goes forward, in milliseconds. */
  constructor(limits: Partial<CacheLimits> = {}, now: () => number = () => performance.now()) {
    this.#limits = { ...CACHE_LIMITS, ...limits }
    this.#now = now
  }

  get bytes(): number {
    return this.#bytes
  }

  get entries(): number {
    return this.#entries.size
  }

  find(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry) this.#remove(key, entry)
    if (!entry || entry.untilMs <= this.#now()) {
      this.misses++
      return undefined
    }
    this.#put(key, entry)
    this.hits++
    return entry.value
  }

  /** `bytes`: what the value takes. */
  keep(key: string, value: V, bytes: number): void {
    const before = this.#entries.get(key)
    if (before) this.#remove(key, before)
    this.#put(key, { value, bytes: bytes + ENTRY_BYTES, untilMs: this.#now() + this.#limits.ttlMs })
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#limits.bytesMax && this.#entries.size <= this.#limits.entriesMax) return
      this.#remove(oldest, entry)
      this.evictions++
    }
  }

  /** What `/metrics` says of it; `of` is what it is counted by. */
  gauges(of: string): Gauge[] {
    const gauge = (name: string, type: Gauge['type'], help: string, value: () => number): Gauge => ({
      name: `millrace_response_cache_${name}`,
      ...{ type, help, value },
    })
    return [
      gauge('hits_total', 'counter', `${of} answered from what was kept.`, () => this.hits),
      gauge('misses_total', 'counter', `${of} that were not kept.`, () => this.misses),
      gauge('evictions_total', 'counter', 'Answers let go for room.', () => this.evictions),
      gauge('bytes', 'gauge', 'Bytes of answers kept.', () => this.bytes),
      gauge('entries', 'gauge', 'Answers kept.', () => this.entries),
    ]
  }

  #put(key: string, entry: Entry<V>): void {
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
  }

  #remove(key: string, entry: Entry<V>): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}
