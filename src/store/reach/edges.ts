import { type FileHandle, open } from 'node:fs/promises'
import { isDigest } from '../../core/digest.ts'
import type { Digest } from '../../core/records.ts'
import { fault, isAbsent } from '../disk/fault.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { Objects } from '../ports.ts'

/** What a record names. */
export interface Edges {
  kind: string
  /** Of its top-level field `parents`: the versions before it. */
  parents: Digest[]
  /** Everywhere else. */
  others: Digest[]
  /** Of its top-level field `createdAt`, where it has one. */
  createdAt?: number
}

/** Fields of records that hold the hash of something which is no object of the store. */
const HASHES: ReadonlySet<string> = new Set(['hash', 'definition'])

const OPEN_BRACE = 0x7b

/**
 * What an object names, or undefined of one that is no record. A record is a JSON object on one line (canonical JSON has no line breaks) with a `kind`; every text
 * in it that is a digest is an edge, whatever the kind. Other objects are told by their first byte and not read.
 *
 * Errors: MR_OBJECT_MISSING; MR_OBJECT_CORRUPT for a damaged record. Cost: one read of a record, one byte of others.
 */
export async function edgesOf(objects: Objects, digest: Digest): Promise<Edges | undefined> {
  if (!(await mayBeRecord(objects, digest))) return undefined
  return edgesIn(await objects.get(digest))
}

/** The same of bytes that are at hand. */
export function edgesIn(bytes: Uint8Array): Edges | undefined {
  if (bytes[0] !== OPEN_BRACE || bytes.includes(0x0a) || bytes.length > STORE_LIMITS.recordBytesMax)
    return undefined
  const record = parsed(bytes)
  if (typeof record?.kind !== 'string') return undefined
  const { kind, parents, createdAt, ...rest } = record
  return {
    kind,
    parents: digestsIn(parents),
    others: digestsIn(rest),
    ...(typeof createdAt === 'number' && { createdAt }),
  }
}

/** Every text in a JSON value that is a digest, each once. */
export function digestsIn(value: unknown): Digest[] {
  const found = new Set<Digest>()
  const waiting: unknown[] = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === 'string') {
      if (isDigest(next)) found.add(next)
    } else if (Array.isArray(next)) for (const item of next) waiting.push(item)
    else if (next !== null && typeof next === 'object')
      for (const [key, item] of Object.entries(next)) {
        if (isDigest(key)) found.add(key)
        if (!HASHES.has(key)) waiting.push(item)
      }
  }
  return [...found]
}

function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
  } catch {
    return undefined
  }
}

async function mayBeRecord(objects: Objects, digest: Digest): Promise<boolean> {
  const file = await openObject(objects, digest)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0)
    if (bytesRead === 0 || buffer[0] !== OPEN_BRACE) return false
    return (await file.stat()).size <= STORE_LIMITS.recordBytesMax
  } finally {
    await file.close()
  }
}

/** A collection may set the object aside between its path and its opening; asking for the path again brings it back. */
async function openObject(objects: Objects, digest: Digest): Promise<FileHandle> {
  const path = await objects.path(digest)
  try {
    return await open(path, 'r')
  } catch (thrown) {
    if (!isAbsent(thrown)) throw fault(thrown, path, 'read')
    return await open(await objects.path(digest), 'r')
  }
}
