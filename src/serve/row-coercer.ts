/** A client's row checked against the signature: every refusal names the row and the field. */
import { isMillraceError, MillraceError } from '../core/errors.ts'
import type { SignatureField } from '../core/records.ts'
import { rowCoercer } from '../expr/coerce.ts'
import type { RawRow } from './predictor.ts'

/**
 * Coerces rows by the signature: types as `coerceRow` says; a missing value is null and allowed where the field is nullable; a number too large for a
 * double (JSON reads `1e999` as infinity) is refused. Fields that the signature does not name are left out.
 * Errors: MR_SERVE_FIELD.
 */
export function signatureCoercer(
  inputs: readonly SignatureField[],
): (row: RawRow, rowNumber: number) => RawRow {
  const coerce = rowCoercer({ columns: [...inputs] })
  const required = inputs.filter((input) => !input.nullable)
  const floats = inputs.filter((input) => input.type === 'float')
  return (row, rowNumber) => {
    const coerced = named(() => coerce(row) as RawRow, rowNumber)
    for (const { name, type } of required) {
      if (coerced[name] === null) throw fieldError(rowNumber, name, `present, a ${type}`, 'nothing')
    }
    for (const { name } of floats) {
      const value = coerced[name]
      if (value !== null && !Number.isFinite(value)) {
        throw fieldError(rowNumber, name, 'a finite number', String(value))
      }
    }
    return coerced
  }
}

function named(coerce: () => RawRow, rowNumber: number): RawRow {
  try {
    return coerce()
  } catch (error) {
    if (!isMillraceError(error, 'MR_EXPR_VALUE')) throw error
    const { column, expected, got } = error.data as { column: string; expected: string; got: string }
    throw fieldError(rowNumber, column, expected, got)
  }
}

function fieldError(row: number, field: string, need: string, got: string): MillraceError {
  return new MillraceError('MR_SERVE_FIELD', { row, field, need, got })
}
