/**
 * Scoring and explaining by the arithmetic of an ensemble's source, so that an imported model answers what its source answers to the bit:
 * sums in float32, the base added last, a mean of trees, zeros that are missing. Trees are walked and summed in WebAssembly where it pays, else in plain loops
 * of the same bits; a model without rules never comes here.
 */

import type { FeatureRows } from '../feature-rows.ts'
import { ZERO_THRESHOLD } from '../float32.ts'
import type { Explainer, Kernel } from '../form.ts'
import { type CompiledTrees, compileTrees, inSet } from '../tree-walk.ts'
import type { SourceRules, TreeEnsemble } from '../trees.ts'
import { compiledBytes, placedKernel, type TreeKernelOptions } from './kernel.ts'

/** The kernel of an ensemble with rules. Cost of a row: one walk of each tree, one addition each. */
export function ruledKernel(
  model: TreeEnsemble,
  rules: SourceRules,
  options: TreeKernelOptions = {},
): Kernel {
  const trees = ruledTrees(model, rules)
  const kernel = placedKernel(trees, options, rules.sum) ?? plainSums(trees, rules)
  return ruled(kernel, model, rules)
}

/** Trees compiled for their sums alone: what is added last is no part of them. */
export function ruledTrees(model: TreeEnsemble, rules: SourceRules): CompiledTrees {
  return compileTrees({ ...model, baseScores: firstScores(model, rules) })
}

/** What sums begin from. */
export const firstScores = (
  { baseScores, nOutputs }: Pick<TreeEnsemble, 'baseScores' | 'nOutputs'>,
  { base }: SourceRules,
): Float64Array => (base === 'first' ? baseScores : new Float64Array(nOutputs))

/** A kernel of sums with what the rules add: zeros for missing before, divisor and base after. */
export function ruled(
  kernel: Kernel,
  { nFeatures, nOutputs, baseScores }: Pick<TreeEnsemble, 'nFeatures' | 'nOutputs' | 'baseScores'>,
  rules: SourceRules,
): Kernel {
  const row = new Float64Array(nFeatures)
  const one = new Float64Array(nOutputs)
  const sumOne = kernel.row ?? sumRow(kernel, one)
  const scoreRow = (x: Float64Array) => {
    one[0] = sumOne(rules.zeroMissing.length === 0 ? x : withoutZeros(x, row, rules))
    finish(baseScores, rules, one, 0)
    return one[0]
  }
  return {
    ...(nOutputs === 1 ? { row: scoreRow } : {}),
    rows: (rows, n, out) => {
      kernel.rows(rules.zeroMissing.length === 0 ? rows : allWithoutZeros(rows, n, nFeatures, rules), n, out)
      for (let i = 0; i < n; i++) finish(baseScores, rules, out, i * nOutputs)
    },
    get bytes() {
      return kernel.bytes
    },
    ...(kernel.close ? { close: () => kernel.close?.() } : {}),
  }
}

function sumRow(kernel: Kernel, one: Float64Array): (x: Float64Array) => number {
  return (x) => {
    kernel.rows(x, 1, one)
    return one[0]
  }
}

/** Sums of leaves over `trees`, each from its base on, in plain loops. */
function plainSums(trees: CompiledTrees, { sum }: SourceRules): Kernel {
  const { nFeatures, nOutputs, baseScores } = trees
  const row = new Float64Array(nFeatures)
  const add = sum === 'f32' ? addFloats : addDoubles
  return {
    bytes: compiledBytes(trees),
    rows: (rows, n, out) => {
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < nFeatures; j++) row[j] = rows[i * nFeatures + j]
        spread(trees, row)
        out.set(baseScores, i * nOutputs)
        add(trees, out, i * nOutputs)
      }
    },
  }
}

function withoutZeros(x: Float64Array, row: Float64Array, { zeroMissing }: SourceRules): Float64Array {
  for (let j = 0; j < row.length; j++) row[j] = x[j]
  takeZerosForMissing(row, zeroMissing)
  return row
}

function allWithoutZeros(
  rows: Float64Array,
  n: number,
  nFeatures: number,
  { zeroMissing }: SourceRules,
): Float64Array {
  const known = rows.slice(0, n * nFeatures)
  for (let at = 0; at < known.length; at += nFeatures)
    for (const j of zeroMissing) if (Math.abs(known[at + j]) <= ZERO_THRESHOLD) known[at + j] = Number.NaN
  return known
}

function takeZerosForMissing(row: Float64Array, features: readonly number[]): void {
  for (const j of features) if (Math.abs(row[j]) <= ZERO_THRESHOLD) row[j] = Number.NaN
}

function spread({ z, nFeatures, width, roundsToF32 }: CompiledTrees, row: Float64Array): void {
  for (let j = 0; j < nFeatures; j++) {
    const x = roundsToF32 ? Math.fround(row[j]) : row[j]
    z[j] = x
    if (width > nFeatures) z[nFeatures + j] = -x
    if (width > 2 * nFeatures) z[2 * nFeatures + j] = Number.isNaN(x) ? 0 : 1
  }
}

function finish(baseScores: Float64Array, rules: SourceRules, out: Float64Array, outAt: number): void {
  const round = rules.sum === 'f32' ? Math.fround : (x: number) => x
  for (let k = 0; k < baseScores.length; k++) {
    if (rules.divisor !== 1) out[outAt + k] = round(out[outAt + k] / rules.divisor)
    if (rules.base === 'last') out[outAt + k] = round(out[outAt + k] + baseScores[k])
  }
}

function addDoubles(trees: CompiledTrees, out: Float64Array, outAt: number): void {
  const { roots, outputOf, value } = trees
  for (let t = 0; t < roots.length; t++) out[outAt + outputOf[t]] += value[leafOf(trees, t)]
}

/** A sum of two floats in double, rounded to float, is their sum in float: a double has more than twice the digits. */
function addFloats(trees: CompiledTrees, out: Float64Array, outAt: number): void {
  const { roots, outputOf, value } = trees
  for (let t = 0; t < roots.length; t++) {
    const at = outAt + outputOf[t]
    out[at] = Math.fround(out[at] + value[leafOf(trees, t)])
  }
}

function leafOf({ z, slot, limit, kid, roots, setOf, sets, missingFirst, depths }: CompiledTrees, t: number) {
  let node = roots[t]
  if (!setOf) {
    for (let k = depths[t]; k > 0; k--) node = kid[node] + Number(z[slot[node]] > limit[node])
    return node
  }
  for (let next = kid[node]; next !== node; next = kid[node]) {
    const x = z[slot[node]]
    const set = setOf[node]
    node = next + Number(set < 0 ? x > limit[node] : !inSet(sets[set], x, missingFirst[node] === 1))
  }
  return node
}

/** The ensemble as one of plain rules whose scores are the source's but for rounding. */
export function plainOf({ rules, ...plain }: TreeEnsemble): TreeEnsemble {
  return rules ? { ...plain, value: plain.value.map((v) => v / rules.divisor) } : plain
}

/** Rows in the layout they have, with NaN for the zeros that the source takes for missing. */
export function rowsOfSource(model: TreeEnsemble, rows: FeatureRows): FeatureRows {
  const zeroMissing = model.rules?.zeroMissing ?? []
  if (zeroMissing.length === 0) return rows
  const known = (x: number) => (Math.abs(x) <= ZERO_THRESHOLD ? Number.NaN : x)
  if (rows instanceof Float64Array)
    return rows.map((x, at) => (zeroMissing.includes(at % model.nFeatures) ? known(x) : x))
  return rows.map((column, j) => (zeroMissing.includes(j) ? column.map(known) : column))
}

/**
 * Explains an ensemble with rules by the explainer of plain ensembles: contributions are in doubles, the raw score is the source's, and what its
 * rounding leaves is in the residual.
 */
export function ruledExplainer(
  model: TreeEnsemble,
  rules: SourceRules,
  plainExplainer: (model: TreeEnsemble) => Explainer,
): Explainer {
  const kernel = ruledKernel(model, rules)
  const explainer = plainExplainer(plainOf(model))
  const row = new Float64Array(model.nFeatures)
  const raws = new Float64Array(model.nOutputs)
  return {
    how: explainer.how,
    bases: explainer.bases,
    explain: (x, output = 0) => {
      row.set(x.subarray(0, row.length))
      takeZerosForMissing(row, rules.zeroMissing)
      const { base, contributions } = explainer.explain(x.length < row.length ? x : row, output)
      kernel.rows(x, 1, raws)
      const explained = contributions.reduce((sum, c) => sum + c, base)
      return { base, contributions, raw: raws[output], residual: raws[output] - explained }
    },
  }
}
