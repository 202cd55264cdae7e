/**
 * Hosts that are there, as one of them sees it: those whose beat moved within the time of a lease. How long a beat stood still is counted on this host's clock, from when it was first seen, so
 * that clocks need not agree; a host that was gone already when this one came counts for one lease.
 */
import type { Host } from './rendezvous.ts'

export const HOST_LIMITS = {
  /** Time from one beat to the next. */
  beatMs: 1_000,
  /** A host whose beat stands still for so long is gone. */
  leaseMs: 4_000,
  /** Its row is taken away after so many leases. */
  leasesKept: 15,
} as const

/** A host as the table has it. */
export interface BeatingHost extends Host {
  beat: number
}

export interface Seen {
  /** By address. */
  live: Host[]
  /** Gone for so long that nobody will look for them any more. */
  stale: BeatingHost[]
}

export class HostBoard {
  readonly #leaseMs: number
  readonly #known = new Map<string, { beat: number; movedMs: number }>()

  constructor(leaseMs: number = HOST_LIMITS.leaseMs) {
    this.#leaseMs = leaseMs
  }

  /** What the table holds now; milliseconds of a clock that does not go back. */
  seen(hosts: readonly BeatingHost[], nowMs: number): Seen {
    for (const { address, beat } of hosts)
      if (this.#known.get(address)?.beat !== beat) this.#known.set(address, { beat, movedMs: nowMs })
    for (const address of this.#known.keys())
      if (!hosts.some((host) => host.address === address)) this.#known.delete(address)
    const stillMs = ({ address }: Host) => nowMs - (this.#known.get(address)?.movedMs ?? nowMs)
    return {
      live: hosts
        .filter((host) => stillMs(host) < this.#leaseMs)
        .map(({ address, weight }) => ({ address, weight })),
      stale: hosts.filter((host) => stillMs(host) >= HOST_LIMITS.leasesKept * this.#leaseMs),
    }
  }
}
