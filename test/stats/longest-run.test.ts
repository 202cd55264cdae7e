import { expect, test } from 'vitest'
import { seededRng } from '../../src/core/rng.ts'
import { type LongestRun, RunFinder, standsStill } from '../../src/stats/longest-run.ts'

/** A column of numbers, NaN for a row without a value, in chunks. */
function runOf(values: number[], cut = 2048): LongestRun {
  const finder = new RunFinder()
  for (let at = 0; at < values.length; at += cut) {
    const piece = values.slice(at, at + cut)
    finder.add(new Int32Array(Float64Array.from(piece).buffer), piece.length, (i) => Number.isNaN(piece[i]))
  }
  return finder.finish()
}

const rng = seededRng(5)
const alive = (n: number) => Array.from({ length: n }, () => Math.floor(rng.next() * 1000))

test('finds the longest stretch wherever chunks end, and missing values are a stretch too', () => {
  const values = [...alive(500), ...new Array(700).fill(7), ...alive(300)]
  const from = values[499] === 7 ? 499 : 500
  for (const cut of [1, 3, 1000, 5000]) {
    const run = runOf(values, cut)
    expect([run.rows, run.from, run.length]).toEqual([1500, from, 1200 - from + (values[1200] === 7 ? 1 : 0)])
  }
  const missing = runOf([...new Array(400).fill(Number.NaN), ...alive(600)])
  expect([missing.from, missing.length]).toEqual([0, 400])
  expect(runOf([])).toEqual({ rows: 0, runs: 0, from: 0, length: 0 })
  expect(runOf([1, 1, 2, 2])).toEqual({ rows: 4, runs: 2, from: 0, length: 2 })
})

test('a column that is dead for a while stands still; one that is constant, sorted, a calendar or rare does not', () => {
  expect(standsStill(runOf([...new Array(400).fill(3), ...alive(8_000)]))).toBe(true)
  expect(standsStill(runOf([...alive(8_000), ...new Array(400).fill(Number.NaN)]))).toBe(true)
  expect(standsStill(runOf(new Array(8_000).fill(3)))).toBe(false)
  expect(standsStill(runOf(alive(8_000).sort((a, b) => a - b)))).toBe(false)
  expect(standsStill(runOf(Array.from({ length: 8_760 }, (_, hour) => Math.floor(hour / 730))))).toBe(false)
  expect(standsStill(runOf(Array.from({ length: 8_760 }, (_, hour) => Math.floor(hour / 24))))).toBe(false)
})

test('independent rows of a rare value are never taken for a dead stretch, in 400 columns', () => {
  let found = 0
  for (let seed = 0; seed < 400; seed++) {
    const draw = seededRng(seed)
    const share = [0.5, 0.9, 0.99, 0.995][seed % 4]!
    if (
      standsStill(runOf(Array.from({ length: 10_000 }, () => (draw.next() < share ? 0 : draw.nextInt(50)))))
    )
      found++
  }
  expect(found).toBe(0)
})
