/** Questions to another process and their answers, by number. */
import { MillraceError } from '../../core/errors.ts'
import { type Answered, type Answers, type Ask, raisedError, sentError } from './messages.ts'

interface Owed {
  resolve(value: unknown): void
  reject(error: Error): void
  timer?: NodeJS.Timeout
}

export class Calls {
  readonly #send: (message: { type: 'ask'; seq: number; ask: Ask }) => void
  readonly #owed = new Map<number, Owed>()
  #seq = 0

  constructor(send: (message: { type: 'ask'; seq: number; ask: Ask }) => void) {
    this.#send = send
  }

  /** Errors: what the other process raised; MR_SERVE_WORKER when it does not answer in time, or ended. */
  ask<A extends Ask>(ask: A, timeoutMs?: number): Promise<Answers[A['what']]> {
    const seq = ++this.#seq
    return new Promise((resolve, reject) => {
      const late = () =>
        this.#fail(
          seq,
          new MillraceError('MR_SERVE_WORKER', { why: `it did not answer for ${timeoutMs} ms` }),
        )
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs)
      this.#owed.set(seq, { resolve: resolve as (value: unknown) => void, reject, timer })
      this.#send({ type: 'ask', seq, ask })
    })
  }

  answered({ seq, ...answered }: { seq: number } & Answered): void {
    if ('error' in answered) this.#fail(seq, raisedError(answered.error))
    else this.#take(seq)?.resolve(answered.value)
  }

  /** No answer will come any more. */
  failAll(why: string): void {
    for (const seq of [...this.#owed.keys()]) this.#fail(seq, new MillraceError('MR_SERVE_WORKER', { why }))
  }

  #fail(seq: number, error: Error): void {
    this.#take(seq)?.reject(error)
  }

  #take(seq: number): Owed | undefined {
    const owed = this.#owed.get(seq)
    this.#owed.delete(seq)
    clearTimeout(owed?.timer)
    return owed
  }
}

/** What a question is answered, as a message has it. */
export async function answerOf(work: () => Promise<unknown>): Promise<Answered> {
  try {
    return { value: (await work()) ?? null }
  } catch (thrown) {
    return { error: sentError(thrown) }
  }
}
