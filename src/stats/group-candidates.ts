/** Groups of a class that may be foreign to it, by several views of its rows: nothing is said of whether any is. */
import { seededRng } from '../core/rng.ts'
import { kMeans } from './k-means.ts'
import { ascendingOrder } from './order.ts'
import type { DenseRows } from './whitening.ts'

/** Numbers of groups that a class is divided into. */
const DIVISIONS = [2, 3, 4]
/** Share of the rows at an end of a direction. */
const END_SHARE = 0.15
/** Groups that have more of their rows in common than this are one. */
const SAME = 0.5

export interface GroupSizes {
  least: number
  most: number
}

/**
 * Marks of the rows of each group: those that each view falls into by means, and the rows at either end of each direction of `ends`.
 *
 * Shapes: views and `ends` have the same rows; a group is `[nRows]` of 0 and 1. Groups outside of the sizes are left out.
 */
export function groupsOf(views: DenseRows[], ends: DenseRows, sizes: GroupSizes, seed: number): Uint8Array[] {
  const rng = seededRng(seed)
  const byMeans = views.flatMap((view) =>
    DIVISIONS.flatMap((k) => {
      const found = kMeans(view, k, rng)
      return Array.from({ length: k }, (_, g) => found.map((group) => Number(group === g)))
    }),
  )
  return [...byMeans, ...endsOf(ends)].filter((group) => isOfSize(group, sizes))
}

function endsOf({ nRows, width, points }: DenseRows): Uint8Array[] {
  const n = Math.floor(END_SHARE * nRows)
  return Array.from({ length: width }, (_, c) => {
    const order = ascendingOrder(Float64Array.from({ length: nRows }, (__, i) => points[i * width + c]))
    return [order.subarray(0, n), order.subarray(nRows - n)].map((rows) => markedRows(nRows, rows))
  }).flat()
}

function markedRows(nRows: number, rows: ArrayLike<number>): Uint8Array {
  const group = new Uint8Array(nRows)
  for (let i = 0; i < rows.length; i++) group[rows[i]] = 1
  return group
}

export function isOfSize(group: Uint8Array, { least, most }: GroupSizes): boolean {
  const n = sizeOf(group)
  return n >= least && n <= most
}

export function sizeOf(group: Uint8Array): number {
  return group.reduce((sum, side) => sum + side, 0)
}

/** The first groups that are not one with a group before them, `most` of them. */
export function distinctGroups(groups: Uint8Array[], most: number): Uint8Array[] {
  const kept: Uint8Array[] = []
  for (const group of groups) {
    if (kept.length === most) break
    if (kept.every((other) => common(group, other) <= SAME)) kept.push(group)
  }
  return kept
}

/** Rows in both, as a share of the rows in either. */
function common(a: Uint8Array, b: Uint8Array): number {
  let [both, either] = [0, 0]
  for (let i = 0; i < a.length; i++) {
    both += a[i] & b[i]
    either += a[i] | b[i]
  }
  return either === 0 ? 1 : both / either
}
