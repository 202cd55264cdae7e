/** One pass over the validation rows: what each training row, each source and more rows of each slice are worth. */

import { eachOrder, type LabelledPoints } from '../../stats/knn-shapley.ts'
import { pairedDelta } from '../../stats/paired.ts'
import { gainOf, type SliceScores, scoreParts, sliceScores } from './gains.ts'
import type { Pool } from './pool.ts'
import type { NeighbourReport, SliceReport, SourceReport } from './report.ts'
import type { Slicing } from './slices.ts'
import type { Voting } from './votes.ts'

export interface NeighbourAsked {
  train: LabelledPoints
  /** Validation rows; `picked` are their places in the slicings. */
  test: LabelledPoints
  picked: Int32Array
  voting: Voting
  k: number
  sources?: Pool['sources']
  slicings: Slicing[]
  /** Loss out of sample, by training row; NaN where there is none. */
  loss: Float64Array
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
/** Rows that a slice needs to be divided. */
const SLICE_ROWS_MIN = 4
const LEVEL = 0.95

export function judgeByNeighbours(asked: NeighbourAsked): NeighbourFindings {
  const { train, test, k, voting, sources } = asked
  const worth = new Float64Array(train.nRows)
  const scores = new Float64Array(test.nRows)
  const nSources = sources?.names.length ?? 0
  const without = Array.from({ length: nSources }, () => new Float64Array(test.nRows))
  const slices = asked.slicings.map((slicing) => sliceScores(slicing, test.nRows))
  eachOrder(train, test, { k, onRow: asked.onRow }, (iTest, order) => {
    const wanted = voting.test[iTest]
    voting.add(order, wanted, worth)
    scores[iTest] = voting.score(order, wanted)
    const near = order.subarray(0, k)
    if (sources) scoreWithout(order, asked, iTest, scores[iTest], without)
    for (const slicing of slices)
      scoreParts(
        slicing,
        new Set(Array.from(near, (row) => slicing.train[row])),
        iTest,
        scores[iTest],
        (counts) => voting.score(order, wanted, counts),
      )
  })
  for (let i = 0; i < worth.length; i++) worth[i] /= test.nRows * voting.unit
  const { reports, few } = sliceReports(asked, slices, scores)
  return {
    worth,
    report: {
      k,
      tests: test.nRows,
      utility: scores.reduce((sum, score) => sum + score, 0) / test.nRows,
      negative: worth.reduce((n, value) => n + Number(value < 0), 0),
    },
    sources: sources ? sourceReports(sources, worth, scores, without) : [],
    slices: reports,
    notes:
      few > 0
        ? [
            `nothing is said of ${few} slices with fewer than ${SLICE_TESTS_MIN} validation rows or ${SLICE_ROWS_MIN} of their own`,
          ]
        : [],
  }
}

/** Scores are the same without a source that is not among the nearest. */
function scoreWithout(
  order: Uint32Array,
  { voting, k, sources }: NeighbourAsked,
  iTest: number,
  whole: number,
  without: Float64Array[],
): void {
  const { codes } = sources as NonNullable<Pool['sources']>
  for (const left of without) left[iTest] = whole
  const near = new Set(Array.from(order.subarray(0, k), (row) => codes[row]))
  for (const code of near)
    without[code][iTest] = voting.score(order, voting.test[iTest], (row) => codes[row] !== code)
}

function sourceReports(
  { codes, names }: NonNullable<Pool['sources']>,
  worth: Float64Array,
  scores: Float64Array,
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
      const { value: gain, interval } = pairedDelta(without[code], scores, { level: LEVEL })
      return [{ value, rows: rows[code], worth: sums[code], gain, interval }]
    })
    .sort((a, b) => a.gain - b.gain || b.rows - a.rows)
}

/** More rows of one slice can be to the harm of its neighbours, so that all test rows count. Intervals hold for all slices together (Bonferroni). */
function sliceReports(
  asked: NeighbourAsked,
  slicings: SliceScores[],
  scores: Float64Array,
): { reports: SliceReport[]; few: number } {
  const found = slicings.flatMap((slicing) =>
    slicing.names.map((_, slice) => ({ slicing, slice, ...countSlice(asked, slicing, slice) })),
  )
  const told = found.filter(({ tests, rows }) => tests >= SLICE_TESTS_MIN && rows >= SLICE_ROWS_MIN)
  const level = 1 - (1 - LEVEL) / Math.max(1, told.length)
  const reports = told.map(({ slicing, slice, rows, tests, loss }): SliceReport => {
    const { gain, interval } = gainOf(scores, slicing.halves[slice], slicing.quarter[slice], level)
    return {
      feature: slicing.feature,
      slice: slicing.names[slice],
      rows,
      tests,
      loss,
      gain,
      interval,
      gainPer1000: (gain * 1000) / rows,
    }
  })
  reports.sort((a, b) => b.gainPer1000 - a.gainPer1000 || b.rows - a.rows)
  return { reports, few: found.filter(({ rows, tests }) => rows + tests > 0).length - told.length }
}

function countSlice({ picked, loss }: NeighbourAsked, { train, test }: Slicing, slice: number) {
  let [rows, judged, sum] = [0, 0, 0]
  train.forEach((of, i) => {
    if (of !== slice) return
    rows++
    if (Number.isNaN(loss[i])) return
    judged++
    sum += loss[i]
  })
  return {
    rows,
    tests: picked.filter((i) => test[i] === slice).length,
    loss: judged === 0 ? 0 : sum / judged,
  }
}
