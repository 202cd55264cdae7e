import { scannedSplit, scannedTotal } from './scan.ts'
import { gainOf, type LeafView, type Scan, type Search, type Split, turnTo } from './search.ts'
import { searchCategory } from './split-categories.ts'
import { searchNumber } from './split-numbers.ts'

/**
 * The best split of a leaf over some features, which ascend, or `null` when none gains.
 * Ties go to the first feature, then to the lowest bin. Cost: O(slots in use), twice where values are missing; of scanned features O(1).
 */
export function findSplit(search: Search, leaf: LeafView, features: Int32Array): Split | null {
  if (!turnTo(search, leaf)) return null
  for (const j of features) {
    if (leaf.scan && search.scans?.[j]) takeScanned(search, j, leaf.scan)
    else if (search.features[j].kind === 'category') searchCategory(search, j)
    else searchNumber(search, j)
  }
  const { scanned } = search
  if (scanned < 0) return search.best
  return scannedSplit(leaf.scan!, scanned, gainOf(search, search.bestTotal), search.features[scanned])
}

function takeScanned(search: Search, feature: number, scan: Scan): void {
  const total = scannedTotal(scan, feature)
  if (!(total > search.bestTotal) || gainOf(search, total) === 0) return
  search.scanned = feature
  search.bestTotal = total
}
