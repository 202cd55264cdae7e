import { describe, expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { retainedSkill, type SkillCell, skillDecay } from '../../src/stats/decay.ts'
import { binomialCdf, binomialSf, normalQuantile } from '../../src/stats/distributions.ts'

const DAYS = 30
const GROUPS = 10

interface World {
  /** Months; infinite for none. */
  halfLife: number
  noise: number
  seed: number
}

/** Six models of six months, each tested on all later months; the skill of a month is the mean of its days, and days move together for all models. */
function cellsOf({ halfLife, noise, seed }: World): SkillCell[] {
  const rng = seededRng(seed)
  const normal = () => normalQuantile(Math.min(1 - 1e-12, Math.max(1e-12, rng.next())))
  const cells: SkillCell[] = []
  for (let period = 1; period <= 6; period++) {
    const difficulty = 0.3 + 0.05 * (period % 3)
    const shared = Array.from({ length: DAYS }, () => noise * normal())
    for (let model = 0; model < period; model++) {
      const age = period - model - 1
      const level = difficulty * (halfLife === Number.POSITIVE_INFINITY ? 1 : 2 ** (-age / halfLife))
      const days = shared.map((s) => level + s + noise * normal())
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
      const without = Array.from({ length: GROUPS }, (_, g) => mean(days.filter((_, d) => d % GROUPS !== g)))
      cells.push({ period, age, skill: mean(days), without })
    }
  }
  return cells
}

describe('decay of skill', () => {
  test.each([0.5, 2, 6, 24])('a half-life of %d months is found exactly without noise', (halfLife) => {
    const decay = skillDecay(cellsOf({ halfLife, noise: 0, seed: 1 }))!
    expect(decay.halfLife / halfLife).toBeCloseTo(1, 6)
    expect(decay.n).toBe(20)
  })

  test('no decay and improvement with age have no half-life', () => {
    const still = skillDecay(cellsOf({ halfLife: Number.POSITIVE_INFINITY, noise: 0, seed: 1 }))!
    expect(still.rate).toBeCloseTo(0, 8)
    const better = skillDecay(cellsOf({ halfLife: -6, noise: 0, seed: 1 }))!
    expect([better.rate < 0, better.halfLife]).toEqual([true, Number.POSITIVE_INFINITY])
  })

  test('the interval covers the truth as often as it says, and says infinite where nothing decays', () => {
    const seeds = Array.from({ length: 200 }, (_, i) => i + 1)
    for (const halfLife of [4, Number.POSITIVE_INFINITY]) {
      const covered = seeds.filter((seed) => {
        const { interval } = skillDecay(cellsOf({ halfLife, noise: 0.06, seed }))!
        return interval[0] <= 1 / halfLife && 1 / halfLife <= interval[1]
      }).length
      // 95 % of 200 within the central 99.9 % of the binomial law, with one point for the jackknife's approximation.
      expect(binomialCdf(covered, 200, 0.94), `${covered} of 200`).toBeGreaterThan(0.0005)
      expect(binomialSf(covered - 1, 200, 0.98), `${covered} of 200`).toBeGreaterThan(0.0005)
    }
  })

  test('models that lost all skill, or turned it round, do not break the fit', () => {
    const cells = cellsOf({ halfLife: 1, noise: 0, seed: 1 }).map((c) =>
      c.age > 3 ? { ...c, skill: -0.01, without: c.without.map(() => -0.01) } : c,
    )
    expect(skillDecay(cells)!.halfLife).toBeLessThan(1.2)
  })

  test('the curve gives each age its share of the youngest models’ skill', () => {
    const exact = retainedSkill(cellsOf({ halfLife: 2, noise: 0, seed: 1 }))
    expect(exact.map(({ age, n }) => [age, n])).toEqual([
      [0, 5],
      [1, 5],
      [2, 4],
      [3, 3],
      [4, 2],
      [5, 1],
    ])
    for (const { age, share } of exact) expect(share).toBeCloseTo(2 ** (-age / 2), 12)
    const rates = [1, 2, 3].map((age) => {
      let covered = 0
      for (let seed = 1; seed <= 200; seed++) {
        const { interval } = retainedSkill(cellsOf({ halfLife: 4, noise: 0.06, seed }))[age]!
        if (interval[0] <= 2 ** (-age / 4) && 2 ** (-age / 4) <= interval[1]) covered++
      }
      return covered
    })
    for (const covered of rates) {
      expect(binomialCdf(covered, 200, 0.94), `${covered} of 200`).toBeGreaterThan(0.0005)
      expect(binomialSf(covered - 1, 200, 0.98), `${covered} of 200`).toBeGreaterThan(0.0005)
    }
  })

  test('nothing to compare is no answer', () => {
    const [cell] = cellsOf({ halfLife: 4, noise: 0, seed: 1 })
    expect(skillDecay([cell!])).toBeUndefined()
    expect(
      skillDecay([
        { period: 1, age: 1, skill: -0.1, without: [0, 0] },
        { period: 1, age: 2, skill: 0, without: [0, 0] },
      ]),
    ).toBeUndefined()
    expect(() => skillDecay([])).toThrow('MR_STATS_EMPTY')
  })
})
