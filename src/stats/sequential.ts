/**
 * Tests that may be looked at after every row. Their promise holds at all times at once, so a canary may stop whenever it likes.
 *
 * States are plain JSON and functions are pure: `next(state, x)` gives the new state in O(1). Rows are taken in the order they arrive;
 * what is promised needs only that each row's mean, given the past, is the mean in question.
 */
import { MillraceError } from '../core/errors.ts'
import { requireRange, requireShare } from './inputs.ts'

// ---------------------------------------------------------------- confidence sequence of a mean

/** A confidence sequence: at level 0.95 the chance that the mean is ever outside `[lower, upper]` is at most 5 %. */
export interface MeanSequence {
  kind: 'MeanSequence'
  level: number
  min: number
  max: number
  n: number
  mean: number
  lower: number
  upper: number
  /** Σλx, Σλ, Σv·ψ(λ) and Σ(x - μ̂)², all of x scaled to [0, 1]; Σx scaled. */
  weighted: number
  weights: number
  penalty: number
  spread: number
  sum: number
}

/** Starts a confidence sequence for the mean of values in `[min, max]`. */
export function openMeanSequence(options: { min: number; max: number; level?: number }): MeanSequence {
  const { min, max, level = 0.95 } = options
  requireShare('level', level)
  requireRange(Number.isFinite(max - min) && max > min, 'max', `finite and above ${min}`, max)
  const start = { weighted: 0, weights: 0, penalty: 0, spread: 0, sum: 0 }
  return {
    kind: 'MeanSequence',
    level,
    min,
    max,
    n: 0,
    mean: (min + max) / 2,
    lower: min,
    upper: max,
    ...start,
  }
}

/**
 * Takes one value. Beyond `[min, max]` it is refused (MR_STATS_RANGE): clip first, and say so, if the tails do not matter.
 *
 * Predictable plug-in empirical Bernstein sequence with running intersection: with x scaled to [0, 1],
 * `Σλx/Σλ ± (ln(2/α) + Σ v·ψ(λ)) / Σλ`, `v_i = 4(x_i - μ̂_{i-1})²`, `ψ(λ) = (-ln(1 - λ) - λ)/4`,
 * `λ_t = min(½, √(2 ln(2/α) / (σ̂²_{t-1}·t·ln(1 + t))))`, `μ̂_t = (½ + Σx)/(t + 1)`, `σ̂²_t = (¼ + Σ(x_i - μ̂_i)²)/(t + 1)`.
 * Should the intersection become empty (the mean moved), the last interval stands.
 * Source: Waudby-Smith and Ramdas, 2024, "Estimating means of bounded random variables by betting", JRSS B 86(1), Theorem 2.
 */
export function nextMean(state: MeanSequence, value: number): MeanSequence {
  const { min, max, level } = state
  requireRange(value >= min && value <= max, 'a value of the sequence', `in [${min}, ${max}]`, value)
  const x = (value - min) / (max - min)
  const n = state.n + 1
  const logTerm = Math.log(2 / (1 - level))
  const meanBefore = (0.5 + state.sum) / n
  const varianceBefore = (0.25 + state.spread) / n
  const lambda = Math.min(0.5, Math.sqrt((2 * logTerm) / (varianceBefore * n * Math.log(1 + n))))
  const weights = state.weights + lambda
  const weighted = state.weighted + lambda * x
  const penalty = state.penalty + (x - meanBefore) ** 2 * (-Math.log1p(-lambda) - lambda)
  const sum = state.sum + x
  const spread = state.spread + (x - (0.5 + sum) / (n + 1)) ** 2
  const centre = weighted / weights
  const half = (logTerm + penalty) / weights
  const scale = (share: number) => min + (max - min) * share
  const lower = Math.max(state.lower, scale(centre - half))
  const upper = Math.min(state.upper, scale(centre + half))
  const bounds = lower <= upper ? { lower, upper } : { lower: state.lower, upper: state.upper }
  return { ...state, ...bounds, n, mean: scale(sum / n), weighted, weights, penalty, spread, sum }
}

// ---------------------------------------------------------------- betting against a bound on the mean

/** Wealth of a bet that the mean is above a bound: an e-process of the hypothesis "at most the bound". */
interface Bet {
  /** ln of the wealth; evidence is `e^log`, and it reaches 1/α under the hypothesis with chance α at most. */
  log: number
  /** Largest `log` so far. */
  logMax: number
}

/** Fraction of the largest safe bet that is risked, so that no single row ruins it. */
const BET_MAX = 0.75

/** Next wealth of a bet on gain `g = x - bound` with `g >= -loss`; `lambda` was fixed before x was seen. */
function nextBet(bet: Bet, gain: number, lambda: number): Bet {
  const log = bet.log + Math.log1p(lambda * gain)
  return { log, logMax: Math.max(bet.logMax, log) }
}

/** Approximate growth-rate adaptive bet (aGRAPA): `μ / (σ² + μ²)` of the past gains, within `[0, BET_MAX / loss]`. */
function betSize(gainMean: number, gainVariance: number, loss: number): number {
  if (gainMean <= 0 || loss <= 0) return 0
  return Math.min(gainMean / (gainVariance + gainMean * gainMean), BET_MAX / loss)
}

// ---------------------------------------------------------------- canary on paired differences

/** `worse`: the candidate loses by more than the tolerance. `no-worse`: it does not. Only these two are promises. */
export type CanaryDecision = 'undecided' | 'worse' | 'no-worse'

/** A canary test: plain JSON. `sequence` shows where the mean difference lies; the bets decide. */
export interface CanaryTest {
  kind: 'CanaryTest'
  alpha: number
  /** Differences count within `[-bound, bound]`. */
  bound: number
  /** Mean difference that is still called no worse, >= 0. */
  tolerance: number
  decision: CanaryDecision
  /** Rows whose difference was cut to the bound. */
  clipped: number
  sequence: MeanSequence
  worse: Bet
  noWorse: Bet
}

/**
 * Starts a canary test on differences of loss, candidate less live, of the same rows (both models score each; see `pairedLogLossDelta`).
 * Either false verdict, at any look, has chance `alpha` at most. The mean in question is that of the differences cut to `±bound`.
 * Defaults: alpha 0.05, bound 1 nat, tolerance 0.005 nats.
 */
export function openCanary(options: { alpha?: number; bound?: number; tolerance?: number } = {}): CanaryTest {
  const { alpha = 0.05, bound = 1, tolerance = 0.005 } = options
  requireShare('alpha', alpha)
  requireRange(bound > 0 && Number.isFinite(bound), 'bound', '> 0', bound)
  requireRange(tolerance >= 0 && tolerance < bound, 'tolerance', 'at least 0 and below the bound', tolerance)
  return {
    kind: 'CanaryTest',
    alpha,
    bound,
    tolerance,
    decision: 'undecided',
    clipped: 0,
    sequence: openMeanSequence({ min: -bound, max: bound, level: 1 - alpha }),
    worse: { log: 0, logMax: 0 },
    noWorse: { log: 0, logMax: 0 },
  }
}

/**
 * Takes one difference; NaN is refused (MR_STATS_NAN), what lies beyond the bound is cut to it and counted. A decision once made stands.
 *
 * Two bets by the wealth process `Π(1 + λ_i g_i)`: against "mean <= tolerance" with g = x - tolerance, and against "mean >= tolerance" with its
 * negative; each decides when its wealth has reached 1/α. λ is aGRAPA of the past rows (prior: one row of variance bound²/4 at the tolerance).
 * Source: Waudby-Smith and Ramdas, 2024, section 4, aGRAPA in appendix B; Ville, 1939.
 */
export function nextCanary(state: CanaryTest, difference: number): CanaryTest {
  if (Number.isNaN(difference)) {
    throw new MillraceError('MR_STATS_NAN', { what: 'differences', index: state.sequence.n, got: difference })
  }
  const { bound, tolerance, sequence } = state
  const x = Math.min(bound, Math.max(-bound, difference))
  const { gainMean, gainVariance } = pastGains(state)
  const up = betSize(gainMean, gainVariance, bound + tolerance)
  const down = betSize(-gainMean, gainVariance, bound - tolerance)
  const worse = nextBet(state.worse, x - tolerance, up)
  const noWorse = nextBet(state.noWorse, tolerance - x, down)
  return {
    ...state,
    worse,
    noWorse,
    clipped: state.clipped + (x === difference ? 0 : 1),
    sequence: nextMean(sequence, x),
    decision: state.decision === 'undecided' ? decide(state.alpha, worse, noWorse) : state.decision,
  }
}

/** Mean and variance of `x - tolerance` over past rows and the prior row; the sums of the sequence are over x scaled to [0, 1]. */
function pastGains(state: CanaryTest): { gainMean: number; gainVariance: number } {
  const { n, sum, spread } = state.sequence
  const width = 2 * state.bound
  const gains = n * (-state.bound - state.tolerance) + width * sum
  return { gainMean: gains / (n + 1), gainVariance: (width * width * (spread + 1 / 16)) / (n + 1) }
}

function decide(alpha: number, worse: Bet, noWorse: Bet): CanaryDecision {
  const need = -Math.log(alpha)
  if (worse.logMax >= need) return 'worse'
  return noWorse.logMax >= need ? 'no-worse' : 'undecided'
}

// ---------------------------------------------------------------- two arms that share no rows

/** Two groups of rows, each with its own confidence sequence at half the error. */
export interface TwoArmTest {
  kind: 'TwoArmTest'
  live: MeanSequence
  canary: MeanSequence
}

/** Starts a comparison of two means of values in `[min, max]` whose rows are not shared: traffic split between live and canary. */
export function openTwoArms(options: { min: number; max: number; level?: number }): TwoArmTest {
  const { min, max, level = 0.95 } = options
  requireShare('level', level)
  const arm = () => openMeanSequence({ min, max, level: (1 + level) / 2 })
  return { kind: 'TwoArmTest', live: arm(), canary: arm() }
}

/** Takes one value of one arm. */
export function nextArm(state: TwoArmTest, arm: 'live' | 'canary', value: number): TwoArmTest {
  return { ...state, [arm]: nextMean(state[arm], value) }
}

/** Where the difference of means, canary less live, lies at all times with the chance `level`. */
export function armDifference(state: TwoArmTest): { mean: number; lower: number; upper: number; n: number } {
  const { live, canary } = state
  return {
    mean: canary.mean - live.mean,
    lower: canary.lower - live.upper,
    upper: canary.upper - live.lower,
    n: live.n + canary.n,
  }
}

// ---------------------------------------------------------------- a rate against its limit

/** Evidence that a rate (errors, timeouts) is above its limit. Plain JSON. */
export interface RateTest {
  kind: 'RateTest'
  alpha: number
  limit: number
  n: number
  hits: number
  evidence: Bet
  /** True from the first time the evidence reached 1/α. */
  above: boolean
}

/** Starts a test of "the rate is at most `limit`", 0 < limit < 1: while that is true it alarms ever with chance `alpha` at most. */
export function openRate(limit: number, alpha = 0.05): RateTest {
  requireShare('limit', limit)
  requireShare('alpha', alpha)
  return { kind: 'RateTest', alpha, limit, n: 0, hits: 0, evidence: { log: 0, logMax: 0 }, above: false }
}

/**
 * Takes one trial. The e-process is the likelihood ratio of the plug-in rate `q = max(limit, (hits + 1)/(n + 1/limit))` of the past against the
 * limit, `q/limit` on a hit and `(1 - q)/(1 - limit)` else: a bet of `(q - limit)/(limit(1 - limit))`, fair at the limit and losing below it.
 * Source: Waudby-Smith and Ramdas, 2024, section 4; a plug-in in the manner of Robbins and Siegmund, 1974.
 */
export function nextRate(state: RateTest, hit: boolean): RateTest {
  const q = Math.max(state.limit, (state.hits + 1) / (state.n + 1 / state.limit))
  const step = hit ? Math.log(q / state.limit) : Math.log((1 - q) / (1 - state.limit))
  const log = state.evidence.log + step
  const evidence = { log, logMax: Math.max(state.evidence.logMax, log) }
  const above = state.above || evidence.logMax >= -Math.log(state.alpha)
  return { ...state, n: state.n + 1, hits: state.hits + (hit ? 1 : 0), evidence, above }
}
