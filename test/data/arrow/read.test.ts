/** Arrow IPC as pyarrow writes it: every type, packed and not, and what is no Arrow refused whatever bytes it has. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isMillraceError, MillraceError } from '../../../src/core/errors.ts'
import { seededRng } from '../../../src/core/rng.ts'
import { arrowReader } from '../../../src/data/arrow/read.ts'
import { arrowRows } from '../../../src/data/arrow/rows.ts'
import { allRows, openPlace } from '../fixture.ts'

const fixture = JSON.parse(
  readFileSync(new URL('../../reference/arrow/pyarrow.json', import.meta.url), 'utf8'),
) as {
  columns: Record<string, unknown[]>
  streams: Record<string, string>
  growing: { bytes: string; values: (string | null)[] }
  long: { lz4: string; rows: number; sum: number; last: string }
}
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))

/** Whole numbers beyond 2^53 stand in the fixture as `{ big }`. */
const seen = (value: unknown): unknown => (typeof value === 'bigint' ? { big: String(value) } : value)

describe('as pyarrow writes it', () => {
  test.each(['plain', 'lz4', 'zstd', 'file', 'file_zstd'])('every type: %s', (name) => {
    const rows = arrowRows(bytesOf(fixture.streams[name]!), 100)
    for (const [column, values] of Object.entries(fixture.columns))
      expect(
        rows.map((row) => seen(row[column])),
        column,
      ).toEqual(values)
    expect(Object.keys(rows[0]!)).toEqual(Object.keys(fixture.columns))
  })

  test('streams from before version 0.15', () => {
    const rows = arrowRows(bytesOf(fixture.streams.old!), 100)
    expect(rows.map(({ text }) => text)).toEqual(fixture.columns.text)
  })

  test('dictionaries that grow, and that are replaced', () => {
    expect(arrowRows(bytesOf(fixture.growing.bytes), 100).map(({ c }) => c)).toEqual(fixture.growing.values)
  })

  test('blocks of LZ4 that copy from those before them', () => {
    const rows = arrowRows(bytesOf(fixture.long.lz4), fixture.long.rows) as { n: number; t: string }[]
    expect(rows.reduce((sum, { n }) => sum + n, 0)).toBe(fixture.long.sum)
    expect(rows.at(-1)!.t).toBe(fixture.long.last)
    expect(() => arrowRows(bytesOf(fixture.long.lz4), fixture.long.rows - 1)).toThrowError('MR_LIMIT')
  })

  test('is imported as a file, with the types of its columns', async () => {
    const place = await openPlace()
    place.file('signed.arrow', bytesOf(fixture.streams.signed!))
    place.file('all.feather', bytesOf(fixture.streams.lz4!))
    const parts = { by: 'rows', rowsMax: 100 } as const
    const version = await place.import({ source: ['signed.arrow'], parts })
    const types = new Map(version.schema.columns.map(({ name, type }) => [name, type]))
    const of = (type: string) => [...types].filter(([, one]) => one === type).map(([name]) => name)
    expect(of('bool')).toEqual(['bool'])
    expect(of('int')).toEqual(['i8', 'i16', 'i32', 'i64', 'u8', 'u16', 'u32'])
    expect(of('float')).toEqual(['f16', 'f32', 'f64', 'd32', 'd128', 'd256'])
    expect(of('date')).toEqual(['date32', 'date64'])
    expect(of('time')).toEqual(['ts_s', 'ts_ms', 'ts_us', 'ts_ns'])
    expect(of('json')).toEqual(
      'list large_list list_view fixed_list struct map deep runs sparse dense'.split(' '),
    )
    const rows = await allRows(place, version)
    const named = (name: string) => rows.map((row) => row[name])
    const sorted = (values: unknown[]) => values.map((value) => JSON.stringify(value)).sort()
    for (const name of [
      'bool',
      'i8',
      'u32',
      'f16',
      'f32',
      'f64',
      'text',
      'text_view',
      'dict',
      'months',
      'time64',
      'd128',
    ])
      expect(sorted(named(name)), name).toEqual(sorted(fixture.columns[name]!))
    for (const name of ['struct', 'map', 'deep', 'dense'])
      expect(
        sorted(named(name).map((text) => (text === null ? null : JSON.parse(text as string)))),
        name,
      ).toEqual(sorted(fixture.columns[name]!))
    // A number of 64 bits without a sign may be beyond what a column of whole numbers holds.
    await expect(place.import({ name: 'all', source: ['all.feather'], parts })).rejects.toThrow(
      'MR_DATA_UNREADABLE: all.feather',
    )
  })
})

describe('what is no Arrow', () => {
  const refuse = (place: string, expected: string, got: string) =>
    new MillraceError('MR_ROWS_BODY', { format: 'Arrow', why: `${place} ${expected} ${got}` })

  test('is refused with a code, wherever bytes are wrong or end', () => {
    const random = seededRng(7)
    const whole = ['plain', 'lz4', 'zstd', 'file'].map((name) => bytesOf(fixture.streams[name]!))
    let refused = 0
    for (let i = 0; i < 1_200; i++) {
      const bytes = whole[i % whole.length]!.slice()
      const cut = random.next() < 0.2 ? random.nextInt(bytes.length) : bytes.length
      for (let flip = 0; flip < 1 + random.nextInt(4); flip++)
        bytes[random.nextInt(bytes.length)] = random.nextInt(256)
      try {
        arrowRows(bytes.subarray(0, cut), 100)
      } catch (error) {
        if (!isMillraceError(error)) throw error
        expect(['MR_ROWS_BODY', 'MR_LIMIT']).toContain(error.code)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(400)
  })

  test('no bytes, other bytes, and a text', () => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(64),
      Buffer.from('ARROW1'),
      Buffer.from('a,b\n1,2\n'),
    ])
      expect(() => arrowReader(bytes, { refuse })).toThrowError('MR_ROWS_BODY')
  })
})
