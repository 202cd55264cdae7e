import type { GbdtParams } from './params.ts'

/** What the value of a leaf is held to. */
export interface LeafLimits {
  /** Value of the leaf that is divided: with path smoothing its sides are drawn to it. */
  value: number
  /** The sides' values must be within `[low, high]`, so that a feature's order holds everywhere. */
  low: number
  high: number
}

type ValueParams = Pick<GbdtParams, 'l1' | 'l2' | 'maxDeltaStep' | 'pathSmooth'>

/** Whether a leaf's gain follows from its sums alone. */
export function isPlain({ low, high }: LeafLimits, { l1, maxDeltaStep, pathSmooth }: ValueParams): boolean {
  return (
    l1 === 0 &&
    maxDeltaStep === 0 &&
    pathSmooth === 0 &&
    low === Number.NEGATIVE_INFINITY &&
    high === Number.POSITIVE_INFINITY
  )
}

/** Twice the loss that the best value of a leaf saves, where nothing holds it: G^2 / (H + l2). */
export function plainGain(grad: number, hess: number, l2: number): number {
  return (grad * grad) / (hess + l2)
}

/** Twice the loss that a value saves: -(2 G w + (H + l2) w^2), G drawn to 0 by `l1`. */
export function gainAt(grad: number, hess: number, value: number, { l1 }: ValueParams, l2: number): number {
  return -(2 * pulled(grad, l1) * value + (hess + l2) * value * value)
}

/**
 * Newton step of a leaf, -G / (H + l2) with G drawn to 0 by `l1`, at most `maxDeltaStep` either way (0: any), then smoothed towards the value of the leaf
 * it came from as `pathSmooth` rows would, and at last held within its bounds. A leaf without hessian stays at 0.
 * Source: LightGBM's parameters `lambda_l1`, `max_delta_step`, `path_smooth` and `monotone_constraints`.
 */
export function leafValue(
  grad: number,
  hess: number,
  rows: number,
  limits: LeafLimits,
  params: ValueParams,
  l2 = params.l2,
): number {
  const { maxDeltaStep } = params
  let value = hess + l2 > 0 ? -pulled(grad, params.l1) / (hess + l2) : 0
  if (maxDeltaStep > 0) value = Math.max(-maxDeltaStep, Math.min(maxDeltaStep, value))
  return settleValue(value, rows, limits, params)
}

/** Smooths a value towards that of the leaf above, and holds it within its bounds. */
export function settleValue(
  value: number,
  rows: number,
  { value: above, low, high }: LeafLimits,
  { pathSmooth }: Pick<ValueParams, 'pathSmooth'>,
): number {
  const smooth = pathSmooth > 0 ? (value * rows + above * pathSmooth) / (rows + pathSmooth) : value
  return Math.max(low, Math.min(high, smooth))
}

function pulled(grad: number, l1: number): number {
  return l1 === 0 ? grad : Math.sign(grad) * Math.max(0, Math.abs(grad) - l1)
}
