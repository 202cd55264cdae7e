/** The classes of a target: a dictionary learned from the training rows, and the codes of all rows in it. */
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Schema } from '../core/records.ts'
import type { Query } from '../engine/ports.ts'
import { typeOf } from '../expr/resolve.ts'
import { listParam, raw, sql } from '../expr/sql.ts'
import { SPLITS } from '../model/matrix.ts'
import type { PrepareParams } from './specs.ts'

export interface Classes {
  /** Labels in the order of their codes: sorted by their bytes. */
  labels: string[]
  /** Training rows of each. */
  counts: number[]
  notes: string[]
}

/** Training rows below which a class is named in the notes. */
const CLASS_ROWS_FEW = 10
/** Share of a split's rows that may have a class which no training row has. */
const UNSEEN_SHARE_MAX = 0.1
const EXAMPLES = 3

/** Whether the target names classes: said in the config, or a text. */
export function hasClasses(
  { task, target }: Pick<PrepareParams, 'task' | 'target'>,
  schema: Schema,
): boolean {
  return task === 'multiclass' || (task === 'auto' && typeOf(target, schema) === 'string')
}

/**
 * Learns the classes of `mr_label` in the training rows of `mr_rows` and writes their codes into `mr_target`. Rows of other splits whose class no training
 * row has are taken out and noted: no model could say it.
 * Errors: MR_TRAIN_ONE_CLASS, MR_TRAIN_CLASSES_MAX, MR_TRAIN_CLASSES_UNSEEN.
 */
export async function codeClasses(
  query: Query,
  params: PrepareParams,
  signal: AbortSignal,
): Promise<Classes> {
  const found = await query.rows<{ label: string; n: number }>(
    raw('select mr_label as label, count(*) as n from mr_rows where mr_split = 0 group by 1 order by 1'),
    signal,
  )
  const labels = found.map(({ label }) => label)
  const counts = found.map(({ n }) => Number(n))
  checkCount(params.model, labels, counts)
  await query.exec(
    sql`create or replace table mr_rows as select mr_rows.* replace (mr_classes.code as mr_target) from mr_rows left join (
      select unnest(v) as label, cast(unnest(range(len(v))) as double) as code
      from (select ${listParam(labels, 'varchar')} as v)
    ) mr_classes on mr_classes.label = mr_rows.mr_label`,
    signal,
  )
  const notes = [...(await takeOutUnseen(query, params.model)), ...fewNotes(labels, counts)]
  return { labels, counts, notes: [...notes, ...(await absentNotes(query, labels))] }
}

function checkCount(model: string, labels: string[], counts: number[]): void {
  if (labels.length === 1)
    throw new MillraceError('MR_TRAIN_ONE_CLASS', { model, value: labels[0], rows: counts[0] })
  const max = LIMITS.classesMax
  if (labels.length > max)
    throw new MillraceError('MR_TRAIN_CLASSES_MAX', { model, classes: labels.length, max })
}

async function takeOutUnseen(query: Query, model: string): Promise<string[]> {
  const splits = await query.rows<{ split: number; n: number; unseen: number; examples: string[] }>(
    raw(`select mr_split as split, count(*) as n, count(*) filter (mr_target is null) as unseen,
      list_sort(list(distinct mr_label) filter (mr_target is null))[1:${EXAMPLES}] as examples from mr_rows group by 1 order by 1`),
  )
  const notes: string[] = []
  for (const { split, n, unseen, examples } of splits) {
    const [rows, out] = [Number(n), Number(unseen)]
    if (out === 0) continue
    const data = { model, split: SPLITS[Number(split)], unseen: out, rows, examples: [...examples] }
    if (out > UNSEEN_SHARE_MAX * rows) throw new MillraceError('MR_TRAIN_CLASSES_UNSEEN', data)
    notes.push(
      `${out} of ${rows} rows to ${data.split} are left out: no training row has their class (${data.examples.join(', ')})`,
    )
  }
  if (notes.length > 0) await query.exec(raw('delete from mr_rows where mr_target is null'))
  return notes
}

function fewNotes(labels: string[], counts: number[]): string[] {
  const few = labels.flatMap((label, k) => (counts[k] < CLASS_ROWS_FEW ? [`"${label}" (${counts[k]})`] : []))
  return few.length === 0
    ? []
    : [`hardly learned, as fewer than ${CLASS_ROWS_FEW} training rows have them: ${listed(few)}`]
}

/** Classes that no test row has: what the card says of them is nothing. */
async function absentNotes(query: Query, labels: string[]): Promise<string[]> {
  const there = await query.rows<{ code: number }>(
    raw('select distinct mr_target as code from mr_rows where mr_split = 2'),
  )
  const seen = new Set(there.map(({ code }) => Number(code)))
  const absent = labels.filter((_, k) => !seen.has(k)).map((label) => `"${label}"`)
  return absent.length === 0 ? [] : [`not tested, as no test row has them: ${listed(absent)}`]
}

function listed(items: string[], max = 8): string {
  return items.length <= max
    ? items.join(', ')
    : `${items.slice(0, max).join(', ')} and ${items.length - max} more`
}
