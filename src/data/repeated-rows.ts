/** Rows that were sent twice: equal in all columns to one of the same key. */
import { quote } from './duck.ts'
import type { Import } from './import-context.ts'
import { existingRows } from './marked-rows.ts'

/** Why a delivery has no rows: the dataset has all of them. */
export const REPEATS = 'all rows are in the dataset already'

/**
 * Takes out of `staged` the rows that are equal in every column to one before them or to one of the version before, where the dataset has a key: what is sent twice is there once. Rows of one key that
 * differ stay, for the check of the key. Gives how many went.
 */
export async function dropRepeats(run: Import): Promise<number> {
  const { duck, job, delivery } = run
  if (job.params.repeats !== 'drop' || job.params.key.length === 0) return 0
  const columns = delivery.columns.map((c) => quote(c.name))
  const existing = await existingRows(run, job.params.key)
  const same = columns.map((c) => `e.${c} IS NOT DISTINCT FROM s.${c}`).join(' AND ')
  const isNew = existing ? `NOT EXISTS (SELECT 1 FROM ${existing} e WHERE ${same})` : 'TRUE'
  const { n: before } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM staged')
  await duck.run(
    `CREATE TABLE fresh AS SELECT s.* EXCLUDE (_mr_place) FROM (SELECT *, row_number() OVER (PARTITION BY ${columns.join(', ')} ORDER BY rowid) AS _mr_place FROM staged) s
     WHERE _mr_place = 1 AND ${isNew}`,
  )
  await duck.run('DROP TABLE staged')
  await duck.run('ALTER TABLE fresh RENAME TO staged')
  const { n: after } = await duck.one<{ n: number }>('SELECT count(*) AS n FROM staged')
  return before - after
}
