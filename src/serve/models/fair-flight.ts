/**
 * Requests under way, by tenant. Each may have an equal share of what there may be, with one share left for a tenant that has none yet, so that one that asks a lot is refused
 * before others are. While only one was ever seen it may have all.
 */
import { MillraceError } from '../../core/errors.ts'

export class FairFlight {
  readonly #max: number
  readonly #byTenant = new Map<string, number>()
  #first: string | undefined
  #areSeveral = false

  /** `max` requests at once, over all tenants. */
  constructor(max: number) {
    this.#max = max
  }

  of(tenant: string): number {
    return this.#byTenant.get(tenant) ?? 0
  }

  /** A request begins; what this gives ends it. Errors: MR_SERVE_BUSY when the tenant has its share. */
  enter(tenant: string): () => void {
    this.#first ??= tenant
    this.#areSeveral ||= tenant !== this.#first
    const own = this.of(tenant)
    const tenants = this.#byTenant.size + (own === 0 ? 1 : 0)
    const share = this.#areSeveral ? Math.max(1, Math.floor(this.#max / (tenants + 1))) : this.#max
    if (own >= share) {
      const what = `the share of tenant "${tenant}" (requests)`
      throw new MillraceError('MR_SERVE_BUSY', { what, max: share, retryAfterS: 1 })
    }
    this.#byTenant.set(tenant, own + 1)
    return () => {
      const left = this.of(tenant) - 1
      if (left > 0) this.#byTenant.set(tenant, left)
      else this.#byTenant.delete(tenant)
    }
  }
}
