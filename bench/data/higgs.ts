/** Made rows that look like the Higgs data: 28 numbers, 21 of them "measured" and 7 derived from those; classes overlap, so that no model can exceed an AUC of about 0.85. */
import { seededRng } from '../../src/core/rng.ts'

export interface Table {
  nRows: number
  columns: Float64Array[]
  target: Float64Array
}

const MEASURED = 21
const N_FEATURES = 28

/**
 * `nRows` rows of `nFeatures` (at most 28) from a seed. Values are rounded to floats, so that tools which hold floats see the same numbers.
 * Cost: about 2 µs a row.
 */
export function higgsRows(nRows: number, seed: number, nFeatures = N_FEATURES): Table {
  const rng = seededRng(seed)
  const columns = Array.from({ length: N_FEATURES }, () => new Float64Array(nRows))
  const target = new Float64Array(nRows)
  const x = new Float64Array(N_FEATURES)
  for (let i = 0; i < nRows; i++) {
    drawRow(x, rng)
    for (let j = 0; j < N_FEATURES; j++) columns[j][i] = Math.fround(x[j])
    target[i] = Number(rng.next() < 1 / (1 + Math.exp(-logOdds(x))))
  }
  return { nRows, columns: columns.slice(N_FEATURES - nFeatures), target }
}

/** Momenta (skewed), angles (uniform), tags (few values), and masses from pairs of them. */
function drawRow(x: Float64Array, rng: ReturnType<typeof seededRng>): void {
  for (let j = 0; j < MEASURED; j++) {
    const kind = j % 4
    if (kind === 0) x[j] = Math.exp(0.5 * rng.normal())
    else if (kind === 1) x[j] = 1.2 * rng.normal()
    else if (kind === 2) x[j] = (rng.next() * 2 - 1) * Math.PI
    else x[j] = rng.next() < 0.5 ? 0 : rng.next() < 0.5 ? 1.1 : 2.2
  }
  for (let j = MEASURED; j < N_FEATURES; j++) {
    const a = (j * 5) % MEASURED
    const b = (j * 7 + 3) % MEASURED
    x[j] = Math.sqrt(x[a] * x[a] + x[b] * x[b] + 0.5 * Math.abs(x[a] * x[b])) * (1 + 0.1 * rng.normal())
  }
}

function logOdds(x: Float64Array): number {
  const masses =
    0.9 * Math.sin(2 * x[21]) +
    0.8 * (x[22] - 1.4) -
    0.6 * (x[23] - 1.5) * x[1] +
    0.7 * Math.cos(x[24] * x[2])
  const measured =
    0.5 * x[5] * Math.sign(x[9]) + 0.4 * Math.log(x[0] * x[4]) + (x[3] > 0 ? 0.4 : -0.4) * x[13]
  return 0.9 * (masses + measured) - 0.3
}
