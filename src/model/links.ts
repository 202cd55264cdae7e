/** From raw scores to outputs, and from outputs to calibrated ones. */
import { calibrate } from './calibrations.ts'
import type { Calibration, Link } from './trees.ts'

/** What a link does to a single raw score; `softmax` of one output is certain of it. */
export const LINKS: Record<Link, (raw: number) => number> = {
  identity: (raw) => raw,
  sigmoid: (raw) => (raw >= 0 ? 1 / (1 + Math.exp(-raw)) : 1 - 1 / (1 + Math.exp(raw))),
  exp: Math.exp,
  softmax: () => 1,
}

/** Unit of raw scores and contributions, in words. */
export const SCALES: Record<Link, string> = {
  identity: 'output',
  sigmoid: 'log-odds',
  exp: 'log',
  softmax: 'log-odds up to a constant',
}

/**
 * Turns raw scores `[n * nOutputs]`, row by row, into outputs in place: link, then calibration. A temperature divides the raw scores.
 * Softmax subtracts the row's largest score first, so that nothing overflows. Cost: O(n * nOutputs).
 */
export function finishRows(
  values: Float64Array,
  n: number,
  nOutputs: number,
  { link, calibration = null }: { link: Link; calibration?: Calibration | null },
): void {
  if (calibration?.kind === 'temperature')
    for (let i = 0; i < n * nOutputs; i++) values[i] /= calibration.temperature
  if (link === 'softmax') for (let i = 0; i < n; i++) softmax(values, i * nOutputs, nOutputs)
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
