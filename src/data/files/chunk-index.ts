/**
 * Which pack has a chunk, over all packs of a store.
 *
 * The index is a folder of runs: files with the first 12 bytes of each digest in order, and the number of its pack. A pack adds a run; four runs of about one
 * size become one, so that there are few of them: O(log n). A look-up costs one binary search a run, and of a run beyond 8 MiB one read of 4 kB: of large runs only
 * every 256th digest is held in memory (2 MiB for the 16 million chunks of a terabyte). Everything here is a hint: who finds a pack looks into its own table, so that
 * a run that is old, cut short or gone costs space and no more. `rebuild` makes it anew from the packs.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../../core/records.ts'
import { FILE_LIMITS } from './limits.ts'

const MAGIC = Buffer.from('MRCIDX\x01\n', 'latin1')
const HEAD_BYTES = MAGIC.length + 8
const KEY_BYTES = 12
const ENTRY_BYTES = KEY_BYTES + 4
const PACK_BYTES = 32
const BLOCK = 256
const SUFFIX = '.run'

/** A run: `packs` by number, entries in the order of their keys. */
interface Run {
  path: string
  packs: Digest[]
  nEntries: number
  /** All entries, or of a large run the first key of each block. */
  held: Buffer
  /** Open file of a large run. */
  file?: { fd: number; entriesAt: number }
}

export class ChunkIndex {
  readonly #dir: string
  #runs: Run[]

  private constructor(dir: string, runs: Run[]) {
    this.#dir = dir
    this.#runs = runs
  }

  /** Opens the index of a folder, which is made where it is not there. */
  static open(dir: string): ChunkIndex {
    mkdirSync(dir, { recursive: true })
    const names = readdirSync(dir).filter((name) => name.endsWith(SUFFIX))
    return new ChunkIndex(
      dir,
      names.flatMap((name) => openRun(join(dir, name)) ?? []),
    )
  }

  get nChunks(): number {
    return this.#runs.reduce((n, run) => n + run.nEntries, 0)
  }

  /** Packs that may have the chunk, newest first. */
  find(digest: Buffer): Digest[] {
    const found: Digest[] = []
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const pack = findIn(this.#runs[i], digest)
      if (pack !== undefined) found.push(pack)
    }
    return found
  }

  /** Notes that a pack has these chunks, whose digests are given in order. */
  add(pack: Digest, digests: readonly Buffer[]): void {
    const entries = Buffer.alloc(digests.length * ENTRY_BYTES)
    for (const [i, digest] of digests.entries()) digest.copy(entries, i * ENTRY_BYTES, 0, KEY_BYTES)
    this.#write([pack], entries)
    this.#mergeSmall()
  }

  close(): void {
    for (const { file } of this.#runs) if (file) closeSync(file.fd)
    this.#runs = []
  }

  /** Empties it. */
  clear(): void {
    const paths = this.#runs.map(({ path }) => path)
    this.close()
    for (const path of paths) rmSync(path, { force: true })
  }

  #write(packs: Digest[], entries: Buffer): void {
    const path = join(this.#dir, `${randomBytes(8).toString('hex')}${SUFFIX}`)
    writeFileSync(`${path}.new`, Buffer.concat([headOf(packs, entries), entries]))
    renameSync(`${path}.new`, path)
    const run = openRun(path)
    if (run) this.#runs.push(run)
  }

  #mergeSmall(): void {
    for (;;) {
      const group = sameSize(this.#runs)
      if (group === undefined) return
      const { packs, entries } = mergeRuns(group)
      this.#write(packs, entries)
      this.#runs = this.#runs.filter((run) => !group.includes(run))
      for (const { path, file } of group) {
        if (file) closeSync(file.fd)
        rmSync(path, { force: true })
      }
    }
  }
}

function headOf(packs: readonly Digest[], entries: Buffer): Buffer {
  const counts = Buffer.alloc(8)
  counts.writeUInt32LE(packs.length, 0)
  counts.writeUInt32LE(entries.length / ENTRY_BYTES, 4)
  return Buffer.concat([
    MAGIC,
    counts,
    ...packs.map((pack) => Buffer.from(pack.slice('sha256:'.length), 'hex')),
  ])
}

/** Undefined where another process merged the run away, or a crash cut it short; that one is removed. */
function openRun(path: string): Run | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return undefined
  }
  const run = readRun(path, fd)
  if (run?.file === undefined) closeSync(fd)
  if (run === undefined) rmSync(path, { force: true })
  return run
}

function readRun(path: string, fd: number): Run | undefined {
  const size = fstatSync(fd).size
  const head = readAt(fd, 0, HEAD_BYTES)
  if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC)) return undefined
  const [nPacks, nEntries] = [head.readUInt32LE(MAGIC.length), head.readUInt32LE(MAGIC.length + 4)]
  const entriesAt = HEAD_BYTES + nPacks * PACK_BYTES
  if (size !== entriesAt + nEntries * ENTRY_BYTES) return undefined
  const names = readAt(fd, HEAD_BYTES, nPacks * PACK_BYTES)
  const packs = Array.from({ length: nPacks }, (_, i): Digest => {
    return `sha256:${names.toString('hex', i * PACK_BYTES, (i + 1) * PACK_BYTES)}`
  })
  if (nEntries * ENTRY_BYTES <= FILE_LIMITS.indexRunBytesInMemory)
    return { path, packs, nEntries, held: readAt(fd, entriesAt, nEntries * ENTRY_BYTES) }
  return { path, packs, nEntries, held: firstKeys(fd, entriesAt, nEntries), file: { fd, entriesAt } }
}

function firstKeys(fd: number, entriesAt: number, nEntries: number): Buffer {
  const nBlocks = Math.ceil(nEntries / BLOCK)
  const keys = Buffer.alloc(nBlocks * KEY_BYTES)
  for (let block = 0; block < nBlocks; block++)
    readSync(fd, keys, block * KEY_BYTES, KEY_BYTES, entriesAt + block * BLOCK * ENTRY_BYTES)
  return keys
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, position + done)
    if (n === 0) break
    done += n
  }
  return bytes.subarray(0, done)
}

function findIn(run: Run, digest: Buffer): Digest | undefined {
  if (run.file === undefined) return packIn(run, run.held, digest)
  const block = lastNotAbove(run.held, KEY_BYTES, digest)
  if (block < 0) return undefined
  const length = Math.min(BLOCK, run.nEntries - block * BLOCK) * ENTRY_BYTES
  return packIn(run, readAt(run.file.fd, run.file.entriesAt + block * BLOCK * ENTRY_BYTES, length), digest)
}

function packIn(run: Run, entries: Buffer, digest: Buffer): Digest | undefined {
  const i = lastNotAbove(entries, ENTRY_BYTES, digest)
  if (i < 0 || entries.compare(digest, 0, KEY_BYTES, i * ENTRY_BYTES, i * ENTRY_BYTES + KEY_BYTES) !== 0)
    return undefined
  return run.packs[entries.readUInt32LE(i * ENTRY_BYTES + KEY_BYTES)]
}

/** Place of the last key that is not above the digest's; -1 where all are. */
function lastNotAbove(keys: Buffer, step: number, digest: Buffer): number {
  const begin = digest.readUInt32BE(0)
  let low = 0
  let high = keys.length / step - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const at = middle * step
    const order = keys.readUInt32BE(at) - begin || keys.compare(digest, 4, KEY_BYTES, at + 4, at + KEY_BYTES)
    if (order <= 0) low = middle + 1
    else high = middle - 1
  }
  return high
}

/** The runs of the first size, in powers of four, that has too many of them. */
function sameSize(runs: readonly Run[]): Run[] | undefined {
  const sizes = new Map<number, Run[]>()
  for (const run of runs) {
    const size = Math.floor(Math.log2(run.nEntries + 1) / 2)
    const group = sizes.get(size) ?? []
    group.push(run)
    sizes.set(size, group)
    if (group.length >= FILE_LIMITS.indexRunsOfSize) return group
  }
  return undefined
}

function mergeRuns(runs: readonly Run[]): { packs: Digest[]; entries: Buffer } {
  const packs: Digest[] = []
  const parts = runs.map((run) => {
    const entries = run.file
      ? readAt(run.file.fd, run.file.entriesAt, run.nEntries * ENTRY_BYTES)
      : Buffer.from(run.held)
    for (let i = KEY_BYTES; i < entries.length; i += ENTRY_BYTES)
      entries.writeUInt32LE(entries.readUInt32LE(i) + packs.length, i)
    packs.push(...run.packs)
    return entries
  })
  return { packs, entries: parts.reduce(mergeTwo) }
}

function mergeTwo(a: Buffer, b: Buffer): Buffer {
  const out = Buffer.allocUnsafe(a.length + b.length)
  let [i, j, o] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    if (a.compare(b, j, j + KEY_BYTES, i, i + KEY_BYTES) <= 0) {
      a.copy(out, o, i, i + ENTRY_BYTES)
      i += ENTRY_BYTES
    } else {
      b.copy(out, o, j, j + ENTRY_BYTES)
      j += ENTRY_BYTES
    }
    o += ENTRY_BYTES
  }
  a.copy(out, o, i)
  b.copy(out, o + a.length - i, j)
  return out
}

/** Whether the folder has an index at all. */
export function hasIndex(dir: string): boolean {
  return existsSync(dir) && readdirSync(dir).some((name) => name.endsWith(SUFFIX))
}
