/**
 * Which host answers for a model: this one where it is among the owners, else the owner that this one waits for least, of those that answered when they were asked last. One that
 * did not is left out for a moment. Where no owner can be reached this host answers itself: placement spares memory and is never needed for an answer.
 */
import type { Gauge } from '../metrics.ts'
import { type Host, ownersOf } from './rendezvous.ts'

export interface PlacementOptions {
  hosts: readonly Host[]
  /** The address of this host among them. */
  self: string
  /** Owners of a model. */
  owners: number
  /** Milliseconds of a clock that does not go back. */
  ticks?: () => number
}

/** How long a host that could not be reached is not asked. */
const DOWN_MS = 2_000
export const HOSTS_HELP = 'Hosts that models are placed on.'
/** Models whose owners are remembered. */
const KNOWN_MAX = 100_000

export class Placement {
  /** The address of this host; set where it was not known before it listened. */
  self: string
  #hosts: readonly Host[]
  readonly #owners: number
  readonly #ticks: () => number
  readonly #known = new Map<string, readonly Host[]>()
  readonly #downUntil = new Map<string, number>()
  readonly #waiting = new Map<string, number>()
  forwarded = 0
  failed = 0

  constructor({ hosts, self, owners, ticks = () => performance.now() }: PlacementOptions) {
    this.self = self
    this.#hosts = hosts
    this.#owners = owners
    this.#ticks = ticks
  }

  owners(model: string): readonly Host[] {
    const known = this.#known.get(model)
    if (known) return known
    if (this.#known.size >= KNOWN_MAX) this.#known.clear()
    const owners = ownersOf(model, this.#hosts, this.#owners)
    this.#known.set(model, owners)
    return owners
  }

  /** The hosts that there are from now on, this one among them or not: then it owns nothing. */
  replace(hosts: readonly Host[]): void {
    if (isSame(hosts, this.#hosts)) return
    this.#hosts = hosts
    this.#known.clear()
  }

  /** Whom to ask for a model; undefined: answer here. */
  askFor(model: string): string | undefined {
    const owners = this.owners(model)
    if (owners.some(({ address }) => address === this.self)) return undefined
    const now = this.#ticks()
    const up = owners.filter(({ address }) => (this.#downUntil.get(address) ?? 0) <= now)
    return up.reduce<Host | undefined>(
      (best, host) => (best && this.waiting(best.address) <= this.waiting(host.address) ? best : host),
      undefined,
    )?.address
  }

  waiting(address: string): number {
    return this.#waiting.get(address) ?? 0
  }

  /** A request goes to another host; what this gives ends it. */
  sent(address: string): () => void {
    this.forwarded++
    this.#waiting.set(address, this.waiting(address) + 1)
    return () => this.#waiting.set(address, this.waiting(address) - 1)
  }

  /** `isAlone`: no other process of this host counts the hosts as well. */
  gauges(isAlone = true): Gauge[] {
    const counter = (name: string, help: string, value: () => number): Gauge => ({
      ...{ name: `millrace_${name}_total`, type: 'counter' as const, help, value },
    })
    const hosts: Gauge = {
      ...{ name: 'millrace_hosts', type: 'gauge', help: HOSTS_HELP },
      value: () => this.#hosts.length,
    }
    return [
      ...(isAlone ? [hosts] : []),
      counter(
        'requests_forwarded',
        'Requests sent on to a host that owns their model.',
        () => this.forwarded,
      ),
      counter('forwards_failed', 'Requests that such a host did not take.', () => this.failed),
    ]
  }

  /** A host could not be reached. */
  unreachable(address: string): void {
    this.failed++
    this.#downUntil.set(address, this.#ticks() + DOWN_MS)
  }
}

const isSame = (some: readonly Host[], others: readonly Host[]): boolean =>
  some.length === others.length &&
  some.every(({ address, weight }, i) => address === others[i].address && weight === others[i].weight)
