/** gRPC over HTTP/2: frames of five bytes and a message, deadlines, compression of requests, and statuses in trailers. Nothing of a service is known here. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { isMillraceError, MillraceError, toError } from '../../core/errors.ts'
import type { Caller } from '../access/access.ts'
import { retryAfterS } from '../http/problem.ts'
import type { RequestSpan } from '../trace/span.ts'

export interface CallContext {
  /** Aborted when the client is gone. */
  signal: AbortSignal
  /** From the client's timeout, in `performance.now()` milliseconds. */
  deadlineMs?: number
  headers: IncomingHttpHeaders
  /** Who asks. */
  caller: Caller
  /** Of a call that is traced. */
  span?: RequestSpan
}

export type Unary = (message: Uint8Array, context: CallContext) => Promise<Uint8Array> | Uint8Array

export interface CallOptions {
  caller: Caller
  span?: RequestSpan
  messageBytesMax: number
}

const FRAME_HEAD = 5

const STATUS = {
  ok: 0,
  cancelled: 1,
  invalid: 3,
  deadline: 4,
  notFound: 5,
  exists: 6,
  denied: 7,
  exhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const

/** gRPC's status of an error by its HTTP status. */
const BY_HTTP: Record<number, number | undefined> = {
  400: STATUS.invalid,
  401: STATUS.unauthenticated,
  403: STATUS.denied,
  404: STATUS.notFound,
  409: STATUS.exists,
  413: STATUS.exhausted,
  415: STATUS.invalid,
  422: STATUS.invalid,
  429: STATUS.exhausted,
  499: STATUS.cancelled,
  501: STATUS.unimplemented,
  503: STATUS.unavailable,
  504: STATUS.deadline,
}

function statusOf(error: unknown): number {
  if (!isMillraceError(error)) return STATUS.internal
  return BY_HTTP[error.status] ?? STATUS.internal
}

/** What a client sees of an error: what and fix of one of ours, nothing of the inside of others. */
function sayable(error: unknown): MillraceError {
  return isMillraceError(error)
    ? error
    : new MillraceError('MR_SERVE_INTERNAL', { request: 'the call' }, { cause: toError(error) })
}

/** Answers one call of one message. */
export function answerUnary(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  unary: Unary,
  options: CallOptions,
): void {
  const { context, done } = contextOf(stream, headers, options)
  const answer = async () => {
    for await (const message of readMessages(stream, headers, options)) {
      stream.resume()
      return await unary(message, context)
    }
    throw bodyError('one message', 'none')
  }
  void answer()
    .then(
      (bytes) => {
        open(stream)
        if (!stream.destroyed) stream.end(frameOf(bytes))
      },
      (error: unknown) => refuse(stream, error),
    )
    .finally(done)
}

/** Answers a stream of messages one by one, in their order; what goes wrong with one is told in its place by `failed`. */
export function answerStream(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { unary, failed }: { unary: Unary; failed: (error: MillraceError) => Uint8Array },
  options: CallOptions,
): void {
  const { context, done } = contextOf(stream, headers, options)
  open(stream)
  const answerAll = async () => {
    for await (const message of readMessages(stream, headers, options)) {
      let answer: Uint8Array
      try {
        answer = await unary(message, context)
      } catch (error) {
        answer = failed(sayable(error))
      }
      if (stream.destroyed) return
      if (!stream.write(frameOf(answer))) await drained(stream)
    }
    stream.end()
  }
  void answerAll()
    .catch((error: unknown) => refuse(stream, error))
    .finally(done)
}

const drained = (stream: ServerHttp2Stream): Promise<void> =>
  new Promise((resolve) => {
    const go = () => {
      stream.off('drain', go)
      stream.off('close', go)
      resolve()
    }
    stream.on('drain', go)
    stream.on('close', go)
  })

/** Ends a call that has no answer. */
export function refuse(stream: ServerHttp2Stream, thrown: unknown): void {
  if (stream.destroyed) return
  const error = sayable(thrown)
  const trailers = {
    'grpc-status': String(statusOf(error)),
    'grpc-message': percentEncoded(`${error.message}; ${error.fix}`),
    'millrace-code': error.code,
    ...(error.status === 429 && { 'grpc-retry-pushback-ms': String(retryAfterS(error) * 1000) }),
  }
  if (stream.headersSent) {
    stream.removeAllListeners('wantTrailers')
    stream.on('wantTrailers', () => stream.sendTrailers(trailers))
    stream.end()
    return
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true })
}

/** Text of a status: printable ASCII, the rest in percent. */
function percentEncoded(text: string): string {
  return [...Buffer.from(text.replace(/\s+/g, ' '), 'utf8')]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`,
    )
    .join('')
}

function open(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.headersSent) return
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(STATUS.ok) }))
}

function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, FRAME_HEAD)
  return frame
}

// ---------------------------------------------------------------- reading

/** Milliseconds by the letter of a timeout. */
const UNITS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

function contextOf(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { caller, span }: CallOptions,
): { context: CallContext; done: () => void } {
  const gone = new AbortController()
  const abort = () => gone.abort()
  stream.once('aborted', abort)
  stream.once('close', abort)
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(headers['grpc-timeout'] ?? '')) ?? []
  const context: CallContext = { signal: gone.signal, headers, caller, span }
  if (unit !== undefined) context.deadlineMs = performance.now() + Number(digits) * UNITS[unit]
  const done = () => {
    stream.off('aborted', abort)
    stream.off('close', abort)
  }
  return { context, done }
}

const bodyError = (need: string, got: string): MillraceError =>
  new MillraceError('MR_SERVE_BODY', { where: 'the call', need, got })

/** Messages as they come, whatever chunks their bytes come in. Errors: MR_LIMIT for one that is too large, before it is read. */
async function* readMessages(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  { messageBytesMax }: CallOptions,
): AsyncGenerator<Uint8Array> {
  let held: Buffer[] = []
  let heldBytes = 0
  let need = FRAME_HEAD
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held.push(chunk)
    heldBytes += chunk.length
    while (heldBytes >= need) {
      const bytes = held.length === 1 ? held[0] : Buffer.concat(held)
      const length = bytes.readUInt32BE(1)
      if (length > messageBytesMax)
        throw new MillraceError('MR_LIMIT', {
          limit: 'bodyBytesMax',
          max: messageBytesMax,
          got: length,
          unit: 'bytes',
        })
      need = FRAME_HEAD + length
      if (heldBytes < need) {
        held = [bytes]
        break
      }
      const message = bytes.subarray(FRAME_HEAD, need)
      const rest = bytes.subarray(need)
      held = rest.length > 0 ? [rest] : []
      heldBytes = rest.length
      need = FRAME_HEAD
      yield bytes[0] === 0
        ? message
        : await plain(message, String(headers['grpc-encoding'] ?? ''), messageBytesMax)
    }
  }
  if (heldBytes > 0) throw bodyError('whole messages', `${heldBytes} bytes of one that was cut`)
}

const DECODERS: Record<string, (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>> =
  {
    gzip: promisify(gunzip),
    deflate: promisify(inflate),
  }

/** What a compressed message holds, never more than is allowed. */
async function plain(message: Uint8Array, encoding: string, maxOutputLength: number): Promise<Uint8Array> {
  const decode = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined
  if (!decode)
    throw new MillraceError('MR_SERVE_GRPC_ENCODING', {
      got: encoding === '' ? 'none' : encoding.slice(0, 32),
    })
  try {
    return await decode(message, { maxOutputLength })
  } catch (cause) {
    throw bodyError(`${encoding} of at most ${maxOutputLength} bytes`, toError(cause).message)
  }
}
