/**
 * Some columns of a Parquet file as a file of their own: which bytes of the file it is made of, and the footer that goes with them. Nothing is decoded.
 * Source: Apache Parquet, src/main/thrift/parquet.thrift.
 */
import {
  readThrift,
  signed,
  type ThriftList,
  type ThriftStruct,
  type ThriftValue,
  unsigned,
  writeThrift,
} from './thrift.ts'

export interface NarrowPlan {
  /** Stretches of the file, `end` exclusive, in the order in which they follow the first four bytes of the new one. */
  pieces: { begin: number; end: number }[]
  /** What follows them: the footer, its length and the last four bytes. */
  end: Uint8Array
  /** Wanted columns that the file does not have. */
  absent: string[]
}

export const MAGIC = 'PAR1'

export const FILE = { schema: 2, rows: 3, groups: 4, keyValues: 5, orders: 7 }
export const ELEMENT = {
  type: 1,
  repetition: 3,
  name: 4,
  children: 5,
  converted: 6,
  scale: 7,
  logical: 10,
}
export const GROUP = { chunks: 1, bytes: 2, rows: 3, sorting: 4, offset: 5, packed: 6, ordinal: 7 }
export const CHUNK = {
  path: 1,
  offset: 2,
  meta: 3,
  offsetIndex: 4,
  offsetIndexBytes: 5,
  columnIndex: 6,
  columnIndexBytes: 7,
  crypto: 8,
}
export const META = {
  path: 3,
  values: 5,
  unpacked: 6,
  packed: 7,
  data: 9,
  index: 10,
  dictionary: 11,
  statistics: 12,
  bloom: 14,
  bloomBytes: 15,
}

/**
 * Some columns, and of these some groups of rows (default: all). Undefined where the file keeps columns elsewhere or encrypted. Errors: a RangeError for a footer that is none. Cost: as the footer is long.
 */
export function planNarrow(
  footer: Uint8Array,
  wanted: readonly string[],
  groups?: ReadonlySet<number>,
): NarrowPlan | undefined {
  const file = readThrift(footer)
  const schema = listAt(file, FILE.schema)
  const keep = leavesOf(schema.items as ThriftStruct[], new Set(wanted))
  const pieces: NarrowPlan['pieces'] = []
  let at = MAGIC.length
  if (groups !== undefined) keepGroups(file, groups)
  for (const group of listAt(file, FILE.groups).items as ThriftStruct[]) {
    const chunks = (listAt(group, GROUP.chunks).items as ThriftStruct[]).filter((_, i) => keep.leaves[i])
    let [packed, unpacked] = [0, 0]
    group.delete(GROUP.sorting)
    setInt(group, GROUP.offset, at)
    for (const chunk of chunks) {
      const meta = chunk.get(CHUNK.meta)?.value as ThriftStruct | undefined
      if (meta === undefined || chunk.has(CHUNK.path) || chunk.has(CHUNK.crypto)) return undefined
      const [data, dictionary, bytes] = [
        intAt(meta, META.data)!,
        intAt(meta, META.dictionary),
        intAt(meta, META.packed)!,
      ]
      const begin = dictionary !== undefined && dictionary > 0 && dictionary < data ? dictionary : data
      const shift = at - begin
      setInt(meta, META.data, data + shift)
      if (dictionary !== undefined) setInt(meta, META.dictionary, begin === dictionary ? at : 0)
      for (const field of [META.index, META.bloom, META.bloomBytes]) meta.delete(field)
      for (const field of [
        CHUNK.offsetIndex,
        CHUNK.offsetIndexBytes,
        CHUNK.columnIndex,
        CHUNK.columnIndexBytes,
      ])
        chunk.delete(field)
      setInt(chunk, CHUNK.offset, at)
      pieces.push({ begin, end: begin + bytes })
      at += bytes
      packed += bytes
      unpacked += intAt(meta, META.unpacked)!
    }
    setItems(group, GROUP.chunks, chunks)
    setInt(group, GROUP.bytes, unpacked)
    setInt(group, GROUP.packed, packed)
  }
  setItems(file, FILE.schema, keep.schema)
  if (file.has(FILE.orders))
    setItems(
      file,
      FILE.orders,
      listAt(file, FILE.orders).items.filter((_, i) => keep.leaves[i]),
    )
  // What writers note of all columns is not true of some.
  file.delete(FILE.keyValues)
  return { pieces, end: endOf(writeThrift(file)), absent: keep.absent }
}

function keepGroups(file: ThriftStruct, kept: ReadonlySet<number>): void {
  const groups = (listAt(file, FILE.groups).items as ThriftStruct[]).filter((_, i) => kept.has(i))
  groups.forEach((group, i) => {
    if (group.has(GROUP.ordinal)) setInt(group, GROUP.ordinal, i)
  })
  setItems(file, FILE.groups, groups)
  setInt(
    file,
    FILE.rows,
    groups.reduce((sum, group) => sum + intAt(group, GROUP.rows)!, 0),
  )
}

function endOf(footer: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([footer, length, Buffer.from(MAGIC)])
}

/** Elements of the wanted columns below the root, and which leaves of the whole schema are theirs. */
function leavesOf(elements: readonly ThriftStruct[], wanted: ReadonlySet<string>) {
  const schema: ThriftStruct[] = [elements[0]!]
  const leaves: boolean[] = []
  const found = new Set<string>()
  let i = 1
  /** Goes past one element and what is nested in it. */
  const pass = (isKept: boolean): void => {
    const element = elements[i++]
    if (element === undefined) throw new RangeError('its schema ends too early')
    if (isKept) schema.push(element)
    const children = intAt(element, ELEMENT.children) ?? 0
    if (children === 0) leaves.push(isKept)
    for (let c = 0; c < children; c++) pass(isKept)
  }
  while (i < elements.length) {
    const name = Buffer.from(elements[i]!.get(ELEMENT.name)!.value as Uint8Array).toString('utf8')
    if (wanted.has(name)) found.add(name)
    pass(wanted.has(name))
  }
  setInt(elements[0]!, ELEMENT.children, found.size)
  return { schema, leaves, absent: [...wanted].filter((name) => !found.has(name)) }
}

export function listAt(struct: ThriftStruct, id: number): ThriftList {
  const field = struct.get(id)
  if (field === undefined) throw new RangeError(`it has no field ${id}`)
  return field.value as ThriftList
}

export function intAt(struct: ThriftStruct, id: number): number | undefined {
  const field = struct.get(id)
  return field && Number(signed(field.value as bigint))
}

const I64 = 6

function setInt(struct: ThriftStruct, id: number, value: number): void {
  struct.set(id, { type: struct.get(id)?.type ?? I64, value: unsigned(BigInt(value)) })
}

function setItems(struct: ThriftStruct, id: number, items: ThriftValue[]): void {
  const field = struct.get(id)!
  struct.set(id, { ...field, value: { ...(field.value as ThriftList), items } })
}
