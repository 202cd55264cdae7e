/** Hashes that other tools know files by; the store's own are of `digestFile`. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'

/** In hexadecimal. Cost: one read. */
export async function hashFile(algorithm: 'md5' | 'sha256', path: string): Promise<string> {
  const hash = createHash(algorithm)
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
