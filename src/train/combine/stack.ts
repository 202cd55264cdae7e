import { MillraceError } from '../../core/errors.ts'
import type { TrainerDef } from '../../define/types.ts'
import { compose } from '../../model/composite.ts'
import { compileScorer, type Model } from '../../model/score.ts'
import { fitClassBlend } from '../../stats/class-blend.ts'
import { type FewFit, type FewOptions, fitLogistic, fitSquares } from '../../stats/logistic.ts'
import { type Learner, type LearnInput, takeRows } from '../learner.ts'
import { foldsOf } from './folds.ts'
import { type LearnerOf, learnPart } from './parts.ts'

type Stack = Extract<TrainerDef, { kind: 'stack' }>

/** Rows predicted out of fold that the weights need at least. */
const ROWS_MIN = 50
/** Pull of the weights to even ones, as a share of a row: what settles parts that are nearly the same. */
const RIDGE = 1

/**
 * Stacked generalisation: each part predicts rows that it did not learn from, a logistic, linear or multinomial regression with weights of at least 0 learns from these
 * raw scores, and the parts are trained again on all rows.
 * Cost: `folds + 1` trainings of each part. Source: Wolpert 1992; Breiman 1996 for weights of at least 0.
 */
export function stackLearner(learnerOf: LearnerOf): Learner<Stack> {
  return {
    kind: 'stack',
    tasks: ['binary', 'regression', 'multiclass'],
    async learn(input, trainer) {
      const total = trainer.of.length * (trainer.folds + 1)
      let done = 0
      const part = (of: LearnInput, i: number) =>
        learnPart(of, trainer.of[i], { whole: 'stack', learnerOf, done: done++, total })
      const { fit, rows } = await weigh(input, trainer, part)
      const models: Model[] = []
      for (let i = 0; i < trainer.of.length; i++) models.push(await part(input, i))
      input.note(
        `weights learned on ${rows} rows out of fold: ${trainer.of.map(({ kind }, i) => `${kind} ${fit.weights[i].toFixed(3)}`).join(', ')}`,
      )
      return { model: compose(models, fit.weights, new Float64Array(models[0].nOutputs).fill(fit.intercept)) }
    },
  }
}

type Fit = (raws: number[][], target: number[], options: FewOptions) => FewFit

/** How weights are learned, by task: of classes one weight a part, which all classes share. */
const FITS: Record<LearnInput['task'], Fit> = {
  binary: fitLogistic,
  regression: fitSquares,
  ranking: fitSquares,
  multiclass: (raws, target, options) => ({ intercept: 0, weights: fitClassBlend(raws, target, options) }),
}

/** Weights of the parts by their raw scores of rows that they did not learn from. */
async function weigh(
  input: LearnInput,
  { of, folds, order }: Stack,
  part: (input: LearnInput, i: number) => Promise<Model>,
): Promise<{ fit: FewFit; rows: number }> {
  const { train, kept, task, seed } = input
  const rows = kept ?? Int32Array.from({ length: train.nRows }, (_, i) => i)
  const raws: number[][] = of.map(() => [])
  const target: number[] = []
  const weights: number[] = []
  for (const { learn, predict } of foldsOf(rows, folds, order, seed)) {
    const held = takeRows(train, predict)
    for (let i = 0; i < of.length; i++) {
      const model = await part({ ...input, kept: learn, note: () => {} }, i)
      const out = new Float64Array(held.nRows * model.nOutputs)
      compileScorer(model).rawBatch(held.columns, held.nRows, out)
      for (const raw of out) raws[i].push(raw)
    }
    for (const y of held.target) target.push(y)
    for (let k = 0; k < held.nRows; k++) weights.push(held.weights?.[k] ?? 1)
  }
  if (target.length < ROWS_MIN)
    throw new MillraceError('MR_MODEL_NO_ROWS', { need: ROWS_MIN, got: target.length })
  const towards = of.map(() => 1 / of.length)
  const options = { weights, notNegative: true, ridge: RIDGE, towards }
  const fit = FITS[task](raws, target, options)
  if (fit.weights.some((w) => w > 0)) return { fit, rows: target.length }
  input.note('no part told the target out of fold: they have even weights')
  return { fit: { intercept: 0, weights: Float64Array.from(towards) }, rows: target.length }
}
