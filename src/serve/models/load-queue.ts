/** Work that waits for its turn: so many at once, and tenants one after the other, so that one that asks for a hundred does not keep another waiting that asks for one. */
import { MillraceError } from '../../core/errors.ts'

export interface LoadQueueOptions {
  /** At once. */
  concurrency: number
  /** Waiting, over all tenants, before MR_SERVE_BUSY. */
  waitingMax: number
}

export class LoadQueue {
  readonly #options: LoadQueueOptions
  /** Those that wait, by tenant; the tenant whose turn it is comes first. */
  readonly #waiting = new Map<string, (() => void)[]>()
  #nWaiting = 0
  #running = 0

  constructor(options: LoadQueueOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#nWaiting
  }

  /** Errors: MR_SERVE_BUSY when too many wait; those of the work. */
  async run<R>(tenant: string, work: () => Promise<R>): Promise<R> {
    await this.#turn(tenant)
    try {
      return await work()
    } finally {
      this.#running--
      this.#next()
    }
  }

  async #turn(tenant: string): Promise<void> {
    const { concurrency, waitingMax } = this.#options
    if (this.#nWaiting === 0 && this.#running < concurrency) {
      this.#running++
      return
    }
    if (this.#nWaiting >= waitingMax)
      throw new MillraceError('MR_SERVE_BUSY', {
        what: 'the queue of models to load',
        max: waitingMax,
        retryAfterS: 1,
      })
    await new Promise<void>((resolve) => {
      const own = this.#waiting.get(tenant)
      if (own) own.push(resolve)
      else this.#waiting.set(tenant, [resolve])
      this.#nWaiting++
    })
  }

  #next(): void {
    if (this.#running >= this.#options.concurrency) return
    const [first] = this.#waiting
    if (!first) return
    const [tenant, own] = first
    const go = own.shift() as () => void
    this.#waiting.delete(tenant)
    if (own.length > 0) this.#waiting.set(tenant, own)
    this.#nWaiting--
    this.#running++
    go()
  }
}
