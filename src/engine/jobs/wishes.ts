/** What callers of this process still wait for: one wish a spec, however many callers share it. */
import type { Digest, RunSpec } from '../../core/records.ts'
import type { RunOutcome, RunProgress } from '../ports.ts'

/** One call of `run()`: what it waits for and whom it tells. */
export interface Asker {
  /** Its specs whose work has not ended yet; at 0 nothing is gained by waiting for more to write down together. */
  open: number
  onProgress?: (progress: RunProgress) => void
}

/** `waiting` for a worker here or elsewhere, `running` here, or `ended` here and about to be written down. */
export type WishState = 'waiting' | 'running' | 'ended'

export interface Wish {
  id: Digest
  spec: RunSpec
  priority: number
  /** What the ref of the run held when it was asked for: not good enough, or the wish would not be here. */
  before: Digest | null
  state: WishState
  askers: Set<Asker>
  promise: Promise<RunOutcome>
  resolve(outcome: RunOutcome): void
  reject(error: Error): void
}

export class Wishes {
  private readonly byId = new Map<Digest, Wish>()

  get(id: Digest): Wish | undefined {
    return this.byId.get(id)
  }

  /** Joins the wish for a spec, or makes it. */
  join(asker: Asker, made: Pick<Wish, 'id' | 'spec' | 'priority' | 'before'>): Wish {
    const wish = this.byId.get(made.id) ?? this.make(made)
    wish.askers.add(asker)
    if (wish.state !== 'ended') asker.open++
    return wish
  }

  private make(made: Pick<Wish, 'id' | 'spec' | 'priority' | 'before'>): Wish {
    const wish = { ...made, state: 'waiting', askers: new Set() } as unknown as Wish
    wish.promise = new Promise((resolve, reject) => {
      wish.resolve = resolve
      wish.reject = reject
    })
    wish.promise.catch(() => undefined)
    this.byId.set(made.id, wish)
    return wish
  }

  /** Takes an asker away; true when nobody is left, and then the wish is gone. */
  leave(asker: Asker, wish: Wish): boolean {
    wish.askers.delete(asker)
    if (wish.askers.size > 0) return false
    if (this.byId.get(wish.id) === wish) this.byId.delete(wish.id)
    return true
  }

  /** Notes that the work ended; true when some asker now waits for nothing but the writing. */
  end(wish: Wish): boolean {
    wish.state = 'ended'
    for (const asker of wish.askers) asker.open--
    return [...wish.askers].some((asker) => asker.open === 0)
  }

  settle(id: Digest, settle: (wish: Wish) => void): void {
    const wish = this.byId.get(id)
    if (!wish) return
    this.byId.delete(id)
    settle(wish)
  }

  waiting(): Wish[] {
    return [...this.byId.values()].filter((wish) => wish.state === 'waiting')
  }

  anyWaiting(): boolean {
    for (const { state } of this.byId.values()) if (state === 'waiting') return true
    return false
  }

  all(): Wish[] {
    return [...this.byId.values()]
  }
}
