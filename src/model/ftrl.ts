/**
 * A linear model over hashed features as FTRL-proximal learns it: what it has accumulated is kept, so that it can be served, stored and learned on from the same bytes.
 *
 * The weight of a slot follows from its accumulators: 0 where `|z| <= l1`, else `(sign(z) l1 - z) / ((beta + root) / alpha + l2)`. The intercept has neither penalty.
 */
import type { HashedSpace } from './hashing.ts'

export interface FtrlRates {
  /** Step of a slot at first; falls as 1 / (beta + root of its summed squared gradients). */
  alpha: number
  beta: number
  l1: number
  l2: number
}

export interface FtrlModel {
  kind: 'FtrlModel'
  /** Features of a row before hashing. */
  nFeatures: number
  nOutputs: 1
  link: 'identity' | 'sigmoid'
  space: HashedSpace
  rates: FtrlRates
  /** The raw score is `offset + scale * (sum of weight * value)`. */
  offset: number
  scale: number
  /** Rows learned from. */
  rows: number
  /** Slots that were ever met, ascending; `2^bits` is the intercept. */
  slots: Uint32Array
  /** Summed gradients less what the weights already answer for. */
  z: Float64Array
  /** Root of the summed squared gradients, positive. */
  roots: Float64Array
}

/** Weight of a slot. */
export function ftrlWeight({ alpha, beta, l1, l2 }: FtrlRates, z: number, root: number): number {
  return (Math.max(-l1, Math.min(l1, z)) - z) / (root * (1 / alpha) + (beta * (1 / alpha) + l2))
}

/** All weights by slot, the intercept last: `[2^bits + 1]`. */
export function ftrlWeights({ space, rates, slots, z, roots }: FtrlModel): Float64Array {
  const intercept = 2 ** space.bits
  const weights = new Float64Array(intercept + 1)
  const free = { ...rates, l1: 0, l2: 0 }
  for (let k = 0; k < slots.length; k++)
    weights[slots[k]] = ftrlWeight(slots[k] === intercept ? free : rates, z[k], roots[k])
  return weights
}
