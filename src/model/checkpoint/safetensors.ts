/** Files of safetensors: a length, a head in JSON, and numbers. Nothing in them is run; no length is trusted. */
import { MillraceError } from '../../core/errors.ts'
import { NUMBER_TYPES } from './number-types.ts'
import type { ByteSource, TensorMap, TensorPlace } from './source.ts'

/** As the format's own readers have it. */
const HEAD_BYTES_MAX = 100_000_000
const METADATA = '__metadata__'

/**
 * Tensors of a safetensors file, in the order of its head. Reads the head alone.
 * Errors: MR_CHECKPOINT where the head is no JSON, a tensor lies outside of the file or has other bytes than its shape and type need.
 * Source: https://huggingface.co/docs/safetensors (Format).
 */
export async function readSafetensors(source: ByteSource): Promise<TensorMap> {
  const size = await source.read(0, 8)
  const headBytes = size.length === 8 ? Number(viewOf(size).getBigUint64(0, true)) : Number.NaN
  if (!(headBytes <= HEAD_BYTES_MAX && 8 + headBytes <= source.bytes))
    throw refused('a head that ends within the file', `a head of ${headBytes} bytes in ${source.bytes}`)
  const head = parsed(await source.read(8, headBytes))
  const tensors = new Map<string, TensorPlace>()
  let metadata: Record<string, string> = {}
  for (const [name, entry] of Object.entries(head)) {
    if (name === METADATA) metadata = textsOf(entry)
    else tensors.set(name, placeOf(name, entry, { begin: 8 + headBytes, end: source.bytes }))
  }
  return { tensors, metadata }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const head = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
    if (head !== null && typeof head === 'object' && !Array.isArray(head))
      return head as Record<string, unknown>
  } catch {
    // Said below.
  }
  throw refused('a head of JSON', 'something else')
}

function textsOf(entry: unknown): Record<string, string> {
  const pairs = Object.entries((entry ?? {}) as Record<string, unknown>)
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
}

function placeOf(name: string, entry: unknown, data: { begin: number; end: number }): TensorPlace {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
  const isShape = Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0)
  if (typeof dtype !== 'string' || !isShape || !Array.isArray(offsets))
    throw refused(`type, shape and offsets of tensor ${name}`, 'something else')
  const [from, to] = offsets as number[]
  const isInside = Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from <= to
  if (!isInside || data.begin + to > data.end)
    throw refused(`tensor ${name} within the file`, `bytes ${from} to ${to} of ${data.end - data.begin}`)
  const width = NUMBER_TYPES[dtype]?.width
  const need = width === undefined ? to - from : shape.reduce((n: number, size: number) => n * size, width)
  if (need !== to - from) throw refused(`${need} bytes of tensor ${name}`, String(to - from))
  return { name, dtype, shape, at: data.begin + from, bytes: to - from, isPlain: width !== undefined }
}

function refused(expected: string, got: string): MillraceError {
  return new MillraceError('MR_CHECKPOINT', { format: 'safetensors', expected, got })
}

/** One tensor that is to be written. */
export interface TensorShape {
  name: string
  dtype: string
  shape: readonly number[]
  bytes: number
}

/** Length and head of a safetensors file with these tensors, one after another; numbers begin at a multiple of eight. */
export function safetensorsHead(
  tensors: readonly TensorShape[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const head: Record<string, unknown> = Object.keys(metadata).length > 0 ? { [METADATA]: metadata } : {}
  let at = 0
  for (const { name, dtype, shape, bytes } of tensors) {
    head[name] = { dtype, shape, data_offsets: [at, at + bytes] }
    at += bytes
  }
  const text = new TextEncoder().encode(JSON.stringify(head))
  const out = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(32)
  viewOf(out).setBigUint64(0, BigInt(out.length - 8), true)
  out.set(text, 8)
  return out
}
