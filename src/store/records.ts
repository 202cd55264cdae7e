import { canonicalJson } from '../core/canonical.ts'
import { MillraceError } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import { STORE_LIMITS } from './limits.ts'
import type { Objects } from './ports.ts'

/** Records over objects: canonical JSON in, frozen values out, the ones read last kept in memory. */
export function openRecords(objects: Objects, cacheBytesMax: number = STORE_LIMITS.recordCacheBytesMax) {
  const cache = new Map<Digest, { record: Kinded; bytes: number }>()
  let cachedBytes = 0

  const keep = (digest: Digest, entry: { record: Kinded; bytes: number }) => {
    if (cache.has(digest)) return
    cache.set(digest, entry)
    cachedBytes += entry.bytes
    for (const [oldest, { bytes }] of cache) {
      if (cachedBytes <= cacheBytesMax) break
      cache.delete(oldest)
      cachedBytes -= bytes
    }
  }

  const read = async (digest: Digest): Promise<Kinded> => {
    const known = cache.get(digest)
    if (known !== undefined) {
      cache.delete(digest)
      cache.set(digest, known)
      return known.record
    }
    const bytes = await objects.get(digest)
    const record = parse(bytes)
    keep(digest, { record, bytes: bytes.length })
    return record
  }

  return {
    putRecord: (record: object): Promise<Digest> => objects.put(encode(record)),
    putRecords: (records: object[]): Promise<Digest[]> => objects.putAll(records.map(encode)),
    async getRecord<R extends { kind: string }>(digest: Digest, kind: R['kind']): Promise<R> {
      const record = await read(digest)
      if (record.kind !== kind) {
        throw new MillraceError('MR_RECORD_KIND', {
          digest,
          expected: kind,
          got: record.kind ?? 'bytes that are no record',
        })
      }
      return record as R
    },
  }
}

/** A parsed record; no kind when the object is something else. */
interface Kinded {
  kind?: string
}

function encode(record: object): Uint8Array {
  return new TextEncoder().encode(canonicalJson(record))
}

const NO_RECORD: Kinded = Object.freeze({})

function parse(bytes: Uint8Array): Kinded {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof (value as Kinded | null)?.kind === 'string' ? freezeDeep(value as Kinded) : NO_RECORD
  } catch {
    return NO_RECORD
  }
}

function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const item of Object.values(value)) freezeDeep(item)
  return Object.freeze(value)
}
