/**
 * One request, tried until it is answered or its time is over. A try that fails in a way that may pass is made again after a pause: exponential, with full jitter (a random share of it), and never
 * less than the server's Retry-After. Where the pause would outlast the deadline, the error comes at once. All tries of a request carry its id, so that the server takes them for one.
 */
import { answerError, localError, MillraceClientError } from './error.ts'

export interface RetryOptions {
  /** Tries of one request at most, the first included. Default 5. */
  tries?: number
  /** Mean of the first pause is half of this; it doubles. Default 200. */
  delayMs?: number
  /** Longest pause of one's own; what a server asks for may be longer. Default 5000. */
  delayMsMax?: number
}

export interface Timing extends Required<RetryOptions> {
  /** For the whole of a request, pauses included. */
  timeoutMs: number
  /** For one try. */
  tryTimeoutMs: number
}

export interface Asked extends Timing {
  url: string
  headers: Record<string, string>
  body?: string | Uint8Array
  method: string
  requestId?: string
  signal?: AbortSignal
  fetch: typeof fetch
}

/** Sent from the second try on: how many there were before. */
const ATTEMPT = 'x-millrace-attempt'

/** Reads the body of an answer with `read`, which is part of the try. Errors: MillraceClientError. */
export async function ask<T>(asked: Asked, read: (response: Response) => Promise<T>): Promise<T> {
  const endsAtMs = performance.now() + asked.timeoutMs
  for (let attempt = 1; ; attempt++) {
    if (asked.signal?.aborted) throw localError('MR_CLIENT_CANCELLED', asked)
    const error = await once(asked, attempt, endsAtMs - performance.now(), read).catch(faultOf)
    if (!(error instanceof Fault)) return error
    const fault = error.error
    fault.tries = attempt
    if (asked.signal?.aborted) throw localError('MR_CLIENT_CANCELLED', asked, { cause: fault })
    const waitMs = pauseMs(asked, attempt, fault)
    const leftMs = endsAtMs - performance.now()
    if (!fault.retryable || attempt >= asked.tries || waitMs >= leftMs) throw fault
    await pause(waitMs, asked.signal)
  }
}

/** An error in the place of an answer, whatever an answer is. */
class Fault {
  readonly error: MillraceClientError

  constructor(error: MillraceClientError) {
    this.error = error
  }
}

function faultOf(thrown: unknown): Fault {
  if (thrown instanceof MillraceClientError) return new Fault(thrown)
  throw thrown
}

/** A random share of the pause, and at least what the server asks for. */
function pauseMs(
  { delayMs, delayMsMax }: Asked,
  attempt: number,
  { retryAfterMs = 0 }: MillraceClientError,
): number {
  const most = Math.min(delayMsMax, delayMs * 2 ** (attempt - 1))
  return retryAfterMs + Math.random() * most
}

async function once<T>(
  asked: Asked,
  attempt: number,
  leftMs: number,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const { url, method, body, signal, requestId, tryTimeoutMs } = asked
  const controller = new AbortController()
  const abort = () => controller.abort()
  const timeoutMs = Math.max(1, Math.min(tryTimeoutMs, leftMs))
  const timer = setTimeout(abort, timeoutMs)
  signal?.addEventListener('abort', abort, { once: true })
  const headers = attempt > 1 ? { ...asked.headers, [ATTEMPT]: String(attempt - 1) } : asked.headers
  try {
    const response = await asked.fetch(url, { method, headers, body, signal: controller.signal })
    if (!response.ok) throw answerError(response, await response.text(), requestId)
    return await read(response)
  } catch (thrown) {
    if (thrown instanceof MillraceClientError) throw thrown
    const cause = { cause: thrown }
    if (controller.signal.aborted) {
      const isWhole = timeoutMs < tryTimeoutMs
      throw localError(
        'MR_CLIENT_TIMEOUT',
        { url, tries: attempt, timeoutMs: isWhole ? asked.timeoutMs : tryTimeoutMs },
        cause,
      )
    }
    throw localError('MR_CLIENT_NETWORK', { url, tries: attempt, why: whyOf(thrown) }, cause)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** The reason is one level down in Node: `fetch failed`, because of something. */
function whyOf(thrown: unknown): string {
  const { message, cause } = thrown as { message?: string; cause?: { code?: string; message?: string } }
  const why = [cause?.message, cause?.code].filter((part) => part !== undefined && part !== '').join(', ')
  return why || message || String(thrown)
}

/** Resolves early when the signal aborts. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
}
