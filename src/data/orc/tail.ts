/** The end of an ORC file: how it is packed, its types, its stripes and what is known of their values. Source: ORC specification v1, "File Tail". */
import {
  addInts,
  bytesOf,
  doubleOf,
  type FieldReaders,
  intOf,
  readMessage,
  signedOf,
  textOf,
  type WireField,
} from '../../model/import/protobuf.ts'
import type { Refuse } from '../../model/import/refusal.ts'
import { COMPRESSIONS, type Compression, type Packing, unpackChunks } from './compression.ts'
import type { OrcSource } from './source.ts'

export const ORC_KINDS = [
  'boolean',
  'byte',
  'short',
  'int',
  'long',
  'float',
  'double',
  'string',
  'binary',
  'timestamp',
  'list',
  'map',
  'struct',
  'union',
  'decimal',
  'date',
  'varchar',
  'char',
  'instant',
] as const
export type OrcKind = (typeof ORC_KINDS)[number]

export interface OrcType {
  /** Column that it is, counted in preorder; 0 is the row. */
  id: number
  kind: OrcKind
  /** Ids of the types in it. */
  children: number[]
  /** Of the fields of a struct. */
  names: string[]
  precision: number
  scale: number
}

export interface Stripe {
  offset: number
  indexBytes: number
  dataBytes: number
  footerBytes: number
  rows: number
}

/** What is known of the values of a column: smallest and largest where its type has an order. */
export interface ColumnStatistics {
  values: number
  hasNull: boolean
  min?: number | bigint | string
  max?: number | bigint | string
}

export interface OrcTail extends Packing {
  version: readonly number[]
  rows: number
  types: OrcType[]
  stripes: Stripe[]
  /** Rows between two entries of an index; 0: there is none. */
  stride: number
  statistics: ColumnStatistics[]
  /** By stripe and column; empty where the file has none. */
  stripeStatistics: ColumnStatistics[][]
  /** Smallest and largest texts, dates and times are what they say; of numbers they always are. */
  areEndsTrue: boolean
  /** Bloom filters leave out values that they hold. */
  areBloomsWrong: boolean
  /** Dates before 1582-10-15 count days as the Julian calendar had them. */
  isHybridCalendar: boolean
  metadata: Record<string, Uint8Array>
}

/** Whether decimals of a type are runs of 64-bit integers: those of up to 18 digits, in files of the version before 2.0. */
export const isShortDecimal = ({ version }: OrcTail, { precision }: OrcType): boolean =>
  version[0] === 1 && version[1] === 9_999 && precision > 0 && precision <= 18

/** Most bytes read from the end before it is known how long the tail is. */
const TAIL_GUESS_BYTES = 16 * 1024
/** Longest footer, and longest block of a chunk, that is believed. */
const FOOTER_BYTES_MAX = 256 * 1024 * 1024
const BLOCK_BYTES_MAX = 2 ** 23
const BLOCK_BYTES = 256 * 1024
/** At the end; in files of before 2013 at the beginning alone. */
const MAGIC = 'ORC'
const COLUMNS_MAX = 65_536
/** Calendars of a file, and the code of Java among its writers, which had the hybrid calendar before it said so. */
const [HYBRID, PROLEPTIC] = [1, 2]
const [JAVA, CPP] = [0, 1]
/** Writers before it took the ends of texts, dates and times wrongly (HIVE-8732). */
const TRUE_ENDS = 1
/** Those of C++ whose bloom filters are wrong, which say no version or one of these (ORC-1024). */
const WRONG_BLOOMS = /^($|1\.6\.(\d|10|11)(-|$)|1\.7\.0(-|$))/

interface PostScript {
  footerBytes: number
  compression: number
  blockBytes: number
  version: number[]
  metadataBytes: number
  writerVersion: number
  magic: string
}

/** Errors: by `refuse`, for what is no ORC file, is cut off, is encrypted, or says what cannot be. */
export function readTail(source: OrcSource, refuse: Refuse): OrcTail {
  if (source.length < 4) throw refuse('the file', 'longer than its magic', `${source.length} bytes`)
  const end = endBytes(source, TAIL_GUESS_BYTES)
  const psLength = end[end.length - 1]!
  if (psLength + 1 > end.length) throw refuse('the postscript', 'within the file', `${psLength} bytes`)
  const script = readPostScript(end.subarray(end.length - 1 - psLength, end.length - 1), refuse)
  if (script.magic !== MAGIC && new TextDecoder().decode(source.read(0, 3)) !== MAGIC)
    throw refuse('the file', `one that says ${MAGIC} at its end or its beginning`, 'another')
  const bodyBytes = script.footerBytes + script.metadataBytes
  const wholeBytes = bodyBytes + psLength + 1
  if (bodyBytes > FOOTER_BYTES_MAX || wholeBytes > source.length)
    throw refuse('the footer', `within the ${source.length} bytes of the file`, `${bodyBytes} bytes`)
  const tail = wholeBytes <= end.length ? end.subarray(end.length - wholeBytes) : endBytes(source, wholeBytes)
  const packing = packingOf(script, refuse)
  const footer = unpackChunks(tail.subarray(script.metadataBytes, bodyBytes), packing, refuse)
  const stripes = unpackChunks(tail.subarray(0, script.metadataBytes), packing, refuse)
  const read = readFooter(footer, refuse)
  checkTypes(read.types, refuse)
  checkStripes(read.stripes, source.length - wholeBytes, refuse)
  return {
    ...packing,
    version: script.version,
    areEndsTrue: script.writerVersion >= TRUE_ENDS,
    ...read,
    stripeStatistics: readStripeStatistics(stripes, refuse),
  }
}

const endBytes = (source: OrcSource, bytes: number): Uint8Array =>
  source.read(Math.max(0, source.length - bytes), source.length)

function readPostScript(bytes: Uint8Array, refuse: Refuse): PostScript {
  const into: PostScript = {
    footerBytes: 0,
    compression: 0,
    blockBytes: 0,
    version: [],
    metadataBytes: 0,
    writerVersion: 0,
    magic: '',
  }
  readMessage(
    bytes,
    into,
    {
      1: count('footerBytes', refuse),
      2: count('compression', refuse),
      3: count('blockBytes', refuse),
      4: (m, f) => addInts(m.version, f, refuse),
      5: count('metadataBytes', refuse),
      6: count('writerVersion', refuse),
      8000: (m, f) => {
        m.magic = textOf(f, refuse)
      },
    },
    refuse,
  )
  return into
}

function packingOf({ compression: code, blockBytes }: PostScript, refuse: Refuse): Packing {
  const compression: Compression | undefined = COMPRESSIONS[code]
  if (compression === undefined) throw refuse('the compression', COMPRESSIONS.join(', '), `number ${code}`)
  if (blockBytes > BLOCK_BYTES_MAX)
    throw refuse('the block', `of at most ${BLOCK_BYTES_MAX} bytes`, `${blockBytes}`)
  return { compression, blockBytes: blockBytes || BLOCK_BYTES }
}

type Footer = Omit<OrcTail, keyof Packing | 'version' | 'areEndsTrue' | 'stripeStatistics'>

type FooterMessage = Omit<Footer, 'isHybridCalendar' | 'areBloomsWrong'> & {
  writer: number
  calendar: number
  softwareVersion: string
}

function readFooter(bytes: Uint8Array, refuse: Refuse): Footer {
  const into: FooterMessage = {
    rows: 0,
    types: [],
    stripes: [],
    stride: 0,
    statistics: [],
    metadata: {},
    writer: JAVA,
    calendar: 0,
    softwareVersion: '',
  }
  const { writer, calendar, softwareVersion, ...footer } = readMessage(
    bytes,
    into,
    {
      3: (m, f) => void m.stripes.push(readStripe(bytesOf(f, refuse), refuse)),
      4: (m, f) => {
        if (m.types.length >= COLUMNS_MAX) throw refuse('the types', `at most ${COLUMNS_MAX}`, 'more')
        m.types.push(readType(bytesOf(f, refuse), m.types.length, refuse))
      },
      5: (m, f) => readMetadata(m.metadata, bytesOf(f, refuse), refuse),
      6: count('rows', refuse),
      7: (m, f) => void m.statistics.push(readStatistics(bytesOf(f, refuse), refuse)),
      8: count('stride', refuse),
      9: count('writer', refuse),
      10: () => {
        throw refuse('the file', 'without encryption', 'encrypted: write it again without')
      },
      11: count('calendar', refuse),
      12: (m, f) => {
        m.softwareVersion = textOf(f, refuse)
      },
    },
    refuse,
  )
  return {
    ...footer,
    isHybridCalendar: calendar === HYBRID || (calendar !== PROLEPTIC && writer === JAVA),
    areBloomsWrong: writer === CPP && WRONG_BLOOMS.test(softwareVersion),
  }
}

function readStripe(bytes: Uint8Array, refuse: Refuse): Stripe {
  const into: Stripe = { offset: 0, indexBytes: 0, dataBytes: 0, footerBytes: 0, rows: 0 }
  return readMessage(
    bytes,
    into,
    {
      1: count('offset', refuse),
      2: count('indexBytes', refuse),
      3: count('dataBytes', refuse),
      4: count('footerBytes', refuse),
      5: count('rows', refuse),
    },
    refuse,
  )
}

function readType(bytes: Uint8Array, id: number, refuse: Refuse): OrcType {
  const into: OrcType = { id, kind: 'boolean', children: [], names: [], precision: 0, scale: 0 }
  return readMessage(
    bytes,
    into,
    {
      1: (m, f) => {
        const code = countOf(f, refuse)
        const kind = ORC_KINDS[code]
        if (kind === undefined) throw refuse(`type ${id}`, `one of ${ORC_KINDS.length} kinds`, `kind ${code}`)
        m.kind = kind
      },
      2: (m, f) => addInts(m.children, f, refuse),
      3: (m, f) => void m.names.push(textOf(f, refuse)),
      5: count('precision', refuse),
      6: count('scale', refuse),
    },
    refuse,
  )
}

function readMetadata(into: Record<string, Uint8Array>, bytes: Uint8Array, refuse: Refuse): void {
  let name = ''
  readMessage(
    bytes,
    into,
    {
      1: (_, f) => {
        name = textOf(f, refuse)
      },
      2: (m, f) => {
        if (name !== '__proto__') m[name] = bytesOf(f, refuse)
      },
    },
    refuse,
  )
}

/** Children come after their parents, each once, in the number that the kind has. */
function checkTypes(types: readonly OrcType[], refuse: Refuse): void {
  if (types.length === 0) throw refuse('the types', 'one at least', 'none')
  const hasParent = new Set<number>()
  for (const { id, kind, children, names, scale } of types) {
    for (const child of children) {
      if (child <= id || child >= types.length || hasParent.has(child))
        throw refuse(`type ${id}`, 'with types of its own after it', `type ${child} in it`)
      hasParent.add(child)
    }
    const want = CHILDREN[kind] ?? (kind === 'struct' ? names.length : kind === 'union' ? children.length : 0)
    if (children.length !== want)
      throw refuse(`type ${id}`, `a ${kind} of ${want} types`, `${children.length}`)
    if (scale > 38) throw refuse(`type ${id}`, 'a scale of at most 38', `${scale}`)
  }
}

const CHILDREN: Partial<Record<OrcKind, number>> = { list: 1, map: 2 }

function checkStripes(stripes: readonly Stripe[], bytes: number, refuse: Refuse): void {
  stripes.forEach(({ offset, indexBytes, dataBytes, footerBytes }, i) => {
    const end = offset + indexBytes + dataBytes + footerBytes
    if (end > bytes)
      throw refuse(`stripe ${i}`, `within the first ${bytes} bytes of the file`, `up to byte ${end}`)
  })
}

function readStripeStatistics(bytes: Uint8Array, refuse: Refuse): ColumnStatistics[][] {
  const into: ColumnStatistics[][] = []
  const readers: FieldReaders<ColumnStatistics[]> = {
    1: (columns, f) => void columns.push(readStatistics(bytesOf(f, refuse), refuse)),
  }
  return readMessage(
    bytes,
    into,
    { 1: (stripes, f) => void stripes.push(readMessage(bytesOf(f, refuse), [], readers, refuse)) },
    refuse,
  )
}

/** Instants have milliseconds in UTC; those that lack UTC, of old writers, have none here. */
export function readStatistics(bytes: Uint8Array, refuse: Refuse): ColumnStatistics {
  const into: ColumnStatistics = { values: 0, hasNull: true }
  const minMax =
    (read: (f: WireField) => number | bigint | string, min: number, max: number) =>
    (m: ColumnStatistics, f: WireField) =>
      void readMessage(
        bytesOf(f, refuse),
        m,
        {
          [min]: (s: ColumnStatistics, v: WireField) => {
            s.min = read(v)
          },
          [max]: (s: ColumnStatistics, v: WireField) => {
            s.max = read(v)
          },
        },
        refuse,
      )
  const signed = (f: WireField) => signedOf(f, refuse)
  const text = (f: WireField) => textOf(f, refuse)
  return readMessage(
    bytes,
    into,
    {
      1: count('values', refuse),
      2: minMax(signed, 1, 2),
      3: minMax((f) => doubleOf(f, refuse), 1, 2),
      4: minMax(text, 1, 2),
      7: minMax(signed, 1, 2),
      9: minMax(signed, 3, 4),
      10: (m, f) => {
        m.hasNull = countOf(f, refuse) !== 0
      },
    },
    refuse,
  )
}

/** Reads a count into a field of the message. */
export const count =
  <N extends string>(name: N, refuse: Refuse) =>
  (message: { [name in N]: number }, field: WireField): void => {
    message[name] = countOf(field, refuse) as never
  }

/** A number that counts something, so that it is not negative and no more than a double holds. */
export function countOf(field: WireField, refuse: Refuse): number {
  const value = intOf(field, refuse)
  if (value < 0 || value > Number.MAX_SAFE_INTEGER)
    throw refuse(`field ${field.field}`, 'a count', `${value}`)
  return value
}
