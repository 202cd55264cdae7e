/** Digests without I/O: SHA-256 in plain arithmetic, for the small records that name work. Files are hashed by the store. */
import { canonicalJson } from './canonical.ts'
import type { Digest } from './records.ts'
import { sha256Hex } from './sha256.ts'

/** The digest of a record: SHA-256 of its canonical JSON in UTF-8. Cost: about 5 µs a kilobyte. */
export function digestOf(record: unknown): Digest {
  return `sha256:${sha256Hex(new TextEncoder().encode(canonicalJson(record)))}`
}

export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text)
}

/** First 12 hex digits, as people read them. */
export function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12)
}
