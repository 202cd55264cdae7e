import { allFinite, between, check, checkLength, MODEL_LIMITS } from './checks.ts'
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
  if (calibration?.kind === 'temperature') validateTemperature(model, calibration.temperature)
  else if (calibration) validateMap(calibration)
}

function validateTemperature({ link, nOutputs }: Model, temperature: number): void {
  check(link === 'softmax' && nOutputs > 1, 'calibration', 0, 'of a softmax of two outputs or more', link)
  check(
    temperature > 0 && Number.isFinite(temperature),
    'temperature',
    0,
    'a finite number above 0',
    temperature,
  )
}

function validateMap({ kind, x, y }: Exclude<Calibration, { kind: 'temperature' }>): void {
  check(kind === 'isotonic' || kind === 'none', 'calibration', 0, 'isotonic, none or temperature', kind)
  checkLength('calibration y', y.length, x.length)
  between('calibration x', x.length, x.length, kind === 'none' ? 0 : 1, MODEL_LIMITS.calibrationPointsMax)
  allFinite('calibration x', x)
  allFinite('calibration y', y)
  for (let i = 1; i < x.length; i++) {
    check(x[i] > x[i - 1], 'calibration x', i, `above ${x[i - 1]}`, x[i])
    check(y[i] >= y[i - 1], 'calibration y', i, `at least ${y[i - 1]}`, y[i])
  }
}
