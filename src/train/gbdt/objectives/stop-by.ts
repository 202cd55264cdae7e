/** What validation rows are judged by after each round: the objective's own loss, or a measure of its outputs. Lower is better in all. */
import { MillraceError } from '../../../core/errors.ts'
import type { StopBy } from '../../../define/boost-objectives.ts'
import { expClamped } from '../../../stats/exp.ts'
import { auc } from '../../../stats/metrics.ts'
import { meanOfRows } from '../../../stats/row-mean.ts'
import type { Labels, Objective } from './objective.ts'
import { gainsOf, meanNdcgLoss, requireQueries } from './queries.ts'

/** Rows that `ndcg` looks at. */
const NDCG_ROWS = 10

/** A measure of raw scores `[nOutputs * n]`, lower is better. */
export type Measure = (scores: Float64Array, labels: Labels) => number

interface Judge {
  /** Links of the objectives whose outputs it can judge. */
  links: readonly Objective['link'][]
  measure(objective: Objective): Measure
}

const NUMBERS = ['identity', 'exp'] as const

const JUDGES: Record<StopBy, Judge> = {
  objective: {
    links: ['identity', 'sigmoid', 'exp', 'softmax'],
    measure: (objective) => objective.meanLoss,
  },
  auc: {
    links: ['sigmoid'],
    measure:
      () =>
      (scores, { target, weights }) =>
        1 - auc(scores, target, weights ?? undefined),
  },
  accuracy: {
    links: ['sigmoid', 'softmax'],
    measure: ({ nOutputs }) => (nOutputs === 1 ? missesOfTwo : missesOfClasses),
  },
  rmse: { links: NUMBERS, measure: (objective) => meanDistance(objective, (x) => x * x, Math.sqrt) },
  mae: { links: NUMBERS, measure: (objective) => meanDistance(objective, Math.abs, (mean) => mean) },
  ndcg: {
    links: ['identity'],
    measure: () => (scores, labels) =>
      meanNdcgLoss(scores, gainsOf(labels, []), requireQueries(labels), NDCG_ROWS),
  },
}

/** The measure of a name. Errors: MR_MODEL_PARAM when it cannot judge the objective's outputs, with those that can. */
export function measureOf(name: StopBy, objective: Objective): Measure {
  const fits = ({ links }: Judge) => links.includes(objective.link)
  const judge = JUDGES[name]
  if (fits(judge) && (name !== 'auc' || objective.nOutputs === 1)) return judge.measure(objective)
  const names = Object.entries(JUDGES).flatMap(([other, one]) => (fits(one) ? [other] : []))
  const expected = `one of ${names.join(', ')}, which judge the outputs of this objective`
  throw new MillraceError('MR_MODEL_PARAM', { param: 'stopBy', expected, got: name })
}

const missesOfTwo: Measure = (scores, { target, weights }) =>
  meanOfRows(target.length, weights, (i) => Number(scores[i] >= 0 !== target[i] >= 0.5))

const missesOfClasses: Measure = (scores, { target, weights }) => {
  const n = target.length
  return meanOfRows(n, weights, (i) => {
    let best = i
    for (let at = i + n; at < scores.length; at += n) if (scores[at] > scores[best]) best = at
    return Number((best - i) / n !== target[i])
  })
}

function meanDistance(
  { link }: Objective,
  of: (x: number) => number,
  finish: (mean: number) => number,
): Measure {
  const output = link === 'exp' ? expClamped : (raw: number) => raw
  return (scores, { target, weights }) =>
    finish(meanOfRows(target.length, weights, (i) => of(output(scores[i]) - target[i])))
}
