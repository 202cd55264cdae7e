/** One step of boosting on one table: from sums of gradients by slot to what is added to the slots. */
import type { SlottedAxis } from './slots.ts'

/** Added to sums of hessians, so that no step is without bound. */
const RIDGE = 1e-3
/** The same where categories are ordered by their slopes: rare ones stay near the middle. */
const CATEGORY_RIDGE = 10

export interface StepRules {
  learningRate: number
  leaves: number
  minRowsInLeaf: number
}

/**
 * Adds one tree to `delta` `[nSlots]`. `sums`: gradient and hessian by slot, in pairs; `counts`: rows by slot. Numbers are cut in their order, categories in that of
 * their slopes; the missing slot of numbers is a leaf of its own. `direction` 1 or -1 keeps the values rising or falling.
 */
export function stepOnAxis(
  { nSlots, ordered }: Pick<SlottedAxis, 'nSlots' | 'ordered'>,
  sums: Float64Array,
  counts: Float64Array,
  rules: StepRules,
  direction: number,
  delta: Float64Array,
): number {
  const nValues = ordered ? nSlots - 1 : nSlots
  const order = ordered ? null : bySlope(sums, counts, nSlots)
  const leaves = cutLine(order, nValues, sums, counts, rules)
  if (direction !== 0) keepDirection(leaves, direction)
  let gain = 0
  for (const { from, to, g, h } of leaves) {
    const value = (-rules.learningRate * g) / (h + RIDGE)
    gain += (g * g) / (h + RIDGE)
    for (let i = from; i < to; i++) delta[order ? order[i] : i] = value
  }
  if (!ordered) return gain
  const last = nSlots - 1
  const h = sums[2 * last + 1]
  if (counts[last] < rules.minRowsInLeaf) {
    delta[last] = 0
    return gain
  }
  const g = sums[2 * last]
  delta[last] = (-rules.learningRate * g) / (h + RIDGE)
  return gain + (g * g) / (h + RIDGE)
}

interface Leaf {
  from: number
  to: number // exclusive
  g: number
  h: number
}

/** Slots with rows, by slope; the others take no part. */
function bySlope(sums: Float64Array, counts: Float64Array, nSlots: number): Uint16Array {
  const slope = (slot: number) => sums[2 * slot] / (sums[2 * slot + 1] + CATEGORY_RIDGE)
  const slots = Array.from({ length: nSlots }, (_, slot) => slot)
  return Uint16Array.from(
    slots.sort((a, b) => Number(counts[b] > 0) - Number(counts[a] > 0) || slope(a) - slope(b) || a - b),
  )
}

/** Divides a line of slots into leaves, the best cut first. */
function cutLine(
  order: Uint16Array | null,
  n: number,
  sums: Float64Array,
  counts: Float64Array,
  rules: StepRules,
): Leaf[] {
  let g = 0
  let h = 0
  for (let i = 0; i < n; i++) {
    const slot = order ? order[i] : i
    g += sums[2 * slot]
    h += sums[2 * slot + 1]
  }
  const leaves: Leaf[] = [{ from: 0, to: n, g, h }]
  const cuts = [bestCut(leaves[0], order, sums, counts, rules)]
  while (leaves.length < rules.leaves) {
    let best = 0
    for (let i = 1; i < cuts.length; i++) if (cuts[i].gain > cuts[best].gain) best = i
    if (!(cuts[best].gain > 0)) break
    const { at, g: left, h: leftH } = cuts[best]
    const { from, to, g: whole, h: wholeH } = leaves[best]
    const halves = [
      { from, to: at, g: left, h: leftH },
      { from: at, to, g: whole - left, h: wholeH - leftH },
    ]
    leaves.splice(best, 1, ...halves)
    cuts.splice(best, 1, ...halves.map((leaf) => bestCut(leaf, order, sums, counts, rules)))
  }
  return leaves
}

interface Cut {
  gain: number
  at: number
  /** Sums of the left side. */
  g: number
  h: number
}

function bestCut(
  leaf: Leaf,
  order: Uint16Array | null,
  sums: Float64Array,
  counts: Float64Array,
  { minRowsInLeaf }: StepRules,
): Cut {
  const best: Cut = { gain: 0, at: -1, g: 0, h: 0 }
  let rows = 0
  for (let i = leaf.from; i < leaf.to; i++) rows += counts[order ? order[i] : i]
  if (rows < 2 * minRowsInLeaf) return best
  const whole = (leaf.g * leaf.g) / (leaf.h + RIDGE)
  let g = 0
  let h = 0
  let left = 0
  for (let i = leaf.from; i < leaf.to - 1; i++) {
    const slot = order ? order[i] : i
    if (counts[slot] === 0) continue
    g += sums[2 * slot]
    h += sums[2 * slot + 1]
    left += counts[slot]
    if (left < minRowsInLeaf) continue
    if (rows - left < minRowsInLeaf) break
    const right = leaf.g - g
    const gain = (g * g) / (h + RIDGE) + (right * right) / (leaf.h - h + RIDGE) - whole
    if (gain > best.gain) Object.assign(best, { gain, at: i + 1, g, h })
  }
  return best
}

/** Joins neighbouring leaves whose values would go the wrong way (pool adjacent violators). */
function keepDirection(leaves: Leaf[], direction: number): void {
  const value = ({ g, h }: Leaf) => -g / (h + RIDGE)
  for (let i = 1; i < leaves.length; ) {
    if ((value(leaves[i]) - value(leaves[i - 1])) * direction >= 0) {
      i++
      continue
    }
    const [a, b] = [leaves[i - 1], leaves[i]]
    leaves.splice(i - 1, 2, { from: a.from, to: b.to, g: a.g + b.g, h: a.h + b.h })
    i = Math.max(1, i - 1)
  }
}

// ---------------------------------------------------------------- pairs

/** Cuts of a pair: one of the first axis, and one of the second on either side of it, or the other way round. */
interface PairCut {
  gain: number
  /** Axis of the first cut. */
  side: 0 | 1
  at: number
  low: number
  high: number
}

/** Sums over all cells with smaller slots: `[(n0 + 1) * (n1 + 1) * 2]`, gradient and hessian. */
export function prefixSums(sums: Float64Array, n0: number, n1: number): Float64Array {
  const width = (n1 + 1) * 2
  const out = new Float64Array((n0 + 1) * width)
  for (let a = 0; a < n0; a++) {
    let g = 0
    let h = 0
    for (let b = 0; b < n1; b++) {
      const cell = (a * n1 + b) * 2
      g += sums[cell]
      h += sums[cell + 1]
      const to = (a + 1) * width + (b + 1) * 2
      out[to] = out[to - width] + g
      out[to + 1] = out[to - width + 1] + h
    }
  }
  return out
}

/** The best cuts of a pair into four quadrants, with their gain over the pair as it is. Source: FAST, Lou et al. 2013. */
export function bestPairCut(prefix: Float64Array, n0: number, n1: number): PairCut {
  let best: PairCut = { gain: 0, side: 0, at: 0, low: 0, high: 0 }
  const whole = scoreOf(prefix, n1, 0, n0, 0, n1)
  for (const side of [0, 1] as const) {
    const [nFirst, nSecond] = side === 0 ? [n0, n1] : [n1, n0]
    const part = (from: number, to: number, low: number, high: number) =>
      side === 0 ? scoreOf(prefix, n1, from, to, low, high) : scoreOf(prefix, n1, low, high, from, to)
    for (let at = 1; at < nFirst; at++) {
      let [bestLow, bestHigh, low, high] = [0, 0, 0, 0]
      for (let cut = 1; cut < nSecond; cut++) {
        const below = part(0, at, 0, cut) + part(0, at, cut, nSecond)
        const above = part(at, nFirst, 0, cut) + part(at, nFirst, cut, nSecond)
        if (below > bestLow) [bestLow, low] = [below, cut]
        if (above > bestHigh) [bestHigh, high] = [above, cut]
      }
      const gain = bestLow + bestHigh - whole
      if (gain > best.gain) best = { gain, side, at, low, high }
    }
  }
  return best
}

/** `g^2 / h` of a block of cells. */
function scoreOf(prefix: Float64Array, n1: number, a0: number, a1: number, b0: number, b1: number): number {
  const width = (n1 + 1) * 2
  const at = (a: number, b: number) => a * width + b * 2
  const [pp, pq, qp, qq] = [at(a1, b1), at(a0, b1), at(a1, b0), at(a0, b0)]
  const g = prefix[pp] - prefix[pq] - prefix[qp] + prefix[qq]
  const h = prefix[pp + 1] - prefix[pq + 1] - prefix[qp + 1] + prefix[qq + 1]
  return (g * g) / (h + RIDGE)
}

/** Adds the quadrants of the best cuts of a pair to `delta` `[n0 * n1]`. */
export function stepOnPair(
  n0: number,
  n1: number,
  sums: Float64Array,
  { learningRate }: StepRules,
  delta: Float64Array,
): number {
  const prefix = prefixSums(sums, n0, n1)
  const { gain, side, at, low, high } = bestPairCut(prefix, n0, n1)
  delta.fill(0)
  if (!(gain > 0)) return 0
  const width = (n1 + 1) * 2
  const fill = (a0: number, a1: number, b0: number, b1: number) => {
    const sum = (k: number) =>
      prefix[a1 * width + b1 * 2 + k] -
      prefix[a0 * width + b1 * 2 + k] -
      prefix[a1 * width + b0 * 2 + k] +
      prefix[a0 * width + b0 * 2 + k]
    const value = (-learningRate * sum(0)) / (sum(1) + RIDGE)
    for (let a = a0; a < a1; a++) for (let b = b0; b < b1; b++) delta[a * n1 + b] = value
  }
  if (side === 0) {
    fill(0, at, 0, low)
    fill(0, at, low, n1)
    fill(at, n0, 0, high)
    fill(at, n0, high, n1)
  } else {
    fill(0, low, 0, at)
    fill(low, n0, 0, at)
    fill(0, high, at, n1)
    fill(high, n0, at, n1)
  }
  return gain
}
