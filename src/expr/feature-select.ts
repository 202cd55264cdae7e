/** Features of many rows, as one select. Names that begin with `_` are the select's own. */
import type { Schema } from '../core/records.ts'
import type { ExprNode } from './ast.ts'
import { keyToDuckDb, toDuckDb } from './duckdb.ts'
import { type FittedFeature, type FittedFeatures, type FittedState, isRate } from './fitted.ts'
import { FIXED, fixedSum, type Relation, relationOf, targetSql } from './relation.ts'
import { join, quoted, raw, type Sql, type SqlValue, sql } from './sql.ts'

export interface SelectOptions {
  /** More columns of the result, by name: the target, the fold, the time. */
  extra?: Readonly<Record<string, Sql>>
  /** Order of the rows; without it the engine is free. */
  orderBy?: Sql
}

/**
 * A select with one numeric column a feature, named as the feature, with the numbers `featureRowFn` gives (missing is NULL), and the extra columns.
 * Dictionaries travel as one JSON parameter each. For training rows use `trainingSelectSql`.
 */
export function featureSelectSql(
  fitted: FittedFeatures,
  relation: Relation,
  options: SelectOptions = {},
): Sql {
  return assemble(fitted, relation, options, fitted.features.map(lookupOf), {
    columns: [],
    ctes: [],
    joins: [],
  })
}

export interface TrainingOptions extends SelectOptions {
  target: ExprNode
  /** Fold of each row, any type: a rate never sees rows of the row's own fold. */
  fold: Sql
  /** Schema of the relation, for the target. */
  schema: Schema
}

/**
 * The select for the rows that the pipeline was fitted on: as `featureSelectSql`, but each rate is the one learned from the other folds alone,
 * with the prior of the other folds, so that no row's own target reaches its features.
 * Convention: cross fitting as scikit-learn's `TargetEncoder.fit_transform`, with folds given by the caller; a value seen in its own fold only
 * gets the prior. With a single fold there is nothing else to learn from and the prior is that fold's own.
 */
export function trainingSelectSql(fitted: FittedFeatures, relation: Relation, options: TrainingOptions): Sql {
  if (!fitted.features.some(isRate)) return featureSelectSql(fitted, relation, options)
  const lookups = fitted.features.map((feature, i) =>
    feature.state?.kind === 'rate' ? crossFitted(feature.state, i) : lookupOf(feature, i),
  )
  return assemble(fitted, relation, options, lookups, {
    columns: [sql`${options.fold} AS _fold`, sql`${targetSql(options.target, options.schema)} AS _y`],
    ctes: [raw(FOLDS)],
    joins: ['LEFT JOIN _priors ON _priors._fold IS NOT DISTINCT FROM _rows._fold'],
  })
}

/** Sums of the target by fold, and for each fold the mean over the others. */
const FOLDS = `_folds AS (
  SELECT _fold, count(_y) AS n, coalesce(${fixedSum('_y')}, 0) AS s FROM _rows GROUP BY _fold
), _all AS (
  SELECT sum(n) AS n, sum(s) AS s FROM _folds
), _priors AS (
  SELECT f._fold, CASE WHEN a.n > f.n THEN CAST(a.s - f.s AS DOUBLE) / ${FIXED} / CAST(a.n - f.n AS DOUBLE)
    ELSE CAST(a.s AS DOUBLE) / ${FIXED} / nullif(CAST(a.n AS DOUBLE), 0) END AS prior
  FROM _folds f, _all a
)`

/** How a learned feature is looked up: relations before the select, joins, and the value. */
interface Lookup {
  ctes: Sql[]
  joins: string[]
  value: string
}

function lookupOf({ state }: FittedFeature, i: number): Lookup | undefined {
  if (state === undefined) return undefined
  const joins = [`LEFT JOIN _d${i} ON _d${i}.value = _rows.k${i}`]
  const value = (other: string): string =>
    `CASE WHEN _rows.k${i} IS NOT NULL THEN coalesce(_d${i}.x, ${other}) END`
  if (state.kind === 'category') {
    const codes = sql`SELECT unnest(v) AS value, CAST(unnest(range(len(v))) AS DOUBLE) AS x FROM (SELECT ${texts(state)} AS v)`
    return { ctes: [named(`_d${i}`, codes)], joins, value: value(`${state.values.length}.0::DOUBLE`) }
  }
  const rates = sql`SELECT unnest(v) AS value, unnest(r) AS x FROM (SELECT ${texts(state)} AS v, ${numbers(state.rates)} AS r)`
  const prior = sql`SELECT ${number(state.prior)} AS prior`
  return {
    ctes: [named(`_d${i}`, rates), named(`_p${i}`, prior)],
    joins: [...joins, `CROSS JOIN _p${i}`],
    value: value(`_p${i}.prior`),
  }
}

function crossFitted(state: Extract<FittedState, { kind: 'rate' }>, i: number): Lookup {
  const m = number(state.smoothing)
  const sums = `SELECT k${i} AS k, _fold, count(_y) AS n, coalesce(${fixedSum('_y')}, 0) AS s FROM _rows WHERE k${i} IS NOT NULL GROUP BY k${i}, _fold`
  const totals = `SELECT k, sum(n) AS n, sum(s) AS s FROM _s${i} GROUP BY k`
  const rates = sql`SELECT s.k AS value, s._fold,
    coalesce((CAST(t.s - s.s AS DOUBLE) / ${FIXED} + ${m} * p.prior) / nullif(CAST(t.n - s.n AS DOUBLE) + ${m}, 0), p.prior) AS x
    FROM ${`_s${i}`} s JOIN ${`_t${i}`} t ON t.k = s.k JOIN ${`_k${i}`} kept ON kept.k = s.k
    JOIN _priors p ON p._fold IS NOT DISTINCT FROM s._fold`
  return {
    ctes: [
      named(`_s${i}`, raw(sums)),
      named(`_t${i}`, raw(totals)),
      named(`_k${i}`, sql`SELECT unnest(${texts(state)}) AS k`),
      named(`_d${i}`, rates),
    ],
    joins: [
      `LEFT JOIN _d${i} ON _d${i}.value = _rows.k${i} AND _d${i}._fold IS NOT DISTINCT FROM _rows._fold`,
    ],
    value: `CASE WHEN _rows.k${i} IS NOT NULL THEN coalesce(_d${i}.x, _priors.prior) END`,
  }
}

const named = (name: string, body: Sql): Sql => sql`${name} AS (${body})`
const param = (value: SqlValue, type: string): Sql => ({ text: `CAST(? AS ${type})`, params: [value] })
const number = (value: number): Sql => param(value, 'DOUBLE')
const texts = (state: FittedState): Sql =>
  sql`CAST(${param(JSON.stringify(state.values), 'JSON')} AS VARCHAR[])`
const numbers = (values: readonly number[]): Sql =>
  sql`CAST(${param(JSON.stringify(values), 'JSON')} AS DOUBLE[])`

interface Additions {
  columns: Sql[]
  ctes: Sql[]
  joins: string[]
}

function assemble(
  fitted: FittedFeatures,
  relation: Relation,
  options: SelectOptions,
  lookups: (Lookup | undefined)[],
  more: Additions,
): Sql {
  const extra = Object.entries(options.extra ?? {})
  const columns = [
    ...fitted.features.map((feature, i) => innerColumn(feature, i, { columns: fitted.columns })),
    ...extra.map(([, value], i) => sql`${value} AS e${String(i)}`),
    ...more.columns,
    options.orderBy ? sql`${options.orderBy} AS _order` : raw('0 AS _order'),
  ]
  const outer = [
    ...fitted.features.map(
      (feature, i) => `${lookups[i]?.value ?? `_rows.f${i}`} AS ${quoted(feature.name)}`,
    ),
    ...extra.map(([name], i) => `_rows.e${i} AS ${quoted(name)}`),
  ]
  const rows = named('_rows', sql`SELECT ${join(columns, ', ')} FROM ${relationOf(relation)}`)
  const ctes = join([rows, ...more.ctes, ...lookups.flatMap((lookup) => lookup?.ctes ?? [])], ', ')
  const joins = [...more.joins, ...lookups.flatMap((lookup) => lookup?.joins ?? [])].join(' ')
  const order = options.orderBy ? ' ORDER BY _rows._order' : ''
  return sql`WITH ${ctes} SELECT ${outer.join(', ')} FROM _rows ${joins}${order}`
}

function innerColumn({ expr }: FittedFeature, i: number, schema: Schema): Sql {
  if (expr.op === 'fit') return sql`${keyToDuckDb(expr.arg, { schema })} AS k${String(i)}`
  return sql`CAST(${toDuckDb(expr, { schema })} AS DOUBLE) AS f${String(i)}`
}
