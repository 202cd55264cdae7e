import { forest, gbdt, linear, mlp, stack, type TrainerDef } from 'millrace'
import { expect, test } from 'vitest'
import { seededRng } from '../../../src/core/rng.ts'
import { average } from '../../../src/define/trainers.ts'
import { type CompositeModel, compose } from '../../../src/model/composite.ts'
import { explainRow } from '../../../src/model/explain.ts'
import { decodeModel, encodeModel } from '../../../src/model/format.ts'
import { compileScorer, type Model } from '../../../src/model/score.ts'
import { auc } from '../../../src/stats/metrics.ts'
import { averageLearner } from '../../../src/train/combine/average.ts'
import { foldsOf } from '../../../src/train/combine/folds.ts'
import { stackLearner } from '../../../src/train/combine/stack.ts'
import type { Learner, LearnInput, LearnRows } from '../../../src/train/learner.ts'
import { learnerOf } from '../../../src/train/learners.ts'

function world(nRows: number, seed: number): LearnRows {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 4 }, () => Float64Array.from({ length: nRows }, rng.normal))
  columns[3] = columns[3].map(() => rng.nextInt(5))
  const target = columns[0].map((x, i) => {
    const z = x + columns[1][i] * columns[2][i] + [0, 1, -1, 2, 0][columns[3][i]]
    return rng.next() < 1 / (1 + Math.exp(-z)) ? 1 : 0
  })
  return { nRows, columns, target }
}

function inputOf(train: LearnRows, more: Partial<LearnInput> = {}): LearnInput & { notes: string[] } {
  const notes: string[] = []
  return {
    task: 'binary',
    nClasses: 1,
    features: train.columns.map((_, j) => ({ name: `x${j}`, type: j === 3 ? 'category' : 'number' })),
    train,
    validate: world(500, 99),
    seed: 1,
    signal: new AbortController().signal,
    progress: () => {},
    note: (text) => notes.push(text),
    notes,
    ...more,
  }
}

const rawsOf = (model: Model, { columns, nRows }: LearnRows) => {
  const out = new Float64Array(nRows * model.nOutputs)
  compileScorer(model).rawBatch(columns, nRows, out)
  return out
}

const PARTS = [gbdt({ trees: 20, leaves: 8 }), linear(), mlp({ hidden: [8], epochs: 4 })]

test('a block is predicted from the blocks before it alone, and each row of a random fold from other rows', () => {
  const rows = Int32Array.from({ length: 103 }, (_, i) => 3 * i)
  for (const order of ['blocks', 'random'] as const) {
    const folds = foldsOf(rows, 5, order, 7)
    const predicted = folds.flatMap(({ predict }) => Array.from(predict))
    expect(new Set(predicted).size).toBe(predicted.length)
    for (const { learn, predict } of folds) {
      expect(learn.some((row) => predict.includes(row))).toBe(false)
      if (order === 'blocks') expect(Math.max(...learn)).toBeLessThan(Math.min(...predict))
      else expect(learn.length + predict.length).toBe(rows.length)
    }
    expect(predicted.length).toBe(
      order === 'random' ? rows.length : rows.length - Math.floor(rows.length / 6),
    )
  }
})

test('weights never learn from rows that a part has learned by heart', async () => {
  // A part that knows the target of the rows it learned from, and nothing else; the other part is honest.
  const byHeart: Learner = {
    kind: 'gbdt',
    tasks: ['binary'],
    learn: ({ train, kept }) => {
      const known = new Map(
        Array.from(kept ?? train.target.keys(), (row) => [train.columns[0][row], train.target[row]]),
      )
      const codes = Float64Array.from([...known.keys()].sort((a, b) => a - b))
      const values = Float64Array.from([...codes, 0, 0], (code) =>
        known.has(code) ? 20 * known.get(code)! - 10 : 0,
      )
      const edges = codes.slice()
      return {
        model: {
          kind: 'AdditiveTables',
          nFeatures: 4,
          nOutputs: 1,
          link: 'sigmoid',
          intercepts: Float64Array.of(0),
          axes: [{ kind: 'number', feature: 0, edges }],
          terms: [{ axes: [0], values, weights: values.map(() => 1), deviations: values.map(() => 0) }],
        },
      }
    },
  }
  const lookup = (kind: TrainerDef['kind']) => (kind === 'gbdt' ? byHeart : learnerOf(kind))
  const input = inputOf(world(1200, 1))
  const trainer = stack({ of: [gbdt(), linear()], order: 'random' })
  const { model } = await stackLearner(lookup).learn(input, trainer)
  const { members } = model as CompositeModel
  const weightOf = (kind: string) => members.find((m) => m.model.kind === kind)?.weight ?? 0
  expect(weightOf('AdditiveTables')).toBeLessThan(0.02)
  expect(weightOf('EncodedLinearModel')).toBeGreaterThan(0.5)
})

test('a stack ranks later rows at least as well as its best part, and says what its parts weigh', async () => {
  const train = world(4000, 2)
  const later = world(4000, 3)
  const input = inputOf(train)
  const { model } = await stackLearner(learnerOf).learn(input, stack({ of: PARTS, folds: 3 }))
  const alone = await Promise.all(
    stack({ of: PARTS }).of.map(async (part) => learnerOf(part.kind).learn(inputOf(train), part)),
  )
  const best = Math.max(...alone.map((one) => auc(rawsOf(one.model, later), later.target)))
  expect(auc(rawsOf(model, later), later.target)).toBeGreaterThan(best - 0.002)
  expect(input.notes.at(-1)).toMatch(
    /^weights learned on 3000 rows out of fold: gbdt [\d.]+, linear [\d.]+, mlp/,
  )
  for (const { weight } of (model as CompositeModel).members) expect(weight).toBeGreaterThan(0)
})

test('an average is the mean of its trainings, with other bytes by seed, the same bytes again', async () => {
  const train = world(600, 4)
  const trainer = average({ of: PARTS[2], seeds: 3 })
  const learn = async (seed: number) =>
    (await averageLearner(learnerOf).learn(inputOf(train, { seed }), trainer)).model as CompositeModel
  const model = await learn(1)
  expect(encodeModel(await learn(1))).toStrictEqual(encodeModel(model))
  expect(encodeModel(await learn(2))).not.toStrictEqual(encodeModel(model))
  const parts = model.members.map((member) => rawsOf(member.model as Model, train))
  rawsOf(model, train).forEach((raw, i) => {
    expect(raw).toBeCloseTo((parts[0][i] + parts[1][i] + parts[2][i]) / 3, 12)
  })
})

test('bytes give a composite back; its explanation is the weighted sum of those of its members', async () => {
  const train = world(800, 5)
  const { model } = await stackLearner(learnerOf).learn(
    inputOf(train),
    stack({ of: PARTS.slice(0, 2), folds: 2 }),
  )
  const composite = model as CompositeModel
  expect(decodeModel(encodeModel(composite)).model).toStrictEqual(composite)
  const x = Float64Array.from(train.columns, (column) => column[7])
  const whole = explainRow(composite, x)
  expect(Math.abs(whole.residual)).toBeLessThan(1e-12)
  whole.contributions.forEach((c, j) => {
    const sum = composite.members.reduce(
      (total, { model: part, weight }) => total + weight * explainRow(part as Model, x).contributions[j],
      0,
    )
    expect(c).toBeCloseTo(sum, 12)
  })
  const twice = compose([composite, composite], [0.5, 0.5], Float64Array.of(0))
  expect(rawsOf(twice, train)[3]).toBeCloseTo(rawsOf(composite, train)[3], 12)
  expect(twice.members.some((member) => member.model.kind === 'CompositeModel')).toBe(false)
})

test('parts that answer on another scale, or cannot learn the task, are refused', async () => {
  const counts: LearnRows = { ...world(300, 6) }
  const byNeighbours = stack({ of: [{ ...linear(), loss: 'poisson' } as TrainerDef, linear()] })
  const input = inputOf(counts, { task: 'regression' })
  await expect(stackLearner(learnerOf).learn(input, byNeighbours)).rejects.toThrow('MR_TRAIN_PARTS')
  const several = inputOf({ ...counts, target: counts.columns[3] }, { task: 'ranking', nClasses: 1 })
  await expect(averageLearner(learnerOf).learn(several, average({ of: mlp() }))).rejects.toThrow(
    'MR_TRAIN_PARTS',
  )
})

test('hostile bytes of a composite are refused, wherever one is changed', async () => {
  const { model } = await averageLearner(learnerOf).learn(
    inputOf(world(200, 7)),
    average({ of: gbdt({ trees: 2, leaves: 3 }), seeds: 2 }),
  )
  const bytes = encodeModel(model)
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice()
    changed[at] ^= 0xff
    try {
      const { model: other } = decodeModel(changed)
      compileScorer(other).rawBatch(new Float64Array(other.nFeatures), 1, new Float64Array(other.nOutputs))
    } catch (error) {
      expect(String(error)).toMatch(/MR_MODEL_(FORMAT|VERSION|INVALID)/)
    }
  }
})

test('a stack of classes says later rows better than its best part, by weights that all classes share', async () => {
  const classesOf = (nRows: number, seed: number): LearnRows => {
    const rng = seededRng(seed + 100)
    const rows = world(nRows, seed)
    const [a, b, c, d] = rows.columns
    const target = a.map((x, i) => {
      const scores = [x + b[i] * c[i], [0, 1, -1, 2, 0][d[i]] - x, 0.5 * c[i]].map((z) => 1.5 * z)
      const parts = scores.map(Math.exp)
      const drawn = rng.next() * (parts[0] + parts[1] + parts[2])
      return drawn < parts[0] ? 0 : drawn < parts[0] + parts[1] ? 1 : 2
    })
    return { ...rows, target }
  }
  const train = classesOf(3_000, 7)
  const later = classesOf(3_000, 8)
  const more = { task: 'multiclass', nClasses: 3 } as const
  const lossOf = (model: Model) => {
    const out = new Float64Array(3 * later.nRows)
    compileScorer(model).scoreBatch(later.columns, later.nRows, out)
    return later.target.reduce((sum, y, i) => sum - Math.log(out[3 * i + y]), 0) / later.nRows
  }
  const trainer = stack({ of: [gbdt({ trees: 40 }), linear()], folds: 3 })
  const input = inputOf(train, more)
  const { model } = await stackLearner(learnerOf).learn(input, trainer)
  expect(model.nOutputs).toBe(3)
  expect(input.notes.at(-1)).toMatch(/^weights learned on 2250 rows out of fold: gbdt [\d.]+, linear [\d.]+$/)
  const alone = await Promise.all(
    trainer.of.map(async (part) => learnerOf(part.kind).learn(inputOf(train, more), part)),
  )
  const best = Math.min(...alone.map((one) => lossOf((one as { model: Model }).model)))
  expect(lossOf(model)).toBeLessThan(best + 0.002)
  const forests = stack({ of: [forest({ trees: 3 }), linear()], folds: 2 })
  await expect(stackLearner(learnerOf).learn(inputOf(train, more), forests)).rejects.toThrow('MR_TRAIN_PARTS')
})
