/** Finds places in the log by time: blocks are written in the order of time but for what clocks and parallel requests disturb. */
import type { Log, LogPosition } from '../store/ports.ts'

/** How far the times of blocks may lie behind those written before them. */
export const SLACK_MS = 3_600_000

/** A place in a stream before everything that was written at a time or later: the start of a segment; undefined for the beginning of the stream. */
export async function startBefore(log: Log, stream: string, time: number): Promise<LogPosition | undefined> {
  const at = time - SLACK_MS
  const first = await segmentFrom(log, stream, 0)
  if (!first || first.at > at) return undefined
  let low = first.segment
  let high = low + 1
  for (let step = 1; ; step *= 2) {
    const probed = await segmentFrom(log, stream, low + step)
    high = low + step
    if (!probed || probed.at > at) break
    low = probed.segment
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1
    const probed = await segmentFrom(log, stream, middle)
    if (probed && probed.segment < high && probed.at <= at) low = probed.segment
    else high = middle
  }
  return { segment: low, offset: 0 }
}

/** The first segment from a number on that holds records, and the time of its first one. */
async function segmentFrom(
  log: Log,
  stream: string,
  segment: number,
): Promise<{ segment: number; at: number } | undefined> {
  for await (const { records, next } of log.read(stream, { segment, offset: 0 })) {
    if (records.length > 0) return { segment: next.segment, at: timeOfRecord(records[0]) }
  }
  return undefined
}

/** Characters of a record in which its time stands. */
const HEAD_CHARS = 400

/** Time of a block, read from its text without parsing it; the beginning of time where none stands there. */
export function timeOfRecord(record: string): number {
  const found = /"at":(\d+)/.exec(record.slice(0, HEAD_CHARS))
  return found ? Number(found[1]) : Number.NEGATIVE_INFINITY
}
