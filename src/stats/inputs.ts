/**
 * What every function of this room asks of its inputs, and the shapes they share.
 * Refusals are coded errors that name the argument and the place; nothing is dropped or repaired in silence.
 */
import { MillraceError } from '../core/errors.ts'
import type { Measured } from '../core/records.ts'

/** Any list of numbers: `Float64Array`, `Uint8Array`, `number[]`. Never written to. */
export type Numbers = ArrayLike<number>

/** A value with its two-sided interval and standard error; fits `Measured` of the records. */
export interface Estimate extends Measured {
  interval: [number, number]
  /** Standard error of `value`; 0 when the interval does not come from one. */
  se: number
}

/** Refuses NaN; lets infinities pass, for functions that only rank. */
export function refuseNaN(what: string, values: Numbers): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) throw new MillraceError('MR_STATS_NAN', { what, index: i, got: values[i] })
  }
}

/** Refuses NaN and infinities. */
export function refuseNotFinite(what: string, values: Numbers): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]))
      throw new MillraceError('MR_STATS_NAN', { what, index: i, got: values[i] })
  }
}

/** Refuses what is not a probability: NaN, and anything outside `[0, 1]`. */
export function refuseNotProbability(what: string, values: Numbers): void {
  for (let i = 0; i < values.length; i++) {
    const p = values[i]
    if (p >= 0 && p <= 1) continue
    if (Number.isNaN(p)) throw new MillraceError('MR_STATS_NAN', { what, index: i, got: p })
    throw new MillraceError('MR_STATS_RANGE', { what, need: 'in [0, 1]', got: p })
  }
}

/** Refuses labels other than 0 and 1. */
export function refuseNotLabel(what: string, labels: Numbers): void {
  for (let i = 0; i < labels.length; i++) {
    const y = labels[i]
    if (y === 0 || y === 1) continue
    if (Number.isNaN(y)) throw new MillraceError('MR_STATS_NAN', { what, index: i, got: y })
    throw new MillraceError('MR_STATS_RANGE', { what, need: '0 or 1', got: y })
  }
}

/** Refuses weights that are negative or not finite, and weights that are all zero. */
export function refuseNotWeight(what: string, weights: Numbers): void {
  refuseNotFinite(what, weights)
  let total = 0
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] < 0) throw new MillraceError('MR_STATS_RANGE', { what, need: '>= 0', got: weights[i] })
    total += weights[i]
  }
  if (weights.length > 0 && total === 0)
    throw new MillraceError('MR_STATS_RANGE', { what: `the sum of ${what}`, need: '> 0', got: 0 })
}

export function requireLength(what: string, values: Numbers, need: number): void {
  if (values.length !== need) throw new MillraceError('MR_STATS_LENGTH', { what, need, got: values.length })
}

export function requireRows(what: string, got: number, need = 1): void {
  if (got < need) throw new MillraceError('MR_STATS_EMPTY', { what, need, got })
}

/** `condition` holds for the number `got`, or an MR_STATS_RANGE that says what was needed. */
export function requireRange(condition: boolean, what: string, need: string, got: number): void {
  if (!condition) throw new MillraceError('MR_STATS_RANGE', { what, need, got })
}

/** A confidence level or an error rate: strictly between 0 and 1. */
export function requireShare(what: string, got: number): void {
  requireRange(got > 0 && got < 1, what, 'between 0 and 1, both excluded', got)
}
