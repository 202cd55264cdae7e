/** Columns of one record batch: each reads a value by its row. Source: apache/arrow docs/source/format/Columnar.rst. */
import type { Refuse } from '../../model/import/refusal.ts'
import { readDecimal, readHalf, readInterval } from './numbers.ts'
import { type ArrowValue, plainOf } from './plain.ts'
import type { ArrowField, ArrowType } from './schema.ts'

/** Values of one field; `read` gives null where there is none, else the value as `ArrowValue` has its type. */
export interface ArrowColumn {
  name: string
  type: ArrowType
  rows: number
  read(row: number): ArrowValue
}

/** What is left of a batch while its fields take, in their order, what is theirs. */
export interface BatchParts {
  nodes: { rows: number; nulls: number }[]
  buffers: Uint8Array[]
  /** How many buffers each column of views has. */
  variadic: number[]
  dictionaries: ReadonlyMap<number, ArrowColumn>
  refuse: Refuse
}

/** Takes a field's nodes and buffers. Errors: by the parts' `refuse`; RangeError for what reaches beyond its bytes. */
export function columnOf(field: ArrowField, parts: BatchParts): ArrowColumn {
  const { name, dictionary } = field
  if (!dictionary) return plainColumn(field, parts)
  const places = plainColumn({ name, type: dictionary.index, children: [] }, parts)
  return {
    name,
    type: field.type,
    rows: places.rows,
    read(row) {
      const place = places.read(row)
      if (place === null) return null
      const values = parts.dictionaries.get(dictionary.id)
      if (!values) throw parts.refuse(`column "${name}"`, `a dictionary ${dictionary.id}`, 'none')
      if (!(Number(place) >= 0 && Number(place) < values.rows))
        throw parts.refuse(`column "${name}"`, `a place among ${values.rows} values`, String(place))
      return values.read(Number(place))
    },
  }
}

function plainColumn(field: ArrowField, parts: BatchParts): ArrowColumn {
  const node = parts.nodes.shift()
  if (!node) throw parts.refuse(`column "${field.name}"`, 'a node', 'none')
  const { kind } = field.type
  const valid = HAS_NO_VALIDITY.has(kind) ? undefined : bitsOf(take(parts, field), node, field, parts)
  const read = (READERS[kind] as ReaderOf)(field, node.rows, parts)
  return {
    name: field.name,
    type: field.type,
    rows: node.rows,
    read: valid ? (row) => ((valid[row >> 3]! >> (row & 7)) & 1 ? read(row) : null) : read,
  }
}

const HAS_NO_VALIDITY: ReadonlySet<ArrowType['kind']> = new Set(['null', 'union', 'run-end'])

function bitsOf(
  bits: Uint8Array,
  { rows, nulls }: { rows: number; nulls: number },
  { name }: ArrowField,
  { refuse }: BatchParts,
): Uint8Array | undefined {
  if (bits.length === 0 && nulls === 0) return undefined
  if (bits.length * 8 < rows)
    throw refuse(`column "${name}"`, `${rows} bits of validity`, `${bits.length * 8}`)
  return bits
}

type Reader = (row: number) => ArrowValue
type ReaderOf = (field: ArrowField, rows: number, parts: BatchParts) => Reader

function take(parts: BatchParts, { name }: ArrowField): Uint8Array {
  const buffer = parts.buffers.shift()
  if (!buffer) throw parts.refuse(`column "${name}"`, 'a buffer', 'none')
  return buffer
}

/** The next buffer, which must have so many bytes at least. */
function needed(bytes: number, field: ArrowField, parts: BatchParts): DataView {
  const buffer = take(parts, field)
  if (buffer.length < bytes)
    throw parts.refuse(`column "${field.name}"`, `${bytes} bytes`, `${buffer.length}`)
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

type TypeOf<K extends ArrowType['kind']> = Extract<ArrowType, { kind: K }>
const typeOf = <K extends ArrowType['kind']>({ type }: ArrowField): TypeOf<K> => type as TypeOf<K>

const INTS: Record<string, (view: DataView, row: number) => number | bigint> = {
  'true 8': (view, row) => view.getInt8(row),
  'true 16': (view, row) => view.getInt16(2 * row, true),
  'true 32': (view, row) => view.getInt32(4 * row, true),
  'true 64': (view, row) => view.getBigInt64(8 * row, true),
  'false 8': (view, row) => view.getUint8(row),
  'false 16': (view, row) => view.getUint16(2 * row, true),
  'false 32': (view, row) => view.getUint32(4 * row, true),
  'false 64': (view, row) => view.getBigUint64(8 * row, true),
}

const FLOATS: Record<16 | 32 | 64, (view: DataView, row: number) => number> = {
  16: (view, row) => readHalf(view.getUint16(2 * row, true)),
  32: (view, row) => view.getFloat32(4 * row, true),
  64: (view, row) => view.getFloat64(8 * row, true),
}

function readInts(field: ArrowField, rows: number, parts: BatchParts): Reader {
  const { bits, isSigned } = typeOf<'int'>(field)
  const read = INTS[`${isSigned} ${bits}`]
  if (!read) throw parts.refuse(`column "${field.name}"`, 'whole numbers of 8 to 64 bits', `${bits}`)
  const view = needed((rows * bits) / 8, field, parts)
  return (row) => read(view, row)
}

/** Whole numbers of 32 or 64 bits, as bigint. */
function wideInts(bits: number, field: ArrowField, rows: number, parts: BatchParts): (row: number) => bigint {
  const view = needed((rows * bits) / 8, field, parts)
  return bits === 64
    ? (row) => view.getBigInt64(8 * row, true)
    : (row) => BigInt(view.getInt32(4 * row, true))
}

/** Microseconds since the epoch, or since midnight; what is finer is cut. */
function micros(power: number, read: (row: number) => bigint): (row: number) => bigint {
  if (power === 9) return (row) => BigInt.asIntN(64, floorDiv(read(row), 1_000n))
  const factor = 10n ** BigInt(6 - power)
  return (row) => read(row) * factor
}

const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b))

/** Where each row's values begin and end among those of its column. */
type Ranges = (row: number) => [begin: number, end: number]

function rangesOf(
  layout: 'small' | 'large' | 'view' | 'large-view',
  field: ArrowField,
  rows: number,
  parts: BatchParts,
): Ranges {
  const isLarge = layout.startsWith('large')
  const width = isLarge ? 8 : 4
  const at = (view: DataView, i: number) =>
    isLarge ? Number(view.getBigInt64(8 * i, true)) : view.getInt32(4 * i, true)
  if (layout.endsWith('view')) {
    const offsets = needed(rows * width, field, parts)
    const sizes = needed(rows * width, field, parts)
    return (row) => [at(offsets, row), at(offsets, row) + at(sizes, row)]
  }
  const offsets = needed(rows === 0 ? 0 : (rows + 1) * width, field, parts)
  return (row) => [at(offsets, row), at(offsets, row + 1)]
}

/** Bytes of each row. Not of the buffer's own memory for texts, which are decoded at once. */
function bytesOf(field: ArrowField, rows: number, parts: BatchParts): (row: number) => Uint8Array {
  const { layout } = typeOf<'text' | 'bytes'>(field)
  if (layout === 'view') return viewsOf(field, rows, parts)
  const ranges = rangesOf(layout, field, rows, parts)
  const data = take(parts, field)
  return (row) => slice(data, ...ranges(row), field, parts)
}

function slice(
  data: Uint8Array,
  begin: number,
  end: number,
  { name }: ArrowField,
  { refuse }: BatchParts,
): Uint8Array {
  if (!(begin >= 0 && end >= begin && end <= data.length))
    throw refuse(`column "${name}"`, `a value within ${data.length} bytes`, `${begin} to ${end}`)
  return data.subarray(begin, end)
}

/** Twelve bytes at most lie in the view itself; longer values are in one of the buffers behind. */
function viewsOf(field: ArrowField, rows: number, parts: BatchParts): (row: number) => Uint8Array {
  const views = needed(16 * rows, field, parts)
  const own = new Uint8Array(views.buffer, views.byteOffset, views.byteLength)
  const behind = Array.from({ length: parts.variadic.shift() ?? 0 }, () => take(parts, field))
  return (row) => {
    const length = views.getInt32(16 * row, true)
    if (length <= 12) return slice(own, 16 * row + 4, 16 * row + 4 + length, field, parts)
    const data = behind[views.getInt32(16 * row + 8, true)] ?? new Uint8Array()
    const begin = views.getInt32(16 * row + 12, true)
    return slice(data, begin, begin + length, field, parts)
  }
}

function child(field: ArrowField, parts: BatchParts, i = 0): ArrowColumn {
  return columnOf(field.children[i]!, parts)
}

function inside(column: ArrowColumn, row: number, field: ArrowField, parts: BatchParts): ArrowValue {
  if (!(row >= 0 && row < column.rows))
    throw parts.refuse(`column "${field.name}"`, `a value among ${column.rows}`, `${row}`)
  return plainOf(column.type, column.read(row))
}

function listOf(field: ArrowField, ranges: Ranges, parts: BatchParts): Reader {
  const items = child(field, parts)
  return (row) => {
    const [begin, end] = ranges(row)
    if (!(begin >= 0 && end >= begin && end <= items.rows))
      throw parts.refuse(`column "${field.name}"`, `items among ${items.rows}`, `${begin} to ${end}`)
    return Array.from({ length: end - begin }, (_, i) => inside(items, begin + i, field, parts))
  }
}

function structOf(field: ArrowField, parts: BatchParts): Reader {
  const columns = field.children.map((_, i) => child(field, parts, i))
  return (row) => Object.fromEntries(columns.map((one) => [one.name, inside(one, row, field, parts)]))
}

function unionOf(field: ArrowField, rows: number, parts: BatchParts): Reader {
  const { mode, ids } = typeOf<'union'>(field)
  const types = needed(rows, field, parts)
  const offsets = mode === 'dense' ? needed(4 * rows, field, parts) : undefined
  const columns = field.children.map((_, i) => child(field, parts, i))
  return (row) => {
    const id = types.getInt8(row)
    const column = columns[ids.length > 0 ? ids.indexOf(id) : id]
    if (!column) throw parts.refuse(`column "${field.name}"`, 'one of the types of the union', `${id}`)
    return inside(column, offsets ? offsets.getInt32(4 * row, true) : row, field, parts)
  }
}

function runsOf(field: ArrowField, parts: BatchParts): Reader {
  const ends = child(field, parts, 0)
  const values = child(field, parts, 1)
  return (row) => {
    let low = 0
    for (let high = ends.rows; low < high; ) {
      const middle = (low + high) >>> 1
      if (Number(ends.read(middle)) > row) high = middle
      else low = middle + 1
    }
    return inside(values, low, field, parts)
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Uint8Array, { name }: ArrowField, { refuse }: BatchParts): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw refuse(`a text of column "${name}"`, 'UTF-8', 'other bytes')
  }
}

const READERS: Record<ArrowType['kind'], ReaderOf> = {
  null: () => () => null,
  bool: (field, rows, parts) => {
    const view = needed(Math.ceil(rows / 8), field, parts)
    return (row) => ((view.getUint8(row >> 3) >> (row & 7)) & 1) === 1
  },
  int: readInts,
  float: (field, rows, parts) => {
    const { bits } = typeOf<'float'>(field)
    const view = needed((rows * bits) / 8, field, parts)
    const read = FLOATS[bits]
    return (row) => read(view, row)
  },
  text: (field, rows, parts) => {
    const read = bytesOf(field, rows, parts)
    return (row) => textOf(read(row), field, parts)
  },
  bytes: (field, rows, parts) => bytesOf(field, rows, parts),
  'fixed-bytes': (field, rows, parts) => {
    const { bytes } = typeOf<'fixed-bytes'>(field)
    const view = needed(rows * Math.max(0, bytes), field, parts)
    return (row) => new Uint8Array(view.buffer, view.byteOffset + row * bytes, bytes)
  },
  decimal: (field, rows, parts) => {
    const { bits, scale } = typeOf<'decimal'>(field)
    const view = needed((rows * bits) / 8, field, parts)
    return (row) => readDecimal(view, row, bits, scale)
  },
  date: (field, rows, parts) => {
    const { unit } = typeOf<'date'>(field)
    const read = wideInts(unit === 'day' ? 32 : 64, field, rows, parts)
    return unit === 'day' ? (row) => Number(read(row)) : (row) => Number(floorDiv(read(row), 86_400_000n))
  },
  time: (field, rows, parts) => {
    const { power, bits } = typeOf<'time' | 'duration'>(field)
    return micros(power, wideInts(bits, field, rows, parts))
  },
  timestamp: (field, rows, parts) =>
    micros(typeOf<'timestamp'>(field).power, wideInts(64, field, rows, parts)),
  duration: (field, rows, parts) =>
    micros(typeOf<'time' | 'duration'>(field).power, wideInts(64, field, rows, parts)),
  interval: (field, rows, parts) => {
    const { unit } = typeOf<'interval'>(field)
    const width = { months: 4, 'day-time': 8, 'month-day-nano': 16 }[unit]
    const view = needed(rows * width, field, parts)
    return (row) => readInterval(view, row * width, unit)
  },
  list: (field, rows, parts) => {
    const { layout } = typeOf<'list'>(field)
    return listOf(field, rangesOf(layout, field, rows, parts), parts)
  },
  map: (field, rows, parts) => listOf(field, rangesOf('small', field, rows, parts), parts),
  'fixed-list': (field, _, parts) => {
    const { size } = typeOf<'fixed-list'>(field)
    return listOf(field, (row) => [row * size, (row + 1) * size], parts)
  },
  struct: (field, _, parts) => structOf(field, parts),
  union: unionOf,
  'run-end': (field, _, parts) => runsOf(field, parts),
}
