/** The index of chunks of a store, made anew where it is gone. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import { ChunkIndex, hasIndex } from './chunk-index.ts'
import { looksLikePack, type Packs } from './packs.ts'

const indexDir = (store: Store): string => join(store.cache, 'chunks')

/** Opens the index; where its folder is gone and there are sets of files, it is made from the packs first. */
export async function openIndex(store: Store, packs: Packs): Promise<ChunkIndex> {
  const dir = indexDir(store)
  const isNew = !hasIndex(dir) && (await store.meta.refs('files/')).length > 0
  const index = ChunkIndex.open(dir)
  if (isNew) await fill(store, packs, index)
  return index
}

/** Makes the index anew from all packs of the store; gives how many there are. Cost: reads the first bytes of every object, and the tables of packs. */
export async function rebuildIndex(store: Store, packs: Packs): Promise<number> {
  const index = ChunkIndex.open(indexDir(store))
  try {
    index.clear()
    return await fill(store, packs, index)
  } finally {
    index.close()
  }
}

const badPath = (store: Store): string => join(store.cache, 'bad-packs.json')

/** Packs in which damage was seen: nothing new is built upon them, until they are found whole. */
export async function badPacks(store: Store): Promise<Set<Digest>> {
  const text = await readFile(badPath(store), 'utf8').catch(() => '[]')
  const noted = new Set<Digest>()
  for (const pack of JSON.parse(text) as Digest[])
    if ((await store.objects.verify(pack)) !== 'ok') noted.add(pack)
  return noted
}

/** Notes packs in which damage was seen. */
export async function rememberBadPacks(store: Store, packs: readonly Digest[]): Promise<void> {
  if (packs.length === 0) return
  const known = await badPacks(store)
  await mkdir(store.cache, { recursive: true })
  await writeFile(badPath(store), JSON.stringify([...new Set([...known, ...packs])]))
}

async function fill(store: Store, packs: Packs, index: ChunkIndex): Promise<number> {
  let nPacks = 0
  for await (const { digest } of store.objects.list()) {
    try {
      if (!looksLikePack(await store.objects.path(digest))) continue
      index.add(digest, await packs.digests(digest))
      nPacks++
    } catch (thrown) {
      if (!isMillraceError(thrown)) throw thrown
    }
  }
  return nPacks
}
