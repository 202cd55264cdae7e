/** Columns that are dead for a stretch of a delivery and alive in the rest, with the rows where it begins and ends. */
import { grouped } from '../core/grouped.ts'
import { subjects } from '../core/names.ts'
import type { Column, Finding } from '../core/records.ts'
import { bytesOf, isValid, validBitsOf } from '../engine/duckdb/vectors.ts'
import { type LongestRun, RunFinder, standsStill } from '../stats/longest-run.ts'
import { type Duck, quote } from './duck.ts'
import type { Import } from './import-context.ts'

/** Name of the check that every delivery gets. */
export const STILL = 'still'

/**
 * One finding a column that stands still, of the rows that were taken in the order of time or, without one, of all in the order of the files. They refuse nothing
 * and put nothing aside. Cost: one scan, some nanoseconds a value.
 */
export async function stillFindings({ duck, job, delivery }: Import): Promise<Finding[]> {
  const { time, dataset } = job.params
  const columns = delivery.columns.filter(({ name }) => name !== time)
  const from = time === null ? 'staged' : 'good'
  if (columns.length === 0) return []
  const runs = await longestRuns(duck, from, columns)
  const findings: Finding[] = []
  for (const [i, column] of columns.entries()) {
    const run = runs[i]!
    if (!standsStill(run)) continue
    const first = await rowAt(duck, from, column, time, run.from)
    const last = await rowAt(duck, from, column, time, run.from + run.length - 1)
    findings.push(findingOf(dataset, column, run, first, last))
  }
  return findings
}

async function longestRuns(
  duck: Duck,
  from: string,
  columns: readonly Pick<Column, 'name' | 'type'>[],
): Promise<LongestRun[]> {
  const finders = columns.map(() => new RunFinder())
  const list = columns.map(({ name }) => `CASE WHEN ${quote(name)} IS NOT NULL THEN hash(${quote(name)}) END`)
  for await (const chunk of duck.chunks(`SELECT ${list.join(', ')} FROM ${from}`)) {
    for (const [i, finder] of finders.entries()) {
      const vector = chunk.getColumnVector(i)
      const { buffer, byteOffset } = bytesOf(vector)
      const bits = validBitsOf(vector)
      finder.add(
        new Int32Array(buffer, byteOffset, 2 * chunk.rowCount),
        chunk.rowCount,
        bits ? (row) => !isValid(bits, row) : () => false,
      )
    }
  }
  return finders.map((finder) => finder.finish())
}

interface RowAt {
  value: string | null
  at: string | null
}

async function rowAt(
  duck: Duck,
  from: string,
  { name }: Pick<Column, 'name'>,
  time: string | null,
  row: number,
): Promise<RowAt> {
  const at = time === null ? 'NULL' : `strftime(CAST(${quote(time)} AS TIMESTAMP), '%Y-%m-%d %H:%M')`
  return await duck.one<RowAt>(
    `SELECT left(CAST(${quote(name)} AS VARCHAR), 64) AS value, ${at} AS at FROM ${from} LIMIT 1 OFFSET ${row}`,
  )
}

function findingOf(
  dataset: string,
  { name }: Pick<Column, 'name'>,
  run: LongestRun,
  first: RowAt,
  last: RowAt,
): Finding {
  const { rows } = run
  const end = run.from + run.length
  const when = first.at === null ? '' : `, ${first.at} to ${last.at}`
  const what = first.value === null ? 'has no value' : `is ${first.value}`
  const percent = ((100 * run.length) / rows).toFixed(1)
  const message = `${name} ${what} in rows ${grouped(run.from)} to ${grouped(end - 1)}${when} (${percent} % of the delivery) and changes ${grouped(run.runs - 1)} times in the rest: ${course(run)}`
  return {
    kind: 'Finding',
    check: STILL,
    subject: subjects.dataset(dataset),
    slice: name,
    value: run.length / rows,
    limit: 'no stretch of one value far longer than the others',
    n: rows,
    verdict: 'fail',
    message,
    at: 0,
  }
}

function course({ from, length, rows }: LongestRun): string {
  if (from === 0) return `it comes alive at row ${grouped(length)}`
  return from + length === rows ? `it goes dead at row ${grouped(from)}` : 'it was dead in between'
}
