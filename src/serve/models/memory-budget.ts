/**
 * Who holds how much of a budget of bytes, and who leaves for whom.
 *
 * Memory is shared by tenants: where several hold or want some, each may have an equal share, and what one does not use the others may. A tenant beyond its share gives
 * way first, the one that is furthest beyond it before the others. Of its holders the one that is used least leaves, for the bytes it takes; never one in use.
 */

export interface Holder {
  readonly name: string
  readonly tenant: string
  /** Bytes that it holds; changed through the budget alone. */
  bytes: number
  /** How much it is used; see `use-score.ts`. */
  readonly score: number
  /** Whether it is in use now, so that it cannot leave. */
  readonly isBusy: boolean
}

/** What there is no room for: how much is missing though all that could leave would, and who is in the way. */
export interface NoRoom<H extends Holder> {
  needBytes: number
  freeBytes: number
  /** Those that would have to leave, largest first. */
  inTheWay: H[]
}

/** A load costs as much as reading this many bytes, beside its own: small ones are worth more for a byte than large ones. */
const LOAD_BYTES = 32 * 1024

export class MemoryBudget<H extends Holder> {
  readonly bytesMax: number
  readonly #holders = new Set<H>()
  readonly #byTenant = new Map<string, number>()
  readonly #wanted = new Map<string, number>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  /** Held and promised. */
  get bytes(): number {
    return this.#bytes
  }

  get holders(): number {
    return this.#holders.size
  }

  bytesOf(tenant: string): number {
    return this.#byTenant.get(tenant) ?? 0
  }

  /** Bytes that a tenant may have when all that hold or want some now do. */
  share(tenant: string): number {
    const others = new Set([...this.#byTenant.keys(), ...this.#wanted.keys(), tenant])
    return this.bytesMax / others.size
  }

  /** The holder has so many bytes from now on; 0: it holds nothing. */
  hold(holder: H, bytes: number): void {
    this.#count(holder.tenant, bytes - holder.bytes)
    holder.bytes = bytes
    if (bytes > 0) this.#holders.add(holder)
    else this.#holders.delete(holder)
  }

  /** A tenant wants memory, which counts when shares are told, until what this gives is called. */
  want(tenant: string): () => void {
    this.#wanted.set(tenant, (this.#wanted.get(tenant) ?? 0) + 1)
    return () => {
      const left = (this.#wanted.get(tenant) ?? 1) - 1
      if (left === 0) this.#wanted.delete(tenant)
      else this.#wanted.set(tenant, left)
    }
  }

  /** Who leaves so that `holder` can have `needBytes` in all: none where there is room. Cost: O(holders) for each that leaves. */
  leavers(holder: H, needBytes: number): H[] | NoRoom<H> {
    const leaving = new Set<H>()
    const left = new Map(this.#byTenant)
    left.set(holder.tenant, (left.get(holder.tenant) ?? 0) + needBytes - holder.bytes)
    let over = this.#bytes + needBytes - holder.bytes - this.bytesMax
    while (over > 0) {
      const next = this.#least(holder, leaving, left)
      if (!next) return this.#noRoom(holder, needBytes)
      leaving.add(next)
      left.set(next.tenant, (left.get(next.tenant) ?? 0) - next.bytes)
      over -= next.bytes
    }
    return [...leaving]
  }

  /** Who would leave next for `holder`, if anyone can. */
  leaver(holder: H): H | undefined {
    const left = new Map(this.#byTenant)
    left.set(holder.tenant, Number.POSITIVE_INFINITY)
    return this.#least(holder, new Set(), left)
  }

  /** The least used of the tenant that is furthest beyond its share. */
  #least(holder: H, leaving: ReadonlySet<H>, left: ReadonlyMap<string, number>): H | undefined {
    const share = this.share(holder.tenant)
    const least = new Map<string, { one: H; worth: number }>()
    for (const one of this.#holders) {
      if (one === holder || one.isBusy || leaving.has(one)) continue
      const worth = worthOf(one)
      const found = least.get(one.tenant)
      if (!found || worth < found.worth) least.set(one.tenant, { one, worth })
    }
    const beyond = [...left].filter(([tenant, bytes]) => bytes > share && least.has(tenant))
    const [furthest] = beyond.sort(([, a], [, b]) => b - a)
    return furthest && least.get(furthest[0])?.one
  }

  #noRoom(holder: H, needBytes: number): NoRoom<H> {
    const inTheWay = [...this.#holders].filter((one) => one !== holder && one.isBusy)
    const freeBytes = this.bytesMax - this.#bytes + holder.bytes
    return { needBytes, freeBytes, inTheWay: inTheWay.sort((a, b) => b.bytes - a.bytes) }
  }

  #count(tenant: string, bytes: number): void {
    this.#bytes += bytes
    const held = this.bytesOf(tenant) + bytes
    if (held > 0) this.#byTenant.set(tenant, held)
    else this.#byTenant.delete(tenant)
  }
}

/** Uses, for a byte, of what a load would cost again; as a binary logarithm. */
const worthOf = ({ score, bytes }: Holder): number => score + Math.log2((LOAD_BYTES + bytes) / bytes)
