/** The chain of records that says how far a stream is part of its dataset. */
import { refs } from '../../core/names.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { ROWS_LIMITS } from './limits.ts'
import type { RowSeal } from './types.ts'

export async function newestSeal(
  store: Store,
  dataset: string,
): Promise<{ digest: Digest | null; record: RowSeal | null }> {
  const ref = await store.meta.ref(refs.rows(dataset))
  if (!ref) return { digest: null, record: null }
  return { digest: ref.digest, record: await store.getRecord<RowSeal>(ref.digest, 'RowSeal') }
}

export type SealedBatch = [batch: string, digest: string, rows: number, at: number]

/** Batches of seals from the given one back to a time, oldest first, `batchesMax` at most. */
export async function sealedBatches(
  store: Store,
  newest: Digest | null,
  since: number,
): Promise<SealedBatch[]> {
  const found: SealedBatch[][] = []
  let n = 0
  for (let at = newest; at !== null && n < ROWS_LIMITS.batchesMax; ) {
    const seal: RowSeal = await store.getRecord<RowSeal>(at, 'RowSeal')
    if (seal.at < since) break
    const batches = seal.batches === null ? [] : batchesOf(await store.objects.get(seal.batches))
    found.unshift(batches)
    n += batches.length
    at = seal.previous
  }
  return found.flat()
}

/** Puts the names of batches into the store; null for none. */
export async function putBatches(store: Store, batches: readonly SealedBatch[]): Promise<Digest | null> {
  if (batches.length === 0) return null
  return await store.objects.put(Buffer.from(batches.map((one) => JSON.stringify(one)).join('\n')))
}

const batchesOf = (bytes: Uint8Array): SealedBatch[] =>
  Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .map((line) => JSON.parse(line) as SealedBatch)
