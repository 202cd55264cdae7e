/**
 * Memory of WebAssembly that compiled trees lie in. A memory of its own for each model would reserve gigabytes of addresses and at least one page, so models
 * share shelves: a memory with the scoring kernels on it, scratch space that all its models use in turn, and blocks. A block is given back when its
 * lease is closed or nobody holds the lease any more; a shelf without blocks is let go. One arena a thread.
 */
import {
  compileWasm,
  type GrowingMemory,
  instantiateWasm,
  openGrowingMemory,
  PAGE_BYTES,
} from '../../core/wasm.ts'
import { SCORE_KERNELS } from './kernels-wasm.ts'

export interface ScoreKernels {
  scoreRow(header: number, row: number, z: number, leaves: number, out: number): number
  scoreRows(header: number, rows: number, n: number, z: number, out: number): void
  maskRow(header: number, row: number): number
  maskRows(header: number, rows: number, n: number, out: number): void
}

export const ARENA_LIMITS = {
  /** Scratch space at the start of each shelf: rows, their spread and their outputs. */
  scratchBytes: 1024 * 1024,
  /** A shelf grows to this; a larger model has one of its own. */
  shelfBytesMax: 64 * 1024 * 1024,
  /** All shelves of a thread; models beyond it are walked by the plain loops. */
  arenaBytesMax: 1024 * 1024 * 1024,
  /** What of it is spare: blocks that make models faster which already have one. */
  spareBytesMax: 64 * 1024 * 1024,
} as const

/** A piece of a shelf, from when it is lent until it is closed. */
export interface Lease {
  readonly shelf: Shelf
  /** First byte. */
  readonly at: number
  readonly bytes: number
  close(): void
}

export interface Shelf {
  readonly kernels: ScoreKernels
  /** For other kernels over the same blocks. */
  readonly memory: GrowingMemory
  /** Views of the memory as it is now: they change as it grows. */
  f64: Float64Array
  u32: Uint32Array
}

interface Room extends Shelf {
  bytesMax: number
  /** Free pieces in the order of their addresses, none touching another. */
  free: { at: number; bytes: number }[]
  nBlocks: number
}

const rooms: Room[] = []

let compiled: object | null | undefined

function scoreModule(): object | null {
  if (compiled === undefined) compiled = compileWasm(SCORE_KERNELS)
  return compiled
}

const dropped = new FinalizationRegistry<() => void>((giveBack) => giveBack())

let spareBytes = 0

/** Lends `bytes`, a multiple of 16; `null` where WebAssembly is not to be had or the arena is full. Contents are unknown. */
export function lend(bytes: number): Lease | null {
  return lendFor(bytes, () => undefined)
}

/** The same for what only makes a model faster: `null` also where such blocks have all that they may have. */
export function lendSpare(bytes: number): Lease | null {
  if (spareBytes + bytes > ARENA_LIMITS.spareBytesMax) return null
  const lease = lendFor(bytes, () => {
    spareBytes -= bytes
  })
  if (lease) spareBytes += bytes
  return lease
}

function lendFor(bytes: number, onReturn: () => void): Lease | null {
  for (const room of rooms) {
    const at = takeFrom(room, bytes)
    if (at !== null) return leaseOf(room, { at, bytes }, onReturn)
  }
  const room = openRoom(bytes)
  const at = room && takeFrom(room, bytes)
  return at === null ? null : leaseOf(room!, { at, bytes }, onReturn)
}

/** Bytes of all shelves, and models on them. */
export function arenaUse(): { bytes: number; blocks: number } {
  return {
    bytes: rooms.reduce((sum, { memory }) => sum + memory.buffer.byteLength, 0),
    blocks: rooms.reduce((sum, { nBlocks }) => sum + nBlocks, 0),
  }
}

function leaseOf(room: Room, { at, bytes }: { at: number; bytes: number }, onReturn: () => void): Lease {
  room.nBlocks++
  let open = true
  const giveBack = () => {
    if (!open) return
    open = false
    release(room, at, bytes)
    onReturn()
  }
  const lease: Lease = {
    shelf: room,
    at,
    bytes,
    close: () => {
      giveBack()
      dropped.unregister(giveBack)
    },
  }
  dropped.register(lease, giveBack, giveBack)
  return lease
}

function openRoom(bytes: number): Room | null {
  const module = scoreModule()
  const least = ARENA_LIMITS.scratchBytes + bytes
  if (!module || arenaUse().bytes + least > ARENA_LIMITS.arenaBytesMax) return null
  const bytesMax = Math.max(least, ARENA_LIMITS.shelfBytesMax)
  const memory = openGrowingMemory(least, bytesMax)
  if (!memory) return null
  const at = ARENA_LIMITS.scratchBytes
  const room: Room = {
    memory,
    bytesMax,
    kernels: instantiateWasm<ScoreKernels>(module, memory),
    f64: new Float64Array(memory.buffer),
    u32: new Uint32Array(memory.buffer),
    free: [{ at, bytes: memory.buffer.byteLength - at }],
    nBlocks: 0,
  }
  rooms.push(room)
  return room
}

/** The first free piece that is large enough; the memory grows when none is. */
function takeFrom(room: Room, bytes: number): number | null {
  const i = room.free.findIndex((piece) => piece.bytes >= bytes)
  if (i < 0) return grow(room, bytes) ? takeFrom(room, bytes) : null
  const piece = room.free[i]
  const { at } = piece
  piece.at += bytes
  piece.bytes -= bytes
  if (piece.bytes === 0) room.free.splice(i, 1)
  return at
}

/** Grows by an eighth at least, so that many small models grow it a few times. */
function grow(room: Room, bytes: number): boolean {
  const now = room.memory.buffer.byteLength
  const more = Math.max(bytes, Math.min(now >> 3, room.bytesMax - now))
  if (now + more > room.bytesMax || arenaUse().bytes + more > ARENA_LIMITS.arenaBytesMax) return false
  const pages = Math.ceil(more / PAGE_BYTES)
  try {
    room.memory.grow(pages)
  } catch {
    return false
  }
  room.f64 = new Float64Array(room.memory.buffer)
  room.u32 = new Uint32Array(room.memory.buffer)
  putFree(room, now, pages * PAGE_BYTES)
  return true
}

function release(room: Room, at: number, bytes: number): void {
  putFree(room, at, bytes)
  room.nBlocks--
  if (room.nBlocks === 0) rooms.splice(rooms.indexOf(room), 1)
}

/** Joins a piece with the free ones that it touches. */
function putFree({ free }: Room, at: number, bytes: number): void {
  let i = free.findIndex((piece) => piece.at > at)
  if (i < 0) i = free.length
  free.splice(i, 0, { at, bytes })
  const next = free[i + 1]
  if (next && at + bytes === next.at) {
    free[i].bytes += next.bytes
    free.splice(i + 1, 1)
  }
  const before = free[i - 1]
  if (before && before.at + before.bytes === at) {
    before.bytes += free[i].bytes
    free.splice(i, 1)
  }
}
