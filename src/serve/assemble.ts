/** A predictor from its parts: rows through features into one matrix, the matrix through the scorer. */
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelVersion } from '../core/records.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'

/** What a model version is made of once it is read. Matrices are row-major, `[nRows, nFeatures]`, NaN where missing. */
export interface PredictorParts {
  digest: Digest
  version: ModelVersion
  bytes: number
  /** Writes the features of a row at `out[offset…]`. Errors: MR_SERVE_FIELD under the row's number. */
  features: (row: RawRow, rowNumber: number, out: Float64Array, offset: number) => void
  /** Calibrated outputs. */
  score: (matrix: Float64Array, nRows: number) => Float64Array | Promise<Float64Array>
  explain?: (matrix: Float64Array, nRows: number) => Explanation[]
  dispose?: () => void
}

export function assemblePredictor(parts: PredictorParts): Predictor {
  const { version } = parts
  const { model, task, format, signature } = version
  const featureNames = version.featureInfo.map((feature) => feature.name)
  const matrixOf = (rows: readonly RawRow[], rowNumbers: readonly number[]): Float64Array => {
    const matrix = new Float64Array(rows.length * featureNames.length)
    rows.forEach((row, i) => {
      parts.features(row, rowNumbers[i], matrix, i * featureNames.length)
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
    featureNames,
    score: (rows, rowNumbers) => {
      const outputs = parts.score(matrixOf(rows, rowNumbers), rows.length)
      if (outputs instanceof Promise) return outputs.then((late) => checked(late, rowNumbers))
      return checked(outputs, rowNumbers)
    },
    explain: (rows, rowNumbers) => {
      if (!parts.explain) throw new MillraceError('MR_SERVE_EXPLAIN', { model, format })
      return parts.explain(matrixOf(rows, rowNumbers), rows.length)
    },
    dispose: parts.dispose,
  }
}
