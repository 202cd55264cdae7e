import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import {
  type Ask,
  mean,
  rankTrials,
  runSearch,
  type Search,
  type Trial,
} from '../../../src/train/search/methods.ts'
import { placeOf, valueAt } from '../../../src/train/search/space.ts'
import { TOYS } from './functions.ts'

interface Recorded {
  trials: number
  seeds: number
  found: Record<string, Record<'random' | 'tpe' | 'tpeMultivariate', number[]>>
}

const optuna: Recorded = JSON.parse(
  readFileSync(new URL('../../reference/search/optuna.json', import.meta.url), 'utf8'),
)

const OURS = {
  random: { method: 'random' },
  tpe: { method: 'tpe' },
} as const

async function bestOf(name: string, how: keyof typeof OURS, seed: number): Promise<number> {
  const toy = TOYS[name]
  const trials = await runSearch({
    ...OURS[how],
    space: toy.space,
    trials: optuna.trials,
    folds: 1,
    seed,
    goOn: () => true,
    evaluate: async (asks) => asks.map(({ params }) => toy.loss(params)),
  })
  return mean(rankTrials(trials)[0].losses)
}

/** How often the first beats the second over all pairs, ties half: 0.5 when they are alike. Lower values are better. */
function winsOf(ours: number[], theirs: number[]): number {
  let wins = 0
  for (const a of ours) for (const b of theirs) wins += a < b ? 1 : a === b ? 0.5 : 0
  return wins / (ours.length * theirs.length)
}

/** Three standard deviations of the share of wins below one half when both sides draw from one law: sqrt((m + n + 1) / (12 m n)). */
const n = optuna.seeds
const CHANCE = 3 * Math.sqrt((2 * n + 1) / (12 * n * n))

for (const name of Object.keys(TOYS)) {
  test(`finds as good a point as optuna on ${name}, over a hundred seeds, and a better one than chance`, async () => {
    const seeds = Array.from({ length: n }, (_, seed) => seed)
    const found = (how: keyof typeof OURS) => Promise.all(seeds.map((seed) => bestOf(name, how, seed)))
    const [random, joint] = [await found('random'), await found('tpe')]
    expect(Math.abs(winsOf(random, optuna.found[name].random) - 0.5)).toBeLessThan(CHANCE)
    expect(winsOf(joint, optuna.found[name].tpeMultivariate)).toBeGreaterThan(0.5 - CHANCE)
    expect(winsOf(joint, random)).toBeGreaterThan(0.75)
    expect(Math.min(...joint)).toBeGreaterThanOrEqual(TOYS[name].least - 1e-5)
  })
}

const toySearch = (over: Partial<Search>): Search => ({
  space: TOYS.mixed.space,
  method: 'random',
  trials: 20,
  folds: 3,
  seed: 1,
  goOn: () => true,
  evaluate: async (asks) => asks.map(({ params, fold }) => TOYS.mixed.loss(params) + fold),
  ...over,
})

test('asks for the same trials again when it is begun again, so that nothing is measured twice', async () => {
  for (const method of ['random', 'tpe', 'halving'] as const) {
    const [first, second]: string[][] = [[], []]
    for (const asked of [first, second])
      await runSearch(
        toySearch({
          method,
          evaluate: async (asks) => {
            asked.push(...asks.map((ask) => JSON.stringify(ask)))
            return asks.map(({ params }) => TOYS.mixed.loss(params))
          },
        }),
      )
    expect(second).toEqual(first)
    expect(new Set(first).size).toBe(first.length)
  }
})

test('tries the written parameters first', async () => {
  const start = { rate: 0.1, leaves: 31, kind: 'a' }
  for (const method of ['random', 'tpe', 'halving'] as const)
    expect((await runSearch(toySearch({ method, start })))[0].params).toEqual(start)
})

test('stops a trial that is worse than the median after the folds it has seen', async () => {
  const trials = await runSearch(toySearch({ trials: 40 }))
  const stopped = trials.filter((t) => t.state === 'stopped')
  expect(stopped.length).toBeGreaterThan(5)
  expect(trials.slice(0, 5).every((t) => t.state === 'done')).toBe(true)
  for (const trial of stopped) {
    const before = trials.slice(0, trial.number).filter((t) => t.state === 'done')
    const better = before.filter((t) => mean(t.losses.slice(0, trial.losses.length)) <= mean(trial.losses))
    expect(better.length).toBeGreaterThanOrEqual(Math.floor(before.length / 2) - 1)
  }
  expect(rankTrials(trials)[0].state).toBe('done')
})

test('halving gives many points a ninth, the best third of them three times as much, and one of them all', async () => {
  const asks: Ask[] = []
  const trials = await runSearch(
    toySearch({
      method: 'halving',
      trials: 17,
      folds: 1,
      evaluate: async (round) => {
        asks.push(...round)
        return round.map(({ params }) => TOYS.mixed.loss(params))
      },
    }),
  )
  const counts = new Map<number, number>()
  for (const { share } of asks) counts.set(share, (counts.get(share) ?? 0) + 1)
  // Brackets of 9, 5 and 3 points: Li et al. 2018, table 1, with R = 9 and eta = 3.
  expect([...counts].sort(([a], [b]) => a - b)).toEqual([
    [1 / 9, 9],
    [1 / 3, 3 + 5],
    [1, 1 + 1 + 3],
  ])
  const firstNine = trials.slice(0, 9)
  const least = Math.min(...firstNine.map((t) => TOYS.mixed.loss(t.params)))
  expect(firstNine.find((t) => t.state === 'done')!.losses).toEqual([least])
})

test('a trial that fails is last, and the search goes on', async () => {
  for (const method of ['random', 'tpe', 'halving'] as const) {
    const trials = await runSearch(
      toySearch({
        method,
        evaluate: async (asks) =>
          asks.map(({ trial, params }) => (trial % 3 === 0 ? null : TOYS.mixed.loss(params))),
      }),
    )
    expect(trials.filter((t) => t.state === 'failed').length).toBeGreaterThan(3)
    expect(rankTrials(trials)[0].state).not.toBe('failed')
    expect(rankTrials(trials).at(-1)!.state).toBe('failed')
  }
})

test('ends between rounds when the time is over, with the best so far', async () => {
  let left = 3
  const trials = await runSearch(toySearch({ goOn: () => left-- > 0 }))
  expect(trials).toHaveLength(6)
})

test('a value is found where it lies, and ends of whole numbers are as likely as the others', () => {
  const dimension = TOYS.mixed.space.leaves
  for (const value of [2, 3, 64, 1023, 1024])
    expect(valueAt(dimension, placeOf(dimension, value))).toBe(value)
  const even = { kind: 'range', min: 1, max: 4, scale: 'linear', integer: true } as const
  const counts = [0, 0, 0, 0]
  for (let i = 0; i < 4000; i++) counts[(valueAt(even, (i + 0.5) / 4000) as number) - 1]++
  expect(counts).toEqual([1000, 1000, 1000, 1000])
})

test('trials measured in full come before those that were stopped, however good these looked', () => {
  const trial = (number: number, over: Partial<Trial>): Trial => ({
    number,
    params: {},
    state: 'done',
    share: 1,
    losses: [1],
    ...over,
  })
  const ranked = rankTrials([
    trial(0, { state: 'failed', losses: [] }),
    trial(1, { state: 'stopped', share: 1 / 3, losses: [0.1] }),
    trial(2, { losses: [2] }),
    trial(3, { losses: [1.5] }),
    trial(4, { state: 'stopped', share: 1 / 9, losses: [0] }),
  ])
  expect(ranked.map((t) => t.number)).toEqual([3, 2, 1, 4, 0])
})
