/**
 * AUC of gradient boosting over several draws of one made-up set. On one draw, what a library finds first is luck: other roundings of the gradients alone move
 * the AUC by a standard deviation of .0008 here, and the best of three peers is the luckiest of them. So the means over the draws are held against each other.
 */
import { higgsLike } from '../data/higgs-like.ts'
import { BOOSTED_SHAPE, boostOurs } from '../measure/boosted.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const LIBRARIES = ['lightgbm', 'xgboost', 'sklearn'] as const
const DRAWS = [1, 2, 3, 4, 5]
const AUC_BEHIND_MAX = 0.001

const draws: Section = async ({ peers }) => {
  const own: number[] = []
  const theirs = LIBRARIES.map((): number[] => [])
  for (const seed of DRAWS) {
    const data = higgsLike({ seed })
    own.push((await boostOurs(data, 1)).auc)
    if (!peers) continue
    for (const [i, library] of LIBRARIES.entries()) {
      const [figure] = await peer<{ auc: number }>('boosting', {
        library,
        folder: data.folder,
        ...BOOSTED_SHAPE,
      })
      theirs[i].push(figure.auc)
    }
  }
  const line = { bench: 'train', metric: `mean AUC of ${DRAWS.length} draws of 500 k × 28`, unit: '' }
  if (!peers) {
    report({ ...line, value: mean(own) })
    return
  }
  const means = theirs.map(mean)
  const best = Math.max(...means)
  report({
    ...line,
    value: mean(own),
    peer: `best of three, ${LIBRARIES[means.indexOf(best)]}`,
    peerValue: round(best),
    goal: round(best - AUC_BEHIND_MAX),
    met: mean(own) >= best - AUC_BEHIND_MAX,
    note: LIBRARIES.map((library, i) => `${library} ${round(means[i])}`).join(', '),
  })
}
export default draws

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}
