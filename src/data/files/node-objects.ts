/** Records as bytes with their digest, before they are stored. */
import { hash } from 'node:crypto'
import { canonicalJson } from '../../core/canonical.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'

/** Objects that are to be stored, by digest. */
export type NodeObjects = Map<Digest, Buffer>

/** Adds a record to those that are to be stored. */
export function addNode(nodes: NodeObjects, record: { kind: string }): Digest {
  return addText(nodes, canonicalJson(record))
}

/** The same of its canonical JSON. */
export function addText(nodes: NodeObjects, json: string): Digest {
  const bytes = Buffer.from(json)
  const digest: Digest = `sha256:${hash('sha256', bytes, 'hex')}`
  nodes.set(digest, bytes)
  return digest
}

/**
 * A record of one of some kinds, without the cache of the store, which trees of a hundred thousand files would empty.
 * Errors: MR_OBJECT_MISSING, MR_OBJECT_CORRUPT, MR_RECORD_KIND.
 */
export async function readNode<R extends { kind: string }>(
  store: Store,
  digest: Digest,
  kinds: readonly R['kind'][],
): Promise<R> {
  const record = parsed(await store.objects.get(digest))
  if (record !== undefined && kinds.includes(record.kind)) return record as R
  throw new MillraceError('MR_RECORD_KIND', {
    digest,
    expected: kinds.join(' or '),
    got: String(record?.kind ?? 'no record').slice(0, 64),
  })
}

function parsed(bytes: Uint8Array): { kind: string } | undefined {
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as { kind: string }
  } catch {
    return undefined
  }
}
