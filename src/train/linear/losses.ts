/** Losses of generalised linear models by raw score: slope, curvature and where the intercept begins. Plain arithmetic, so each machine gives the same bits. */
import type { Link } from '../../model/trees.ts'
import { expFast, sigmoidFast } from '../../stats/exp.ts'
import type { TargetKind } from '../checks.ts'

export interface LinearLoss {
  link: Link
  target: TargetKind
  slope(raw: number, y: number): number
  curvature(raw: number): number
  /** Intercept at which a model without weights is near its best. */
  start(mean: number): number
}

const RAW_MAX = 60

function exp(raw: number): number {
  return expFast(raw > RAW_MAX ? RAW_MAX : raw < -RAW_MAX ? -RAW_MAX : raw)
}

/** `b` with `e^b = x`, by Newton's method. */
function logOf(x: number): number {
  let b = 0
  for (let step = 0; step < 200; step++) {
    const change = x / exp(b) - 1
    b += Math.min(change, 2)
    if (Math.abs(change) < 1e-12) break
  }
  return b
}

export const LINEAR_LOSSES = {
  logloss: {
    link: 'sigmoid',
    target: 'probability',
    slope: (raw, y) => sigmoidFast(raw) - y,
    curvature: (raw) => {
      const p = sigmoidFast(raw)
      return p * (1 - p)
    },
    start: () => 0,
  },
  l2: {
    link: 'identity',
    target: 'number',
    slope: (raw, y) => raw - y,
    curvature: () => 1,
    start: (mean) => mean,
  },
  poisson: {
    link: 'exp',
    target: 'count',
    slope: (raw, y) => exp(raw) - y,
    curvature: exp,
    start: (mean) => (mean > 0 ? logOf(mean) : -RAW_MAX / 2),
  },
} as const satisfies Record<string, LinearLoss>
