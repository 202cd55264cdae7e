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

/** What is held of an item while counting; `block` is the last block that counted it. */
interface Held {
  count: number
  error: number
  block: number
}

/** A working copy: takes items fast, gives `FrequentItems` back. Numbers are items too, under their text. */
export class FrequentCounter {
  readonly capacity: number
  #n = 0
  #floor = 0
  #blocks = 0
  #held = new Map<string | number, Held>()

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
    this.#hold(item, count)
  }

  #hold(item: string | number, count: number): void {
    this.#held.set(item, { count: this.#floor + count, error: this.#floor, block: this.#blocks })
    if (this.#held.size >= 2 * this.capacity) this.#evict()
  }

  /**
   * Takes a block of `n` rows whose values were counted together: the items that occurred more than `floor` times in it, each once. Any other may have occurred
   * `floor` times, which `blockFloor` keeps at most `n / (capacity + 1)`. Cost: O(items), and O(capacity) where `floor` is above 0.
   */
  addBlock(n: number, items: readonly (string | number)[], counts: ArrayLike<number>, floor: number): void {
    this.#n += n
    const block = ++this.#blocks
    const before = this.#floor
    for (let i = 0; i < items.length; i++) {
      const held = this.#held.get(items[i])
      if (held === undefined) {
        this.#held.set(items[i], { count: before + counts[i], error: before, block })
      } else {
        held.count += counts[i]
        held.block = block
      }
    }
    this.#floor += floor
    if (floor > 0) this.#passOver(block, floor)
    if (this.#held.size >= 2 * this.capacity) this.#evict()
  }

  /** Items that a block did not count may have been among its rare ones. */
  #passOver(block: number, floor: number): void {
    for (const held of this.#held.values()) {
      if (held.block === block) continue
      held.count += floor
      held.error += floor
    }
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
    const block = ++this.#blocks
    const before = this.#floor
    for (const [item, { count, error }] of Object.entries(other.items)) {
      const held = this.#held.get(item)
      if (held === undefined) {
        this.#held.set(item, { count: before + count, error: before + error, block })
      } else {
        held.count += count
        held.error += error
        held.block = block
      }
    }
    this.#n += other.n
    this.#floor += other.floor
    if (other.floor > 0) this.#passOver(block, other.floor)
    if (this.#held.size >= 2 * this.capacity) this.#evict()
  }

  /** Drops items whose count is mostly error, least first, as far as the floor may rise for it: a column without frequent items keeps none. */
  #dropUnsure(): void {
    const highest = this.#n / (this.capacity + 1)
    for (const [item, { count, error }] of [...this.#held].sort(largestFirst).reverse()) {
      if (count > highest) return
      if (count >= 2 * error) continue
      this.#floor = Math.max(this.#floor, count)
      this.#held.delete(item)
    }
  }

  /** The summary, at most `capacity` items, largest first, ties by name. `sure` leaves out those of which little is known. */
  summary({ sure = false }: { sure?: boolean } = {}): FrequentItems {
    this.#evict()
    if (sure) this.#dropUnsure()
    const sorted = [...this.#held].sort(largestFirst)
    const items: FrequentItems['items'] = Object.create(null)
    for (const [item, { count, error }] of sorted) items[String(item)] = { count, error }
    return { kind: 'FrequentItems', capacity: this.capacity, n: this.#n, floor: this.#floor, items }
  }
}

function largestFirst(
  a: [string | number, { count: number }],
  b: [string | number, { count: number }],
): number {
  return b[1].count - a[1].count || (String(a[0]) < String(b[0]) ? -1 : 1)
}

/**
 * The `floor` of a block for `addBlock`: 0 where the block has at most `capacity` items, else the count of the largest one too many. Counts are whole numbers
 * from 1 to `countMax`. Cost: O(items + countMax).
 */
export function blockFloor(counts: ArrayLike<number>, nItems: number, capacity: number): number {
  if (nItems <= capacity) return 0
  let countMax = 0
  for (let i = 0; i < nItems; i++) countMax = Math.max(countMax, counts[i])
  const having = new Uint32Array(countMax + 1)
  for (let i = 0; i < nItems; i++) having[counts[i]]++
  let above = 0
  let floor = countMax
  while (above + having[floor] <= capacity) above += having[floor--]
  return floor
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
