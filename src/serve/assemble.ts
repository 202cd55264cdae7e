/** A predictor from its parts: rows through features into one matrix, the matrix through the scorer. */
import { MillraceError } from '../core/errors.ts'
import type { Digest, ModelVersion, SignatureField } from '../core/records.ts'
import type { Explanation, Predictor, RawRow } from './predictor.ts'

/** What a model version is made of once it is read. Matrices are row-major, `[nRows, nFeatures]`, NaN where missing. */
export interface PredictorParts {
  digest: Digest
  version: Pick<ModelVersion, 'model' | 'task' | 'format' | 'classes' | 'group' | 'threshold'>
  inputs: readonly SignatureField[]
  bytes: number
  shared?: Predictor['shared']
  coerce: (row: RawRow, rowNumber: number) => RawRow
  featureNames: readonly string[]
  /** Writes the features of a coerced row at `out[offset…]`. */
  features: (row: RawRow, out: Float64Array, offset: number) => void
  /** Calibrated outputs, `[nRows]` or `[nRows, classes]`. */
  score: (matrix: Float64Array, nRows: number) => Float64Array | Promise<Float64Array>
  /** Of each row the output `codes` names. `output` of the explanations is filled in here. */
  explain?: (
    matrix: Float64Array,
    nRows: number,
    codes: readonly number[],
  ) => Promise<Omit<Explanation, 'output'>[]>
  dispose?: () => void
}

export function assemblePredictor(parts: PredictorParts): Predictor {
  const { version } = parts
  const { model, task, format, classes, group, threshold } = version
  const width = classes?.length ?? 1
  const { featureNames, coerce, inputs } = parts
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
        throw new MillraceError('MR_SERVE_OUTPUT', {
          model,
          row: rowNumbers[Math.floor(i / width)],
          got: outputs[i],
        })
    }
    return outputs
  }
  return {
    name: model,
    digest: parts.digest,
    bytes: parts.bytes,
    shared: parts.shared,
    task,
    classes,
    group,
    threshold,
    format,
    inputs,
    inputNames: new Set(inputs.map((input) => input.name)),
    featureNames,
    coerce,
    score: (rows, rowNumbers) => {
      const outputs = parts.score(matrixOf(rows), rows.length)
      if (outputs instanceof Promise) return outputs.then((late) => checked(late, rowNumbers))
      return checked(outputs, rowNumbers)
    },
    explain: async (rows, outputs, code) => {
      if (!parts.explain) throw new MillraceError('MR_SERVE_EXPLAIN', { model, format })
      const codes = rows.map((_, i) => code(i))
      const explained = await parts.explain(matrixOf(rows), rows.length, codes)
      return explained.map((explanation, i) => ({
        ...explanation,
        output: outputs[i * width + codes[i]],
        ...(classes && { class: classes[codes[i]] }),
      }))
    },
    dispose: parts.dispose,
  }
}
