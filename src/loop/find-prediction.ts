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
import type { Log } from '../store/ports.ts'
import { SLACK_MS, startBefore, timeOfRecord } from './seek.ts'

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
  const from = at === undefined ? undefined : await startBefore(log, stream, at)
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

const MADE_ID = /^[0-9A-HJKMNP-TV-Z]{26}(?::\d+)?$/
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** When an id was made, if serving made it: ten digits of base 32, in milliseconds. */
export function timeOfId(id: string): number | undefined {
  if (!MADE_ID.test(id)) return undefined
  let ms = 0
  for (const digit of id.slice(0, 10)) ms = ms * 32 + DIGITS.indexOf(digit)
  return ms
}
