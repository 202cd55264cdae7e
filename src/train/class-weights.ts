/** What the rows of each class weigh, as a config says it: resolved here for every trainer. */
import { MillraceError } from '../core/errors.ts'
import type { ClassWeights } from '../define/boost-objectives.ts'
import type { TrainerDef } from '../define/types.ts'
import { classWeightsOf, type ListedWeights, weighTerms } from './gbdt/objectives/classes.ts'
import type { LearnInput } from './learner.ts'
import { refuseParam } from './params.ts'

type Labelled = Pick<LearnInput, 'task' | 'nClasses' | 'classes'>

/** Labels that the two outcomes of a chance may be called by. */
const OUTCOMES = [
  ['false', 'true'],
  ['0', '1'],
]

/**
 * Weights by label as weights in the order of the classes; classes that are left out weigh 1. What is no record comes back as it is.
 * Errors: MR_MODEL_PARAM for a label that no class has, and for a target without classes.
 */
export function byOrder(given: ClassWeights, input: Labelled): ListedWeights {
  if (given === 'none' || given === 'balanced' || isList(given)) return given
  const names = Object.keys(given)
  const labels = labelsOf(input, names)
  const odd = names.find((name) => !labels.includes(name))
  if (odd !== undefined)
    throw new MillraceError('MR_MODEL_PARAM', {
      param: 'classWeights',
      expected: `classes of the target: ${labels.join(', ')}`,
      got: odd,
    })
  return labels.map((label) => given[label] ?? 1)
}

const isList = (given: ClassWeights): given is readonly number[] => Array.isArray(given)

function labelsOf({ task, nClasses, classes }: Labelled, names: readonly string[]): readonly string[] {
  if (task === 'multiclass') return classes ?? Array.from({ length: nClasses }, (_, k) => String(k))
  if (task === 'binary')
    return OUTCOMES.find((labels) => names.every((name) => labels.includes(name))) ?? OUTCOMES[0]
  return refuseParam('classWeights', 'left out, as the target has no classes', names.join(', '))
}

/**
 * The rows of a training with the weights of their classes, where the trainer asks for any. Weights of rows are multiplied; `balanced` counts the rows that are learned
 * from. A target between 0 and 1 is both classes in part and weighs accordingly. Rows to choose by keep their weights, and targets that are none are left to the learner.
 * Errors: MR_MODEL_PARAM.
 */
export function weighClasses(input: LearnInput, trainer: TrainerDef): LearnInput {
  const given = 'classWeights' in trainer ? trainer.classWeights : undefined
  if (given === undefined || given === 'none') return input
  if (input.task !== 'binary' && input.task !== 'multiclass')
    refuseParam('classWeights', 'left out, as the target has no classes', JSON.stringify(given))
  const totals = input.task === 'binary' ? outcomeTotals(input) : classTotals(input)
  const ofClass = classWeightsOf(byOrder(given, input), totals)
  if (ofClass === null) return input
  const { target, weights } = input.train
  const weighed =
    input.task === 'binary'
      ? weighTerms(target, weights ?? null, ofClass)
      : { target, weights: target.map((y, i) => (ofClass[y] ?? 1) * (weights ? weights[i] : 1)) }
  return { ...input, train: { ...input.train, ...weighed } }
}

/** Weight of each outcome among the rows to learn from; a chance counts for both. */
function outcomeTotals(input: LearnInput): Float64Array {
  const totals = new Float64Array(2)
  eachRow(input, (y, w) => {
    if (!(y >= 0 && y <= 1)) return
    totals[0] += w * (1 - y)
    totals[1] += w * y
  })
  return totals
}

function classTotals(input: LearnInput): Float64Array {
  const totals = new Float64Array(input.nClasses)
  eachRow(input, (y, w) => {
    if (y in totals) totals[y] += w
  })
  return totals
}

function eachRow({ train, kept }: LearnInput, see: (y: number, weight: number) => void): void {
  const nRows = kept ? kept.length : train.nRows
  for (let i = 0; i < nRows; i++) {
    const row = kept ? kept[i] : i
    see(train.target[row], train.weights ? train.weights[row] : 1)
  }
}
