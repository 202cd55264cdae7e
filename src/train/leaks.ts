/** Columns that know the answer: each of their values goes with one target, so that a model would learn nothing else and be useless where they are not known yet. */
import { MillraceError } from '../core/errors.ts'
import type { DatasetVersion, ModelTask, Schema } from '../core/records.ts'
import type { FeatureDef } from '../define/types.ts'
import type { Query, Sql } from '../engine/ports.ts'
import { columnsOf } from '../expr/ast.ts'
import { toDuckDb } from '../expr/duckdb.ts'
import { hasMoments, join, quoted, raw, sql } from '../expr/sql.ts'
import { hasClasses } from './classes.ts'
import { featuresFor, inputsOf } from './infer-features.ts'
import type { PrepareParams } from './specs.ts'

/** Share of the rows that a column must decide alone before it is taken to give the target away. */
const LEAK_PURITY = 0.995
/** Share of the most frequent target above which deciding rows is no news. */
const MAJORITY_MAX = 0.98
/** Rows a value on average: a column of more values decides by accident. */
const ROWS_A_VALUE = 20
/** What an estimate of distinct values may be off. */
const ESTIMATE_OFF = 1.2
/** Rows below which agreement is an accident. */
const ROWS_MIN = 50
/** Correlation with a number from which a column is it in other units, and what rounding may take from 1. */
const SAME_NUMBER = 1 - 1e-9

export interface Leak {
  name: string
  /** Share of the rows that it decides; of numbers, the squared correlation. */
  decided: number
}

/** A value of each row, under a name. */
interface Suspect {
  name: string
  value: Sql
  isNumber: boolean
}

export interface LeaksAsked {
  /** Relation of the rows, with their target as `mr_target`: a number, or anything that tells classes apart. */
  from: Sql
  suspects: readonly Suspect[]
  task: ModelTask
  signal?: AbortSignal
}

/**
 * Those that decide the target in nearly all rows, and of a number those that are it in other units. A value that is missing is a value. Of tasks without classes and numbers
 * none. Cost: one pass for all, and one for each that has few values or is a number.
 */
async function leaksOf(query: Query, asked: LeaksAsked): Promise<Leak[]> {
  const judge = JUDGES[asked.task]
  if (!judge || asked.suspects.length === 0) return []
  const { from, suspects, signal } = asked
  const terms = suspects.map(({ value }) => sql`approx_count_distinct(${value})`)
  const counts = join(
    terms.map((term, i) => sql`${term} as ${raw(`d${i}`)}`),
    ', ',
  )
  const [row] = await query.rows<Record<string, number>>(
    sql`select count(*) as n, ${counts} from ${from}`,
    signal,
  )
  const n = Number(row.n)
  if (n < ROWS_MIN) return []
  const leaks: Leak[] = []
  for (const [i, suspect] of suspects.entries()) {
    const isFew = Number(row[`d${i}`]) <= Math.max(2, (ESTIMATE_OFF * n) / ROWS_A_VALUE)
    const decided = await judge(query, asked, suspect, isFew)
    if (decided !== undefined) leaks.push({ name: suspect.name, decided })
  }
  return leaks
}

type Judge = (
  query: Query,
  asked: LeaksAsked,
  suspect: Suspect,
  isFew: boolean,
) => Promise<number | undefined>

const JUDGES: Record<ModelTask, Judge | undefined> = {
  binary: decidesClasses,
  multiclass: decidesClasses,
  regression: isTheNumber,
  ranking: undefined,
}

async function decidesClasses(
  query: Query,
  { from, signal }: LeaksAsked,
  { value }: Suspect,
  isFew: boolean,
): Promise<number | undefined> {
  if (!isFew) return undefined
  const [row] = await query.rows<Record<'kept' | 'n' | 'groups' | 'majority', number>>(
    sql`select sum(most) as kept, sum(n) as n, count(*) as groups,
      (select max(n) / sum(n) from (select count(*) as n from ${from} group by mr_target)) as majority
      from (select max(same) as most, sum(same) as n
        from (select ${value} as value, count(*) as same from ${from} group by 1, mr_target) group by value)`,
    signal,
  )
  const [kept, n, groups, majority] = [row.kept, row.n, row.groups, row.majority].map(Number)
  const isFound =
    groups <= Math.max(2, n / ROWS_A_VALUE) && kept / n >= LEAK_PURITY && majority < MAJORITY_MAX
  return isFound ? kept / n : undefined
}

async function isTheNumber(
  query: Query,
  { from, signal }: LeaksAsked,
  { value, isNumber }: Suspect,
): Promise<number | undefined> {
  if (!isNumber) return undefined
  const x = sql`cast(${value} as double)`
  const counted: Sql = { text: hasMoments(x.text), params: x.params }
  const [row] = await query.rows<Record<'r' | 'filled' | 'n', number | null>>(
    sql`select corr(${x}, mr_target) filter (${counted} and ${hasMoments('mr_target')}) as r, count(*) filter (${counted}) as filled, count(*) as n from ${from}`,
    signal,
  )
  const [r, filled, n] = [row.r, row.filled, row.n].map((x) => Number(x ?? 0))
  return filled >= LEAK_PURITY * n && r * r >= SAME_NUMBER ? r * r : undefined
}

/** What a feature looks at before anything is fitted. */
function suspectOf({ name, expr }: FeatureDef, schema: Schema): Suspect {
  const plain = expr.op === 'fit' ? expr.arg : expr
  const type = schema.columns.find((c) => plain.op === 'col' && c.name === plain.name)?.type
  return { name, value: toDuckDb(plain, { schema }), isNumber: type === 'int' || type === 'float' }
}

/** Columns as they are. */
function suspectColumns(names: readonly string[], schema: Schema): Suspect[] {
  return names.map((name) => {
    const type = schema.columns.find((c) => c.name === name)?.type
    return { name, value: raw(quoted(name)), isNumber: type === 'int' || type === 'float' }
  })
}

/** Why a column is left out. */
export function leakText({ decided }: Leak): string {
  return `it gives the target away (${(100 * decided).toFixed(1)} % of rows are decided by it alone)`
}

/**
 * Columns that must not become features, and why: those of inferred features that give the target away, and also that of the family or group. Features that were asked for
 * are refused instead. Errors: MR_TRAIN_LEAK.
 */
export async function columnsToLeave(
  query: Query,
  params: PrepareParams,
  version: DatasetVersion,
  judged: Omit<LeaksAsked, 'suspects'>,
): Promise<Map<string, string>> {
  const { plan, inferred } = featuresFor(params, version)
  if (!inferred) {
    await refuseLeaks(query, params, version.schema, judged)
    return new Map()
  }
  const { leaksAllowed = [] } = params
  const asked = inputsOf(plan, params).filter((name) => !leaksAllowed.includes(name))
  const leaks = await leaksOf(query, { ...judged, suspects: suspectColumns(asked, version.schema) })
  const left = new Map(leaks.map((leak) => [leak.name, leakText(leak)]))
  // Nothing would be left to learn from: that is said of the column that knows, not of columns that are missing.
  if (plan.features.every(({ expr }) => columnsOf(expr).some((name) => left.has(name))))
    throw leakError(params.model, plan.features[0])
  return left
}

function leakError(
  model: string,
  { name, expr }: Pick<FeatureDef, 'name' | 'expr'>,
): MillraceError<'MR_TRAIN_LEAK'> {
  return new MillraceError('MR_TRAIN_LEAK', { model, feature: name, columns: columnsOf(expr) })
}

/**
 * Refuses features that were asked for and are the target under another name: every row is decided by them alone. Those of columns that the config allows pass.
 * Errors: MR_TRAIN_LEAK.
 */
async function refuseLeaks(
  query: Query,
  { model, features, leaksAllowed = [] }: Pick<PrepareParams, 'model' | 'features' | 'leaksAllowed'>,
  schema: Schema,
  { from, task, signal }: Omit<LeaksAsked, 'suspects'>,
): Promise<void> {
  const asked = features.filter(({ expr }) => !columnsOf(expr).every((name) => leaksAllowed.includes(name)))
  const suspects = asked.map((feature) => suspectOf(feature, schema))
  const leaks = await leaksOf(query, { from, suspects, task, signal })
  const [worst] = leaks.filter(({ decided }) => decided >= SAME_NUMBER)
  if (!worst) return
  throw leakError(model, asked.find(({ name }) => name === worst.name) as FeatureDef)
}

/** Rows of a relation with their target as `leaksOf` needs it. */
export function withTarget(
  relation: Sql,
  params: Pick<PrepareParams, 'task' | 'target'>,
  schema: Schema,
): Sql {
  const target = toDuckDb(params.target, { schema })
  const value = hasClasses(params, schema) ? target : sql`cast(${target} as double)`
  return sql`(select * from (select *, ${value} as mr_target from (${relation})) where mr_target is not null)`
}
