/** Gradient boosting: time and AUC beside LightGBM, XGBoost and scikit-learn on the same rows. */
import { type HiggsLike, higgsLike } from '../data/higgs-like.ts'
import { BOOSTED_SHAPE, type Boosted, boostOurs } from '../measure/boosted.ts'
import { alternate, least } from '../measure/cpu.ts'
import type { Section } from '../measure/sections.ts'
import { peer } from '../peers/run.ts'
import { report } from '../report.ts'

const BENCH = 'train'
const LIBRARIES = ['lightgbm', 'xgboost', 'sklearn'] as const
const AUC_BEHIND_MAX = 0.001
/** Asked of our time against LightGBM's. */
const TIME_SHARE_MAX = 0.8

const boosting: Section = async ({ peers }) => {
  const data = higgsLike()
  for (const threads of [1, 2]) {
    if (!peers) reportOurs(await boostOurs(data, threads), threads)
    else await besidePeers(data, threads)
  }
}
export default boosting

async function besidePeers(data: HiggsLike, threads: number): Promise<void> {
  const all: Boosted[] = []
  const aucs: number[] = []
  for (const library of LIBRARIES) {
    const rounds = await alternate({
      ours: () => boostOurs(data, threads),
      theirs: () => theirs(library, data, threads),
    })
    all.push(...rounds.ours)
    const [mine, other] = [least(rounds.ours), least(rounds.theirs)]
    aucs.push(other.auc)
    const share = mine.cpu / other.cpu
    report({
      bench: BENCH,
      metric: metricOf(threads),
      value: mine.cpu,
      unit: 's CPU',
      peer: library,
      peerValue: round(other.cpu),
      ratio: round(1 / share),
      ...(library === 'lightgbm' ? { goal: TIME_SHARE_MAX, met: share <= TIME_SHARE_MAX } : {}),
      note: `wall ${round(mine.wall)} and ${round(other.wall)} s`,
    })
  }
  const [own, best] = [least(all).auc, Math.max(...aucs)]
  report({
    bench: BENCH,
    metric: `AUC, ${threads} thread${threads > 1 ? 's' : ''}`,
    value: own,
    unit: '',
    peer: 'best of three',
    peerValue: round(best),
    goal: round(best - AUC_BEHIND_MAX),
    met: own >= best - AUC_BEHIND_MAX,
    note: `no model beats ${round(data.bayesAuc)}`,
  })
}

function reportOurs(trained: Boosted, threads: number): void {
  report({
    bench: BENCH,
    metric: metricOf(threads),
    value: trained.cpu,
    unit: 's CPU',
    note: `AUC ${round(trained.auc)}, wall ${round(trained.wall)} s`,
  })
}

function metricOf(threads: number): string {
  return `500 k × 28, 100 trees × 63 leaves, ${threads} thread${threads > 1 ? 's' : ''}`
}

async function theirs(library: string, { folder }: HiggsLike, threads: number): Promise<Boosted> {
  const [figure] = await peer<Boosted>('boosting', { library, folder, ...BOOSTED_SHAPE }, { threads })
  return figure
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}
