/**
 * What failed is not tried again at each request: after each failure in a row the pause is twice as long, from one second to one minute, and who asks meanwhile is told
 * why it failed and when it is tried again.
 */
import { isMillraceError, MillraceError, toError } from '../core/errors.ts'

const FIRST_MS = 1_000
const LONGEST_MS = 60_000
/** Failures that are remembered; the oldest goes first. */
const FAILURES_MAX = 10_000

interface Failure {
  times: number
  untilMs: number
  why: string
}

export interface BackOffOptions {
  /** Milliseconds of a clock that does not go back. */
  now?: () => number
  /** Whether an error says nothing of what was tried, so that it may be tried again at once. */
  isForNow?: (error: unknown) => boolean
  /** Longest pause. Default: a minute. */
  longestMs?: number
}

export class BackOff<K> {
  readonly #failures = new Map<K, Failure>()
  readonly #now: () => number
  readonly #isForNow: (error: unknown) => boolean
  readonly #longestMs: number

  constructor({
    now = () => performance.now(),
    isForNow = () => false,
    longestMs = LONGEST_MS,
  }: BackOffOptions = {}) {
    this.#now = now
    this.#isForNow = isForNow
    this.#longestMs = longestMs
  }

  /** Whether it failed, and is not to be tried yet. */
  isWaiting(key: K): boolean {
    const failure = this.#failures.get(key)
    return failure !== undefined && failure.untilMs > this.#now()
  }

  /** Errors: MR_SERVE_LOAD_FAILED while what is named is not to be tried. */
  check(key: K, name: string): void {
    const failure = this.#failures.get(key)
    if (!failure) return
    const leftMs = failure.untilMs - this.#now()
    if (leftMs <= 0) return
    throw new MillraceError('MR_SERVE_LOAD_FAILED', {
      model: name,
      why: failure.why,
      times: failure.times,
      retryAfterS: Math.ceil(leftMs / 1000),
    })
  }

  failed(key: K, error: unknown): void {
    if (this.#isForNow(error)) return
    const times = (this.#failures.get(key)?.times ?? 0) + 1
    const pauseMs = Math.min(this.#longestMs, FIRST_MS * 2 ** (times - 1))
    this.#failures.delete(key)
    this.#failures.set(key, { times, untilMs: this.#now() + pauseMs, why: whyOf(error) })
    if (this.#failures.size > FAILURES_MAX) this.#failures.delete(this.#failures.keys().next().value as K)
  }

  /** It went well, or is to be tried at once. */
  forget(key: K): void {
    this.#failures.delete(key)
  }
}

const whyOf = (error: unknown): string =>
  isMillraceError(error) ? error.message : toError(error).message.slice(0, 200)
