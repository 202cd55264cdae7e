import { MillraceError } from '../../core/errors.ts'
import { mix32 } from '../../core/rng.ts'
import { centreTables } from '../../model/tables/centre.ts'
import type { AdditiveTables, TableTerm } from '../../model/tables/tables.ts'
import { checkRowsToLearn } from '../checks.ts'
import { type EbmParams, ebmParams } from './params.ts'
import { type BagRows, EBM_LOSSES, stoppingLoss } from './rows.ts'
import { coarseAxis, fineAxes, type SlottedAxis } from './slots.ts'
import { bestPairCut, prefixSums, type StepRules, stepOnAxis, stepOnPair } from './steps.ts'

export interface EbmData {
  nRows: number
  /** One column a feature, NaN where missing; category features hold codes. */
  columns: Float64Array[]
  categorical: readonly boolean[]
  target: Float64Array
  weights?: Float64Array
  /** By feature: 1 rising, -1 falling, 0 free. Numbers only; such a feature is in no pair. */
  directions?: readonly number[]
}

export interface EbmOptions {
  onProgress?(done: number, note: string): void
  signal?: { readonly aborted: boolean }
}

export interface EbmResult {
  model: AdditiveTables
  /** Features of each pair, the strongest first. */
  pairs: [number, number][]
  /** Rounds of each bag over features, and over pairs. */
  rounds: { features: number[]; pairs: number[] }
}

/**
 * Trains an explainable boosting machine: one table a feature, and one for each of the strongest pairs, by cyclic boosting with small trees in bins; several bags of
 * rows, each stopped by rows of its own, are averaged. Pure and reproducible.
 *
 * Missing: NaN has a cell of its own. Cost: a pass over all rows for each feature, round and bag, about 8 ns a row; bags times rounds are
 * some thousands. Errors: MR_MODEL_PARAM, MR_MODEL_NO_ROWS, MR_MODEL_SHAPE, MR_MODEL_TARGET, MR_MODEL_ONE_CLASS, MR_MODEL_WEIGHT, MR_MODEL_CATEGORY,
 * MR_MODEL_ROWS_MAX, MR_CANCELLED.
 * Source: Lou et al. 2012 and 2013 (cyclic boosting, FAST), Nori et al. 2019. Steps are Newton's.
 */
export function trainEbm(data: EbmData, given: Partial<EbmParams> = {}, options: EbmOptions = {}): EbmResult {
  const params = ebmParams(given)
  checkData(data, params)
  const axes = fineAxes(data.columns, data.categorical, params.bins)
  const work = openWork(data, params, axes, options)
  const bags = Array.from({ length: params.bags }, (_, b) => bagOf(work, b))
  const mainTables = axes.map((axis) => ({ cells: axis.slots, nCells: axis.nSlots, axes: [axis] }))
  const features = bags.map((bag, b) => boost(work, bag, mainTables, b / (2 * params.bags)))
  const pairs = choosePairs(work, bags)
  const pairTables = pairs.map(([a, b]) => pairTable(work, a, b))
  const second =
    pairs.length === 0 ? [] : bags.map((bag, b) => boost(work, bag, pairTables, 0.5 + b / (2 * params.bags)))
  const terms = [
    ...mainTables.map((table, t) => ({ table, found: features.map(({ values }) => values[t]) })),
    ...pairTables.map((table, t) => ({ table, found: second.map(({ values }) => values[t]) })),
  ]
  return {
    model: modelOf(work, terms),
    pairs,
    rounds: { features: features.map(({ rounds }) => rounds), pairs: second.map(({ rounds }) => rounds) },
  }
}

const TARGETS = { logloss: 'probability', l2: 'number', softmax: 'class' } as const

function checkData(data: EbmData, { loss, nClasses }: EbmParams): void {
  checkRowsToLearn(data, TARGETS[loss])
  const beyond = loss === 'softmax' ? data.target.findIndex((code) => code >= nClasses) : -1
  if (beyond >= 0) {
    const expected = `a class from 0 to ${nClasses - 1}`
    throw new MillraceError('MR_MODEL_TARGET', { row: beyond, expected, got: String(data.target[beyond]) })
  }
  data.directions?.forEach((direction, j) => {
    if (direction === 0 || ((direction === 1 || direction === -1) && !data.categorical[j])) return
    const expected = 'rising or falling for a number, free for a category'
    throw new MillraceError('MR_MODEL_PARAM', {
      param: `monotone of feature ${j}`,
      expected,
      got: `${direction}`,
    })
  })
}

// ---------------------------------------------------------------- bags

interface Work {
  data: EbmData
  params: EbmParams
  axes: SlottedAxis[]
  coarse: SlottedAxis[]
  nOutputs: number
  start: Float64Array
  weights: Float64Array
  options: EbmOptions
}

function openWork(data: EbmData, params: EbmParams, axes: SlottedAxis[], options: EbmOptions): Work {
  const nOutputs = params.loss === 'softmax' ? params.nClasses : 1
  const weights = data.weights ?? new Float64Array(data.nRows).fill(1)
  const start = EBM_LOSSES[params.loss].start(data.target, weights, nOutputs)
  const coarse = params.interactions > 0 ? axes.map((axis) => coarseAxis(axis, params.pairBins)) : []
  return { data, params, axes, coarse, nOutputs, start, weights, options }
}

/** Rows below which a bag stops by the rows that it learns from. */
const STOPPING_ROWS_MIN = 20

function bagOf({ data, params, nOutputs, start, weights }: Work, bag: number): BagRows {
  const salt = mix32(params.seed ^ mix32(bag + 0x65626d))
  const limit = params.validShare * 2 ** 32
  const isHeld = Uint8Array.from({ length: data.nRows }, (_, i) => (mix32(i ^ salt) < limit ? 1 : 0))
  const few = isHeld.reduce((sum, held, i) => sum + (weights[i] > 0 ? held : 0), 0) < STOPPING_ROWS_MIN
  const score = new Float64Array(data.nRows * nOutputs)
  for (let at = 0; at < score.length; at++) score[at] = start[at % nOutputs]
  return {
    nRows: data.nRows,
    nOutputs,
    target: data.target,
    weights: few ? weights : weights.map((w, i) => (isHeld[i] ? 0 : w)),
    validWeights: few ? weights : weights.map((w, i) => (isHeld[i] ? w : 0)),
    score,
  }
}

// ---------------------------------------------------------------- boosting

/** What is boosted: one axis, or a pair of them. */
interface Table {
  cells: Uint16Array
  nCells: number
  axes: SlottedAxis[]
}

function pairTable({ coarse }: Work, a: number, b: number): Table {
  const [first, second] = [coarse[a], coarse[b]]
  const cells = first.slots.map((slot, i) => slot * second.nSlots + second.slots[i])
  return { cells, nCells: first.nSlots * second.nSlots, axes: [first, second] }
}

interface Boosted {
  /** By table, `[nCells * nOutputs]`. */
  values: Float64Array[]
  rounds: number
}

/** Boosts all tables in turn until the bag's own rows no longer gain, and leaves the bag's scores at the best round. */
function boost(work: Work, bag: BagRows, tables: readonly Table[], done: number): Boosted {
  const { params, nOutputs, options } = work
  const loss = EBM_LOSSES[params.loss]
  const values = tables.map(({ nCells }) => new Float64Array(nCells * nOutputs))
  const steps = tables.map((table) => openStep(work, bag, table))
  const gains = new Float64Array(tables.length)
  if (tables.length === 0) return { values, rounds: 0 }
  let best = {
    loss: stoppingLoss(bag, loss),
    round: 0,
    values: values.map((v) => v.slice()),
    score: bag.score.slice(),
  }
  const still = { cells: new Uint16Array(bag.nRows), delta: new Float64Array(nOutputs) }
  for (let round = 1; round <= params.rounds; round++) {
    if (options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
    let last: Pick<Step, 'cells' | 'delta'> = still
    const boostOne = (t: number) => {
      const step = steps[t]
      loss.pass(bag, last.delta, last.cells, step.cells, step.sums)
      gains[t] = step.take()
      const { delta } = step
      const sum = values[t]
      for (let at = 0; at < delta.length; at++) sum[at] += delta[at]
      last = step
    }
    for (let t = 0; t < steps.length; t++) boostOne(t)
    for (let n = params.greed * steps.length; n >= 1; n--) boostOne(strongest(gains))
    loss.pass(bag, last.delta, last.cells, still.cells, new Float64Array(2 * nOutputs))
    const now = stoppingLoss(bag, loss)
    if (now < best.loss - 1e-9)
      best = { loss: now, round, values: values.map((v) => v.slice()), score: bag.score.slice() }
    else if (round - best.round >= params.patience) break
  }
  bag.score.set(best.score)
  options.onProgress?.(
    done + 1 / (2 * params.bags),
    `${tables[0].axes.length > 1 ? 'pairs' : 'features'}: ${best.round} rounds`,
  )
  return { values: best.values, rounds: best.round }
}

function strongest(gains: Float64Array): number {
  let best = 0
  for (let t = 1; t < gains.length; t++) if (gains[t] > gains[best]) best = t
  return best
}

interface Step {
  cells: Uint16Array
  sums: Float64Array
  delta: Float64Array
  /** From sums to delta; gives the gain. */
  take(): number
}

function openStep({ params, data, nOutputs }: Work, bag: BagRows, table: Table): Step {
  const { cells, nCells, axes } = table
  const counts = new Float64Array(nCells)
  for (let i = 0; i < bag.nRows; i++) if (bag.weights[i] > 0) counts[cells[i]]++
  const sums = new Float64Array(nCells * nOutputs * 2)
  const delta = new Float64Array(nCells * nOutputs)
  const rules: StepRules = params
  const [first, second] = axes
  const direction = data.directions?.[first.axis.feature] ?? 0
  const one = (of: Float64Array, out: Float64Array) => {
    if (second) return stepOnPair(first.nSlots, second.nSlots, of, rules, out)
    return stepOnAxis(first, of, counts, rules, direction, out)
  }
  if (nOutputs === 1) return { cells, sums, delta, take: () => one(sums, delta) }
  const part = new Float64Array(nCells * 2)
  const out = new Float64Array(nCells)
  const take = () => {
    let gain = 0
    for (let k = 0; k < nOutputs; k++) {
      for (let c = 0; c < nCells; c++) {
        part[2 * c] = sums[(c * nOutputs + k) * 2]
        part[2 * c + 1] = sums[(c * nOutputs + k) * 2 + 1]
      }
      gain += one(part, out)
      for (let c = 0; c < nCells; c++) delta[c * nOutputs + k] = out[c]
    }
    return gain
  }
  return { cells, sums, delta, take }
}

// ---------------------------------------------------------------- pairs

/** Rows that pairs are chosen on, evenly spread. */
const PAIR_ROWS_MAX = 100_000
/** Features whose pairs are looked at: those whose tables vary most would do as well; the first ones by gain alone. */
const PAIR_FEATURES_MAX = 128

/** The strongest pairs: those whose four quadrants explain most of what the features alone, averaged over the bags, leave. */
function choosePairs(work: Work, bags: readonly BagRows[]): [number, number][] {
  const { params, data, nOutputs } = work
  if (params.interactions === 0) return []
  const features = work.coarse
    .map((_, j) => j)
    .filter((j) => !data.directions?.[j] && work.coarse[j].nSlots > 2)
    .slice(0, PAIR_FEATURES_MAX)
  const rows = meanRows(work, bags)
  const still = { cells: new Uint16Array(rows.nRows), delta: new Float64Array(nOutputs) }
  const { pass } = EBM_LOSSES[params.loss]
  const ranked: { pair: [number, number]; gain: number }[] = []
  for (let a = 0; a < features.length; a++)
    for (let b = a + 1; b < features.length; b++) {
      if (work.options.signal?.aborted) throw new MillraceError('MR_CANCELLED', { what: 'training' })
      const { cells, nCells, axes } = pairTable(work, features[a], features[b])
      const sums = new Float64Array(nCells * nOutputs * 2)
      pass(rows, still.delta, still.cells, spread(cells, rows.nRows), sums)
      let gain = 0
      for (let k = 0; k < nOutputs; k++) {
        const part = Float64Array.from(
          { length: nCells * 2 },
          (_, at) => sums[((at >> 1) * nOutputs + k) * 2 + (at & 1)],
        )
        gain += bestPairCut(
          prefixSums(part, axes[0].nSlots, axes[1].nSlots),
          axes[0].nSlots,
          axes[1].nSlots,
        ).gain
      }
      ranked.push({ pair: [features[a], features[b]], gain })
    }
  ranked.sort((x, y) => y.gain - x.gain || x.pair[0] - y.pair[0] || x.pair[1] - y.pair[1])
  return ranked
    .slice(0, params.interactions)
    .filter(({ gain }) => gain > 0)
    .map(({ pair }) => pair)
}

/** Rows, evenly spread where they are many, with the mean of the bags' scores. */
function meanRows({ data, nOutputs, weights }: Work, bags: readonly BagRows[]): BagRows {
  const nRows = Math.min(data.nRows, PAIR_ROWS_MAX)
  const rowOf = (i: number) => Math.floor((i * data.nRows) / nRows)
  const score = new Float64Array(nRows * nOutputs)
  for (const bag of bags)
    for (let at = 0; at < score.length; at++)
      score[at] += bag.score[rowOf(Math.floor(at / nOutputs)) * nOutputs + (at % nOutputs)] / bags.length
  const take = (values: Float64Array) => Float64Array.from({ length: nRows }, (_, i) => values[rowOf(i)])
  return { nRows, nOutputs, target: take(data.target), weights: take(weights), validWeights: weights, score }
}

function spread(cells: Uint16Array, nRows: number): Uint16Array {
  if (cells.length === nRows) return cells
  return Uint16Array.from({ length: nRows }, (_, i) => cells[Math.floor((i * cells.length) / nRows)])
}

// ---------------------------------------------------------------- model

function modelOf(work: Work, terms: readonly { table: Table; found: Float64Array[] }[]): AdditiveTables {
  const axes: SlottedAxis[] = []
  const indexOf = (axis: SlottedAxis) => {
    if (!axes.includes(axis)) axes.push(axis)
    return axes.indexOf(axis)
  }
  const made = terms.map(({ table, found }): TableTerm => {
    const weights = new Float64Array(table.nCells)
    for (let i = 0; i < work.data.nRows; i++) weights[table.cells[i]] += work.weights[i]
    const values = found[0].map((_, at) => found.reduce((sum, bag) => sum + bag[at], 0) / found.length)
    const deviations = values.map((mean, at) =>
      Math.fround(Math.sqrt(found.reduce((sum, bag) => sum + (bag[at] - mean) ** 2, 0) / found.length)),
    )
    return { axes: table.axes.map(indexOf), values, weights, deviations }
  })
  return centreTables({
    kind: 'AdditiveTables',
    nFeatures: work.axes.length,
    nOutputs: work.nOutputs,
    link: EBM_LOSSES[work.params.loss].link,
    intercepts: work.start.slice(),
    axes: axes.map(({ axis }) => axis),
    terms: made,
  })
}
