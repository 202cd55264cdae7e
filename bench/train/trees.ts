/** The engine of trees: real sets and three million rows beside LightGBM, small data on one core, and the same bytes from any number of threads and from plain loops. */
import { createHash } from 'node:crypto'
import { encodeModel } from '../../dist/model/format.js'
import { compileScorer } from '../../dist/model/score.js'
import { auc } from '../../dist/stats/index.js'
import { binColumns } from '../../dist/train/gbdt/binning.js'
import { trainOnBins } from '../../dist/train/gbdt/train.js'
import { higgsLike } from '../data/higgs-like.ts'
import { adult, flights, type RealSet } from '../data/real.ts'
import { alternate, least, type Spent, spentOn } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const AUC_BEHIND_MAX = 0.001
const SMALL_SECONDS_MAX = 2

interface Shape {
  trees: number
  leaves: number
  learningRate: number
  bins: number
  minRows: number
}

const SHAPE: Shape = { trees: 100, leaves: 63, learningRate: 0.1, bins: 255, minRows: 20 }

interface Trained extends Spent {
  auc: number
  /** CPU seconds of binning, part of `cpu`; absent for peers. */
  binning?: number
}

const trees: Section = async ({ peers }) => {
  sameBytes()
  await small()
  for (const [set, shape] of await sets()) {
    for (const threads of [1, 2]) {
      if (peers) await besideLightgbm(set, shape, threads)
      else reportOurs(set, await ours(set, shape, threads), threads)
    }
  }
}
export default trees

async function sets(): Promise<[RealSet, Shape][]> {
  const many = higgsLike({ trainRows: 3_000_000 })
  const categorical = many.train.columns.map(() => false)
  const census = await adult()
  return [
    ...(census ? [[census, SHAPE] as [RealSet, Shape]] : []),
    [await flights(), SHAPE],
    [
      { ...many, name: '3 M × 28', categorical },
      { ...SHAPE, trees: 20 },
    ],
  ]
}

/** One digest from one, two and three threads and from plain loops. */
function sameBytes(): void {
  const { train } = higgsLike({ trainRows: 100_000, testRows: 10_000 })
  const columns = train.columns.map((column) => Float64Array.from(column))
  const binned = binColumns(
    columns,
    columns.map(() => false),
  )
  const digest = (options: { threads?: number; kernels?: 'js' | 'wasm' }) => {
    const { model } = trainOnBins(
      { binned, target: train.target },
      { trees: 30, leaves: 63 },
      { ...options, threadRowsMin: 1 },
    )
    return createHash('sha256').update(encodeModel(model)).digest('hex')
  }
  const all = [digest({}), digest({ threads: 2 }), digest({ threads: 3 }), digest({ kernels: 'js' })]
  const value = new Set(all).size
  report({
    bench: BENCH,
    metric: 'models of 1, 2, 3 threads and plain loops',
    value,
    unit: 'different digests',
    goal: 1,
    met: value === 1,
    note: all[0].slice(0, 12),
  })
}

async function small(): Promise<void> {
  const { train } = higgsLike({ trainRows: 100_000, testRows: 10_000 })
  const columns = train.columns.slice(-20).map((column) => Float64Array.from(column))
  const rounds = []
  for (let round = 0; round < 3; round++) {
    rounds.push(
      await spentOn(() => {
        const binned = binColumns(
          columns,
          columns.map(() => false),
        )
        return trainOnBins({ binned, target: train.target }, { trees: 150, leaves: 31 })
      }),
    )
  }
  const { cpu } = least(rounds)
  report({
    bench: BENCH,
    metric: '100 k × 20, 150 trees × 31 leaves, 1 thread',
    value: cpu,
    unit: 's CPU',
    goal: SMALL_SECONDS_MAX,
    met: cpu <= SMALL_SECONDS_MAX,
  })
}

async function besideLightgbm(set: RealSet, shape: Shape, threads: number): Promise<void> {
  const { folder, categorical } = set
  const rounds = await alternate({
    ours: () => ours(set, shape, threads),
    theirs: async () => {
      const args = { library: 'lightgbm', folder, categorical, ...shape }
      const [figure] = await peer<Trained>('boosting', args, { threads })
      return figure
    },
  })
  const [mine, other] = [least(rounds.ours), least(rounds.theirs)]
  report({
    bench: BENCH,
    metric: metricOf(set, threads),
    value: mine.cpu,
    unit: 's CPU',
    peer: 'lightgbm',
    peerValue: round(other.cpu),
    ratio: round(other.cpu / mine.cpu),
    goal: 1,
    met: mine.cpu <= other.cpu,
    note: `binning ${round(mine.binning!)}; wall ${round(mine.wall)} and ${round(other.wall)} s`,
  })
  report({
    bench: BENCH,
    metric: `${set.name}: AUC, ${threads} thread${threads > 1 ? 's' : ''}`,
    value: mine.auc,
    unit: '',
    peer: 'lightgbm',
    peerValue: round(other.auc),
    goal: round(other.auc - AUC_BEHIND_MAX),
    met: mine.auc >= other.auc - AUC_BEHIND_MAX,
  })
}

function reportOurs(set: RealSet, trained: Trained, threads: number): void {
  report({
    bench: BENCH,
    metric: metricOf(set, threads),
    value: trained.cpu,
    unit: 's CPU',
    note: `binning ${round(trained.binning!)}, AUC ${round(trained.auc)}, wall ${round(trained.wall)} s`,
  })
}

function metricOf({ name }: RealSet, threads: number): string {
  return `${name}, ${threads} thread${threads > 1 ? 's' : ''}`
}

async function ours({ train, test, categorical }: RealSet, shape: Shape, threads: number): Promise<Trained> {
  const columns = train.columns.map((column) => Float64Array.from(column))
  const { minRows: minRowsInLeaf, ...params } = shape
  const bin = await spentOn(() => binColumns(columns, categorical, shape.bins))
  const fit = await spentOn(() =>
    trainOnBins({ binned: bin.result, target: train.target }, { ...params, minRowsInLeaf }, { threads }),
  )
  const scores = new Float64Array(test.nRows)
  const rows = test.columns.map((column) => Float64Array.from(column))
  compileScorer(fit.result.model).rawBatch(rows, test.nRows, scores)
  const [cpu, wall] = [bin.cpu + fit.cpu, bin.wall + fit.wall]
  return { cpu, wall, binning: bin.cpu, auc: auc(scores, test.target) }
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}
