/** Rows of a matrix as points: numbers by their deviation over the training rows, categories as codes. */
import type { MatrixHeader, MatrixSlice } from '../../model/matrix.ts'
import type { LabelledPoints } from '../../stats/knn-shapley.ts'
import { takePoints } from '../../stats/near-rows.ts'

interface Scale {
  mean: number
  deviation: number
}

/** Deviations from the mean beyond which a number is no farther: one wild value must not outweigh all features. */
const FARTHEST = 1e6

/** Makes points of slices with the scales of one of them. A missing number lies at the mean; a missing category is a value. */
export function pointsBy(
  features: MatrixHeader['features'],
  train: MatrixSlice,
): (slice: MatrixSlice) => LabelledPoints {
  const columns = [...features.keys()].sort(
    (a, b) => Number(isCategory(features[a])) - Number(isCategory(features[b])) || a - b,
  )
  const nNumbers = features.filter((feature) => !isCategory(feature)).length
  const scales = columns.slice(0, nNumbers).map((j) => scaleOf(train.columns[j]))
  return ({ nRows, columns: values, target }) => {
    const width = columns.length
    const points = new Float64Array(nRows * width)
    columns.forEach((j, c) => {
      const place = c < nNumbers ? placer(scales[c]) : (x: number) => (Number.isNaN(x) ? -1 : x)
      for (let i = 0; i < nRows; i++) points[i * width + c] = place(values[j][i])
    })
    return { nRows, width, nNumbers, points, labels: target }
  }
}

function isCategory({ type }: { type: string }): boolean {
  return type === 'category'
}

function placer({ mean, deviation }: Scale): (x: number) => number {
  return (x) => (Number.isNaN(x) ? 0 : Math.max(-FARTHEST, Math.min(FARTHEST, (x - mean) / deviation)))
}

/** Of the finite values; a feature that does not vary is divided by 1. */
function scaleOf(values: Float64Array): Scale {
  let n = 0
  let mean = 0
  let squares = 0
  for (const x of values) {
    if (!Number.isFinite(x)) continue
    const delta = x - mean
    mean += delta / ++n
    squares += delta * (x - mean)
  }
  const deviation = n > 0 ? Math.sqrt(squares / n) : 0
  return { mean, deviation: deviation > 1e-12 * Math.abs(mean) ? deviation : 1 }
}

/** At most `most` rows, spread evenly. */
export function spreadPoints(
  rows: LabelledPoints,
  most: number,
): { rows: LabelledPoints; picked: Int32Array } {
  const n = Math.min(rows.nRows, most)
  const picked = Int32Array.from({ length: n }, (_, i) => Math.floor((i * rows.nRows) / n))
  const labels = Float64Array.from(picked, (i) => rows.labels[i])
  return { rows: { ...takePoints(rows, picked), labels }, picked }
}
