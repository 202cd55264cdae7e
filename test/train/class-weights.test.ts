import { describe, expect, test } from 'vitest'
import { ebm, forest, gbdt, linear, mlp, stack } from '../../src/define/index.ts'
import type { TrainerDef } from '../../src/define/types.ts'
import { encodeModel } from '../../src/model/format.ts'
import { trainGbdt } from '../../src/train/gbdt/train.ts'
import type { LearnInput, LearnRows } from '../../src/train/learner.ts'
import { learnerOf } from '../../src/train/learners.ts'

const CLASSES = ['Adelie', 'Chinstrap', 'Gentoo']
const N_ROWS = 240

/** Classes 0, 1, 2 in shares of one half, a quarter and a quarter. */
const codeOf = (i: number) => [0, 1, 0, 2][i % 4]

function rowsOf(target: (i: number) => number): LearnRows {
  return {
    nRows: N_ROWS,
    columns: [
      Float64Array.from({ length: N_ROWS }, (_, i) => Math.sin(i) + 0.7 * codeOf(i)),
      Float64Array.from({ length: N_ROWS }, (_, i) => Math.cos(3 * i)),
    ],
    target: Float64Array.from({ length: N_ROWS }, (_, i) => target(i)),
  }
}

async function bytesOf(
  trainer: TrainerDef,
  given: Partial<LearnInput> & { weights?: Float64Array; target?: (i: number) => number } = {},
): Promise<Uint8Array> {
  const { weights, target = codeOf, ...rest } = given
  const rows = rowsOf(target)
  const { model } = await learnerOf(trainer.kind).learn(
    {
      task: 'multiclass',
      nClasses: 3,
      classes: CLASSES,
      features: [
        { name: 'a', type: 'number' },
        { name: 'b', type: 'number' },
      ],
      train: weights ? { ...rows, weights } : rows,
      validate: rows,
      seed: 1,
      signal: new AbortController().signal,
      progress: () => {},
      note: () => {},
      ...rest,
    },
    trainer,
  )
  return encodeModel(model)
}

const weightsOf = (ofClass: number[]) => Float64Array.from({ length: N_ROWS }, (_, i) => ofClass[codeOf(i)])
const BINARY = {
  task: 'binary',
  nClasses: 1,
  classes: undefined,
  target: (i: number) => Number(codeOf(i) > 0),
} as const

type Given = 'balanced' | number[] | Record<string, number>
const TRAINERS: [string, (classWeights?: Given) => TrainerDef][] = [
  ['forest', (w) => forest({ trees: 5, ...(w && { classWeights: w }) })],
  ['linear', (w) => linear({ ...(w && { classWeights: w }) })],
  ['mlp', (w) => mlp({ hidden: [4], epochs: 3, ...(w && { classWeights: w }) })],
  ['ebm', (w) => ebm({ rounds: 5, bags: 2, interactions: 1, ...(w && { classWeights: w }) })],
]

describe.each(TRAINERS)('%s', (_, trainer) => {
  test('weights by label are those of the rows, and labels left out weigh 1', async () => {
    const plain = await bytesOf(trainer())
    const byLabel = await bytesOf(trainer({ Gentoo: 3, Adelie: 2 }))
    expect(byLabel).toStrictEqual(await bytesOf(trainer(), { weights: weightsOf([2, 1, 3]) }))
    expect(byLabel).toStrictEqual(await bytesOf(trainer([2, 1, 3])))
    expect(byLabel).not.toStrictEqual(plain)
  })

  test('balanced gives each class the same total: all rows over classes times its rows', async () => {
    const byHand = await bytesOf(trainer(), { weights: weightsOf([2 / 3, 4 / 3, 4 / 3]) })
    expect(await bytesOf(trainer('balanced'))).toStrictEqual(byHand)
  })

  test('weights of classes and of rows multiply, and balanced counts the rows that are kept', async () => {
    const own = Float64Array.from({ length: N_ROWS }, (_x, i) => 1 + (i % 3))
    const both = own.map((w, i) => w * [2, 1, 1][codeOf(i)])
    expect(await bytesOf(trainer({ Adelie: 2 }), { weights: own })).toStrictEqual(
      await bytesOf(trainer(), { weights: both }),
    )
    const kept = Int32Array.from(Array(N_ROWS).keys()).filter((i) => i % 8 !== 0)
    const n = [0, 1, 2].map((k) => kept.filter((i) => codeOf(i) === k).length)
    const byHand = weightsOf(n.map((rows) => kept.length / (3 * rows)))
    expect(await bytesOf(trainer('balanced'), { kept })).toStrictEqual(
      await bytesOf(trainer(), { kept, weights: byHand }),
    )
  })

  test('two outcomes are called true and false, or 1 and 0', async () => {
    const weights = Float64Array.from({ length: N_ROWS }, (_x, i) => (codeOf(i) > 0 ? 4 : 1))
    const byHand = await bytesOf(trainer(), { ...BINARY, weights })
    expect(await bytesOf(trainer({ true: 4 }), BINARY)).toStrictEqual(byHand)
    expect(await bytesOf(trainer({ 1: 4 }), BINARY)).toStrictEqual(byHand)
  })

  test('a label that no class has, and a target without classes, are refused by name', async () => {
    await expect(bytesOf(trainer({ Emperor: 2 }))).rejects.toThrow(
      /MR_MODEL_PARAM.*Adelie, Chinstrap, Gentoo.*Emperor/s,
    )
    await expect(bytesOf(trainer({ Adelie: 2 }), BINARY)).rejects.toThrow('MR_MODEL_PARAM')
    await expect(bytesOf(trainer([1, 2]))).rejects.toThrow('MR_MODEL_PARAM')
    await expect(bytesOf(trainer('balanced'), { task: 'regression', nClasses: 1 })).rejects.toThrow(
      'MR_MODEL_PARAM',
    )
  })
})

test('boosting takes weights by label as it takes them in order, for several classes and for two', async () => {
  const of = (classWeights: Given, objective: 'softmax' | 'oneVsAll' = 'softmax') =>
    gbdt({ trees: 3, objective: { name: objective, classWeights } })
  for (const objective of ['softmax', 'oneVsAll'] as const)
    expect(await bytesOf(of({ Gentoo: 3 }, objective))).toStrictEqual(await bytesOf(of([1, 1, 3], objective)))
  await expect(bytesOf(of({ Emperor: 3 }))).rejects.toThrow('MR_MODEL_PARAM')
  const two = (classWeights: Given) => gbdt({ trees: 3, objective: { name: 'logloss', classWeights } })
  expect(await bytesOf(two({ true: 3 }), BINARY)).toStrictEqual(await bytesOf(two([1, 3]), BINARY))
  await expect(bytesOf(two({ yes: 3 }), BINARY)).rejects.toThrow('MR_MODEL_PARAM')
})

test('parts of a stack weigh classes by themselves', async () => {
  const of = (classWeights?: Given) =>
    stack({ of: [gbdt({ trees: 3 }), linear({ ...(classWeights && { classWeights }) })], folds: 2 })
  expect(await bytesOf(of({ true: 4 }), BINARY)).not.toStrictEqual(await bytesOf(of(), BINARY))
})

test('a chance weighs as both outcomes in part: the same model as a row of each', async () => {
  const trainer = linear({ classWeights: { true: 3 } })
  const doubled = rowsOf((i) => Number(codeOf(i) > 0))
  const twice = (values: Float64Array) => Float64Array.from([...values, ...values])
  const split = {
    nRows: 2 * N_ROWS,
    columns: doubled.columns.map(twice),
    target: Float64Array.from({ length: 2 * N_ROWS }, (_, i) => Number(i < N_ROWS)),
    weights: Float64Array.from({ length: 2 * N_ROWS }, (_, i) => {
      const share = codeOf(i % N_ROWS) > 0 ? 0.75 : 0.25
      return i < N_ROWS ? share : 1 - share
    }),
  }
  const soft = { ...BINARY, target: (i: number) => (codeOf(i) > 0 ? 0.75 : 0.25) }
  const score = async (given: Parameters<typeof bytesOf>[1]) => {
    const { decodeModel } = await import('../../src/model/format.ts')
    const { model } = decodeModel(await bytesOf(trainer, given))
    return [...(model as unknown as { weights: Float64Array; intercepts: Float64Array }).weights]
  }
  const [a, b] = [await score(soft), await score({ ...BINARY, train: split })]
  a.forEach((w, j) => {
    expect(Math.abs(w - b[j])).toBeLessThan(1e-6)
  })
})

test('raw scores to start from that are no numbers are refused', () => {
  const { nRows, columns, target } = rowsOf((i) => codeOf(i) / 2)
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const init = new Float64Array(nRows)
    init[7] = odd
    const data = { nRows, columns, categorical: [false, false], target, init }
    expect(() => trainGbdt(data, { trees: 2, objective: 'l2' })).toThrow('MR_MODEL_PARAM')
  }
})
