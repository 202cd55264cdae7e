import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { closeFrames, col, type Frame, frame } from '../../src/frame/index.ts'

afterAll(closeFrames)

const N = 100
const every = (n: number, i: number) => i % n === 0
/** A column of each type with missing values, written in more than one batch by a union. */
const table = frame({
  whole: BigInt64Array.from({ length: N }, (_, i) => 2n ** 60n + BigInt(i)),
  part: Float64Array.from({ length: N }, (_, i) => (every(9, i) ? Number.NaN : i / 8)),
  text: Array.from({ length: N }, (_, i) => (every(11, i) ? null : `wörd, ${i % 13} 日本`)),
  flag: Array.from({ length: N }, (_, i) => (every(5, i) ? null : every(2, i))),
  at: Array.from({ length: N }, (_, i) => (every(17, i) ? null : new Date(-5e11 + i * 61_001_001))),
})
  .with({ day: col('at') })
  .cast({ day: 'date' }) as Frame

interface Read {
  sha256: string
  columns: Record<string, unknown[]>
}
const RECORDED = new URL('../reference/frames/arrow.json', import.meta.url)

test('a stream of Arrow is the bytes that pyarrow was seen to read, and says the same', async () => {
  const bytes = await table.toArrow()
  const out = process.env.MILLRACE_ARROW_OUT
  if (out) writeFileSync(out, bytes)
  expect(existsSync(RECORDED)).toBe(true)
  const { sha256, columns } = JSON.parse(readFileSync(RECORDED, 'utf8')) as Read
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256)
  const collected = await table.collect()
  for (const name of collected.names) {
    const ours = collected
      .values(name)
      .map((v) => (v instanceof Date ? v.getTime() : typeof v === 'bigint' ? String(v) : v))
    expect(ours, name).toEqual(columns[name])
  }
})

test('what is written is read again, as a file, as a stream and as bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-test-arrow-'))
  try {
    const rows = await table.rows()
    for (const name of ['rows.arrow', 'rows.arrows']) {
      await table.write(join(folder, name))
      expect(await frame(join(folder, name)).rows(), name).toEqual(rows)
    }
    expect(await frame(await table.toArrow()).rows()).toEqual(rows)
    const none = frame(await table.filter(col('part').lt(0)).toArrow())
    expect([await none.count(), (await none.schema()).map(({ type }) => type)]).toEqual([
      0,
      ['int', 'float', 'string', 'bool', 'time', 'date'],
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
