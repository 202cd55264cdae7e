import { createHash, webcrypto } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../../core/records.ts'
import { STORE_LIMITS } from '../limits.ts'

/**
 * SHA-256 of bytes: small ones at once, large ones on the thread pool so that requests are answered
 * meanwhile.
 */
export async function digestBytes(bytes: Uint8Array): Promise<Digest> {
  if (bytes.length <= STORE_LIMITS.hashInlineBytesMax)
    return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const hash = await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)
  return `sha256:${Buffer.from(hash).toString('hex')}`
}

/** SHA-256 of a file, read once: whole and on the thread pool, so that several at a time use several cores, or in pieces where it is large. */
export async function digestFile(path: string): Promise<{ digest: Digest; bytes: number }> {
  const { size } = await stat(path)
  if (size > STORE_LIMITS.hashInlineBytesMax && size <= STORE_LIMITS.hashWholeBytesMax) {
    const whole = await readFile(path)
    return { digest: await digestBytes(whole), bytes: whole.length }
  }
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(
    createReadStream(path, { highWaterMark: 1024 * 1024 }),
    async (pieces: AsyncIterable<Buffer>) => {
      for await (const piece of pieces) {
        bytes += piece.length
        hash.update(piece)
      }
    },
  )
  return { digest: `sha256:${hash.digest('hex')}`, bytes }
}
