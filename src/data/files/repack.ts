/** Packs of which most is garbage, written anew as far as chunks of them are needed. */
import { isMillraceError, MillraceError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { RewriteItem, RewriteRequest, Rewriter, Rewriting, StandInPair } from '../../store/gc/rewrite.ts'
import type { Store } from '../../store/ports.ts'
import type { StandIns } from '../../store/reach/stand-ins.ts'
import { decodeChunks, type FileChunks } from './chunk-list.ts'
import type { ChunkRef } from './entry.ts'
import { badPacks, openIndex } from './known-chunks.ts'
import { FILE_LIMITS } from './limits.ts'
import { readNode } from './node-objects.ts'
import type { PackTable } from './pack-format.ts'
import { type PackSlot, PackWriter } from './pack-writer.ts'
import { Packs } from './packs.ts'
import { entriesOf, type FileLeaf } from './tree.ts'

/** Which chunks of a pack are needed, by their places in its table. */
interface Need {
  isNeeded: Uint8Array
  /** Bytes that they take in the pack; a part of a frame counts with its share. */
  bytes: number
}

/**
 * A pack is written anew when less than half of it is needed: each byte that is written frees more than one, and what a store keeps is below twice what it needs.
 * Chunks that another pack has too are not written. Cost: one read of the lists of chunks of all versions, one byte of memory a chunk; then a read and a write of what is needed.
 */
export const packRewriter: Rewriter = rewriterOf(isMostlyDead)

/** The same of every pack that holds anything which is not needed, whatever it saves: for what must be gone from the disk. */
export const packEraser: Rewriter = rewriterOf(({ isNeeded }) => isNeeded.includes(0))

type IsWorth = (need: Need, bytes: number) => boolean

function isMostlyDead(need: Need, bytes: number): boolean {
  const { bytesMin, shareNeededMax } = FILE_LIMITS.rewrite
  return bytes >= bytesMin && need.bytes < bytes * shareNeededMax
}

function rewriterOf(isWorth: IsWorth): Rewriter {
  return {
    kinds: new Set(['FileLeaf', 'FileChunks']),
    async plan(store, request) {
      const packs = new Packs(store)
      try {
        return new Repacking(store, request, await needsOf(store, packs, request), isWorth)
      } finally {
        packs.close()
      }
    },
  }
}

async function needsOf(
  store: Store,
  packs: Packs,
  { records, signal }: RewriteRequest,
): Promise<Map<Digest, Need>> {
  const needs = new Map<Digest, Need>()
  for (const record of records) {
    if (signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'garbage collection' })
    for (const [pack, chunks] of await chunksNamedBy(store, record)) {
      const holders = await holdersOf(packs, pack)
      for (const chunk of chunks) addNeed(needs, holders, Buffer.from(chunk, 'hex'))
    }
  }
  return needs
}

/** A pack that cannot be read has no need that could be told, and stays as it is. */
async function holdersOf(packs: Packs, pack: Digest): Promise<{ pack: Digest; table: PackTable }[]> {
  try {
    return await packs.holders(pack)
  } catch (thrown) {
    if (isMillraceError(thrown, 'MR_FILES_PACK') || isMillraceError(thrown, 'MR_OBJECT_MISSING')) return []
    throw thrown
  }
}

function addNeed(
  needs: Map<Digest, Need>,
  holders: readonly { pack: Digest; table: PackTable }[],
  chunk: Buffer,
): void {
  for (const { pack, table } of holders) {
    const i = table.find(chunk)
    if (i < 0) continue
    let need = needs.get(pack)
    if (need === undefined) {
      need = { isNeeded: new Uint8Array(table.nChunks), bytes: 0 }
      needs.set(pack, need)
    }
    if (need.isNeeded[i] === 0) need.bytes += storedBytes(table, i)
    need.isNeeded[i] = 1
    return
  }
}

function storedBytes(table: PackTable, i: number): number {
  const { frame, bytes } = table.chunk(i)
  const { bytesStored = bytes, bytesRaw = bytes } = table.frame(frame) ?? {}
  return (bytes * bytesStored) / Math.max(1, bytesRaw)
}

/** Chunks that a leaf or a list names, by pack. */
async function chunksNamedBy(store: Store, record: Digest): Promise<Map<Digest, string[]>> {
  const byPack = new Map<Digest, string[]>()
  for (const { digest, pack } of await chunkRefsIn(store, record)) {
    const known = byPack.get(pack.digest!)
    if (known) known.push(digest)
    else byPack.set(pack.digest!, [digest])
  }
  return byPack
}

async function chunkRefsIn(store: Store, record: Digest): Promise<Pick<ChunkRef, 'digest' | 'pack'>[]> {
  const node = await readNode<FileLeaf | FileChunks>(store, record, ['FileLeaf', 'FileChunks'])
  if (node.kind === 'FileChunks')
    return decodeChunks(
      node.chunks,
      node.packs.map((digest) => ({ digest })),
    )
  return entriesOf(node).flatMap(({ digest, place }) => {
    if (place.in === 'pack') return [{ digest, pack: place.pack }]
    return place.in === 'chunks' ? place.chunks : []
  })
}

class Repacking implements Rewriting {
  readonly items: RewriteItem[] = []
  readonly #store: Store
  readonly #standIns: StandIns
  readonly #needs: Map<Digest, Need>
  /** Chunks of the last batch that were kept. */
  readonly #kept = new Map<Digest, Set<string>>()

  constructor(store: Store, { old, standIns }: RewriteRequest, needs: Map<Digest, Need>, isWorth: IsWorth) {
    this.#store = store
    this.#standIns = standIns
    this.#needs = needs
    for (const [digest, need] of needs) {
      const bytes = old.get(digest)
      if (bytes !== undefined && isWorth(need, bytes))
        this.items.push({ digest, bytes, bytesNeeded: Math.ceil(need.bytes) })
    }
    this.items.sort((a, b) => a.bytesNeeded / a.bytes - b.bytesNeeded / b.bytes)
  }

  batches(): RewriteItem[][] {
    const batches: RewriteItem[][] = []
    let room = 0
    for (const item of this.items) {
      if (room < item.bytesNeeded) {
        batches.push([])
        room = FILE_LIMITS.packBytes
      }
      batches.at(-1)!.push(item)
      room -= item.bytesNeeded
    }
    return batches
  }

  async write(items: readonly RewriteItem[]): Promise<{ pairs: StandInPair[]; bytesWritten: number }> {
    this.#kept.clear()
    const packs = new Packs(this.#store)
    const index = await openIndex(this.#store, packs)
    const going = new Set([...this.items.map(({ digest }) => digest), ...(await badPacks(this.#store))])
    const writer = new PackWriter(this.#store, index, packs, going)
    const slots = new Map<Digest, Set<PackSlot>>()
    try {
      for (const { digest } of items) {
        const moved = await this.#move(digest, packs, writer)
        if (moved) slots.set(digest, moved)
      }
      await writer.finish()
    } finally {
      await writer.settle()
      index.close()
      packs.close()
    }
    const pairs = [...slots].flatMap(([gone, by]) =>
      [...new Set([...by].map((slot) => slot.digest!))].map((digest) => ({ gone, by: digest })),
    )
    return { pairs, bytesWritten: writer.bytesStored }
  }

  /** Puts what is needed of a pack elsewhere, in the order in which it lies; undefined where a chunk of it is damaged. */
  async #move(pack: Digest, packs: Packs, writer: PackWriter): Promise<Set<PackSlot> | undefined> {
    const kept = new Set<string>()
    const slots = new Set<PackSlot>()
    try {
      const [{ table }] = await packs.holders(pack)
      for (const i of placesOf(table, this.#needs.get(pack)!)) {
        const chunk = table.digest(i).toString('hex')
        slots.add(await writer.add(chunk, await packs.read(pack, chunk)))
        kept.add(chunk)
      }
    } catch (thrown) {
      const isDamage = (['MR_FILES_DAMAGED', 'MR_FILES_PACK', 'MR_OBJECT_MISSING'] as const).some((code) =>
        isMillraceError(thrown, code),
      )
      if (isDamage) return undefined
      throw thrown
    }
    this.#kept.set(pack, kept)
    return slots
  }

  async needMore(records: Iterable<Digest>): Promise<Set<Digest>> {
    const more = new Set<Digest>()
    for (const record of records)
      for (const [pack, chunks] of await chunksNamedBy(this.#store, record))
        for (const item of this.#behind(pack))
          if (chunks.some((chunk) => !this.#kept.get(item)!.has(chunk))) more.add(item)
    return more
  }

  /** Packs of the last batch that are meant where this one is named. */
  #behind(pack: Digest): Digest[] {
    const names = new Set([pack])
    for (const name of names) for (const other of this.#standIns.get(name) ?? []) names.add(other)
    return [...names].filter((name) => this.#kept.has(name))
  }
}

/** Places of chunks that are needed, as they lie in the pack. */
function placesOf(table: PackTable, { isNeeded }: Need): number[] {
  const places = Array.from(isNeeded.keys()).filter((i) => isNeeded[i] === 1)
  const at = places.map((i) => table.chunk(i))
  const order = Array.from(places.keys()).sort((a, b) => at[a].frame - at[b].frame || at[a].at - at[b].at)
  return order.map((i) => places[i])
}
