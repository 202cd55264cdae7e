/** Contributions of models that have no closed form: features change one after another from a base row to the row at hand, in sampled orders. */
import { seededRng } from '../../core/rng.ts'
import { shapeError } from '../checks.ts'
import type { Explainer, Kernel, ModelBase } from '../form.ts'

/** Orders looked at, each with its reverse (antithetic). */
const ORDERS = 16

/**
 * Shapley values of the game "a feature that is not known is as in the base row", estimated: the mean gain over 16 orders and their reverses, the same for every row.
 * They add up to the score exactly; each is approximate, exact where features do not act together. Source: Mitchell, Cooper, Frank and Holmes 2022 for antithetic orders.
 * Cost: 32 scores a feature.
 */
export function sampledExplainer(
  { nFeatures, nOutputs }: ModelBase,
  kernel: Kernel,
  baseRow: Float64Array,
): Explainer {
  const bases = new Float64Array(nOutputs)
  kernel.rows(baseRow, 1, bases)
  const orders = ordersOf(nFeatures)
  const raws = new Float64Array(nOutputs)
  const scoreOf = (row: Float64Array, output: number) => {
    kernel.rows(row, 1, raws)
    return raws[output]
  }
  return {
    how: { method: 'permutation', exact: false },
    bases,
    explain: (x, output = 0) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      const contributions = new Float64Array(nFeatures)
      for (const order of orders) {
        const row = baseRow.slice()
        let before = bases[output]
        for (const j of order) {
          row[j] = x[j]
          const after = scoreOf(row, output)
          contributions[j] += (after - before) / orders.length
          before = after
        }
      }
      const raw = scoreOf(x, output)
      const explained = contributions.reduce((sum, c) => sum + c, bases[output])
      return { base: bases[output], contributions, raw, residual: raw - explained }
    },
  }
}

function ordersOf(nFeatures: number): Int32Array[] {
  const rng = seededRng(1)
  return Array.from({ length: ORDERS }, () => {
    const order = Int32Array.from({ length: nFeatures }, (_, j) => j)
    for (let j = nFeatures - 1; j > 0; j--) {
      const other = rng.nextInt(j + 1)
      ;[order[j], order[other]] = [order[other], order[j]]
    }
    return [order, order.slice().reverse()]
  }).flat()
}
