/** Work that an act begins and that goes on after its answer: how far it is, and why it came to nothing. One of a key at a time. */
import { toError } from '../core/errors.ts'
import type { Problem } from './contract.ts'

/** Failures that are kept; the oldest goes first. */
const FAILED_MAX = 256

export interface BackgroundProgress {
  done: number
  note: string
}

/** `About` is told with both. */
export class Background<About extends object = object> {
  readonly #running = new Map<string, About & BackgroundProgress>()
  readonly #failed = new Map<string, About & Problem>()

  /** Null where nothing of the key is under way. */
  running(key: string): (About & BackgroundProgress) | null {
    return this.#running.get(key) ?? null
  }

  /** Why the last of the key came to nothing; null where none did, or another was begun since. */
  failed(key: string): (About & Problem) | null {
    return this.#failed.get(key) ?? null
  }

  begin(
    key: string,
    about: About,
    work: (onProgress: (progress: BackgroundProgress) => void) => Promise<unknown>,
  ): void {
    this.#failed.delete(key)
    this.#running.set(key, { ...about, done: 0, note: 'begins' })
    work(({ done, note }) => this.#running.set(key, { ...about, done, note }))
      .catch((thrown) => this.#fail(key, { ...about, ...problemOf(thrown) }))
      .finally(() => this.#running.delete(key))
  }

  #fail(key: string, problem: About & Problem): void {
    if (this.#failed.size === FAILED_MAX) this.#failed.delete(this.#failed.keys().next().value as string)
    this.#failed.set(key, problem)
  }
}

export function problemOf(thrown: unknown): Problem {
  const error = toError(thrown) as Error & { code?: string; fix?: string }
  const { code = 'unknown', message, fix = 'look at the server’s log' } = error
  return { code, message, fix }
}
