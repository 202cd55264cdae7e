/** What the search of a model must keep: each parameter is one of the trainer's, and every value it may take keeps that parameter's rule. */
import { MillraceError } from '../core/errors.ts'
import { METRICS } from './metrics.ts'
import { checkValue, count, positive, type Rule } from './rules.ts'
import { TRAINER_RULES } from './trainer-rules.ts'
import type { Dimension, ModelDef, SearchDef } from './types.ts'

export const SEARCH_RULES = {
  method: { kind: 'oneOf', values: ['random', 'halving', 'tpe'] },
  trials: count(1, 10_000),
  folds: count(1, 20),
  timeMs: positive,
  resource: { kind: 'oneOf', values: ['rows', 'trees'] },
} as const satisfies Record<string, Rule>

/** Checks that each throw one fault; the caller collects them. */
export function searchChecks(place: string, { trainer, search }: ModelDef): (() => void)[] {
  if (!search) return []
  return [
    () => checkMetric(place, search),
    () => checkResource(place, search, trainer),
    () => checkSpaceHasSome(place, search),
    ...Object.entries(search.space).map(
      ([name, dimension]) =>
        () =>
          checkDimension(place, name, dimension, trainer),
    ),
  ]
}

function checkMetric(place: string, { metric }: SearchDef): void {
  if (metric !== 'auto') known(`${place}.metric`, 'metric', metric, Object.keys(METRICS))
}

function checkResource(place: string, { resource }: SearchDef, trainer: object): void {
  if (resource === 'trees' && !('trees' in trainer))
    checkValue(`${place}.resource of a trainer without trees`, { kind: 'oneOf', values: ['rows'] }, resource)
}

function checkSpaceHasSome(place: string, { space }: SearchDef): void {
  checkValue(`${place}.space: parameters`, count(1), Object.keys(space).length)
}

function checkDimension(
  place: string,
  name: string,
  dimension: Dimension,
  trainer: ModelDef['trainer'],
): void {
  const rules = TRAINER_RULES[trainer.kind] ?? {}
  known(`${place}.space`, `parameter of ${trainer.kind}`, name, Object.keys(rules))
  const at = `${place}.space.${name}`
  if (dimension.kind === 'choice') {
    checkValue(`${at}: values`, count(2), new Set(dimension.values).size)
    for (const value of dimension.values) checkValue(at, rules[name], value)
    return
  }
  const { min, max, scale } = dimension
  checkValue(`${at}.min`, rules[name], min)
  checkValue(`${at}.max`, rules[name], max)
  checkValue(`${at}.max`, { kind: 'number', min, exclusiveMin: true }, max)
  if (scale === 'log') checkValue(`${at}.min of a log range`, positive, min)
}

function known(place: string, kind: string, name: string, all: string[]): void {
  if (!all.includes(name)) throw new MillraceError('MR_DEFINE_UNKNOWN', { place, kind, name, known: all })
}
