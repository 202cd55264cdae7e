/** The best division of some rows by one feature, by Gini impurity: rows go from one side to the other, bin by bin. */
import type { BinnedData, FeatureBins } from '../gbdt/binning.ts'

export interface ClassGround {
  data: BinnedData
  /** Bin of each row, by feature. */
  bins: Uint16Array[]
  /** Class of each row. */
  codes: Int32Array
  /** Weight of each row in the bag; rows without any are not in it. */
  weights: Float64Array
  params: {
    nClasses: number
    leaves: number
    minRowsInLeaf: number
    maxDepth: number
    randomBorders: boolean
    featureShare: number
  }
}

type NumberBins = Extract<FeatureBins, { kind: 'number' }>

export interface Best {
  /** Fall of the impurity, times the weight. */
  gain: number
  /** Numbers: last bin that goes left. Categories: -1. */
  bin: number
  leftBins: Uint8Array | null
  missingLeft: boolean | null
}

export interface Sweep {
  /** `totals` are those of the rows by class. `null` when no division gains. */
  best(rows: Int32Array, totals: Float64Array, feature: number, salt: number): Best | null
}

/** Classes whose shares order the categories of a leaf. */
const ORDERS_MAX = 4
/** Share of the weight that a gain must exceed: less is rounding. */
const GAIN_MIN = 1e-12

/** Rows on either side of a border, and the sums that the impurity follows from. */
interface Sides {
  left: Float64Array
  right: Float64Array
  leftWeight: number
  rightWeight: number
  /** Sums of squares over classes. */
  leftSquares: number
  rightSquares: number
}

export function openSweep({ data, bins, codes, weights, params }: ClassGround): Sweep {
  const { nClasses, minRowsInLeaf, randomBorders } = params
  const ordered = new Int32Array(data.nRows)
  const starts = new Int32Array(
    bins.length === 0 ? 0 : 2 + Math.max(...data.features.map((f) => f.nBins + 1)),
  )
  const sides: Sides = {
    left: new Float64Array(nClasses),
    right: new Float64Array(nClasses),
    leftWeight: 0,
    rightWeight: 0,
    leftSquares: 0,
    rightSquares: 0,
  }

  /** Rows in the order of `rankOf[bin]`, or of their bins. */
  function sort(rows: Int32Array, of: Uint16Array, nRanks: number, rankOf?: Int32Array): void {
    starts.fill(0, 0, nRanks + 1)
    for (const row of rows) starts[(rankOf ? rankOf[of[row]] : of[row]) + 1]++
    for (let r = 0; r < nRanks; r++) starts[r + 1] += starts[r]
    for (const row of rows) ordered[starts[rankOf ? rankOf[of[row]] : of[row]]++] = row
  }

  function begin(totals: Float64Array): void {
    sides.left.fill(0)
    sides.right.set(totals)
    Object.assign(sides, { leftWeight: 0, rightWeight: 0, leftSquares: 0, rightSquares: 0 })
    for (const total of totals) {
      sides.rightWeight += total
      sides.rightSquares += total * total
    }
  }

  function pass(row: number): void {
    const w = weights[row]
    const k = codes[row]
    sides.leftSquares += w * (2 * sides.left[k] + w)
    sides.rightSquares -= w * (2 * sides.right[k] - w)
    sides.left[k] += w
    sides.right[k] -= w
    sides.leftWeight += w
    sides.rightWeight -= w
  }

  /** The border behind `[0, i)` of the order that gains most, or that at `only`; those that went left before are counted in. */
  function scan(
    n: number,
    of: Uint16Array,
    nBefore: number,
    nAll: number,
    only: number,
  ): { gain: number; at: number } {
    const weight = sides.leftWeight + sides.rightWeight
    let all = 0
    for (let k = 0; k < nClasses; k++) all += (sides.left[k] + sides.right[k]) ** 2
    const whole = all / weight
    let gain = GAIN_MIN * weight
    let at = -1
    for (let i = 1; i <= n && nAll - nBefore - i >= minRowsInLeaf; i++) {
      pass(ordered[i - 1])
      if (i < n && of[ordered[i]] === of[ordered[i - 1]]) continue
      if (nBefore + i < minRowsInLeaf || (only >= 0 && i !== only)) continue
      const found = sides.leftSquares / sides.leftWeight + sides.rightSquares / sides.rightWeight - whole
      if (found > gain) {
        gain = found
        at = i
      }
    }
    return { gain, at }
  }

  function ofNumber(rows: Int32Array, totals: Float64Array, feature: number, salt: number): Best | null {
    const of = bins[feature]
    const { nBins } = data.features[feature]
    sort(rows, of, nBins + 1)
    // After sorting, a start is where the next bin begins.
    const n = nBins > 0 ? starts[nBins - 1] : 0
    if (n === 0) return null
    const only = randomBorders ? drawBorder(n, of, data.features[feature] as NumberBins, salt) : -1
    if (randomBorders && only < 0 && n === rows.length) return null
    begin(totals)
    const right = scan(n, of, 0, rows.length, only)
    const asBest = ({ gain, at }: { gain: number; at: number }, missingLeft: boolean | null): Best | null =>
      at < 0 ? null : { gain, bin: of[ordered[at - 1]], leftBins: null, missingLeft }
    if (n === rows.length) return asBest(right, null)
    begin(totals)
    for (let i = n; i < rows.length; i++) pass(ordered[i])
    const left = scan(n, of, rows.length - n, rows.length, only)
    return left.gain > right.gain ? asBest(left, true) : asBest(right, false)
  }

  /** Rows below a border that is drawn evenly from the range of their values; -1 when all have one bin. */
  function drawBorder(n: number, of: Uint16Array, { edges }: NumberBins, salt: number): number {
    const first = of[ordered[0]]
    const last = of[ordered[n - 1]]
    if (first === last) return -1
    const low = Math.max(-Number.MAX_VALUE / 4, edges[first])
    const high = Math.min(Number.MAX_VALUE / 4, edges[last - 1])
    const value = low + (salt / 2 ** 32) * (high - low)
    let bin = first
    while (bin < last - 1 && edges[bin] < value) bin++
    return starts[bin]
  }

  function ofCategory(rows: Int32Array, totals: Float64Array, feature: number): Best | null {
    const of = bins[feature]
    const nBins = data.features[feature].nBins + 1
    let best: Best | null = null
    for (const k of mostFrequent(totals)) {
      const present = orderByShare(rows, of, nBins, k)
      if (present.length < 2) return null
      const rankOf = new Int32Array(nBins)
      present.forEach((bin, rank) => {
        rankOf[bin] = rank
      })
      sort(rows, of, present.length, rankOf)
      begin(totals)
      const { gain, at } = scan(rows.length, of, 0, rows.length, -1)
      if (at < 0 || gain <= (best?.gain ?? 0)) continue
      best = sidesOf(present.slice(0, rankOf[of[ordered[at - 1]]] + 1), present, nBins, gain)
    }
    return best
  }

  /** Bins that occur, by the share of a class in them. */
  function orderByShare(rows: Int32Array, of: Uint16Array, nBins: number, k: number): number[] {
    const all = new Float64Array(nBins)
    const own = new Float64Array(nBins)
    for (const row of rows) {
      all[of[row]] += weights[row]
      if (codes[row] === k) own[of[row]] += weights[row]
    }
    const present = Array.from(all.keys()).filter((bin) => all[bin] > 0)
    return present.sort((a, b) => own[a] / all[a] - own[b] / all[b] || a - b)
  }

  return {
    best: (rows, totals, feature, salt) =>
      data.features[feature].kind === 'category'
        ? ofCategory(rows, totals, feature)
        : ofNumber(rows, totals, feature, salt),
  }
}

function mostFrequent(totals: Float64Array): number[] {
  const present = Array.from(totals.keys()).filter((k) => totals[k] > 0)
  const order = present.sort((a, b) => totals[b] - totals[a] || a - b)
  return order.length === 2 ? order.slice(0, 1) : order.slice(0, ORDERS_MAX)
}

/** Values that a division did not see go right; missing ones follow the larger side when there were none. */
function sidesOf(left: number[], present: number[], nBins: number, gain: number): Best {
  const leftBins = new Uint8Array(nBins)
  for (const bin of left) leftBins[bin] = 1
  const sawMissing = present.includes(nBins - 1)
  return { gain, bin: -1, leftBins, missingLeft: sawMissing ? leftBins[nBins - 1] === 1 : null }
}
