import type { TrainerDef } from '../../define/types.ts'
import type { LinearModel } from '../../model/trees.ts'
import type { LearnInput, LearnRows } from '../learner.ts'
import { trainLinear } from '../linear/train.ts'

export type Head = Extract<TrainerDef, { kind: 'head' }>

const LOSSES = { binary: 'logloss', regression: 'l2', multiclass: 'softmax' } as const

/** Of the weights of standardised units; the network's own are float32. Units of a layer go together, so that the last digits would take long. */
const TOLERANCE = 1e-6

/** The regression on what a network makes of rows: one column a unit. */
export function fitHead(
  input: LearnInput,
  rows: LearnRows,
  columns: Float64Array[],
  { l2 }: Head,
): LinearModel {
  const fit = trainLinear(
    { ...rows, columns },
    {
      loss: LOSSES[input.task as keyof typeof LOSSES],
      nClasses: input.nClasses,
      l1: 0,
      l2,
      tolerance: TOLERANCE,
    },
  )
  if (!fit.converged)
    input.note(
      `weights of the head still moved after ${fit.iterations} steps: a larger penalty would settle them`,
    )
  return fit.model as LinearModel
}
