import { type FileHandle, open } from 'node:fs/promises'
import { MillraceError } from '../../core/errors.ts'
import { faulted, isAbsent } from '../disk/fault.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { LogPosition } from '../ports.ts'
import { endsBatch, recordsIn, sealedStart } from './batch.ts'
import { readRange, segmentNumbers, segmentPath } from './segment-files.ts'

type Batch = { records: string[]; next: LogPosition }

/**
 * Reads a stream in any process, also while its writer writes. The end is fixed when reading begins; a wait
 * for the disk at that moment makes everything before it durable, so that no reader ever sees a record that a
 * crash could take back.
 */
export async function* readStream(stream: string, folder: string, after?: LogPosition): AsyncIterable<Batch> {
  const numbers = await segmentNumbers(folder)
  const last = numbers.at(-1)
  if (last === undefined) return
  const lastBytes = await durableBytes(segmentPath(folder, last))
  for (const segment of numbers) {
    if (after !== undefined && segment < after.segment) continue
    const start = after?.segment === segment ? after.offset : 0
    yield* readSegment({
      stream,
      path: segmentPath(folder, segment),
      segment,
      start,
      end: segment === last ? lastBytes : undefined,
    })
  }
}

async function durableBytes(path: string): Promise<number> {
  const handle = await openIfThere(path)
  if (handle === undefined) return 0
  try {
    const { size } = await handle.stat()
    await handle.datasync()
    return size
  } finally {
    await handle.close()
  }
}

/** Compaction may drop a closed segment while we read: what it held is no longer in the stream. */
async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (thrown) {
    if (isAbsent(thrown)) return undefined
    throw thrown
  }
}

interface Part {
  stream: string
  path: string
  segment: number
  start: number
  /** Absent for a closed segment: all of it, and all of it must be whole. */
  end: number | undefined
}

async function* readSegment({ stream, path, segment, start, end }: Part): AsyncIterable<Batch> {
  const handle = await faulted(path, 'read', () => openIfThere(path))
  if (handle === undefined) return
  try {
    const stop = end ?? (await handle.stat()).size
    let window = STORE_LIMITS.logReadBytesMax
    for (let offset = start; offset < stop; ) {
      const bytes = await readRange(handle, offset, Math.min(window, stop - offset))
      const batches = parseBatches(bytes)
      if (batches.damaged)
        throw new MillraceError('MR_LOG_DAMAGED', { stream, path, offset: offset + batches.end })
      if (batches.end > 0) {
        offset += batches.end
        window = STORE_LIMITS.logReadBytesMax
        yield { records: batches.records, next: { segment, offset } }
      } else if (offset + bytes.length >= stop || bytes.length === 0) {
        if (end === undefined) throw new MillraceError('MR_LOG_DAMAGED', { stream, path, offset })
        return
      } else {
        window *= 4
      }
    }
  } finally {
    await handle.close()
  }
}

/**
 * Whole batches from the start of `bytes`; stops at the first that is not there in full, and says when one is
 * there but false.
 */
function parseBatches(bytes: Buffer): { records: string[]; end: number; damaged: boolean } {
  const records: string[] = []
  let start = 0
  for (let i = bytes.indexOf(10); i >= 0; i = bytes.indexOf(10, i + 1)) {
    if (!endsBatch(bytes, i)) continue
    if (sealedStart(bytes, i) !== start) return { records, end: start, damaged: start === 0 }
    for (const record of recordsIn(bytes, start, i)) records.push(record)
    start = i + 1
  }
  return { records, end: start, damaged: false }
}
