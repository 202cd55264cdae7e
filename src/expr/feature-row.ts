import type { Schema } from '../core/records.ts'
import type { Row } from './ast.ts'
import { keyToClosure, toClosure } from './closure.ts'
import type { FittedFeature, FittedFeatures } from './fitted.ts'

/**
 * The features of one row, written to `out[offset …]`. The row is as `coerceRow` makes it.
 * Errors: MR_EXPR_VALUE for a value of a wrong type. Cost: one closure a feature, no allocation.
 */
export function featureRowFn(fitted: FittedFeatures): (row: Row, out: Float64Array, offset?: number) => void {
  const schema = { columns: fitted.columns }
  const features = fitted.features.map((feature) => featureFn(feature, schema))
  return (row, out, offset = 0) => {
    for (let i = 0; i < features.length; i++) out[offset + i] = features[i]!(row)
  }
}

function featureFn(feature: FittedFeature, schema: Schema): (row: Row) => number {
  const { expr, state } = feature
  if (expr.op !== 'fit' || state === undefined) {
    const value = toClosure(expr, { schema })
    return (row) => {
      const v = value(row)
      return v === null ? Number.NaN : Number(v)
    }
  }
  const key = keyToClosure(expr.arg, { schema })
  const known = new Map(
    state.values.map((value, i) => [value, state.kind === 'category' ? i : state.rates[i]!]),
  )
  const other = state.kind === 'category' ? state.values.length : state.prior
  return (row) => {
    const k = key(row)
    return k === null ? Number.NaN : (known.get(k) ?? other)
  }
}
