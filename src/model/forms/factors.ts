/** The form of factorisation machines. */
import { allFinite, between, check, checkLength, MODEL_LIMITS, shapeError } from '../checks.ts'
import type { FactorModel } from '../factors.ts'
import type { Explainer, Kernel, ModelForm } from '../form.ts'
import { isAllOnes, rowHasher } from '../hashing.ts'
import { readSpace, spaceArrays, spaceExtra, validateSpace } from './hashed-space.ts'

export const FACTOR_LIMITS = {
  factorsMax: 256,
  /** Numbers of all weights and vectors together, met or not. */
  valuesMax: 2 ** 24,
} as const

export const factorForm: ModelForm<FactorModel> = {
  kind: 'FactorModel',
  format: 'factors',
  validate: validateFactors,
  extra: ({ space, factors, offset, scale, bias }) => ({
    ...spaceExtra(space),
    factors,
    offset,
    scale,
    bias,
  }),
  arrays: ({ space, slots, weights, vectors }) => [
    ...spaceArrays(space),
    ['slotStep', slots.map((slot, k) => (k === 0 ? slot : slot - slots[k - 1]))],
    ['weights', weights],
    ['vectors', vectors],
  ],
  read: ({ nFeatures, link, extra }, arrays) => {
    const number = (name: string) => (typeof extra[name] === 'number' ? extra[name] : Number.NaN)
    const space = readSpace(nFeatures, extra, arrays)
    const slots = Uint32Array.from(arrays.take('slotStep'))
    for (let k = 1; k < slots.length; k++) slots[k] += slots[k - 1]
    return {
      kind: 'FactorModel',
      nFeatures,
      nOutputs: 1,
      link: link as FactorModel['link'],
      space,
      factors: number('factors'),
      offset: number('offset'),
      scale: number('scale'),
      bias: number('bias'),
      slots,
      weights: arrays.take('weights', slots.length),
      vectors: arrays.take('vectors'),
    }
  },
  kernel: factorKernel,
  explainer: factorExplainer,
  scorerBytes: ({ space, factors }) => 4_096 + 8 * 2 ** space.bits * (1 + factors),
}

function validateFactors(model: FactorModel): void {
  const { space, nFeatures, nOutputs, link, factors, slots, weights, vectors, scale } = model
  check(nOutputs === 1, 'nOutputs', 0, '1', nOutputs)
  check(link === 'identity' || link === 'sigmoid', 'link', 0, 'identity or sigmoid', link)
  validateSpace(space, nFeatures)
  check(space.pairs.length === 0, 'pairs', 0, 'none', space.pairs.length)
  between('factors', 0, factors, 1, FACTOR_LIMITS.factorsMax)
  between('values', 0, 2 ** space.bits * (1 + factors), 1, FACTOR_LIMITS.valuesMax)
  allFinite('offset', [model.offset])
  allFinite('bias', [model.bias])
  check(scale > 0 && Number.isFinite(scale), 'scale', 0, 'finite and above 0', scale)
  checkLength('weights', weights.length, slots.length)
  checkLength('vectors', vectors.length, slots.length * factors)
  for (let k = 0; k < slots.length; k++)
    between('slots', k, slots[k], k === 0 ? 0 : slots[k - 1] + 1, 2 ** space.bits - 1)
  allFinite('weights', weights)
  allFinite('vectors', vectors)
  between('features', 0, nFeatures, 0, MODEL_LIMITS.featuresMax)
}

/** All weights and vectors by slot, and the entries of one row. */
function openFactors(model: FactorModel) {
  const { space, factors, slots } = model
  const weights = new Float64Array(2 ** space.bits)
  const vectors = new Float64Array(2 ** space.bits * factors)
  slots.forEach((slot, k) => {
    weights[slot] = model.weights[k]
    vectors.set(model.vectors.subarray(k * factors, (k + 1) * factors), slot * factors)
  })
  const hasher = rowHasher(space)
  const at = new Int32Array(hasher.width)
  const values = new Float64Array(hasher.width).fill(1)
  const ones = isAllOnes(space)
  const sums = new Float64Array(factors)
  const squares = new Float64Array(factors)
  return {
    weights,
    vectors,
    at,
    values,
    /** Sum of vectors times values, by factor; as `read` left it. */
    sums,
    /** Reads a row and gives its sum before offset and scale. */
    read(rows: Float64Array, from: number): number {
      hasher.hash(rows, from, at, ones ? undefined : values, 0)
      sums.fill(0)
      squares.fill(0)
      let raw = model.bias
      for (let i = 0; i < at.length; i++) {
        raw += weights[at[i]] * values[i]
        for (let f = 0, v = at[i] * factors; f < factors; f++, v++) {
          const term = vectors[v] * values[i]
          sums[f] += term
          squares[f] += term * term
        }
      }
      for (let f = 0; f < factors; f++) raw += (sums[f] * sums[f] - squares[f]) / 2
      return raw
    },
  }
}

function factorKernel(model: FactorModel): Kernel {
  const { offset, scale, nFeatures } = model
  const factors = openFactors(model)
  return {
    row: (x) => offset + scale * factors.read(x, 0),
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) out[i] = offset + scale * factors.read(rows, i * nFeatures)
    },
  }
}

/**
 * Shapley values in closed form against a row whose values were all never seen, which has nothing but the bias: a feature gets its own term and half of its product with
 * each other.
 */
function factorExplainer(model: FactorModel): Explainer {
  const { nFeatures, offset, scale, factors: width } = model
  const { weights, vectors, at, values, sums, read } = openFactors(model)
  const base = offset + scale * model.bias
  return {
    bases: Float64Array.of(base),
    explain: (x) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      const raw = offset + scale * read(x, 0)
      const contributions = Float64Array.from({ length: nFeatures }, (_, i) => {
        let half = 0
        for (let f = 0, v = at[i] * width; f < width; f++, v++) {
          const own = vectors[v] * values[i]
          half += own * (sums[f] - own)
        }
        return scale * (weights[at[i]] * values[i] + half / 2)
      })
      const explained = contributions.reduce((sum, c) => sum + c, base)
      return { base, contributions, raw, residual: raw - explained }
    },
  }
}
