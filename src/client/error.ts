/** What a client throws: a server's problem details, or what kept a request from being answered. */
import { client as TEXTS } from '../core/codes/client.ts'

type LocalCode = keyof typeof TEXTS
type DataOf<C extends LocalCode> = Parameters<(typeof TEXTS)[C]['what']>[0]

export interface ClientErrorFacts {
  /** Of the catalogue, such as `MR_SERVE_FIELD`. */
  code: string
  /** HTTP status; of what never reached a server, the one that it is like. */
  status: number
  /** What to do about it. */
  fix: string
  /** Whether the same request may be answered later. */
  retryable: boolean
  /** How long the server asks to wait. */
  retryAfterMs?: number
  requestId?: string
}

export class MillraceClientError extends Error {
  override readonly name = 'MillraceClientError'
  readonly code: string
  readonly status: number
  readonly fix: string
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly requestId: string | undefined
  /** How often it was tried. */
  tries = 1

  constructor(message: string, facts: ClientErrorFacts, options?: ErrorOptions) {
    super(message, options)
    this.code = facts.code
    this.status = facts.status
    this.fix = facts.fix
    this.retryable = facts.retryable
    this.retryAfterMs = facts.retryAfterMs
    this.requestId = facts.requestId
  }
}

/** An error of the client itself. */
export function localError<C extends LocalCode>(
  code: C,
  data: DataOf<C>,
  options?: ErrorOptions,
): MillraceClientError {
  const text = TEXTS[code] as {
    what: (d: DataOf<C>) => string
    fix: (d: DataOf<C>) => string
    retryable: boolean
    status: number
  }
  const { retryable, status } = text
  return new MillraceClientError(
    `${code}: ${text.what(data)}`,
    { code, status, retryable, fix: text.fix(data) },
    options,
  )
}

/** Statuses after which the same request may succeed, where an answer does not say so itself: proxies have no problem details. */
const RETRYABLE = new Set([408, 425, 429, 502, 503, 504])

/** The error of an answer that is none, from its problem details where it has them. */
export function answerError(
  response: Response,
  body: string,
  requestId: string | undefined,
): MillraceClientError {
  const { status } = response
  const retryAfterMs = retryAfter(response.headers.get('retry-after'))
  const problem = problemOf(body)
  if (!problem) {
    const why = body.trim() === '' ? 'nothing' : body.trim().slice(0, 100)
    const error = localError('MR_CLIENT_ANSWER', { url: response.url, status, why })
    const { code, fix, message } = error
    return new MillraceClientError(message, {
      code,
      fix,
      status,
      retryable: RETRYABLE.has(status),
      retryAfterMs,
      requestId,
    })
  }
  const { code, detail, fix, retryable } = problem
  return new MillraceClientError(`${code}: ${detail}`, {
    code,
    fix,
    status,
    retryable,
    retryAfterMs,
    requestId,
  })
}

interface Problem {
  code: string
  detail: string
  fix: string
  retryable: boolean
}

function problemOf(body: string): Problem | undefined {
  try {
    const read = JSON.parse(body) as Partial<Problem>
    return typeof read.code === 'string' && typeof read.fix === 'string' ? (read as Problem) : undefined
  } catch {
    return undefined
  }
}

/** Milliseconds that a header `Retry-After` asks for: seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null || header === '') return undefined
  const ms = /^\d+(\.\d+)?$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
