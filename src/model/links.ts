/** From raw scores to outputs, and from outputs to calibrated ones. */
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

/** Output of a calibration that maps outputs: linear between its points, flat beyond its ends, NaN for NaN. Cost: O(log points). */
export function calibrate(calibration: Calibration, output: number): number {
  return calibration.kind === 'isotonic' ? interpolate(calibration.x, calibration.y, output) : output
}

function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  if (!(at > x[0])) return Number.isNaN(at) ? at : y[0]
  let low = 0
  let high = x.length - 1
  if (at >= x[high]) return y[high]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (x[middle] <= at) low = middle
    else high = middle
  }
  return y[low] + ((y[high] - y[low]) * (at - x[low])) / (x[high] - x[low])
}
