import { crc32 } from 'node:zlib'

/**
 * How one append lies in a segment: its records as lines, and after the last record, before its line end, 64
 * blanks that carry the checksum. A space is a 0 and a tab a 1: 32 bits CRC-32 of the batch up to the blanks,
 * then 32 bits of its length in bytes, high bits first.
 *
 *     {"id":"a"}\n{"id":"b"}<64 blanks>\n
 *
 * JSON allows blanks there, so a segment stays newline-delimited JSON for every reader, one wait for the disk
 * covers records and checksum, and the end of the last whole batch can be found from behind. No record ends
 * in a blank, so a line that does ends a batch.
 */
export const SEAL_BYTES = 64
const SPACE = 32
const TAB = 9
const NEWLINE = 10

/** Blanks of each byte value. */
const BLANKS = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(2).padStart(8, '0').replace(/0/g, ' ').replace(/1/g, '\t'),
)

function blanksOf(word: number): string {
  return BLANKS[word >>> 24] + BLANKS[(word >>> 16) & 255] + BLANKS[(word >>> 8) & 255] + BLANKS[word & 255]
}

/** Bytes that a batch of records takes in a segment. */
export function batchBytes(records: string[]): number {
  let bytes = SEAL_BYTES
  for (const record of records) bytes += Buffer.byteLength(record) + 1
  return bytes
}

/** Writes a batch into a buffer with room for it; returns the offset after it. */
export function writeBatch(into: Buffer, offset: number, records: string[]): number {
  const end = offset + into.write(records.join('\n'), offset)
  const seal = blanksOf(crc32(into.subarray(offset, end))) + blanksOf(end - offset)
  into.write(seal, end, 'latin1')
  into[end + SEAL_BYTES] = NEWLINE
  return end + SEAL_BYTES + 1
}

/** Whether the line that ends at `iNewline` ends a batch. */
export function endsBatch(bytes: Buffer, iNewline: number): boolean {
  const last = bytes[iNewline - 1]
  return last === SPACE || last === TAB
}

/**
 * Start of the records of the batch whose line ends at `iNewline`, when its seal is whole and true; else
 * undefined.
 */
export function sealedStart(bytes: Buffer, iNewline: number): number | undefined {
  const end = iNewline - SEAL_BYTES
  if (end < 1) return undefined
  const crc = wordAt(bytes, end)
  const length = wordAt(bytes, end + 32)
  if (crc === undefined || length === undefined || length === 0 || length > end) return undefined
  return crc32(bytes.subarray(end - length, end)) === crc ? end - length : undefined
}

function wordAt(bytes: Buffer, offset: number): number | undefined {
  let word = 0
  for (let i = offset; i < offset + 32; i++) {
    if (bytes[i] !== SPACE && bytes[i] !== TAB) return undefined
    word = (word << 1) | (bytes[i] === TAB ? 1 : 0)
  }
  return word >>> 0
}

/** Offset after the last whole batch in `bytes`, searched from behind; undefined when none is whole. */
export function lastBatchEnd(bytes: Buffer): number | undefined {
  for (let i = bytes.lastIndexOf(NEWLINE); i > 0; i = bytes.lastIndexOf(NEWLINE, i - 1)) {
    if (endsBatch(bytes, i) && sealedStart(bytes, i) !== undefined) return i + 1
  }
  return undefined
}

/** Records between two offsets that hold whole batches' lines, without the seals. */
export function recordsIn(bytes: Buffer, start: number, iNewline: number): string[] {
  return bytes.toString('utf8', start, iNewline - SEAL_BYTES).split('\n')
}
