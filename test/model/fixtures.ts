import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { mix32 } from '../../src/core/rng.ts'
import type { TreeEnsemble } from '../../src/model/trees.ts'

/** Reads a fixture of test/reference/trees. */
export function reference<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../reference/trees/${name}`, import.meta.url), 'utf8')) as T
}

/** JSON rows with `null` for missing values, as rows of doubles. */
export const rowsOf = (rows: (number | null)[][]) =>
  rows.map((row) => Float64Array.from(row, (x) => x ?? Number.NaN))

interface EnsembleShape {
  seed?: number
  nFeatures?: number
  nTrees?: number
  depth?: number
  /** Features below this index are categories with codes up to 70. */
  nCategories?: number
  compare?: TreeEnsemble['compare']
}

/** A random but valid ensemble: ragged trees, ties, infinite thresholds, covers that add up, some zero. */
export function randomEnsemble(shape: EnsembleShape = {}): TreeEnsemble {
  const { seed = 1, nFeatures = 4, nTrees = 5, depth = 5, nCategories = 0, compare = 'le' } = shape
  let count = seed * 7919
  const draw = () => mix32(count++) / 2 ** 32
  const roots: number[] = []
  const nodes: {
    feature: number
    threshold: number
    left: number
    right: number
    missingLeft: number
    value: number
    cover: number
    set: number
  }[] = []
  const sets: Uint32Array[] = []
  const leaf = () => ({
    feature: 0,
    threshold: 0,
    left: -1,
    right: -1,
    missingLeft: 0,
    value: draw() * 4 - 2,
    cover: 0,
    set: -1,
  })
  const grow = (level: number): number => {
    const at = nodes.length
    const node = leaf()
    nodes.push(node)
    node.cover = draw() < 0.05 ? 0 : Math.ceil(draw() * 20)
    if (level === 0 || draw() < 0.2) return at
    node.value = 0
    node.feature = Math.floor(draw() * nFeatures)
    node.missingLeft = draw() < 0.5 ? 1 : 0
    if (node.feature < nCategories) {
      node.set = sets.length
      sets.push(Uint32Array.from({ length: 2 }, () => draw() * 2 ** 32))
    } else node.threshold = draw() < 0.05 ? Number.POSITIVE_INFINITY : Math.round(draw() * 10 - 5) / 2 + 0
    node.left = grow(level - 1)
    node.right = grow(level - 1)
    node.cover = nodes[node.left].cover + nodes[node.right].cover
    return at
  }
  for (let t = 0; t < nTrees; t++) roots.push(grow(depth))
  return {
    kind: 'TreeEnsemble',
    nFeatures,
    nOutputs: 1,
    outputOf: new Int32Array(roots.length),
    roots: Int32Array.from(roots),
    feature: Int32Array.from(nodes, (n) => n.feature),
    threshold: Float64Array.from(nodes, (n) => n.threshold),
    left: Int32Array.from(nodes, (n) => n.left),
    right: Int32Array.from(nodes, (n) => n.right),
    missingLeft: Uint8Array.from(nodes, (n) => n.missingLeft),
    value: Float64Array.from(nodes, (n) => n.value),
    cover: Float64Array.from(nodes, (n) => n.cover),
    categorySet: Int32Array.from(nodes, (n) => n.set),
    categorySets: sets,
    compare,
    baseScores: Float64Array.of(draw() - 0.5),
    link: 'sigmoid',
  }
}

/** Values near thresholds, and every odd double. */
export const anyValue = fc.oneof(
  fc.integer({ min: -12, max: 80 }).map((n) => n / 2),
  fc.double(),
  fc.constantFrom(Number.NaN, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 64, 70, -1),
)
