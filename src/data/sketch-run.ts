/**
 * The sketches of a table inside the child process. Numbers stream by as doubles; texts are grouped by the engine in blocks of rows, so that every distinct
 * value of a block is looked at once and only frequent ones become JavaScript strings.
 */

import { writeFile } from 'node:fs/promises'
import type { DuckDBDataChunk } from '@duckdb/node-api'
import type { Column, ColumnType } from '../core/records.ts'
import { blank, bytesOf, validBitsOf } from '../engine/duckdb/vectors.ts'
import { partRows } from '../engine/parts.ts'
import { encodeSketches, type SketchesByColumn } from '../stats/sketch-codec.ts'
import { NumberSketcher, TextSketcher } from '../stats/sketch-column.ts'
import { type Duck, quote } from './duck.ts'
import type { SketchJob, SketchResult } from './types.ts'

/** Rows whose texts are grouped together. */
const BLOCK_ROWS = 122_880
/** Texts handed over at once. */
const BATCH_TEXTS = 4096

type NamedType = Pick<Column, 'name' | 'type'>

/** Sketches a part that an older version wrote. */
export async function runSketch(duck: Duck, job: SketchJob): Promise<SketchResult> {
  await duck.run(`CREATE TEMP TABLE part AS SELECT * FROM ${partRows(job.files[0]!)}`)
  const path = `${job.folder}/sketches`
  await writeFile(path, encodeSketches(await sketchTable(duck, 'part', job.columns)))
  return { path }
}

/**
 * Sketches of all columns of a table, in the order of its rows. The same rows in the same order give the same sketches. Cost: about 100 ns a number, 50 ns and
 * more a text.
 */
export async function sketchTable(
  duck: Duck,
  table: string,
  columns: readonly NamedType[],
): Promise<SketchesByColumn> {
  const counts = columns.map((c, i) => `CAST(count(${quote(c.name)}) AS INTEGER) AS c${i}`)
  const row = await duck.one<Record<string, number>>(
    `SELECT CAST(count(*) AS INTEGER) AS n, ${counts.join(', ')} FROM ${table}`,
  )
  const numbers = await sketchNumbers(
    duck,
    table,
    columns.filter((c) => AS_NUMBER[c.type]),
  )
  const sketches: SketchesByColumn = {}
  for (const [i, column] of columns.entries()) {
    const sketcher = numbers.get(column.name) ?? (await sketchTexts(duck, table, column.name, row.n!))
    sketches[column.name] = sketcher.finish(row.n!, row.n! - row[`c${i}`]!)
  }
  return sketches
}

/** How a column is read as doubles; those of other types are read as texts. Integers beyond 2^53 are rounded. */
const AS_NUMBER: Partial<Record<ColumnType, (value: string) => string>> = {
  int: (value) => `CAST(${value} AS DOUBLE)`,
  float: (value) => `CAST(${value} AS DOUBLE)`,
  time: (value) => `CASE WHEN isfinite(${value}) THEN epoch_us(${value}) / 1000.0 END`,
  date: (value) => `CASE WHEN isfinite(${value}) THEN CAST(epoch_ms(${value}) AS DOUBLE) END`,
}

async function sketchNumbers(
  duck: Duck,
  table: string,
  columns: readonly NamedType[],
): Promise<Map<string, NumberSketcher>> {
  const sketchers = columns.map(() => new NumberSketcher())
  const found = new Map(columns.map(({ name }, i) => [name, sketchers[i]!]))
  if (columns.length === 0) return found
  const list = columns.map(({ name, type }) => AS_NUMBER[type]!(quote(name)))
  for await (const chunk of duck.chunks(`SELECT ${list.join(', ')} FROM ${table}`)) {
    for (const [i, sketcher] of sketchers.entries()) sketcher.add(doublesOf(chunk, i), chunk.rowCount)
  }
  return found
}

/** A column of a chunk, NaN where there is no value. */
function doublesOf(chunk: DuckDBDataChunk, column: number): Float64Array {
  const vector = chunk.getColumnVector(column)
  const { buffer, byteOffset } = bytesOf(vector)
  const values = new Float64Array(buffer, byteOffset, chunk.rowCount)
  blank(values, 0, chunk.rowCount, validBitsOf(vector), Number.NaN)
  return values
}

async function sketchTexts(duck: Duck, table: string, column: string, rows: number): Promise<TextSketcher> {
  const sketcher = new TextSketcher()
  for (let from = 0; from < rows; from += BLOCK_ROWS) await addBlock(duck, sketcher, table, column, from)
  return sketcher
}

async function addBlock(
  duck: Duck,
  sketcher: TextSketcher,
  table: string,
  column: string,
  from: number,
): Promise<void> {
  await duck.run(
    `CREATE OR REPLACE TEMP TABLE texts AS SELECT v, CAST(count(*) AS INTEGER) AS n
     FROM (SELECT CAST(${quote(column)} AS VARCHAR) AS v FROM ${table} WHERE rowid >= ${from} AND rowid < ${from + BLOCK_ROWS})
     WHERE v IS NOT NULL GROUP BY v`,
  )
  const { lengths, counts } = await sizesOf(duck)
  sketcher.begin(counts)
  let at = 0
  const batch = `rowid // ${BATCH_TEXTS}`
  for await (const chunk of duck.chunks(
    `SELECT encode(string_agg(v, '')) FROM texts GROUP BY ${batch} ORDER BY ${batch}`,
  )) {
    const vector = chunk.getColumnVector(0)
    for (let i = 0; i < chunk.rowCount; i++) {
      const { bytes } = vector.getItem(i) as unknown as { bytes: Uint8Array }
      sketcher.add(bytes, lengths.subarray(at, at + BATCH_TEXTS))
      at += BATCH_TEXTS
    }
  }
  sketcher.end()
}

/** Bytes of each text of the block, and the rows that have it. */
async function sizesOf(duck: Duck): Promise<{ lengths: Int32Array; counts: Int32Array }> {
  const { n } = await duck.one<{ n: number }>('SELECT CAST(count(*) AS INTEGER) AS n FROM texts')
  const lengths = new Int32Array(n)
  const counts = new Int32Array(n)
  let at = 0
  for await (const chunk of duck.chunks('SELECT CAST(strlen(v) AS INTEGER), n FROM texts')) {
    lengths.set(intsOf(chunk, 0), at)
    counts.set(intsOf(chunk, 1), at)
    at += chunk.rowCount
  }
  return { lengths, counts }
}

function intsOf(chunk: DuckDBDataChunk, column: number): Int32Array {
  const { buffer, byteOffset } = bytesOf(chunk.getColumnVector(column))
  return new Int32Array(buffer, byteOffset, chunk.rowCount)
}
