/** Bodies in one piece of memory, laid so that numbers in them can be read where they are. */
import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../core/errors.ts'

/** What a client says of its body is believed up to here; larger ones are put together when they have come. */
const PLACED_BYTES_MAX = 8 * 1024 * 1024
/** Numbers of the widest type begin at multiples of it. */
const WIDEST_BYTES = 8
/** Bytes of JSON before the tensors, by the protocol's binary extension. */
export const HEADER_LENGTH = 'inference-header-content-length'

type Collected = (error: Error | null, body?: Buffer) => void

/**
 * Reads a body. One that says how long it is goes to its place as it comes, so that tensors behind the JSON begin at a multiple of eight bytes. Errors: MR_LIMIT for more than `bytesMax`,
 * those of the connection.
 */
export function collectBody(
  { headers }: FastifyRequest,
  payload: IncomingMessage,
  bytesMax: number,
  done: Collected,
): void {
  const length = Number(headers['content-length'])
  if (length > bytesMax) {
    done(tooLarge(bytesMax, length))
    return
  }
  const place = length <= PLACED_BYTES_MAX ? placeOf(length, Number(headers[HEADER_LENGTH])) : undefined
  const most = place ? length : bytesMax
  const chunks: Buffer[] = []
  let received = 0
  const end = (error?: Error | null) => {
    payload.off('data', take).off('end', end).off('error', end)
    if (error) done(error)
    else done(null, place ? place.subarray(0, received) : Buffer.concat(chunks, received))
  }
  const take = (chunk: Buffer) => {
    const from = received
    received += chunk.length
    if (received > most) end(tooLarge(bytesMax, received))
    else if (place) chunk.copy(place, from)
    else chunks.push(chunk)
  }
  payload.on('data', take).on('end', end).on('error', end)
}

function placeOf(length: number, headBytes: number): Buffer {
  const whole = Buffer.allocUnsafe(length + WIDEST_BYTES)
  const tensorsAt = whole.byteOffset + (headBytes > 0 && headBytes <= length ? headBytes : 0)
  const shift = (WIDEST_BYTES - (tensorsAt % WIDEST_BYTES)) % WIDEST_BYTES
  return whole.subarray(shift, shift + length)
}

function tooLarge(max: number, got: number): MillraceError {
  return new MillraceError('MR_LIMIT', { limit: 'bodyBytesMax', max, got, unit: 'bytes' })
}
