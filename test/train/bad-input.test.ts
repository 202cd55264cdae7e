/**
 * What no trainer may do with bad rows: crash, hang, or give a model that answers NaN. Each kind of trainer, on each task it has, either refuses with a code or
 * gives a model that keeps the rules of its form, survives its own bytes, and has a finite answer for every row that a client can send.
 */
import { describe, expect, test } from 'vitest'
import { isMillraceError } from '../../src/core/errors.ts'
import type { ModelTask } from '../../src/core/records.ts'
import { seededRng } from '../../src/core/rng.ts'
import { decodeModel, encodeModel } from '../../src/model/format.ts'
import { predictColumns } from '../../src/model/predict.ts'
import type { LearnRows } from '../../src/train/learner.ts'
import { learnerOf } from '../../src/train/learners.ts'
import { SMALL_TRAINERS } from '../fixtures/trainers.ts'

const KINDS = (Object.keys(SMALL_TRAINERS) as (keyof typeof SMALL_TRAINERS)[]).flatMap((kind) =>
  learnerOf(kind).tasks.map((task) => [kind, task] as const),
)
const N_CLASSES = 3
const ODD = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  1e300,
  -1e300,
  5e-324,
  2 ** 53,
  3,
]

/** What a client can send to a model: nothing, nothing much, and more than any training row had. Larger numbers may leave the doubles of a linear sum, which serving refuses. */
const SENT = [Number.NaN, -0, 5e-324, 2 ** 53, -1e15, 3, 0.1]

interface Data {
  train: LearnRows
  validate: LearnRows
  types: ('number' | 'category')[]
  nClasses?: number
}

const targetOf = (task: ModelTask, i: number) =>
  task === 'binary' ? i % 2 : task === 'regression' ? (i % 17) / 3 : i % N_CLASSES

/** Rows that are sound: one number, one constant, one category. */
function sound(task: ModelTask, nRows = 200): Data {
  const rows = (n: number): LearnRows => ({
    nRows: n,
    columns: [
      Float64Array.from({ length: n }, (_, i) => Math.sin(i) + targetOf(task, i)),
      new Float64Array(n).fill(7),
      Float64Array.from({ length: n }, (_, i) => i % 5),
    ],
    target: Float64Array.from({ length: n }, (_, i) => targetOf(task, i)),
    ...(task === 'ranking'
      ? { groups: Int32Array.from({ length: Math.ceil(n / 10) }, (_, g) => g * 10) }
      : {}),
  })
  return { train: rows(nRows), validate: rows(60), types: ['number', 'number', 'category'] }
}

type Outcome = { code: string } | { finite: boolean }

async function outcomeOf(kind: keyof typeof SMALL_TRAINERS, task: ModelTask, data: Data): Promise<Outcome> {
  const { train, validate, types } = data
  const nClasses = data.nClasses ?? (task === 'multiclass' ? N_CLASSES : 1)
  const features = types.map((type, j) => ({ name: `f${j}`, type }))
  const rest = { seed: 1, signal: new AbortController().signal, progress: () => {}, note: () => {} }
  try {
    const trainer = SMALL_TRAINERS[kind]
    const input = { task, nClasses, features, train, validate, ...rest }
    const { model } = await learnerOf(kind).learn(input, trainer)
    const graph = decodeModel(encodeModel(model))
    const rowsOf = (values: number[]) =>
      types.map((_, j) => Float64Array.from(values, (_x, i) => values[(i + j) % values.length]))
    predictColumns(graph, rowsOf(ODD), ODD.length)
    return { finite: predictColumns(graph, rowsOf(SENT), SENT.length).every(Number.isFinite) }
  } catch (error) {
    if (!isMillraceError(error)) throw error
    return { code: error.code }
  }
}

const isCoded = (outcome: Outcome) => 'code' in outcome

describe.each(KINDS)('%s, %s', (kind, task) => {
  const learn = (data: Data) => outcomeOf(kind, task, data)

  test('sound rows beside a constant feature give a model with finite answers to odd rows', async () => {
    expect(await learn(sound(task))).toEqual({ finite: true })
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'a target of %d is refused',
    async (bad) => {
      const data = sound(task)
      data.train.target[17] = bad
      expect(isCoded(await learn(data))).toBe(true)
    },
  )

  test('one class, or codes that are no class, are refused; one value of a number is a constant', async () => {
    const data = sound(task)
    data.train.target.fill(task === 'regression' ? 2.5 : 1)
    const outcome = await learn(data)
    if (task === 'binary' || task === 'multiclass') expect(isCoded(outcome)).toBe(true)
    else expect('code' in outcome || outcome.finite).toBe(true)
    if (task !== 'multiclass') return
    for (const bad of [0.5, -1, N_CLASSES]) {
      const other = sound(task)
      other.train.target[3] = bad
      expect(isCoded(await learn(other))).toBe(true)
    }
  })

  test('no rows are refused, and one row is refused or learned', async () => {
    const none = sound(task)
    none.train = sliceOf(none.train, 0)
    expect(isCoded(await learn(none))).toBe(true)
    const one = sound(task)
    one.train = sliceOf(one.train, 1)
    const outcome = await learn(one)
    expect('code' in outcome || outcome.finite).toBe(true)
  })

  test('columns that are all missing, all infinite or of any size are refused or learned', async () => {
    for (const odd of ODD) {
      const data = sound(task)
      data.train.columns[0].fill(odd)
      data.train.columns[1].fill(odd, 0, 100)
      const outcome = await learn(data)
      expect([odd, 'code' in outcome || outcome.finite]).toEqual([odd, true])
    }
  })

  test('a hundred thousand categories, most of them seen once, are learned or refused, and soon', async () => {
    const data = sound(task, 100_000)
    data.train.columns[2] = Float64Array.from({ length: 100_000 }, (_, i) => (i * 7) % 99_991)
    const outcome = await learn(data)
    expect('code' in outcome || outcome.finite).toBe(true)
  }, 60_000)

  test('random rows with odd values, ties and gaps: a code or a finite model, whatever the seed', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const outcome = await learn(drawn(task, seededRng(seed)))
      expect([seed, 'code' in outcome || outcome.finite]).toEqual([seed, true])
    }
  }, 60_000)
})

test('three hundred classes of three rows each are learned or refused by each trainer of classes', async () => {
  for (const [kind, task] of KINDS) {
    if (task !== 'multiclass') continue
    const nClasses = 300
    const data = { ...sound(task, 900), nClasses }
    for (const rows of [data.train, data.validate]) rows.target = rows.target.map((_, i) => i % nClasses)
    const outcome = await outcomeOf(kind, task, data)
    expect([kind, 'code' in outcome || outcome.finite]).toEqual([kind, true])
  }
}, 120_000)

function sliceOf({ columns, target, groups }: LearnRows, n: number): LearnRows {
  return {
    nRows: n,
    columns: columns.map((c) => c.slice(0, n)),
    target: target.slice(0, n),
    ...(groups ? { groups: groups.slice(0, Math.min(n, 1)) } : {}),
  }
}

/** A few rows and columns; values are small integers, odd doubles, or nothing. */
function drawn(task: ModelTask, rng: ReturnType<typeof seededRng>): Data {
  const below = (n: number) => Math.floor(rng.next() * n)
  const types = Array.from({ length: 1 + below(4) }, (): 'number' | 'category' =>
    rng.next() < 0.3 ? 'category' : 'number',
  )
  const value = (type: 'number' | 'category') => {
    if (rng.next() < 0.1) return Number.NaN
    if (type === 'category') return below(40)
    return rng.next() < 0.1 ? ODD[below(ODD.length)] : rng.next() < 0.5 ? below(4) : rng.next() * 1e6 - 5e5
  }
  const rows = (n: number): LearnRows => ({
    nRows: n,
    columns: types.map((type) => Float64Array.from({ length: n }, () => value(type))),
    target: Float64Array.from({ length: n }, (_, i) =>
      rng.next() < 0.5 ? targetOf(task, below(100)) : targetOf(task, i),
    ),
    ...(rng.next() < 0.3
      ? { weights: Float64Array.from({ length: n }, () => (rng.next() < 0.2 ? 0 : rng.next() * 3)) }
      : {}),
    ...(task === 'ranking' ? { groups: Int32Array.from({ length: Math.ceil(n / 4) }, (_, g) => g * 4) } : {}),
  })
  return { train: rows(2 + below(80)), validate: rows(10), types }
}
