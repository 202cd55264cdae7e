import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import type { WrittenCompression } from '../../../src/data/orc/pack.ts'
import { type OrcReader, orcReader } from '../../../src/data/orc/read.ts'
import { intRuns } from '../../../src/data/orc/runs.ts'
import { refuseOrc } from '../../../src/data/orc/source.ts'
import { placeOf } from '../../../src/data/orc/values.ts'
import { type OrcWriteOptions, OrcWriter, type WrittenField } from '../../../src/data/orc/write.ts'
import { writeIntRuns } from '../../../src/data/orc/write-runs.ts'
import type { WrittenValue } from '../../../src/data/orc/write-statistics.ts'

const FIELDS: WrittenField[] = [
  { name: 'id', kind: 'long', bloom: true },
  { name: 'flag', kind: 'boolean' },
  { name: 'x', kind: 'double' },
  { name: 'word', kind: 'string', bloom: true },
  { name: 'text', kind: 'string' },
  { name: 'day', kind: 'date' },
  { name: 'at', kind: 'timestamp', bloom: true },
  { name: 'never', kind: 'long' },
]
const N = 6_000

/** Rows by integer arithmetic alone, the same on every machine. */
function rows(): WrittenValue[][] {
  const rng = seededRng(7)
  const maybe = (value: WrittenValue, i: number) => (i % 11 === 5 ? null : value)
  const below = (n: number) => Math.floor(rng.next() * n)
  const made = Array.from({ length: N }, (_, i): WrittenValue[] => [
    BigInt(i) * 3n,
    maybe(below(4) === 0, i),
    maybe(below(2 ** 30) / 1024 - 2 ** 19, i),
    maybe(['a', 'Zürich', '東京', '🜲', ''][below(5)]!, i),
    maybe(`row ${i} of ${below(1_000_000)}`, i + 1),
    maybe(below(80_000) - 30_000, i + 2),
    maybe(BigInt(below(2 ** 31) - 2 ** 30) * 1_000_000n + BigInt([0, 1, 500_000, 123_456][below(4)]!), i + 3),
    null,
  ])
  return FIELDS.map((_, c) => made.map((row) => row[c]!))
}

function written(columns: WrittenValue[][], options: OrcWriteOptions): Uint8Array {
  const parts: Uint8Array[] = []
  const writer = new OrcWriter((bytes) => void parts.push(Uint8Array.from(bytes)), FIELDS, options)
  for (let begin = 0; begin < N; begin += 999)
    writer.add(columns.map((column) => column.slice(begin, begin + 999)))
  expect(writer.finish()).toBe(N)
  return Buffer.concat(parts)
}

const open = (bytes: Uint8Array): OrcReader =>
  orcReader(
    { length: bytes.length, read: (begin, end) => Uint8Array.from(bytes.subarray(begin, end)) },
    'own.orc',
  )

function valuesOf(reader: OrcReader, where: Parameters<OrcReader['batches']>[0] = {}): WrittenValue[][] {
  const found: WrittenValue[][] = FIELDS.map(() => [])
  for (const { rows: n, columns } of reader.batches(where))
    columns.forEach((column, c) => {
      for (let row = 0; row < n; row++) {
        const at = placeOf(column, row)
        const values = 'values' in column ? column.values : []
        const value = at < 0 ? null : (values[at] as WrittenValue)
        found[c]!.push(column.kind === 'boolean' && value !== null ? value === 1 : value)
      }
    })
  return found
}

describe('ORC of our own', () => {
  const columns = rows()
  const codecs: WrittenCompression[] = [
    'none',
    'zlib',
    'snappy',
    'lz4',
    ...('zstdCompressSync' in zlib ? (['zstd'] as const) : []),
  ]

  test.each(codecs)('is read back as it was, packed by %s', (compression) => {
    const bytes = written(columns, { compression, stripeRows: 2_500, stride: 700 })
    const reader = open(bytes)
    expect(reader.tail.rows).toBe(N)
    expect(reader.tail.stripes.length).toBe(3)
    expect(valuesOf(reader)).toEqual(columns)
  })

  test('its groups of rows are read alone, by statistics and by bloom filters', () => {
    const reader = open(written(columns, { compression: 'lz4', stripeRows: 2_500, stride: 700 }))
    for (const begin of [0, 690, 2_400, 2_500, 5_900]) {
      const [min, max] = [BigInt(begin * 3), BigInt((begin + 40) * 3)]
      const batches = [...reader.batches({ where: [{ column: 'id', min, max }] })]
      const from = batches[0]!.begin
      const n = batches.reduce((sum, batch) => sum + batch.rows, 0)
      expect(n).toBeLessThanOrEqual(1_400)
      expect(from).toBeLessThanOrEqual(begin)
      const found = valuesOf(reader, { where: [{ column: 'id', min, max }] })
      expect(found).toEqual(columns.map((column) => column.slice(from, from + n)))
    }
    const rowsWith = (equals: bigint | string, column: string) =>
      [...reader.batches({ where: [{ column, equals }] })].reduce((sum, batch) => sum + batch.rows, 0)
    for (let i = 0; i < N; i += 501) expect(rowsWith(BigInt(3 * i), 'id')).toBeGreaterThan(0)
    const absent = Array.from({ length: 300 }, (_, i) => rowsWith(BigInt(60 * i + 1), 'id')).filter(
      (n) => n > 0,
    )
    expect(absent.length / 300).toBeLessThan(0.1)
    expect(rowsWith('東京', 'word')).toBe(N)
    expect(rowsWith('Kyōto', 'word')).toBeLessThan(N)
  })

  test('is the file that Apache ORC C++ read the same rows from', () => {
    const record = JSON.parse(readFileSync(new URL('../../reference/orc/own.json', import.meta.url), 'utf8'))
    const digests = (['none', 'snappy', 'lz4'] as const).map((compression) => {
      const bytes = written(columns, { compression, stripeRows: 2_500, stride: 700 })
      // `read-own.py` reads what is written there
      if (process.env.ORC_OUT) writeFileSync(join(process.env.ORC_OUT, `own-${compression}.orc`), bytes)
      return [compression, createHash('sha256').update(bytes).digest('hex')]
    })
    expect(record).toMatchObject(Object.fromEntries(digests))
    const sums = { id: 0n, day: 0n, at: 0n }
    for (const [name, c] of [
      ['id', 0],
      ['day', 5],
      ['at', 6],
    ] as const)
      for (const value of columns[c]!) if (value !== null) sums[name] += BigInt(value as bigint)
    expect({ id: `${sums.id}`, day: `${sums.day}`, at: `${sums.at}` }).toEqual(record.sums)
    expect(columns.map((column) => column.filter((value) => value === null).length)).toEqual(record.nulls)
    expect(columns[3]!.filter((value) => value === '東京').length).toBe(record.tokyo)
  })

  test('a time in the last second before 1970 keeps its second, and says that its fraction is lost', () => {
    const parts: Uint8Array[] = []
    const writer = new OrcWriter(
      (bytes) => void parts.push(Uint8Array.from(bytes)),
      [{ name: 'at', kind: 'timestamp' }],
    )
    const times = [-1n, -500_000n, -1_000_000n, -1_000_001n, -999_999n, 0n, 1n]
    writer.add([times])
    writer.finish()
    const [batch] = [...open(Buffer.concat(parts)).batches()]
    const [at] = batch!.columns
    expect(at!.kind === 'timestamp' && [...at!.values]).toEqual([
      -999_001n,
      -999_001n,
      -1_000_000n,
      -1_000_001n,
      -999_999n,
      0n,
      1n,
    ])
    expect(writer.cutTimes).toBe(2)
  })
})

test('runs of integers are read back, whatever they are', () => {
  const rng = seededRng(11)
  const kinds = ['repeat', 'step', 'rising', 'falling', 'narrow', 'outliers', 'wide', 'ends'] as const
  const used = new Set<number>()
  for (let round = 0; round < 120; round++) {
    const values: bigint[] = []
    for (let run = 0; run < 1 + (round % 7); run++) {
      const kind = kinds[Math.floor(rng.next() * kinds.length)]!
      const n = 1 + Math.floor(rng.next() * 600)
      const width = 1 + Math.floor(rng.next() * 40)
      let last = BigInt(Math.floor((rng.next() - 0.5) * 2 ** width))
      for (let i = 0; i < n; i++) {
        const small = BigInt(Math.floor(rng.next() * 2 ** Math.min(width, 20)))
        if (kind === 'step') last += 17n
        else if (kind === 'rising') last += small
        else if (kind === 'falling') last -= small
        else if (kind === 'narrow') last = small - 9n
        else if (kind === 'outliers')
          last = i % 61 === 7 ? small << 30n : BigInt(Math.floor(rng.next() * 100)) - 50n
        else if (kind === 'wide') last = BigInt.asIntN(64, BigInt(Math.floor(rng.next() * 2 ** 53)) * 4_099n)
        else if (kind === 'ends') last = [2n ** 63n - 1n, -(2n ** 63n), 0n, -1n][i % 4]!
        values.push(last)
      }
    }
    for (const isSigned of [true, false]) {
      const own = BigInt64Array.from(
        isSigned ? values : values.map((value) => (value < 0n ? -(value + 1n) : value)),
      )
      const { bytes, placeOf: place } = writeIntRuns(own, isSigned)
      const cursor = { bytes, at: 0, refuse: refuseOrc('runs') }
      expect(intRuns(cursor, own.length, isSigned, 2).values).toEqual(own)
      expect(cursor.at).toBe(bytes.length)
      for (let i = 0; i < own.length; i += 97) {
        const { byte, skip } = place(i)
        used.add(bytes[byte]! >> 6)
        const from = { bytes, at: byte, refuse: refuseOrc('runs') }
        expect(intRuns(from, skip + 1, isSigned, 2).values[skip]).toBe(own[i])
      }
    }
  }
  expect([...used].sort()).toEqual([0, 1, 2, 3])
})
