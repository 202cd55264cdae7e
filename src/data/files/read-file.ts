/** One file on its way into the store: cut, hashed, and seen to be the same from its first byte to its last. */
import { createHash, hash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.ts'
import { fault } from '../../store/disk/fault.ts'
import type { ChunkRef, Place } from './entry.ts'
import { type CutRule, cutAt } from './gear.ts'
import { FILE_LIMITS } from './limits.ts'
import type { PackSlot, PackWriter } from './pack-writer.ts'
import { type FileStat, looksSame, statOf } from './stat.ts'

export interface StoredFile {
  /** SHA-256 of all bytes in hex. */
  digest: string
  place: Place
  /** What the file looked like when its last byte had been read. */
  stat: FileStat
}

export interface ReadOptions {
  writer: PackWriter
  signal: AbortSignal
  /** Bytes that were read since it was last called. */
  onBytes: (bytes: number) => void
  rule: CutRule
  /** Offsets at which the file is cut whatever it holds, ascending. */
  borders?: readonly number[]
}

/** What is opened is what was seen: not what a link points to, nor a pipe that would wait for ever. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/**
 * Stores a file that looked like `seen`. One that changes meanwhile is read again, three times at most.
 * Errors: MR_FILES_CHANGING, MR_NO_PERMISSION, MR_NO_SPACE.
 */
export async function storeFile(path: string, seen: FileStat, options: ReadOptions): Promise<StoredFile> {
  let before = seen
  for (let tries = 0; tries < FILE_LIMITS.readTries; tries++) {
    const isSmall = before.bytes <= options.rule.bytesMin && options.borders === undefined
    const read = isSmall ? await storeSmall(path, before, options) : await storeLarge(path, options)
    if (read.isSteady && looksSame(read.stat, before)) return read
    before = read.stat
  }
  throw new MillraceError('MR_FILES_CHANGING', { path, tries: FILE_LIMITS.readTries })
}

/** The same of a small file, with no wait unless its chunk may be stored already; undefined where it changes meanwhile. */
export function storeAtOnce(
  path: string,
  seen: FileStat,
  writer: PackWriter,
): StoredFile | Promise<StoredFile> | undefined {
  const { bytes, stat } = readWhole(path, seen.bytes)
  if (!looksSame(stat, seen) || bytes.length !== seen.bytes) return undefined
  const digest = hash('sha256', bytes, 'hex')
  if (bytes.length === 0) return { digest, place: { in: 'nothing' }, stat }
  const stored = (pack: PackSlot): StoredFile => ({ digest, place: { in: 'pack', pack }, stat })
  const pack = writer.addAtOnce(digest, bytes)
  return pack ? stored(pack) : writer.add(digest, bytes).then(stored)
}

type Attempt = StoredFile & { isSteady: boolean }

/** `before` is what the file looked like; it is steady when it has that many bytes still. */
async function storeSmall(
  path: string,
  before: FileStat,
  { writer, onBytes }: ReadOptions,
): Promise<Attempt> {
  const { bytes, stat } = readWhole(path, before.bytes)
  onBytes(bytes.length)
  const isSteady = bytes.length === before.bytes
  const digest = hash('sha256', bytes, 'hex')
  if (!isSteady || bytes.length === 0) return { digest, place: { in: 'nothing' }, stat, isSteady }
  return { digest, place: { in: 'pack', pack: await writer.add(digest, bytes) }, stat, isSteady }
}

/** Small files are read into it one after another; who stores them takes a copy before the next. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** Bytes up to one more than are expected, so that growth is seen. They are good until the next call. */
function readWhole(path: string, bytesExpected: number): { bytes: Buffer; stat: FileStat } {
  const fd = opened(path)
  try {
    const bytes =
      bytesExpected < scratch.length
        ? scratch.subarray(0, bytesExpected + 1)
        : Buffer.allocUnsafe(bytesExpected + 1)
    let n = 0
    // A read that is cut short elsewhere than at the end is not one of a file with as many bytes as are expected.
    for (let got = -1; got !== 0 && n < bytes.length && n !== bytesExpected; n += got)
      got = readSync(fd, bytes, n, bytes.length - n, n)
    return { bytes: bytes.subarray(0, n), stat: statOf(fstatSync(fd)) }
  } catch (thrown) {
    throw fault(thrown, path, 'read')
  } finally {
    closeSync(fd)
  }
}

function opened(path: string): number {
  try {
    return openSync(path, FLAGS)
  } catch (thrown) {
    throw fault(thrown, path, 'read')
  }
}

async function storeLarge(path: string, options: ReadOptions): Promise<Attempt> {
  const handle = await open(path, FLAGS).catch((thrown) => {
    throw fault(thrown, path, 'read')
  })
  try {
    const begun = statOf(await handle.stat())
    const { digest, chunks, bytes } = await storeChunks(handle, path, options)
    const stat = statOf(await handle.stat())
    return { digest, place: placeOf(chunks), stat, isSteady: looksSame(begun, stat) && bytes === stat.bytes }
  } finally {
    await handle.close()
  }
}

function placeOf(chunks: ChunkRef[]): Place {
  if (chunks.length === 0) return { in: 'nothing' }
  return chunks.length === 1 ? { in: 'pack', pack: chunks[0].pack } : { in: 'chunks', chunks }
}

async function storeChunks(
  handle: FileHandle,
  path: string,
  { writer, signal, onBytes, rule, borders = [] }: ReadOptions,
): Promise<{ digest: string; chunks: ChunkRef[]; bytes: number }> {
  const whole = createHash('sha256')
  const chunks: ChunkRef[] = []
  const buffer = Buffer.allocUnsafeSlow(FILE_LIMITS.readBytes + rule.bytesMax)
  let held = 0
  let begin = 0
  let iBorder = 0
  for (let isEnd = false; !isEnd; ) {
    signal.throwIfAborted()
    const got = await readOn(handle, path, buffer.subarray(held), begin + held)
    whole.update(buffer.subarray(held, held + got))
    onBytes(got)
    held += got
    isEnd = got === 0
    let at = 0
    for (;;) {
      while (iBorder < borders.length && borders[iBorder] <= begin + at) iBorder++
      const border = iBorder < borders.length ? borders[iBorder] - begin : Number.POSITIVE_INFINITY
      const isAll = isEnd || border <= held || held - at >= rule.bytesMax
      if (at >= held || !isAll) break
      const cut = cutAt(buffer, at, Math.min(held, border), rule)
      const piece = buffer.subarray(at, cut)
      const digest = hash('sha256', piece, 'hex')
      chunks.push({ digest, bytes: piece.length, pack: await writer.add(digest, piece) })
      at = cut
    }
    buffer.copyWithin(0, at, held)
    begin += at
    held -= at
  }
  return { digest: whole.digest('hex'), chunks, bytes: begin }
}

async function readOn(handle: FileHandle, path: string, into: Buffer, position: number): Promise<number> {
  try {
    return (await handle.read(into, 0, into.length, position)).bytesRead
  } catch (thrown) {
    throw fault(thrown, path, 'read')
  }
}
