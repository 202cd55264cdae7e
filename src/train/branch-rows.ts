/**
 * Rows of a version with what a branch of it has changed. Which split a row is in is decided by the version alone, so that two trainings can be compared: rows that both
 * have stay where they are, what the branch has lost leaves, and what it has gained trains (or validates, by time) and never tests.
 */
import type { DatasetVersion, Part, Schema, TimeWindow } from '../core/records.ts'
import { partId } from '../engine/parts.ts'
import type { Query, TaskContext } from '../engine/ports.ts'
import { relationOf } from '../engine/relation.ts'
import { quoted, raw, type Sql, sql } from '../expr/sql.ts'
import type { BranchRows } from './specs.ts'
import type { SplitPlan } from './split.ts'

/** Rows of a relation with what training needs of each; `number` and `split` say which number a row has and which split it is in. */
export type RowsSql = (relation: Sql, number: Sql, split: Sql) => Sql

/** In the order of the matrix: by member, then by group. */
export const ordered = (rows: Sql): Sql =>
  sql`select *, row_number() over (order by mr_key, mr_group, mr_n) as mr_order from (${rows})`

/** Number from which gained rows are counted: above that of any row of a version. */
const GAINED_FROM = 1_000_000_000

export interface BranchAsk extends BranchRows {
  split: SplitPlan
  /** Whether rows come in groups that no split may divide. */
  grouped: boolean
}

/**
 * Edits `mr_rows`, made from a version, by what the version `branch` among the inputs has lost and gained, as multisets of rows. Of rows that are equal those that train
 * leave first. Parts that both have are not opened. Cost: one scan of the parts that differ, twice.
 */
export async function takeBranch(
  query: Query,
  { store, spec, signal }: TaskContext,
  version: DatasetVersion,
  ask: BranchAsk,
  rowsOf: RowsSql,
): Promise<void> {
  const branch = await store.getRecord<DatasetVersion>(spec.inputs.branch!, 'DatasetVersion')
  const [own, other] = [partsBeside(version, branch), partsBeside(branch, version)]
  const relation = (parts: Part[]) => relationOf(store, { ...version, parts })
  const [before, after] = [await relation(own), await relation(other)]
  const name = raw(version.schema.columns.map((c) => quoted(c.name)).join(', '))
  await query.exec(
    sql`create or replace table mr_lost as select ${name}, count(*) as mr_times from ((${before}) except all (${after})) group by all`,
    signal,
  )
  if (ask.train) {
    await query.exec(sql`create or replace table mr_gained as (${after}) except all (${before})`, signal)
    await query.exec(gainedSql(ask, rowsOf), signal)
  }
  await query.exec(lostSql(version.schema, ask), signal)
  await query.exec(
    sql`create or replace table mr_rows as ${ordered(raw('select * exclude (mr_order) from mr_rows'))}`,
    signal,
  )
  await query.exec(raw('drop table mr_lost; drop table if exists mr_gained'))
}

function partsBeside(version: DatasetVersion, other: DatasetVersion): Part[] {
  const shared = new Set(other.parts.map(partId))
  return version.parts.filter((part) => !shared.has(partId(part)))
}

/** Takes out as many rows of each kind as were lost, in the splits that follow the branch. */
function lostSql({ columns }: Schema, { train, test }: BranchAsk): Sql {
  const same = columns.map(({ name }) => `r.${quoted(name)} is not distinct from l.${quoted(name)}`)
  const kind = columns.map(({ name }) => `r.${quoted(name)}`)
  const splits = [...(train ? [0, 1] : []), ...(test ? [2] : [])]
  return raw(`delete from mr_rows where mr_split in (${splits.join(', ')}) and mr_n in (select mr_n from (
    select r.mr_n, l.mr_times, row_number() over (partition by ${kind.join(', ')} order by r.mr_split, r.mr_n) as mr_copy
    from mr_rows r join mr_lost l on ${same.join(' and ')} where r.mr_n < ${GAINED_FROM}) where mr_copy <= mr_times)`)
}

/** Adds what was gained to the rows that train, or validate where time says so; what lies in the time that is tested is left out. */
function gainedSql({ split, grouped }: BranchAsk, rowsOf: RowsSql): Sql {
  const number = raw(`${GAINED_FROM} + row_number() over ()`)
  const rows = rowsOf(raw('from mr_gained'), number, gainedSplit(split))
  const columns = '* exclude (mr_order)'
  if (!grouped)
    return sql`create or replace table mr_rows as select *, 0 as mr_order from (select ${columns} from mr_rows union all ${rows})`
  return sql`create or replace table mr_rows as select *, 0 as mr_order from (select ${columns} from mr_rows union all
    select g.* replace (coalesce(k.mr_split, g.mr_split) as mr_split) from (${rows}) g
    left join (select mr_group, any_value(mr_split) as mr_split from mr_rows group by 1) k using (mr_group) where coalesce(k.mr_split, 0) <> 2)`
}

function gainedSplit({ train, validate, test }: SplitPlan): Sql {
  const within = ({ fromAt, toAt }: TimeWindow) => `mr_at >= ${fromAt} and mr_at < ${toAt}`
  const cases = [
    ...('fromAt' in test ? [`when ${within(test)} then null`] : []),
    ...('fromAt' in validate ? [`when ${within(validate)} then 1`] : []),
    train ? `when ${within(train)} then 0` : 'else 0',
  ]
  return raw(cases.length === 1 && train === null ? '0' : `case ${cases.join(' ')} end`)
}
