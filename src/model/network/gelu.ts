/** The activation gelu, x Φ(x) in its tanh form, by plain arithmetic. Source: Hendrycks and Gimpel 2016. */
import { sigmoidFast } from '../../stats/exp.ts'

/** 2 sqrt(2 / pi). */
const SCALE = 1.5957691216057308

export function gelu(x: number): number {
  return x * gateOf(x)
}

export function geluSlope(x: number): number {
  const g = gateOf(x)
  return g + x * g * (1 - g) * (SCALE * (1 + 0.134145 * x * x))
}

function gateOf(x: number): number {
  return sigmoidFast(SCALE * (x + 0.044715 * x * x * x))
}
