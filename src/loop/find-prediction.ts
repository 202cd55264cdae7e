/**
 * Finds one prediction and its outcome in the log by id.
 *
 * Ids that serving makes begin with their time, so the search starts at the segment of that time; an id that a client chose is looked for
 * from the beginning. Records are searched as text and only the one that holds the id is parsed.
 */
import {
  decodeBlocks,
  type LogBlock,
  OUTCOMES_STREAM,
  observationsOf,
  outcomesOf,
  PREDICTIONS_STREAM,
} from '../core/log-blocks.ts'
import type { Observation, Outcome } from '../core/records.ts'
import type { Log, LogPosition } from '../store/ports.ts'

/** How far the time in an id and the times of blocks may lie apart: ids never go back, clocks may. */
const SLACK_MS = 3_600_000

/** The answer that was given under an id (never what a shadow said), or undefined. Cost: one pass over the segments that can hold it. */
export async function findPrediction(log: Log, id: string): Promise<Observation | undefined> {
  const at = timeOfId(id)
  const near = at === undefined ? undefined : await search(log, PREDICTIONS_STREAM, answerOf(id), { id, at })
  return near ?? (await search(log, PREDICTIONS_STREAM, answerOf(id), { id }))
}

/** The first outcome that came for an id since `sinceAt`, or undefined. */
export async function findOutcome(log: Log, id: string, sinceAt: number): Promise<Outcome | undefined> {
  const first = (block: LogBlock) =>
    block.kind === 'outcomes' ? outcomesOf(block).find((outcome) => outcome.id === id) : undefined
  return await search(log, OUTCOMES_STREAM, first, { id, at: sinceAt, untilAt: Number.POSITIVE_INFINITY })
}

function answerOf(id: string): (block: LogBlock) => Observation | undefined {
  return (block) =>
    block.kind === 'predictions'
      ? observationsOf(block).find((row) => row.id === id && row.route !== 'shadow')
      : undefined
}

interface Sought {
  id: string
  /** Blocks before this time cannot hold it. */
  at?: number
  /** Blocks after this time cannot hold it. Default: `at`, when it is known. */
  untilAt?: number
}

async function search<R>(
  log: Log,
  stream: string,
  take: (block: LogBlock) => R | undefined,
  { id, at, untilAt = at ?? Number.POSITIVE_INFINITY }: Sought,
): Promise<R | undefined> {
  const needle = JSON.stringify(id)
  const from = at === undefined ? undefined : await startBefore(log, stream, at - SLACK_MS)
  for await (const { records } of log.read(stream, from)) {
    for (const record of records) {
      if (!record.includes(needle)) continue
      for (const block of decodeBlocks([record])) {
        const found = take(block)
        if (found !== undefined) return found
      }
    }
    if (timeOfRecord(records[0] ?? '') > untilAt + SLACK_MS) return undefined
  }
  return undefined
}

/** The start of the last segment that begins at or before a time; undefined for the beginning of the stream. */
async function startBefore(log: Log, stream: string, at: number): Promise<LogPosition | undefined> {
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
function timeOfRecord(record: string): number {
  const found = /"at":(\d+)/.exec(record.slice(0, HEAD_CHARS))
  return found ? Number(found[1]) : Number.NEGATIVE_INFINITY
}

const MADE_ID = /^[0-9A-HJKMNP-TV-Z]{26}(?::\d+)?$/
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** When an id was made, if serving made it: ten digits of base 32, in milliseconds. */
export function timeOfId(id: string): number | undefined {
  if (!MADE_ID.test(id)) return undefined
  let ms = 0
  for (const digit of id.slice(0, 10)) ms = ms * 32 + DIGITS.indexOf(digit)
  return ms
}
