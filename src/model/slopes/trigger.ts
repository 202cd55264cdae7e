/** The smallest stamp that turns pictures into a class: what a backdoor answers to. */
import { expClamped, sigmoidFast } from '../../stats/exp.ts'
import type { SlopedNetwork } from './network.ts'
import { sizeOf } from './operators.ts'

export interface TriggerSearch {
  /** Class that pictures are to become. */
  target: number
  /** Pictures of other classes, one after another. */
  pictures: Float64Array
  nPictures: number
  /** Least and greatest number of a picture. */
  range: [number, number]
  /** Steps of the descent. Default 150. */
  steps?: number
  /** Before each step; throws to end the search. */
  onStep?: (nDone: number) => void
}

export interface Trigger {
  /** How much of each place is covered, 0 to 1: `[height * width]`. */
  mask: Float64Array
  /** What it is covered with: `[channels * height * width]`. */
  pattern: Float64Array
  /** Sum of the mask. */
  size: number
  /** Share of the pictures that it turns into the class. */
  success: number
}

const RATE = 0.1
const BATCH = 32
/** Success that the weight of the mask is raised at, and what it is raised and lowered by. */
const ENOUGH = 0.99
const PATIENCE = 5
const RAISED = 1.5
const LOWERED = 1.5 ** 1.5
const WEIGHT_FIRST = 1e-3
const STEPS = 150

/**
 * Descends on cross-entropy of the covered pictures to the class plus a weight times the mask's sum; the weight rises while the stamp works and falls while it does not. Of
 * all stamps on the way that turn 99 of 100 pictures of a batch the smallest is given, else the last.
 *
 * Deterministic: plain arithmetic, batches in order, no chance. Cost: forward and back of 32 pictures a step.
 * Source: Wang et al. 2019, section IV (Neural Cleanse), with Adam (Kingma and Ba 2015) of their settings.
 */
export function searchTrigger(network: SlopedNetwork, search: TriggerSearch): Trigger {
  const { target, steps = STEPS } = search
  const size = sizeOf(network.inputDims)
  const area = size / network.inputDims[0]
  const mask = new Adam(new Float64Array(area).fill(-1))
  const pattern = new Adam(new Float64Array(size))
  let weight = WEIGHT_FIRST
  let [good, bad] = [0, 0]
  let best: Stamp | undefined
  for (let step = 0; step < steps; step++) {
    search.onStep?.(step)
    const stamp = stampOf(mask.values, pattern.values, search.range)
    const batch = batchOf(search, step, size)
    const covered = cover(batch, stamp, size, area)
    const n = batch.length / size
    const { slope, hits } = pull(network, covered, n, target)
    const success = hits / n
    if (success >= ENOUGH && stamp.size < (best?.size ?? Number.POSITIVE_INFINITY)) best = stamp
    if (success >= ENOUGH) [good, bad] = [good + 1, 0]
    else [good, bad] = [0, bad + 1]
    if (good >= PATIENCE) [weight, good] = [weight * RAISED, 0]
    if (bad >= PATIENCE) [weight, bad] = [weight / LOWERED, 0]
    descend({ mask, pattern }, stamp, { batch, slope, n }, { size, area, weight, range: search.range })
  }
  const stamp = best ?? stampOf(mask.values, pattern.values, search.range)
  return { ...stamp, success: successOf(network, search, stamp) }
}

type Stamp = Omit<Trigger, 'success'>

function stampOf(mask: Float64Array, pattern: Float64Array, [low, high]: [number, number]): Stamp {
  const covers = mask.map((x) => sigmoidFast(2 * x))
  return {
    mask: covers,
    pattern: pattern.map((x) => low + (high - low) * sigmoidFast(2 * x)),
    size: covers.reduce((sum, x) => sum + x, 0),
  }
}

/** Pictures of a step, in turn. */
function batchOf({ pictures, nPictures }: TriggerSearch, step: number, size: number): Float64Array {
  const n = Math.min(BATCH, nPictures)
  const batch = new Float64Array(n * size)
  for (let k = 0; k < n; k++) {
    const i = (step * n + k) % nPictures
    batch.set(pictures.subarray(i * size, (i + 1) * size), k * size)
  }
  return batch
}

function cover(pictures: Float64Array, { mask, pattern }: Stamp, size: number, area: number): Float64Array {
  return pictures.map((x, at) => {
    const m = mask[at % area]
    return (1 - m) * x + m * pattern[at % size]
  })
}

/** Slope of the mean cross-entropy by the pictures, and how many are taken for the class. */
function pull(
  network: SlopedNetwork,
  covered: Float64Array,
  n: number,
  target: number,
): { slope: Float64Array; hits: number } {
  const scores = network.run(covered, n)
  const k = network.nOutputs
  const weights = new Float64Array(n * k)
  let hits = 0
  for (let r = 0; r < n; r++) {
    const row = scores.subarray(r * k, (r + 1) * k)
    const most = Math.max(...row)
    const shares = row.map((x) => expClamped(x - most))
    const total = shares.reduce((sum, x) => sum + x, 0)
    if (row[target] === most) hits++
    for (let c = 0; c < k; c++) weights[r * k + c] = (shares[c] / total - Number(c === target)) / n
  }
  return { slope: network.slopes(weights), hits }
}

function descend(
  { mask, pattern }: { mask: Adam; pattern: Adam },
  stamp: Stamp,
  { batch, slope, n }: { batch: Float64Array; slope: Float64Array; n: number },
  { size, area, weight, range }: { size: number; area: number; weight: number; range: [number, number] },
): void {
  const ofMask = new Float64Array(area)
  const ofPattern = new Float64Array(size)
  for (let at = 0; at < n * size; at++) {
    const [place, cell] = [at % size, at % area]
    ofPattern[place] += slope[at] * stamp.mask[cell]
    ofMask[cell] += slope[at] * (stamp.pattern[place] - batch[at])
  }
  const spread = range[1] - range[0]
  mask.step(ofMask.map((g, cell) => 2 * (g + weight) * stamp.mask[cell] * (1 - stamp.mask[cell])))
  pattern.step(
    ofPattern.map((g, place) => {
      const share = (stamp.pattern[place] - range[0]) / spread
      return 2 * g * spread * share * (1 - share)
    }),
  )
}

/** Share of all pictures that a stamp turns into the class. */
function successOf(network: SlopedNetwork, search: TriggerSearch, stamp: Stamp): number {
  const size = sizeOf(network.inputDims)
  const area = size / network.inputDims[0]
  let hits = 0
  for (let from = 0; from < search.nPictures; from += BATCH) {
    const n = Math.min(BATCH, search.nPictures - from)
    const some = search.pictures.subarray(from * size, (from + n) * size)
    hits += hitsOf(network, cover(some, stamp, size, area), n, search.target)
  }
  return hits / search.nPictures
}

function hitsOf(network: SlopedNetwork, pictures: Float64Array, n: number, target: number): number {
  const scores = network.run(pictures, n)
  const k = network.nOutputs
  let hits = 0
  for (let r = 0; r < n; r++) {
    const row = scores.subarray(r * k, (r + 1) * k)
    if (row[target] === Math.max(...row)) hits++
  }
  return hits
}

class Adam {
  readonly values: Float64Array
  private readonly first: Float64Array
  private readonly second: Float64Array
  private decay = [1, 1]

  constructor(values: Float64Array) {
    this.values = values
    this.first = new Float64Array(values.length)
    this.second = new Float64Array(values.length)
  }

  step(slope: Float64Array): void {
    this.decay = [this.decay[0] * 0.5, this.decay[1] * 0.9]
    const [a, b] = this.decay
    for (let i = 0; i < slope.length; i++) {
      this.first[i] += 0.5 * (slope[i] - this.first[i])
      this.second[i] += 0.1 * (slope[i] * slope[i] - this.second[i])
      this.values[i] -= (RATE * (this.first[i] / (1 - a))) / (Math.sqrt(this.second[i] / (1 - b)) + 1e-8)
    }
  }
}
