/**
 * What two versions answered of each row, as Parquet: `_row` (number of the test row, from 0), `_truth`, `_before`, `_after` (outputs, or labels of classes), `_moved`, and,
 * where an output is a share that decides, `_decided_before` and `_decided_after`.
 */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../core/records.ts'
import type { TaskContext } from '../engine/ports.ts'
import { literal, quoted, raw } from '../expr/sql.ts'
import type { MovedRows } from './behaviour.ts'

/** Lines that are written at once. */
const LINES = 50_000

/** Writes the file into the store and gives its digest; the bytes depend on nothing but what is told. Cost: one line of text a row, in memory 50,000 at a time. */
export async function writeMovedRows(
  { store, query, signal }: Pick<TaskContext, 'store' | 'query' | 'signal'>,
  rows: MovedRows,
): Promise<Digest> {
  const columns = columnsOf(rows)
  const path = join(store.scratch, `moved-${process.hrtime.bigint()}`)
  const [json, parquet] = [`${path}.ndjson`, `${path}.parquet`]
  try {
    await writeLines(json, columns)
    const types = columns.map(({ name, type }) => `${literal(name)}: '${type}'`).join(', ')
    const list = columns.map(({ name }) => quoted(name)).join(', ')
    await (await query()).exec(
      raw(`copy (select ${list} from read_json(${literal(json)}, format = 'newline_delimited', columns = {${types}}) order by _row)
        to ${literal(parquet)} (format parquet, compression zstd)`),
      signal,
    )
    return (await store.objects.putFile(parquet)).digest
  } finally {
    await rm(json, { force: true })
    await rm(parquet, { force: true })
  }
}

interface TextColumn {
  name: string
  type: 'bigint' | 'double' | 'varchar'
  values: ArrayLike<number | string>
}

function columnsOf({ truth, before, after, moved, decided }: MovedRows): TextColumn[] {
  const told = (name: string, values: (number | string)[]): TextColumn => ({
    ...{ name, values },
    type: typeof values[0] === 'string' ? 'varchar' : 'double',
  })
  return [
    { name: '_row', type: 'bigint', values: Array.from(moved.keys()) },
    told('_truth', truth),
    told('_before', before),
    told('_after', after),
    { name: '_moved', type: 'double', values: moved },
    ...(decided ? [told('_decided_before', decided.before), told('_decided_after', decided.after)] : []),
  ]
}

async function writeLines(path: string, columns: readonly TextColumn[]): Promise<void> {
  const nRows = columns[0]!.values.length
  await writeFile(path, '')
  for (let from = 0; from < nRows; from += LINES) {
    const lines = Array.from({ length: Math.min(nRows - from, LINES) }, (_, k) =>
      JSON.stringify(Object.fromEntries(columns.map(({ name, values }) => [name, values[from + k]]))),
    )
    await writeFile(path, `${lines.join('\n')}\n`, { flag: 'a' })
  }
}
