/**
 * The frequent items of a stream in bounded memory, mergeable: SpaceSaving with evictions in batches.
 * Source: Metwally, Agrawal and El Abbadi, 2005; merging as Agarwal and others, 2012, "Mergeable summaries".
 */
import { requireRange } from './inputs.ts'

/** Plain JSON. Every item has `count - error <= true count <= count`; an item that is not held occurred at most `floor` times. */
export interface FrequentItems {
  kind: 'FrequentItems'
  /** Items kept; `floor` is at most `n / (capacity + 1)`. Up to twice as many are held between evictions. */
  capacity: number
  n: number
  floor: number
  items: Record<string, { count: number; error: number }>
}

/** One item with the bounds of its count. */
export interface FrequentItem {
  item: string
  count: number
  countMin: number
}

/** A working copy: takes items fast, gives `FrequentItems` back. */
export class FrequentCounter {
  readonly capacity: number
  #n = 0
  #floor = 0
  #held = new Map<string, { count: number; error: number }>()

  constructor(capacity = 256) {
    requireRange(Number.isInteger(capacity) && capacity >= 1, 'capacity', 'a whole number >= 1', capacity)
    this.capacity = capacity
  }

  /** Takes one item `count` times (a whole number >= 1). Cost: O(log capacity) amortised. */
  add(item: string, count = 1): void {
    requireRange(Number.isInteger(count) && count >= 1, 'count', 'a whole number >= 1', count)
    this.#n += count
    const held = this.#held.get(item)
    if (held) {
      held.count += count
      return
    }
    this.#held.set(item, { count: this.#floor + count, error: this.#floor })
    if (this.#held.size >= 2 * this.capacity) this.#evict()
  }

  /** Keeps the `capacity` largest; what goes raises the floor to the largest count that went. */
  #evict(): void {
    if (this.#held.size <= this.capacity) return
    const sorted = [...this.#held].sort(largestFirst)
    this.#floor = Math.max(this.#floor, sorted[this.capacity][1].count)
    this.#held = new Map(sorted.slice(0, this.capacity))
  }

  /** Adds a summary of other rows to this one. */
  merge(other: FrequentItems): void {
    const theirs = new Map(Object.entries(other.items))
    const merged = new Map<string, { count: number; error: number }>()
    for (const item of new Set([...this.#held.keys(), ...theirs.keys()])) {
      const a = this.#held.get(item) ?? { count: this.#floor, error: this.#floor }
      const b = theirs.get(item) ?? { count: other.floor, error: other.floor }
      merged.set(item, { count: a.count + b.count, error: a.error + b.error })
    }
    this.#held = merged
    this.#n += other.n
    this.#floor += other.floor
    this.#evict()
  }

  /** The summary, at most `capacity` items, largest first, ties by name. */
  summary(): FrequentItems {
    this.#evict()
    const sorted = [...this.#held].sort(largestFirst)
    const items: FrequentItems['items'] = Object.create(null)
    for (const [item, bounds] of sorted) items[item] = { ...bounds }
    return { kind: 'FrequentItems', capacity: this.capacity, n: this.#n, floor: this.#floor, items }
  }
}

function largestFirst(a: [string, { count: number }], b: [string, { count: number }]): number {
  return b[1].count - a[1].count || (a[0] < b[0] ? -1 : 1)
}

/** Summary of both streams with the smaller capacity; neither is changed. */
export function mergeFrequent(a: FrequentItems, b: FrequentItems): FrequentItems {
  const counter = new FrequentCounter(Math.min(a.capacity, b.capacity))
  counter.merge(a)
  counter.merge(b)
  return counter.summary()
}

/**
 * Items that may have occurred more than `share` of the time, largest first: none that did is missing (while `share >= 1 / (capacity + 1)`),
 * and those with `countMin > share·n` surely did.
 */
export function frequentItems(summary: FrequentItems, share = 0): FrequentItem[] {
  requireRange(share >= 0 && share <= 1, 'share', 'in [0, 1]', share)
  return Object.entries(summary.items)
    .map(([item, { count, error }]) => ({ item, count, countMin: count - error }))
    .filter(({ count }) => count > share * summary.n)
    .sort((a, b) => b.count - a.count || (a.item < b.item ? -1 : 1))
}
