/** Three of two hundred columns cost three two-hundredths of the bytes: counted where the bytes are read. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openDuck } from '../../src/data/duck.ts'
import { orcReader } from '../../src/data/orc/read.ts'
import { OrcWriter, type WrittenField } from '../../src/data/orc/write.ts'

const COLUMNS = 200
const ROWS = 20_000
/** Rows of the ORC file, which is written here row by row. */
const FEW = 4_000
const ASKED = 3
const folder = mkdtempSync(join(tmpdir(), 'millrace-bytes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Digits that neither compress nor repeat. */
const noise = (row: number, column: number): number =>
  Math.imul(row * 200 + column + 1, 2_654_435_761) ^ Math.imul(column + 7, row + 40_503)

test('of ORC: three columns, and of them the groups that a condition leaves', () => {
  const fields: WrittenField[] = Array.from({ length: COLUMNS }, (_, c) => ({ name: `c${c}`, kind: 'long' }))
  const parts: Uint8Array[] = []
  const writer = new OrcWriter((bytes) => void parts.push(Uint8Array.from(bytes)), fields, {
    compression: 'none',
    stride: 1_000,
  })
  for (let begin = 0; begin < FEW; begin += 1_000)
    writer.add(
      fields.map((_, c) =>
        Array.from({ length: 1_000 }, (_, i) => BigInt(c === 0 ? begin + i : noise(begin + i, c))),
      ),
    )
  writer.finish()
  const bytes = Buffer.concat(parts)
  let read = 0
  const open = () => {
    read = 0
    const source = {
      length: bytes.length,
      read: (begin: number, end: number) => {
        read += end - begin
        return Uint8Array.from(bytes.subarray(begin, end))
      },
    }
    return orcReader(source, 'wide.orc')
  }
  const reader = open()
  const tail = read
  const wanted = ['c5', 'c77', 'c199']
  let rows = 0
  for (const batch of reader.batches({ columns: wanted })) rows += batch.rows
  expect(rows).toBe(FEW)
  const share = (read - tail) / bytes.length
  expect(share, `${read} of ${bytes.length} bytes`).toBeLessThan((1.3 * ASKED) / COLUMNS)
  expect(share).toBeGreaterThan((0.7 * ASKED) / COLUMNS)
  // The first column counts the rows, so that one group of a thousand holds the wanted ones.
  const all = read - tail
  const narrow = open()
  const before = read
  const found = [...narrow.batches({ columns: wanted, where: [{ column: 'c0', min: 2_100, max: 2_200 }] })]
  expect(found.map(({ begin, rows: n }) => [begin, n])).toEqual([[2_000, 1_000]])
  expect(read - before).toBeLessThan(0.75 * all)
})

const IO = '/proc/self/io'
const hasIo = existsSync(IO)
if (!hasIo) console.warn(`skipped: bytes that are read of Parquet, since ${IO} is not there to count them`)
const bytesRead = (): number => Number(/rchar: (\d+)/.exec(readFileSync(IO, 'utf8'))![1])

test.skipIf(!hasIo)(
  'of Parquet: three columns, and of them the row groups that a condition leaves',
  async () => {
    const duck = await openDuck(folder, 500)
    const path = join(folder, 'wide.parquet')
    const list = Array.from({ length: COLUMNS }, (_, c) =>
      c === 0 ? 'i AS c0' : `hash(i * ${COLUMNS} + ${c}) AS c${c}`,
    )
    await duck.run(
      `COPY (SELECT ${list.join(', ')} FROM range(${3 * ROWS}) r(i)) TO '${path}' (FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE ${ROWS})`,
    )
    const size = statSync(path).size
    const cost = async (what: string): Promise<number> => {
      const before = bytesRead()
      await duck.rows(what)
      return bytesRead() - before
    }
    const three = `SELECT sum(hash(c5) % 7) + sum(hash(c77) % 7) + sum(hash(c199) % 7) AS s FROM read_parquet('${path}')`
    await duck.rows(`SELECT count(*) AS n FROM read_parquet('${path}')`)
    const empty = await cost('SELECT 1 AS one')
    const footer = await cost(`SELECT count(*) AS n FROM read_parquet('${path}')`)
    const all = (await cost(three)) - footer
    expect(all / size, `${all} of ${size} bytes, ${empty} without a file`).toBeLessThan((2 * ASKED) / COLUMNS)
    const some = (await cost(`${three} WHERE c0 >= ${ROWS} AND c0 < ${ROWS + 10}`)) - footer
    // One row group of three, and the column of the condition.
    expect(some, `${some} of ${all} bytes`).toBeLessThan(0.6 * all)
    duck.close()
  },
)
