import type { Numbers } from './inputs.ts'

/** Weighted mean of a value of each of `n` rows, added up in their order; weights are 1 where there are none. NaN without rows. Cost: O(n), no allocation. */
export function meanOfRows(
  n: number,
  weights: Numbers | null | undefined,
  value: (row: number) => number,
): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < n; i++) {
    const w = weights ? weights[i] : 1
    sum += w * value(i)
    total += w
  }
  return sum / total
}
