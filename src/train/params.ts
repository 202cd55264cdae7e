/** Ranges of training parameters, stated once a trainer: the check and the message follow from them. */
import { MillraceError } from '../core/errors.ts'

export type ParamRule =
  | {
      kind: 'number'
      min: number
      max?: number
      integer?: boolean
      exclusiveMin?: boolean
      exclusiveMax?: boolean
    }
  | { kind: 'oneOf'; values: readonly string[] }

/** Errors: MR_MODEL_PARAM with the first parameter that breaks its rule. */
export function checkParams(params: object, rules: Readonly<Record<string, ParamRule>>): void {
  for (const [name, rule] of Object.entries(rules)) {
    const value = (params as Record<string, unknown>)[name]
    if (!keeps(rule, value)) refuseParam(name, describe(rule), value)
  }
}

export function refuseParam(param: string, expected: string, got: unknown): never {
  throw new MillraceError('MR_MODEL_PARAM', { param, expected, got: String(got) })
}

function keeps(rule: ParamRule, value: unknown): boolean {
  if (rule.kind === 'oneOf') return rule.values.includes(value as string)
  const { min, max = Number.MAX_VALUE, integer, exclusiveMin, exclusiveMax } = rule
  if (typeof value !== 'number' || !(value >= min && value <= max)) return false
  if (integer && !Number.isInteger(value)) return false
  return !(exclusiveMin && value === min) && !(exclusiveMax && value === max)
}

function describe(rule: ParamRule): string {
  if (rule.kind === 'oneOf') return `one of ${rule.values.join(', ')}`
  const { min, max, integer, exclusiveMin, exclusiveMax } = rule
  const kind = integer ? 'an integer' : 'a number'
  const low = `${exclusiveMin ? 'above' : 'of at least'} ${min}`
  return max === undefined
    ? `${kind} ${low}`
    : `${kind} ${low} and ${exclusiveMax ? 'below' : 'at most'} ${max}`
}
