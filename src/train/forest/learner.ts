import { MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { likeliestOf } from '../../model/measures/classes.ts'
import { threadsFor } from '../gbdt/open-machine.ts'
import { keptRows, type Learner } from '../learner.ts'
import { trainForest } from './train.ts'

export const forestLearner: Learner<Extract<TrainerDef, { kind: 'forest' }>> = {
  kind: 'forest',
  tasks: ['binary', 'regression', 'multiclass'],
  calibrates: (_, task) => task === 'binary',
  learn(input, trainer) {
    const { kind: _, ...params } = trainer
    const rows = keptRows(input)
    const [first] = rows.target
    if (input.task === 'binary' && rows.nRows > 0 && rows.target.every((y) => y === first))
      throw new MillraceError('MR_MODEL_ONE_CLASS', { value: first, rows: rows.nRows })
    const { model, outOfBag } = trainForest(
      { ...rows, categorical: input.features.map((feature) => feature.type === 'category') },
      { ...params, seed: input.seed, isChance: input.task === 'binary', nClasses: input.nClasses },
      {
        onProgress: (p) => input.progress(p.tree / p.trees, `tree ${p.tree} of ${p.trees}`),
        signal: input.signal,
        threads: threadsFor(rows.nRows),
      },
    )
    const error =
      input.nClasses > 1 ? outOfBagMisses(outOfBag, rows.target) : outOfBagError(outOfBag, rows.target)
    const what = input.nClasses > 1 ? 'share of wrong classes' : 'mean squared error'
    if (error !== null) input.note(`out-of-bag ${what} ${error.toPrecision(5)}`)
    return { model }
  },
}

/** Mean squared error over the rows that some tree did not see; `null` when there are none. For chances this is the Brier score. */
function outOfBagError(outOfBag: Float64Array, target: Float64Array): number | null {
  let sum = 0
  let n = 0
  for (let row = 0; row < target.length; row++) {
    if (Number.isNaN(outOfBag[row])) continue
    sum += (outOfBag[row] - target[row]) ** 2
    n++
  }
  return n > 0 ? sum / n : null
}

/** Share of the rows, of those that some tree of each class did not see, whose likeliest class is another; `null` when there are none. */
function outOfBagMisses(outOfBag: Float64Array, target: Float64Array): number | null {
  const width = outOfBag.length / target.length
  let wrong = 0
  let n = 0
  for (let row = 0; row < target.length; row++) {
    const at = row * width
    if (outOfBag.subarray(at, at + width).some(Number.isNaN)) continue
    if (likeliestOf(outOfBag, at, width) !== target[row]) wrong++
    n++
  }
  return n > 0 ? wrong / n : null
}
