import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { describe, expect, it } from 'vitest'
import { collectBody } from '../../src/serve/http/collect.ts'
import { arrayOfBytes } from '../../src/serve/oip/datatypes.ts'
import { fails } from '../contract/query.ts'

const MAX = 64 * 1024
const bytes = (n: number) => Buffer.from(Uint8Array.from({ length: n }, (_, i) => i * 7))

/** What comes of chunks that arrive one after the other under these headers. */
function collected(headers: Record<string, string>, chunks: Buffer[], fault?: Error): Promise<Buffer> {
  const payload = new PassThrough()
  return new Promise((resolve, reject) => {
    const request = { headers } as unknown as FastifyRequest
    collectBody(request, payload as unknown as IncomingMessage, MAX, (error, body) =>
      body ? resolve(body) : reject(error),
    )
    for (const chunk of chunks) payload.write(chunk)
    if (fault) payload.destroy(fault)
    else payload.end()
  })
}

describe('a body is collected', () => {
  it('whole, whether it says how long it is or not, in however many pieces it comes', async () => {
    for (const n of [0, 1, 7, 8, 4096, MAX])
      for (const size of [1 + (n >> 2), n || 1]) {
        const whole = bytes(n)
        const chunks = Array.from({ length: Math.ceil(n / size) }, (_, i) =>
          whole.subarray(i * size, (i + 1) * size),
        )
        expect(whole.equals(await collected({ 'content-length': String(n) }, chunks))).toBe(true)
        expect(whole.equals(await collected({}, chunks))).toBe(true)
      }
  })

  it('so that tensors behind a head of any length are read where they lie', async () => {
    const numbers = Float64Array.of(1.5, -2.25, 1e300)
    const tensor = Buffer.from(numbers.buffer)
    for (let head = 1; head <= 24; head++) {
      const length = head + tensor.length
      const headers = {
        'content-length': String(length),
        'inference-header-content-length': String(head),
      }
      const body = await collected(headers, [Buffer.alloc(head, 32), tensor])
      const array = arrayOfBytes('FP64', body.subarray(head)) as Float64Array
      expect(array).toEqual(numbers)
      expect(array.buffer).toBe(body.buffer)
    }
  })

  it('and bytes that begin elsewhere are copied to where numbers can be', () => {
    const whole = Buffer.concat([Buffer.alloc(3), Buffer.from(Float32Array.of(3.5, -1).buffer)])
    const odd = new Uint8Array(whole.buffer, whole.byteOffset + 3, 8)
    const shifted = odd.byteOffset % 4 === 0 ? Buffer.concat([Buffer.alloc(1), odd]).subarray(1) : odd
    expect(arrayOfBytes('FP32', shifted)).toEqual(Float32Array.of(3.5, -1))
    expect(arrayOfBytes('FP32', shifted.subarray(1))).toBeUndefined()
  })

  it('up to the limit, and up to what it said of itself', async () => {
    const limit = (headers: Record<string, string>, n: number) =>
      fails(collected(headers, [bytes(n >> 1), bytes(n - (n >> 1))]), 'MR_LIMIT')
    await limit({}, MAX + 1)
    await limit({ 'content-length': String(MAX + 1) }, 10)
    await limit({ 'content-length': '10' }, 11)
    await limit({ 'inference-header-content-length': '99999999', 'content-length': '4' }, 5)
  })

  it('with the fault of the connection where there is one', async () => {
    await expect(collected({ 'content-length': '10' }, [bytes(4)], new Error('reset'))).rejects.toThrow(
      'reset',
    )
  })
})
