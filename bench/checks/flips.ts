/**
 * Targeted label flips: of one class of incomes (adult) and of one digit (MNIST) a share of the rows is called another, and what confident learning on answers out of sample
 * flags among the rows of that other class is compared with what was flipped. Labels that were wrong before count against it.
 */
import { seededRng } from '../../dist/core/rng.js'
import { compileScorer } from '../../dist/model/score.js'
import { labelIssues } from '../../dist/stats/index.js'
import { trainGbdt } from '../../dist/train/gbdt/train.js'
import { trainMlp } from '../../dist/train/mlp/train.js'
import { mnistDigits, PIXELS } from '../data/digits.ts'
import { adult } from '../data/real.ts'
import type { Section } from '../measure/sections.ts'
import { report } from '../report.ts'

const BENCH = 'checks'
const RATES = [0.01, 0.05, 0.1]
const SEEDS = [1, 2, 3]
const FOLDS = 5
const MLP = { loss: 'softmax', nClasses: 10, hidden: [64], epochs: 12, patience: 0 } as const
const GBDT = { trees: 60, leaves: 31 }

interface Rows {
  name: string
  columns: Float64Array[]
  categorical: boolean[]
  labels: Float64Array
  nClasses: number
  /** What is flipped to what. */
  from: number
  to: number
  said: string
  fit: (rows: Omit<Rows, 'fit'>, seed: number) => Parameters<typeof compileScorer>[0]
}

const section: Section = async () => {
  for (const rows of [await incomes(), digits()]) {
    if (!rows) console.error('  adult is left out: ../shared/data/adult is absent')
    else for (const rate of RATES) judge(rows, rate)
  }
}
export default section

async function incomes(): Promise<Rows | undefined> {
  const set = await adult()
  if (!set) return undefined
  const columns = set.train.columns.map((column) => Float64Array.from(column))
  const fit: Rows['fit'] = ({ labels, ...data }, seed) =>
    trainGbdt({ nRows: labels.length, target: labels, ...data }, { ...GBDT, seed }).model
  const labels = Float64Array.from(set.train.target)
  const { categorical } = set
  return {
    name: 'adult',
    columns,
    categorical,
    labels,
    nClasses: 2,
    from: 1,
    to: 0,
    said: '>50K to <=50K',
    fit,
  }
}

function digits(): Rows {
  const { nRows, pixels, labels } = mnistDigits()
  const columns = Array.from({ length: PIXELS }, (_, j) =>
    Float64Array.from({ length: nRows }, (__, i) => pixels[i * PIXELS + j]),
  )
  const fit: Rows['fit'] = (rows, seed) =>
    trainMlp({ nRows: rows.labels.length, target: rows.labels, ...rows }, { ...MLP, seed }).model
  const categorical = columns.map(() => false)
  return {
    name: 'MNIST',
    columns,
    categorical,
    labels: Float64Array.from(labels),
    nClasses: 10,
    from: 7,
    to: 1,
    said: '7 to 1',
    fit,
  }
}

interface Found {
  flipped: number
  hits: number
  /** Rows called the other class that are flagged, and flagged rows of any. */
  flagged: number
  all: number
}

function judge(rows: Rows, rate: number): void {
  const found = SEEDS.map((seed) => flippedAndFound(rows, rate, seed))
  const sum = (of: keyof Found) => found.reduce((n, one) => n + one[of], 0)
  const name = `label flips, ${rows.name} ${rows.said}, ${100 * rate} %`
  const note = `${sum('hits')} of ${sum('flipped')} flipped are among ${sum('flagged')} flagged rows of that label, ${sum('all')} flagged in all; ${SEEDS.length} draws of ${rows.labels.length} rows`
  report({
    bench: BENCH,
    metric: `${name}: recall`,
    value: sum('hits') / sum('flipped'),
    unit: 'share',
    note,
  })
  report({ bench: BENCH, metric: `${name}: precision`, value: sum('hits') / sum('flagged'), unit: 'share' })
}

function flippedAndFound(rows: Rows, rate: number, seed: number): Found {
  const rng = seededRng(seed)
  const labels = rows.labels.slice()
  const isFlipped = Uint8Array.from(labels, (label) => Number(label === rows.from && rng.next() < rate))
  isFlipped.forEach((is, i) => {
    if (is === 1) labels[i] = rows.to
  })
  const { flags } = labelIssues(outOfSample({ ...rows, labels }, seed), labels)
  const count = (holds: (i: number) => boolean) => labels.reduce((n, _, i) => n + Number(holds(i)), 0)
  return {
    flipped: count((i) => isFlipped[i] === 1),
    hits: count((i) => isFlipped[i] === 1 && flags[i] === 1),
    flagged: count((i) => labels[i] === rows.to && flags[i] === 1),
    all: count((i) => flags[i] === 1),
  }
}

/** Probabilities of each class, `[n * nClasses]`, of rows by models that learned from the other folds. */
function outOfSample(rows: Rows, seed: number): Float64Array {
  const { columns, labels, nClasses } = rows
  const out = new Float64Array(labels.length * nClasses)
  for (let fold = 0; fold < FOLDS; fold++) {
    const inFold = (is: boolean) => Int32Array.from(labels.keys()).filter((i) => (i % FOLDS === fold) === is)
    const taken = (at: Int32Array) => columns.map((column) => Float64Array.from(at, (i) => column[i]))
    const [taught, asked] = [inFold(false), inFold(true)]
    const model = rows.fit(
      { ...rows, columns: taken(taught), labels: Float64Array.from(taught, (i) => labels[i]) },
      seed,
    )
    const said = new Float64Array(asked.length * model.nOutputs)
    compileScorer(model).scoreBatch(taken(asked), asked.length, said)
    asked.forEach((row, i) => {
      if (model.nOutputs === 1) out.set([1 - said[i], said[i]], row * 2)
      else out.set(said.subarray(i * nClasses, (i + 1) * nClasses), row * nClasses)
    })
  }
  return out
}
