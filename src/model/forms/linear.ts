/** The form of linear models. */

import { allFinite, checkLength, shapeError } from '../checks.ts'
import { writeLinearOnnx } from '../export/onnx-forms.ts'
import type { Explainer, FormHead, Kernel, ModelForm, SectionReader } from '../form.ts'
import type { LinearModel } from '../trees.ts'

export const linearForm: ModelForm<LinearModel> = {
  kind: 'LinearModel',
  format: 'linear',
  validate: ({ nFeatures, nOutputs, weights, missing, intercepts }) => {
    checkLength('weights', weights.length, nFeatures * nOutputs)
    checkLength('missing', missing.length, nFeatures)
    checkLength('intercepts', intercepts.length, nOutputs)
    allFinite('weights', weights)
    allFinite('missing', missing)
    allFinite('intercepts', intercepts)
  },
  arrays: ({ intercepts, weights, missing }) => [
    ['intercept', intercepts],
    ['weights', weights],
    ['missing', missing],
  ],
  read: ({ nFeatures, nOutputs, link }: FormHead, arrays: SectionReader) => ({
    kind: 'LinearModel',
    nFeatures,
    nOutputs,
    intercepts: arrays.take('intercept', nOutputs),
    weights: arrays.take('weights', nFeatures * nOutputs),
    missing: arrays.take('missing', nFeatures),
    link,
  }),
  kernel: linearKernel,
  explainer: linearExplainer,
  scorerBytes: ({ weights, missing }) => 4_096 + (weights.length + missing.length) * 8,
  writeOnnx: writeLinearOnnx,
}

function linearKernel({ weights, missing, intercepts, nFeatures, nOutputs }: LinearModel): Kernel {
  const rawAt = (rows: Float64Array, at: number, k: number) => {
    let sum = intercepts[k]
    const base = k * nFeatures
    for (let j = 0; j < nFeatures; j++) {
      const x = rows[at + j]
      sum += weights[base + j] * (Number.isNaN(x) ? missing[j] : x)
    }
    return sum
  }
  return {
    row: (x) => rawAt(x, 0, 0),
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++)
        for (let k = 0; k < nOutputs; k++) out[i * nOutputs + k] = rawAt(rows, i * nFeatures, k)
    },
  }
}

/** `w (x - missing)`: Shapley values in closed form for independent features around the training means. */
function linearExplainer(model: LinearModel): Explainer {
  const { weights, missing, nFeatures, nOutputs } = model
  const kernel = linearKernel(model)
  const bases = new Float64Array(nOutputs)
  kernel.rows(missing, 1, bases)
  const raws = new Float64Array(nOutputs)
  return {
    bases,
    explain: (x, output = 0) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      const contributions = Float64Array.from(missing, (mean, j) =>
        Number.isNaN(x[j]) ? 0 : weights[output * nFeatures + j] * (x[j] - mean),
      )
      kernel.rows(x, 1, raws)
      const explained = contributions.reduce((sum, c) => sum + c, bases[output])
      return { base: bases[output], contributions, raw: raws[output], residual: raws[output] - explained }
    },
  }
}
