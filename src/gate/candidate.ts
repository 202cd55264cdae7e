/** A trained candidate as the gate sees it: the prepared rows, the parent, and the digests of its members. */

import { assert } from '../core/errors.ts'
import type { Digest } from '../core/records.ts'
import type { ResultColumn, Sql, TaskContext } from '../engine/ports.ts'
import { quoted } from '../expr/sql.ts'
import { type MatrixFile, openMatrix, type PreparedPlan } from '../model/matrix.ts'
import { type ReadyModel, readyModel } from '../model/ready.ts'

export interface Candidate {
  plan: PreparedPlan
  matrix: MatrixFile
  parent: ReadyModel
  members: Record<string, Digest>
  /** Raw columns of the test rows, in the order of the matrix; null where the dataset no longer has a column. */
  rawRows(columns: string[]): Promise<Record<string, unknown>[]>
  /** Those raw columns of the test rows that the dataset has, as categories. */
  categories(columns: string[]): Promise<Record<string, { codes: Int32Array; categories: string[] }>>
  close(): void
}

export async function openCandidate(context: TaskContext): Promise<Candidate> {
  const { inputs } = context.spec
  const plan = await context.store.getRecord<PreparedPlan>(inputs.plan, 'PreparedPlan')
  const parent = await readyModel(context, inputs.parent)
  const rowsPath = await context.store.objects.path(inputs.rows)
  const matrix = openMatrix(await context.store.objects.path(inputs.matrix))
  const query = await context.query()
  const from = (list: string): Sql => ({ text: `select ${list} from read_parquet(?)`, params: [rowsPath] })
  const known = new Set(
    (
      await query.rows<{ name: string }>({ text: 'select name from parquet_schema(?)', params: [rowsPath] })
    ).map((row) => row.name),
  )
  return {
    plan,
    matrix,
    parent,
    members: Object.fromEntries(
      Object.entries(inputs).flatMap(([name, digest]) =>
        name.startsWith('member:') ? [[name.slice('member:'.length), digest]] : [],
      ),
    ),
    rawRows: (columns) => {
      const list = columns.map((c) => (known.has(c) ? quoted(c) : `null as ${quoted(c)}`)).join(', ')
      return query.rows(from(list || '1'), context.signal)
    },
    async categories(columns) {
      const there = columns.filter((c) => known.has(c))
      if (there.length === 0) return {}
      const list = there.map((c) => `cast(${quoted(c)} as varchar) as ${quoted(c)}`).join(', ')
      const result = await query.columns(from(list), { categories: there, signal: context.signal })
      return Object.fromEntries(there.map((c) => [c, asCategories(result.columns[c])]))
    },
    close: () => {
      matrix.close()
      parent.close()
    },
  }
}

function asCategories(column: ResultColumn): { codes: Int32Array; categories: string[] } {
  assert(column.kind === 'category', `a category column, got ${column.kind}`)
  return column
}
