/** Our boosting on a made-up set, as the sections of boosting measure it. */
import { compileScorer } from '../../dist/model/score.js'
import { auc } from '../../dist/stats/index.js'
import { trainGbdt } from '../../dist/train/gbdt/train.js'
import type { HiggsLike } from '../data/higgs-like.ts'
import { type Spent, spentOn } from './cpu.ts'

/** Settings, by the names that bench/peers/boosting.py takes. */
export const BOOSTED_SHAPE = { trees: 100, leaves: 63, learningRate: 0.1, bins: 255, minRows: 20 }

export interface Boosted extends Spent {
  /** On the test rows. */
  auc: number
}

/** Trains on a set and scores its test rows; binning counts as training. */
export async function boostOurs({ train, test }: HiggsLike, threads: number): Promise<Boosted> {
  const columns = doubles(train.columns)
  const data = { nRows: train.nRows, columns, categorical: columns.map(() => false), target: train.target }
  const { minRows: minRowsInLeaf, ...shape } = BOOSTED_SHAPE
  const { result, ...spent } = await spentOn(() => trainGbdt(data, { ...shape, minRowsInLeaf }, { threads }))
  const scores = new Float64Array(test.nRows)
  compileScorer(result.model).rawBatch(doubles(test.columns), test.nRows, scores)
  return { ...spent, auc: auc(scores, test.target) }
}

function doubles(columns: Float32Array[]): Float64Array[] {
  return columns.map((column) => Float64Array.from(column))
}
