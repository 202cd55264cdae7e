/**
 * `millrace/client`: asks a server from Node or a browser, typed by what `millrace types` writes. It needs `fetch` and nothing of Node.
 *
 * A request is tried again until its deadline when what went wrong may pass, under one id, which makes all tries one prediction of the log. What a request throws is a MillraceClientError with the code
 * and the fix of the server's problem details. Nothing is asked twice at once: there is no hedging.
 */
import { localError, MillraceClientError } from './error.ts'
import { decodeInfer, encodeInfer, type InferBody, type InferOut } from './tensors.ts'
import { type Asked, ask, type RetryOptions } from './tries.ts'

export type { ClientErrorFacts } from './error.ts'
export type { InferBody, InferOut, TensorData, TensorIn, TensorOut, TypedArray } from './tensors.ts'
export type { RetryOptions } from './tries.ts'
export { MillraceClientError }

/** What a model takes and answers, by name: `Models` of `millrace-env.d.ts`. */
export type ModelTypes = Record<string, { request: object; answer: object }>

/** Models of which nothing is known. */
export type AnyModels = Record<string, { request: Record<string, unknown>; answer: PlainAnswer }>

/** What every answer has. */
export interface PlainAnswer {
  /** Names the prediction: what came of it is told under this. */
  id: string
  model: string
  version: number
  route: string
  member: string
  output: number
  [more: string]: unknown
}

export interface Contribution {
  feature: string
  value: number | null
  contribution: number
  standardError?: number
}

/** base + the sum of contributions + residual = raw. */
export interface Explanation {
  base: number
  contributions: Contribution[]
  raw: number
  output: number
  residual: number
  method: string
  exact: boolean
  scale: string
  class?: string
}

export interface Outcome {
  /** Of the prediction. */
  id: string
  /** A number, a yes or no, or the label of a class. */
  value: number | boolean | string
  /** When it came about, in epoch milliseconds or ISO 8601. Default: now. */
  at?: number | string
}

export interface ClientOptions {
  /** Where the server is: `http://127.0.0.1:7300`, or a path before it. */
  url: string
  token?: string
  /** For a whole request, pauses between tries included. Default 10000. */
  timeoutMs?: number
  /** For one try. Default 5000. */
  tryTimeoutMs?: number
  retry?: RetryOptions
  /** Sent with every request. */
  headers?: Record<string, string>
  /** Default: the global one. */
  fetch?: typeof fetch
}

export interface AskOptions {
  signal?: AbortSignal
  timeoutMs?: number
  /** Names the request; made when absent. One that is asked again under its id is the same prediction. */
  requestId?: string
  /** Keeps a caller on one route of a release. */
  key?: string
  /** W3C trace context. */
  traceparent?: string
}

export interface PredictOptions extends AskOptions {
  /** Whether each answer has its explanation. */
  explain?: boolean
  /** Class that is explained; by default the likeliest. */
  class?: string
  /** Share from which a yes or no is a yes. */
  threshold?: number
}

export interface InferOptions extends AskOptions {
  version?: string
}

type Explained<A, O> = O extends { explain: true } ? A & { explanation: Explanation } : A

/** A client of the models `M`. Every function rejects with a MillraceClientError. */
export interface Client<M extends ModelTypes> {
  /** Predicts one row, or several in their order. */
  predict<K extends keyof M & string, O extends PredictOptions>(
    model: K,
    row: M[K]['request'],
    options?: O,
  ): Promise<Explained<M[K]['answer'], O>>
  predict<K extends keyof M & string, O extends PredictOptions>(
    model: K,
    rows: readonly M[K]['request'][],
    options?: O,
  ): Promise<Explained<M[K]['answer'], O>[]>
  /** Rows in the order of their worth, each with its place in what was sent. */
  rank<K extends keyof M & string>(
    model: K,
    rows: readonly M[K]['request'][],
    options?: AskOptions,
  ): Promise<(M[K]['answer'] & { row: number })[]>
  /** What the model would answer and why. Nothing is logged. */
  explain<K extends keyof M & string>(
    model: K,
    row: M[K]['request'],
    options?: PredictOptions,
  ): Promise<M[K]['answer'] & { explanation: Explanation }>
  /** Tells what came of predictions. Telling it twice is telling it once. */
  feedback(
    model: keyof M & string,
    outcomes: Outcome | readonly Outcome[],
    options?: AskOptions,
  ): Promise<{ accepted: number; unknown: number }>
  /** Tensors in bytes, by the Open Inference Protocol: for models of others, and for columns of many rows. */
  infer(model: string, body: InferBody, options?: InferOptions): Promise<InferOut>
  /** Whether a model, or the server, can answer now. */
  ready(model?: string, options?: AskOptions): Promise<boolean>
}

const DEFAULTS = { timeoutMs: 10_000, tryTimeoutMs: 5_000, tries: 5, delayMs: 200, delayMsMax: 5_000 }
const HEADER_LENGTH = 'inference-header-content-length'

/** A client of the server at `url`: `client<Models>({ url })` with the `Models` that `millrace types` writes. */
export function client<M extends ModelTypes = AnyModels>(options: ClientOptions): Client<M> {
  const base = options.url.replace(/\/+$/, '')
  const { token, headers: own, retry } = options

  function asked(
    path: string,
    { signal, requestId = newId(), key, traceparent, timeoutMs }: AskOptions,
  ): Asked {
    return {
      ...{ url: base + path, method: 'POST', signal, requestId },
      ...DEFAULTS,
      ...retry,
      timeoutMs: timeoutMs ?? options.timeoutMs ?? DEFAULTS.timeoutMs,
      tryTimeoutMs: options.tryTimeoutMs ?? DEFAULTS.tryTimeoutMs,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      headers: {
        ...own,
        'x-request-id': requestId,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(key !== undefined && { 'x-millrace-key': key }),
        ...(traceparent !== undefined && { traceparent }),
      },
    }
  }

  async function post<T>(path: string, body: unknown, options: AskOptions): Promise<T> {
    const request = asked(path, options)
    const headers = { ...request.headers, 'content-type': 'application/json' }
    return await ask({ ...request, headers, body: JSON.stringify(body) }, readJson<T>)
  }

  const predict = async (model: string, rows: object | readonly object[], options: PredictOptions = {}) => {
    const { explain, class: label, threshold } = options
    const query = queryOf({ explain: explain ? '1' : undefined, class: label })
    const isMany = Array.isArray(rows)
    const body = { ...(isMany ? { rows } : { row: rows }), threshold }
    const path = `/predict/${encodeURIComponent(model)}${query}`
    if (!isMany) return await post<never>(path, body, options)
    if (rows.length === 0) return [] as never
    return (await post<{ predictions: never }>(path, body, options)).predictions
  }

  return {
    predict,
    rank: async (model, rows, options = {}) => {
      if (rows.length === 0) return []
      return (await post<{ ranking: never }>(`/predict/${encodeURIComponent(model)}/rank`, { rows }, options))
        .ranking
    },
    explain: async (model, row, options = {}) => {
      const { class: label, threshold } = options
      const query = queryOf({ class: label })
      return await post(`/predict/${encodeURIComponent(model)}/explain${query}`, { row, threshold }, options)
    },
    feedback: async (model, outcomes, options = {}) =>
      await post(`/v2/models/${encodeURIComponent(model)}/feedback`, outcomes, options),
    infer: async (model, body, options = {}) => {
      const { version } = options
      const at = version === undefined ? '' : `/versions/${encodeURIComponent(version)}`
      const request = asked(`/v2/models/${encodeURIComponent(model)}${at}/infer`, options)
      const { body: bytes, jsonBytes } = encodeInfer(body, request.requestId as string)
      const headers = {
        ...request.headers,
        'content-type': 'application/octet-stream',
        [HEADER_LENGTH]: String(jsonBytes),
      }
      return await ask({ ...request, headers, body: bytes }, readInfer)
    },
    ready: async (model, options = {}) => {
      const path = model === undefined ? '/v2/health/ready' : `/v2/models/${encodeURIComponent(model)}/ready`
      try {
        await ask({ ...asked(path, options), method: 'GET', tries: 1 }, (response) => response.text())
        return true
      } catch (error) {
        if (error instanceof MillraceClientError && error.code !== 'MR_CLIENT_CANCELLED') return false
        throw error
      }
    },
  } as Client<M>
}

async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text()
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    throw notAnswer(response, text.slice(0, 100), cause)
  }
}

async function readInfer(response: Response): Promise<InferOut> {
  const length = response.headers.get(HEADER_LENGTH)
  const bytes = new Uint8Array(await response.arrayBuffer())
  try {
    return decodeInfer(bytes, length === null ? undefined : Number(length))
  } catch (cause) {
    throw notAnswer(response, (cause as Error).message, cause)
  }
}

function notAnswer({ url, status }: Response, why: string, cause: unknown): MillraceClientError {
  return localError('MR_CLIENT_ANSWER', { url, status, why }, { cause })
}

function queryOf(parameters: Record<string, string | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value)
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** 128 random bits. `randomUUID` is not there on pages without TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
