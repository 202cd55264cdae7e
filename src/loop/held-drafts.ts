/** Tables of merges that wait, held between calls: a few merges at a time, and what is done with each one after another, at the newest step. */
import { MillraceError } from '../core/errors.ts'
import { MAIN, refs } from '../core/names.ts'
import type { Digest } from '../core/records.ts'
import { bringTo, closeDraft, type DraftTables, type MergeDraft, openDraft } from '../data/index.ts'
import type { Runtime } from './runtime.ts'

export interface DraftName {
  dataset: string
  branch: string
  /** Default: `main`. */
  into?: string
}

/** What the last try to merge found; of an earlier step where decisions came since. */
export interface BrokenRows {
  step: number
  rows: { row: number | null; key: string[]; check: string }[]
}

export interface Held {
  tables: DraftTables
  /** The newest step that the tables hold. */
  at: Digest | undefined
  broken: BrokenRows | null
}

/** Somebody else took a step first. */
export class StepLost extends Error {}

/** Merges whose tables are held; the one that was asked for longest ago goes. */
const OPEN_MAX = 4
const TRIES = 20

/** Which merge of two branches it is: one that begins again is another. */
type Beginning = Pick<MergeDraft, 'merge' | 'began'>

interface Slot {
  of: Beginning
  held: Promise<Held>
  /** What is done with the tables, one after another; they go after it. */
  last: Promise<unknown>
}

export class HeldDrafts {
  readonly #rt: Runtime
  /** By the ref of the merge; the one asked for last is the last. */
  readonly #slots = new Map<string, Slot>()

  constructor(rt: Runtime) {
    this.#rt = rt
  }

  /** Does work with the tables at the newest step; from the beginning where somebody else took a step meanwhile. Errors: MR_DATA_MERGE_ABSENT. */
  async with<T>(
    name: DraftName,
    work: (tables: DraftTables, head: MergeDraft, held: Held) => Promise<T>,
  ): Promise<T> {
    for (let tried = 1; ; tried++) {
      const slot = this.#slotOf(await draftAt(this.#rt, await this.#newest(name)))
      const run = slot.last.then(async () => {
        const held = await slot.held
        return await work(held.tables, await this.#catchUp(slot.of, held, name), held)
      })
      slot.last = run.catch(() => undefined)
      try {
        return await run
      } catch (thrown) {
        if (!(thrown instanceof StepLost) || tried >= TRIES) throw thrown
      }
    }
  }

  async #newest({ dataset, branch, into = MAIN }: DraftName): Promise<Digest> {
    const ref = await this.#rt.store.meta.ref(refs.merge(dataset, branch, into))
    if (ref) return ref.digest
    throw new MillraceError('MR_DATA_MERGE_ABSENT', { dataset, branch, into })
  }

  /** Reads the steps that are new, the newest first, and brings the tables there. */
  async #catchUp(of: Beginning, held: Held, name: DraftName): Promise<MergeDraft> {
    const newest = await this.#newest(name)
    const { tables } = held
    const fresh: MergeDraft[] = []
    for (let at: Digest | null = newest; at !== null; ) {
      const step: MergeDraft = await draftAt(this.#rt, at)
      // Begun again by another process while the tables are of the merge before.
      if (!isOf(of, step)) throw new StepLost()
      if (step.step < tables.steps.length) break
      fresh.unshift(step)
      at = step.before
    }
    await bringTo(tables, [...tables.steps, ...fresh])
    held.at = newest
    return tables.steps.at(-1)!
  }

  /** Whoever has a slot says in the same breath what is to be done with it, so that it is not closed before. */
  #slotOf(draft: MergeDraft): Slot {
    const key = refs.merge(draft.dataset, draft.branch, draft.into)
    const known = this.#slots.get(key)
    if (known && isOf(known.of, draft)) {
      this.#slots.delete(key)
      this.#slots.set(key, known)
      return known
    }
    const closing = known ? [this.#close(key)] : []
    for (const oldest of this.#slots.keys()) {
      if (this.#slots.size < OPEN_MAX) break
      closing.push(this.#close(oldest))
    }
    const slot: Slot = { of: draft, held: this.#open(draft, closing), last: Promise.resolve() }
    this.#slots.set(key, slot)
    slot.held.catch(() => {
      if (this.#slots.get(key) === slot) this.#slots.delete(key)
    })
    return slot
  }

  async #open(draft: MergeDraft, closing: readonly Promise<void>[]): Promise<Held> {
    await Promise.all(closing)
    const tables = await openDraft(await this.#rt.query(), this.#rt.store, draft)
    return { tables, at: undefined, broken: null }
  }

  /** Lets the tables of a merge go, when all that was asked of them is done. */
  async forget({ dataset, branch, into = MAIN }: DraftName): Promise<void> {
    await this.#close(refs.merge(dataset, branch, into))
  }

  async #close(key: string): Promise<void> {
    const slot = this.#slots.get(key)
    if (!slot) return
    this.#slots.delete(key)
    await slot.last
    await slot.held.then(
      ({ tables }) => closeDraft(tables),
      () => undefined,
    )
  }
}

export const draftAt = async ({ store }: Pick<Runtime, 'store'>, digest: Digest): Promise<MergeDraft> =>
  await store.getRecord<MergeDraft>(digest, 'MergeDraft')

const isOf = (of: Beginning, { merge, began }: Beginning): boolean => of.merge === merge && of.began === began
