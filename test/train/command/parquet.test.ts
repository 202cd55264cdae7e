import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openQuery } from '../../../src/engine/open.ts'
import { writeParquet } from '../../../src/train/command/parquet.ts'

const folder = mkdtempSync(join(tmpdir(), 'millrace-parquet-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function readBack(file: string): Promise<Record<string, Float64Array>> {
  const query = await openQuery('duckdb:', { threads: 1, tempDir: folder })
  const { columns } = await query.columns({ text: 'select * from read_parquet(?)', params: [file] })
  await query.close()
  return Object.fromEntries(
    Object.entries(columns).map(([name, column]) => [name, (column as { values: Float64Array }).values]),
  )
}

test('DuckDB reads the very same doubles, NaN and infinities included', async () => {
  const file = join(folder, 'few.parquet')
  const values = Float64Array.of(0.1 + 0.2, -0, Number.NaN, Number.POSITIVE_INFINITY, 5e-324, -1.5)
  writeParquet(file, values.length, [
    ['plain', values],
    ['with "quotes" and ü', values.map((_, i) => i)],
  ])
  const back = await readBack(file)
  expect(Object.keys(back)).toEqual(['plain', 'with "quotes" and ü'])
  expect([...back.plain].map((x) => Object.is(x, -0))).toEqual([...values].map((x) => Object.is(x, -0)))
  expect(back.plain).toEqual(values)
})

test('more rows than a row group holds, more columns than a short list has, and none at all', async () => {
  const large = join(folder, 'large.parquet')
  const n = 1_000_003
  const columns = Array.from({ length: 16 }, (_, j): [string, Float64Array] => [
    `c${j}`,
    Float64Array.from({ length: n }, (_, i) => i * 16 + j),
  ])
  writeParquet(large, n, columns)
  const back = await readBack(large)
  for (const [name, values] of columns)
    expect(
      Buffer.compare(
        Buffer.from(back[name].buffer, back[name].byteOffset, back[name].byteLength),
        Buffer.from(values.buffer),
      ),
    ).toBe(0)
  const empty = join(folder, 'empty.parquet')
  writeParquet(empty, 0, [['x', new Float64Array(0)]])
  expect((await readBack(empty)).x).toHaveLength(0)
}, 60_000)
