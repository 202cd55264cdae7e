import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { AwsV4Signer } from 'aws4fetch'
import { excerpt, MillraceError, toError } from '../../../core/errors.ts'
import { STORE_LIMITS } from '../../limits.ts'
import type { Credentials } from './credentials.ts'
import { textIn } from './xml.ts'

export interface S3Place {
  /** `https://host` or `http://host:port`. */
  endpoint: string
  bucket: string
  region: string
  /** Whether the bucket is part of the host name, as AWS itself wants it. */
  isVirtualHost: boolean
  credentials: Credentials
  /** As the config names the remote, for errors. */
  remote: string
}

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Key of an object; without one the bucket itself is asked. */
  key?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  body?: Uint8Array
  /** Digest of the body, where it is known. */
  bodySha256?: string
  /** Statuses beside 2xx that are an answer and no error. */
  expected?: readonly number[]
  signal?: AbortSignal
}

const EMPTY = createHash('sha256').digest('hex')

/** Statuses after which the same request may pass. */
const PASSING = new Set([408, 429, 500, 502, 503, 504])

/**
 * Sends a signed request and gives its answer, with its body still to be read. What fails for want of a connection or by a server that is overloaded is tried again with
 * growing waits; all requests here may be repeated.
 *
 * Errors: MR_REMOTE_UNREACHABLE, MR_REMOTE_DENIED, MR_REMOTE_ANSWER, MR_CANCELLED.
 */
export async function ask(place: S3Place, request: S3Request): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const answer = await askOnce(place, request)
    if (answer instanceof Response) {
      if (answer.ok || request.expected?.includes(answer.status)) return answer
      if (!PASSING.has(answer.status) || tries === STORE_LIMITS.requestTriesMax)
        throw await refusal(place, request, answer)
      await answer.body?.cancel()
    } else if (tries === STORE_LIMITS.requestTriesMax) throw answer
    await pause(tries, request.signal)
  }
}

/** An answer with all of its body. */
export interface WholeAnswer {
  status: number
  ok: boolean
  headers: Headers
  bytes: Uint8Array
}

/** Asks for an answer and its body. A body that breaks off is asked for again, as a request is whose answer did not come. */
export async function askWhole(place: S3Place, request: S3Request): Promise<WholeAnswer> {
  for (let tries = 1; ; tries++) {
    const answer = await ask(place, request)
    try {
      const { status, ok, headers } = answer
      return { status, ok, headers, bytes: new Uint8Array(await answer.arrayBuffer()) }
    } catch (thrown) {
      if (request.signal?.aborted)
        throw new MillraceError('MR_CANCELLED', { what: 'the transfer' }, { cause: thrown })
      if (tries === STORE_LIMITS.requestTriesMax) throw unreachable(place, thrown)
    }
    await pause(tries, request.signal)
  }
}

/** The whole body as text. */
export async function askText(place: S3Place, request: S3Request): Promise<string> {
  return Buffer.from((await askWhole(place, request)).bytes).toString()
}

function unreachable(place: S3Place, thrown: unknown): MillraceError {
  const cause = (toError(thrown).cause as { code?: string; message?: string } | undefined) ?? {}
  const why = excerpt(cause.code || cause.message || toError(thrown).message, 120)
  return new MillraceError(
    'MR_REMOTE_UNREACHABLE',
    { remote: place.remote, url: place.endpoint, why },
    { cause: thrown },
  )
}

async function askOnce(place: S3Place, request: S3Request): Promise<Response | MillraceError> {
  const { method, body, signal } = request
  const limit = AbortSignal.timeout(STORE_LIMITS.requestMsMax)
  try {
    const signed = await signedRequest(place, request)
    return await fetch(signed.url, {
      method,
      headers: signed.headers,
      ...(body !== undefined && { body }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      redirect: 'manual',
    })
  } catch (thrown) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'the transfer' }, { cause: thrown })
    return unreachable(place, thrown)
  }
}

async function signedRequest(
  place: S3Place,
  { method, key, query = {}, headers = {}, body, bodySha256 }: S3Request,
) {
  const hash = bodySha256 ?? (body === undefined ? EMPTY : createHash('sha256').update(body).digest('hex'))
  const signer = new AwsV4Signer({
    method,
    url: urlOf(place, key, query),
    headers: { ...headers, 'X-Amz-Content-Sha256': hash },
    service: 's3',
    region: place.region,
    ...place.credentials,
  })
  return await signer.sign()
}

function urlOf(
  { endpoint, bucket, isVirtualHost }: S3Place,
  key = '',
  query: Record<string, string>,
): string {
  const url = new URL(endpoint)
  if (isVirtualHost) url.hostname = `${bucket}.${url.hostname}`
  const path = key.split('/').map(encodeURIComponent).join('/')
  url.pathname = isVirtualHost ? `/${path}` : `/${encodeURIComponent(bucket)}${key === '' ? '' : `/${path}`}`
  for (const name of Object.keys(query).sort()) url.searchParams.set(name, query[name])
  return url.href.replace(/\+/g, '%20')
}

async function pause(tries: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = STORE_LIMITS.requestPauseMs * 2 ** (tries - 1) * (0.5 + Math.random())
  await delay(ms, undefined, { signal }).catch((cause) => {
    throw new MillraceError('MR_CANCELLED', { what: 'the transfer' }, { cause })
  })
}

/** What a server refused, in its own words. */
async function refusal(
  { remote, endpoint, bucket }: S3Place,
  { method, key }: S3Request,
  answer: Response,
): Promise<MillraceError> {
  const text = await answer.text().catch(() => '')
  const code = textIn(text, 'Code') ?? ''
  const said = excerpt(textIn(text, 'Message') ?? (text || answer.statusText), 160)
  const what = {
    remote,
    url: `${endpoint}/${bucket}`,
    status: answer.status,
    code,
    said,
    request: `${method} ${key ?? bucket}`,
  }
  return new MillraceError(
    answer.status === 401 || answer.status === 403 ? 'MR_REMOTE_DENIED' : 'MR_REMOTE_ANSWER',
    what,
  )
}
