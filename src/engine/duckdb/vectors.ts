/** DuckDB's vectors as this engine reads them: the raw memory of a chunk's column and which rows are valid. */
import type { DuckDBVector } from '@duckdb/node-api'

/** What the vectors of the pinned binding hold inside; which of them are there depends on the type. */
interface Inside {
  items?: ArrayBufferView
  dataView?: DataView
  validity?: { data?: BigUint64Array | null }
}

/** Bytes of the vector's values, in the engine's own memory: valid until the next chunk is fetched. */
export function bytesOf(vector: DuckDBVector): { buffer: ArrayBuffer; byteOffset: number } {
  const { items, dataView } = vector as unknown as Inside
  const view = items ?? dataView!
  return { buffer: view.buffer as ArrayBuffer, byteOffset: view.byteOffset }
}

/** One bit a row, set when the row has a value; undefined when every row has one. */
export function validBitsOf(vector: DuckDBVector): Uint8Array | undefined {
  const data = (vector as unknown as Inside).validity?.data
  return data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined
}

/** Writes `missing` where the bits say that a row has no value. */
export function blank(
  out: { [index: number]: number },
  at: number,
  n: number,
  bits: Uint8Array | undefined,
  missing: number,
): void {
  if (!bits) return
  for (let i = 0; i < n; i++) {
    const byte = bits[i >> 3]!
    if (byte === 255) i |= 7
    else if ((byte & (1 << (i & 7))) === 0) out[at + i] = missing
  }
}

export const isValid = (bits: Uint8Array | undefined, i: number) =>
  bits === undefined || (bits[i >> 3]! & (1 << (i & 7))) !== 0
