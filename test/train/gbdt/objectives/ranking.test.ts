import { describe, expect, test } from 'vitest'
import { seededRng } from '../../../../src/core/rng.ts'
import { boostObjective, type GivenBoostObjective } from '../../../../src/define/boost-objectives.ts'
import { compileScorer } from '../../../../src/model/score.ts'
import { meanOverGroups, ndcg } from '../../../../src/stats/metrics-ranking.ts'
import { binColumns, takeRows } from '../../../../src/train/gbdt/binning.ts'
import { openObjective } from '../../../../src/train/gbdt/objectives/registry.ts'
import { type TrainData, trainGbdt, trainOnBins } from '../../../../src/train/gbdt/train.ts'
import reference from '../../../reference/train/objectives.json' with { type: 'json' }
import xendcg from '../../../reference/train/xendcg.json' with { type: 'json' }

type Queries = TrainData & { groups: Int32Array }

/** The ranking set of test/reference/train/objectives.py, number by number. */
function queries(seed: number, count: number, size = 20): Queries {
  const rng = seededRng(seed)
  const columns = Array.from({ length: 6 }, () => new Float64Array(count * size))
  const target = new Float64Array(count * size)
  for (let q = 0; q < count; q++) {
    const mood = 1.5 * rng.normal()
    for (let i = q * size; i < (q + 1) * size; i++) {
      const f = Array.from({ length: 6 }, () => rng.normal())
      const raw = mood + f[0] + (f[2] > 0.5 ? 1 : 0) + 0.7 * f[3] * f[4] + rng.normal()
      const row = [mood + 0.3 * f[5], ...f.slice(0, 5)]
      row.forEach((x, j) => {
        columns[j][i] = x
      })
      target[i] = Math.min(4, Math.max(0, Math.floor(raw + 1.5)))
    }
  }
  const groups = Int32Array.from({ length: count }, (_, q) => q * size)
  return { nRows: count * size, columns, categorical: columns.map(() => false), target, groups }
}

const PARAMS = { trees: 60, leaves: 15, learningRate: 0.1, minRowsInLeaf: 20 }
const RANK = { ...PARAMS, objective: 'lambdarank' as const }

function ndcg10(data: Queries, test: Queries, objective: GivenBoostObjective): number {
  const { model } = trainGbdt(data, { ...PARAMS, objective })
  const scores = new Float64Array(test.nRows)
  compileScorer(model).rawBatch(test.columns, test.nRows, scores)
  return meanOverGroups(scores, test.target, test.groups, (s, r) => ndcg(s, r, 10))
}

test('LambdaMART orders as well as LightGBM’s, and better than a regression on relevances', () => {
  const [train, held] = [queries(1, 300), queries(2, 500)]
  const ranked = ndcg10(train, held, 'lambdarank')
  expect(Math.abs(ranked - reference.ranking.lightgbm)).toBeLessThan(0.005)
  expect(ranked).toBeGreaterThan(reference.ranking.xgboost)
  expect(ranked).toBeGreaterThan(ndcg10(train, held, 'l2') + 0.005)
})

test('XE-NDCG orders as well as LightGBM’s rank_xendcg', () => {
  const ranked = ndcg10(queries(1, 300), queries(2, 500), 'xendcg')
  expect(Math.abs(ranked - xendcg.lightgbm)).toBeLessThan(0.006)
})

describe('pushes of XE-NDCG', () => {
  const target = Float64Array.of(3, 0, 1, 2, 0, 4, 1, 0)
  const scores = Float64Array.of(0.3, 1.2, -0.4, 0.1, 0.8, -1, 0.25, 0)
  const pushes = (starts: number[], round: number) => {
    const labels = { target, weights: null, queries: Int32Array.from(starts), nClasses: 0 }
    const [grad, hess] = [new Float64Array(8), new Float64Array(8)]
    openObjective(labels, boostObjective('xendcg')).gradients(scores, labels, grad, hess, round)
    return { grad, hess }
  }
  const chancesOf = (raw: number[]) => {
    const parts = raw.map(Math.exp)
    const sum = parts.reduce((a, b) => a + b)
    return parts.map((part) => part / sum)
  }

  test('are, on the mean of many rounds, slopes of the cross entropy to the mean shares, carried to the third order', () => {
    const rounds = 4000
    const mean = new Float64Array(8)
    for (let round = 0; round < rounds; round++)
      pushes([0, 8], round).grad.forEach((g, i) => {
        mean[i] += g / rounds
      })
    // 2^relevance - u for the mean of u; the sum of eight draws moves little.
    const gains = Array.from(target, (y) => 2 ** y - 0.5)
    const all = gains.reduce((a, b) => a + b)
    const loss = (raw: number[]) => {
      const p = chancesOf(raw)
      return -gains.reduce((sum, gain, i) => sum + (gain / all) * Math.log(p[i]), 0)
    }
    const raw = [...scores]
    const p = chancesOf(raw)
    const h = 1e-5
    let term = raw.map((_, i) => {
      const at = (shift: number) => loss(raw.map((s, j) => (j === i ? s + shift : s)))
      return (at(h) - at(-h)) / (2 * h)
    })
    const expected = term.slice()
    for (let order = 2; order <= 3; order++) {
      const last = term
      term = p.map((of, i) => of * last.reduce((sum, t, j) => (j === i ? sum : sum + t / (1 - p[j])), 0))
      term.forEach((t, i) => {
        expected[i] += t
      })
    }
    mean.forEach((g, i) => {
      expect(Math.abs(g - expected[i])).toBeLessThan(0.01)
    })
    pushes([0, 8], 0).hess.forEach((b, i) => {
      expect(b).toBeCloseTo(p[i] * (1 - p[i]), 12)
    })
  })

  test('are drawn anew each round, the same each time, and none in a query of one row', () => {
    expect(pushes([0, 8], 1).grad).toStrictEqual(pushes([0, 8], 1).grad)
    expect(pushes([0, 8], 1).grad).not.toStrictEqual(pushes([0, 8], 2).grad)
    expect(pushes([0, 1, 8], 0).grad[0]).toBe(0)
  })
})

describe('pushes of pairs', () => {
  const target = Float64Array.of(3, 0, 1, 2, 0, 4, 1, 0)
  const scores = Float64Array.of(0.3, 1.2, -0.4, 0.1, 0.8, -1, 0.25, 0)
  const open = (starts: number[], params: object) => {
    const labels = { target, weights: null, queries: Int32Array.from(starts), nClasses: 0 }
    const objective = openObjective(labels, boostObjective({ name: 'lambdarank', ...params }))
    const [grad, hess] = [new Float64Array(8), new Float64Array(8)]
    objective.gradients(scores, labels, grad, hess, 0)
    return { grad, hess }
  }

  test('are what exchanging two rows would change the NDCG by, times the logistic slope', () => {
    const { grad } = open([0, 8], { normalise: false })
    const slow = new Float64Array(8)
    const before = ndcg(scores, target)
    for (let a = 0; a < 8; a++) {
      for (let b = 0; b < 8; b++) {
        if (target[a] <= target[b]) continue
        const swapped = scores.slice()
        ;[swapped[a], swapped[b]] = [scores[b], scores[a]]
        const change = Math.abs(ndcg(swapped, target) - before)
        const push = change / (1 + Math.exp(scores[a] - scores[b]))
        slow[a] -= push
        slow[b] += push
      }
    }
    grad.forEach((g, i) => {
      expect(g).toBeCloseTo(slow[i], 10)
    })
  })

  test('of a query sum to nothing, and queries do not touch one another', () => {
    const both = open([0, 3, 8], {})
    expect(both.grad.subarray(0, 3).reduce((a, b) => a + b)).toBeCloseTo(0, 12)
    expect(both.grad.subarray(3).reduce((a, b) => a + b)).toBeCloseTo(0, 12)
    expect(both.hess.every((h) => h >= 0)).toBe(true)
  })

  test('are none in a query of one row or of one relevance', () => {
    expect([...open([0, 1, 8], {}).grad.subarray(0, 1)]).toEqual([0])
    const flat = { target: new Float64Array(8), weights: null, queries: Int32Array.of(0, 8), nClasses: 0 }
    const grad = new Float64Array(8).fill(1)
    openObjective(flat, boostObjective('lambdarank')).gradients(scores, flat, grad, new Float64Array(8), 0)
    expect(grad.every((g) => g === 0)).toBe(true)
  })
})

test('training stops by the NDCG of validation queries and keeps the best round', () => {
  const [train, valid] = [queries(3, 100), queries(4, 100)]
  const result = trainGbdt(
    { ...train, valid },
    { ...RANK, trees: 200, learningRate: 0.3, earlyStoppingRounds: 10 },
  )
  expect(result.stopped).toBe('early')
  const scores = new Float64Array(valid.nRows)
  compileScorer(result.model).rawBatch(valid.columns, valid.nRows, scores)
  const value = meanOverGroups(scores, valid.target, valid.groups, (s, r) => ndcg(s, r, 10))
  expect(1 - value).toBeCloseTo(result.validLoss[result.rounds - 1], 10)
})

test('queries lose the rows that are left out, and vanish with their last', () => {
  const data = queries(5, 30)
  const kept = Int32Array.from({ length: data.nRows }, (_, i) => i).filter(
    (i) => i % 3 !== 0 && !(i >= 40 && i < 60),
  )
  const take = (values: Float64Array) => Float64Array.from(kept, (i) => values[i])
  const starts = [...data.groups].filter((at) => at !== 40).map((at) => kept.findIndex((i) => i >= at))
  const copied = { ...data, nRows: kept.length, columns: data.columns.map(take), target: take(data.target) }
  const binned = binColumns(data.columns, data.categorical)
  const some = trainOnBins({ ...data, binned, rowIndexes: kept }, RANK)
  const bins = { ...binColumns(data.columns, data.categorical), nRows: data.nRows }
  const other = trainOnBins(
    {
      target: copied.target,
      groups: Int32Array.from(starts),
      binned: takeRows(bins, kept),
    },
    RANK,
  )
  expect(some.model.value).toEqual(other.model.value)
  expect(some.trainScores.filter(Number.isNaN).length).toBe(data.nRows - kept.length)
})

describe('queries are refused', () => {
  const code = (change: Partial<Queries>, objective: GivenBoostObjective = 'lambdarank') => {
    try {
      trainGbdt({ ...queries(1, 3), ...change }, { ...PARAMS, objective })
    } catch (error) {
      return (error as { code: string }).code
    }
    return 'none'
  }
  test('when there are none, or they do not cover the rows in order', () => {
    expect(code({ groups: undefined as never })).toBe('MR_MODEL_GROUPS')
    for (const bad of [[], [1, 20], [0, 20, 20], [0, 30, 20], [0, 60]])
      expect(code({ groups: Int32Array.from(bad) })).toBe('MR_MODEL_GROUPS')
  })
  test('when a relevance is negative, missing, too large or without a gain', () => {
    for (const bad of [-1, Number.NaN, 32])
      expect(code({ target: new Float64Array(60).fill(bad) })).toBe('MR_MODEL_TARGET')
    expect(code({ target: new Float64Array(60).fill(2) }, { name: 'lambdarank', labelGains: [0, 1] })).toBe(
      'MR_MODEL_TARGET',
    )
  })
})
