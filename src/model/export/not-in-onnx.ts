import { MillraceError } from '../../core/errors.ts'

/** The error of a form that no operators of ONNX say. */
export function notInOnnx(kind: string): MillraceError {
  return new MillraceError('MR_MODEL_EXPORT', {
    format: 'ONNX',
    what: kind,
    known: 'trees, linear models, networks, tables, and sums of these',
  })
}
