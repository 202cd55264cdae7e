import { MillraceError } from '../../core/errors.ts'
import type { TreeSettings } from '../../define/types.ts'
import type { GivenParams } from './params.ts'

/** Settings that are numbers or switches here as there. */
const PLAIN = [
  'featureFraction',
  'featureFractionByNode',
  'bagging',
  'replacement',
  'l1',
  'minGain',
  'minHessian',
  'maxDepth',
  'maxDeltaStep',
  'pathSmooth',
  'categorical',
] as const satisfies readonly (keyof TreeSettings & keyof GivenParams)[]

/** Parameters of the engine from a config's settings, which call features by name. Errors: MR_DEFINE_UNKNOWN for a name that the model does not have. */
export function treeParamsOf(settings: TreeSettings, features: readonly { name: string }[]): GivenParams {
  const given: Record<string, unknown> = {}
  for (const name of PLAIN) if (settings[name] !== undefined) given[name] = settings[name]
  const { monotone, interactions } = settings
  const known = features.map(({ name }) => name)
  const indexOf = (name: string, setting: string) => {
    const at = known.indexOf(name)
    if (at < 0)
      throw new MillraceError('MR_DEFINE_UNKNOWN', {
        place: `trainer.${setting}`,
        kind: 'feature',
        name,
        known,
      })
    return at
  }
  if (monotone) {
    for (const name of Object.keys(monotone)) indexOf(name, 'monotone')
    given.monotone = known.map((name) => monotone[name] ?? 0)
  }
  if (interactions) {
    given.interactions = interactions.map((group) => group.map((name) => indexOf(name, 'interactions')))
  }
  return given
}
