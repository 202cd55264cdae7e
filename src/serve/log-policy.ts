/** What the log of predictions keeps, by the policy of each model: which answers, and which inputs of them. Applied before anything is written or heard. */
import { createHmac } from 'node:crypto'
import { canonicalJson, type Json } from '../core/canonical.ts'
import { type OutcomeBlock, type PredictionBlock, pickOutcomes, pickPredictions } from '../core/log-blocks.ts'
import { isKept } from '../core/log-sample.ts'

export interface LogPolicy {
  /**
   * True: an answer leaves after its block is on disk (nothing answered is ever lost). False: at once, with the block written within about ten milliseconds (a crash loses those).
   */
  durable: boolean
  /** Share of answers that are kept, by a hash of their id. */
  sample: number
  /** Inputs that are left out. */
  redact: readonly string[]
  /** Inputs that are kept as a keyed hash: the same value is the same text, and nobody without the key can try values. */
  hash: readonly string[]
}

export const KEEP_ALL: LogPolicy = { durable: true, sample: 1, redact: [], hash: [] }

/** The block as it may be kept; undefined where none of its rows is. Groups are kept whole: what is ordered against what is not known is worth nothing. */
export function keptPredictions(
  block: PredictionBlock,
  policy: LogPolicy,
  key: Uint8Array | undefined,
): PredictionBlock | undefined {
  const kept = block.groups ? block : sampled(block, policy.sample)
  return kept && withoutSecrets(kept, policy, key)
}

/** Outcomes of answers that are kept. */
export function keptOutcomes(block: OutcomeBlock, { sample }: LogPolicy): OutcomeBlock | undefined {
  if (sample >= 1) return block
  const rows = rowsKept(block.ids, sample)
  if (rows.length === block.ids.length) return block
  return rows.length === 0 ? undefined : pickOutcomes(block, rows)
}

function sampled(block: PredictionBlock, sample: number): PredictionBlock | undefined {
  if (sample >= 1) return block
  const rows = rowsKept(block.ids, sample)
  if (rows.length === 0) return undefined
  return { ...(rows.length === block.ids.length ? block : pickPredictions(block, rows)), sample }
}

function rowsKept(ids: readonly string[], sample: number): number[] {
  const rows: number[] = []
  for (let i = 0; i < ids.length; i++) if (isKept(ids[i], sample)) rows.push(i)
  return rows
}

function withoutSecrets(
  block: PredictionBlock,
  { redact, hash }: LogPolicy,
  key: Uint8Array | undefined,
): PredictionBlock {
  const redacted = redact.filter((column) => column in block.inputs)
  const hashed = hash.filter((column) => column in block.inputs)
  if (redacted.length + hashed.length === 0) return block
  const inputs = { ...block.inputs }
  for (const column of redacted) delete inputs[column]
  for (const column of hashed)
    inputs[column] = inputs[column].map((value) => keyedHash(key as Uint8Array, column, value))
  return {
    ...block,
    inputs,
    ...(redacted.length > 0 && { redacted }),
    ...(hashed.length > 0 && { hashed }),
  }
}

/** Bytes of a hash that are kept: values of one column that fall together are not to be expected below 2^64 of them. */
const HASH_BYTES = 16

/** HMAC-SHA-256 of column and value; a missing value stays missing. The column is part of it, so that equal values of two columns do not show. */
function keyedHash(key: Uint8Array, column: string, value: Json): Json {
  if (value === null) return null
  const hash = createHmac('sha256', key)
    .update(`${column}\0${canonicalJson(value)}`)
    .digest()
  return `hmac:${hash.subarray(0, HASH_BYTES).toString('base64url')}`
}
