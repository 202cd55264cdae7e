/**
 * What the footer of a Parquet file says of its groups of rows: bytes of each column, and between which values it lies where that can be relied on.
 * Source: Apache Parquet, src/main/thrift/parquet.thrift (Statistics, ColumnOrder) and LogicalTypes.md.
 */
import { CHUNK, ELEMENT, FILE, GROUP, intAt, listAt, META } from './narrow.ts'
import { readThrift, type ThriftStruct, type ThriftValue } from './thrift.ts'

/** All values lie in `[low, high]`. Numbers are as the engine's doubles, times in milliseconds of the epoch, both rounded outwards; texts are their bytes, perhaps cut. */
export type Bounds =
  | { kind: 'number'; low: number; high: number }
  | { kind: 'text'; low: Buffer; high: Buffer }

export interface ChunkFacts {
  /** As they are stored. */
  bytes: number
  /** No row has a value. */
  isEmpty: boolean
  /** Absent where nothing is said, or what is said is not to be relied on. */
  bounds?: Bounds
}

export interface FooterFacts {
  rows: number
  /** Names of the columns; what is nested is part of its column. */
  columns: string[]
  groups: { rows: number; chunks: Map<string, ChunkFacts> }[]
}

/** Errors: a RangeError for a footer that is none. Cost: as the footer is long. */
export function footerFacts(footer: Uint8Array): FooterFacts {
  const file = readThrift(footer)
  const leaves = leavesOf(listAt(file, FILE.schema).items as ThriftStruct[])
  const orders = file.has(FILE.orders) ? (listAt(file, FILE.orders).items as ThriftStruct[]) : []
  const groups = (listAt(file, FILE.groups).items as ThriftStruct[]).map((group) => ({
    rows: intAt(group, GROUP.rows)!,
    chunks: chunksOf(listAt(group, GROUP.chunks).items as ThriftStruct[], leaves, orders),
  }))
  return { rows: intAt(file, FILE.rows)!, columns: [...new Set(leaves.map(({ top }) => top))], groups }
}

interface Leaf {
  /** Name of the column that it is of. */
  top: string
  /** Undefined of what is nested or repeated. */
  element?: ThriftStruct
}

const REPEATED = 2

function leavesOf(elements: readonly ThriftStruct[]): Leaf[] {
  const leaves: Leaf[] = []
  let i = 1
  const pass = (top: string, depth: number): void => {
    const element = elements[i++]
    if (element === undefined) throw new RangeError('its schema ends too early')
    const children = intAt(element, ELEMENT.children) ?? 0
    const isFlat = depth === 0 && intAt(element, ELEMENT.repetition) !== REPEATED
    if (children === 0) leaves.push(isFlat ? { top, element } : { top })
    for (let c = 0; c < children; c++) pass(top, depth + 1)
  }
  while (i < elements.length) pass(textAt(elements[i]!, ELEMENT.name), 0)
  return leaves
}

const textAt = (struct: ThriftStruct, id: number): string =>
  Buffer.from(struct.get(id)!.value as Uint8Array).toString('utf8')

function chunksOf(
  chunks: readonly ThriftStruct[],
  leaves: readonly Leaf[],
  orders: readonly ThriftStruct[],
): Map<string, ChunkFacts> {
  const facts = new Map<string, ChunkFacts>()
  chunks.forEach((chunk, i) => {
    const meta = chunk.get(CHUNK.meta)?.value as ThriftStruct | undefined
    const leaf = leaves[i]
    if (meta === undefined || leaf === undefined) throw new RangeError('a column says nothing of itself')
    const bytes = (facts.get(leaf.top)?.bytes ?? 0) + intAt(meta, META.packed)!
    facts.set(leaf.top, { bytes, ...said(meta, leaf, orders[i]?.has(TYPE_ORDER) ?? false) })
  })
  return facts
}

const TYPE_ORDER = 1
const STATISTICS = { oldMax: 1, oldMin: 2, nulls: 3, max: 5, min: 6 }

function said(
  meta: ThriftStruct,
  { element }: Leaf,
  isOrdered: boolean,
): Pick<ChunkFacts, 'isEmpty' | 'bounds'> {
  const statistics = meta.get(META.statistics)?.value as ThriftStruct | undefined
  if (element === undefined || statistics === undefined) return { isEmpty: false }
  const nulls = intAt(statistics, STATISTICS.nulls)
  const isEmpty = nulls !== undefined && nulls === intAt(meta, META.values)
  const reading = readingOf(element)
  if (reading === undefined) return { isEmpty }
  const bounds =
    boundsOf(statistics, STATISTICS.min, STATISTICS.max, isOrdered ? reading : undefined) ??
    // Older writers compared everything as signed bytes, which is right of signed numbers alone.
    boundsOf(statistics, STATISTICS.oldMin, STATISTICS.oldMax, reading.isSigned ? reading : undefined)
  return bounds ? { isEmpty, bounds } : { isEmpty }
}

interface Reading {
  isSigned: boolean
  bounds(low: Buffer, high: Buffer): Bounds | undefined
}

function boundsOf(
  statistics: ThriftStruct,
  low: number,
  high: number,
  reading: Reading | undefined,
): Bounds | undefined {
  const [min, max] = [statistics.get(low)?.value, statistics.get(high)?.value]
  if (reading === undefined || !(min instanceof Uint8Array) || !(max instanceof Uint8Array)) return undefined
  return reading.bounds(Buffer.from(min), Buffer.from(max))
}

const PHYSICAL = { int32: 1, int64: 2, float: 4, double: 5, bytes: 6, fixed: 7 }

function readingOf(element: ThriftStruct): Reading | undefined {
  const type = intAt(element, ELEMENT.type)
  if (type === PHYSICAL.float) return numbers(4, (bytes) => bytes.readFloatLE())
  if (type === PHYSICAL.double) return numbers(8, (bytes) => bytes.readDoubleLE())
  const meaning = meaningOf(element)
  if (meaning === undefined) return undefined
  if (meaning.kind === 'text') return type === PHYSICAL.bytes ? TEXTS : undefined
  if (meaning.kind === 'decimal' && (type === PHYSICAL.bytes || type === PHYSICAL.fixed))
    return numbers(undefined, (bytes) => outOf(bigEndian(bytes), meaning.scale), false)
  if (type === PHYSICAL.int32)
    return whole(4, meaning, (bytes, isSigned) =>
      BigInt(isSigned ? bytes.readInt32LE() : bytes.readUInt32LE()),
    )
  if (type === PHYSICAL.int64)
    return whole(8, meaning, (bytes, isSigned) =>
      isSigned ? bytes.readBigInt64LE() : bytes.readBigUInt64LE(),
    )
  return undefined
}

const TEXTS: Reading = { isSigned: false, bounds: (low, high) => ({ kind: 'text', low, high }) }

/** Rounding goes outwards by more than a double can be wrong, so that bounds stay bounds. */
function numbers(length: number | undefined, read: (bytes: Buffer) => number, isSigned = true): Reading {
  return {
    isSigned,
    bounds(min, max) {
      if (
        length !== undefined ? min.length !== length || max.length !== length : min.length * max.length === 0
      )
        return undefined
      const [low, high] = [read(min), read(max)]
      // NaN has no place among the others: some writers let it stand for an end.
      if (Number.isNaN(low) || Number.isNaN(high) || low > high) return undefined
      return { kind: 'number', low: low - slack(low), high: high + slack(high) }
    },
  }
}

const SLACK = 2 ** -50
const slack = (value: number): number =>
  Number.isSafeInteger(value) || !Number.isFinite(value) ? 0 : Math.abs(value) * SLACK

function whole(
  length: number,
  meaning: Meaning,
  read: (bytes: Buffer, isSigned: boolean) => bigint,
): Reading {
  const isSigned = meaning.kind !== 'unsigned'
  const { kind } = meaning
  if (kind === 'decimal') return numbers(length, (bytes) => outOf(read(bytes, true), meaning.scale))
  if (kind !== 'time') return numbers(length, (bytes) => Number(read(bytes, isSigned)), isSigned)
  const { perMs, ms } = meaning
  const inner = numbers(length, (bytes) => (Number(read(bytes, true)) / perMs) * ms)
  return {
    isSigned,
    bounds(low, high) {
      const found = inner.bounds(low, high)
      // What is finer than the engine's microseconds is cut there.
      return found?.kind === 'number' ? { ...found, low: found.low - 1, high: found.high + 1 } : undefined
    },
  }
}

const outOf = (units: bigint, scale: number): number => Number(`${units}e${-scale}`)

function bigEndian(bytes: Buffer): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
}

type Meaning =
  | { kind: 'signed' }
  | { kind: 'unsigned' }
  | { kind: 'text' }
  | { kind: 'decimal'; scale: number }
  | { kind: 'time'; perMs: number; ms: number }

const DAY_MS = 86_400_000
const LOGICAL = { string: 1, enum: 4, decimal: 5, date: 6, timestamp: 8, integer: 10 }
const UNITS: Record<number, number> = { 1: 1, 2: 1_000, 3: 1_000_000 }

const DATE: Meaning = { kind: 'time', perMs: 1, ms: DAY_MS }
const CONVERTED: Record<number, Meaning> = {
  0: { kind: 'text' },
  4: { kind: 'text' },
  6: DATE,
  9: { kind: 'time', perMs: 1, ms: 1 },
  10: { kind: 'time', perMs: 1_000, ms: 1 },
  ...Object.fromEntries([11, 12, 13, 14].map((id) => [id, { kind: 'unsigned' } as const])),
  ...Object.fromEntries([15, 16, 17, 18].map((id) => [id, { kind: 'signed' } as const])),
}
const CONVERTED_DECIMAL = 5

/** What the numbers or bytes stand for; undefined of what has no order here (times of day, UUID, JSON, half floats). */
function meaningOf(element: ThriftStruct): Meaning | undefined {
  const logical = element.get(ELEMENT.logical)?.value
  if (logical instanceof Map) return logicalMeaning(logical)
  const converted = intAt(element, ELEMENT.converted)
  if (converted === CONVERTED_DECIMAL) return { kind: 'decimal', scale: intAt(element, ELEMENT.scale) ?? 0 }
  if (converted !== undefined) return CONVERTED[converted]
  // Bytes that say nothing of themselves are no texts.
  return intAt(element, ELEMENT.type) === PHYSICAL.bytes ? undefined : { kind: 'signed' }
}

function logicalMeaning(logical: ThriftStruct): Meaning | undefined {
  const [id, field] = [...logical][0] ?? []
  const inner = field?.value as ThriftStruct | undefined
  if (id === LOGICAL.string || id === LOGICAL.enum) return { kind: 'text' }
  if (id === LOGICAL.date) return DATE
  if (id === LOGICAL.decimal) return { kind: 'decimal', scale: intAt(inner!, 1) ?? 0 }
  if (id === LOGICAL.integer) return { kind: isTrue(inner!.get(2)?.value) ? 'signed' : 'unsigned' }
  if (id !== LOGICAL.timestamp) return undefined
  const [unit] = [...((inner!.get(2)?.value as ThriftStruct | undefined)?.keys() ?? [])]
  const perMs = unit === undefined ? undefined : UNITS[unit]
  return perMs === undefined ? undefined : { kind: 'time', perMs, ms: 1 }
}

/** A truth value is its own type. */
const isTrue = (value: ThriftValue | undefined): boolean => value === 1n
