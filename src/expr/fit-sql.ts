/** Learning a pipeline's states: queries over the training rows, and the pipeline from their answers. */
import { MillraceError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import type { Schema } from '../core/records.ts'
import type { ExprNode } from './ast.ts'
import { keyToDuckDb } from './duckdb.ts'
import {
  type FeaturePlan,
  FITTED_VERSION,
  type FittedFeature,
  type FittedFeatures,
  type FittedState,
  isRate,
  type PlannedFeature,
} from './fitted.ts'
import { FIXED, fixedSum, type Relation, relationOf, targetSql } from './relation.ts'
import { type Sql, sql } from './sql.ts'

/** Values a rate keeps unless told otherwise. */
export const RATE_VALUES_MAX = 65_536
/** Rows of the overall mean that a rate adds unless told otherwise. */
export const RATE_SMOOTHING = 20

/** One question to the training rows; its answer goes back to `fittedFrom` under the same id. */
export interface FitQuery {
  id: string
  sql: Sql
}

/**
 * The queries that learn the states of a plan over training rows. `target` may read columns beyond the plan's; `schema` is that of the relation.
 * None when nothing is learned. Errors: as `typeOf`.
 */
export function fitSql(plan: FeaturePlan, target: ExprNode, relation: Relation, schema: Schema): FitQuery[] {
  const from = relationOf(relation)
  const queries = plan.features.flatMap((feature, i) => {
    const { expr } = feature
    if (expr.op !== 'fit') return []
    const key = keyToDuckDb(expr.arg, { schema })
    const id = `feature:${i}`
    return [
      {
        id,
        sql:
          expr.fn === 'category'
            ? categorySql(key, from, expr.params)
            : rateSql(key, from, target, schema, expr.params),
      },
    ]
  })
  return plan.features.some(isRate)
    ? [{ id: 'target', sql: priorSql(from, target, schema) }, ...queries]
    : queries
}

type Params = Record<string, number | string>

function categorySql(key: Sql, from: Sql, params: Params): Sql {
  const limit = String(params.max ?? LIMITS.categoriesMax)
  return sql`SELECT k AS value FROM (SELECT ${key} AS k FROM ${from}) WHERE k IS NOT NULL GROUP BY k ORDER BY count(*) DESC, k LIMIT ${limit}`
}

function rateSql(key: Sql, from: Sql, target: ExprNode, schema: Schema, params: Params): Sql {
  const limit = String(params.max ?? RATE_VALUES_MAX)
  return sql`SELECT k AS value, CAST(count(y) AS DOUBLE) AS n, CAST(${fixedSum('y')} AS DOUBLE) / ${FIXED} AS s
    FROM (SELECT ${key} AS k, ${targetSql(target, schema)} AS y FROM ${from})
    WHERE k IS NOT NULL AND y IS NOT NULL GROUP BY k ORDER BY count(y) DESC, k LIMIT ${limit}`
}

function priorSql(from: Sql, target: ExprNode, schema: Schema): Sql {
  return sql`SELECT CAST(count(y) AS DOUBLE) AS n, coalesce(CAST(${fixedSum('y')} AS DOUBLE) / ${FIXED}, 0) AS s
    FROM (SELECT ${targetSql(target, schema)} AS y FROM ${from})`
}

/** Builds the pipeline from the answers of `fitSql`, by query id. Errors: MR_EXPR_FIT_EMPTY when a rate has no target to learn from. */
export function fittedFrom(
  plan: FeaturePlan,
  answers: Readonly<Record<string, readonly Record<string, unknown>[]>>,
): FittedFeatures {
  const features = plan.features.map((feature, i): FittedFeature => {
    if (feature.expr.op !== 'fit') return { ...feature }
    const rows = answers[`feature:${i}`] ?? []
    const state =
      feature.expr.fn === 'category' ? categoryState(rows) : rateState(feature, rows, answers.target?.[0])
    return { ...feature, state }
  })
  return { kind: 'FittedFeatures', version: FITTED_VERSION, columns: plan.columns, features }
}

function categoryState(rows: readonly Record<string, unknown>[]): FittedState {
  return { kind: 'category', values: rows.map((row) => String(row.value)) }
}

function rateState(
  feature: PlannedFeature,
  rows: readonly Record<string, unknown>[],
  all: Record<string, unknown> | undefined,
): FittedState {
  const n = Number(all?.n ?? 0)
  if (n === 0 || feature.expr.op !== 'fit')
    throw new MillraceError('MR_EXPR_FIT_EMPTY', { feature: feature.name })
  const prior = Number(all?.s) / n
  const smoothing = Number(feature.expr.params.smoothing ?? RATE_SMOOTHING)
  const rates = rows.map((row) => (Number(row.s) + smoothing * prior) / (Number(row.n) + smoothing))
  return { kind: 'rate', values: rows.map((row) => String(row.value)), rates, prior, smoothing }
}
