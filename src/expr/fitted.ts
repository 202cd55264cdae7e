/** What a feature pipeline is: the plan, and the plan with what it learned. */
import { MillraceError } from '../core/errors.ts'
import type { Column, Schema } from '../core/records.ts'
import { columnsOf, type ExprNode } from './ast.ts'
import { format } from './format.ts'
import type { LiteralRule } from './functions/spec.ts'
import { checkLiteral } from './literals.ts'
import { resolveKey, typeOf } from './resolve.ts'

/** Version of the stored form. */
export const FITTED_VERSION = 1

export interface FeatureInputDef {
  name: string
  expr: ExprNode
  type?: 'number' | 'category'
}

export interface PlannedFeature {
  name: string
  type: 'number' | 'category'
  expr: ExprNode
}

/** What is to be learned and computed: plain data. `columns` are the raw inputs that the features read, in the schema's order. */
export interface FeaturePlan {
  kind: 'FeaturePlan'
  columns: Column[]
  features: PlannedFeature[]
}

export type FittedState =
  | { kind: 'category'; values: string[] }
  | { kind: 'rate'; values: string[]; rates: number[]; prior: number; smoothing: number }

export interface FittedFeature extends PlannedFeature {
  state?: FittedState
}

/** The pipeline as it is stored with a model version: canonical plain JSON. */
export interface FittedFeatures {
  kind: 'FittedFeatures'
  version: number
  columns: Column[]
  features: FittedFeature[]
}

/**
 * Checks features against the data and decides what each is. A text is a category without being told; a feature declared `category` is one.
 * Errors: as `typeOf`, with `place` naming the feature.
 */
export function planFeatures(
  features: readonly FeatureInputDef[],
  schema: Schema,
  place = 'features',
): FeaturePlan {
  const planned = features.map((feature) => planFeature(feature, schema, `${place}.${feature.name}`))
  const used = new Set(planned.flatMap((feature) => columnsOf(feature.expr)))
  return { kind: 'FeaturePlan', columns: schema.columns.filter((c) => used.has(c.name)), features: planned }
}

function planFeature(feature: FeatureInputDef, schema: Schema, place: string): PlannedFeature {
  const { name, expr } = feature
  if (expr.op === 'fit') {
    resolveKey(expr.arg, { schema, place })
    checkParams(expr)
    return { name, expr, type: expr.fn === 'category' ? 'category' : 'number' }
  }
  const type = typeOf(expr, schema, place)
  if (type === 'time') {
    throw new MillraceError('MR_EXPR_TYPE', {
      expr: format(expr),
      expected: 'number, bool or string',
      got: 'time',
      place,
    })
  }
  const isCategory = type === 'string' || feature.type === 'category'
  if (isCategory)
    return { name, expr: { op: 'fit', fn: 'category', arg: expr, params: {} }, type: 'category' }
  return { name, expr, type: 'number' }
}

const PARAMS: Record<string, LiteralRule> = {
  max: { kind: 'number', integer: true, min: 1, max: 10_000_000 },
  smoothing: { kind: 'number', min: 0 },
}

function checkParams(expr: Extract<ExprNode, { op: 'fit' }>): void {
  for (const [arg, value] of Object.entries(expr.params)) {
    const rule = PARAMS[arg]
    const expected = rule ? checkLiteral(rule, value) : `one of ${Object.keys(PARAMS).join(', ')}`
    if (expected !== undefined)
      throw new MillraceError('MR_EXPR_LITERAL', { fn: expr.fn, arg, expected, got: String(value) })
  }
}

/** Whether a feature learns the target's mean. */
export const isRate = (feature: PlannedFeature): boolean =>
  feature.expr.op === 'fit' && feature.expr.fn === 'rate'

/** Checks a stored pipeline before it is used. Errors: MR_EXPR_STATE. */
export function readFitted(value: unknown): FittedFeatures {
  const fitted = value as Partial<FittedFeatures> | null
  const refuse = (feature: string, why: string) => new MillraceError('MR_EXPR_STATE', { feature, why })
  if (fitted?.kind !== 'FittedFeatures') throw refuse('(all)', 'it is not a fitted pipeline')
  if (fitted.version !== FITTED_VERSION)
    throw refuse('(all)', `its version is ${fitted.version}, this is ${FITTED_VERSION}`)
  for (const feature of fitted.features ?? []) {
    const fn = feature.expr.op === 'fit' ? feature.expr.fn : undefined
    if (fn !== feature.state?.kind)
      throw refuse(feature.name, `its state is ${feature.state?.kind ?? 'missing'}, expected ${fn ?? 'none'}`)
  }
  return fitted as FittedFeatures
}
