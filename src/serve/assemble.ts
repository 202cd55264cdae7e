/** A predictor from its parts: rows through features into one matrix, the matrix through the scorer. */
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelVersion } from '../core/records.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'

/** What a model version is made of once it is read. Matrices are row-major, `[nRows, nFeatures]`, NaN where missing. */
export interface PredictorParts {
  digest: Digest
  version: ModelVersion
  bytes: number
  coerce: (row: RawRow, rowNumber: number) => RawRow
  featureNames: readonly string[]
  /** Writes the features of a coerced row at `out[offset…]`. */
  features: (row: RawRow, out: Float64Array, offset: number) => void
  /** Calibrated outputs. */
  score: (matrix: Float64Array, nRows: number) => Float64Array | Promise<Float64Array>
  explain?: (matrix: Float64Array, nRows: number) => Explanation[]
  dispose?: () => void
}

export function assemblePredictor(parts: PredictorParts): Predictor {
  const { version } = parts
  const { model, task, format, signature } = version
  const { featureNames, coerce } = parts
  const matrixOf = (rows: readonly RawRow[]): Float64Array => {
    const matrix = new Float64Array(rows.length * featureNames.length)
    rows.forEach((row, i) => {
      parts.features(row, matrix, i * featureNames.length)
    })
    return matrix
  }
  const checked = (outputs: Float64Array, rowNumbers: readonly number[]): Float64Array => {
    for (let i = 0; i < outputs.length; i++) {
      if (!Number.isFinite(outputs[i]))
        throw new MillraceError('MR_SERVE_OUTPUT', { model, row: rowNumbers[i], got: outputs[i] })
    }
    return outputs
  }
  return {
    name: model,
    digest: parts.digest,
    bytes: parts.bytes,
    task,
    format,
    inputs: signature.inputs,
    inputNames: new Set(signature.inputs.map((input) => input.name)),
    featureNames,
    coerce,
    score: (rows, rowNumbers) => {
      const outputs = parts.score(matrixOf(rows), rows.length)
      if (outputs instanceof Promise) return outputs.then((late) => checked(late, rowNumbers))
      return checked(outputs, rowNumbers)
    },
    explain: (rows) => {
      if (!parts.explain) throw new MillraceError('MR_SERVE_EXPLAIN', { model, format })
      return parts.explain(matrixOf(rows), rows.length)
    },
    dispose: parts.dispose,
  }
}
