/** Chunks on their way into packs: none that is stored already, one wait for the disk a pack. */
import { toError } from '../../core/errors.ts'
import type { Digest } from '../../core/records.ts'
import type { Store } from '../../store/ports.ts'
import type { ChunkIndex } from './chunk-index.ts'
import { Compressor } from './codec.ts'
import { FILE_LIMITS } from './limits.ts'
import { encodePack, type PackChunk, type PackFrame } from './pack-format.ts'
import type { Packs } from './packs.ts'

/** Pack that a chunk is in; its digest is known once the pack is on disk. */
export interface PackSlot {
  digest?: Digest
}

interface OpenPack {
  slot: PackSlot
  frames: Promise<PackFrame>[]
  chunks: PackChunk[]
  bytes: number
  /** Small chunks that will be the frame of number `smallFrame`. */
  small: Buffer | undefined
  smallBytes: number
  smallFrame: number
  /** Large chunks, one after another, as they will lie in the pack. */
  arena: Buffer | undefined
  arenaBytes: number
}

const newPack = (): OpenPack => ({
  slot: {},
  frames: [],
  chunks: [],
  bytes: 0,
  small: undefined,
  smallBytes: 0,
  smallFrame: 0,
  arena: undefined,
  arenaBytes: 0,
})

const SMALL_BYTES = FILE_LIMITS.frameBytes / 2
/** Room for the chunk that fills it. */
const ARENA_BYTES = FILE_LIMITS.packBytes + 1024 * 1024

export class PackWriter {
  /** Bytes of packs that were written. */
  bytesStored = 0
  /** Chunks that were new. */
  chunksNew = 0
  readonly #store: Store
  readonly #index: ChunkIndex
  readonly #packs: Packs
  readonly #small = new Compressor()
  readonly #large = new Compressor()
  /** Chunks of packs that are not on disk yet. */
  readonly #pending = new Map<string, PackSlot>()
  readonly #known = new Map<Digest, PackSlot>()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #arenas: Buffer[] = []
  #open = newPack()
  #failure: Error | undefined

  /** Packs that are damaged, so that their chunks are stored again. */
  readonly #bad: ReadonlySet<Digest>

  constructor(store: Store, index: ChunkIndex, packs: Packs, bad: ReadonlySet<Digest> = new Set()) {
    this.#store = store
    this.#index = index
    this.#packs = packs
    this.#bad = bad
  }

  /** Stores a chunk unless some pack has it. The caller keeps its buffer. */
  async add(digest: string, bytes: Uint8Array): Promise<PackSlot> {
    const known = this.#pending.get(digest) ?? (await this.find(digest))
    if (known) return known
    const slot = this.#put(digest, bytes)
    if (this.isFull) await this.makeRoom()
    return slot
  }

  /** The same of a chunk that no index knows or that is on its way, without a wait; undefined where packs have to be asked. After it, `isFull` is asked. */
  addAtOnce(digest: string, bytes: Uint8Array): PackSlot | undefined {
    const pending = this.#pending.get(digest)
    if (pending) return pending
    const mayBeThere = this.#index.nChunks > 0 && this.#index.find(Buffer.from(digest, 'hex')).length > 0
    return mayBeThere ? undefined : this.#put(digest, bytes)
  }

  /** Whether the pack that is being filled has all that it takes. */
  get isFull(): boolean {
    return this.#open.bytes >= FILE_LIMITS.packBytes
  }

  /** Sends the pack that is being filled on its way to the disk. */
  async makeRoom(): Promise<void> {
    await this.#close()
  }

  #put(digest: string, bytes: Uint8Array): PackSlot {
    const open = this.#open
    this.#pending.set(digest, open.slot)
    this.chunksNew++
    if (bytes.length >= SMALL_BYTES) this.#addLarge(open, digest, bytes)
    else this.#addSmall(open, digest, bytes)
    open.bytes += bytes.length
    return open.slot
  }

  /** Pack on disk, or on its way there, that has the chunk. */
  async find(digest: string): Promise<PackSlot | undefined> {
    const pending = this.#pending.get(digest)
    if (pending) return pending
    const key = Buffer.from(digest, 'hex')
    for (const pack of this.#index.find(key)) {
      if (this.#bad.has(pack) || !(await this.#packs.has(pack, key))) continue
      const slot = await this.#reuse(pack)
      if (slot) return slot
    }
    return undefined
  }

  /** Waits for packs that are on their way to the disk, also after a failure: nothing goes on behind the caller's back. */
  async settle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight)
  }

  /** Waits until all that was added is durable. */
  async finish(): Promise<void> {
    await this.#close()
    await this.settle()
    if (this.#failure) throw this.#failure
  }

  /** A pack that is used again counts as put now, so that no collection of garbage takes it away before it is named; undefined where one has just done so. */
  async #reuse(pack: Digest): Promise<PackSlot | undefined> {
    const known = this.#known.get(pack)
    if (known) return known
    if (!(await this.#store.objects.keep(pack))) return undefined
    const slot = { digest: pack }
    this.#known.set(pack, slot)
    return slot
  }

  #addLarge(open: OpenPack, digest: string, bytes: Uint8Array): void {
    open.chunks.push({ digest, frame: open.frames.length, at: 0, bytes: bytes.length })
    open.frames.push(frameOf(this.#large, this.#kept(open, bytes)))
  }

  /** A copy, in the arena as long as there is room. */
  #kept(open: OpenPack, bytes: Uint8Array): Uint8Array {
    open.arena ??= this.#arenas.pop() ?? Buffer.allocUnsafeSlow(ARENA_BYTES)
    const end = open.arenaBytes + bytes.length
    if (end > open.arena.length) return Buffer.from(bytes)
    open.arena.set(bytes, open.arenaBytes)
    const kept = open.arena.subarray(open.arenaBytes, end)
    open.arenaBytes = end
    return kept
  }

  #addSmall(open: OpenPack, digest: string, bytes: Uint8Array): void {
    if (open.small === undefined) {
      open.small = Buffer.allocUnsafeSlow(FILE_LIMITS.frameBytes + SMALL_BYTES)
      open.smallFrame = open.frames.length
      open.frames.push(NO_FRAME)
    }
    open.chunks.push({ digest, frame: open.smallFrame, at: open.smallBytes, bytes: bytes.length })
    open.small.set(bytes, open.smallBytes)
    open.smallBytes += bytes.length
    if (open.smallBytes >= FILE_LIMITS.frameBytes) this.#closeSmall(open)
  }

  #closeSmall(open: OpenPack): void {
    if (open.small === undefined) return
    open.frames[open.smallFrame] = frameOf(this.#small, open.small.subarray(0, open.smallBytes))
    open.small = undefined
    open.smallBytes = 0
  }

  async #close(): Promise<void> {
    const open = this.#open
    if (open.chunks.length === 0) return
    this.#open = newPack()
    this.#closeSmall(open)
    const flight = this.#flush(open).catch((thrown) => {
      this.#failure ??= toError(thrown)
    })
    this.#inFlight.add(flight)
    void flight.then(() => this.#inFlight.delete(flight))
    while (this.#inFlight.size > FILE_LIMITS.packsInFlight) await Promise.race(this.#inFlight)
    if (this.#failure) throw this.#failure
  }

  async #flush(open: OpenPack): Promise<void> {
    const { pieces, keys } = encodePack(await Promise.all(open.frames), open.chunks)
    const digest = await this.#store.objects.putPieces(pieces)
    if (open.arena) this.#arenas.push(open.arena)
    open.slot.digest = digest
    this.bytesStored += pieces.reduce((sum, { length }) => sum + length, 0)
    this.#index.add(digest, keys)
    for (const chunk of open.chunks) this.#pending.delete(chunk.digest)
    this.#known.set(digest, open.slot)
  }
}

/** Stands for a frame that small chunks are gathered for. */
const NO_FRAME: Promise<PackFrame> = Promise.resolve({ codec: 0, bytesRaw: 0, stored: new Uint8Array(0) })

function frameOf(compressor: Compressor, bytes: Uint8Array): Promise<PackFrame> {
  const frame = compressor
    .compress(bytes)
    .then(({ codec, bytes: stored }) => ({ codec, stored, bytesRaw: bytes.length }))
  frame.catch(() => undefined)
  return frame
}
