/**
 * Bytes of the sketches of a part: `MRSKETCH`, length of the head (u32), the head in canonical JSON, and from a multiple of 8 on one section a column: items of
 * the quantiles (f64), then registers of the distinct values, all of them (u8) or, where most are empty, those that are not (u32: register · 64 + value).
 * Little-endian. Equal sketches have equal bytes.
 */
import { canonicalJson, type Json } from '../core/canonical.ts'
import { MillraceError } from '../core/errors.ts'
import type { Moments } from './moments.ts'
import type { ColumnSketch } from './sketch-column.ts'
import { emptyHll, type HllSketch, requireLgK } from './sketch-hll.ts'
import type { KllSketch } from './sketch-kll.ts'

const MAGIC = new TextEncoder().encode('MRSKETCH')
const HEAD_AT = 12
const RANK_MAX = 63
/** Bits of four registers that none may have. */
const BEYOND_RANKS = 0xc0c0c0c0 | 0
/** Registers that are written one by one at most. */
const sparseMax = (lgK: number): number => 2 ** (lgK - 3)

export type SketchesByColumn = Record<string, ColumnSketch>

interface Head {
  version: 1
  columns: ColumnHead[]
}

interface ColumnHead {
  name: string
  rows: number
  nulls: number
  notFinite: number
  moments: Moments | null
  kll: { k: number; n: number; min: number | null; max: number | null; levels: number[] } | null
  /** Registers written one by one; null where all of them are. */
  hll: { lgK: number; sparse: number | null }
  frequent: {
    capacity: number
    n: number
    floor: number
    items: [item: string, count: number, error: number][]
  }
}

/** Cost: O(bytes). */
export function encodeSketches(columns: SketchesByColumn): Uint8Array {
  const entries = Object.entries(columns)
  const head: Head = { version: 1, columns: entries.map(([name, sketch]) => headOf(name, sketch)) }
  const text = new TextEncoder().encode(canonicalJson(head as unknown as Json))
  const bytes = new Uint8Array(head.columns.reduce((at, column) => at + bytesOf(column), bodyAt(text.length)))
  bytes.set(MAGIC)
  const view = new DataView(bytes.buffer)
  view.setUint32(MAGIC.length, text.length, true)
  bytes.set(text, HEAD_AT)
  let at = bodyAt(text.length)
  for (const [i, [, { kll, hll }]] of entries.entries()) {
    for (const item of kll?.levels.flat() ?? []) {
      view.setFloat64(at, item, true)
      at += 8
    }
    at = eight(writeRegisters(view, at, hll, head.columns[i].hll))
  }
  return bytes
}

const eight = (at: number): number => Math.ceil(at / 8) * 8

const bodyAt = (headBytes: number): number => eight(HEAD_AT + headBytes)

function bytesOf({ kll, hll }: ColumnHead): number {
  const items = kll?.levels.reduce((n, level) => n + level, 0) ?? 0
  return 8 * items + eight(hll.sparse === null ? 2 ** hll.lgK : 4 * hll.sparse)
}

function headOf(name: string, { kll, hll, frequent, ...rest }: ColumnSketch): ColumnHead {
  const filled = filledRegisters(hll)
  const { capacity, n, floor } = frequent
  return {
    ...rest,
    name,
    kll: kll && { k: kll.k, n: kll.n, min: kll.min, max: kll.max, levels: kll.levels.map((l) => l.length) },
    hll: { lgK: hll.lgK, sparse: filled <= sparseMax(hll.lgK) ? filled : null },
    frequent: {
      capacity,
      n,
      floor,
      items: Object.entries(frequent.items).map(([item, { count, error }]) => [item, count, error]),
    },
  }
}

function filledRegisters({ registers }: HllSketch): number {
  let filled = 0
  for (let i = 0; i < registers.length; i++) if (registers[i] > 0) filled++
  return filled
}

function writeRegisters(
  view: DataView,
  at: number,
  { registers }: HllSketch,
  { sparse }: ColumnHead['hll'],
): number {
  if (sparse === null) {
    new Uint8Array(view.buffer).set(registers, at)
    return at + registers.length
  }
  let end = at
  for (let i = 0; i < registers.length; i++) {
    if (registers[i] === 0) continue
    view.setUint32(end, i * 64 + registers[i], true)
    end += 4
  }
  return end
}

/** Law: `decodeSketches(encodeSketches(s))` equals `s`. Errors: MR_STATS_DECODE for other, cut or damaged bytes. Cost: O(bytes). */
export function decodeSketches(bytes: Uint8Array): SketchesByColumn {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < HEAD_AT || MAGIC.some((byte, i) => bytes[i] !== byte)) throw refusal('no sketches')
  const headBytes = view.getUint32(MAGIC.length, true)
  if (bodyAt(headBytes) > bytes.length) throw refusal('the head is cut')
  const head = readHead(bytes.subarray(HEAD_AT, HEAD_AT + headBytes))
  const columns: SketchesByColumn = {}
  let at = bodyAt(headBytes)
  for (const column of head.columns) {
    if (at + bytesOf(column) > bytes.length) throw refusal(`column "${column.name}" is cut`)
    columns[column.name] = readColumn(view, at, column)
    at += bytesOf(column)
  }
  if (at !== bytes.length) throw refusal(`${bytes.length - at} bytes follow the last column`)
  return columns
}

const refusal = (why: string) => new MillraceError('MR_STATS_DECODE', { what: 'sketches of a part', why })

function readHead(bytes: Uint8Array): Head {
  try {
    const head = JSON.parse(new TextDecoder().decode(bytes)) as Head
    if (head.version === 1 && Array.isArray(head.columns)) return head
  } catch {
    throw refusal('the head is not JSON')
  }
  throw refusal('of another version')
}

function readColumn(
  view: DataView,
  from: number,
  { name, kll, hll, frequent, ...rest }: ColumnHead,
): ColumnSketch {
  const items = kll?.levels.reduce((n, level) => n + level, 0) ?? 0
  const { capacity, n, floor } = frequent
  const held: ColumnSketch['frequent']['items'] = Object.create(null)
  for (const [item, count, error] of frequent.items) held[item] = { count, error }
  return {
    ...rest,
    kll: kll && readKll(view, from, kll),
    hll: readHll(view, from + 8 * items, hll, name),
    frequent: { kind: 'FrequentItems', capacity, n, floor, items: held },
  }
}

function readKll(
  view: DataView,
  from: number,
  { levels, ...rest }: NonNullable<ColumnHead['kll']>,
): KllSketch {
  let at = from
  return { kind: 'KllSketch', ...rest, levels: levels.map(read) }

  function read(length: number): number[] {
    const items = new Array<number>(length)
    for (let i = 0; i < length; i++, at += 8) items[i] = view.getFloat64(at, true)
    return items
  }
}

function readHll(view: DataView, at: number, { lgK, sparse }: ColumnHead['hll'], name: string): HllSketch {
  requireLgK(lgK)
  const registers =
    sparse === null
      ? new Uint8Array(view.buffer, view.byteOffset + at, 2 ** lgK).slice()
      : emptyHll(lgK).registers
  for (let i = 0; i < (sparse ?? 0); i++) {
    const word = view.getUint32(at + 4 * i, true)
    if (word >>> 6 >= registers.length) throw refusal(`a register of column "${name}" is malformed`)
    registers[word >>> 6] = word & RANK_MAX
  }
  const words = new Int32Array(registers.buffer)
  let all = 0
  for (let i = 0; i < words.length; i++) all |= words[i]
  if ((all & BEYOND_RANKS) !== 0) throw refusal(`a register of column "${name}" is malformed`)
  return { kind: 'HllSketch', lgK, registers }
}
