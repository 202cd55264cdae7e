/** The learning step of factorisation machines over rows that are hashed already. */

import { mix32 } from '../../core/rng.ts'
import { sigmoidFast } from '../../stats/exp.ts'

export interface FactorRates {
  /** Length of the vectors. */
  factors: number
  /** Step; each number has one of its own, which shrinks by its summed squared gradients (AdaGrad). */
  learningRate: number
  /** Penalty `l2 / 2 * w^2` on each weight, each time a row has it. */
  l2: number
  /** The same on each number of a vector. */
  l2Vectors: number
}

export interface FactorState {
  rates: FactorRates
  link: 'identity' | 'sigmoid'
  /** `[1 + slots * (1 + factors)]`: the bias, then of each slot its weight and its vector. */
  params: Float64Array
  /** Summed squared gradients of each, from 1. */
  squares: Float64Array
  /** Whether a slot was met. */
  met: Uint8Array
}

/** Vectors begin small and by chance, each number a hash of its place and the seed: it does not matter which is met first. */
export function openFactors(
  nSlots: number,
  rates: FactorRates,
  link: FactorState['link'],
  seed: number,
): FactorState {
  const { factors } = rates
  const params = new Float64Array(1 + nSlots * (1 + factors))
  const spread = 0.1 / Math.sqrt(factors)
  for (let slot = 0; slot < nSlots; slot++)
    for (let f = 0; f < factors; f++) {
      const at = 1 + slot * (1 + factors) + 1 + f
      params[at] = spread * ((2 * mix32(at ^ mix32(seed))) / 2 ** 32 - 1)
    }
  return {
    rates,
    link,
    params,
    squares: new Float64Array(params.length).fill(1),
    met: new Uint8Array(nSlots),
  }
}

/** Rows by slots: `width` of them each, one row after another. */
export interface FactorRows {
  width: number
  slots: Int32Array
  values: Float64Array
  target: Float64Array
  weights?: Float64Array
}

/**
 * Learns from rows one by one in the order given.
 *
 * Cost: O(width * factors) a row. Source: Rendle 2010, equations 1 and 5 (the sum over pairs in linear time) and 4 (gradients); Duchi, Hazan and Singer 2011 for the
 * steps. Convention: squares begin at 1, as libFFM's; the penalty is added to the gradient before the step.
 */
export function learnFactors(state: FactorState, rows: FactorRows, order: Int32Array): void {
  const { params, squares, met, link } = state
  const { factors, learningRate, l2, l2Vectors } = state.rates
  const { width, slots, values, target, weights } = rows
  const sums = new Float64Array(factors)
  const step = (at: number, slope: number, penalty: number) => {
    const g = slope + penalty * params[at]
    squares[at] += g * g
    params[at] -= (learningRate * g) / Math.sqrt(squares[at])
  }
  for (const row of order) {
    const raw = rawOf(state, rows, row, sums)
    const slope =
      ((link === 'identity' ? raw : sigmoidFast(raw)) - target[row]) * (weights ? weights[row] : 1)
    step(0, slope, 0)
    for (let i = row * width; i < (row + 1) * width; i++) {
      const at = 1 + slots[i] * (1 + factors)
      met[slots[i]] = 1
      step(at, slope * values[i], l2)
      for (let f = 0; f < factors; f++) {
        const v = at + 1 + f
        step(v, slope * values[i] * (sums[f] - params[v] * values[i]), l2Vectors)
      }
    }
  }
}

/** Raw score of a row; `sums` gets the sum of its vectors times values. */
export function rawOf(
  { params, rates: { factors } }: FactorState,
  { width, slots, values }: FactorRows,
  row: number,
  sums: Float64Array,
): number {
  sums.fill(0)
  let raw = params[0]
  let squares = 0
  for (let i = row * width; i < (row + 1) * width; i++) {
    const at = 1 + slots[i] * (1 + factors)
    raw += params[at] * values[i]
    for (let f = 0; f < factors; f++) {
      const term = params[at + 1 + f] * values[i]
      sums[f] += term
      squares += term * term
    }
  }
  let products = 0
  for (let f = 0; f < factors; f++) products += sums[f] * sums[f]
  return raw + (products - squares) / 2
}
