/** A queue whose members leave from anywhere in it, in time that does not grow with it. */

export interface InLine<T> {
  before?: T
  after?: T
  isInLine: boolean
}

export class WaitingLine<T extends InLine<T>> {
  #first: T | undefined
  #last: T | undefined
  #length = 0

  get first(): T | undefined {
    return this.#first
  }

  get length(): number {
    return this.#length
  }

  /** Behind all others. */
  add(one: T): void {
    this.#put(one, this.#last, undefined)
  }

  /** Before all others, in their order. */
  addFirst(all: readonly T[]): void {
    for (let i = all.length - 1; i >= 0; i--) this.#put(all[i], undefined, this.#first)
  }

  /** Whether it was there. */
  remove(one: T): boolean {
    if (!one.isInLine) return false
    const { before, after } = one
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
    one.before = one.after = undefined
    one.isInLine = false
    this.#length--
    return true
  }

  /** In order. Whoever is given may leave before the next is asked for. */
  *[Symbol.iterator](): Generator<T, void> {
    for (let one = this.#first; one; ) {
      const next: T | undefined = one.after
      yield one
      one = next
    }
  }

  #put(one: T, before: T | undefined, after: T | undefined): void {
    one.before = before
    one.after = after
    one.isInLine = true
    if (before) before.after = one
    else this.#first = one
    if (after) after.before = one
    else this.#last = one
    this.#length++
  }
}
