/** From raw scores to outputs, and from outputs to calibrated ones. */
import { calibrate } from './calibrations.ts'
import type { Calibration, Link } from './trees.ts'

/** What a link does to a single raw score; `softmax` and `shares` of one output are certain of it. */
export const LINKS: Record<Link, (raw: number) => number> = {
  identity: (raw) => raw,
  sigmoid: (raw) => (raw >= 0 ? 1 / (1 + Math.exp(-raw)) : 1 - 1 / (1 + Math.exp(raw))),
  exp: Math.exp,
  softmax: () => 1,
  shares: () => 1,
}

/** Unit of raw scores and contributions, in words. */
export const SCALES: Record<Link, string> = {
  identity: 'output',
  sigmoid: 'log-odds',
  exp: 'log',
  softmax: 'log-odds up to a constant',
  shares: 'share of votes',
}

/** Links that look at all outputs of a row. */
const ROW_LINKS: Partial<Record<Link, (values: Float64Array, at: number, nOutputs: number) => void>> = {
  softmax,
  shares,
}

/**
 * Turns raw scores `[n * nOutputs]`, row by row, into outputs in place: link, then calibration. A temperature divides the raw scores, a vector moves those of each output.
 * Softmax subtracts the row's largest score first, so that nothing overflows. Shares divide what is above 0 by its sum; without any, all outputs are the same. Cost: O(n * nOutputs).
 */
export function finishRows(
  values: Float64Array,
  n: number,
  nOutputs: number,
  { link, calibration = null }: { link: Link; calibration?: Calibration | null },
): void {
  if (calibration?.kind === 'temperature')
    for (let i = 0; i < n * nOutputs; i++) values[i] /= calibration.temperature
  if (calibration?.kind === 'vector') {
    const { slopes, intercepts } = calibration
    for (let i = 0; i < n * nOutputs; i++)
      values[i] = slopes[i % nOutputs] * values[i] + intercepts[i % nOutputs]
  }
  const ofRow = ROW_LINKS[link]
  if (ofRow) for (let i = 0; i < n; i++) ofRow(values, i * nOutputs, nOutputs)
  else {
    const linked = LINKS[link]
    for (let i = 0; i < n * nOutputs; i++) values[i] = linked(values[i])
  }
  if (calibration) for (let i = 0; i < n * nOutputs; i++) values[i] = calibrate(calibration, values[i])
}

function softmax(values: Float64Array, at: number, nOutputs: number): void {
  let max = Number.NEGATIVE_INFINITY
  for (let k = 0; k < nOutputs; k++) max = Math.max(max, values[at + k])
  let sum = 0
  for (let k = 0; k < nOutputs; k++) {
    values[at + k] = Math.exp(values[at + k] - max)
    sum += values[at + k]
  }
  for (let k = 0; k < nOutputs; k++) values[at + k] /= sum
}

function shares(values: Float64Array, at: number, nOutputs: number): void {
  let sum = 0
  for (let k = 0; k < nOutputs; k++) {
    if (!(values[at + k] > 0)) values[at + k] = 0
    sum += values[at + k]
  }
  for (let k = 0; k < nOutputs; k++) values[at + k] = sum > 0 ? values[at + k] / sum : 1 / nOutputs
}
