/**
 * The form of linear models some of whose features are categories: each value has a weight of its own. Values that were never seen in training, and missing ones, have none.
 */
import { allFinite, between, checkLength, shapeError } from '../checks.ts'
import type { EncodedLinearModel } from '../encoded-linear.ts'
import { writeEncodedLinearOnnx } from '../export/onnx-tables.ts'
import type { Explainer, Kernel, ModelForm } from '../form.ts'

const WIDTH_MAX = 65_536

export const encodedLinearForm: ModelForm<EncodedLinearModel> = {
  kind: 'EncodedLinearModel',
  format: 'linear',
  validate: ({ nFeatures, nOutputs, levels, weights, intercepts, means }) => {
    checkLength('levels', levels.length, nFeatures)
    levels.forEach((n, j) => {
      between('levels', j, n, 0, WIDTH_MAX)
    })
    const width = widthOf(levels)
    between('width', 0, width, 0, WIDTH_MAX)
    checkLength('weights', weights.length, nOutputs * width)
    checkLength('intercepts', intercepts.length, nOutputs)
    checkLength('means', means.length, width)
    allFinite('weights', weights)
    allFinite('intercepts', intercepts)
    allFinite('means', means)
  },
  arrays: ({ levels, weights, intercepts, means }) => [
    ['levels', levels],
    ['weights', weights],
    ['intercepts', intercepts],
    ['means', means],
  ],
  read: ({ nFeatures, nOutputs, link }, arrays) => ({
    kind: 'EncodedLinearModel',
    nFeatures,
    nOutputs,
    link,
    levels: Int32Array.from(arrays.take('levels', nFeatures)),
    weights: arrays.take('weights'),
    intercepts: arrays.take('intercepts', nOutputs),
    means: arrays.take('means'),
  }),
  kernel: encodedKernel,
  explainer: encodedExplainer,
  scorerBytes: ({ weights, means }) => 4_096 + (weights.length + means.length) * 8,
  writeOnnx: writeEncodedLinearOnnx,
}

function widthOf(levels: ArrayLike<number>): number {
  let width = 0
  for (let j = 0; j < levels.length; j++) width += Math.max(1, levels[j])
  return width
}

/** First column of each feature. */
function offsetsOf(levels: Int32Array): Int32Array {
  const offsets = new Int32Array(levels.length)
  for (let j = 1; j < levels.length; j++) offsets[j] = offsets[j - 1] + Math.max(1, levels[j - 1])
  return offsets
}

/** What a feature adds to an output. */
function termOf({ levels, weights, means }: EncodedLinearModel, width: number) {
  const offsets = offsetsOf(levels)
  return (x: number, j: number, k: number): number => {
    const at = k * width + offsets[j]
    if (levels[j] === 0) return weights[at] * (Number.isNaN(x) ? means[offsets[j]] : x)
    return x >= 0 && x < levels[j] ? (weights[at + x] ?? 0) : 0
  }
}

function encodedKernel(model: EncodedLinearModel): Kernel {
  const { nFeatures, nOutputs, intercepts } = model
  const term = termOf(model, model.means.length)
  return {
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++)
        for (let k = 0; k < nOutputs; k++) {
          let sum = intercepts[k]
          for (let j = 0; j < nFeatures; j++) sum += term(rows[i * nFeatures + j], j, k)
          out[i * nOutputs + k] = sum
        }
    },
  }
}

/** Shapley values in closed form for independent features: what a feature adds, less what it adds on average over the training rows. */
function encodedExplainer(model: EncodedLinearModel): Explainer {
  const { nFeatures, nOutputs, intercepts, levels, weights, means } = model
  const width = means.length
  const term = termOf(model, width)
  const offsets = offsetsOf(levels)
  const average = (j: number, k: number) => {
    let sum = 0
    for (let c = 0; c < Math.max(1, levels[j]); c++)
      sum += weights[k * width + offsets[j] + c] * means[offsets[j] + c]
    return sum
  }
  const bases = intercepts.map((intercept, k) => {
    let sum = intercept
    for (let j = 0; j < nFeatures; j++) sum += average(j, k)
    return sum
  })
  const kernel = encodedKernel(model)
  const raws = new Float64Array(nOutputs)
  return {
    bases,
    explain: (x, output = 0) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      const contributions = Float64Array.from(
        { length: nFeatures },
        (_, j) => term(x[j], j, output) - average(j, output),
      )
      kernel.rows(x, 1, raws)
      const explained = contributions.reduce((sum, c) => sum + c, bases[output])
      return { base: bases[output], contributions, raw: raws[output], residual: raws[output] - explained }
    },
  }
}
