import type { FeatureBins } from './binning.ts'
import { isPlain } from './leaf-value.ts'
import { scannedSplit, scannedTotal } from './scan.ts'
import {
  gainOf,
  type LeafView,
  leafSum,
  type Scan,
  type Search,
  type Split,
  type SplitRules,
} from './search.ts'
import { searchCategory } from './split-categories.ts'
import { searchNumber } from './split-numbers.ts'

/**
 * The best split of a leaf over its features, or `null` when none gains. `scans` says by feature whether a machine's scan of the leaf has its best split.
 * Ties go to the first feature, then to the lowest bin. Cost: O(slots in use), twice where values are missing; of scanned features O(1).
 */
export function findSplit(
  leaf: LeafView,
  features: readonly FeatureBins[],
  slots: Int32Array,
  rules: SplitRules,
  scans: Uint8Array | null = null,
): Split | null {
  const sum = leafSum(leaf, rules)
  if (sum === null) return null
  const { grad, hess, rowsPerHess, parent } = sum
  const bestTotal = parent + rules.params.minGain
  const plain = isPlain(leaf, rules.params)
  const search: Search = {
    grad,
    hess,
    rowsPerHess,
    parent,
    leaf,
    rules,
    features,
    slots,
    isPlain: plain,
    best: null,
    scanned: -1,
    bestTotal,
  }
  for (const j of leaf.features) {
    if (leaf.scan && scans?.[j]) takeScanned(search, j, leaf.scan)
    else if (features[j].kind === 'category') searchCategory(search, j)
    else searchNumber(search, j)
  }
  const { scanned } = search
  if (scanned < 0) return search.best
  return scannedSplit(leaf.scan!, scanned, gainOf(search, search.bestTotal), features[scanned])
}

function takeScanned(search: Search, feature: number, scan: Scan): void {
  const total = scannedTotal(scan, feature)
  if (!(total > search.bestTotal) || gainOf(search, total) === 0) return
  search.scanned = feature
  search.bestTotal = total
}
