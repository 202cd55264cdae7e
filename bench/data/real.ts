/** Real sets with categories and missing values, written once into the temporary folder and read by both sides. */
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { readColumns, readNumbers, writeNpy } from './npy.ts'

export interface RealSplit {
  nRows: number
  /** NaN where missing; categories are codes. */
  columns: Float32Array[]
  target: Float64Array
}

export interface RealSet {
  name: string
  /** Holds x-train.npy, y-train.npy, x-test.npy and y-test.npy. */
  folder: string
  categorical: boolean[]
  train: RealSplit
  test: RealSplit
}

interface Made {
  columns: number[][]
  target: number[]
}

/** Reads a set, or makes it first. */
async function kept(
  name: string,
  categorical: boolean[],
  make: () => Promise<{ train: Made; test: Made }>,
): Promise<RealSet> {
  const folder = join(tmpdir(), `millrace-bench-${name}-v1`)
  if (!existsSync(folder)) {
    const scratch = `${folder}.${process.pid}`
    mkdirSync(scratch, { recursive: true })
    for (const [split, { columns, target }] of Object.entries(await make())) {
      writeNpy(
        join(scratch, `x-${split}.npy`),
        columns.map((column) => Float32Array.from(column)),
      )
      writeNpy(join(scratch, `y-${split}.npy`), Float64Array.from(target))
    }
    renameSync(scratch, folder)
  }
  const read = (split: string): RealSplit => {
    const target = readNumbers(join(folder, `y-${split}.npy`))
    const columns = readColumns(join(folder, `x-${split}.npy`), categorical.length)
    return { nRows: target.length, columns, target }
  }
  return { name, folder, categorical, train: read('train'), test: read('test') }
}

const FLIGHTS = new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url)

/** Three million flights of 2001: is one more than 15 minutes late? The last sixth by date is tested on. Origin and destination are categories of over 200 codes. */
export function flights(): Promise<RealSet> {
  return kept('flights-3m', [false, false, false, false, true, true], async () => {
    const connection = await (await DuckDBInstance.create()).connect()
    const result = await connection.runAndReadAll(`
      with rows as (select *, dense_rank() over (order by origin) - 1 as o, dense_rank() over (order by destination) - 1 as d,
        ntile(6) over (order by date, origin, destination, distance, delay) as part from '${fileURLToPath(FLIGHTS)}' where delay is not null)
      select hour(date) + minute(date) / 60, dayofweek(date), month(date), distance, o, d, (delay > 15)::int, part from rows order by date, o, d, distance, delay`)
    const [columns, [target, part]] = split(result.getColumns(), 6)
    const take = (isTest: boolean): Made => {
      const rows = part.flatMap((p, i) => ((p === 6) === isTest ? [i] : []))
      return {
        columns: columns.map((column) => rows.map((i) => column[i])),
        target: rows.map((i) => target[i]),
      }
    }
    return { train: take(false), test: take(true) }
  })
}

function split(columns: unknown[][], at: number): [number[][], number[][]] {
  const numbers = columns.map((column) =>
    column.map((value) => (value === null ? Number.NaN : Number(value))),
  )
  return [numbers.slice(0, at), numbers.slice(at)]
}

const ADULT = new URL('../../../shared/data/adult/', import.meta.url)
const ADULT_CATEGORIES = [1, 3, 5, 6, 7, 8, 9, 13]

/** Census incomes, with missing values; `null` where the folder of shared data is absent. */
export async function adult(): Promise<RealSet | null> {
  if (!existsSync(ADULT)) return null
  const categorical = Array.from({ length: 14 }, (_, j) => ADULT_CATEGORIES.includes(j))
  return kept('adult', categorical, async () => {
    const codes = categorical.map(() => new Map<string, number>())
    return { train: readAdult('adult-train.csv.gz', codes), test: readAdult('adult-test.csv.gz', codes) }
  })
}

function readAdult(name: string, codes: Map<string, number>[]): Made {
  const rows = gunzipSync(readFileSync(new URL(name, ADULT)))
    .toString()
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((row) => row.length === 15 && /^\d/.test(row[0]))
  const cell = (text: string, j: number): number => {
    if (text === '?' || text === '') return Number.NaN
    if (!ADULT_CATEGORIES.includes(j)) return Number(text)
    if (!codes[j].has(text)) codes[j].set(text, codes[j].size)
    return codes[j].get(text)!
  }
  return {
    columns: codes.map((_, j) => rows.map((row) => cell(row[j], j))),
    target: rows.map((row) => Number(row[14].startsWith('>50K'))),
  }
}
