/** The pass over all rows that each step makes: adds the last step to the scores and sums gradients by the next table's cells. */
import { expFast, sigmoidFast } from '../../stats/exp.ts'
import { log1pFast, logFast } from '../../stats/log.ts'
import type { EbmParams } from './params.ts'

/** Rows of a bag. All rows are kept; those that a bag stops by weigh 0 in its sums. */
export interface BagRows {
  nRows: number
  nOutputs: number
  target: Float64Array
  /** Weight in training; 0 for rows that the bag stops by. */
  weights: Float64Array
  /** Weight in stopping. */
  validWeights: Float64Array
  /** `[nRows * nOutputs]` */
  score: Float64Array
}

/**
 * `score += delta[cells]`, then `sums[next] += (gradient, hessian)` at the new scores. `delta`: `[cells * nOutputs]`; `sums`: `[cells * nOutputs * 2]`, cleared first.
 */
export type Pass = (
  rows: BagRows,
  delta: Float64Array,
  cells: Uint16Array,
  next: Uint16Array,
  sums: Float64Array,
) => void

const passLogLoss: Pass = ({ nRows, target, weights, score }, delta, cells, next, sums) => {
  sums.fill(0)
  for (let i = 0; i < nRows; i++) {
    const s = score[i] + delta[cells[i]]
    score[i] = s
    const p = 1 / (1 + expFast(s < -60 ? 60 : s > 60 ? -60 : -s))
    const w = weights[i]
    const at = next[i] << 1
    sums[at] += w * (p - target[i])
    sums[at + 1] += w * p * (1 - p)
  }
}

const passSquares: Pass = ({ nRows, target, weights, score }, delta, cells, next, sums) => {
  sums.fill(0)
  for (let i = 0; i < nRows; i++) {
    const s = score[i] + delta[cells[i]]
    score[i] = s
    const at = next[i] << 1
    sums[at] += weights[i] * (s - target[i])
    sums[at + 1] += weights[i]
  }
}

const passClasses: Pass = ({ nRows, nOutputs, target, weights, score }, delta, cells, next, sums) => {
  sums.fill(0)
  const p = new Float64Array(nOutputs)
  for (let i = 0; i < nRows; i++) {
    const from = cells[i] * nOutputs
    for (let k = 0; k < nOutputs; k++) score[i * nOutputs + k] += delta[from + k]
    chances(score, i * nOutputs, p)
    const at = next[i] * nOutputs * 2
    for (let k = 0; k < nOutputs; k++) {
      sums[at + 2 * k] += weights[i] * (p[k] - (target[i] === k ? 1 : 0))
      sums[at + 2 * k + 1] += weights[i] * p[k] * (1 - p[k])
    }
  }
}

/** Softmax of one row; gives the largest score and the sum of the exponentials around it. */
function chances(score: Float64Array, at: number, out: Float64Array): [top: number, total: number] {
  let top = Number.NEGATIVE_INFINITY
  for (let k = 0; k < out.length; k++) top = Math.max(top, score[at + k])
  let total = 0
  for (let k = 0; k < out.length; k++) {
    out[k] = expFast(Math.max(-60, score[at + k] - top))
    total += out[k]
  }
  for (let k = 0; k < out.length; k++) out[k] /= total
  return [top, total]
}

interface EbmLoss {
  link: 'sigmoid' | 'identity' | 'softmax'
  pass: Pass
  /** Raw scores of the best constant. */
  start(target: Float64Array, weights: Float64Array, nOutputs: number): Float64Array
  /** Loss of one row. */
  rowLoss(rows: BagRows, i: number): number
}

function weightedMean(values: (i: number) => number, weights: Float64Array): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i] * values(i)
    total += weights[i]
  }
  return sum / total
}

export const EBM_LOSSES: Record<EbmParams['loss'], EbmLoss> = {
  logloss: {
    link: 'sigmoid',
    pass: passLogLoss,
    start: (target, weights) => {
      const rate = weightedMean((i) => target[i], weights)
      return Float64Array.of(logFast(rate / (1 - rate)))
    },
    rowLoss: ({ score, target }, i) => {
      const s = score[i]
      return Math.max(s, 0) - s * target[i] + log1pFast(1 / sigmoidFast(Math.abs(s)) - 1)
    },
  },
  l2: {
    link: 'identity',
    pass: passSquares,
    start: (target, weights) =>
      Float64Array.of(target[0] + weightedMean((i) => target[i] - target[0], weights)),
    rowLoss: ({ score, target }, i) => (score[i] - target[i]) * (score[i] - target[i]),
  },
  softmax: {
    link: 'softmax',
    pass: passClasses,
    start: (target, weights, nOutputs) =>
      Float64Array.from({ length: nOutputs }, (_, k) => {
        const share = weightedMean((i) => (target[i] === k ? 1 : 0), weights)
        return logFast(Math.max(share, 1e-6))
      }),
    rowLoss: ({ score, target, nOutputs }, i) => {
      const [top, total] = chances(score, i * nOutputs, new Float64Array(nOutputs))
      return top + logFast(total) - score[i * nOutputs + target[i]]
    },
  },
}

/** Mean loss of the rows that a bag stops by. */
export function stoppingLoss(rows: BagRows, { rowLoss }: EbmLoss): number {
  let sum = 0
  let total = 0
  for (let i = 0; i < rows.nRows; i++) {
    const w = rows.validWeights[i]
    if (w === 0) continue
    sum += w * rowLoss(rows, i)
    total += w
  }
  return sum / total
}
