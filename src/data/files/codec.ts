/** How frames of packs are compressed: only where it pays, found out by trying now and then. */
import * as zlib from 'node:zlib'
import { decompress as unzstd } from 'fzstd'
import { assert } from '../../core/errors.ts'

/** Numbers of the codecs in packs; never given to another. */
export const CODEC = { plain: 0, deflate: 1, zstd: 2 } as const

export interface Stored {
  codec: number
  bytes: Uint8Array
}

interface NodeZstd {
  zstdCompress?: (bytes: Uint8Array, done: (error: Error | null, bytes: Buffer) => void) => void
  zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer
}
const native = zlib as unknown as NodeZstd

/** Stored bytes are kept compressed when they are below this share of what they were. */
const PAYS = 0.9
/** Bits a byte from which bytes, counted one by one, look random. */
const RANDOM_BITS = 7.6
const SAMPLES = 1024
/** Frames that are passed over, at most, after one that did not pay. */
const PASSED_MAX = 63

/**
 * Compresses frame after frame of one kind of bytes. After a frame that did not pay, 1, 3, 7, … up to 63 are stored as they are before one is tried again, so
 * that weights and pictures cost no time. zstd where Node has it (22.15 and newer), else deflate at its fastest; both are read everywhere.
 */
export class Compressor {
  #passed = 0
  #toPass = 0

  async compress(bytes: Uint8Array): Promise<Stored> {
    const plain = { codec: CODEC.plain, bytes }
    if (this.#passed < this.#toPass) {
      this.#passed++
      return plain
    }
    const stored = entropyBits(bytes) < RANDOM_BITS ? await squeeze(bytes) : plain
    const isWorth = stored.bytes.length < bytes.length * PAYS
    this.#passed = 0
    this.#toPass = isWorth ? 0 : Math.min(PASSED_MAX, this.#toPass * 2 + 1)
    return isWorth ? stored : plain
  }
}

function squeeze(bytes: Uint8Array): Promise<Stored> {
  return new Promise((resolve, reject) => {
    const done = (codec: number) => (error: Error | null, out: Buffer) =>
      error ? reject(error) : resolve({ codec, bytes: out })
    if (native.zstdCompress) native.zstdCompress(bytes, done(CODEC.zstd))
    else zlib.deflateRaw(bytes, { level: 1 }, done(CODEC.deflate))
  })
}

/** Shannon's entropy of single bytes, of a sample with even steps. */
function entropyBits(bytes: Uint8Array): number {
  const n = Math.min(SAMPLES, bytes.length)
  if (n === 0) return 0
  const counts = new Uint32Array(256)
  const step = bytes.length / n
  for (let i = 0; i < n; i++) counts[bytes[Math.floor(i * step)]]++
  let bits = 0
  for (const count of counts) if (count > 0) bits -= (count / n) * Math.log2(count / n)
  return bits
}

/** The `bytesRaw` bytes that were stored. Throws where they are others or more: the caller says of which pack. */
export function decompress(codec: number, stored: Uint8Array, bytesRaw: number): Uint8Array {
  if (codec === CODEC.plain) return stored
  const options = { maxOutputLength: Math.max(1, bytesRaw) }
  if (codec === CODEC.deflate) return zlib.inflateRawSync(stored, options)
  assert(codec === CODEC.zstd, `a known codec, got ${codec}`)
  if (native.zstdDecompressSync) return native.zstdDecompressSync(stored, options)
  return unzstd(stored, new Uint8Array(bytesRaw))
}
