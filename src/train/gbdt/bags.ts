import { mix32 } from '../../core/rng.ts'
import { expFast } from '../../stats/exp.ts'
import type { GbdtParams } from './params.ts'
import { NO_LEAF } from './sizes.ts'

/** How rows are drawn for a tree. */
export interface Bag {
  /** Chance of a row to be drawn at least once. */
  share: number
  /** Chances to be drawn at least 1, 2, … times; `null` without replacement. */
  chances: Float64Array | null
}

/** Draws beyond these have a chance below 1e-9. */
const DRAWS_MAX = 12

/** The bag that parameters ask for: with replacement counts are Poisson, as those of a bootstrap are when there are many rows (Oza and Russell, 2001). */
export function bagOf({ bagging, replacement }: Pick<GbdtParams, 'bagging' | 'replacement'>): Bag {
  if (!replacement) return { share: bagging, chances: null }
  const chances = new Float64Array(DRAWS_MAX)
  let term = expFast(-bagging)
  let above = 1 - term
  for (let k = 0; k < DRAWS_MAX; k++) {
    chances[k] = above
    term *= bagging / (k + 1)
    above -= term
  }
  return { share: chances[0], chances }
}

/** Times that a row is drawn, by the hash that also decides whether it is drawn at all (`drawRows`). */
function drawsOf(row: number, chances: Float64Array, salt: number): number {
  const hash = mix32(Math.imul(row + 1, 0x85ebca6b) ^ ~salt)
  let n = 0
  while (n < chances.length && hash < chances[n] * 2 ** 32) n++
  return n
}

/** Weights of a bag: those of the rows, times how often each is drawn. */
export function weighBag(
  to: Float64Array,
  weights: Float64Array | null,
  chances: Float64Array,
  salt: number,
): void {
  for (let row = 0; row < to.length; row++)
    to[row] = (weights ? weights[row] : 1) * drawsOf(row, chances, salt)
}

/** What trees say of rows that they were not grown on. */
export interface OutOfBag {
  sum: Float64Array
  trees: Int32Array
}

export function openOutOfBag(nRows: number): OutOfBag {
  return { sum: new Float64Array(nRows), trees: new Int32Array(nRows) }
}

/** Rows that a tree was not grown on, before their leaves are sought. */
export function rowsOutside(leafOf: Uint16Array): Int32Array {
  const rows = new Int32Array(leafOf.length)
  let n = 0
  for (let row = 0; row < leafOf.length; row++) if (leafOf[row] === NO_LEAF) rows[n++] = row
  return rows.subarray(0, n)
}

export function addOutside(
  { sum, trees }: OutOfBag,
  rows: Int32Array,
  leafOf: Uint16Array,
  values: Float64Array,
): void {
  for (const row of rows) {
    sum[row] += values[leafOf[row]]
    trees[row]++
  }
}
