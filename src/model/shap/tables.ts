/** Tables of clusters: what a cluster adds to the contribution of each of its features, by pattern. */
import type { Cluster, LeafPart } from './plan.ts'
import { gaussLegendre, type Quadrature } from './quadrature.ts'

const rules = new Map<number, Quadrature>()

/** A rule that is exact for a path of `k` features. */
function ruleFor(k: number): Quadrature {
  const nPoints = Math.max(1, Math.ceil(k / 2))
  const rule = rules.get(nPoints) ?? gaussLegendre(nPoints)
  rules.set(nPoints, rule)
  return rule
}

/** Scratch space of leaves: products by point and mask, their integrals over u and over 1 - u by mask, and the leaf's own table by feature and mask. */
let products = new Float64Array(0)
let overU = new Float64Array(0)
let overRest = new Float64Array(0)
let own = new Float64Array(0)

function makeRoom(nPoints: number, k: number): void {
  const size = 2 ** k
  if (products.length < nPoints * size) products = new Float64Array(nPoints * size)
  if (overU.length < size) {
    overU = new Float64Array(size)
    overRest = new Float64Array(size)
  }
  if (own.length < k * size) own = new Float64Array(k * size)
}

/**
 * Fills the tables of clusters with path-dependent contributions: with share r and satisfied bit o of each feature on a leaf's path,
 * feature i gets `v (o_i - r_i) * integral over u of prod_{j != i} (r_j (1 - u) + o_j u)`.
 */
export function fillPathTables(clusters: readonly Cluster[], tables: Float64Array): void {
  for (const cluster of clusters) {
    for (const leaf of cluster.leaves) {
      pathTable(leaf)
      addLeaf(cluster, leaf, tables)
    }
  }
}

function pathTable({ value, k, shares }: LeafPart): void {
  const { points, weights } = ruleFor(k)
  const size = 2 ** k
  makeRoom(points.length, k)
  for (let q = 0; q < points.length; q++) {
    const at = q * size
    products[at] = weights[q]
    for (let j = 0; j < k; j++) {
      const met = shares[j] + (1 - shares[j]) * points[q]
      const unmet = shares[j] * (1 - points[q])
      for (let mask = 0, n = 1 << j; mask < n; mask++) {
        const product = products[at + mask]
        products[at + mask + n] = product * met
        products[at + mask] = product * unmet
      }
    }
  }
  for (let j = 0; j < k; j++) spreadFeature(value, k, j, shares[j], points)
}

/** Contributions of one feature: those of a mask with its bit and without it share the integral over the others. */
function spreadFeature(value: number, k: number, j: number, share: number, points: Float64Array): void {
  const size = 1 << k
  const bit = 1 << j
  const met = value * (1 - share)
  const unmet = -value * share
  const inverses = points.map((u) => 1 / (share + (1 - share) * u))
  for (let high = bit; high < size; high += 2 * bit) {
    for (let mask = high; mask < high + bit; mask++) {
      let integral = 0
      for (let q = 0; q < points.length; q++) integral += products[q * size + mask] * inverses[q]
      own[j * size + mask] = met * integral
      own[j * size + mask - bit] = unmet * integral
    }
  }
}

/**
 * Fills the tables with interventional contributions against background rows: `counts` are their numbers by pattern, cluster after cluster. A
 * path is followed where each feature in the coalition is satisfied by the row and each other one by the background row. Cost: O(leaves
 * 2^k k^2), whatever the number of background rows.
 */
export function fillBackgroundTables(
  clusters: readonly Cluster[],
  counts: Uint32Array,
  nBackground: number,
  tables: Float64Array,
): void {
  let at = 0
  for (const cluster of clusters) {
    const patterns = 2 ** (cluster.k + cluster.nTests)
    const seen = counts.subarray(at, at + patterns)
    for (const leaf of cluster.leaves) {
      backgroundTable(cluster, leaf, seen, nBackground)
      addLeaf(cluster, leaf, tables)
    }
    at += patterns
  }
}

function backgroundTable(cluster: Cluster, leaf: LeafPart, seen: Uint32Array, nBackground: number): void {
  const { value, k } = leaf
  const rule = ruleFor(k)
  const { points } = rule
  const size = 2 ** k
  makeRoom(points.length, k)
  const shares = leafCounts(cluster, leaf, seen)
  for (let mask = 0; mask < size; mask++) shares[mask] /= nBackground
  for (let q = 0; q < points.length; q++) {
    products.set(shares, q * size)
    transform(q * size, k, points[q])
  }
  integrate(size, rule)
  for (let j = 0; j < k; j++) spreadAgainst(value, k, j)
}

/** Background rows by mask of the leaf. */
function leafCounts({ k, nTests }: Cluster, { k: kLeaf, keep, add }: LeafPart, seen: Uint32Array) {
  const counts = new Float64Array(2 ** kLeaf)
  const low = 2 ** k
  for (let inner = 0; inner < 2 ** nTests; inner++) {
    for (let mask = 0; mask < low; mask++)
      counts[(mask & keep[inner]) | add[inner]] += seen[inner * low + mask]
  }
  return counts
}

/** From counts by the background's mask to sums by the row's: per feature, factors b (1 - u) + m u where one of the two is satisfied. */
function transform(at: number, k: number, u: number): void {
  const size = 1 << k
  for (let bit = 1; bit < size; bit *= 2) {
    for (let high = bit; high < size; high += 2 * bit) {
      for (let mask = high; mask < high + bit; mask++) {
        const without = products[at + mask - bit]
        const withBit = products[at + mask]
        products[at + mask - bit] = (1 - u) * withBit
        products[at + mask] = u * without + withBit
      }
    }
  }
}

/** Integrals of the products by mask, once for all features: divided by u, and by 1 - u. */
function integrate(size: number, { points, weights, inverseRest }: Quadrature): void {
  overU.fill(0, 0, size)
  overRest.fill(0, 0, size)
  for (let q = 0; q < points.length; q++) {
    const perU = weights[q] / points[q]
    const perRest = weights[q] * inverseRest[q]
    for (let mask = 0, at = q * size; mask < size; mask++, at++) {
      overU[mask] += perU * products[at]
      overRest[mask] += perRest * products[at]
    }
  }
}

/**
 * One feature, by masks with its bit and without: where the row satisfies it, what is gained is what its factor u leaves of a mask, less what both satisfy; where the background row alone
 * does, what is lost is what its factor 1 - u leaves. 1 / (u (1 - u)) is the sum of both quotients.
 */
function spreadAgainst(value: number, k: number, j: number): void {
  const size = 1 << k
  const bit = 1 << j
  const at = j * size
  for (let high = bit; high < size; high += 2 * bit) {
    for (let mask = high; mask < high + bit; mask++) {
      const lost = overRest[mask - bit]
      own[at + mask] = value * (overU[mask] - overU[mask - bit] - lost)
      own[at + mask - bit] = -value * lost
    }
  }
}

/** Adds a leaf's table to its cluster's. */
function addLeaf({ k, nTests, tableAt }: Cluster, leaf: LeafPart, tables: Float64Array): void {
  const size = 2 ** leaf.k
  const low = 2 ** k
  for (let j = 0; j < leaf.k; j++) {
    const column = tableAt + leaf.columns[j] * low * 2 ** nTests
    for (let inner = 0; inner < 2 ** nTests; inner++) {
      const keep = leaf.keep[inner]
      const from = j * size + leaf.add[inner]
      const to = column + inner * low
      if (keep === low - 1) for (let mask = 0; mask < low; mask++) tables[to + mask] += own[from + mask]
      else for (let mask = 0; mask < low; mask++) tables[to + mask] += own[from + (mask & keep)]
    }
  }
}
