import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { compileScorer } from '../../../src/model/score.ts'
import { binColumns } from '../../../src/train/gbdt/binning.ts'
import { type TrainData, trainGbdt, trainOnBins } from '../../../src/train/gbdt/train.ts'

/** A target that needs a number, a missing value and a category to be told. */
function world(nRows: number, seed: number): TrainData {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 5 }, () => new Float64Array(nRows))
  const target = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    columns[0][i] = rng.normal()
    columns[1][i] = rng.next() < 0.2 ? Number.NaN : rng.normal()
    columns[2][i] = rng.nextInt(12)
    columns[3][i] = rng.nextInt(3)
    columns[4][i] = rng.normal() * 1e6 + 1e7
    const raw = columns[0][i] + (Number.isNaN(columns[1][i]) ? 1 : columns[1][i]) + (columns[2][i] % 3) - 1.5
    target[i] = rng.next() < 1 / (1 + Math.exp(-raw)) ? 1 : 0
  }
  return { nRows, columns, categorical: [false, false, true, false, false], target }
}

/** The same features, and a target of four classes by their order. */
function classes(nRows: number, seed: number): TrainData {
  const data = world(nRows, seed)
  const [x, y] = data.columns
  const target = data.target.map((late, i) => late + 2 * Number(x[i] + (Number.isNaN(y[i]) ? 0 : y[i]) > 0.3))
  return { ...data, target }
}

/** The same features, and counts by two of them. */
function counted(nRows: number, seed: number): TrainData {
  const data = world(nRows, seed)
  return { ...data, target: data.target.map((late, i) => late + 3 * Number(data.columns[0][i] > 0.5)) }
}

/** Two categories of many and few codes, some missing, beside a number; where `rare`, few rows are 1, so that hessians say little of row counts. */
function coded(nRows: number, seed: number, { rare = false, codes = 230 } = {}): TrainData {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 4 }, () => new Float64Array(nRows))
  const target = new Float64Array(nRows)
  for (let i = 0; i < nRows; i++) {
    columns[0][i] = Math.floor(rng.next() ** 2 * codes)
    columns[1][i] = rng.next() < 0.1 ? Number.NaN : rng.nextInt(40)
    columns[2][i] = rng.next()
    columns[3][i] = rng.next() < 0.3 ? Number.NaN : rng.nextInt(7)
    const likely = (columns[0][i] % 7) + (columns[1][i] % 5) > 8 && columns[2][i] > 0.4
    target[i] = rng.next() < (likely ? 0.6 : rare ? 0.003 : 0.3) ? 1 : 0
  }
  return { nRows, columns, categorical: [true, true, false, false], target }
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const PARAMS = { trees: 12, leaves: 15, learningRate: 0.2, bins: 63, seed: 7 }

const WORLDS: [string, () => TrainData, object][] = [
  ['numbers, missing values and categories', () => world(6000, 1), {}],
  ['categories of many codes', () => coded(9000, 21), { bins: 255, leaves: 31 }],
  [
    'categories of more codes than a byte holds',
    () => coded(4000, 22, { codes: 500 }),
    { bins: 600, categorical: { oneHotMax: 50 } },
  ],
  [
    'rows that hessians count badly',
    () => coded(9000, 23, { rare: true }),
    { bins: 255, minRowsInLeaf: 37, learningRate: 0.5, categorical: { smooth: 0.5, groupRows: 1 } },
  ],
  [
    'rows that hessians count badly, by features drawn for each node',
    () => coded(9000, 24, { rare: true }),
    { bins: 255, minRowsInLeaf: 37, learningRate: 0.5, featureFractionByNode: 0.5 },
  ],
  ['bags of rows and features', () => world(6000, 2), { bagging: 0.7, featureFraction: 0.6 }],
  [
    'weights',
    () => ({ ...world(4000, 3), weights: Float64Array.from({ length: 4000 }, (_, i) => 1 + (i % 3)) }),
    {},
  ],
  [
    'starting scores',
    () => ({ ...world(4000, 4), init: Float64Array.from({ length: 4000 }, (_, i) => (i % 5) / 10) }),
    {},
  ],
  ['squared error', () => world(4000, 5), { objective: 'l2' as const }],
  ['absolute error', () => world(4000, 5), { objective: 'l1' as const }],
  ['classes', () => classes(5001, 12), { objective: 'softmax', trees: 6 }],
  [
    'weights, bags and starting scores of classes',
    () => ({
      ...classes(4000, 13),
      weights: Float64Array.from({ length: 4000 }, (_, i) => 1 + (i % 3)),
      init: Float64Array.from({ length: 16_000 }, (_, i) => (i % 7) / 10),
      valid: { ...classes(1001, 14), init: Float64Array.from({ length: 4004 }, (_, i) => (i % 5) / 10) },
    }),
    {
      objective: { name: 'softmax', classWeights: 'balanced', labelSmoothing: 0.1 },
      trees: 30,
      earlyStoppingRounds: 2,
      bagging: 0.6,
      featureFraction: 0.7,
    },
  ],
  ['several blocks of rows of classes', () => classes(20_001, 15), { objective: 'softmax', trees: 3 }],
  ['bins of two bytes', () => world(6000, 13), { bins: 3000 }],
  ['rows drawn with replacement', () => world(5000, 16), { replacement: true, bagging: 0.8 }],
  [
    'random borders and features by node',
    () => world(5000, 17),
    { randomBorders: true, featureFractionByNode: 0.5 },
  ],
  ['bins of two bytes and bags', () => world(5000, 14), { bins: 300, bagging: 0.5 }],
  ['an objective without a kernel', () => counted(4001, 16), { objective: 'poisson' }],
  [
    'leaves of quantiles',
    () => counted(4001, 17),
    { objective: { name: 'quantile', alpha: 0.8 }, bagging: 0.7 },
  ],
  [
    'queries',
    () => {
      const groups = (n: number) => Int32Array.from({ length: n / 20 }, (_, q) => q * 20)
      return {
        ...counted(4000, 18),
        groups: groups(4000),
        valid: { ...counted(1000, 19), groups: groups(1000) },
      }
    },
    { objective: 'lambdarank', earlyStoppingRounds: 3 },
  ],
  ['several blocks of rows', () => world(20_001, 8), {}],
  [
    'early stopping',
    () => ({ ...world(4000, 6), valid: world(1000, 60) }),
    { earlyStoppingRounds: 3, trees: 60 },
  ],
  [
    'early stopping with bins of two bytes',
    () => ({ ...world(4000, 6), valid: world(1000, 60) }),
    { earlyStoppingRounds: 3, trees: 60, bins: 1000 },
  ],
]

const hasThreads = existsSync(new URL('../../../dist/train/gbdt/crew-worker.js', import.meta.url))
if (!hasThreads) console.log('SKIP trainings on two threads: dist is not built')

/** One, two and three threads of WebAssembly, held to the plain loops in model, losses and scores. */
function expectTwins(data: TrainData, params: object): void {
  const train = (options: { kernels?: 'js' | 'wasm'; threads?: number }) => {
    const { model, validLoss, trainScores, ranOn } = trainGbdt(data, params, { ...options, threadRowsMin: 1 })
    expect(ranOn).toEqual({ kernels: options.kernels ?? 'wasm', threads: options.threads ?? 1 })
    return {
      model: digest(encodeModel(model)),
      validLoss,
      scores: digest(new Uint8Array(trainScores.slice().buffer)),
    }
  }
  const plain = train({ kernels: 'js' })
  expect(train({})).toEqual(plain)
  if (hasThreads) for (const threads of [2, 3]) expect(train({ threads })).toEqual(plain)
}

for (const [name, make, more] of WORLDS) {
  test(`the model has the same bytes from WebAssembly and from plain loops: ${name}`, () => {
    expectTwins(make(), { ...PARAMS, ...more })
  })
}

test('the model has the same bytes for any number of rows and features', () => {
  const rng = seededRng(11)
  for (const [nRows, nFeatures] of [
    [1, 1],
    [2, 9],
    [41, 3],
    [300, 17],
    [1003, 8],
    [8193, 2],
  ]) {
    const columns = Array.from({ length: nFeatures }, () => Float64Array.from({ length: nRows }, rng.normal))
    const data = { nRows, columns, categorical: columns.map(() => false), target: columns[0].map(Math.sin) }
    const params = { trees: 4, leaves: 6, minRowsInLeaf: 2, objective: 'l2' as const }
    const bytes = (kernels: 'js' | 'wasm') => digest(encodeModel(trainGbdt(data, params, { kernels }).model))
    expect(bytes('wasm')).toBe(bytes('js'))
  }
})

test('sixty thousand real flights give the same bytes on each kind of kernel', () => {
  const file = new URL('../../../node_modules/vega-datasets/data/flights-200k.json', import.meta.url)
  if (!existsSync(file)) {
    console.log('SKIP real flights: vega-datasets is not installed')
    return
  }
  const flights = (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>[]).slice(0, 60_000)
  const columns = ['distance', 'time'].map((name) => Float64Array.from(flights, (row) => row[name]))
  const target = Float64Array.from(flights, ({ delay }) => Number(delay > 15))
  expectTwins(
    { nRows: flights.length, columns, categorical: [false, false], target },
    { trees: 10, leaves: 31 },
  )
})

test('the scores of training rows are those that the model gives, also where trees were cut off', () => {
  const data = world(3000, 9)
  const params = { ...PARAMS, trees: 80, learningRate: 0.5, earlyStoppingRounds: 4 }
  for (const kernels of ['js', 'wasm'] as const) {
    const given = { ...data, valid: world(500, 91) }
    const { model, trainScores, stopped } = trainGbdt(given, params, { kernels })
    const scored = new Float64Array(data.nRows)
    compileScorer(model).rawBatch(data.columns, data.nRows, scored)
    expect(stopped).toBe('early')
    expect(trainScores).toStrictEqual(scored)
  }
})

test('rows that a training leaves out have no score', () => {
  const { columns, categorical, target } = world(900, 10)
  const rowIndexes = Int32Array.from({ length: 450 }, (_, i) => 2 * i + 1)
  const binned = binColumns(columns, categorical)
  const { trainScores } = trainOnBins({ binned, rowIndexes, target }, PARAMS)
  trainScores.forEach((score, row) => {
    expect(Number.isNaN(score)).toBe(row % 2 === 0)
  })
})

test('a cancelled training on two threads ends, and the next one is not disturbed', () => {
  if (!hasThreads) return
  const data = world(9000, 12)
  const options = { threads: 2, threadRowsMin: 1 }
  const bytes = () => digest(encodeModel(trainGbdt(data, PARAMS, options).model))
  const before = bytes()
  const signal = { aborted: false }
  const onProgress = () => {
    signal.aborted = true
  }
  expect(() => trainGbdt(data, PARAMS, { ...options, signal, onProgress })).toThrow('MR_CANCELLED')
  expect(bytes()).toBe(before)
})

test('little data is trained on by fewer threads than are given', () => {
  const { ranOn } = trainGbdt(world(3000, 12), { trees: 2 }, { threads: 8 })
  expect(ranOn).toEqual({ kernels: 'wasm', threads: 1 })
  if (!hasThreads) return
  const { ranOn: two } = trainGbdt(world(3000, 12), { trees: 2 }, { threads: 8, threadRowsMin: 1400 })
  expect(two).toEqual({ kernels: 'wasm', threads: 2 })
})

test('the committed kernels are what their source compiles to, byte for byte', () => {
  const script = fileURLToPath(new URL('../../../scripts/kernels.mjs', import.meta.url))
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
}, 120_000)
