/** Fields of an Arrow schema, with all types of the format. Source: apache/arrow format/Schema.fbs. */
import type { Refuse } from '../../model/import/refusal.ts'
import type { FlatTable } from './flatbuffer.ts'

/** Units of a second's fraction, as powers of ten. */
export type UnitPower = 0 | 3 | 6 | 9

export type ArrowType =
  | { kind: 'null' | 'bool' | 'struct' | 'map' }
  | { kind: 'int'; bits: 8 | 16 | 32 | 64; isSigned: boolean }
  | { kind: 'float'; bits: 16 | 32 | 64 }
  | { kind: 'text' | 'bytes'; layout: 'small' | 'large' | 'view' }
  | { kind: 'fixed-bytes'; bytes: number }
  | { kind: 'decimal'; scale: number; bits: number }
  | { kind: 'date'; unit: 'day' | 'ms' }
  | { kind: 'time' | 'duration'; power: UnitPower; bits: number }
  | { kind: 'timestamp'; power: UnitPower; zone: string | undefined }
  | { kind: 'interval'; unit: 'months' | 'day-time' | 'month-day-nano' }
  | { kind: 'list'; layout: 'small' | 'large' | 'view' | 'large-view' }
  | { kind: 'fixed-list'; size: number }
  | { kind: 'union'; mode: 'sparse' | 'dense'; ids: number[] }
  | { kind: 'run-end' }

export interface ArrowField {
  name: string
  type: ArrowType
  children: ArrowField[]
  /** Values are places in a dictionary of that number; the field's type is that of its values. */
  dictionary?: { id: number; index: Extract<ArrowType, { kind: 'int' }> }
}

const DEPTH_MAX = 64

/** Errors: by `refuse`, for big-endian bytes and what the format does not have. */
export function readSchema(schema: FlatTable, refuse: Refuse): ArrowField[] {
  if (schema.int16(0) !== 0) throw refuse('byte order', 'little-endian', 'big-endian')
  return schema.tables(1).map((field) => fieldOf(field, refuse, 0))
}

function fieldOf(field: FlatTable, refuse: Refuse, depth: number): ArrowField {
  if (depth > DEPTH_MAX) throw refuse('the schema', `at most ${DEPTH_MAX} levels deep`, 'deeper')
  const name = field.text(0) ?? ''
  const read = TYPES[field.int8(2)]
  const type = field.table(3)
  if (!read || !type)
    throw refuse(`the type of column "${name}"`, 'one that the format has', `number ${field.int8(2)}`)
  const children = field.tables(5).map((child) => fieldOf(child, refuse, depth + 1))
  const encoding = field.table(4)
  const dictionary = encoding && { id: encoding.int64(0), index: indexOf(encoding.table(1)) }
  const known = read(type)
  const need = CHILDREN[known.kind]
  if (need !== undefined && children.length !== need)
    throw refuse(`column "${name}"`, `${need} field(s) inside`, `${children.length}`)
  return { name, type: known, children, ...(dictionary && { dictionary }) }
}

/** Fields inside, where a type has a fixed number of them. */
const CHILDREN: Partial<Record<ArrowType['kind'], number>> = {
  list: 1,
  'fixed-list': 1,
  map: 1,
  'run-end': 2,
}

const intOf = (t: FlatTable): Extract<ArrowType, { kind: 'int' }> => ({
  kind: 'int',
  bits: t.int32(0) as 8 | 16 | 32 | 64,
  isSigned: t.int8(1) !== 0,
})

const indexOf = (index: FlatTable | undefined): Extract<ArrowType, { kind: 'int' }> =>
  index ? intOf(index) : { kind: 'int', bits: 32, isSigned: true }

const POWERS: readonly UnitPower[] = [0, 3, 6, 9]
const power = (unit: number): UnitPower => POWERS[unit] ?? 9

/** By the number of the union `Type`. */
const TYPES: readonly (((t: FlatTable) => ArrowType) | undefined)[] = [
  undefined,
  () => ({ kind: 'null' }),
  intOf,
  (t) => ({ kind: 'float', bits: ([16, 32, 64] as const)[t.int16(0)] ?? 64 }),
  () => ({ kind: 'bytes', layout: 'small' }),
  () => ({ kind: 'text', layout: 'small' }),
  () => ({ kind: 'bool' }),
  (t) => ({ kind: 'decimal', scale: t.int32(1), bits: t.int32(2, 128) }),
  (t) => ({ kind: 'date', unit: t.int16(0, 1) === 0 ? 'day' : 'ms' }),
  (t) => ({ kind: 'time', power: power(t.int16(0, 1)), bits: t.int32(1, 32) }),
  (t) => ({ kind: 'timestamp', power: power(t.int16(0)), zone: t.text(1) }),
  (t) => ({
    kind: 'interval',
    unit: (['months', 'day-time', 'month-day-nano'] as const)[t.int16(0)] ?? 'months',
  }),
  () => ({ kind: 'list', layout: 'small' }),
  () => ({ kind: 'struct' }),
  (t) => ({ kind: 'union', mode: t.int16(0) === 0 ? 'sparse' : 'dense', ids: t.int32s(1) }),
  (t) => ({ kind: 'fixed-bytes', bytes: t.int32(0) }),
  (t) => ({ kind: 'fixed-list', size: t.int32(0) }),
  () => ({ kind: 'map' }),
  (t) => ({ kind: 'duration', power: power(t.int16(0, 1)), bits: 64 }),
  () => ({ kind: 'bytes', layout: 'large' }),
  () => ({ kind: 'text', layout: 'large' }),
  () => ({ kind: 'list', layout: 'large' }),
  () => ({ kind: 'run-end' }),
  () => ({ kind: 'bytes', layout: 'view' }),
  () => ({ kind: 'text', layout: 'view' }),
  () => ({ kind: 'list', layout: 'view' }),
  () => ({ kind: 'list', layout: 'large-view' }),
]
