import type { Numbers } from './inputs.ts'
import { sortNumbers } from './radix-sort.ts'

/** Row indexes by ascending value; equal values in row order. `-0` and `0` are equal. Cost: O(n log n). */
export function ascendingOrder(values: Numbers): Uint32Array {
  const order = new Uint32Array(values.length)
  for (let i = 0; i < order.length; i++) order[i] = i
  return order.sort((a, b) => compareNumbers(values[a], values[b]) || a - b)
}

/** An ascending copy, NaN last. Cost: O(n). */
export function sortedCopy(values: Numbers): Float64Array {
  return sortNumbers(Float64Array.from(values))
}

/**
 * The value at place `k` (from 0) of the ascending order of `values`, which are moved about: none before it is greater then, none after it less. No NaN. Cost: O(n) on average. Source: Hoare 1961, with the median of three as the pivot.
 */
export function selectInPlace(values: Float64Array, k: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const pivot = middleOf(values[low], values[(low + high) >>> 1], values[high])
    let i = low
    let j = high
    while (i <= j) {
      while (values[i] < pivot) i++
      while (values[j] > pivot) j--
      if (i > j) break
      const moved = values[i]
      values[i++] = values[j]
      values[j--] = moved
    }
    if (k <= j) high = j
    else if (k >= i) low = i
    else return values[k]
  }
  return values[k]
}

function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}

/** End (exclusive) of the run of values equal to the one at `start` of an ascending list. */
export function runEnd(sorted: Numbers, start: number): number {
  let end = start + 1
  while (end < sorted.length && sorted[end] === sorted[start]) end++
  return end
}

/** First index whose value is greater than `x` in an ascending list. */
export function upperBound(sorted: Numbers, x: number, start = 0, end = sorted.length): number {
  let low = start
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle] <= x) low = middle + 1
    else high = middle
  }
  return low
}

/** First index whose value is not below `x` in an ascending list. */
export function lowerBound(sorted: Numbers, x: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle] < x) low = middle + 1
    else high = middle
  }
  return low
}

/** Ascending by value; unlike a difference it holds for infinities too. */
export function compareNumbers(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0
}
