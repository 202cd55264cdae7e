/** Rows put into a few groups, each row to the mean that it is nearest to. */
import type { Rng } from '../core/clock.ts'
import type { DenseRows } from './whitening.ts'

const STEPS_MAX = 20

/**
 * The group of each row, from 0, by Lloyd's steps from starts that lie apart; of `starts` the one that leaves least within groups.
 *
 * Shapes: `[nRows]`. Groups may be empty where rows are the same. Missing: none may be. Cost: O(starts * nRows * width * k) a step, at most 20.
 * Source: Lloyd 1982; Arthur and Vassilvitskii 2007 for the starts.
 */
export function kMeans(rows: DenseRows, k: number, rng: Rng, starts = 3): Uint8Array {
  let best: { groups: Uint8Array; within: number } | undefined
  for (let start = 0; start < starts; start++) {
    const found = settled(rows, apartStarts(rows, k, rng))
    if (!best || found.within < best.within) best = found
  }
  return best?.groups ?? new Uint8Array(rows.nRows)
}

function settled(rows: DenseRows, means: Float64Array[]): { groups: Uint8Array; within: number } {
  const groups = new Uint8Array(rows.nRows)
  let within = put(rows, means, groups)
  for (let step = 1; step < STEPS_MAX; step++) {
    moveMeans(rows, means, groups)
    const next = put(rows, means, groups)
    if (!(next < within)) break
    within = next
  }
  return { groups, within }
}

/** Puts each row to its nearest mean, and gives the sum of squares that are left. */
function put(rows: DenseRows, means: Float64Array[], groups: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < rows.nRows; i++) {
    let least = Number.POSITIVE_INFINITY
    means.forEach((mean, g) => {
      const square = squareTo(rows, i, mean)
      if (square < least) {
        least = square
        groups[i] = g
      }
    })
    sum += least
  }
  return sum
}

function squareTo({ width, points }: DenseRows, i: number, mean: Float64Array): number {
  let sum = 0
  for (let c = 0, at = i * width; c < width; c++, at++) {
    const d = points[at] - mean[c]
    sum += d * d
  }
  return sum
}

function moveMeans({ nRows, width, points }: DenseRows, means: Float64Array[], groups: Uint8Array): void {
  const counts = means.map(() => 0)
  for (const group of groups) counts[group]++
  means.forEach((mean, g) => {
    if (counts[g] > 0) mean.fill(0)
  })
  for (let i = 0; i < nRows; i++) {
    const mean = means[groups[i]]
    for (let c = 0; c < width; c++) mean[c] += points[i * width + c] / counts[groups[i]]
  }
}

/** Rows drawn by their squared distance from those that were drawn before. */
function apartStarts(rows: DenseRows, k: number, rng: Rng): Float64Array[] {
  const { nRows, width, points } = rows
  const rowAt = (i: number) => points.slice(i * width, (i + 1) * width)
  const means = [rowAt(Math.floor(rng.next() * nRows))]
  const squares = new Float64Array(nRows).fill(Number.POSITIVE_INFINITY)
  while (means.length < k) {
    let total = 0
    for (let i = 0; i < nRows; i++) {
      squares[i] = Math.min(squares[i], squareTo(rows, i, means[means.length - 1]))
      total += squares[i]
    }
    let left = rng.next() * total
    let i = 0
    while (i < nRows - 1 && left >= squares[i]) left -= squares[i++]
    means.push(rowAt(i))
  }
  return means
}
