/** How much of tensors one request may have. */
import { MillraceError } from '../../core/errors.ts'
import type { Limits } from '../../core/limits.ts'
import type { SentTensor } from './backend.ts'

/** Errors: MR_LIMIT for too many tensors (`requestTensorsMax`), or too many elements in one (`tensorElementsMax`). */
export function checkTensors(
  inputs: readonly SentTensor[],
  { requestTensorsMax, tensorElementsMax }: Pick<Limits, 'requestTensorsMax' | 'tensorElementsMax'>,
): void {
  if (inputs.length > requestTensorsMax)
    throw limitError('requestTensorsMax', requestTensorsMax, inputs.length, 'tensors')
  for (const { shape } of inputs) {
    const elements = shape.reduce((product, size) => product * size, 1)
    if (elements > tensorElementsMax)
      throw limitError('tensorElementsMax', tensorElementsMax, elements, 'elements')
  }
}

function limitError(limit: string, max: number, got: number, unit: string): MillraceError {
  return new MillraceError('MR_LIMIT', { limit, max, got, unit })
}
