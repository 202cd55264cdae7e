/** The form of models that are their training rows. The rows are in the file, as they were trained on: whoever has the model has them. */
import { allFinite, between, check, checkLength } from '../checks.ts'
import type { Kernel, ModelForm } from '../form.ts'
import { type NeighbourModel, neighbourSearch, type SearchKind } from '../neighbours.ts'
import { sampledExplainer } from './sampled-explainer.ts'

export const NEIGHBOUR_LIMITS = {
  /** Numbers in the rows of a model. */
  valuesMax: 2 ** 23,
  kMax: 1_024,
} as const

export const neighbourForm: ModelForm<NeighbourModel> = {
  kind: 'NeighbourModel',
  format: 'neighbours',
  validate: validateNeighbours,
  extra: ({ k, weights, mismatch }) => ({ k, weights, mismatch }),
  arrays: ({ scales, missing, rows, targets }) => [
    ['scales', scales],
    ['missing', missing],
    ['targets', targets],
    ['rows', rows],
  ],
  read: ({ nFeatures, nOutputs, extra }, arrays) => ({
    kind: 'NeighbourModel',
    nFeatures,
    nOutputs,
    link: 'identity',
    k: typeof extra.k === 'number' ? extra.k : Number.NaN,
    weights: extra.weights as NeighbourModel['weights'],
    mismatch: typeof extra.mismatch === 'number' ? extra.mismatch : Number.NaN,
    scales: arrays.take('scales', nFeatures),
    missing: arrays.take('missing', nFeatures),
    targets: arrays.take('targets'),
    rows: arrays.take('rows'),
  }),
  kernel: (model) => neighbourKernel(model),
  explainer: (model) =>
    sampledExplainer(
      model,
      neighbourKernel(model),
      model.missing.map((m, j) => (model.scales[j] === 0 ? Number.NaN : m)),
    ),
  scorerBytes: ({ rows, targets }) => 4_096 + 16 * rows.length + 16 * targets.length,
}

function validateNeighbours(model: NeighbourModel): void {
  const { nFeatures, nOutputs, link, k, weights, mismatch, scales, missing, rows, targets } = model
  check(link === 'identity', 'link', 0, 'identity', link)
  check(weights === 'uniform' || weights === 'distance', 'weights', 0, 'uniform or distance', weights)
  check(mismatch >= 0 && Number.isFinite(mismatch), 'mismatch', 0, 'finite and not negative', mismatch)
  between('k', 0, k, 1, Math.min(targets.length, NEIGHBOUR_LIMITS.kMax))
  between('rows', 0, rows.length, 0, NEIGHBOUR_LIMITS.valuesMax)
  checkLength('rows', rows.length, targets.length * nFeatures)
  checkLength('scales', scales.length, nFeatures)
  checkLength('missing', missing.length, nFeatures)
  scales.forEach((s, j) => {
    check(s >= 0 && Number.isFinite(s), 'scales', j, 'finite and not negative', s)
  })
  allFinite('missing', missing)
  allFinite('rows', rows)
  allFinite('targets', targets)
  if (nOutputs > 1)
    targets.forEach((y, i) => {
      between('targets', i, y, 0, nOutputs - 1)
    })
}

function neighbourKernel(model: NeighbourModel, kind: SearchKind = 'auto'): Kernel {
  const { nFeatures, nOutputs, targets, k } = model
  const search = neighbourSearch(model, kind)
  const shares = new Float64Array(k)
  return {
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) {
        search.find(rows, i * nFeatures)
        shareOut(search.squares, model.weights, shares)
        const to = i * nOutputs
        out.fill(0, to, to + nOutputs)
        for (let m = 0; m < k; m++) {
          const y = targets[search.indexes[m]]
          if (nOutputs === 1) out[to] += shares[m] * y
          else out[to + y] += shares[m]
        }
      }
    },
  }
}

/** How much each neighbour counts; together 1. */
function shareOut(squares: Float64Array, weights: NeighbourModel['weights'], shares: Float64Array): void {
  if (weights === 'uniform') shares.fill(1 / shares.length)
  else {
    const atRow = squares[0] === 0
    let total = 0
    for (let m = 0; m < shares.length; m++) {
      shares[m] = atRow ? (squares[m] === 0 ? 1 : 0) : 1 / Math.sqrt(squares[m])
      total += shares[m]
    }
    for (let m = 0; m < shares.length; m++) shares[m] /= total
  }
}
