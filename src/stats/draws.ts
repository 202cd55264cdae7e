/** Random draws from a generator that is passed in. All are exact samplers except where they say otherwise. */
import type { Rng } from '../core/clock.ts'
import { requireRange } from './inputs.ts'
import { logFast } from './log.ts'
import { logGamma } from './special.ts'

/** One standard normal, by Marsaglia's polar method. Cost: 1.27 pairs of draws on average. */
export function drawNormal(rng: Rng): number {
  for (;;) {
    const u = 2 * rng.next() - 1
    const v = 2 * rng.next() - 1
    const s = u * u + v * v
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s)
  }
}

/** One standard normal of the same bits on every machine, by Marsaglia's polar method. */
export function steadyNormal(rng: Rng): number {
  for (;;) {
    const u = 2 * rng.next() - 1
    const v = 2 * rng.next() - 1
    const s = u * u + v * v
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * logFast(s)) / s)
  }
}

/**
 * Hits in `n` trials of chance `p`. Cost: O(np) below np = 10, else O(1).
 * Method: inversion; Hörmann's transformed rejection BTRS (1993) for large np.
 */
export function drawBinomial(rng: Rng, n: number, p: number): number {
  requireRange(Number.isInteger(n) && n >= 0, 'the number of trials', 'a whole number >= 0', n)
  requireRange(p >= 0 && p <= 1, 'a probability', 'in [0, 1]', p)
  if (p > 0.5) return n - drawFewer(rng, n, 1 - p)
  return drawFewer(rng, n, p)
}

/** p <= 0.5. */
function drawFewer(rng: Rng, n: number, p: number): number {
  if (n === 0 || p === 0) return 0
  return n * p < 10 ? drawByInversion(rng, n, p) : drawByRejection(rng, n, p)
}

function drawByInversion(rng: Rng, n: number, p: number): number {
  const odds = p / (1 - p)
  let u = rng.next()
  let chance = Math.exp(n * Math.log1p(-p))
  for (let k = 0; k < n; k++) {
    if (u < chance) return k
    u -= chance
    chance *= (odds * (n - k)) / (k + 1)
    if (chance === 0) return k
  }
  return n
}

function drawByRejection(rng: Rng, n: number, p: number): number {
  const spread = Math.sqrt(n * p * (1 - p))
  const b = 1.15 + 2.53 * spread
  const a = -0.0873 + 0.0248 * b + 0.01 * p
  const c = n * p + 0.5
  const vr = 0.92 - 4.2 / b
  const alpha = (2.83 + 5.1 / b) * spread
  const mode = Math.floor((n + 1) * p)
  const logOdds = Math.log(p / (1 - p))
  const h = logGamma(mode + 1) + logGamma(n - mode + 1)
  for (;;) {
    const u = rng.next() - 0.5
    const v = rng.next()
    const us = 0.5 - Math.abs(u)
    const k = Math.floor(((2 * a) / us + b) * u + c)
    if (us >= 0.07 && v <= vr) return k
    if (k < 0 || k > n) continue
    const bound = Math.log((v * alpha) / (a / (us * us) + b))
    if (bound <= h - logGamma(k + 1) - logGamma(n - k + 1) + (k - mode) * logOdds) return k
  }
}

/**
 * Counts of `n` draws that fall in cells with chances in proportion to `weights`, written to `into`.
 * Method: one binomial a cell, given what is left. Cost: one binomial draw per cell of positive weight.
 */
export function drawMultinomial(rng: Rng, n: number, weights: Float64Array, into: Float64Array): void {
  let left = n
  let weightLeft = 0
  let last = -1
  for (let i = 0; i < weights.length; i++) {
    weightLeft += weights[i]
    if (weights[i] > 0) last = i
  }
  for (let i = 0; i < weights.length; i++) {
    const share = i === last ? 1 : Math.min(1, weights[i] / weightLeft)
    into[i] = left === 0 || weights[i] === 0 ? 0 : drawBinomial(rng, left, share)
    left -= into[i]
    weightLeft -= weights[i]
  }
}
