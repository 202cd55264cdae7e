/** A group of rows and the rest, told apart along the line between their means. */
import { logFast } from './log.ts'
import { type DenseRows, dot } from './whitening.ts'

interface Means {
  inside: Float64Array
  outside: Float64Array
  nInside: number
}

/** Means of the rows that are marked and of the others; undefined where one side is empty. */
export function meansOf({ nRows, width, points }: DenseRows, group: Uint8Array): Means | undefined {
  const sums = [new Float64Array(width), new Float64Array(width)]
  let nInside = 0
  for (let i = 0; i < nRows; i++) {
    nInside += group[i]
    const sum = sums[group[i]]
    const at = i * width
    for (let c = 0; c < width; c++) sum[c] += points[at + c]
  }
  if (nInside === 0 || nInside === nRows) return undefined
  const [outside, inside] = sums
  for (let c = 0; c < width; c++) {
    inside[c] /= nInside
    outside[c] /= nRows - nInside
  }
  return { inside, outside, nInside }
}

/** Where each row lies along a line. */
function alongLine({ nRows, width, points }: DenseRows, line: Float64Array): Float64Array {
  const along = new Float64Array(nRows)
  for (let i = 0, at = 0; i < nRows; i++) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += line[c] * points[at++]
    along[i] = sum
  }
  return along
}

/** Log-odds of each row to be of the marked group, as of two bell curves of one width along the line between their means; whitened rows as they were divided. */
export function groupOdds(rows: DenseRows, whole: DenseRows, group: Uint8Array): Float64Array {
  const means = meansOf(whole, group)
  if (!means) return new Float64Array(rows.nRows)
  const { inside, outside, nInside } = means
  const line = inside.map((x, c) => x - outside[c])
  const square = dot(line, line)
  const share = nInside / whole.nRows
  // Along the line the variance is 1; what is not between the groups is within.
  const within = Math.max(1e-3, 1 - share * (1 - share) * square)
  const middle = inside.map((x, c) => (x + outside[c]) / 2)
  const limit = dot(line, middle)
  const prior = logFast(share / (1 - share))
  return alongLine(rows, line).map((x) => (x - limit) / within + prior)
}
