import { MillraceError } from '../core/errors.ts'
import type { TreeEnsemble } from './trees.ts'

/**
 * One ensemble whose raw score is the sum of two: a parent, and what was trained on top of its scores (`init` in training).
 * Links and comparison must agree; the first one's link is kept. Errors: MR_MODEL_SHAPE, MR_MODEL_INVALID. Cost: O(nodes).
 */
export function addEnsembles(first: TreeEnsemble, second: TreeEnsemble): TreeEnsemble {
  if (first.nFeatures !== second.nFeatures) {
    throw new MillraceError('MR_MODEL_SHAPE', {
      what: 'features of the second ensemble',
      expected: first.nFeatures,
      got: second.nFeatures,
    })
  }
  for (const part of ['compare', 'link', 'nOutputs'] as const) {
    if (first[part] !== second[part])
      throw new MillraceError('MR_MODEL_INVALID', {
        part,
        index: 1,
        expected: String(first[part]),
        got: String(second[part]),
      })
  }
  const nodes = first.feature.length
  const sets = first.categorySets.length
  const child = (node: number) => (node < 0 ? -1 : node + nodes)
  return {
    ...first,
    roots: joinInts(
      first.roots,
      second.roots.map((root) => root + nodes),
    ),
    feature: joinInts(first.feature, second.feature),
    threshold: joinDoubles(first.threshold, second.threshold),
    left: joinInts(first.left, second.left.map(child)),
    right: joinInts(first.right, second.right.map(child)),
    missingLeft: joinBytes(first.missingLeft, second.missingLeft),
    value: joinDoubles(first.value, second.value),
    cover: joinDoubles(first.cover, second.cover),
    categorySet: joinInts(
      first.categorySet,
      second.categorySet.map((set) => (set < 0 ? -1 : set + sets)),
    ),
    categorySets: [...first.categorySets, ...second.categorySets],
    outputOf: joinInts(first.outputOf, second.outputOf),
    baseScores: first.baseScores.map((base, k) => base + second.baseScores[k]),
  }
}

function joinInts(a: Int32Array, b: Int32Array): Int32Array {
  const out = new Int32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

function joinDoubles(a: Float64Array, b: Float64Array): Float64Array {
  const out = new Float64Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

function joinBytes(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
