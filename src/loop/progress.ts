/** Where a long story stands: what the console's banner shows. */
export interface Progress {
  step: number
  steps: number
  title: string
  note: string
  /** 0 to 1 of the step. */
  done: number
  etaMs: number | null
}

/** Told by whoever runs a story, heard by the console's streams. The newest is kept for those who come late. */
export class ProgressFeed {
  #newest: Progress | undefined
  readonly #listeners = new Set<(progress: Progress) => void>()

  publish(progress: Progress): void {
    this.#newest = progress
    for (const listener of this.#listeners) listener(progress)
  }

  /** Calls `listener` with the newest, then with each; the function returned ends it. */
  subscribe(listener: (progress: Progress) => void): () => void {
    if (this.#newest) listener(this.#newest)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
