import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { encodeModel } from '../../../src/model/format.ts'
import { type TrainData, trainGbdt } from '../../../src/train/gbdt/train.ts'

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

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const PARAMS = { trees: 12, leaves: 15, learningRate: 0.2, bins: 63, seed: 7 }

const WORLDS: [string, () => TrainData, object][] = [
  ['numbers, missing values and categories', () => world(6000, 1), {}],
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
  ['squared error', () => world(4000, 5), { loss: 'l2' as const }],
  [
    'early stopping',
    () => ({ ...world(4000, 6), valid: world(1000, 60) }),
    { earlyStoppingRounds: 3, trees: 60 },
  ],
]

for (const [name, make, more] of WORLDS) {
  test(`the model has the same bytes from WebAssembly and from plain loops: ${name}`, () => {
    const data = make()
    const train = (kernels: 'wasm' | 'js') =>
      digest(encodeModel(trainGbdt(data, { ...PARAMS, ...more }, { kernels }).model))
    expect(train('wasm')).toBe(train('js'))
  })
}

test('the model has the same bytes from two threads', () => {
  if (!existsSync(new URL('../../../dist/train/gbdt/crew-worker.js', import.meta.url))) {
    console.log('SKIP two threads: dist is not built')
    return
  }
  const data = world(20_000, 8)
  const train = (threads: number) => digest(encodeModel(trainGbdt(data, PARAMS, { threads }).model))
  expect(train(2)).toBe(train(1))
})
