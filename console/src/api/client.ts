/** One door to the server: JSON in, JSON out, and every failure as an `ApiError` that says what and what to do. */

const TOKEN_KEY = 'millrace-token'

export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly fix: string

  constructor(status: number, code: string, what: string, fix: string) {
    super(what)
    this.name = 'ApiError'
    this.status = status
    this.code = code
    this.fix = fix
  }
}

/** The access token of this browser tab; needed only when the server is reached from another machine. */
export function readToken(): string {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? ''
  } catch {
    return ''
  }
}

export function keepToken(token: string): void {
  if (token === '') sessionStorage.removeItem(TOKEN_KEY)
  else sessionStorage.setItem(TOKEN_KEY, token)
}

export function headers(extra: Record<string, string> = {}): Record<string, string> {
  const token = readToken()
  return token === '' ? extra : { ...extra, authorization: `Bearer ${token}` }
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return answer<T>(path, { headers: headers({ accept: 'application/json' }), signal })
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return answer<T>(path, {
    method: 'POST',
    headers: headers({ accept: 'application/json', 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  })
}

async function answer<T>(path: string, init: RequestInit): Promise<T> {
  const response = await reach(path, init)
  if (!response.ok) throw await problem(response)
  return (await response.json()) as T
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, init)
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown
    throw new ApiError(
      0,
      'no answer',
      `the server at ${location.host} does not answer`,
      'start it again with: millrace up',
    )
  }
}

/** Problem details when the server sent them, else the status in words. */
async function problem(response: Response): Promise<ApiError> {
  const body = await response.json().catch(() => null)
  const text = (key: string) => (typeof body?.[key] === 'string' ? (body[key] as string) : null)
  const fix =
    response.status === 401 ? 'give this tab a token: Settings, access token' : 'look at the server’s log'
  return new ApiError(
    response.status,
    text('code') ?? `HTTP ${response.status}`,
    text('detail') ?? text('title') ?? response.statusText,
    text('fix') ?? fix,
  )
}
