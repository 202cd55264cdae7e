import { validateCalibration } from './calibrations.ts'
import { between, check, MODEL_LIMITS } from './checks.ts'
import { formOf, type Model } from './forms/registry.ts'
import { LINKS } from './links.ts'
import type { Calibration } from './trees.ts'

export { MODEL_LIMITS }

/**
 * Refuses a model that breaks a rule of its form: for trees arrays of equal length, children behind their parent and each node reached once,
 * finite values and covers, features and sets in range, unused fields at rest (so that equal models have equal bytes).
 * Errors: MR_MODEL_INVALID with the place. Cost: O(nodes).
 */
export function validateModel(model: Model, calibration: Calibration | null = null): void {
  check(Object.hasOwn(LINKS, model.link), 'link', 0, `one of ${Object.keys(LINKS).join(', ')}`, model.link)
  between('nFeatures', 0, model.nFeatures, 0, MODEL_LIMITS.featuresMax)
  between('nOutputs', 0, model.nOutputs, 1, MODEL_LIMITS.outputsMax)
  formOf(model).validate(model)
  if (calibration) validateCalibration(calibration, model)
}
