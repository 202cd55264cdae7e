/**
 * Many tests at once, and many looks over time. A monitor of 50 columns at 5 % each alarms in 9 of 10 calm windows; these keep the promise.
 */
import { type Numbers, refuseNotProbability, requireRange, requireShare } from './inputs.ts'
import { ascendingOrder } from './order.ts'

/** Bonferroni-adjusted p: `min(1, k·p)`. Reject where it is <= α: the chance of any false alarm is at most α, whatever the dependence. */
export function bonferroni(pValues: Numbers): number[] {
  refuseNotProbability('p-values', pValues)
  return Array.from(pValues, (p) => Math.min(1, p * pValues.length))
}

/** Holm's step-down adjusted p: as safe as Bonferroni and never weaker. Source: Holm, 1979. Cost: O(k log k). */
export function holm(pValues: Numbers): number[] {
  refuseNotProbability('p-values', pValues)
  const k = pValues.length
  const adjusted = new Array<number>(k)
  let largest = 0
  ascendingOrder(pValues).forEach((row, rank) => {
    largest = Math.max(largest, Math.min(1, (k - rank) * pValues[row]))
    adjusted[row] = largest
  })
  return adjusted
}

/**
 * Benjamini and Hochberg's adjusted p (q-values): reject where it is <= α and at most α of the rejections are expected to be false, for
 * independent or positively dependent tests. Source: Benjamini and Hochberg, 1995. Cost: O(k log k).
 */
export function benjaminiHochberg(pValues: Numbers): number[] {
  refuseNotProbability('p-values', pValues)
  const k = pValues.length
  const adjusted = new Array<number>(k)
  const order = ascendingOrder(pValues)
  let least = 1
  for (let rank = k; rank >= 1; rank--) {
    const row = order[rank - 1]
    least = Math.min(least, (k / rank) * pValues[row])
    adjusted[row] = least
  }
  return adjusted
}

/**
 * Shares of an error budget for looks 1, 2, 3, …: positive, descending, at most 1 in sum. They fall slowly, so that late looks keep power.
 * `C·ln(max(j, 2)) / (j·e^√ln j)`, C = 0.0772. Source: Javanmard and Montanari, 2018, Annals of Statistics 46(2), section 3.
 */
export function spendingShare(look: number): number {
  requireRange(Number.isInteger(look) && look >= 1, 'look', 'a whole number >= 1', look)
  return (0.0772 * Math.log(Math.max(look, 2))) / (look * Math.exp(Math.sqrt(Math.log(look))))
}

/** One answer of a stream of tests. */
export interface StreamAnswer<S> {
  state: S
  /** The level this test was held to. */
  level: number
  rejected: boolean
}

/** Alpha spending: plain JSON, stored between windows. */
export interface SpendingState {
  kind: 'AlphaSpending'
  alpha: number
  looks: number
}

/** A stream whose chance of any false alarm, over all looks ever taken, is at most `alpha`, whatever the dependence. */
export function openSpending(alpha = 0.05): SpendingState {
  requireShare('alpha', alpha)
  return { kind: 'AlphaSpending', alpha, looks: 0 }
}

/** Next look: rejected when `p <= alpha · spendingShare(look)`. Pure. Source: union bound; Lan and DeMets, 1983, for the idea of spending. */
export function nextSpending(state: SpendingState, pValue: number): StreamAnswer<SpendingState> {
  refuseNotProbability('p-values', [pValue])
  const looks = state.looks + 1
  const level = state.alpha * spendingShare(looks)
  return { state: { ...state, looks }, level, rejected: pValue <= level }
}

/** LORD++: plain JSON, stored between windows. */
export interface LordState {
  kind: 'LORD++'
  alpha: number
  /** Wealth at the start, at most alpha. */
  wealth: number
  tests: number
  /** Number of the first rejected test; 0 before. */
  first: number
  /** Numbers of later rejected tests, the newest `REJECTIONS_MAX`; forgetting older ones only lowers the levels. */
  rejections: number[]
}

/** Later rejections that a LORD++ state remembers. */
export const REJECTIONS_MAX = 256

/**
 * A stream of tests whose false discovery rate is at most `alpha` at every time: each true alarm pays for further looks, so unlike
 * spending it does not fall silent. For independent p-values, and in the weaker sense of mFDR for p-values valid given the past.
 */
export function openLord(alpha = 0.05, wealth = alpha / 2): LordState {
  requireShare('alpha', alpha)
  requireRange(wealth > 0 && wealth <= alpha, 'wealth', 'above 0 and at most alpha', wealth)
  return { kind: 'LORD++', alpha, wealth, tests: 0, first: 0, rejections: [] }
}

/**
 * Next test: with γ = `spendingShare`, `α_t = γ_t·w + (α - w)·γ_{t-τ₁} + α·Σ_{j>1} γ_{t-τ_j}` over past rejections τ. Pure.
 * Cost: O(rejections remembered). Source: Ramdas, Yang, Wainwright and Jordan, 2017, "Online control of the false discovery rate with
 * decaying memory", NeurIPS, section 3, where LORD++ is defined.
 */
export function nextLord(state: LordState, pValue: number): StreamAnswer<LordState> {
  refuseNotProbability('p-values', [pValue])
  const t = state.tests + 1
  const level = lordLevel(state, t)
  if (pValue > level) return { state: { ...state, tests: t }, level, rejected: false }
  const rejections = state.first === 0 ? [] : [...state.rejections, t].slice(-REJECTIONS_MAX)
  return { state: { ...state, tests: t, first: state.first || t, rejections }, level, rejected: true }
}

function lordLevel(state: LordState, t: number): number {
  let level = spendingShare(t) * state.wealth
  if (state.first > 0) level += (state.alpha - state.wealth) * spendingShare(t - state.first)
  for (const rejected of state.rejections) level += state.alpha * spendingShare(t - rejected)
  return level
}

/**
 * One window of many tests within a spending stream: the window's share of alpha goes to its tests by Benjamini and Hochberg.
 * While nothing has changed anywhere, the chance of any alarm over all windows is at most `alpha` (positively dependent tests).
 * A window without tests costs nothing. Returns which tests are rejected, and the state for the next window.
 */
export function nextSpendingWindow(
  state: SpendingState,
  pValues: Numbers,
): { state: SpendingState; level: number; rejected: boolean[] } {
  if (pValues.length === 0) return { state, level: 0, rejected: [] }
  const looks = state.looks + 1
  const level = state.alpha * spendingShare(looks)
  return { state: { ...state, looks }, level, rejected: benjaminiHochberg(pValues).map((q) => q <= level) }
}
