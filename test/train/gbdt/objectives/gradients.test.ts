/** Each objective's gradients and hessians against central differences of its own loss, which the peers' recorded losses are held to elsewhere. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRng } from '../../../../src/core/rng.ts'
import {
  BOOST_OBJECTIVES,
  type BoostObjective,
  type BoostObjectiveName,
  boostObjective,
} from '../../../../src/define/boost-objectives.ts'
import type { Labels, Objective } from '../../../../src/train/gbdt/objectives/objective.ts'
import { openObjective } from '../../../../src/train/gbdt/objectives/registry.ts'

type Rng = ReturnType<typeof seededRng>

interface Case {
  objective: BoostObjective
  target(rng: Rng): number
  /** Gradients are those of the loss times this. */
  lossScale?: number
  /** The hessian over the second derivative of the loss (times `lossScale`); absent where it is a bound or a stand-in. */
  hessianScale?: number
}

const N = 7
const anyNumber = (rng: Rng) => rng.normal() * 3

const CASES: Record<BoostObjectiveName, Case[]> = {
  logloss: [
    { objective: boostObjective('logloss'), target: (rng) => rng.next(), hessianScale: 1 },
    { objective: boostObjective('logloss'), target: (rng) => rng.nextInt(2), hessianScale: 1 },
  ],
  softmax: [{ objective: boostObjective('softmax'), target: (rng) => rng.nextInt(4), hessianScale: 4 / 3 }],
  l2: [{ objective: boostObjective('l2'), target: anyNumber, lossScale: 0.5, hessianScale: 1 }],
  l1: [{ objective: boostObjective('l1'), target: anyNumber }],
  oneVsAll: [{ objective: boostObjective('oneVsAll'), target: (rng) => rng.nextInt(4), hessianScale: 1 }],
  quantile: [
    { objective: boostObjective({ name: 'quantile', alpha: 0.9 }), target: anyNumber },
    { objective: boostObjective({ name: 'quantile', alpha: 0.2 }), target: anyNumber },
  ],
  huber: [{ objective: boostObjective({ name: 'huber', delta: 1.5 }), target: anyNumber }],
  fair: [{ objective: boostObjective({ name: 'fair', c: 1.5 }), target: anyNumber, hessianScale: 1 }],
  mape: [{ objective: boostObjective('mape'), target: anyNumber }],
  poisson: [
    { objective: boostObjective('poisson'), target: (rng) => rng.nextInt(5), hessianScale: Math.exp(0.7) },
  ],
  gamma: [{ objective: boostObjective('gamma'), target: (rng) => 0.1 + 3 * rng.next(), hessianScale: 1 }],
  tweedie: [
    {
      objective: boostObjective({ name: 'tweedie', power: 1.3 }),
      target: (rng) => Math.max(0, rng.normal()),
      hessianScale: 1,
    },
  ],
  // pushes of pairs are no slopes of a loss of rows: held to LightGBM's in peers.test.ts and to a slow oracle in ranking.test.ts
  lambdarank: [],
  // three orders of a loss whose target is drawn: ranking.test.ts
  xendcg: [],
}

const hasCodes = ({ objective }: Case) => ['softmax', 'oneVsAll'].includes(objective.name)

/** Labels with all classes present and not all 0, as no objective of amounts takes those; scores off the kinks of losses. */
function example(one: Case, seed: number): { labels: Labels; scores: Float64Array; objective: Objective } {
  const rng = seededRng(seed)
  const target = Float64Array.from({ length: N }, (_, i) => (hasCodes(one) ? i % 4 : one.target(rng)))
  if (one.objective.name === 'logloss') target.set([0, 1])
  if (target.every((y) => y === 0)) target[0] = 1
  const weights = Float64Array.from({ length: N }, () => 0.5 + rng.next())
  const labels = { target, weights, queries: null }
  const objective = openObjective({ ...labels, nClasses: 0 }, one.objective)
  const scores = Float64Array.from({ length: N * objective.nOutputs }, () => rng.normal() * 1.3 + 0.01)
  return { labels, scores, objective }
}

/** Derivatives of the summed loss along one score, by central differences. */
function differences(objective: Objective, labels: Labels, scores: Float64Array, at: number) {
  const total = labels.weights!.reduce((sum, w) => sum + w, 0)
  const h = 1e-4
  const lossAt = (shift: number) => {
    const moved = scores.slice()
    moved[at] += shift
    return objective.meanLoss(moved, labels) * total
  }
  const [below, middle, above] = [lossAt(-h), lossAt(0), lossAt(h)]
  return { slope: (above - below) / (2 * h), bend: (above - 2 * middle + below) / (h * h) }
}

for (const name of Object.keys(BOOST_OBJECTIVES) as BoostObjectiveName[]) {
  CASES[name].forEach((one, i) => {
    test(`gradients of ${name} are the slopes of its loss (${i + 1})`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
          const { labels, scores, objective } = example(one, seed)
          const grad = new Float64Array(scores.length)
          const hess = new Float64Array(scores.length)
          objective.gradients(scores, labels, grad, hess, 0)
          for (let at = 0; at < scores.length; at++) {
            if (Math.abs(scores[at] - labels.target[at % N]) < 2e-4) continue
            const { slope, bend } = differences(objective, labels, scores, at)
            const scale = one.lossScale ?? 1
            expect(Math.abs(grad[at] - slope * scale)).toBeLessThan(1e-5 * (1 + Math.abs(slope)))
            if (one.hessianScale === undefined) continue
            expect(Math.abs(hess[at] - bend * scale * one.hessianScale)).toBeLessThan(
              1e-4 * (1 + Math.abs(bend)),
            )
          }
        }),
        { numRuns: 50 },
      )
    })
  })
}
