/** The form of linear models over hashed features. Weights are found when a scorer is made; what is stored is what they follow from. */
import type { Json } from '../../core/canonical.ts'
import { allFinite, between, check, checkLength, shapeError } from '../checks.ts'
import type { Explainer, FormHead, Kernel, ModelForm, NamedArrays, SectionReader } from '../form.ts'
import { type FtrlModel, ftrlWeights } from '../ftrl.ts'
import { type HashedField, type HashedSpace, isAllOnes, rowHasher, slotsOf } from '../hashing.ts'

export const HASHED_LIMITS = {
  bitsMin: 8,
  bitsMax: 24,
  pairsMax: 4_096,
  edgesMax: 1_024,
} as const

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

const FIELD_KINDS = ['category', 'number', 'bins'] as const

function extraOf({ space, rates, offset, scale, rows }: FtrlModel): Record<string, Json> {
  const { bits, signed } = space
  const { alpha, beta, l1, l2 } = rates
  return { bits, signed, alpha, beta, l1, l2, offset, scale, rows }
}

function arraysOf({ space, slots, z, roots }: FtrlModel): NamedArrays {
  const { fields, pairs } = space
  const edges = fields.flatMap((field) => (field.kind === 'bins' ? Array.from(field.edges) : []))
  return [
    ['fieldKind', fields.map((field) => FIELD_KINDS.indexOf(field.kind))],
    ['salt', fields.map((field) => field.salt)],
    ['mean', fields.map((field) => (field.kind === 'number' ? field.mean : 0))],
    ['deviation', fields.map((field) => (field.kind === 'number' ? field.scale : 0))],
    ['edgeCount', fields.map((field) => (field.kind === 'bins' ? field.edges.length : 0))],
    ['edges', edges],
    ['pairs', pairs],
    ['slotStep', slots.map((slot, k) => (k === 0 ? slot : slot - slots[k - 1]))],
    ['z', z],
    ['root', roots],
  ]
}

function readFtrl({ nFeatures, link, extra }: FormHead, arrays: SectionReader): FtrlModel {
  const number = (name: string) => (typeof extra[name] === 'number' ? (extra[name] as number) : Number.NaN)
  const fields = readFields(nFeatures, arrays)
  const pairs = Int32Array.from(arrays.take('pairs'))
  const slots = Uint32Array.from(arrays.take('slotStep'))
  for (let k = 1; k < slots.length; k++) slots[k] += slots[k - 1]
  return {
    kind: 'FtrlModel',
    nFeatures,
    nOutputs: 1,
    link: link as FtrlModel['link'],
    space: { bits: number('bits'), signed: extra.signed === true, fields, pairs },
    rates: { alpha: number('alpha'), beta: number('beta'), l1: number('l1'), l2: number('l2') },
    offset: number('offset'),
    scale: number('scale'),
    rows: number('rows'),
    slots,
    z: arrays.take('z', slots.length),
    roots: arrays.take('root', slots.length),
  }
}

function readFields(nFeatures: number, arrays: SectionReader): HashedField[] {
  const take = (name: string) => arrays.take(name, nFeatures)
  const [kinds, salts, means] = [take('fieldKind'), take('salt'), take('mean')]
  const [scales, counts] = [take('deviation'), take('edgeCount')]
  const edges = arrays.take('edges')
  let at = 0
  const fields = Array.from(kinds, (code, j): HashedField => {
    const salt = salts[j]
    const kind = FIELD_KINDS[code]
    if (kind === 'category') return { kind, salt }
    if (kind === 'number') return { kind, salt, mean: means[j], scale: scales[j] }
    check(kind === 'bins', 'fieldKind', j, `one of 0 to ${FIELD_KINDS.length - 1}`, code)
    between('edgeCount', j, counts[j], 1, HASHED_LIMITS.edgesMax)
    const own = Float64Array.from(edges.subarray(at, at + counts[j]))
    checkLength(`edges of field ${j}`, own.length, counts[j])
    at += counts[j]
    return { kind, salt, edges: own }
  })
  arrays.expect('edges', at, edges.length)
  return fields
}

// ---------------------------------------------------------------- rules

function validateFtrl(model: FtrlModel): void {
  const { space, rates, nFeatures, nOutputs, link, slots, z, roots, rows } = model
  check(nOutputs === 1, 'nOutputs', 0, '1', nOutputs)
  check(link === 'identity' || link === 'sigmoid', 'link', 0, 'identity or sigmoid', link)
  between('bits', 0, space.bits, HASHED_LIMITS.bitsMin, HASHED_LIMITS.bitsMax)
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

function validateSpace({ fields, pairs }: HashedSpace, nFeatures: number): void {
  checkLength('fields', fields.length, nFeatures)
  fields.forEach((field, j) => {
    between('salt', j, field.salt, 0, 2 ** 32 - 1)
    if (field.kind === 'number') {
      allFinite('mean', [field.mean])
      positive('deviation', j, field.scale)
    }
    if (field.kind === 'bins')
      for (let e = 0; e < field.edges.length; e++)
        check(
          Number.isFinite(field.edges[e]) && (e === 0 || field.edges[e] > field.edges[e - 1]),
          `edges of field ${j}`,
          e,
          'finite and ascending',
          field.edges[e],
        )
  })
  between('pairs', 0, pairs.length, 0, 2 * HASHED_LIMITS.pairsMax)
  check(pairs.length % 2 === 0, 'pairs', pairs.length, 'an even number of fields', pairs.length)
  pairs.forEach((field, p) => {
    between('pairs', p, field, 0, nFeatures - 1)
  })
}

function positive(part: string, index: number, got: number): void {
  check(got > 0 && Number.isFinite(got), part, index, 'finite and above 0', got)
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
