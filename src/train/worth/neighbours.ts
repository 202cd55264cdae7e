/** One pass over the validation rows: what each training row, each source and more rows of each slice are worth. */

import { addWorth, eachOrder, type LabelledPoints, votesFor } from '../../stats/knn-shapley.ts'
import { pairedDelta } from '../../stats/paired.ts'
import type { Pool } from './pool.ts'
import type { NeighbourReport, SliceReport, SourceReport } from './report.ts'
import type { Slicing } from './slices.ts'

export interface NeighbourAsked {
  train: LabelledPoints
  /** Validation rows; `picked` are their places in the slicings. */
  test: LabelledPoints
  picked: Int32Array
  k: number
  sources?: Pool['sources']
  slicings: Slicing[]
  /** Wrong answers out of sample, by training row: 1, 0, and -1 where there is none. */
  wrong: Int8Array
  onRow: (nDone: number) => void
}

export interface NeighbourFindings {
  worth: Float64Array
  report: NeighbourReport
  sources: SourceReport[]
  slices: SliceReport[]
  notes: string[]
}

/** Sources that are told apart; more are most likely no sources. */
export const SOURCES_MAX = 200
/** Test rows below which nothing is said of a slice. */
const SLICE_TESTS_MIN = 10
const LEVEL = 0.95

export function judgeByNeighbours(asked: NeighbourAsked): NeighbourFindings {
  const { train, test, k, sources, slicings } = asked
  const worth = new Float64Array(train.nRows)
  const votes = new Float64Array(test.nRows)
  const nSources = sources?.names.length ?? 0
  const without = Array.from({ length: nSources }, () => new Float64Array(test.nRows))
  const halves = slicings.map((slicing) => ({
    ...slicing,
    kept: halfOf(slicing),
    votes: slicing.names.map(() => new Float64Array(test.nRows)),
  }))
  eachOrder(train, test, { k, onRow: asked.onRow }, (iTest, order) => {
    const wanted = test.labels[iTest]
    addWorth(order, train.labels, wanted, k, worth)
    votes[iTest] = votesFor(order, train.labels, wanted, k)
    if (sources) votesWithout(order, asked, iTest, votes[iTest], without)
    for (const half of halves) votesByHalves(order, asked, iTest, votes[iTest], half)
  })
  for (let i = 0; i < worth.length; i++) worth[i] /= test.nRows
  const { reports, few } = sliceReports(asked, halves, votes)
  return {
    worth,
    report: {
      k,
      tests: test.nRows,
      utility: votes.reduce((sum, vote) => sum + vote, 0) / test.nRows,
      negative: worth.reduce((n, value) => n + Number(value < 0), 0),
    },
    sources: sources ? sourceReports(sources, worth, votes, without) : [],
    slices: reports,
    notes:
      few > 0 ? [`nothing is said of ${few} slices with fewer than ${SLICE_TESTS_MIN} validation rows`] : [],
  }
}

/** Votes are the same without a source that is not among the nearest. */
function votesWithout(
  order: Uint32Array,
  { train, test, k, sources }: NeighbourAsked,
  iTest: number,
  votes: number,
  without: Float64Array[],
): void {
  const { codes } = sources as NonNullable<Pool['sources']>
  for (const votesLeft of without) votesLeft[iTest] = votes
  const near = new Set(Array.from(order.subarray(0, k), (row) => codes[row]))
  for (const code of near)
    without[code][iTest] = votesFor(order, train.labels, test.labels[iTest], k, (row) => codes[row] !== code)
}

function sourceReports(
  { codes, names }: NonNullable<Pool['sources']>,
  worth: Float64Array,
  votes: Float64Array,
  without: Float64Array[],
): SourceReport[] {
  const rows = new Int32Array(names.length)
  const sums = new Float64Array(names.length)
  codes.forEach((code, i) => {
    rows[code]++
    sums[code] += worth[i]
  })
  return names
    .flatMap((value, code) => {
      if (rows[code] === 0) return []
      const { value: gain, interval } = pairedDelta(without[code], votes, { level: LEVEL })
      return [{ value, rows: rows[code], worth: sums[code], gain, interval }]
    })
    .sort((a, b) => a.gain - b.gain || b.rows - a.rows)
}

/** 1 for every other row of each slice. */
function halfOf({ train, names }: Slicing): Uint8Array {
  const seen = new Int32Array(names.length)
  return Uint8Array.from(train, (slice) => (slice < 0 ? 1 : seen[slice]++ % 2))
}

interface Half extends Slicing {
  kept: Uint8Array
  /** Votes of each test row without half the rows of each slice. */
  votes: Float64Array[]
}

/** Votes are the same without half of a slice that is not among the nearest. */
function votesByHalves(
  order: Uint32Array,
  { train, test, k }: NeighbourAsked,
  iTest: number,
  votes: number,
  half: Half,
): void {
  for (const left of half.votes) left[iTest] = votes
  const near = new Set(Array.from(order.subarray(0, k), (row) => half.train[row]))
  for (const slice of near) {
    if (slice < 0) continue
    const counts = (row: number) => half.train[row] !== slice || half.kept[row] === 1
    half.votes[slice][iTest] = votesFor(order, train.labels, test.labels[iTest], k, counts)
  }
}

/**
 * What doubling the rows of a slice is expected to give. It is measured on all test rows, since more rows of one slice can be to the harm of its neighbours. Errors that
 * fall with the rows as 1 / n fall half as much by doubling as they fell from half the rows to all. Intervals hold for all slices together (Bonferroni).
 */
function sliceReports(
  asked: NeighbourAsked,
  halves: Half[],
  votes: Float64Array,
): { reports: SliceReport[]; few: number } {
  const found = halves.flatMap((half) => half.names.map((_, slice) => gatherSlice(asked, half, slice, votes)))
  const told = found.filter(({ tests, rows }) => tests >= SLICE_TESTS_MIN && rows >= 2)
  const level = 1 - (1 - LEVEL) / Math.max(1, told.length)
  const reports = told.map(({ gains, ...slice }) => {
    const { value, interval } = pairedDelta(new Float64Array(gains.length), gains, { level })
    return { ...slice, gain: value, interval, gainPer1000: (value * 1000) / slice.rows }
  })
  reports.sort((a, b) => b.gainPer1000 - a.gainPer1000 || b.rows - a.rows)
  return { reports, few: found.filter(({ rows, tests }) => rows + tests > 0).length - told.length }
}

function gatherSlice({ picked, wrong }: NeighbourAsked, half: Half, slice: number, votes: Float64Array) {
  let rows = 0
  let judged = 0
  let nWrong = 0
  half.train.forEach((of, i) => {
    if (of !== slice) return
    rows++
    if (wrong[i] < 0) return
    judged++
    nWrong += wrong[i]
  })
  return {
    feature: half.feature,
    slice: half.names[slice],
    rows,
    tests: picked.filter((i) => half.test[i] === slice).length,
    wrong: judged === 0 ? 0 : nWrong / judged,
    gains: votes.map((vote, i) => (vote - half.votes[slice][i]) / 2),
  }
}
