import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { assert, isMillraceError, MillraceError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { syncFolder } from '../disk/disk.ts'
import { faulted, isAbsent } from '../disk/fault.ts'
import type { Log, Repair } from '../ports.ts'
import { readStream } from './reader.ts'
import { countLines, segmentNumbers, segmentPath, streamFolder } from './segment-files.ts'
import { openWriter, type Writer } from './writer.ts'

export interface SegmentLimits {
  logSegmentBytesMax: number
  logRecordBytesMax: number
  logLockWaitMs?: number
}

type Segment = Awaited<ReturnType<Log['segments']>>[number]

/**
 * The log on segment files: `<root>/<stream>/00000001.ndjson` and on. The highest number is the one being
 * written.
 */
export function openSegmentLog(root: string, limits: SegmentLimits = LIMITS): Log {
  const writers = new Map<string, Promise<Writer>>()
  /** Closed segments never change. */
  const counted = new Map<string, number>()
  let closed = false

  const openKept = (stream: string, broken?: Writer): Promise<Writer> => {
    const opening = openAfter(broken, stream, limits, streamFolder(root, stream))
    writers.set(stream, opening)
    opening.catch(() => writers.delete(stream))
    return opening
  }

  /** The stream's writer in this process, opened anew when its last write failed. */
  const writerOf = async (stream: string): Promise<Writer> => {
    if (closed) throw new MillraceError('MR_STORE_CLOSED', { what: 'the log' })
    const known = writers.get(stream) ?? openKept(stream)
    const writer = await known
    if (!writer.broken()) return writer
    if (writers.get(stream) === known) void openKept(stream, writer)
    return writerOf(stream)
  }

  const describe = async (folder: string, segment: number, sealed: boolean): Promise<Segment> => {
    const path = segmentPath(folder, segment)
    const { size } = await stat(path)
    const records = counted.get(path) ?? (await countLines(path))
    if (sealed) counted.set(path, records)
    return { segment, path, bytes: size, records, sealed }
  }

  const segments = async (stream: string): Promise<Segment[]> => {
    const folder = streamFolder(root, stream)
    const numbers = await segmentNumbers(folder)
    const described = await Promise.all(
      numbers.map((segment, i) => describe(folder, segment, i < numbers.length - 1).catch(droppedMeanwhile)),
    )
    return described.flatMap((segment) => segment ?? [])
  }

  return {
    async append(stream, records) {
      checkRecords(records, limits.logRecordBytesMax)
      return (await writerOf(stream)).append(records)
    },
    read: (stream, after) => readStream(stream, streamFolder(root, stream), after),
    newestSegment: async (stream) => (await segmentNumbers(streamFolder(root, stream))).at(-1),
    async seal(stream) {
      if ((await segmentNumbers(streamFolder(root, stream))).length > 0) await (await writerOf(stream)).roll()
      return (await segments(stream)).flatMap(({ sealed, ...segment }) => (sealed ? [segment] : []))
    },
    segments,
    async drop(stream, segment) {
      const folder = streamFolder(root, stream)
      if ((await segmentNumbers(folder)).at(-1) === segment)
        throw new MillraceError('MR_LOG_SEGMENT_OPEN', { stream, segment })
      const path = segmentPath(folder, segment)
      await faulted(path, 'remove', () => rm(path, { force: true }))
      await syncFolder(folder).catch(droppedMeanwhile)
      counted.delete(path)
    },
    async close() {
      closed = true
      const open = await Promise.allSettled(writers.values())
      for (const writer of open) if (writer.status === 'fulfilled') await writer.value.close()
    },
  }
}

async function openAfter(
  broken: Writer | undefined,
  stream: string,
  limits: SegmentLimits,
  folder: string,
): Promise<Writer> {
  await broken?.close()
  return openWriter(stream, folder, limits.logSegmentBytesMax, limits.logLockWaitMs)
}

function droppedMeanwhile(thrown: unknown): undefined {
  if (!isAbsent(thrown)) throw thrown
}

function checkRecords(records: string[], bytesMax: number): void {
  for (const record of records) {
    assert(
      !record.includes('\n') && record.charCodeAt(record.length - 1) > 32,
      'a log record is one line of JSON, without blanks after it',
    )
    if (record.length * 3 > bytesMax && Buffer.byteLength(record) > bytesMax) {
      throw new MillraceError('MR_LIMIT', {
        limit: 'logRecordBytesMax',
        max: bytesMax,
        got: Buffer.byteLength(record),
        unit: 'bytes',
      })
    }
  }
}

/** Cuts the torn tails of all streams that no live process writes. */
export async function repairSegmentLog(root: string): Promise<Repair[]> {
  const repaired: Repair[] = []
  for (const name of await readdir(root)) {
    const folder = join(root, name)
    if ((await segmentNumbers(folder)).length === 0) continue
    const writer = await openWriter(decodeURIComponent(name), folder, LIMITS.logSegmentBytesMax, 0).catch(
      aliveElsewhere,
    )
    if (writer === undefined) continue
    repaired.push(...writer.repaired)
    await writer.close()
  }
  return repaired
}

function aliveElsewhere(thrown: unknown): undefined {
  if (!isMillraceError(thrown, 'MR_LOG_WRITER')) throw thrown
}
