/** The form of linear models over hashed features. Weights are found when a scorer is made; what is stored is what they follow from. */
import type { Json } from '../../core/canonical.ts'
import { allFinite, between, check, checkLength, shapeError } from '../checks.ts'
import type { Explainer, FormHead, Kernel, ModelForm, NamedArrays, SectionReader } from '../form.ts'
import { type FtrlModel, ftrlWeights } from '../ftrl.ts'
import { isAllOnes, rowHasher, slotsOf } from '../hashing.ts'
import { positive, readSpace, spaceArrays, spaceExtra, validateSpace } from './hashed-space.ts'

export const ftrlForm: ModelForm<FtrlModel> = {
  kind: 'FtrlModel',
  format: 'hashed',
  validate: validateFtrl,
  extra: extraOf,
  arrays: arraysOf,
  read: readFtrl,
  kernel: ftrlKernel,
  explainer: ftrlExplainer,
  scorerBytes: ({ space }) => 4_096 + 8 * (2 ** space.bits + 1) + 16 * slotsOf(space),
}

// ---------------------------------------------------------------- bytes

function extraOf({ space, rates, offset, scale, rows }: FtrlModel): Record<string, Json> {
  const { alpha, beta, l1, l2 } = rates
  return { ...spaceExtra(space), alpha, beta, l1, l2, offset, scale, rows }
}

function arraysOf({ space, slots, z, roots }: FtrlModel): NamedArrays {
  return [
    ...spaceArrays(space),
    ['slotStep', slots.map((slot, k) => (k === 0 ? slot : slot - slots[k - 1]))],
    ['z', z],
    ['root', roots],
  ]
}

function readFtrl({ nFeatures, link, extra }: FormHead, arrays: SectionReader): FtrlModel {
  const number = (name: string) => (typeof extra[name] === 'number' ? (extra[name] as number) : Number.NaN)
  const space = readSpace(nFeatures, extra, arrays)
  const slots = Uint32Array.from(arrays.take('slotStep'))
  for (let k = 1; k < slots.length; k++) slots[k] += slots[k - 1]
  return {
    kind: 'FtrlModel',
    nFeatures,
    nOutputs: 1,
    link: link as FtrlModel['link'],
    space,
    rates: { alpha: number('alpha'), beta: number('beta'), l1: number('l1'), l2: number('l2') },
    offset: number('offset'),
    scale: number('scale'),
    rows: number('rows'),
    slots,
    z: arrays.take('z', slots.length),
    roots: arrays.take('root', slots.length),
  }
}

// ---------------------------------------------------------------- rules

function validateFtrl(model: FtrlModel): void {
  const { space, rates, nFeatures, nOutputs, link, slots, z, roots, rows } = model
  check(nOutputs === 1, 'nOutputs', 0, '1', nOutputs)
  check(link === 'identity' || link === 'sigmoid', 'link', 0, 'identity or sigmoid', link)
  between('rows', 0, rows, 0, Number.MAX_SAFE_INTEGER)
  for (const name of ['alpha', 'beta'] as const) positive(name, 0, rates[name])
  for (const name of ['l1', 'l2'] as const)
    check(rates[name] >= 0 && Number.isFinite(rates[name]), name, 0, 'finite and not negative', rates[name])
  allFinite('offset', [model.offset])
  positive('scale', 0, model.scale)
  validateSpace(space, nFeatures)
  checkLength('z', z.length, slots.length)
  checkLength('roots', roots.length, slots.length)
  allFinite('z', z)
  for (let k = 0; k < slots.length; k++) {
    between('slots', k, slots[k], k === 0 ? 0 : slots[k - 1] + 1, 2 ** space.bits)
    positive('roots', k, roots[k])
  }
}

// ---------------------------------------------------------------- scoring and explaining

/** The terms of one row's sum: `weight * value` of each field and pair. */
function termsOf(model: FtrlModel) {
  const { space } = model
  const weights = ftrlWeights(model)
  const hasher = rowHasher(space)
  const slots = new Int32Array(hasher.width)
  const values = isAllOnes(space) ? undefined : new Float64Array(hasher.width)
  return {
    intercept: weights[weights.length - 1],
    width: hasher.width,
    read: (rows: Float64Array, at: number) => hasher.hash(rows, at, slots, values, 0),
    term: (k: number) => weights[slots[k]] * (values ? values[k] : 1),
  }
}

function ftrlKernel(model: FtrlModel): Kernel {
  const { offset, scale, nFeatures } = model
  const terms = termsOf(model)
  const rawAt = (rows: Float64Array, at: number) => {
    terms.read(rows, at)
    let sum = 0
    for (let k = 0; k < terms.width; k++) sum += terms.term(k)
    return offset + scale * (sum + terms.intercept)
  }
  return {
    row: (x) => rawAt(x, 0),
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) out[i] = rawAt(rows, i * nFeatures)
    },
  }
}

/**
 * Shapley values in closed form against a row whose values were all never seen, which has no weights but the intercept: a feature gets its own term and half of the
 * term of each pair it is in.
 */
function ftrlExplainer(model: FtrlModel): Explainer {
  const { nFeatures, offset, scale, space } = model
  const terms = termsOf(model)
  const kernel = ftrlKernel(model)
  const base = offset + scale * terms.intercept
  const raws = new Float64Array(1)
  return {
    bases: Float64Array.of(base),
    explain: (x) => {
      if (x.length < nFeatures) throw shapeError('row', nFeatures, x.length)
      terms.read(x, 0)
      const contributions = Float64Array.from({ length: nFeatures }, (_, j) => scale * terms.term(j))
      space.pairs.forEach((j, p) => {
        contributions[j] += (scale * terms.term(nFeatures + (p >> 1))) / 2
      })
      kernel.rows(x, 1, raws)
      const explained = contributions.reduce((sum, c) => sum + c, base)
      return { base, contributions, raw: raws[0], residual: raws[0] - explained }
    },
  }
}
