import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MillraceError } from '../../core/errors.ts'
import { disk, syncFolder } from '../disk/disk.ts'
import { fault, faulted } from '../disk/fault.ts'
import { holderOf, type Lock, lockWithin, noteHolder } from '../disk/lock.ts'
import { STORE_LIMITS } from '../limits.ts'
import type { LogPosition, Repair } from '../ports.ts'
import { batchBytes, writeBatch } from './batch.ts'
import { lockPath, segmentNumbers, segmentPath, wholeBytes } from './segment-files.ts'

interface Waiting {
  records: string[]
  bytes: number
  resolve(position: LogPosition): void
  reject(error: unknown): void
}

/** The segment being written: everything before `offset` is durable and whole. */
interface Tail {
  segment: number
  handle: FileHandle
  offset: number
}

/**
 * The one writer of a stream. It holds the stream's lock from opening to close; after a failed write it is
 * broken and must be opened anew.
 */
export interface Writer {
  append(records: string[]): Promise<LogPosition>
  /** Closes the current segment unless it is empty. */
  roll(): Promise<void>
  broken(): boolean
  repaired: Repair[]
  close(): Promise<void>
}

/**
 * Takes the stream's lock, cuts a torn tail, and is ready to append. Throws MR_LOG_WRITER when another writer
 * lives.
 */
export async function openWriter(
  stream: string,
  folder: string,
  segmentBytesMax: number,
  lockWaitMs: number = STORE_LIMITS.logLockWaitMs,
): Promise<Writer> {
  const lock = await takeLock(stream, folder, lockWaitMs)
  try {
    const { tail, repaired } = await faulted(folder, 'write', () => openTail(folder))
    return startWriter({ stream, folder, segmentBytesMax, lock, tail, repaired })
  } catch (thrown) {
    lock.release()
    throw thrown
  }
}

async function takeLock(stream: string, folder: string, waitMs: number): Promise<Lock> {
  await faulted(folder, 'write', async () => {
    if ((await mkdir(folder, { recursive: true })) !== undefined) await syncFolder(dirname(folder))
  })
  const path = lockPath(folder)
  const lock = await lockWithin(path, waitMs)
  if (lock === undefined)
    throw new MillraceError('MR_LOG_WRITER', { stream, path, pid: await holderOf(path) })
  await noteHolder(path)
  return lock
}

async function openTail(folder: string): Promise<{ tail: Tail; repaired: Repair[] }> {
  const last = (await segmentNumbers(folder)).at(-1)
  if (last === undefined) return { tail: await beginSegment(folder, 1), repaired: [] }
  const path = segmentPath(folder, last)
  const handle = await open(path, 'r+')
  const { size } = await handle.stat()
  const offset = await wholeBytes(handle, size)
  const tail = { segment: last, handle, offset }
  if (offset === size) return { tail, repaired: [] }
  await handle.truncate(offset)
  await disk.sync(handle)
  return {
    tail,
    repaired: [
      {
        what: 'log-tail',
        path,
        detail: `cut ${size - offset} bytes of an append that was never acknowledged`,
      },
    ],
  }
}

async function beginSegment(folder: string, segment: number): Promise<Tail> {
  const handle = await open(segmentPath(folder, segment), 'wx')
  await syncFolder(folder)
  return { segment, handle, offset: 0 }
}

interface Opened {
  stream: string
  folder: string
  segmentBytesMax: number
  lock: Lock
  tail: Tail
  repaired: Repair[]
}

function startWriter({ stream, folder, segmentBytesMax, lock, tail, repaired }: Opened): Writer {
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let flushing = false
  let failure: Error | undefined
  /** Everything that touches the file takes turns. */
  let turn: Promise<unknown> = Promise.resolve()

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }

  const takeGroup = (): Waiting[] => {
    let bytes = 0
    let n = 0
    while (n < waiting.length && (n === 0 || bytes + waiting[n].bytes <= STORE_LIMITS.logGroupBytesMax))
      bytes += waiting[n++].bytes
    const group = waiting.slice(0, n)
    waiting = waiting.slice(n)
    waitingBytes -= bytes
    return group
  }

  const fail = (group: Waiting[], thrown: unknown) => {
    failure = fault(thrown, segmentPath(folder, tail.segment), 'append to')
    for (const { reject } of [...group, ...waiting]) reject(failure)
    waiting = []
    waitingBytes = 0
  }

  const rollTail = async () => {
    if (tail.offset === 0) return
    const next = await beginSegment(folder, tail.segment + 1)
    await tail.handle.close()
    tail = next
  }

  const flush = async () => {
    const group = takeGroup()
    if (group.length === 0) return
    try {
      if (tail.offset >= segmentBytesMax) await rollTail()
      const positions = await writeGroup(tail, group)
      for (const [i, { resolve }] of group.entries()) resolve(positions[i])
    } catch (thrown) {
      await tail.handle.truncate(tail.offset).catch(() => undefined)
      fail(group, thrown)
    }
  }

  /** One group a turn, so that a seal gets its turn under load. */
  const flushAll = async () => {
    while (waiting.length > 0) await inTurn(flush)
    flushing = false
  }

  return {
    repaired,
    broken: () => failure !== undefined,
    async append(records) {
      if (failure !== undefined) throw failure
      if (records.length === 0) return { segment: tail.segment, offset: tail.offset }
      const bytes = batchBytes(records)
      if (waitingBytes > 0 && waitingBytes + bytes > STORE_LIMITS.logPendingBytesMax) {
        throw new MillraceError('MR_LOG_BUSY', {
          stream,
          pendingBytes: waitingBytes,
          max: STORE_LIMITS.logPendingBytesMax,
        })
      }
      waitingBytes += bytes
      return new Promise<LogPosition>((resolve, reject) => {
        waiting.push({ records, bytes, resolve, reject })
        if (!flushing) {
          flushing = true
          void flushAll()
        }
      })
    },
    roll: () => inTurn(() => faulted(folder, 'write', rollTail)),
    async close() {
      while (flushing) await inTurn(async () => undefined)
      await inTurn(() => tail.handle.close())
      lock.release()
    },
  }
}

/** Writes the batches of a group one after another, waits once, and moves the tail. */
async function writeGroup(tail: Tail, group: Waiting[]): Promise<LogPosition[]> {
  const bytes = Buffer.allocUnsafe(group.reduce((sum, item) => sum + item.bytes, 0))
  let end = 0
  const positions = group.map(({ records }) => {
    end = writeBatch(bytes, end, records)
    return { segment: tail.segment, offset: tail.offset + end }
  })
  await disk.write(tail.handle, bytes.subarray(0, end), tail.offset)
  await disk.sync(tail.handle)
  tail.offset += end
  return positions
}
