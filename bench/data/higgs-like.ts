/**
 * A made-up set in the manner of HIGGS: 21 measured features of several shapes, 7 worked out of them, and a label that hangs on products and thresholds of them
 * with noise. Written once into the temporary folder and read by both sides, so that peers train on the same numbers.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRng } from '../../dist/core/rng.js'
import { readColumns, readNumbers, writeNpy } from './npy.ts'

const VERSION = 1
const N_MEASURED = 21
export const N_FEATURES = 28

export interface Split {
  nRows: number
  /** One a feature, without missing values. */
  columns: Float32Array[]
  /** 0 or 1. */
  target: Float64Array
}

export interface HiggsLike {
  /** Holds x-train.npy, y-train.npy, x-test.npy, y-test.npy and about.json. */
  folder: string
  train: Split
  test: Split
  /** AUC on the test rows of the probabilities that the labels were drawn from: no model is better but by luck. */
  bayesAuc: number
}

export interface HiggsLikeSize {
  /** Default: 500,000. */
  trainRows?: number
  /** Default: 100,000. */
  testRows?: number
  /** Default: 1. */
  seed?: number
}

/** Makes the set, or reads what an earlier run has made. Takes about 5 s and 67 MB a 600,000 rows. */
export function higgsLike({
  trainRows = 500_000,
  testRows = 100_000,
  seed = 1,
}: HiggsLikeSize = {}): HiggsLike {
  const folder = join(tmpdir(), `millrace-bench-higgs-like-v${VERSION}-${trainRows}-${testRows}-${seed}`)
  if (!existsSync(folder)) make(folder, { trainRows, testRows, seed })
  const { bayesAuc } = JSON.parse(readFileSync(join(folder, 'about.json'), 'utf8'))
  return { folder, train: readSplit(folder, 'train'), test: readSplit(folder, 'test'), bayesAuc }
}

function readSplit(folder: string, name: string): Split {
  const target = readNumbers(join(folder, `y-${name}.npy`))
  return { nRows: target.length, columns: readColumns(join(folder, `x-${name}.npy`), N_FEATURES), target }
}

function make(folder: string, { trainRows, testRows, seed }: Required<HiggsLikeSize>): void {
  const scratch = `${folder}.${process.pid}`
  mkdirSync(scratch, { recursive: true })
  const train = draw(trainRows, seed * 2)
  const test = draw(testRows, seed * 2 + 1)
  for (const [name, split] of Object.entries({ train, test })) {
    writeNpy(join(scratch, `x-${name}.npy`), split.columns)
    writeNpy(join(scratch, `y-${name}.npy`), split.target)
  }
  const about = { trainRows, testRows, features: N_FEATURES, seed, bayesAuc: auc(test.logit, test.target) }
  writeFileSync(join(scratch, 'about.json'), JSON.stringify(about))
  try {
    renameSync(scratch, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
  }
}

function draw(nRows: number, seed: number): Split & { logit: Float64Array } {
  const rng = seededRng(seed)
  const columns = Array.from({ length: N_FEATURES }, () => new Float32Array(nRows))
  const target = new Float64Array(nRows)
  const logit = new Float64Array(nRows)
  const x = new Float32Array(N_FEATURES)
  for (let i = 0; i < nRows; i++) {
    for (let j = 0; j < N_MEASURED; j++) x[j] = measured(j, rng)
    workOut(x)
    logit[i] = logitOf(x)
    target[i] = rng.next() < 1 / (1 + Math.exp(-logit[i])) ? 1 : 0
    for (let j = 0; j < N_FEATURES; j++) columns[j][i] = x[j]
  }
  return { nRows, columns, target, logit }
}

/** Momenta are long-tailed, angles even, tags take few values, the rest is normal. */
function measured(j: number, rng: ReturnType<typeof seededRng>): number {
  if (j % 4 === 0) return Math.exp(0.5 * rng.normal())
  if (j % 4 === 2) return 2 * Math.PI * (rng.next() - 0.5)
  if (j % 8 === 3) return Math.floor(3 * rng.next())
  return rng.normal()
}

/** Features 21 to 27, in the manner of invariant masses: square roots of products of momenta and differences of angles. */
function workOut(x: Float32Array): void {
  for (let k = 0; k < N_FEATURES - N_MEASURED; k++) {
    const [a, b] = [(4 * k) % 20, (4 * k + 8) % 20]
    const angle = Math.cos(x[(a + 2) % N_MEASURED] - x[(b + 2) % N_MEASURED])
    const width = Math.cosh(Math.min(3, Math.abs(x[a + 1] - x[b + 1])))
    x[N_MEASURED + k] = Math.sqrt(Math.max(0, 2 * x[a] * x[b] * (width - angle)))
  }
}

function logitOf(x: Float32Array): number {
  const peak = Math.exp(-((x[21] - 1.6) ** 2)) + 0.8 * Math.exp(-2 * (x[24] - 1) ** 2)
  const products = 0.5 * x[1] * x[5] + 0.4 * x[9] * Math.sin(x[6]) - 0.3 * x[13] * x[17]
  const steps = (x[3] > 1 ? 0.6 : -0.2) * (x[0] > 1 ? 1 : -0.5) + (x[25] > 2.2 ? -0.5 : 0.25)
  const smooth = 0.35 * Math.tanh(x[4] - 1.2) + 0.25 * x[7] - 0.2 * x[22] + 0.3 * Math.cos(x[10]) * x[8]
  return 1.55 * (peak + products + steps + smooth - 0.55)
}

/** Area under the receiver operating characteristic by ranks; scores without ties. */
function auc(scores: Float64Array, target: Float64Array): number {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b])
  let [rankSum, nPositive] = [0, 0]
  order.forEach((i, rank) => {
    if (target[i] !== 1) return
    rankSum += rank + 1
    nPositive++
  })
  return (rankSum - (nPositive * (nPositive + 1)) / 2) / (nPositive * (scores.length - nPositive))
}
