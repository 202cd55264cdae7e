/** Ids seen lately, in two generations: when the young one is full the old one is forgotten. Bounded at `max` ids. */
export class RecentIds {
  readonly #generationMax: number
  #young = new Set<string>()
  #old = new Set<string>()

  constructor(max: number) {
    this.#generationMax = Math.max(1, Math.floor(max / 2))
  }

  add(id: string): void {
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(id)
  }

  has(id: string): boolean {
    return this.#young.has(id) || this.#old.has(id)
  }
}
