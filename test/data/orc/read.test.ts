import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { type OrcReader, orcReader } from '../../../src/data/orc/read.ts'
import type { OrcSource } from '../../../src/data/orc/source.ts'
import { type OrcColumn, type OrcValue, placeOf, valueAt } from '../../../src/data/orc/values.ts'

const reference = new URL('../../reference/orc/', import.meta.url).pathname

/** Bytes in memory that count how many of them are read. */
function counted(bytes: Uint8Array): OrcSource & { read: OrcSource['read']; bytesRead: number } {
  const source = {
    length: bytes.length,
    bytesRead: 0,
    read(begin: number, end: number) {
      source.bytesRead += end - begin
      return bytes.slice(begin, end)
    },
  }
  return source
}

const open = (path: string): OrcReader => orcReader(counted(readFileSync(path)), path)

/** All values of each column, as `types.json` has them. */
function columnsOf(reader: OrcReader): Record<string, unknown[]> {
  const all: Record<string, unknown[]> = Object.fromEntries(reader.fields.map(({ name }) => [name, []]))
  for (const { rows, columns } of reader.batches())
    columns.forEach((column, c) => {
      for (let row = 0; row < rows; row++) all[reader.fields[c]!.name]!.push(recorded(column, row))
    })
  return all
}

function recorded(column: OrcColumn, row: number): unknown {
  const at = placeOf(column, row)
  if (at < 0) return null
  if (column.kind === 'date') return column.values[at]
  if (column.kind === 'timestamp' || column.kind === 'instant')
    return number(column.values[at]! * 1000n + BigInt(column.nanos[at]!))
  return plain(valueAt(column, row))
}

const number = (value: bigint): number | string =>
  value > -(2n ** 53n) && value < 2n ** 53n ? Number(value) : String(value)

function plain(value: OrcValue): unknown {
  if (typeof value === 'bigint') return number(value)
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  return value !== null && typeof value === 'object'
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]))
    : value
}

describe('files of another writer', () => {
  const expected = JSON.parse(gunzipSync(readFileSync(join(reference, 'types.json.gz'))).toString())

  test.each(['uncompressed', 'zlib', 'snappy', 'lz4', 'zstd'])(
    'every type is read, packed by %s',
    (codec) => {
      const found = columnsOf(open(join(reference, `types-${codec}.orc`)))
      for (const [name, values] of Object.entries(expected)) expect(found[name], name).toEqual(values)
    },
  )

  test('integers of each width are read, in runs of each kind', () => {
    const sums = JSON.parse(readFileSync(join(reference, 'integers.json'), 'utf8'))
    const reader = open(join(reference, 'integers.orc'))
    for (const { columns } of reader.batches())
      columns.forEach((column, c) => {
        const values = [...(column.kind === 'long' ? column.values : [])]
        const byPlace = values.reduce((sum, value, i) => sum + BigInt(i + 1) * value, 0n)
        const name = reader.fields[c]!.name
        expect({ sum: String(values.reduce((a, b) => a + b)), byPlace: String(byPlace) }, name).toEqual(
          sums[name],
        )
      })
  })

  test('groups of rows are read alone, as if all had been read', () => {
    for (const codec of ['uncompressed', 'zlib', 'lz4', 'zstd']) {
      const reader = open(join(reference, `types-${codec}.orc`))
      for (const [min, max] of [
        [10_000, 10_100],
        [10_400, 10_700],
        [10_650, 10_950],
        [11_150, 20_000],
      ]) {
        const batches = [...reader.batches({ where: [{ column: 'rising', min: min!, max: max! }] })]
        expect(batches.length).toBe(1)
        const { begin, rows, columns } = batches[0]!
        expect(begin % 100).toBe(0)
        expect(rows).toBeLessThanOrEqual(200)
        columns.forEach((column, c) => {
          const { name } = reader.fields[c]!
          const found = Array.from({ length: rows }, (_, row) => recorded(column, row))
          expect(found, `${name} from ${begin} of ${codec}`).toEqual(
            expected[name].slice(begin, begin + rows),
          )
        })
      }
    }
  })

  test('what no row can hold is not read: by statistics, and by bloom filters', () => {
    const reader = open(join(reference, 'integers.orc'))
    const rowsWith = (column: string, equals: bigint) =>
      [...reader.batches({ columns: [column], where: [{ column, equals }] })].reduce(
        (sum, { rows }) => sum + rows,
        0,
      )
    expect(rowsWith('repeats', 100_000n)).toBe(0)
    expect(rowsWith('repeats', 40n)).toBe(260)
    const among = Array.from({ length: 200 }, (_, i) => BigInt(5 * (i * 5) - 7 + 1))
    const read = among.filter((value) => rowsWith('steady', value) > 0).length
    expect(read / among.length).toBeLessThan(0.05)
    for (let i = 0; i < 1_040; i += 37) expect(rowsWith('steady', BigInt(5 * i - 7))).toBe(260)
  })

  test('columns that are not asked for are not read', () => {
    const bytes = readFileSync(join(reference, 'integers.orc'))
    const source = counted(bytes)
    const reader = orcReader(source, 'integers.orc')
    const before = source.bytesRead
    const [batch] = [...reader.batches({ columns: ['repeats', 'falling', 'w1'] })]
    expect(batch!.columns.length).toBe(3)
    expect(source.bytesRead - before).toBeLessThan(0.1 * bytes.length)
  })
})

test('bytes cut off or turned anywhere are refused with a code, or read', () => {
  const bytes = readFileSync(join(reference, 'types-zlib.orc'))
  let refused = 0
  for (let i = 0; i < 150; i++) {
    const at = (i * 7_919) % bytes.length
    const bad = i % 3 === 0 ? bytes.subarray(0, at) : Buffer.from(bytes)
    if (i % 3 > 0) bad[at] = bad[at]! ^ (1 << (i % 8))
    try {
      columnsOf(orcReader(counted(bad), 'bad.orc'))
    } catch (error) {
      expect((error as { code?: string }).code, `case ${i}: ${error}`).toBe('MR_DATA_UNREADABLE')
      refused++
    }
  }
  expect(refused).toBeGreaterThan(50)
})

const archive = new URL('../../../../shared/data/orc-examples/orc-examples.tar.xz', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'millrace-orc-'))
const ready = unpackExamples()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function unpackExamples(): boolean {
  if (!existsSync(archive)) {
    console.warn(`SKIP examples of Apache ORC: ${archive} is not there`)
    return false
  }
  try {
    execFileSync('tar', ['-xf', archive, '-C', folder], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('SKIP examples of Apache ORC: tar cannot unpack them here')
    return false
  }
}

describe.skipIf(!ready)('examples of Apache ORC', () => {
  const examples = join(folder, 'examples')
  const names = ready ? readdirSync(examples, { recursive: true, encoding: 'utf8' }) : []
  const withRows = names.filter((name) => name.startsWith('expected/')).map((name) => name.slice(9, -7))

  test.each(withRows)('%s has the rows that its writers say', (name) => {
    const lines = gunzipSync(readFileSync(join(examples, `expected/${name}.jsn.gz`)))
      .toString()
      .trim()
    const expected = lines === '' ? [] : lines.split('\n')
    const reader = open(join(examples, `${name}.orc`))
    let n = 0
    for (const { rows, columns } of reader.batches())
      for (let row = 0; row < rows; row++, n++) {
        const found = columns.map((column) => valueAt(column, row))
        const isStruct = reader.tail.types[0]!.kind === 'struct'
        const own = isStruct
          ? Object.fromEntries(reader.fields.map((f, c) => [f.name, found[c]!]))
          : found[0]!
        if (!same(own, JSON.parse(expected[n] ?? 'null'))) expect(own, `row ${n}`).toEqual(expected[n])
      }
    expect(n).toBe(expected.length)
  })

  test.each(['bad_bloom_filter_1.6.0', 'bad_bloom_filter_1.6.11'])(
    '%s, whose filters leave out what they hold, keeps all rows of a value',
    (name) => {
      const reader = open(join(examples, `${name}.orc`))
      const names = [...reader.batches()].flatMap(({ rows, columns }) =>
        Array.from({ length: rows }, (_, row) => valueAt(columns[1]!, row) as string),
      )
      expect(names.length).toBe(5)
      for (const equals of names)
        expect([...reader.batches({ where: [{ column: 'name', equals }] })].length, equals).toBe(1)
    },
  )

  test('texts of writers that took their ends wrongly are not left out by them, numbers are', () => {
    const reader = open(join(examples, 'orc-file-11-format.orc'))
    const rowsWith = (column: string, min: number | string) =>
      [...reader.batches({ where: [{ column, min }] })].reduce((sum, { rows }) => sum + rows, 0)
    expect(reader.tail.areEndsTrue).toBe(false)
    expect(rowsWith('string1', '\uffff')).toBe(7_500)
    expect(rowsWith('int1', 2 ** 31 - 1)).toBe(0)
  })

  test.each(names.filter((name) => /^(corrupt|encrypted)\/.*\.orc$|^zero\.orc$/.test(name)))(
    '%s is refused with a code',
    (name) => {
      expect(() => columnsOf(open(join(examples, name)))).toThrow(
        expect.objectContaining({ code: 'MR_DATA_UNREADABLE' }),
      )
    },
  )

  test.each(
    names.filter(
      (name) => /^[^/]*\.orc$/.test(name) && !withRows.includes(name.slice(0, -4)) && name !== 'zero.orc',
    ),
  )('%s is read to its end', (name) => {
    const reader = open(join(examples, name))
    const rows = [...reader.batches()].reduce((sum, batch) => sum + batch.rows, 0)
    expect(rows).toBe(reader.tail.stripes.reduce((sum, stripe) => sum + stripe.rows, 0))
  })
})

/** Whether a value is what the C++ tool printed: floats in fourteen digits, decimals of before 2013 in six. */
function same(own: OrcValue, printed: unknown): boolean {
  if (typeof own === 'bigint') return Number(own) === printed
  if (own instanceof Uint8Array) return same([...own], printed)
  if (typeof own === 'number' && typeof printed === 'number')
    return own === printed || Math.abs(own - printed) <= 1e-6 * Math.abs(printed)
  if (typeof own === 'string' && typeof printed === 'number')
    return Math.abs(Number(own) - printed) < 1e-6 || Number(own) === printed
  if (typeof own === 'string' && typeof printed === 'string')
    return own === printed.replace(/(:\d\d)\.0$/, '$1')
  if (Array.isArray(own))
    return (
      Array.isArray(printed) && own.length === printed.length && own.every((one, i) => same(one, printed[i]))
    )
  if (own === null || typeof own !== 'object') return own === printed
  const names = Object.keys(own)
  return (
    typeof printed === 'object' &&
    printed !== null &&
    names.length === Object.keys(printed).length &&
    names.every((name) => same(own[name]!, (printed as Record<string, unknown>)[name]))
  )
}
