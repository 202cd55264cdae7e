/** Whether the bytes of a version are what was added. */
import { isMillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { chunksOf } from './chunk-list.ts'
import { rememberBadPacks } from './known-chunks.ts'
import { Packs } from './packs.ts'
import { readTree } from './tree.ts'
import type { NamedFiles } from './versions.ts'

export interface FilesVerification {
  version: Digest
  files: number
  /** Different chunks that were read and hashed. */
  chunks: number
  bytes: number
  bad: { pack: Digest; chunk: string; path: string; state: 'missing' | 'corrupt' }[]
}

/**
 * Reads and hashes every chunk of a version once. Bad ones are values, each with the files that hold it; their packs are not built upon any more, so that adding
 * the files again heals the next version. Cost: one read of all bytes.
 */
export async function verifyFiles(
  store: Store,
  { digest, version }: NamedFiles,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: (done: number, note: string) => void } = {},
): Promise<FilesVerification> {
  const packs = new Packs(store)
  const states = new Map<string, Chunk>()
  const bad: FilesVerification['bad'] = []
  const damaged = new Set<Digest>()
  let bytes = 0
  try {
    const entries = await readTree(store, version.tree)
    for (const [i, entry] of entries.entries()) {
      signal?.throwIfAborted()
      onProgress?.(i / entries.length, entry.path)
      for (const ref of await chunksOf(store, entry)) {
        const pack = ref.pack.digest as Digest
        const key = `${pack}/${ref.digest}`
        const known = states.get(key) ?? (await stateOf(packs, { pack, chunk: ref.digest }, damaged))
        if (!states.has(key)) bytes += ref.bytes
        states.set(key, known)
        if (known !== 'ok') bad.push({ pack, chunk: ref.digest, path: entry.path, state: known })
      }
    }
    await rememberBadPacks(store, [...damaged])
    return { version: digest, files: entries.length, chunks: states.size, bytes, bad }
  } finally {
    packs.close()
  }
}

type Chunk = 'ok' | 'missing' | 'corrupt'

/** Notes the pack that is damaged: what stands in for the one that is named, where that is gone. */
async function stateOf(
  packs: Packs,
  { pack, chunk }: { pack: Digest; chunk: string },
  damaged: Set<Digest>,
): Promise<Chunk> {
  try {
    await packs.read(pack, chunk)
    return 'ok'
  } catch (thrown) {
    const isMissing = isMillraceError(thrown, 'MR_OBJECT_MISSING')
    if (
      !isMissing &&
      !isMillraceError(thrown, 'MR_FILES_PACK') &&
      !isMillraceError(thrown, 'MR_FILES_DAMAGED')
    )
      throw thrown
    damaged.add(isMissing ? pack : (thrown.data.pack as Digest))
    return isMissing ? 'missing' : 'corrupt'
  }
}
