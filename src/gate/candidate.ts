/** A trained candidate as the gate sees it: the prepared rows, the parent, and the digests of its members. */
import type { Digest } from '../core/records.ts'
import type { Query, TaskContext } from '../engine/ports.ts'
import { quoted } from '../expr/sql.ts'
import { type LoadedModel, loadModel } from '../model/load.ts'
import { type MatrixFile, openMatrix, type PreparedPlan } from '../model/matrix.ts'

export interface Candidate {
  plan: PreparedPlan
  matrix: MatrixFile
  parent: LoadedModel
  members: Record<string, Digest>
  /** Raw columns of the test rows, in the order of the matrix. */
  rawRows(): Promise<Record<string, unknown>[]>
  /** Raw columns of the test rows as categories. */
  categories(
    query: Query,
    columns: string[],
  ): Promise<Record<string, { codes: Int32Array; categories: string[] }>>
  close(): void
}

export async function openCandidate(context: TaskContext): Promise<Candidate> {
  const { inputs } = context.spec
  const plan = await context.store.getRecord<PreparedPlan>(inputs.plan, 'PreparedPlan')
  const parent = await loadModel(context.store, inputs.parent)
  const rowsPath = await context.store.objects.path(inputs.rows)
  const matrix = openMatrix(await context.store.objects.path(inputs.matrix))
  let rows: Promise<Record<string, unknown>[]> | undefined
  return {
    plan,
    matrix,
    parent,
    members: Object.fromEntries(
      Object.entries(inputs).flatMap(([name, digest]) =>
        name.startsWith('member:') ? [[name.slice('member:'.length), digest]] : [],
      ),
    ),
    rawRows: () => {
      rows ??= context
        .query()
        .then((query) =>
          query.rows(
            { text: 'select * exclude (mr_target, mr_key) from read_parquet(?)', params: [rowsPath] },
            context.signal,
          ),
        )
      return rows
    },
    async categories(query, columns) {
      const list = columns.map((c) => `cast(${quoted(c)} as varchar) as ${quoted(c)}`).join(', ')
      const result = await query.columns(
        { text: `select ${list} from read_parquet(?)`, params: [rowsPath] },
        { categories: columns, signal: context.signal },
      )
      return Object.fromEntries(columns.map((c) => [c, asCategories(result.columns[c])]))
    },
    close: () => matrix.close(),
  }
}

function asCategories(column: { kind: string }): { codes: Int32Array; categories: string[] } {
  if (column.kind !== 'category') throw new Error(`assertion failed: a category column, got ${column.kind}`)
  return column as unknown as { codes: Int32Array; categories: string[] }
}
